from __future__ import annotations

import itertools
import os

import pytest

from migrator.stores import Location, Store, open_store

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def no_aws(monkeypatch, tmp_path):
    """No variable or file of the machine that runs the tests has a say in them."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "AZURE_", "STORAGE_EMULATOR")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("MIGRATOR_CONFIG", str(tmp_path / "migrator.toml"))


@pytest.fixture
def aws(s3, monkeypatch):
    """The server, with the administrator's variables set."""
    for name, value in s3.env().items():
        monkeypatch.setenv(name, value)
    return s3


@pytest.fixture(scope="session")
def bucket(s3) -> str:
    return s3.make_bucket("stores")


@pytest.fixture
def place(aws, bucket) -> Location:
    """A prefix of its own for each test."""
    return Location.parse(f"s3://{bucket}/t{next(_numbers)}")


def reached(server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Location:
    """A prefix of its own for each test, of a server that the environment names."""
    for name, value in server.env().items():
        monkeypatch.setenv(name, value)
    return Location.parse(f"{bucket}/t{next(_numbers)}")


@pytest.fixture(scope="session")
def google_bucket(gcs) -> str:
    return gcs.make_bucket("stores")


@pytest.fixture
def google_place(gcs, google_bucket, monkeypatch) -> Location:
    return reached(gcs, f"gs://{google_bucket}", monkeypatch)


@pytest.fixture(scope="session")
def container(azure) -> str:
    return azure.make_bucket("stores")


@pytest.fixture
def azure_place(azure, container, monkeypatch) -> Location:
    return reached(azure, f"az://{container}", monkeypatch)


@pytest.fixture(scope="session")
def rclone_bucket(rclone_s3) -> str:
    return rclone_s3.make_bucket("stores")


@pytest.fixture
def rclone_place(rclone_s3, rclone_bucket, monkeypatch) -> Location:
    return reached(rclone_s3, f"s3://{rclone_bucket}", monkeypatch)


@pytest.fixture(params=["local", "memory", "s3", "rclone", "gs", "az"])
def store(request, tmp_path) -> Store:
    if request.param == "memory":
        return open_store(f"memory://stores/t{next(_numbers)}")
    if request.param == "az":
        return open_store(request.getfixturevalue("azure_place"))
    if request.param == "rclone":
        return open_store(request.getfixturevalue("rclone_place"))
    if request.param == "gs":
        return open_store(request.getfixturevalue("google_place"))
    if request.param == "local":
        folder = tmp_path / "store"
        folder.mkdir()
        return open_store(folder)
    return open_store(request.getfixturevalue("place"))
