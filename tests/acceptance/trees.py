"""Real trees, made the same way each time, and what lies in a folder or a bucket as seen by others."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
MIB = 1 << 20
LARGEST_FILE = 3 * MIB
BYTES_A_FILE = 22 << 10  # as much room as a tree has for each
# NFC and NFD are two keys; what looks like an escape, a query or a sum is a key like any other.
ODD_KEYS = (
    "with space.txt", "a+b.txt", "%41.txt", "100%.txt", "a=b&c.txt", "caf\u00e9.txt", "cafe\u0301.txt",
    "emoji-\U0001f980.txt", "one/two/three/four.txt", "#hash?query.txt", "quote'\"<x>.txt", "~tilde,(1)!.txt",
)  # fmt: skip


def real_tree(folder: Path, files: int) -> int:
    """The standard library and a slice of site-packages of this interpreter, as a plain tree.

    Links are resolved, ``__pycache__`` included, files above 3 MiB left out. Returns how many files.
    """
    paths = sysconfig.get_paths()
    made, size, room = 0, 0, files * BYTES_A_FILE
    for origin, name in ((paths["stdlib"], "lib"), (paths["purelib"], "site")):
        for file in _files(Path(origin)):
            if made == files:
                return made
            length = file.stat().st_size
            # Half of the room for the library, so that small packages fit beside it.
            if length > LARGEST_FILE or size + length > (room * 2 // 3 if name == "lib" else room):
                continue
            target = folder / name / file.relative_to(origin)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
            made, size = made + 1, size + length
    return made


def _files(origin: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(origin):
        names[:] = sorted(name for name in names if name not in ("site-packages", "test", "tests"))
        for name in sorted(files):
            path = Path(folder, name)
            if path.is_file() and os.access(path, os.R_OK):  # not a link that dangles
                yield path


def small_tree(folder: Path, files: int, seed: int = 7) -> Path:
    """Many small files in some folders, their content told by the seed."""
    rng = random.Random(seed)
    for number in range(files):
        path = folder / f"d{number % 12:02d}" / f"s{number % 3}" / f"file-{number:05d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(rng.randrange(0, 6000)))
    return folder


def odd_tree(folder: Path) -> Path:
    """A large object, one just large, an empty one, and names that are easily mistaken."""
    rng = random.Random(11)
    folder.mkdir(parents=True)
    (folder / "large-20.bin").write_bytes(rng.randbytes(20 * MIB))
    (folder / "large-9.bin").write_bytes(rng.randbytes(9 * MIB))
    (folder / "exactly-8.bin").write_bytes(rng.randbytes(8 * MIB))
    (folder / "empty").write_bytes(b"")
    for key in ODD_KEYS:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(key.encode() * 3)
    return folder


def in_folder(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of its content."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if not path.is_dir()
    }


def listed(client: Any, bucket: str, prefix: str) -> dict[str, dict[str, Any]]:
    """Every object below a prefix, as boto3 lists it."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    return {entry["Key"].removeprefix(f"{prefix}/"): entry for page in pages for entry in page.get("Contents", ())}


def in_bucket(client: Any, bucket: str, prefix: str) -> dict[str, str]:
    """Every object below a prefix with the hash of its content, as boto3 reads it."""
    return {
        key: hashlib.sha256(client.get_object(Bucket=bucket, Key=f"{prefix}/{key}")["Body"].read()).hexdigest()
        for key in listed(client, bucket, prefix)
    }


def unfinished_uploads(client: Any, bucket: str, prefix: str) -> list[str]:
    """Keys of multipart uploads that were begun below a prefix and neither completed nor aborted."""
    found = client.list_multipart_uploads(Bucket=bucket, Prefix=f"{prefix}/")
    return [upload["Key"] for upload in found.get("Uploads", ())]


def temporaries(folder: Path) -> list[str]:
    """Temporary files of runs below a folder."""
    return [str(path) for path in folder.rglob("*.part")] + [str(path) for path in folder.rglob(".*.part")]


def unless_told(objects: Mapping[str, T]) -> dict[str, T]:
    """Objects without the manifests of what a quarantine keeps."""
    return {key: value for key, value in objects.items() if ".manifest/" not in key}
