"""The command line itself: help over the whole tree, completion, and what neither of them loads."""

import os
import subprocess
import sys

import click
import pytest

from spotbox.cli import COMMANDS, cli, run
from spotbox.core.settings import NEVER_KEPT
from spotbox.defaults import long_name
from spotbox.options import KNOWN_FLAGS


def tree(command=cli, path=("spotbox",)):
    """(path, command) of every command below."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from tree(command.get_command(context, name), (*path, name))


EVERY = {" ".join(path): command for path, command in tree()}
OWN = [name for name, command in EVERY.items() if len(name.split()) == 2 and command.name in COMMANDS]


@pytest.mark.parametrize("name", EVERY)
def test_every_command_and_option_has_help(name):
    """Each command has a sentence, each visible option one of its own that ends as a sentence does."""
    command = EVERY[name]
    assert (command.help or "").strip()
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.help, f"{name} {option.opts}"
            assert option.help.endswith((".", ")")) or "{" in option.help, f"{name} {option.opts}: {option.help}"


def test_the_common_options_stand_after_every_command(capsys):
    """--profile, --config, --sandbox, -v, --version and -h are taken by every command and every group of commands."""
    for name, command in EVERY.items():
        told = {option for param in command.params for option in param.opts}
        assert {"--profile", "--config", "--sandbox", "-v", "--verbose"} <= told, name
        for flag, begins in (("--version", "spotbox 0"), ("-h", f"Usage: {name.removesuffix(' run')} ")):
            assert (run([*name.split()[1:], flag]), name) == (0, name)
            assert capsys.readouterr().out.startswith(begins), name


@pytest.mark.parametrize("name", OWN)
def test_help_shows_two_runnable_examples(name, capsys):
    """Every command's help has at least two lines that can be typed as they stand."""
    command, words = EVERY[name], name.split()
    examples = [line.strip() for line in (command.help or "").splitlines() if line.strip().startswith("spotbox ")]
    assert len(examples) >= 2
    assert run([*words[1:], "--help"]) == 0
    shown = capsys.readouterr().out
    for example in examples:
        assert example in shown
        args = example.split("   ")[0].split()[1:]
        args = [word for word in args if word != "--sandbox"]
        with cli.make_context("spotbox", ["--help"] if not args else [], resilient_parsing=True) as ctx:
            found, _, rest = cli.resolve_command(ctx, args)
            command_args = rest[: rest.index("--")] if "--" in rest else rest
            if not isinstance(EVERY[f"spotbox {found}"], click.Group):
                EVERY[f"spotbox {found}"].make_context(found, list(command_args), parent=ctx, resilient_parsing=False)


@pytest.mark.parametrize("name", [name for name in EVERY if name.startswith("spotbox sandbox ")])
def test_help_of_the_sandbox_shows_two_examples(name):
    """Every verb of the sandbox shows two lines that use it."""
    assert (EVERY[name].help or "").count(name) >= 2


def test_every_flag_that_a_config_file_may_set_exists(capsys):
    """KNOWN_FLAGS are the long flags of the commands, less what is never kept in a file."""
    flags = {long_name(o) for command in EVERY.values() for o in command.params if isinstance(o, click.Option)}
    assert KNOWN_FLAGS - {"pool"} <= flags
    boxes = [EVERY[name] for name in OWN if name != "spotbox sandbox"]
    own = {long_name(o) for command in boxes for o in command.params if isinstance(o, click.Option)}
    assert own - NEVER_KEPT - {"keep-data", "forward"} <= KNOWN_FLAGS


@pytest.mark.parametrize("place", ["before", "after"])
def test_common_options_stand_anywhere(user, place):
    """--verbose before the command or after it is the same."""
    args = ["--verbose", "status"] if place == "before" else ["status", "--verbose"]
    assert user.run(*args).code == 0


@pytest.mark.parametrize(("args", "words"), [
    (["stauts"], "did you mean status?"), (["up", "--max-prise", "1"], "--max-price"), (["down", "a", "b"], "b"),
    (["status", "-o", "xml"], "table"), (["bad\x1b[2J"], "No such command"),
])  # fmt: skip
def test_a_mistake_is_a_usage_error(user, args, words):
    """Exit 2 on stderr, with the nearest right word; nothing raw reaches the terminal."""
    said = user.run(*args)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert "\x1b" not in said.err


def completed(words: str, shell: str = "bash") -> subprocess.CompletedProcess:
    """What the shell's completion gets; at the end stderr names the heavy modules that were loaded."""
    watch = (
        "import atexit, sys; heavy = 'boto3 botocore questionary tabulate moto'.split();"
        "atexit.register(lambda: print('loaded', [m for m in heavy if m in sys.modules], file=sys.stderr));"
        "sys.argv[0] = 'spotbox'; from spotbox.cli import main; main()"
    )
    env = {**os.environ, "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    env["_SPOTBOX_COMPLETE"] = f"{shell}_complete" if words else f"{shell}_source"
    return subprocess.run([sys.executable, "-c", watch], env=env, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell):
    """_SPOTBOX_COMPLETE=bash_source spotbox prints the script to be sourced."""
    if shell == "bash" and not os.path.exists("/bin/bash"):
        pytest.skip("click asks bash for its version, and there is none")
    done = completed("", shell)
    assert done.returncode == 0, done.stderr
    assert "_SPOTBOX_COMPLETE" in done.stdout
    assert "loaded []" in done.stderr


@pytest.mark.parametrize(("words", "wanted"), [
    ("spotbox st", "plain,status"), ("spotbox up --max", "plain,--max-price"), ("spotbox status -o js", "plain,json"),
])  # fmt: skip
def test_completion_answers_without_aws(words, wanted):
    """Commands, flags and choices are completed, and neither boto3 nor any other heavy library is loaded."""
    done = completed(words)
    assert wanted in done.stdout.splitlines(), (done.stdout, done.stderr)
    assert "loaded []" in done.stderr
