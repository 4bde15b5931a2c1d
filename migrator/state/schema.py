"""The tables of the state DB. Times are BIGINT milliseconds since the epoch: a FLOAT loses them.

Small whatever the size of a run: a row a shard and a row an exception, never a row an object.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from ..model import Counts
from .texts import Json, Name, Text

SCHEMA_VERSION = 3

metadata = sa.MetaData()

# SQLite numbers rows by INTEGER only.
Big = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _column(name: str, kind: Any, default: object = None) -> sa.Column[Any]:
    """A NOT NULL column when it has a default, a nullable one when it has none."""
    return sa.Column(name, kind, nullable=default is None, default=default)


def _tallies() -> list[sa.Column[Any]]:
    """The columns of model.Counts."""
    return [_column(field.name, Big if field.name != "bytes_done" else sa.BigInteger, 0) for field in fields(Counts)]


meta = sa.Table(
    "meta",
    metadata,
    sa.Column("name", Name(64), primary_key=True),
    sa.Column("value", Name(255), nullable=False),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", Name(64), primary_key=True),
    # what was asked
    _column("name", Name(255), ""),
    _column("title", Text, ""),
    _column("tags", Json, []),
    _column("owner", Name(255), ""),
    sa.Column("key", Name(255), unique=True),
    _column("migration", Text, ""),
    _column("source_hash", Name(64)),
    _column("spec", Json, {}),
    _column("mode", Name(16), "streaming"),
    _column("dry_run", sa.Boolean, False),
    _column("resumable", sa.Boolean, True),
    _column("queue", Name(64), "default"),
    _column("priority", sa.Integer, 0),
    _column("place", sa.BigInteger, 0),  # its age in the queue, microseconds; a crash does not change it
    _column("not_before", sa.BigInteger, 0),
    _column("max_attempts", sa.Integer, 3),
    _column("crashes", sa.Integer, 0),
    _column("waiting_for", Text),  # what the worker that looked last does not have
    # where it is to run, and what it needs there
    _column("interpreter", Text, ""),
    _column("cwd", Text, ""),
    _column("import_path", Json, []),
    _column("needs", Json, []),
    _column("writes", Json, []),  # [scope, path] of each target that it leases
    _column("workspace", Text, ""),
    _column("plan_run", Name(64)),
    _column("plan_hash", Name(64)),
    # what is
    sa.Column("status", Name(16), nullable=False),
    _column("attempt", sa.Integer, 0),
    _column("phase", Name(32)),
    _column("phases", Json, []),
    _column("error", Text),
    # who holds it; the token fences every write of a runner
    _column("token", Name(32)),
    _column("host", Name(255)),
    _column("boot_id", Name(64)),
    _column("pid", Big),
    _column("start_ticks", sa.BigInteger),
    _column("heartbeat_at", sa.BigInteger),
    _column("lease_until", sa.BigInteger),
    # what is asked of it
    _column("start_requested_at", sa.BigInteger),
    _column("cancel_requested_at", sa.BigInteger),
    _column("pause_requested_at", sa.BigInteger),
    _column("limits", Json, {}),
    _column("held_for", Text),  # why nothing is written at the moment
    _column("throttled_by", Text),
    _column("throttled_since", sa.BigInteger),
    # how far it is
    _column("actions", Json, {}),
    _column("total", Big, 0),
    _column("bytes_total", sa.BigInteger, 0),
    *_tallies(),
    _column("rate", sa.Double),
    _column("byte_rate", sa.Double),
    _column("engine_ms", sa.BigInteger, 0),
    _column("retries", Big, 0),
    _column("seq", Big, 0),
    _column("step", Big, 0),  # the owner's last write: one that is repeated after an outage is made once
    _column("created_at", sa.BigInteger, 0),
    _column("started_at", sa.BigInteger),
    _column("finished_at", sa.BigInteger),
    sa.Index("runs_created", "created_at"),
)
# The order of turns to the last column: PostgreSQL sorts the whole queue where it does not know it to be long.
sa.Index("runs_turn", runs.c.queue, runs.c.status, runs.c.priority.desc(), runs.c.place, runs.c.id)
sa.Index("runs_status", runs.c.status)

shards = sa.Table(
    "shards",
    metadata,
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("no", sa.Integer, primary_key=True),
    _column("state", Name(16), "todo"),
    _column("items", Big, 0),
    _column("bytes", sa.BigInteger, 0),
    sa.Column("plan_file", Text, nullable=False),
    _column("receipts", Json, []),
    _column("attempt", sa.Integer),
    *_tallies(),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("seq", Big, primary_key=True, autoincrement=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("kind", Name(32), nullable=False),
    sa.Column("data", Json, nullable=False),
)

exceptions = sa.Table(
    "exceptions",
    metadata,
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("item_no", Big, primary_key=True, autoincrement=False),
    sa.Column("shard_no", sa.Integer, nullable=False),
    sa.Column("key", Text, nullable=False),
    sa.Column("status", Name(16), nullable=False),
    _column("error", Text),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)

# Who may write where: a normalised target path inside a scope (endpoint and bucket, host and device).
# A row counts while its run is starting or running; whoever ends a run takes its rows away.
leases = sa.Table(
    "leases",
    metadata,
    sa.Column("id", Big, primary_key=True),
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("scope", Name(255), nullable=False),
    sa.Column("path", Text, nullable=False),
    sa.Column("taken_at", sa.BigInteger, nullable=False),
    sa.Index("leases_scope", "scope"),
    sa.Index("leases_run", "run_id"),
)

# Locked before leases in it are compared: two nested prefixes would else be taken at the same instant.
scopes = sa.Table("scopes", metadata, sa.Column("name", Name(255), primary_key=True))

queues = sa.Table(
    "queues",
    metadata,
    sa.Column("name", Name(64), primary_key=True),
    sa.Column("max_running", sa.Integer),  # NULL: no limit
    sa.Column("paused_at", sa.BigInteger),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", Name(32), primary_key=True),
    sa.Column("queue", Name(64), nullable=False),
    sa.Column("concurrency", sa.Integer, nullable=False),
    sa.Column("host", Name(255), nullable=False),
    sa.Column("boot_id", Name(64), nullable=False),
    sa.Column("pid", Big, nullable=False),
    sa.Column("start_ticks", sa.BigInteger, nullable=False),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("heartbeat_at", sa.BigInteger, nullable=False),
    sa.Index("workers_queue", "queue"),
)

# Kept for state DBs that have them: uploads in parts are noted in the workspace (engine/uploads.py), where the runner's
# own processes write without a transaction each.
uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("item_no", Big, nullable=False),
    sa.Column("upload_id", Text, nullable=False),
    sa.Column("key", Text, nullable=False),
    sa.Column("etag", Name(255)),
    sa.Column("part_bytes", sa.BigInteger, nullable=False),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("run_id", "item_no"),
)

parts = sa.Table(
    "parts",
    metadata,
    sa.Column("upload", sa.ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("no", sa.Integer, primary_key=True),
    sa.Column("etag", Name(255), nullable=False),
    sa.Column("digest", Name(128)),
    sa.Column("bytes", sa.BigInteger, nullable=False),
)
