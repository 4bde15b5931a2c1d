"""Columns that are built of their buffers are those that Arrow would make, and read back as they were."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.columns import column, values_of

TEXTS = st.lists(st.none() | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\x10")))
NUMBERS = st.lists(st.none() | st.integers(-(2**63), 2**63 - 1))
FLAGS = st.lists(st.none() | st.booleans())


CASES = st.one_of(
    st.tuples(TEXTS, st.just(pa.string())),
    st.tuples(NUMBERS, st.just(pa.int64())),
    st.tuples(FLAGS, st.just(pa.bool_())),
)


@settings(deadline=None)  # on a busy machine
@given(CASES)
def test_a_column_is_as_arrow_makes_it(case: tuple[list[Any], pa.DataType]) -> None:
    # Mutation: bits in the wrong order, or lengths in characters, and one of these differs.
    values, kind = case
    made = column(values, kind)
    made.validate(full=True)
    assert made.equals(pa.array(values, kind))
    assert column(tuple(values), kind).equals(made)


@settings(deadline=None)  # on a busy machine
@given(st.lists(st.none() | st.text()))
def test_texts_that_no_parquet_file_holds_come_back(values: list[str | None]) -> None:
    made = column(values, pa.string())
    made.validate(full=True)
    assert values_of(pa.chunked_array([made])) == values


@pytest.mark.parametrize(("values", "kind"), [(["1"], pa.int64()), ([2**63], pa.int64()), ([1], pa.string())])
def test_what_does_not_fit_is_an_error(values: list[Any], kind: pa.DataType) -> None:
    with pytest.raises((TypeError, OverflowError)):
        column(values, kind)
