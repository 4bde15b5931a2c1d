"""What a message names is written by `option`, and a terminal says it as an option that it has."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import migrator as mg
from migrator.cli import main
from migrator.cli.options import take
from migrator.cli.spelling import in_options
from migrator.options import option, said

ROOT = Path(__file__).resolve().parents[2] / "migrator"
KINDS = (mg.CopyObjects, mg.Verify, mg.DeleteSource, mg.DeleteExtra, mg.PurgeQuarantine)
CODE_ALONE = {"connection", "more_sources"}  # what no command can be asked for, so none is told of it
BY_HAND = re.compile(r"(?:^|[\s(])[a-z][a-z_]*=(?=['\"{ .,;:)]|$)")
TAGS = re.compile(r"<|^ (class|style)=|\" style=|[a-z]+/[a-z-]+;")  # and headers
MESSAGES = [file for file in sorted(ROOT.rglob("*.py")) if not {"cli", "server"} & set(file.relative_to(ROOT).parts)]


def taken() -> set[str]:
    """The names, of several words, of what people give in Python."""
    calls = (mg.start, mg.apply, mg.Run.limit)
    names = {name for call in calls for name in inspect.signature(call).parameters}
    return {name for name in names.union(*(kind.model_fields for kind in KINDS)) if "_" in name}


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """The parts of messages in a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Constant) and id(node) not in docs else None
        if isinstance(value, str) and " " in value and not TAGS.search(value):
            yield node.lineno, value


def named() -> set[str]:
    """Every option that some message names."""
    nodes = (node for file in MESSAGES for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "option"]
    return {found.value for call in calls for found in ast.walk(call.args[0])
            if isinstance(found, ast.Constant) and isinstance(found.value, str)}  # fmt: skip


# Mutations: write "allow it by max_age." into admission.py, or "start this one with mode='queue'" into leases.py.
def test_no_message_names_an_option_by_hand() -> None:
    word = re.compile(rf"\b(?:{'|'.join(sorted(taken()))})\b")
    columns = re.compile(r"[a-z_ ]+")  # of the state DB, not of a sentence
    bad = [f"{file.relative_to(ROOT)}:{line}: {text}" for file in MESSAGES for line, text in texts(file)
           if BY_HAND.search(text) or (word.search(text) and not columns.fullmatch(text))]  # fmt: skip
    assert not bad


# Mutations: leave the stores' own out of `_spelled`, or `CALLED`.
def test_a_terminal_has_each_option_that_a_message_names() -> None:
    assert {"max_age", "overwrite", "profile", "max_share"} <= named()
    with main.make_context("migrator", ["show", "x"], resilient_parsing=True):
        python = {name for name in named() if not in_options(option(name)).startswith("--")}
    assert python == CODE_ALONE


@pytest.mark.parametrize("value", [None, True, 3, "a b", "it's", 'a "b"', "a`b", "a\nb", ["x"]])
def test_an_option_is_read_back_as_it_was_written(value: object) -> None:
    found: list[object] = []
    assert said(f"first {option('where', value)}, then", lambda *pair: found.append(pair) or "x") == "first x, then"
    assert found == [("where", value)]


# Mutation: compare by `in`, and 0 is False: `--max-overwrites 0` would bound nothing.
def test_nought_is_given_and_no_switch_left_out() -> None:
    assert take({"max_overwrites": 0, "flatten": False, "where": None, "include": ()}) == {"max_overwrites": 0}
