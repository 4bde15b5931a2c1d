"""A migration's class as a form: what it asks for, and what it says of what was filled in."""

from __future__ import annotations

import datetime
import inspect
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

import migrator as mg
from migrator.errors import BadForm, BadInput
from migrator.migrations import CopyObjects, forms, registry
from migrator.migrations.faults import OF_A_START

sys.path.insert(0, str(Path(__file__).parent))
from backfill import Backfill


class Everything(mg.Migration):
    """Do it all. And more.

    Parameters
    ----------
    table, view : str
        What ``SQL`` calls it,
        in one word.
    """

    table: str
    view: str = "v"
    days: int = Field(3, ge=1, description="How many days.")
    share: float | None = None
    quick: bool = False
    how: Literal["a", 2] = "a"
    since: datetime.date | None = None
    until: datetime.datetime | None = None
    names: list[str] = Field(default_factory=list)
    rest: dict[str, Any] = Field(default_factory=dict)
    where: mg.Location | None = None


def fields(kind: type[mg.Migration]) -> dict[str, dict[str, Any]]:
    [form] = forms.forms([kind])
    return {field["name"]: field for field in form["fields"]}


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Everything, "__module__", "backfill")


def test_each_type_has_its_kind_of_field() -> None:
    kinds = {name: field["kind"] for name, field in fields(Everything).items()}
    assert kinds == {
        "table": "text", "view": "text", "days": "whole", "share": "number", "quick": "yes-no", "how": "choice",
        "since": "date", "until": "date-time", "names": "lines", "rest": "json", "where": "place", "processes": "whole",
    }  # fmt: skip
    assert fields(Everything)["how"]["choices"] == ["a", 2]
    assert list(kinds)[-1] == "processes"  # what every migration has comes last
    assert [name for name, field in fields(Everything).items() if not field["own"]] == ["processes"]


def test_the_docstring_and_the_description_help() -> None:
    found = fields(Everything)
    assert [found[name]["help"] for name in ("table", "view", "days", "rest")] == [
        "What `SQL` calls it, in one word.", "What `SQL` calls it, in one word.", "How many days.", "",
    ]  # fmt: skip
    [form] = forms.forms([CopyObjects])
    assert (form["title"], form["migration"]) == ("Copy objects", "copy-objects")
    assert form["summary"] == "Copy objects between folders and S3-compatible stores, each checked."
    assert form["code"] == {"imports": "import migrator as mg", "name": "mg.CopyObjects",
                            "unnamed": ["source", "target"]}  # fmt: skip
    assert fields(CopyObjects)["in_flight"]["help"].startswith("Objects at once; by default")


def test_what_another_process_can_not_find_is_not_offered() -> None:
    class Local(mg.Migration):
        pass

    mg.executes(Local)(type("Nobody", (), {}))
    offered = forms.offered()
    registry._executors.pop(Local)
    assert CopyObjects in offered
    assert Backfill in offered
    assert Local not in offered
    assert not {mg.DeleteSource, mg.DeleteExtra} & set(offered)  # what deletes is asked for in words


# Mutation: let `filled` not look at each field alone, and a place that is none has no field.
@pytest.mark.parametrize(
    ("kind", "given", "faults"),
    [
        (CopyObjects, {}, {"source": "Source is needed.", "target": "Target is needed."}),
        (CopyObjects, {"source": "http://x", "target": "/b", "in_flight": "0"}, {
            "source": "An http:// address is no place: write s3://, gs:// or az://bucket/prefix, and the server as "
                      "`endpoint=`.",
            "in_flight": "This should be greater than or equal to 1.",
        }),
        (Everything, {"table": "t", "days": "many", "odd": 1}, {
            "days": "This should be a valid integer.", "odd": "Everything has no such field; help(Everything) has all.",
        }),
        (Everything, {"table": "t", "names": ["a", 3]}, {"names": "1: This should be a valid string."}),
    ],
)  # fmt: skip
def test_a_mistake_stands_beside_its_field(
    kind: type[mg.Migration], given: dict[str, Any], faults: dict[str, str]
) -> None:
    with pytest.raises(BadForm) as refused:
        forms.filled(kind, given)
    assert refused.value.fields == faults


# Mutations: let Migration.__init__ not translate, and pydantic's own words with the value come through; take `key` from
# OF_A_START, and it is no field like another.
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"overwritte": "always"}, "`overwritte=`: CopyObjects has no such field; did you mean overwrite?"),
        ({"overwrite": "maybe"}, "`overwrite=`: This should be 'never', 'if-different' or 'always'."),
        ({"dry_run": True}, "`dry_run=`: CopyObjects has no such field; it is said where the run is started: "
                                "mg.start(…, dry_run=…)."),
        ({"quux": 1}, "`quux=`: CopyObjects has no such field; help(CopyObjects) has all."),
        ({"max_bytes": "5 bananas"}, "`max_bytes=`: This is no number of bytes; write 20000000, 20MB or 20MiB."),
    ],
)  # fmt: skip
def test_a_mistake_in_code_is_one_sentence(given: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        CopyObjects("/a", "/b", **given)
    assert str(refused.value) == said
    said_at_a_start = set(inspect.signature(mg.start).parameters) - {"migration", "in_flight", "connection"}
    assert said_at_a_start == OF_A_START


# Mutation: give every field in __repr_args__, and forty of them hide the one that was said.
def test_a_migration_says_of_itself_what_was_said_of_it() -> None:
    place = mg.Location.parse("s3://lake/in", region="eu-central-1", storage_class="STANDARD_IA")
    assert repr(CopyObjects("/data", place, overwrite="always")) == (
        "CopyObjects(source=Location('/data'), target=Location('s3://lake/in/', region='eu-central-1', "
        "storage_class='STANDARD_IA'), overwrite='always')"
    )
    with pytest.raises(BadInput, match=r"^A place can't be read: addressing: this should be 'path' or 'virtual'"):
        mg.Location.parse("s3://lake/in", addressing="odd")


def test_a_secret_that_was_typed_is_not_repeated() -> None:
    with pytest.raises(BadForm) as refused:
        forms.filled(CopyObjects, {"source": "s3://KEY:hunter2@bucket/x", "target": "/b", "in_flight": "hunter2"})
    assert set(refused.value.fields) == {"source", "in_flight"}
    assert "hunter2" not in str(refused.value)


def test_what_was_typed_is_read_as_it_is_meant() -> None:
    made = forms.filled(Everything, {"table": "t", "days": "7", "share": "0.5", "quick": True, "since": "2026-03-11"})
    assert made.model_dump(include={"days", "share", "quick", "since"}) == {
        "days": 7, "share": 0.5, "quick": True, "since": datetime.date(2026, 3, 11),
    }  # fmt: skip
