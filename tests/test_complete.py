"""Completion: what is offered, by what it is known, and in the real shells."""

import json
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pexpect
import pytest
from click.shell_completion import CompletionItem, get_completion_class

from spotbox import recall
from spotbox.complete import _told, answer, offers
from spotbox.config import cache_folder, find_places
from spotbox.shape import shape
from spotbox.store import Store

ROOT = Path(__file__).parent.parent
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHO = recall.account(None, {})
CONFIG = '[defaults]\nmax-price = "60%"\n[pool.big]\nmarket = "on-demand"\n[pool.small]\n'


@pytest.fixture(scope="module")
def known():
    """The shape of the command line."""
    return shape()


def fill(home: Path, now=NOON, sandbox=False) -> Store:
    """Caches as commands leave them, and a config file."""
    env = {"SPOTBOX_HOME": str(home)}
    store = Store(cache_folder(find_places(env), env, sandbox), lambda: now)
    recall.remember(store, WHO, "alice", {"us-east-1": ["dev", "deep"], "eu-west-1": ["train"]})
    recall.remember(store, WHO, "bob", {"us-east-1": ["bobs"]}, own=False)
    store.update("regions", lambda _: {"k": {"asked": store.stamp(), "regions": {
        "us-east-1": "opt-in-not-required", "eu-west-1": "opted-in", "ap-east-1": "not-opted-in"}}})  # fmt: skip
    store.update("region-types", lambda _: {"us-east-1": {"names": ["g5.xlarge", "g6.xlarge"]}})
    zones = {"g5.xlarge": ["us-east-1a", "us-east-1b"], "g6.xlarge": ["us-east-1b", "us-east-1c"]}
    store.update("region-zones", lambda _: {"us-east-1": {"zones": zones, "asked": store.stamp()}})
    gpus = {"g5.xlarge": "A10G", "p5.48xlarge": "H100", "trn1.2xlarge": "Two Words", "t3.micro": None}
    store.update("instance-types", lambda _: {name: {"gpu": gpu} for name, gpu in gpus.items()})
    (home / "config.toml").write_text(CONFIG)
    return store


@pytest.fixture
def home(tmp_path):
    """A home with filled caches, of now."""
    fill(tmp_path, datetime.now(UTC))
    return tmp_path


def offered(known, home, line, **env):
    """The values at the end of a command line."""
    *args, incomplete = line.split(" ")[1:]
    return [value for _, value, _ in offers(known, args, incomplete, {"SPOTBOX_HOME": str(home), **env})]


@pytest.mark.parametrize(("line", "wanted"), [
    ("spotbox st", ["status", "stop", "start"]),
    ("spotbox --sandbox st", ["status", "stop", "start"]),
    ("spotbox ssh d", ["deep", "dev"]),
    ("spotbox ssh ", ["deep", "dev", "train"]),
    ("spotbox ssh --owner bob ", ["bobs"]),
    ("spotbox ssh dev x", []),
    ("spotbox ssh dev -- -", []),
    ("spotbox down --owner nobody ", []),
    ("spotbox up -r ", ["eu-west-1", "us-east-1"]),
    ("spotbox up --region eu", ["eu-west-1"]),
    ("spotbox up --region=eu", ["--region=eu-west-1"]),
    ("spotbox up --region = eu", ["eu-west-1"]),
    ("spotbox up --region =", ["eu-west-1", "us-east-1"]),
    ("spotbox up -t g5", ["g5.xlarge"]),
    ("spotbox prices -t g", ["g5.xlarge", "g6.xlarge"]),
    ("spotbox up -z ", ["us-east-1a", "us-east-1b", "us-east-1c"]),
    ("spotbox prices --gpu ", ["A10G", "H100"]),
    ("spotbox up --pool ", ["big", "small"]),
    ("spotbox config show --pool b", ["big"]),
    ("spotbox config ", ["init", "path", "show"]),
    ("spotbox status -o ", ["table", "json", "csv"]),
    ("spotbox up --max-p", ["--max-price"]),
    ("spotbox up --park --par", []),
    ("spotbox up -r eu-west-1 --reg", ["--region"]),
    ("spotbox nosuch ", []),
    ("spotbox up --nosuch x --max-p", ["--max-price"]),
])  # fmt: skip
def test_what_is_offered(known, home, line, wanted):
    """Commands, flags, choices, and from the caches boxes, regions, types and pools; a flag that was given once is not
    offered again unless it is repeatable."""
    assert sorted(offered(known, home, line)) == sorted(wanted)


def test_files_are_the_shells_own(known, home):
    """--key takes a path: the shell completes it."""
    assert offers(known, ["up", "--key"], "~/.ss", {"SPOTBOX_HOME": str(home)}) == [("file", "~/.ss", "")]


