"""``migrator``, and ``python -m migrator``: the command. The runner of a copy loads while the command does."""

from __future__ import annotations

import sys

NOT_NOW = {"-h", "--help", "--mode"}


def main() -> None:
    """Run the command with the process's arguments."""
    if sys.argv[1:2] == ["copy"] and not NOT_NOW & {word.partition("=")[0] for word in sys.argv}:
        _prepare()
    from .cli import main as command

    command(prog_name="migrator")


def _prepare() -> None:
    from .config import default_mode
    from .errors import ConfigError
    from .lifecycle import early

    try:
        if default_mode() == "streaming":
            early.prepare("copy")
    except ConfigError:
        pass  # the command says it


if __name__ == "__main__":
    main()
