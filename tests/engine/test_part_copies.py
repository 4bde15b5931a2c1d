"""Large objects that the server copies in the parts they were written in; and uploads whose last answer got lost."""

from __future__ import annotations

import os
import time
from hashlib import md5
from pathlib import Path

import pytest
from exact_parts import Sparse
from exact_s3 import ExactS3, Reply, Stored, at

from migrator.engine.control import Control
from migrator.engine.copying import Abandoned, Copier
from migrator.engine.uploads import UploadNotes, left
from migrator.errors import AlreadyExists, SourceChanged
from migrator.model import Item, Receipt
from migrator.stores.digests import PART_BYTES, digest_of
from migrator.stores.s3.part_copies import ranges_of

GIB, MIB = 1 << 30, 1 << 20
PLAIN = {"content-type": "text/plain", "x-amz-meta-owner": "me"}


def large(exact: ExactS3, size: int = 12 * GIB + 5, part: int = 512 * MIB) -> Item:
    body = Sparse(size)
    exact.objects["here/k"] = one = Stored(body, dict(PLAIN), "team=one", told=body.etag(part), part=part)  # type: ignore[arg-type]
    return Item(1, "k", "k", "create", None, size, 5, one.etag.strip('"'))


def copy(exact: ExactS3, row: Item, control: Control | None = None, notes: UploadNotes | None = None) -> Receipt:
    source, target = at(exact, "s3://here"), at(exact, "s3://there")
    if notes:
        target.notes = notes
    return Copier(source, target, control or Control("r")).copy(row)


def parts_asked(exact: ExactS3) -> list[str]:
    asked = [headers.get("x-amz-copy-source-range") for _, _, headers in exact.asked]
    return sorted(one.removeprefix("bytes=") for one in asked if one)


# Mutation: leave the attributes out of in_parts' headers.
def test_more_than_five_gib_are_copied_in_the_parts_they_have(exact: ExactS3) -> None:
    row = large(exact)
    receipt = copy(exact, row)
    assert (receipt.status, receipt.evidence, receipt.etag) == ("copied", "server-hash", row.etag)
    there = exact.objects["there/k"]
    assert (len(there.body), there.headers, there.tags) == (row.bytes, PLAIN, "team=one")
    assert there.body.pieces == tuple(ranges_of(row.bytes, 512 * MIB))  # type: ignore[attr-defined]
    assert exact.parts.open == {}


@pytest.mark.parametrize("size", [5 * GIB, 5 * GIB + 1, 80 * GIB])
def test_at_the_limits(exact: ExactS3, size: int) -> None:
    row = large(exact, size, part=64 * MIB if size == 80 * GIB else 5 * GIB)
    if size == 5 * GIB:
        exact.objects["here/k"].told = row.etag.partition("-")[0]  # type: ignore[union-attr]
        row = row._replace(etag=exact.objects["here/k"].told)
    assert copy(exact, row).evidence == "server-hash"
    assert len(parts_asked(exact)) == {5 * GIB: 0, 5 * GIB + 1: 2, 80 * GIB: 1280}[size]


def test_a_part_size_that_nobody_tells_is_guessed_where_only_one_fits(exact: ExactS3) -> None:
    exact.tells_parts = False
    assert copy(exact, large(exact, 25 * 512 * MIB)).evidence == "server-hash"


# Mutation: leave the ETag's number of parts out of `_fits`: such parts are copied in vain, and no others ever after.
def test_parts_of_several_sizes_are_not_copied_and_say_nothing_of_the_server(exact: ExactS3) -> None:
    body = os.urandom(20 * MIB)
    parts = (body[: 5 * MIB], body[5 * MIB :])
    told = f"{md5(b''.join(md5(part).digest() for part in parts)).hexdigest()}-2"
    exact.objects["here/k"] = Stored(body, dict(PLAIN), told=told, part=5 * MIB)
    target = at(exact, "s3://there")
    copier = Copier(at(exact, "s3://here"), target, Control("r"))
    assert copier.copy(Item(1, "k", "k", "create", None, len(body), 5, told)).status == "copied"
    assert (exact.objects["there/k"].body, parts_asked(exact)) == (body, [])
    del exact.objects["there/k"]
    assert copier.copy(large(exact)).evidence == "server-hash"
    assert len(parts_asked(exact)) == 25


# Mutation: leave the comparison out of copy_parts_from, and a later run takes the copy for something else.
def test_where_copied_parts_get_other_etags_bytes_are_sent(exact: ExactS3) -> None:
    exact.salt_of_copies = b"salt"
    body = os.urandom(2 * PART_BYTES + 4321)
    told = digest_of((body[start : start + PART_BYTES] for start in range(0, len(body), PART_BYTES)), "md5-parts")
    exact.objects["here/k"] = Stored(body, dict(PLAIN), told=told, part=PART_BYTES)
    row = Item(1, "k", "k", "create", None, len(body), 5, told)
    source, target = at(exact, "s3://here"), at(exact, "s3://there")
    copier = Copier(source, target, Control("r"))
    receipt = copier.copy(row)
    assert (receipt.evidence, receipt.etag, exact.objects["there/k"].body) == ("server-hash", told, body)
    del exact.objects["there/k"]
    asked = len(parts_asked(exact))
    assert copier.copy(row).etag == told
    assert (len(parts_asked(exact)), exact.parts.open) == (asked, {})  # it was found out once


