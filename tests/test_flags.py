"""Every flag of every command: a key of the config file, a variable, and a help text."""

import importlib

import click
import pytest

from spotbox.cli import COMMANDS
from spotbox.core.settings import NEVER_KEPT
from spotbox.options import KNOWN_FLAGS

pytestmark = pytest.mark.usefixtures("home")


def every_command():
    """All commands with their subcommands; those of the sandbox where it is built."""
    for name in COMMANDS:
        try:
            found = getattr(importlib.import_module(f"spotbox.commands.{name}"), name)
        except ImportError as error:
            if name != "sandbox" or "process" not in str(error):
                raise
            continue
        yield name, found
        yield from getattr(found, "commands", {}).items()


def declared():
    """Long flag name -> the options that have it."""
    flags = {}
    for _, command in every_command():
        for option in command.params:
            for name in option.opts if isinstance(option, click.Option) else ():
                if name.startswith("--"):
                    flags.setdefault(name[2:], []).append(option)
    return flags


def test_the_config_file_knows_the_flags_of_the_commands():
    """Every long flag but the never-kept ones is a key of the config file, and no other word is."""
    flags = set(declared()) - NEVER_KEPT
    assert flags <= KNOWN_FLAGS
    # `pool` is read by every command, from SPOTBOX_POOL and [defaults]; `notice` is the sandbox's.
    assert KNOWN_FLAGS - flags <= {"pool"} | (set() if "sandbox" in dict(every_command()) else {"notice"})


def test_every_flag_has_its_variable():
    """SPOTBOX_<FLAG> for every flag; for consents none."""
    for name, options in declared().items():
        for option in options:
            if name in ("yes", "all", "fix", "help", "version", "stdio"):
                assert option.envvar is None, name
            else:
                assert option.envvar == f"SPOTBOX_{name.upper().replace('-', '_')}"


def test_every_flag_says_what_it_does():
    """No option without help, and each command has its own one line."""
    for name, options in declared().items():
        assert all(option.help for option in options), name
    for name, command in every_command():
        assert command.help or command.short_help, name
