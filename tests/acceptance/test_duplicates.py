"""Files of the same bytes under several names: found, told what that cost, and copied once where that is asked for."""

from __future__ import annotations

from pathlib import Path

from driving import command_here, command_json
from trees import in_folder

import migrator as mg


# Mutations: leave the size out of CANDIDATES, and all files are read; leave `content` out of `_ordinary`, and nothing
# is found; leave the key map's look at what was not copied out.
def test_files_of_the_same_bytes_are_found_and_copied_once(tmp_path: Path) -> None:
    files = {"a": "same" * 100, "d/b": "same" * 100, "c": "else" * 100, "one-of-its-size": "x", "e": "", "f": ""}
    for name, text in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(text)
    plan = command_json("copy", tmp_path / "in", tmp_path / "out", "--duplicates", "report", "--dry-run")
    run = mg.attach(plan["id"])
    found = run.duplicates().select("key", "size", "copies").fetchall()
    assert found == [("a", 400, 2), ("d/b", 400, 2)]
    text = str(run.plan_summary())
    assert "2 objects have the bytes of another one: 400 B more than once." in text
    assert "To find them 3 files were read: 1.2 kB." in text
    assert command_here("duplicates", run.id, "--format", "csv").out.splitlines()[1].startswith("sha256:")
    assert mg.apply(run).wait(60).copied == 6

    once = mg.start(mg.CopyObjects(tmp_path / "in", tmp_path / "once", duplicates="once"))
    assert once.wait(60).copied == 5
    assert set(in_folder(tmp_path / "once")) == {"a", "c", "one-of-its-size", "e", "f"}
    assert dict(once.key_map().select("key", "target_key").fetchall()) == {name: name for name in files} | {"d/b": "a"}
    [(why,)] = once.plan().filter("key = 'd/b'").select("reason").fetchall()
    assert why == "the same bytes as 'a', which has the name for both"

    later = mg.start(mg.CopyObjects(tmp_path / "in", tmp_path / "later", duplicates="once"), dry_run=True)
    later.wait(60)
    (tmp_path / "in" / "a").write_text("changed since")
    done = mg.apply(later)
    assert done.wait(60, check=False).refused == 1
    assert not {"a", "d/b"} & {
        key for (key,) in done.key_map().select("key").fetchall()
    }  # no name for what is not there
