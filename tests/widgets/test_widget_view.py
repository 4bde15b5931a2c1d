"""The parts of the view, joined."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter

import pytest

import migrator as mg
from widgets import MigrationPanel, view

NAMES = re.compile(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)


def test_the_widget_ships_all_parts():
    assert str(MigrationPanel._esm) == view.module()
    assert str(MigrationPanel._css) == view.sheet()


# Mutation: leave a file out of MODULES or SHEETS, and this fails.
@pytest.mark.parametrize(
    ("names", "suffix"), [((*view.MODULES, *view.SERVED), "js"), ((*view.SHEETS, *view.PAGE), "css")]
)
def test_no_part_is_forgotten(names, suffix):
    assert sorted(names) == sorted(each.stem for each in view.STATIC.glob(f"*.{suffix}"))


# Mutation: change a character of the entry without renaming it: browsers would keep the old one for a year.
def test_the_entry_that_lab_loads_is_named_by_what_it_holds():
    extension = view.STATIC.parent / "labextension"
    [entry] = (extension / "static").iterdir()
    told = json.loads((extension / "package.json").read_text())["jupyterlab"]["_build"]["load"]
    assert entry.name == f"remoteEntry.{hashlib.sha256(entry.read_bytes()).hexdigest()[:12]}.js", "make entry"
    assert told == f"static/{entry.name}", "make entry"


def test_the_page_loads_every_style_sheet():
    listed = re.search(r"for \(const name of (\[.*?\])\)", (view.STATIC / "mime.js").read_text())
    assert listed
    assert json.loads(listed[1]) == list(view.SHEETS)


# Mutation: give an import two lines, `* as nodes` or `h as node`, and this fails.
def test_no_import_is_left():
    assert not re.search(r"^\s*import\b", view.module(), re.MULTILINE)
    assert view.module().count("export default") == 1


# Mutation: declare `show` in another part too, and this fails, as would the page.
def test_no_name_is_declared_twice():
    found = Counter(NAMES.findall(view.module()))
    assert {name for name, times in found.items() if times > 1} == set()
    assert found["mount"] == 1


# Mutation: put "mount" before "nodes" in MODULES, and this fails.
def test_parts_come_after_what_they_import():
    for number, name in enumerate(view.MODULES):
        used = re.findall(r'from "\./(\w+)\.js"', (view.STATIC / f"{name}.js").read_text())
        assert set(used) <= set(view.MODULES[:number]), name


# Joined, any part's name is known to all; served one by one, a name that its part does not export stops the page.
# Mutation: import `plain` from nodes.js in checks.js, and this fails.
def test_what_is_imported_is_exported_there():
    for part in view.STATIC.glob("*.js"):
        for names, source in re.findall(r'^import \{ ([^}]+) \} from "\./(\w+)\.js"', part.read_text(), re.MULTILINE):
            text = (view.STATIC / f"{source}.js").read_text()
            exported = set(re.findall(r"^export (?:async )?(?:function|class|const|let) (\w+)", text, re.MULTILINE))
            exported |= {
                name.strip()
                for each in re.findall(r"^export \{([^}]*)\}", text, re.MULTILINE)
                for name in each.split(",")
            }
            assert set(names.split(", ")) <= exported, f"{part.name} takes {names} from {source}.js"


# Mutation: reword "none serves the queue" in migrator.lifecycle.queue, and this fails: the page would offer no worker.
def test_the_page_knows_the_sentence_that_no_worker_serves(state, tmp_path):
    (tmp_path / "in").mkdir()
    run = mg.start(mg.CopyObjects(str(tmp_path / "in"), str(tmp_path / "out")), mode="queue", queue="night")
    pattern = re.search(r"NO_WORKER = /(.+?)/;", view.module())
    assert pattern
    assert re.match(pattern[1], run.snapshot().waiting_for or "")


WORDS = "white|black|red|green|blue|gray|grey|orange|yellow|silver|purple|teal|navy|gold|brown|pink|cyan|magenta"
COLOUR = re.compile(rf"#[0-9a-fA-F]{{3,8}}\b|\b(?:rgb|hsl|hwb|lab|lch|oklab|oklch)a?\(|(?<![\w-])(?:{WORDS})(?![\w-])")


# Mutations: write `color: #333`, `fill: red` or `rgb(0 0 0)` into a sheet, or a colour into a script, and this fails.
def test_all_colours_are_the_themes():
    found = {}
    for name in view.SHEETS:
        text = re.sub(r"/\*.*?\*/|@supports [^{]*\{", "", (view.STATIC / f"{name}.css").read_text(), flags=re.DOTALL)
        text = re.sub(r"--jp-[\w-]+, (?:#\w+|rgba?\([^)]*\))", "", text)  # what stands in where a page has no theme
        found[name] = COLOUR.findall(text)
    scripts = "\n".join(re.sub(r"//.*|/\*.*?\*/", "", view.module()).splitlines())
    found["scripts"] = re.findall(r"(?:color|fill|stroke|background)\s*[:=]\s*[\"'`](?!var\(|url\()\w", scripts)
    assert {name: colours for name, colours in found.items() if colours} == {}
