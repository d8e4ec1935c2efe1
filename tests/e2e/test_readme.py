"""The README is true: its session happens, its commands exist, its codes are the program's."""

import re

import click
import pytest

from spotbox.cli import COMMANDS, cli
from spotbox.core.errors import Exit
from spotbox.core.states import State
from tests.e2e import session
from tests.e2e.conftest import needs_ssh

TEXT = session.README.read_text(encoding="utf-8")


@needs_ssh
def test_the_session_is_real(fresh):
    """What the README shows is what the program prints, but for ids, addresses and times."""
    fresh.extra = {"SPOTBOX_HOME": str(fresh.home / ".spotbox")}
    assert session.plain(session.perform(fresh)) == session.plain(session.shown())


def test_the_first_screen():
    """One sentence, then two commands of one line each: the sandbox's up, and the tests."""
    blocks = re.findall(r"^```\n(.*?)\n```", TEXT, re.DOTALL | re.MULTILINE)
    assert blocks[0].endswith("spotbox --sandbox up")
    assert blocks[1].endswith("pytest")
    assert all("\n" not in block for block in blocks[:2])
    assert TEXT.index(blocks[1]) < 1200


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_section(command):
    """Each command of the table is documented."""
    assert f"`spotbox {command}" in TEXT


def test_every_flag_of_up_is_documented():
    """Each long flag of `up` stands in the README."""
    up = cli.get_command(click.Context(cli), "up")
    flags = {o for p in up.params if isinstance(p, click.Option) and not p.hidden for o in p.opts if len(o) > 2}
    flags -= {
        "--region",
        "--zone",
        "--instance-type",
        "--output",
        "--yes",
        "--help",
        "--verbose",
        "--version",
    }  # by their letter
    flags -= {"--pool"} if "`--pool big`" in TEXT else set()
    assert {flag for flag in flags if f"`{flag}" not in TEXT} == set()


def test_every_flag_of_prices_is_documented():
    """Each flag of `prices` stands in the table of its section, and every sort with it."""
    prices = cli.get_command(click.Context(cli), "prices")
    section = TEXT[TEXT.index("### `spotbox prices`") : TEXT.index("### `spotbox status")]
    common = {"--verbose", "--sandbox", "--config", "--profile", "--version", "--help"}
    options = [p for p in prices.params if isinstance(p, click.Option) and not common & set(p.opts)]
    assert len(options) > 10
    assert [p.opts for p in options if not any(f"| `{name}` |" in section for name in p.opts)] == []
    (sort,) = [p for p in options if p.name == "sort"]
    assert all(f"`{name}`" in section for name in sort.type.choices)


def test_states_and_exit_codes_are_the_programs():
    """The tables name exactly what the program knows."""
    assert {state for state in State if f"| `{state}` |" in TEXT} == set(State)
    assert {code for code in Exit if f"`{code.value}` " in TEXT} == set(Exit)
