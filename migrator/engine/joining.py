"""Two listings joined out of core: which names meet, at the target and among themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .duck import listed, quoted

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from ..migrations.choices import Collisions
    from ..stores.names import Folding

BATCH = 10_000
# Objects that are joined and put in order at once, where names are keys: so that more of them take no more memory.
AT_ONCE, SAMPLES = 20_000, 20
# Listings that are not in the order of keys, as those of folders, are read whole for each part of them.
MOST_PASSES = 16

# What is chosen of the source, under the names that it gets.
LISTED = """
    create view listed as select *, coalesce(target_key, key) as name from {source};
    create view target as select * from read_parquet({target});
"""
# Of a manifest's keys all have a row: one that the source does not have is refused.
MANIFEST = """(
    select * replace (chosen and (key in (select key from manifest where source is null)
        or (source, key) in (select (source, key) from manifest where source is not null)) as chosen)
    from read_parquet({source}) union all
    select key, 0, null, null, 'the manifest names it, and the source does not have it', null, true, coalesce(source, 0)
    from manifest m where if(source is null, key not in (select key from read_parquet({source})),
        (source, key) not in (select (source, key) from read_parquet({source})))
)"""
# Several of one name: `best` is the one that keeps it.
RIVALS = """
    create temp table rivals as
        select {fold} as folded, {best} as best from listed where chosen and problem is null
        group by folded having count(*) > 1;
    create view settled as
        select l.* exclude (name), {name} as name, if({yields}, r.best, null) as rival
        from (select *, {fold} as folded from listed) l left join rivals r using (folded) where chosen
"""
NO_RIVALS = """
    create view settled as
        select *, null::struct(key varchar, size bigint, mtime bigint, etag varchar, source bigint) as rival
        from listed where chosen
"""
PACKED = "struct_pack(key := {0}key, size := {0}size, mtime := {0}mtime, etag := {0}etag, source := {0}source)"
YIELDS = "r.best is not null and (r.best.key != l.key or r.best.source != l.source)"
# What objects hold, where that was found out; and what several hold copied once: those that yield get the name. So do
# those that yielded their own to one of them already, with the same bytes: that name has nothing under it now.
UNSEEN = "create view source as select *, null::varchar as content from settled"
SEEN = """
    create view source as
        select s.*, if(s.rival is null, c.content, null) as content
        from settled s left join contents c on s.source = c.source and s.key = c.key
"""
ONCE = f"""
    create temp table firsts as
        select c.content, s.size, arg_min({PACKED.format("s.")}, (s.source, s.key)) as first,
               arg_min(s.name, (s.source, s.key)) as called
        from settled s join contents c on s.source = c.source and s.key = c.key
        where s.problem is null and s.rival is null group by all having count(*) > 1;
    create view source as
        select * replace (if(yields, called, name) as name, if(yields, first, rival) as rival),
               if(rival is null or yields, held, null) as content
        from (select s.*, c.content as held, f.first, f.called,
                     f.first is not null and s.problem is null and (f.first.key != s.key or f.first.source != s.source)
                         and (s.rival is null or r.content = c.content
                              and (f.first.key != s.rival.key or f.first.source != s.rival.source)) as yields
              from settled s left join contents c on s.source = c.source and s.key = c.key
              left join contents r on s.rival.source = r.source and s.rival.key = r.key
              left join firsts f on f.content = c.content and f.size = s.size)
"""
# The stem of the last segment, eight digits of the key's SHA-256, the suffix: as `renaming.hash8` has them; of several
# sources which one, too, since each may have that key.
SUFFIXED = r"""
    if({yields}, regexp_replace(l.name, '([^/])(\.[^./]*)?(/*)$', '\1-' || left(sha256({of}l.key), 8) || '\2\3'),
       l.name)
"""
TWINS = """
    create temp table twins as
        select name, min((source, key)) as first, max((source, key)) as last
        from source where problem is null and rival is null
        group by name having count(*) > 1
