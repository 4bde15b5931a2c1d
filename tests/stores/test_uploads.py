"""Uploads that a killed run had begun and was never told the names of."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest
from exact_parts import Upload
from exact_s3 import ExactS3, at

from migrator.engine.uploads import UploadNotes, unanswered
from migrator.errors import Denied, Unreachable


def upload(ago: float, name: str = "b/p/k", **more: object) -> Upload:
    return Upload(name, {}, "", at=time.time() - ago, **more)  # pyright: ignore[reportArgumentType]


# Mutations: no lower bound, or no upper one, in `_fits`; go by our clock, not by the server's.
@pytest.mark.parametrize("skew", [0, -86_400])
def test_an_upload_is_ours_only_where_nothing_speaks_against_it(skew: int) -> None:
    with ExactS3(skew_s=skew) as exact:
        others = {
            "before": upload(70), "long after": upload(30), "sent to": upload(58, parts={1: (b"x", b"")}),
            "beside": upload(58, "b/p/k2"),
        }  # fmt: skip
        exact.parts.open = {**others, "ours": upload(58)}
        assert at(exact).abort_unanswered("p/k", [60.0]) == 1
        assert exact.parts.open == others


# Mutation: leave the count out of abort_unanswered.
def test_where_more_were_begun_than_by_us_none_is_aborted() -> None:
    with ExactS3() as exact:
        exact.parts.open = {"one": upload(58), "two": upload(57)}
        assert at(exact).abort_unanswered("p/k", [60.0]) == 0
        assert at(exact).abort_unanswered("p/k", [60.0, 59.0]) == 2
        assert exact.parts.open == {}


# Mutations: close the note of a beginning whatever came of it; close none that was refused.
@pytest.mark.parametrize(("met", "left"), [(Denied("no"), 0), (Unreachable("?"), 1), (KeyboardInterrupt(), 1)])
def test_a_beginning_counts_until_it_was_answered(tmp_path: Path, met: BaseException, left: int) -> None:
    with suppress(type(met)), UploadNotes(tmp_path, 1).begins("k"):
        raise met
    with UploadNotes(tmp_path, 2).begins("whole"):
        assert len(unanswered(tmp_path / "uploads")["whole"]) == 1
    assert {key: len(when) for key, when in unanswered(tmp_path / "uploads").items()} == ({"k": 1} if left else {})
