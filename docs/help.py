"""docs/commands.md, the help of every command as the program prints it: `python docs/help.py`; a test compares."""

from collections.abc import Iterator
from pathlib import Path

import click

from spotbox.cli import cli

PAGE = Path(__file__).parent / "commands.md"
WIDTH = 100
HEAD = """# Every command's help

Written by `python docs/help.py`; `-h` or `--help` prints the same.
"""


def commands(command: click.Command, path: str = "spotbox") -> Iterator[tuple[str, click.Command]]:
    """A command and what is below it, hidden ones left out, each with what is typed for it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from commands(below, f"{path} {name}")


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for path, command in commands(cli):
        context = click.Context(command, info_name=path, terminal_width=WIDTH, max_content_width=WIDTH)
        context.help_option_names = ["-h", "--help"]
        parts.append(f"## `{path}`\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
