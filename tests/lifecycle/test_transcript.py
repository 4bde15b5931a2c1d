"""A run's output in pieces: by bytes and by lines, forwards and backwards, each byte once."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator import transcript


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Short lines and long ones, letters of several bytes, and bytes that are no text."""
    lines = [b"%d \xc3\xa4\xff\r%s\n" % (n, b"x" * (n % 97)) for n in range(3000)]
    file = tmp_path / "output.log"
    file.write_bytes(b"".join(lines))
    return file


# Mutation: count characters instead of bytes for `end`, and this fails: \xff is one byte, and three when it is shown.
@pytest.mark.parametrize(("limit", "lines"), [(64 << 10, 500), (1000, 500), (64 << 10, 1)])
def test_pieces_are_whole_lines_and_have_every_byte_once(path: Path, limit: int, lines: int) -> None:
    at, count = 0, 0
    while (piece := transcript.after(path, at, limit, lines)).text:
        assert piece.start == at
        assert piece.end - piece.start <= limit
        assert piece.text.endswith("\n")
        assert piece.text.count("\n") <= lines
        count += piece.text.count("\n")
        at = piece.end
    assert (at, count) == (path.stat().st_size, 3000)


# Mutation: keep the first lines of a chunk, not the last ones, in `before`, and there are gaps.
@pytest.mark.parametrize(("limit", "lines"), [(64 << 10, 500), (1000, None), (300, 1)])
def test_backwards_too(path: Path, limit: int, lines: int | None) -> None:
    at, text = path.stat().st_size, ""
    while at:
        piece = transcript.before(path, at, limit, lines)
        assert piece.end == at
        assert piece.start < at
        assert lines is None or piece.text.count("\n") <= lines
        at, text = piece.start, piece.text + text
    assert text == path.read_bytes().decode("utf-8", "replace")


def test_the_tail_begins_with_a_whole_line_and_what_is_not_there_is_nothing(path: Path, tmp_path: Path) -> None:
    tail = transcript.after(path, -500)
    assert path.read_bytes()[tail.start - 1 :] == b"\n" + path.read_bytes()[tail.start : tail.end]
    assert transcript.before(path, tail.start, 10_000).end == tail.start
    assert transcript.after(tmp_path / "none", 7).text == transcript.before(tmp_path / "none", 7).text == ""
    with path.open("ab") as file:
        file.write(b"half a li")
    assert transcript.after(path, tail.end).text == ""
