"""Rows chosen by SQL that people wrote, on a connection that reaches nothing but those rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ..errors import BadInput
from ..options import option
from ..words import unescape
from . import expressions

if TYPE_CHECKING:
    import pyarrow as pa

MOST_S = 120.0  # of a sieve's own time, over all the batches that it is given
_TURN = threading.Lock()
SETTINGS = {
    "enable_external_access": False, "autoinstall_known_extensions": False, "autoload_known_extensions": False,
    "lock_configuration": True, "memory_limit": "256MB", "threads": 1,
}  # fmt: skip


class Sieve:
    """A filter of rows.

    Parameters
    ----------
    where : str, optional
        One expression of SQL over the rows' columns, written by people.
    conditions : mapping
        Expressions of ours, with the values for their marks.

    Raises
    ------
    BadInput
        If ``where`` is not one expression, or asks for more than the rows.
    """

    def __init__(self, where: str | None = None, conditions: Mapping[str, list[Any]] | None = None) -> None:
        import duckdb

        self._connection = duckdb.connect(config=dict(SETTINGS))
        self._where, conditions = where, conditions or {}
        parts = list(conditions)
        if where is not None:
            expressions.check(self._connection, where)
            parts.append(f"({where}\n)")  # a comment at its end ends with the line
        self._values = [value for values in conditions.values() for value in values]
        self._condition = " and ".join(parts) or "true"
        self._left = MOST_S

    def choose(self, rows: pa.Table) -> list[int]:
        """The places of the rows that pass, in order; ``rows`` has the columns that the expressions name.

        Raises
        ------
        BadInput
            If an expression can't be worked out, or has taken too long by now.
        """
        import duckdb
        import pyarrow as pa

        from ..columns import column

        numbered = rows.append_column("__row", column(range(rows.num_rows), pa.int64()))
        self._connection.register("rows", numbered)
        begun, watch = time.monotonic(), threading.Timer(self._left, self._connection.interrupt)
        watch.start()
        try:
            if not self._left:  # an interrupt before a query begins would be lost
                raise duckdb.InterruptException("no time is left")
            found = self._connection.execute(
                f"select __row from rows where {self._condition} order by __row", self._values
            ).fetchall()
        except duckdb.InterruptException:
            why = f"takes longer than {MOST_S:.0f} s over all rows; make it simpler."
            raise BadInput(f"{self._named()} {why}") from None
        except duckdb.Error as error:
            columns = ", ".join(rows.column_names)
            said = str(error).strip().partition("\n")[0]
            raise BadInput(f"{self._named()} can't be worked out: {said} The columns are {columns}.") from None
        finally:
            watch.cancel()
            self._left = max(0.0, self._left - (time.monotonic() - begun))
        return [number for (number,) in found]

    def _named(self) -> str:
        return option("where", self._where) if self._where is not None else "The choice of objects"


def substitute(names: Sequence[str], pattern: str, becomes: str) -> Sequence[str]:
    """Names with every match of a regular expression (RE2, which can't run away) replaced.

    Raises
    ------
    BadInput
        If it is no regular expression, or ``becomes`` names a group that it does not have.
    """
    import duckdb
    import pyarrow as pa

    from ..columns import column

    places = column(range(len(names)), pa.int64())
    table = pa.table({"place": places, "name": column(names, pa.string())})
    statement = "select regexp_replace(name, ?, ?, 'gs') from names order by place"
    try:
        with _TURN:  # several listings may be under way
            connection = _substitution().register("names", table)
            return [unescape(name) for (name,) in connection.execute(statement, [pattern, becomes]).fetchall()]
    except duckdb.Error as error:
        said = str(error).strip().partition("\n")[0]
        raise BadInput(f"{option('rename', pattern)} to {becomes!r} can't be done: {said}") from None


def check_regex(pattern: str) -> None:
    """Raise BadInput unless this is a regular expression that RE2 takes."""
    import duckdb

    try:
        _substitution().execute("select regexp_matches('', ?)", [pattern]).fetchall()
    except duckdb.Error as error:
        said = str(error).strip().partition("\n")[0]
        raise BadInput(f"{option('regex', pattern)} is no regular expression (RE2): {said}.") from None


@cache
def _substitution() -> Any:
    import duckdb

    return duckdb.connect(config=dict(SETTINGS))
