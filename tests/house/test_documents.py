"""What README, CHANGELOG and Makefile say is there, is there; and the other way round."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
FENCED = re.compile(r"^```(\w*).*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = {"", "bash", "console", "sh", "shell", "text"}
INLINE = re.compile(r"`([^`\n]+)`")


def cli() -> click.Group:
    from migrator.cli import main

    assert isinstance(main, click.Group)
    return main


def commands_in(text: str, program: str) -> list[list[str]]:
    """Every ``program …`` in the shell blocks and in the inline code of a document, as words."""
    lines = [line for kind, block in FENCED.findall(text) if kind in SHELL for line in block.splitlines()]
    lines += INLINE.findall(re.sub(r"^```.*", "", text, flags=re.MULTILINE))  # comments in blocks, too
    parts = [part for line in lines for part in re.split(r"&&|;|\|", line.partition(" #")[0])]
    commands = [part.strip().removeprefix("$ ").split() for part in parts]
    return [words for words in commands if words[:1] == [program]]


def make_targets() -> dict[str, str]:
    """Each target that is meant for people, with its line of help."""
    return dict(re.findall(r"^([a-z]+):.*?## (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_every_make_target_for_people_has_help() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == set(make_targets())


# Mutation: leave one out of HEADINGS, and nobody finds it.
def test_the_help_lists_each_command_under_one_heading() -> None:
    assert sorted(" ".join(cli().headings.values()).split()) == sorted(cli().commands)  # pyright: ignore


def test_the_readme_names_only_make_targets_that_exist() -> None:
    named = {words[1] for words in commands_in(README.read_text(encoding="utf-8"), "make") if words[1:]}
    assert named, "the README should say `make demo`"
    assert named <= set(make_targets())


def test_the_readme_names_only_commands_and_options_that_exist() -> None:
    for words in commands_in(README.read_text(encoding="utf-8"), "migrator"):
        names = [word for word in words[1:] if not word.startswith("-")]
        if not names or not names[0].islower():  # `migrator --help`, `migrator COMMAND`
            continue
        command: click.Command | None = cli()
        while isinstance(command, click.Group) and names and names[0].islower():
            command = command.commands.get(names.pop(0))
        assert command, f"the README has `{' '.join(words)}`; there is no such command"
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        asked = {word.partition("=")[0] for word in words[2:] if word.startswith("-")}
        assert asked <= known | {"--help"}, f"the README has `{' '.join(words)}`"


def test_every_command_is_in_the_readme() -> None:
    named = {words[1] for words in commands_in(README.read_text(encoding="utf-8"), "migrator") if words[1:]}
    assert set(cli().commands) - named == set()


def test_every_command_and_option_says_what_it_is_for() -> None:
    for name, command in cli().commands.items():
        assert command.help, f"migrator {name} has no help"
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"migrator {name} {parameter.opts[-1]} has no help"


def test_every_command_prints_its_help() -> None:
    for words in ([], *([name] for name in cli().commands)):
        done = CliRunner().invoke(cli(), [*words, "--help"])
        assert done.exit_code == 0, done.output
        assert "Usage:" in done.output


def test_the_changelog_begins_with_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert first
    assert first[1] == version


@pytest.mark.parametrize("name", ["README.md", "DESIGN.md", "CHANGELOG.md"])
def test_links_to_our_own_files_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    dead = [link for link in links if link and not (ROOT / link).exists()]
    assert dead == []
