"""A disk that does not take what was written: nothing of it is called done."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from driving import ends, row
from injury import assert_as_if_never_hurt, facts, newest_receipts, runners_under

from migrator import CopyObjects, api


# Mutation: let CopyExecutor raise the store's own error, and the receipts of the first shard are committed.
def test_what_could_not_be_synced_has_no_receipt_and_is_done_again(tree: Path, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: apt install strace")
    words = "strace -D -f -qq -o /dev/null -e trace=syncfs -e inject=syncfs:error=EIO:when=1"
    with runners_under(tmp_path, words.split()):
        run = api.start(CopyObjects(tree, tmp_path / "out"))
    assert ends(run) == "failed"
    assert "did not take" in row(run)["error"]
    assert newest_receipts(run) == {}
    assert row(run)["copied"] == 0
    with runners_under(tmp_path):
        assert run.resume().wait(60).adopted == 20  # the shard whose files stood there
        clean = api.start(CopyObjects(tree, tmp_path / "clean"))
    clean.wait(60)
    assert_as_if_never_hurt(run, tree, tmp_path / "out", facts(clean))