"""

# What a folder can't hold beside each other: a file and a folder of one name; where it folds names, two that fold
# to one. `names` are the files that are to be there, here = of the source; `needed` the folders that they lie in.
COLLISIONS = """
    create temp table names as
        select name as key, {fold} as folded, true as here from source where problem is null and rival is null
        union all select key as name, {fold}, false from target;
    create temp table needed as
        select key, here, unnest([array_to_string(parts[1:i], '/') for i in range(1, len(parts))]) as folder{spelling}
        from (select key, here, string_split(folded, '/') as parts, string_split(key, '/') as spelled
              from names where contains(folded, '/'));
    create temp table collisions as
        select key, min(other) as other from (
            select n.key, d.key as other from names n join needed d on n.folded = d.folder where n.here
            union all
            select d.key, n.key from needed d join names n on n.folded = d.folder where d.here and not n.here
            {folded}
        ) group by key
"""
SPELLING = ", unnest([array_to_string(spelled[1:i], '/') for i in range(1, len(parts))]) as spelling"
FOLDED = """
            union all
            select n.key, o.key from names n join names o on n.folded = o.folded where n.here and n.key != o.key
            union all
            select d.key, if(d.key = o.key, o.last, o.key) from needed d join (
                select folder, min(key) as key, max(key) as last from needed
                group by folder having count(distinct spelling) > 1
            ) o on d.folder = o.folder where d.here
"""
JOIN = """
    from (select s.key, s.size, s.mtime, s.etag, s.problem, s.name,
           t.size as t_size, t.mtime as t_mtime, t.etag as t_etag, {collides} as collides, {twin} as twin,
           s.rival.key as r_key, s.rival.size as r_size, s.rival.mtime as r_mtime, s.rival.etag as r_etag,
           s.source, {twin_source} as twin_source, s.rival.source as r_source, s.content
    from source_part s left join target_part t on s.name = t.key {joins}
    {extras}) order by {order}coalesce(key, name)
"""
# A name that an object of the source has is no extra, though that object may not be chosen.
EXTRAS = """
    union all
    select null, null, null, null, null, t.key, t.size, t.mtime, t.etag, null, null, null, null, null, null, null, null,
           null, null
    from target_part t where t.chosen and not exists (from listed_part l where l.name = t.key)
"""
# A range of keys.
PART = """
    create or replace temp view source_part as select * from source where {part};
    create or replace temp view target_part as select * from target where {part};
    create or replace temp view listed_part as select * from listed where {part};
"""
KEYS = "(select key from listed union all select key from target)"
# Whether each stretch of a file begins where the one before it ends, so that all but a few are passed over unread.
IN_ORDER = """
    select coalesce(bool_and(stats_min_value >= before), true) from (
        select stats_min_value, lag(stats_max_value) over (partition by file_name order by row_group_id) as before
        from parquet_metadata({files}) where path_in_schema = 'key')
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """How two listings are joined.

    ``folding``: how a folder at the target tells names apart; None for a bucket. ``renamed``: names may have changed.
    ``collisions``: who yields where several get one name. ``extras``: also what only the target has. ``manifest``: only
    what the table of that name has. ``sources``: what several are called; those before others keep a name.
    ``contents``: makes a view of that name, of what is listed; with ``once`` the same bytes have one name.
    """

    folding: Folding | None = None
    renamed: bool = False
    collisions: Collisions = "refuse"
    extras: bool = False
    manifest: bool = False
    sources: tuple[str, ...] = ()
    contents: Callable[[duckdb.DuckDBPyConnection], None] | None = None
    once: bool = False


