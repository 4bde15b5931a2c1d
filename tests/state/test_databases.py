"""One state DB, whatever keeps it: opened by several at once, exact in times and texts, clear when it is away."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from databases import PASSWORD, MariaDB, PostgreSQL
from servers import free_ports

from migrator.errors import BadInput, MigratorError, StateError
from migrator.lifecycle import process
from migrator.model import Counts, Item, Receipt, Shard
from migrator.state import Journal, StateDB, dialects, events, now_ms, runs, schema, servers
from migrator.state.db import _set_pragmas
from migrator.state.journal import read_exceptions

SERVERS = ("postgresql", "mariadb")
# A file name that is not UTF-8, as Python reads it; a NUL; the escape itself; what MySQL's "utf8" can't hold
ODD = "na\udcefve \x00 \x10 \ud800 \\udcef 🜚 é"


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> PostgreSQL | MariaDB:
    return request.getfixturevalue(request.param)


def _open(url: str) -> str:
    db = StateDB(url)
    db.close()
    return db.state_id


# Mutation: take `with alone(connection):` out of opening.create; PostgreSQL and MariaDB fail with duplicate tables.
def test_two_that_open_a_new_state_db_at_once_make_one(state_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(*arguments: Any) -> None:  # between the look and the making
        time.sleep(0.3)
        dialects.fit_tables(*arguments)

    monkeypatch.setattr("migrator.state.opening.fit_tables", slowly)
    with ThreadPoolExecutor(4) as crew:
        assert len(set(crew.map(_open, [state_url] * 4))) == 1


# Mutation: in db._set_pragma, raise at once.
def test_those_who_make_one_new_database_at_the_same_instant_wait_for_each_other(tmp_path: Path) -> None:
    def make(path: Path, start: threading.Barrier) -> None:
        start.wait()
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            _set_pragmas(connection, 30_000)

    for number in range(100):  # without the wait one in ten of them fails
        start = threading.Barrier(6)
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(make, [tmp_path / f"{number}.db"] * 6, [start] * 6))


# Mutation: let opening.is_made be `bool(found)`.
def test_a_state_db_that_was_half_made_is_finished(mariadb: MariaDB) -> None:
    url = mariadb.fresh()
    name = url.rpartition("/")[2]
    mariadb.execute("create table meta (name varchar(64) primary key, value varchar(255) not null)", name)
    mariadb.execute("insert into meta values ('state_id', 'abc')", name)
    db = StateDB(url)
    assert db.state_id == "abc"
    with db.read() as connection:
        assert runs.newest(connection, 5) == []
    db.close()


def test_another_programs_tables_are_left_alone(server: PostgreSQL | MariaDB) -> None:
    url = server.fresh()
    name = url.rpartition("/")[2]
    server.execute("create table runs (experiment integer)", name)
    with pytest.raises(StateError, match=r"another program's database.*'runs'"):
        StateDB(url)
    server.execute("drop table runs", name)
    server.execute("create table meta (version integer)", name)
    with pytest.raises(StateError, match="another program's database"):
        StateDB(url)


def test_times_come_back_to_the_millisecond(db: StateDB) -> None:
    moment = 1_795_432_109_876
    with db.write() as connection:
        runs.create(connection, id="r", status="starting", not_before=moment, place=moment * 1000 + 543)
        runs.create(connection, id="s", status="starting", lease_until=2**53 + 1)
    with db.read() as connection:
        row = runs.get(connection, "r")
        assert (row["not_before"], row["place"]) == (moment, moment * 1000 + 543)
        assert runs.get(connection, "s")["lease_until"] == 2**53 + 1
        assert abs(row["now"] - time.time() * 1000) < 5_000
        assert abs(now_ms(connection) - row["now"]) < 5_000


# Mutation: unix_timestamp(sysdate(6)) as MariaDB's clock fails in the zone where 01:30 comes twice.
def test_the_clock_of_a_server_has_no_zone(mariadb: MariaDB) -> None:
    engine = sa.create_engine(mariadb.url("mysql").replace("mariadb:", "mysql+pymysql:"))
    with engine.connect() as connection:
        seen = []
        for zone in ("+00:00", "-11:30", "+13:00"):
            connection.exec_driver_sql(f"set session time_zone = '{zone}'")
            seen.append(dialects.now_ms(connection))
    engine.dispose()
    assert max(seen) - min(seen) < 60_000  # the zones are hours apart
    assert "unix_timestamp" not in str(dialects.clock("mysql"))


# Mutation: take escape() out of Text, Name or Json; each makes it fail on a database or on all.
def test_any_text_is_kept(db: StateDB) -> None:
    written = {
        "name": ODD, "title": ODD, "tags": [ODD], "owner": ODD, "key": ODD, "spec": {ODD: [ODD, 1, None, True]},
        "cwd": ODD, "import_path": [ODD], "writes": [["file|h", ODD]], "error": ODD,
    }  # fmt: skip
    with db.write() as connection:
        runs.create(connection, id="r1", status="starting", **written)
    journal = Journal(db, runs.claim(db, "r1", process.myself()))
    journal.planned([Shard(0, 1, 1, ODD)], {ODD: {"items": 1}}, "hash")
    failed = (Item(0, ODD), Receipt(0, "failed", error=ODD))
    journal.commit(journal.shards()[0], ODD, Counts(failed=1), [failed])
    journal.warn(ODD)
    journal.pulse(Counts(), (None, None), 0, held_for=ODD)
    assert journal.shards()[0].receipts == (ODD,)
    with db.read() as connection:
        row = runs.by_key(connection, ODD)
        assert row
        assert {name: row[name] for name in written} == written
        assert row["held_for"] == ODD
        assert events.after(connection, "r1", 0)[-1].data == {"text": ODD}
        assert [(row["key"], row["error"]) for row in read_exceptions(connection, "r1", 9)] == [(ODD, ODD)]
    assert journal.end("failed", ODD)
    with db.read() as connection:
        assert runs.get(connection, "r1")["error"] == ODD


def test_long_text_is_whole(db: StateDB) -> None:
    long = "x" * 200_000
    with db.write() as connection:
        runs.create(connection, id="r1", status="failed", error=long, spec={"a": long})
    with db.read() as connection:
        assert runs.get(connection, "r1")["error"] == long
        assert runs.get(connection, "r1")["spec"] == {"a": long}


# Mutation: take the length out of texts.Name; SQLite keeps it whole, the servers speak of VARCHAR.
def test_a_name_that_is_too_long_is_refused_in_one_sentence(db: StateDB) -> None:
    with pytest.raises(BadInput, match="too long for the state DB: 256 characters, of 255") as caught, db.write() as c:
        runs.create(c, id="r1", status="queued", name="n" * 256)
    assert "\n" not in str(caught.value)


# Mutation: leave out fit_tables() in opening.create: MariaDB then takes `A` for `a`.
def test_keys_are_the_same_only_when_they_are(db: StateDB) -> None:
    keys = ["key", "Key", "key ", "kéy", "ke\u0301y", "K\u0131y"]
    with db.write() as connection:
        for number, key in enumerate(keys):
            runs.create(connection, id=f"r{number}", status="starting", key=key)
    with db.read() as connection:
        found = [runs.by_key(connection, key) for key in keys]
    assert [row and row["id"] for row in found] == [f"r{number}" for number in range(len(keys))]


def test_a_server_that_is_away_is_one_sentence_within_seconds(server: PostgreSQL | MariaDB) -> None:
    url = server.url("state").replace(str(server.port), str(free_ports(1)[0]))
    begun = time.monotonic()
    with pytest.raises(StateError, match=r"can't be used: .*refused.*Check that the server runs") as caught:
        StateDB(url)
    assert time.monotonic() - begun < 20
    assert PASSWORD not in str(caught.value)


# Mutation: leave CONNECT_S out of servers._arguments: it waits for ever.
@pytest.mark.parametrize("scheme", ["postgresql", "mariadb"])
def test_a_server_that_says_nothing_is_given_up(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migrator.state.servers.CONNECT_S", 2)
    monkeypatch.setattr("migrator.state.servers.ANSWER_S", 2)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        begun = time.monotonic()
        with pytest.raises(StateError, match="can't be used"):
            StateDB(f"{scheme}://me:{PASSWORD}@127.0.0.1:{mute.getsockname()[1]}/state")
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:%s@host:port/x", "nonsense://me:%s@host/x", "postgresql://me:%s@127.0.0.1:1/x",
     "mysql://me@127.0.0.1:1/x?password=%s"],
)  # fmt: skip
def test_no_password_is_repeated(url: str) -> None:
    with pytest.raises(MigratorError) as caught:
        StateDB(url % PASSWORD)
    assert PASSWORD not in f"{caught.value}{caught.value!r}"
    assert "\n" not in str(caught.value)


def test_a_wrong_password_is_one_sentence(server: PostgreSQL | MariaDB) -> None:
    with pytest.raises(StateError, match=r"(?i)password|denied") as caught:
        StateDB(server.fresh().replace(PASSWORD, "wrong-canary"))
    assert "wrong-canary" not in str(caught.value)


# Mutation: take idle_in_transaction_session_timeout (idle_transaction_timeout) out of servers.py.
def test_a_client_that_was_stopped_in_a_transaction_is_shut_out(
    server: PostgreSQL | MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorter = tuple(
        rule.replace(f"'{servers.IDLE_S}s'", "'1s'").replace(f"_timeout = {servers.IDLE_S} ", "_timeout = 1 ")
        for rule in (servers._POSTGRESQL_RULES if server.scheme == "postgresql" else (servers._MYSQL_RULES,))
    )
    monkeypatch.setattr(servers, "_POSTGRESQL_RULES", shorter)
    monkeypatch.setattr(servers, "_MYSQL_RULES", shorter[0])
    db = StateDB(server.fresh())
    with db.write() as connection:
        runs.create(connection, id="r1", status="queued")
    with pytest.raises(StateError):
        _write_and_pause(db, 2.5)
    with db.read() as connection:
        assert runs.get(connection, "r1")["name"] == ""
    db.close()


def _write_and_pause(db: StateDB, seconds: float) -> None:
    with db.write() as connection:
        connection.execute(sa.update(schema.runs).values(name="mine"))
        time.sleep(seconds)
        connection.execute(sa.update(schema.runs).values(name="mine still"))
