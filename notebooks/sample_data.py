"""Real files to copy: the first ones of this Python's standard library and installed packages.

    python notebooks/sample_data.py FOLDER [--files N]

Links and compiled files are left out. The same Python with the same packages gives the same files,
byte for byte, and files that are there already are left alone, so a second call is quick.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

LARGEST = 1 << 20  # bytes; a sample is about many files, not big ones
LEFT_OUT = {"__pycache__", "site-packages", "dist-packages", "node_modules"}
KINDS = {".cfg", ".css", ".csv", ".html", ".js", ".json", ".md", ".py", ".pyi", ".rst", ".svg", ".toml", ".txt"}


def make(folder: str | Path, files: int = 400) -> Path:
    """Fill ``folder`` with ``files`` files and give it back."""
    folder = Path(folder)
    made = 0
    for source, key in islice(candidates(), files):
        put(source, folder / key)
        made += 1
    if made < files:
        raise SystemExit(f"This Python has only {made} files to make a sample of; ask for fewer than {files}.")
    return folder


def candidates() -> Iterator[tuple[Path, Path]]:
    """Files and the keys they get, in one fixed order."""
    for name, root in (("library", "stdlib"), ("packages", "purelib")):
        top = Path(sysconfig.get_path(root))
        for path in walk(top):
            yield path, name / path.relative_to(top)


def walk(folder: Path) -> Iterator[Path]:
    """The suitable files below ``folder``, in order of their names, following no link."""
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in LEFT_OUT:
                yield from walk(Path(entry.path))
        elif suitable(entry):
            yield Path(entry.path)


def suitable(entry: os.DirEntry[str]) -> bool:
    return (
        entry.is_file(follow_symlinks=False)
        and Path(entry.name).suffix in KINDS
        and entry.stat(follow_symlinks=False).st_size <= LARGEST
    )


def put(source: Path, target: Path) -> None:
    """Copy one file, with its time of change, unless it is there."""
    info = source.stat()
    if target.exists() and target.stat().st_size == info.st_size and int(target.stat().st_mtime) == int(info.st_mtime):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a folder of real files to copy.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=400, metavar="N", help="how many (default: %(default)s)")
    chosen = parser.parse_args()
    folder = make(chosen.folder, chosen.files)
    print(f"{chosen.files:,} files in {folder}", file=sys.stderr)


if __name__ == "__main__":
    main()
