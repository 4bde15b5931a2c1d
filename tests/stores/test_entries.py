"""A page of a listing is read the same by the quick way and as XML, or not by the quick way at all."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from migrator.stores import ObjectInfo
from migrator.stores.s3.entries import ARCHIVED_PROBLEM, cut, read_plain, read_tree

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
ENCODED = "<EncodingType>url</EncodingType>"


def entry(key: str = "p/k", more: str = "", etag: str = "&quot;abc&quot;", kind: str = "STANDARD") -> str:
    return (
        f"<Contents><Key>{key}</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>{etag}</ETag>"
        f"<Size>7</Size>{more}<StorageClass>{kind}</StorageClass></Contents>"
    )


def page(*entries: str, told: str = ENCODED) -> bytes:
    return f"{HEAD}{told}<IsTruncated>false</IsTruncated>{''.join(entries)}</ListBucketResult>".encode(
        "utf-8", "surrogateescape"
    )


def both(data: bytes) -> tuple[list[ObjectInfo] | None, list[ObjectInfo]]:
    rest, entries = cut(data)
    ElementTree.fromstring(rest)  # what is left is whole
    return read_plain(entries, ENCODED.encode() in data, 2), list(read_tree(ElementTree.fromstring(data), 2))


ALIKE = {
    "one": page(entry()),
    "many": page(*(entry(f"p/{number}") for number in range(50))),
    "encoded keys": page(entry("p/a%2Fb"), entry("p/a+b"), entry("p/%FF%2B"), entry("p/")),
    "bare keys": page(entry("p/a%2Fb"), entry("p/a+b é"), told=""),
    "quotes by number": page(entry(etag="&#34;abc&#34;")),
    "no quotes, none at all": page(entry(etag="abc"), entry(etag="")),
    "owners": page(*[entry(more="<Owner><ID>x</ID><DisplayName>y &quot;z&quot;</DisplayName></Owner>")] * 3),
    "lines between": page(*(entry().replace("><", ">\n  <") + "\n" for _ in range(3))),
    "archived": page(entry(kind="GLACIER"), entry()),
    "another order": page(*["<Contents><Size>3</Size><Key>p/k</Key></Contents>"] * 2),
}


@pytest.mark.parametrize("data", ALIKE.values(), ids=ALIKE)
def test_both_ways_read_the_same(data: bytes) -> None:
    quick, as_xml = both(data)
    assert quick == as_xml
    assert as_xml


def test_an_object_as_it_is_told() -> None:
    quick, _ = both(page(entry("p/a%20b"), entry("p/c", kind="DEEP_ARCHIVE")))
    assert quick == [
        ObjectInfo("a b", 7, 1767323045678, "abc"), ObjectInfo("c", 7, 1767323045678, "abc", ARCHIVED_PROBLEM)
    ]  # fmt: skip


# Mutation: of the conditions in `read_plain` leave out the one of each line here, and it is read wrongly, or raises.
ODD = {
    "one that is another": page(entry(), entry(more="<Owner><ID>x</ID></Owner>")),
    "one in another order": page(entry(), "<Contents><Size>3</Size><Key>p/k</Key></Contents>"),
    "something in between": page(entry(), "<Name>x</Name>", entry()),
    "a comment": page(entry("p/a<!-- <Key>x</Key> -->b"), entry()),
    "text as it is": page(entry("p/<![CDATA[a]]>"), entry()),
    "a reference": page(entry("p/a&amp;b"), entry(), told=""),
    "a reference by number": page(entry("p/a&#65;b"), entry(), told=""),
    "an attribute": page(entry().replace("<Key>", '<Key x="1">'), entry()),
    "a tag twice": page(entry(more="<Size>8</Size>")),
    "a restored one": page(entry(more="<RestoreStatus><RestoreExpiryDate>2030</RestoreExpiryDate></RestoreStatus>")),
    "a line end that XML changes": page(entry("p/a\r\nb"), told=""),
}


@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_what_is_not_plain_is_left_to_the_reader_of_xml(data: bytes) -> None:
    quick, as_xml = both(data)
    assert quick is None
    assert as_xml


@pytest.mark.parametrize("data", [page(entry("p/\x01")), page(entry("p/\udcff"))], ids=["control", "no UTF-8"])
def test_what_is_no_xml_is_not_plain(data: bytes) -> None:
    assert read_plain(cut(data)[1], True, 2) is None


@pytest.mark.parametrize("data", [page(), b"</Contents><Contents>", b"", b"<Contents>"])
def test_a_page_of_none_is_cut_nowhere(data: bytes) -> None:
    assert cut(data) == (data, b"")
