"""A real Jupyter Server with our extension, on this machine only, behind a token."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers import free_ports

TOKEN = "server-tests"
HOUSE = Path(__file__).parents[2]
# With MIGRATOR_TEST_DENY anybody who is authenticated may do nothing.
CONFIG = """
import os
from jupyter_server.auth import Authorizer
class Nobody(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return False
c.Migrator.migrations = ["migrator.migrations.copy_objects:CopyObjects", "nobody.has:This"]
if os.environ.get("MIGRATOR_TEST_DENY"):
    c.ServerApp.authorizer_class = Nobody
"""


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Server:
    """A running server, asked without proxies and with whatever headers a test wants."""

    url: str
    folder: Path
    pid: int

    def ask(
        self, path: str, body: Any = None, *, token: str | None = TOKEN, method: str = "", **headers: str
    ) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        where = self.url + path[1:] if path.startswith("/") else f"{self.url}migrator/{path}"
        request = urllib.request.Request(where, data, method=method or None)
        if token is not None:
            request.add_header("Authorization", f"token {token}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return Answer(answer.status, answer.read().decode(), dict(answer.headers))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode(), dict(error.headers))


def run_server(folder: Path, **env: str) -> Iterator[Server]:
    [port] = free_ports(1)
    config = folder / "config"
    config.mkdir(parents=True)
    (config / "jupyter_server_config.py").write_text(CONFIG)
    command = [
        sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}",
        '--ServerApp.jpserver_extensions={"migrator.server": True}',
    ]  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    own = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime", "HOME": "."}
    own = {name: str(folder / where) for name, where in own.items()}
    with (folder / "server.log").open("wb") as log:
        # Elsewhere than here: what is imported is what PYTHONPATH says.
        environment = kept | own | {"PYTHONPATH": str(HOUSE)} | env
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    server = Server(f"http://127.0.0.1:{port}/", folder, process.pid)
    try:
        _await_answer(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(20)


def _await_answer(server: Server, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120  # where others have the machine; on an idle one it takes a second
    while time.monotonic() < end:
        assert process.poll() is None, (server.folder / "server.log").read_text()[-3000:]
        try:
            if server.ask("api/status").status in (200, 403):
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError("The server did not start: " + (server.folder / "server.log").read_text()[-3000:])