def join_listings(
    connection: duckdb.DuckDBPyConnection, source: Sequence[Path], target: Path, terms: Terms
) -> Iterator[pa.Table]:
    """Two listings joined by name, in the order of the source's keys, a batch at a time, out of core.

    The source's may be several, of several sources; then it is in their order first.
    """
    import pyarrow as pa

    here = (MANIFEST if terms.manifest else "read_parquet({source})").format(source=quoted(source))
    connection.execute(LISTED.format(source=here, target=quoted([target])))
    connection.execute(_settle(terms))
    if terms.contents:
        terms.contents(connection)
    connection.execute(ONCE if terms.once else SEEN if terms.contents else UNSEEN)
    statement = _join(connection, terms)
    for part in _parts(connection, [*source, target], terms):
        connection.execute(PART.format(part=part))
        for batch in connection.sql(statement).to_arrow_reader(BATCH):
            yield pa.Table.from_batches([batch])


def _parts(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], terms: Terms) -> list[str]:
    """Conditions on a key, in the order of keys, each met by some of the objects; what has one name meets the same."""
    if terms.renamed or terms.sources or terms.once or terms.collisions == "rename":
        return ["true"]  # names are not keys, or there is an order above that of keys
    number = -(-connection.sql(f"select count(*) from {KEYS}").fetchall()[0][0] // AT_ONCE)
    if number < 2:
        return ["true"]
    if number > MOST_PASSES and not connection.sql(IN_ORDER.format(files=quoted(files))).fetchall()[0][0]:
        number = MOST_PASSES
    sample = f"using sample reservoir({SAMPLES * number} rows) repeatable (1)"
    found = connection.sql(f"select key from (select key from {KEYS} {sample}) order by key").fetchall()
    bounds = list(dict.fromkeys("'" + key.replace("'", "''") + "'" for (key,) in found[SAMPLES::SAMPLES]))
    ends = [*(f"key < {bound}" for bound in bounds), "true"]
    return [f"{begins} and {ends[at]}" for at, begins in enumerate(["true", *(f"key >= {bound}" for bound in bounds)])]


def _settle(terms: Terms) -> str:
    """Who keeps a name that several would get."""
    if terms.collisions == "refuse":
        return NO_RIVALS
    packed = PACKED.format("")
    newest = f"arg_max({packed}, (mtime, -source, key))"
    best = newest if terms.collisions == "keep-newest" else f"arg_min({packed}, (source, key))"
    of = f"{listed(terms.sources)}[l.source + 1] || '/' || " if terms.sources else ""
    renaming = terms.collisions == "rename"
    return RIVALS.format(
        fold=_folded("name", terms.folding), best=best,
        name=SUFFIXED.format(yields=YIELDS, of=of) if renaming else "l.name", yields="false" if renaming else YIELDS,
    )  # fmt: skip


def _join(connection: duckdb.DuckDBPyConnection, terms: Terms) -> str:
    """Look for names that can't stand beside each other, and say how the listings are joined."""
    joins, collides, twin, twin_source = [], "null::varchar", "null::varchar", "null::bigint"
    if terms.renamed or terms.sources or terms.collisions == "rename":
        connection.execute(TWINS)
        joins.append("left join twins w on s.name = w.name")
        other = "if((s.source, s.key) = w.first, w.last, w.first)"
        twin, twin_source = f"{other}[2]", f"{other}[1]"
    if terms.folding is not None:
        more = {"spelling": SPELLING, "folded": FOLDED} if any(terms.folding) else {"spelling": "", "folded": ""}
        connection.execute(COLLISIONS.format(fold=_folded("name", terms.folding), **more))
        joins.append("left join collisions c on s.name = c.key")
        collides = "c.other"
    extras = EXTRAS if terms.extras else ""
    order = "source, " if terms.sources else ""
    return JOIN.format(
        collides=collides, twin=twin, twin_source=twin_source, joins=" ".join(joins), extras=extras, order=order
    )


def _folded(name: str, folding: Folding | None) -> str:
    """A name as a folder compares it; a bucket tells all apart."""
    if folding is None:
        return name
    name = f"nfc_normalize({name})" if folding.form else name
    return f"lower({name})" if folding.case else name