# Mutation: send complete without its condition.
def test_nothing_that_appeared_meanwhile_is_replaced(exact: ExactS3) -> None:
    row = large(exact)

    def meanwhile(method: str, key: str, headers: dict[str, str]) -> Reply | None:
        if "x-amz-copy-source-range" in headers:
            exact.objects["there/k"] = Stored(b"else", {})
        return None

    exact.before = meanwhile
    with pytest.raises(AlreadyExists, match="Something else appeared"):
        copy(exact, row)
    assert exact.objects["there/k"].body == b"else"
    assert exact.parts.open == {}


# Mutation: leave the source's condition out of `came_from`, and two versions are mixed.
def test_a_source_that_is_replaced_between_parts_is_not_copied(exact: ExactS3) -> None:
    row = large(exact)

    def meanwhile(method: str, key: str, headers: dict[str, str]) -> Reply | None:
        if headers.get("x-amz-copy-source-range", "").startswith(f"bytes={2 * GIB}-"):
            large(exact, row.bytes, part=256 * MIB)
        return None

    exact.before = meanwhile
    with pytest.raises(SourceChanged):
        copy(exact, row)
    assert "there/k" not in exact.objects
    assert exact.parts.open == {}


class StopsAt(Control):
    """A control that dies, or is asked to stop, after so many bytes."""

    def __init__(self, after: int, how: type[BaseException] | None = None, attempt: int = 1) -> None:
        super().__init__("r", attempt)
        self._after, self._how = after, how

    def progress(self, bytes_done: int) -> None:
        super().progress(bytes_done)
        if bytes_done > 0 and self.in_flight_bytes >= self._after:
            if self._how:
                raise self._how
            self.stop("cancelled")


# Mutation: let copy_parts forget the parts that stand, and they are copied again.
def test_one_that_was_killed_is_carried_on(exact: ExactS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = large(exact)

    def slow(_method: str, _key: str, headers: dict[str, str]) -> None:
        if int(headers.get("x-amz-copy-source-range", "bytes=0-").removeprefix("bytes=").partition("-")[0]) > 7 * GIB:
            time.sleep(0.1)

    exact.before = slow
    with monkeypatch.context() as dead:  # whose process is gone aborts nothing
        dead.setattr("migrator.stores.s3.multipart.abort", lambda *_: 1 / 0)
        with pytest.raises(KeyboardInterrupt):
            copy(exact, row, StopsAt(3 * GIB, KeyboardInterrupt), UploadNotes(tmp_path, 1))
    [upload] = exact.parts.open.values()
    had, before = len(upload.parts), len(parts_asked(exact))
    assert 6 <= had < 25
    assert copy(exact, row, notes=UploadNotes(tmp_path, 2)).evidence == "server-hash"
    assert len(parts_asked(exact)) - before == 25 - had
    assert exact.parts.open == {}
    assert left(tmp_path / "uploads") == {}


def test_one_that_is_cancelled_leaves_nothing(exact: ExactS3) -> None:
    with pytest.raises(Abandoned):
        copy(exact, large(exact), StopsAt(1))
    assert exact.parts.open == {}
    assert "there/k" not in exact.objects


# Mutation: let _explain_completion take NoSuchUpload as any other 404, and a whole copy counts as refused.
@pytest.mark.parametrize("says", ["gone", "stands"])
@pytest.mark.parametrize("else_there", [False, True])
def test_an_upload_whose_last_answer_got_lost_is_looked_at(exact: ExactS3, says: str, else_there: bool) -> None:
    body = os.urandom(2 * PART_BYTES + 4321)
    told = digest_of((body[start : start + PART_BYTES] for start in range(0, len(body), PART_BYTES)), "md5-parts")
    exact.objects["here/k"] = Stored(body, dict(PLAIN), told=told)
    lost = []

    def lose(method: str, key: str, headers: dict[str, str], reply: Reply) -> Reply | None:
        if key != "k" or b"CompleteMultipartUploadResult" not in reply.body or lost:
            return None
        lost.append(key)
        if else_there:
            exact.objects["there/k"] = Stored(b"else" * (len(body) // 4), {})
        return Reply(200, {}, b"", length=100, cut=0, reset=True)

    def again(method: str, key: str, headers: dict[str, str]) -> Reply | None:
        return Reply(412, {}, b"<Error><Code>PreconditionFailed</Code></Error>") if lost and method == "POST" else None

    exact.meddle = lose
    exact.before = again if says == "stands" else exact.before
    copier = Copier(at(exact, "s3://here"), at(exact, "s3://there"), Control("r"))
    copier._passage.server = None
    row = Item(1, "k", "k", "create", None, len(body), 5, told)
    if else_there:
        with pytest.raises(AlreadyExists, match="Something else appeared"):
            copier.copy(row)
        assert exact.objects["there/k"].body[:4] == b"else"
        return
    receipt = copier.copy(row)
    assert (receipt.status, receipt.evidence) == ("adopted", "server-hash")
    assert exact.objects["there/k"].body == body
    assert lost
