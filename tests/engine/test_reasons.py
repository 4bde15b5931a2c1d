"""Reasons of items, grouped: what differs from one item to the next is left out, and finds them all again."""

from __future__ import annotations

import duckdb
import pytest

from migrator.reasons import gist, gist_in_sql, grouped, matching

SAID = [
    ("a/7.bin", "a/7.bin: changed since the plan (ETag 9b1c7f → 02fe44)", "…: changed since the plan (ETag … → …)"),
    ("k", "403 for 'gs://lake/events-2025/11/k': ask for the right to write", "403 for …: ask for the right to write"),
    ("k", "timed out after 30.5 s; 100% of _it_ went!", "timed out after … s; …% of _it_ went!"),
    ("a.b", "a different object stands at the target (1,234 bytes there, 512 here); overwrite='if-different' would "
     "replace it", "a different object stands at the target (… bytes there, … here); overwrite='if-different' would "
     "replace it"),
    ("k", "s3://raw denies access to 'k' (403 AccessDenied); \"x\" of 2026-03-01, 12:04:59, 9b1c7f0a-3, v2, 503",
     "s3://raw denies access to … (403 AccessDenied); … of …, …, …, v2, 503"),
    ("k", "the bytes differ (XXH3 b3b8ae316574… here, d3e3141c6e37… there)", "the bytes differ (XXH3 … here, … there)"),
    ("link", "it is a symbolic link", "it is a symbolic link"),
    ("k", "no word in it changes: decade, facade", "no word in it changes: decade, facade"),
    ("k", "", ""),
]  # fmt: skip


# Mutations: put a blank in place of LEFT_OUT in `matching`, or escape nothing there, and this fails.
@pytest.mark.parametrize(("key", "reason", "expected"), SAID)
def test_a_gist_leaves_out_what_is_one_items_alone_and_finds_it_again(key: str, reason: str, expected: str) -> None:
    found = gist(reason, key)
    assert found == expected
    in_sql = f"select {gist_in_sql('reason', 'key')} from (select ? as reason, ? as key)"
    assert duckdb.execute(in_sql, [reason, key]).fetchall() == [(expected,)]
    like = "select ? like ? escape '!'"
    assert duckdb.execute(like, [reason, matching(found)]).fetchall() == [(True,)]
    assert duckdb.execute(like, [f"x{reason}", matching("no" + found)]).fetchall() == [(False,)]


def test_they_are_counted_the_failed_ones_first() -> None:
    rows = [{"status": "refused", "key": f"k{n}", "error": "a link"} for n in range(9)]
    rows += [{"status": "failed", "key": f"k{n}", "error": f"no room for {n}.bin"} for n in range(2, 5)]
    assert grouped(rows, 8) == [
        {"status": "failed", "gist": "no room for ….bin", "items": 3},
        {"status": "refused", "gist": "a link", "items": 9},
    ]