def test_the_sandbox_and_other_credentials_have_names_of_their_own(known, tmp_path):
    """--sandbox, SPOTBOX_SANDBOX or the file lead to the sandbox's cache; another profile to nothing of this one."""
    fill(tmp_path, datetime.now(UTC), sandbox=True)
    assert offered(known, tmp_path, "spotbox ssh ") == []
    assert offered(known, tmp_path, "spotbox --sandbox ssh t") == ["train"]
    assert offered(known, tmp_path, "spotbox sandbox interrupt d") == ["deep", "dev"]
    assert offered(known, tmp_path, "spotbox sandbox capacity g5") == ["g5.xlarge"]
    assert offered(known, tmp_path, "spotbox sandbox capacity g5.xlarge us-east-1c") == ["us-east-1c"]
    assert offered(known, tmp_path, "spotbox sandbox capacity g5.xlarge us-east-1c c") == ["closed"]
    assert offered(known, tmp_path, "spotbox ssh t", SPOTBOX_SANDBOX="1") == ["train"]
    (tmp_path / "config.toml").write_text("[defaults]\nsandbox = true\n")
    assert offered(known, tmp_path, "spotbox ssh t") == ["train"]
    assert offered(known, tmp_path, "spotbox ssh t", SPOTBOX_SANDBOX="0") == []
    assert offered(known, tmp_path, "spotbox ssh --profile other t") == []


def test_without_caches(known, tmp_path):
    """Nothing is known of boxes and types; the regions that every account has are."""
    assert offered(known, tmp_path, "spotbox ssh ") == []
    assert "us-east-1" in offered(known, tmp_path, "spotbox up -r ")


@pytest.mark.parametrize("text", ["", "[]", "nonsense", '{"x": 1}', f'{{"{WHO}": {{"asked": 5, "owners": [1]}}}}'])
def test_damaged_caches_and_files(known, home, text):
    """Whatever stands in a file: no error, at most nothing is offered."""
    for file in (home / "cache").rglob("*.json"):
        file.write_text(text)
    (home / "config.toml").write_text("pool = [[[")
    for line in ("spotbox ssh ", "spotbox up -r ", "spotbox up -t ", "spotbox up --pool "):
        assert all(isinstance(word, str) for word in offered(known, home, line))


def test_names_are_what_they_were_last_seen_to_be(tmp_path):
    """A look at a region replaces its names; a look for one name leaves the others; a region not asked is left."""
    store = fill(tmp_path)
    recall.remember(store, WHO, "alice", {"us-east-1": ["deep"]})
    assert recall.box_names(store, WHO, None) == ["deep", "train"]
    recall.remember(store, WHO, "alice", {"us-east-1": ["new"], "eu-west-1": []}, "new")
    assert recall.box_names(store, WHO, None) == ["deep", "new", "train"]
    recall.remember(store, WHO, "alice", {"us-east-1": []}, "new")
    assert recall.box_names(store, WHO, None) == ["deep", "train"]
    assert recall.box_names(Store(store.folder, lambda: NOON + timedelta(days=31)), WHO, None) == []


@pytest.mark.parametrize("name", ["d$(id)", "d;id", "d`id`", "d x", "d\nplain,x", "d\x1b[31m", "d'"])
def test_no_name_reaches_the_shell_as_a_command(known, tmp_path, name):
    """bash takes what is offered as it is: a box's name is a tag that anybody in the account may have written."""
    store = fill(tmp_path, datetime.now(UTC))
    recall.remember(store, WHO, "alice", {"us-east-1": ["dev", name]})
    (tmp_path / "config.toml").write_text(f"[pool.dev]\n[pool.{json.dumps(name)}]\n")
    assert offered(known, tmp_path, "spotbox ssh d") == ["dev"]
    assert offered(known, tmp_path, "spotbox up --pool d") == ["dev"]


def test_nothing_new_is_not_written(tmp_path):
    """A command that sees what is known writes no file."""
    store = fill(tmp_path)
    file = store.folder / "boxes.json"
    before = file.stat().st_ino
    recall.remember(store, WHO, "alice", {"us-east-1": ["dev", "deep"]})
    assert file.stat().st_ino == before


@pytest.mark.parametrize("item", [("plain", "a:b", "say: it"), ("plain", "a:b", ""), ("file", "x", "")])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_form_is_clicks(shell, item):
    """The scripts are click's, so each answer must have the form that this click's scripts read."""
    theirs = get_completion_class(shell)(click.Command("x"), {}, "x", "_X")
    assert _told(shell, item) == theirs.format_completion(CompletionItem(item[1], item[0], item[2] or None))


