"""One object is copied only when what stands at the target is what was read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from blake3 import blake3

from migrator.engine.control import Control
from migrator.engine.copying import Abandoned, Copier
from migrator.engine.evidence import Asked
from migrator.errors import AlreadyExists, SourceChanged, StoreError
from migrator.migrations.deciding import weigh_losses
from migrator.model import Item
from migrator.stores import Attributes, Capabilities, Location, ObjectInfo, Written
from migrator.stores.digests import PART_BYTES, digest_of

BIG = bytes(range(256)) * (PART_BYTES // 256) * 2 + b"tail"


def etag_of(data: bytes) -> str:
    if len(data) <= PART_BYTES:
        return hashlib.md5(data).hexdigest()
    return digest_of((data[at : at + PART_BYTES] for at in range(0, len(data), PART_BYTES)), "md5-parts")


class Held:
    """A body in memory."""

    checksum: str | None = None
    sealed = False

    def __init__(self, data: bytes, attributes: Attributes) -> None:
        self.data, self.size, self.attributes = data, len(data), attributes

    def read(self) -> bytes:
        return self.data

    def chunks(self, size: int) -> Iterator[bytes]:
        return (self.data[at : at + size] for at in range(0, len(self.data), size))


class Bucket:
    """A bucket in memory. ``spoil`` changes what it keeps; ``tell`` changes the ETag that it gives."""

    def __init__(self, *, remote: bool = True) -> None:
        self.location = Location.parse("s3://bucket/x" if remote else "/folder")
        self.capabilities = Capabilities(holds_attributes=remote, remote=remote, threads=1)
        self.objects: dict[str, tuple[bytes, Attributes]] = {}
        self.spoil: Callable[[bytes], bytes] = lambda data: data
        self.tell: Callable[[bytes], str | None] = etag_of

    def hash_of(self, size: int) -> str | None:
        if not self.capabilities.holds_attributes:
            return None
        return "md5" if size <= PART_BYTES else "md5-parts"

    def head(self, key: str) -> ObjectInfo | None:
        if key not in self.objects:
            return None
        data = self.objects[key][0]
        return ObjectInfo(key, len(data), 0, self.tell(data))

    @contextmanager
    def open(self, key: str, pinned: str | None, *, checksum: bool = False) -> Iterator[Held]:
        data, attributes = self.objects[key]
        if pinned and self.tell(data) != pinned:
            raise SourceChanged("another version")
        yield Held(data, attributes)

    def put(self, key: str, data: bytes, attributes: Attributes, *, before: str | None, **_: Any) -> Written:
        standing = self.head(key)
        if (standing.etag if standing else None) != before:
            raise AlreadyExists("something stands there")
        self.objects[key] = self.spoil(data), attributes
        return Written(self.tell(data))

    def put_stream(self, key: str, chunks: Iterable[bytes], size: int, attributes: Attributes, **terms: Any) -> Written:
        return self.put(key, b"".join(chunks), attributes, **terms)


@pytest.fixture
def pair() -> tuple[Bucket, Bucket]:
    return Bucket(), Bucket()


def item(
    source: Bucket, key: str, data: bytes, before: dict | None = None, attributes: Attributes | None = None
) -> Item:
    source.objects[key] = data, attributes or Attributes()
    return Item(1, key, key, "create", None, len(data), 5, etag_of(data), before and json.dumps(before))


def copy(
    source: Bucket,
    target: Bucket,
    row: Item,
    control: Control | None = None,
    asked: Asked = Asked(),  # noqa: B008
) -> Any:
    return Copier(source, target, control or Control("r"), asked).copy(row)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("data", [b"", b"small", BIG])
def test_the_servers_own_hash_is_the_evidence(pair: tuple[Bucket, Bucket], data: bytes) -> None:
    source, target = pair
    receipt = copy(source, target, item(source, "k", data))
    assert (receipt.status, receipt.evidence, receipt.bytes) == ("copied", "server-hash", len(data))
    assert receipt.digest.partition(":")[2] == receipt.etag == etag_of(data)
    assert target.objects["k"][0] == data


def test_a_large_object_whose_source_tells_the_hash_of_all_of_it_is_read_once(pair: tuple[Bucket, Bucket]) -> None:
    # Mutation: hash by nothing `beside`; feed it nothing.
    source, target = pair
    row = item(source, "k", BIG)
    source.tell = lambda data: hashlib.md5(data).hexdigest()
    asked = []
    source.open = lambda key, pinned, read=source.open, **_: asked.append(key) or read(key, pinned)
    receipt = copy(source, target, row._replace(etag=source.tell(BIG)))
    assert (receipt.evidence, receipt.etag, asked) == ("server-hash", etag_of(BIG), ["k"])


@pytest.mark.parametrize("data", [b"small", BIG])
def test_where_the_etag_tells_nothing_the_target_is_read_again(pair: tuple[Bucket, Bucket], data: bytes) -> None:
    source, target = pair
    target.tell = lambda _: "encrypted"
    assert copy(source, target, item(source, "k", data)).evidence == "re-read"


# Mutations: let Evidence.find go on to read where the sample has not the key, and the first line fails; leave size or
# tag out of `_by_size`.
def test_what_is_not_to_be_read_again_is_told_by_its_size_alone(pair: tuple[Bucket, Bucket]) -> None:
    source, target = pair
    target.tell = lambda data: f"opaque-{data[:1].hex()}"
    assert copy(source, target, item(source, "k", b"small"), asked=Asked(reread=0)).evidence == "size-only"
    target.spoil = lambda data: data[:-1]
    with pytest.raises(StoreError, match="not what was read"):
        copy(source, target, item(source, "k2", b"small"), asked=Asked(reread=0))
    versions = count()
    target.spoil, target.tell = lambda data: data, lambda data: f"opaque-{next(versions)}"  # replaced in between
    with pytest.raises(StoreError, match="not what was read"):
        copy(source, target, item(source, "k3", b"small"), asked=Asked(reread=0))
    rows, target.tell = [item(source, f"s/{number}", b"small") for number in range(200)], lambda _: "opaque"
    target.spoil = lambda data: data
    found = [copy(source, target, row, asked=Asked(reread=0.25)).evidence for row in rows]
    assert 20 < found.count("re-read") < 80
    assert set(found) == {"re-read", "size-only"}


# Mutation: adopt in Copier._adopt as if it were `ours`, and a stranger's object of the same size is taken for ours.
def test_what_stands_there_is_adopted_by_its_bytes_whatever_is_asked(pair: tuple[Bucket, Bucket]) -> None:
    source, target = pair
    target.tell = lambda _: "opaque"
    target.objects["k"] = b"SMALL", Attributes()
    with pytest.raises(AlreadyExists, match="Something else appeared"):
        copy(source, target, item(source, "k", b"small"), asked=Asked(reread=0))


# Mutation: adopt in Copier._adopt by the source's word as if it were `ours`; one of the two alone does nothing.
@pytest.mark.parametrize("data", [b"small", BIG])
def test_a_file_that_stands_there_is_read_before_it_is_adopted(pair: tuple[Bucket, Bucket], data: bytes) -> None:
    source, folder = pair[0], Bucket(remote=False)
    folder.tell = lambda _: "v1"
    folder.objects["k"] = data[:-1] + b"!", Attributes()
    with pytest.raises(AlreadyExists, match="Something else appeared"):
        copy(source, folder, item(source, "k", data))
    folder.objects["k"] = data, Attributes()
    receipt = copy(source, folder, item(source, "k", data))
    assert (receipt.status, receipt.evidence) == ("adopted", "re-read")


@pytest.mark.parametrize("algorithm", ["sha256", "blake3"])
@pytest.mark.parametrize("data", [b"small", BIG])
def test_a_strong_hash_is_told_beside_the_servers(pair: tuple[Bucket, Bucket], data: bytes, algorithm: Any) -> None:
    source, target = pair
    receipt = copy(source, target, item(source, "k", data), asked=Asked(record=algorithm))
    strong = {"sha256": hashlib.sha256, "blake3": blake3}[algorithm](data).hexdigest()
    kind = "md5" if len(data) <= PART_BYTES else "md5-parts"
    assert (receipt.evidence, receipt.digest) == ("server-hash", f"{kind}:{etag_of(data)} {algorithm}:{strong}")


def test_what_the_target_did_not_keep_is_counted_where_that_is_asked(pair: tuple[Bucket, Bucket]) -> None:
    source, target = pair
    carried = Attributes({"content-type": "text/x", "cache-control": "no-store"}, {"who": "me"})
    row = item(source, "k", b"1", attributes=carried)
    real = target.put
    target.put = lambda key, data, attributes, **terms: real(  # pyright: ignore[reportAttributeAccessIssue]
        key, data, Attributes({"content-type": "text/x"}, {"who": "ME"}), **terms
    )
    assert copy(source, target, row).losses is None
    target.objects.clear()
    assert copy(source, target, row, asked=Asked(metadata=True)).losses == "cache-control,meta:who"


# Mutation: let Evidence.find return "re-read" without reading, and this fails.
@pytest.mark.parametrize("data", [b"small", BIG])
def test_bytes_that_arrive_wrong_are_never_called_copied(pair: tuple[Bucket, Bucket], data: bytes) -> None:
    source, target = pair
    target.tell = lambda _: "encrypted"
    target.spoil = lambda given: given[:-1] + b"!"
    with pytest.raises(StoreError, match="not what was read"):
        copy(source, target, item(source, "k", data))


@pytest.mark.parametrize("data", [b"small", BIG])
def test_our_own_object_of_an_attempt_that_died_is_adopted(pair: tuple[Bucket, Bucket], data: bytes) -> None:
    source, target = pair
    target.objects["k"] = data, Attributes()
    receipt = copy(source, target, item(source, "k", data))
    assert (receipt.status, receipt.evidence) == ("adopted", "server-hash")


# Mutation: adopt by size alone, and this fails.
@pytest.mark.parametrize("data", [b"small", BIG])
@pytest.mark.parametrize("other", [lambda d: d[:-1] + b"!", lambda d: d + b"!"])
@pytest.mark.parametrize("tell", [etag_of, lambda _: "encrypted"])
def test_anything_else_at_the_target_is_left_alone(
    pair: tuple[Bucket, Bucket], data: bytes, other: Callable[[bytes], bytes], tell: Callable[[bytes], str]
) -> None:
    source, target = pair
    target.objects["k"] = other(data), Attributes()
    target.tell = tell
    with pytest.raises(AlreadyExists, match="Something else appeared"):
        copy(source, target, item(source, "k", data))
    assert target.objects["k"][0] == other(data)


def test_what_is_overwritten_is_what_the_plan_saw(pair: tuple[Bucket, Bucket]) -> None:
    source, target = pair
    target.objects["k"] = b"old", Attributes()
    row = item(source, "k", b"new!", before={"size": 3, "mtime": 0, "etag": etag_of(b"old")})
    assert copy(source, target, row).status == "copied"
    target.objects["k"] = b"other", Attributes()
    with pytest.raises(AlreadyExists):
        copy(source, target, row)
    assert target.objects["k"][0] == b"other"


def test_a_source_that_changed_since_the_plan_is_not_copied(pair: tuple[Bucket, Bucket]) -> None:
    source, target = pair
    row = item(source, "k", b"planned")
    source.objects["k"] = b"changed", Attributes()
    with pytest.raises(SourceChanged):
        copy(source, target, row)
    assert target.objects == {}


def test_attributes_go_along(pair: tuple[Bucket, Bucket]) -> None:
    source, target = pair
    carried = Attributes({"content-type": "text/x", "cache-control": "no-store"}, {"who": "me"})
    assert copy(source, target, item(source, "k", b"1", attributes=carried)).losses is None
    assert target.objects["k"][1] == carried


def test_what_a_folder_cannot_hold_is_counted(pair: tuple[Bucket, Bucket]) -> None:
    folder = Bucket(remote=False)
    carried = Attributes({"content-type": "text/x", "cache-control": "no-store"}, {"who": "me"})
    receipt = copy(pair[0], folder, item(pair[0], "k", b"1", attributes=carried))
    assert (receipt.status, receipt.evidence) == ("copied", "server-hash")
    assert receipt.losses == "content-type,cache-control,meta:who"


@pytest.mark.parametrize(("key", "kind"), [("a.json", "application/json"), ("b", "binary/octet-stream")])
def test_a_type_that_the_name_tells_is_not_lost(pair: tuple[Bucket, Bucket], key: str, kind: str) -> None:
    row = item(pair[0], key, b"1", attributes=Attributes({"content-type": kind}))
    assert copy(pair[0], Bucket(remote=False), row).losses is None


@pytest.mark.parametrize(
    ("key", "kind"), [("a/b.json", "application/json"), ("a.b/c", None), ("x.tar.gz", None), ("X.PNG", "image/png")]
)
def test_a_file_gets_the_type_that_its_name_tells(pair: tuple[Bucket, Bucket], key: str, kind: str | None) -> None:
    folder = Bucket(remote=False)
    copy(folder, pair[1], item(folder, key, b"1"))
    assert pair[1].objects[key][1].headers.get("content-type") == kind


class StopsLate(Control):
    """Asked to stop when the first part has moved."""

    asked = 0

    def cancelled(self) -> bool:
        self.asked += 1
        return self.asked > 1


def test_a_stop_in_the_middle_of_a_large_object_leaves_nothing(pair: tuple[Bucket, Bucket]) -> None:
    source, target = pair
    control = StopsLate("r")
    with pytest.raises(Abandoned):
        copy(source, target, item(source, "k", BIG), control)
    assert target.objects == {}
    assert control.in_flight_bytes == 0


# Mutation: leave the size out of Passage.fit: where a tag is none of the bytes, nobody else looks.
def test_a_source_of_another_size_than_planned_is_not_copied(pair: tuple[Bucket, Bucket]) -> None:
    source, target = pair
    source.tell = lambda _: "opaque"
    with pytest.raises(SourceChanged, match="has 5 bytes now, not 4"):
        copy(source, target, item(source, "k", b"small")._replace(bytes=4, etag=None))
    assert "k" not in target.objects


# Mutation: leave the attempt out of Passage.scratch, and who was taken over shows its successor's bytes.
def test_each_attempt_has_temporary_names_of_its_own(pair: tuple[Bucket, Bucket]) -> None:
    source, target = pair
    control = Control("r")
    control.attempt = 2
    copier = Copier(source, target, control)  # pyright: ignore[reportArgumentType]
    assert copier._passage.scratch(item(source, "k", b"small")) == "r-1-2"


# Mutation: weigh losses whatever the target holds, and all that carries anything is refused.
def test_a_bucket_loses_nothing(pair: tuple[Bucket, Bucket]) -> None:
    source, target = pair
    source.objects["k"] = b"small", Attributes({"cache-control": "no-cache"}, {"owner": "me"})
    row = {"key": "k", "etag": None, "action": "create", "source": None, "detail": None}
    assert weigh_losses([dict(row)], {None: source}, target, "refuse") == [row]  # pyright: ignore[reportArgumentType]
    [refused] = weigh_losses([dict(row)], {None: source}, Bucket(remote=False), "refuse")  # pyright: ignore[reportArgumentType]
    assert (refused["action"], "cache-control, meta:owner" in refused["reason"]) == ("refuse", True)


# Mutation: believe any word of parts, and such an object is read twice, and none that is written in ours is believed.
@pytest.mark.parametrize("remote", [True, False])
def test_parts_of_another_size_than_ours_are_no_word_to_hold_bytes_against(remote: bool) -> None:
    source, target, reads = Bucket(), Bucket(remote=remote), []
    row = item(source, "k", BIG)
    source.tell = lambda data: f"{etag_of(data).partition('-')[0]}-4"  # as in parts of 5 MiB
    source.open = lambda key, pinned, read=source.open, **_: reads.append(key) or read(key, pinned)
    copier = Copier(source, target, Control("r"))  # pyright: ignore[reportArgumentType]
    copier._passage.server = None
    receipt = copier.copy(row._replace(etag=source.tell(BIG)))
    assert (receipt.status, receipt.evidence) == ("copied", "server-hash" if remote else "re-read")
    assert (reads, copier._passage._witness.doubts) == (["k"], False)
