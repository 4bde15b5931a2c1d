"""Which objects are meant: globs, sizes, times and SQL; and what people write wrong, in one sentence."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from migrator import CopyObjects
from migrator.engine.sieve import Sieve
from migrator.errors import BadInput
from migrator.migrations.choosing import read_time
from migrator.migrations.globs import regex_of

KEYS = ["a.csv", "b.txt", "2026/a.csv", "2026/03/b.csv", "2026/03/c.CSV", "tmp/x", "tmp/y/z", "x[1]", "new\nline.csv"]
ROWS = pa.table({
    "key": KEYS, "size": [10 * n for n in range(len(KEYS))],
    "mtime": pa.array([n * 86_400_000 for n in range(len(KEYS))], pa.timestamp("ms")),
    "etag": ["e"] * len(KEYS),
})  # fmt: skip


def chosen(where: str | None = None, **fields: object) -> list[str]:
    choice = CopyObjects("/a", "/b", where=where, **fields)
    return [KEYS[n] for n in Sieve(where, choice.conditions(datetime(1970, 1, 11, tzinfo=UTC))).choose(ROWS)]


@pytest.mark.parametrize(
    ("glob", "matches"),
    [
        ("*.csv", ["a.csv", "2026/a.csv", "2026/03/b.csv", "new\nline.csv"]),
        ("/*.csv", ["a.csv", "new\nline.csv"]),
        ("2026/*.csv", ["2026/a.csv"]),
        ("2026/**", ["2026/a.csv", "2026/03/b.csv", "2026/03/c.CSV"]),
        ("2026/", ["2026/a.csv", "2026/03/b.csv", "2026/03/c.CSV"]),
        ("**/b.*", ["b.txt", "2026/03/b.csv"]),
        ("**", KEYS),
        ("?.txt", ["b.txt"]),
        ("[ab].*", ["a.csv", "b.txt", "2026/a.csv", "2026/03/b.csv"]),
        ("[!a].csv", ["2026/03/b.csv"]),
        ("x[[]1]", ["x[1]"]),
        ("tmp/?/**", ["tmp/y/z"]),
        ("A.csv", []),
    ],
)
def test_a_glob_means_what_it_means_elsewhere(glob: str, matches: list[str]) -> None:
    assert chosen(include=glob) == matches
    assert chosen(exclude=[glob]) == [key for key in KEYS if key not in matches]
    re.compile(regex_of(glob))


# Mutation: leave out the brackets about `where` in Sieve.
def test_all_that_is_given_must_hold() -> None:
    assert chosen("key = 'b.txt' or key = 'a.csv'", min_size=10) == ["b.txt"]
    assert chosen(include=["*.csv", "tmp/**"], exclude="tmp/y/", min_size=1) == [
        "2026/a.csv", "2026/03/b.csv", "tmp/x", "new\nline.csv",
    ]  # fmt: skip
    assert chosen(min_size=20, max_size="30B") == ["2026/a.csv", "2026/03/b.csv"]
    assert chosen(newer_than="3d", older_than="1970-01-09") == ["x[1]"]
    assert chosen(regex="^2026/.*v$") == ["2026/a.csv", "2026/03/b.csv"]
    assert chosen("size > 10 and key like '%.csv' -- and so on", exclude="new*") == ["2026/a.csv", "2026/03/b.csv"]


# Mutation: leave `_check_part` out, and one of them takes all the memory there is.
@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("", "no expression"),
        ("size >", "no expression"),
        ("size > 1; drop table rows", "no expression"),
        ("1=1) union select 1 where (1=1", "more than one expression"),
        ("true) group by (1", "no expression|more than one"),
        ("(select count(*) from rows) > 1", "more than the row"),
        ("key in (select column0 from read_csv('/etc/passwd'))", "more than the row"),
        ("row_number() over () > 1", "more than the row"),
        ("size > ?", "more than the row"),
        ("bytes > 1", "The columns are key, size, mtime, etag"),
        ("read_text('/etc/passwd') is null", "uses read_text"),
        ("sha256(repeat(key, 1000000000)) is null", "uses repeat.., which is not among"),
        ("sleep_ms(100000) is null", "uses sleep_ms"),
        ("getenv('AWS_SECRET_ACCESS_KEY') > ''", "uses getenv"),
        ("length([x for x in range(10000000000)]) > 0", "uses list_apply"),
        ("max(size) > 1", "uses max"),
        ("columns(*) is null", "more than the row"),
        ("cast(null as int[100000][100000]) is null", "uses ARRAY|uses array"),
        ("(" * 2000 + "true" + ")" * 2000, "no expression"),
        ("size", "can't be worked out|^$"),
    ],
)
def test_what_is_not_an_expression_over_the_columns_is_refused(where: str, said: str) -> None:
    if where == "size":  # a number is a truth to DuckDB
        assert len(chosen(where)) == len(KEYS) - 1
        return
    with pytest.raises(BadInput, match=said):
        chosen(where)


@pytest.mark.parametrize(
    "where",
    [
        "key in ('a.csv', 'b.txt') and size between 0 and 10",
        "mtime > now() - interval 30 day or extract(year from mtime) = 1970",
        "key ilike '%.CSV' and not key glob 'tmp/*' and key similar to '.*'",
        "case when split_part(key, '/', 1) = '2026' then size::double / 2 > 1 else lower(key[1]) = 'a' end",
        "hash(key) % 10 < 5 and date_trunc('month', mtime) >= timestamp '1970-01-01'",
    ],
)
def test_what_people_write_is_taken(where: str) -> None:
    assert isinstance(chosen(where), list)


def test_nothing_outside_is_reached_and_no_setting_changed() -> None:
    sieve = Sieve("true")
    for statement in ("select * from read_text('/etc/hostname')", "set enable_external_access = true"):
        with pytest.raises(Exception, match=r"disabled|locked|Permission"):
            sieve._connection.execute(statement).fetchall()


@pytest.mark.parametrize(
    "fields",
    [{"include": "[a"}, {"include": [""]}, {"newer_than": "1x"}, {"older_than": "gestern"}, {"min_size": "1XB"},
     {"max_objects": -1}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_at_once(fields: dict[str, object]) -> None:
    with pytest.raises((BadInput, ValueError)):
        CopyObjects("/a", "/b", **fields)


def test_a_regular_expression_that_would_run_away_does_not() -> None:
    rows = pa.table({"key": ["a" * 50_000], "size": [1], "mtime": pa.array([0], pa.timestamp("ms")), "etag": ["e"]})
    choice = CopyObjects("/a", "/b", regex="(a+)+$b")
    assert Sieve(None, choice.conditions(datetime.now(UTC))).choose(rows) == []


# Mutation: take nothing off `_left`, and each batch has the whole time again.
def test_an_expression_has_one_time_for_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migrator.engine.sieve.MOST_S", 0.15)
    rows = pa.concat_tables([ROWS] * 1000)
    sieve = Sieve("md5(md5(md5(key))) != key")
    with pytest.raises(BadInput, match="longer than 0 s over all rows"):
        [sieve.choose(rows) for _ in range(500)]


def test_times_are_utc() -> None:
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert read_time("12h", now).isoformat() == "2026-03-02T00:00:00"
    assert read_time("2026-03-01T12:00+02:00", now).isoformat() == "2026-03-01T10:00:00"
    assert now.replace(tzinfo=None) - read_time("6w", now) == timedelta(weeks=6)


# Mutation: leave `check_amount` out of CopyObjects.plan.
@pytest.mark.parametrize(
    ("limit", "said"),
    [({"max_objects": 2}, "`max_objects=` allows 2"), ({"max_bytes": "5B"}, "`max_bytes=` allows 5 B")],
)
def test_more_than_was_allowed_is_no_plan(limit: dict[str, object], said: str, tmp_path: Path, state: str) -> None:
    import migrator as mg

    (tmp_path / "in").mkdir()
    for name in "abc":
        (tmp_path / "in" / name).write_text("xx")
    seen = mg.start(CopyObjects(tmp_path / "in", tmp_path / "out", **limit)).wait(60, check=False)
    assert (seen.status, seen.phase) == ("failed", "plan")
    assert said in str(seen.error)
    assert not (tmp_path / "out").exists()
    run = mg.start(CopyObjects(tmp_path / "in", tmp_path / "out", include=["a", "b"], **limit | {"max_bytes": "5B"}))
    assert run.wait(60).copied == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "b"]
