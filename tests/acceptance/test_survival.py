"""A run started in a real kernel, and what happens to it when the kernel is treated badly."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from driving import ends, gone, keeper_of, moving, row, runner_of, wait_for
from jupyter_client.manager import KernelManager
from trees import in_bucket, in_folder
from wayside import Wayside

from migrator import api

READY_S = 120


class Kernel:
    """An ipykernel of this interpreter, as a notebook server would start it."""

    def __init__(self, cwd: Path) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(cwd), stdout=-3, stderr=-3)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=READY_S)

    @property
    def pid(self) -> int:
        return self.manager.provisioner.pid  # type: ignore[union-attr]

    def run(self, code: str, timeout: float = READY_S) -> str:
        """Execute a cell, and give what it printed."""
        printed: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self.client.execute_interactive(code, timeout=timeout, output_hook=hear)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(printed).strip()

    def begin(self, code: str) -> None:
        """Execute a cell, and return as soon as it runs."""
        message_id = self.client.execute("print('it runs', flush=True)\n" + code)
        while True:
            message = self.client.get_iopub_msg(timeout=READY_S)
            if message["parent_header"].get("msg_id") == message_id and message["msg_type"] == "stream":
                return

    def close(self) -> None:
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@pytest.fixture
def new_kernel(tmp_path: Path) -> Iterator[Callable[[], Kernel]]:
    made: list[Kernel] = []

    def make() -> Kernel:
        made.append(Kernel(tmp_path))
        return made[-1]

    yield make
    for kernel in made:
        kernel.close()


def start_in(kernel: Kernel, source: Path, target: str) -> str:
    return kernel.run(
        "import migrator as mg\n"
        f"run = mg.start(mg.CopyObjects({str(source)!r}, {target!r}, in_flight=1), name='from a cell')\n"
        "print(run.id)"
    )


def interrupt(kernel: Kernel) -> None:
    kernel.manager.interrupt_kernel()
    reply = kernel.client.get_shell_msg(timeout=READY_S)
    while reply["content"].get("ename") != "KeyboardInterrupt":
        reply = kernel.client.get_shell_msg(timeout=READY_S)


def restart(kernel: Kernel) -> None:
    kernel.manager.restart_kernel(now=False)
    kernel.client.wait_for_ready(timeout=READY_S)


def shut_down(kernel: Kernel) -> None:
    kernel.manager.shutdown_kernel(now=False)


def kill(kernel: Kernel) -> None:
    process = psutil.Process(kernel.pid)
    os.killpg(kernel.pid, signal.SIGKILL)  # with everything in its group
    wait_for(lambda: gone(process), 20, "the kernel is gone")


@pytest.mark.parametrize("treat", [interrupt, restart, shut_down, kill])
def test_a_run_survives_what_happens_to_its_kernel(
    treat: Callable[[Kernel], None], few: Path, wayside: Wayside, place: Callable[[str], str],
    new_kernel: Callable[[], Kernel],
) -> None:  # fmt: skip
    wayside.delay_s = 0.2
    kernel = new_kernel()
    run_id = start_in(kernel, few, place("to"))
    runner = runner_of(run_id)
    keeper = keeper_of(runner)
    assert runner.pid != kernel.pid
    moving(run_id)
    kernel.begin("run.wait()")  # a cell that waits for the run is what people interrupt
    treat(kernel)
    done = row(run_id)["copied"]
    wait_for(lambda: row(run_id)["copied"] > done, 30, "the run goes on")
    seen = row(run_id)
    assert (seen["status"], seen["pid"], seen["attempt"]) == ("running", runner.pid, 1)
    assert seen["cancel_requested_at"] is None
    assert not gone(keeper)
    other = kernel if treat in (interrupt, restart) else new_kernel()
    answer = other.run(
        f"import migrator as mg\nrun = mg.attach({run_id!r})\ns = run.snapshot()\n"
        "print(s.status, s.holder['pid'], s.name, mg.runs()[0].id)"
    )
    assert answer == f"running {runner.pid} from a cell {run_id}"


def test_a_run_is_cancelled_and_completed_from_other_kernels_than_its_own(
    few: Path, wayside: Wayside, place: Callable[[str], str], bucket: str, prefix: str, client: Any,
    new_kernel: Callable[[], Kernel],
) -> None:  # fmt: skip
    wayside.delay_s = 0.1
    kernel = new_kernel()
    run_id = start_in(kernel, few, place("to"))
    runner = runner_of(run_id)
    moving(run_id)
    kill(kernel)
    other = new_kernel()
    printed = other.run(
        f"import migrator as mg\nrun = mg.attach({run_id!r})\nrun.cancel()\nprint(run.wait(30, check=False).status)"
    )
    assert printed == "cancelled"
    wait_for(lambda: gone(runner), 10, "the runner ends")
    wayside.delay_s = 0
    # Awaited as people do it, at the top of a cell.
    assert other.run("print((await run.resume()).status)") == "completed"
    assert ends(run_id) == "completed"
    assert api.attach(run_id).snapshot().attempt == 2
    assert in_bucket(client, bucket, f"{prefix}/to") == in_folder(few)