def test_the_shape_is_kept_and_made_anew(home, capsys):
    """The first answer writes it; another version's, or a damaged one, is made anew; a folder that is not writable is
    no obstacle."""
    file = home / "cache" / "completion.json"
    env = {
        "SPOTBOX_HOME": str(home), "COMP_WORDS": "spotbox stat", "COMP_CWORD": "1", "_SPOTBOX_COMPLETE": "bash_complete"
    }  # fmt: skip
    for spoil in (
        file.unlink,
        lambda missing_ok: file.write_text("{"),
        lambda missing_ok: file.write_text('{"mark": 1}'),
        lambda missing_ok: file.write_text("[" * 100_000),
        lambda missing_ok: (file.unlink(), os.mkfifo(file)),
        lambda missing_ok: (file.unlink(), file.symlink_to("/dev/zero")),
    ):
        spoil(missing_ok=True)
        answer(env)
        assert capsys.readouterr().out == "plain,status\n"
        assert json.loads(file.read_text())["shape"]["commands"]["status"]
    answer({**env, "SPOTBOX_HOME": "/proc/nowhere"})
    assert capsys.readouterr().out == "plain,status\n"


def test_a_question_that_makes_no_sense(capsys):
    """No traceback amid somebody's command line."""
    answer({"_SPOTBOX_COMPLETE": "bash_complete", "COMP_CWORD": "x"})
    assert capsys.readouterr().out == ""


def test_neither_click_nor_boto3_is_loaded(home):
    """Once the shape is kept, the answer needs the standard library and a few small files; without a network."""
    code = (
        "import atexit, sys; sys.argv[0] = 'spotbox'; import runpy;"
        "atexit.register(lambda: print('loaded', [m for m in "
        "('click', 'boto3', 'botocore', 'moto', 'spotbox.cli', 'socket')"
        " if m in sys.modules], file=sys.stderr)); runpy.run_module('spotbox', run_name='__main__')"
    )
    env = {**os.environ, "SPOTBOX_HOME": str(home), "_SPOTBOX_COMPLETE": "bash_complete",
           "COMP_WORDS": "spotbox ssh d", "COMP_CWORD": "2", "PYTHONPATH": str(ROOT)}  # fmt: skip
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout == "plain,deep\nplain,dev\n"
    assert "loaded []" in done.stderr


# -- the real shells -----------------------------------------------------------------------------------------------

# Asked by the shell it is spotbox; run by the user it shows the words that it was given.
SCRIPT = """#!/bin/sh
if [ -n "$_SPOTBOX_COMPLETE" ]; then PYTHONPATH="{root}" exec "{python}" -m spotbox; fi
printf '<%s>' "$@"; echo
"""
START = {
    "bash": ["--norc", "--noprofile"],
    "zsh": ["-f"],
    "fish": ["--no-config"],
}
SETUP = {
    "bash": 'eval "$(_SPOTBOX_COMPLETE=bash_source spotbox)"',
    "zsh": 'autoload -Uz compinit; compinit -u -D; eval "$(_SPOTBOX_COMPLETE=zsh_source spotbox)"',
    "fish": "_SPOTBOX_COMPLETE=fish_source spotbox | source",
}


@pytest.mark.parametrize("shell", list(START))
def test_in_a_real_shell(shell, home):
    """The line of the documentation, then TAB: a command, a box, a region and a pool are completed on a terminal."""
    found = shutil.which(shell)
    if not found:
        pytest.skip(f"{shell} is not installed")
    bin_ = home / "bin"
    bin_.mkdir()
    (bin_ / "spotbox").write_text(SCRIPT.format(root=ROOT, python=sys.executable))
    (bin_ / "spotbox").chmod(0o755)
    env = {"PATH": f"{bin_}:{os.environ['PATH']}", "HOME": str(home), "SPOTBOX_HOME": str(home), "TERM": "dumb",
           "PS1": "ready> ", "LC_ALL": "C.UTF-8", "COLUMNS": "120"}  # fmt: skip
    assert SETUP[shell].split("; ")[-1] in (ROOT / "docs" / "configuration.md").read_text()
    child = pexpect.spawn(
        found, START[shell], env=env, cwd=str(home), dimensions=(40, 120), encoding="utf-8", timeout=60
    )
    try:
        child.sendline(f"{SETUP[shell]}; echo set-'up'")
        child.expect_exact("set-up")
        for typed, rest, words in (
            ("spotbox stat", "us", "<status>"),
            ("spotbox ssh tr", "ain", "<ssh><train>"),
            ("spotbox up -r eu", "-west-1", "<up><-r><eu-west-1>"),
            ("spotbox up --pool bi", "g", "<up><--pool><big>"),
        ):
            child.send(f"{typed}\t")
            child.expect_exact(typed)
            child.expect_exact(rest)
            for _ in range(60):  # a shell may drop what is typed while it completes
                time.sleep(0.3)
                child.send("\r")
                if not child.expect_exact([words, pexpect.TIMEOUT], timeout=1):
                    break
            else:
                raise AssertionError(child.before)
    finally:
        child.close(force=True)
