"""Questions as questionary asks them, with keys from a pipe."""

import io
import os
import re
import sys

import pexpect
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from spotbox.core.errors import UsageError
from spotbox.prompts import Prompts
from spotbox.width import columns_of

UP, DOWN = "\x1b[A", "\x1b[B"


class Somebody(Prompts):
    """Is there to answer."""

    possible = True


def answered(keys, ask):
    """What `ask` gives when these keys are pressed."""
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        return ask(Somebody())


ROWS = [("none of them", None), ("first", "a"), ("the same text", "b"), ("the same text", "c")]


@pytest.mark.parametrize(
    ("keys", "default", "value"),
    [("\r", None, None), (f"{DOWN}\r", None, "a"), ("\r", "c", "c"), (f"{UP}\r", "c", "b"), ("\r", "no such", None)],
)
def test_a_choice_gives_its_value(keys, default, value):
    """The value of the row, None among them, even where two rows read the same; an unknown default is the first."""
    assert answered(keys, lambda prompts: prompts.choose("Which?", ROWS, default, "-x", "heading")) == value


MANY = [(f"g{i}.xlarge  {i} GiB", f"g{i}.xlarge") for i in range(1, 31)]


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ("g2.x\r", "g2.xlarge"),
        ("\x7f\r", "g1.xlarge"),
        ("g5\x7f\x7f\r", "g1.xlarge"),
        ("zzz\r", "g1.xlarge"),
        ("GPU\r", "g1.xlarge"),
        ("gpu\x7f\x7f\x7fg7.\r", "g7.xlarge"),
    ],
)
def test_a_heading_is_never_the_answer(keys, value):
    """Whatever was typed to filter, and taken back, or stands in the heading alone: Enter gives a row of the list."""
    ask = lambda prompts: prompts.choose("Type?", MANY, "g3.xlarge", "-t", "      GPU\ntype  GiB")  # noqa: E731
    assert answered(keys, ask) == value


def test_a_hint_follows_what_is_typed(capsys):
    """The text as far as it is typed is handed to the hint."""
    seen = []

    def hint(text):
        seen.append(text)
        return f"hint \x1b{text}"

    assert answered("5\r", lambda prompts: prompts.text("How much?", "0.", lambda text: None, "-x", hint)) == "0.5"
    assert seen[0] == "0."
    assert set(seen) <= {"0.", "0.5"}
    assert "hint \\x1b0." in capsys.readouterr().err  # escaped


def test_a_hint_fits_a_narrow_screen(capsys, monkeypatch):
    """What does not fit on one line at the bottom of the screen goes on below, between words, and is not cut off."""
    monkeypatch.setattr("spotbox.prompts._columns", lambda: 40)
    hint = "on-demand would have held 100.0 % (each of 5 zones) of the last 30 days' hours"
    answered("\r", lambda prompts: prompts.text("How much?", "0.5", lambda text: None, "-x", lambda text: hint))
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert "on-demand would have held 100.0 % (each" in shown
    assert "of 5 zones) of the last 30 days' hours" in shown


def test_nobody_there():
    """Without a terminal the flag that answers is named."""
    with pytest.raises(UsageError, match="--max-price"):
        Prompts().text("How much?", "", lambda text: None, "--max-price")


ASK = """
from spotbox.prompts import Prompts
from spotbox.width import columns_of
rows = [(f"g{i}.xlarge  1x RTX PRO Server 6000  {i}.1234  " + "東京" * 30, f"g{i}.xlarge") for i in range(30)]
print("chose", Prompts().choose("Instance type", rows, "g2.xlarge", "-t", "type  GPU\\n" + "-" * 200))
"""


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_list_fits_the_terminal(no_color):
    """No row is wider than the terminal, what stays is the value alone, and no colour fades on a light background."""
    env = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", "NO_COLOR": no_color}
    env["PROMPT_TOOLKIT_NO_CPR"] = "1"  # else this terminal, which tells no cursor, is warned of after two seconds
    child = pexpect.spawn(sys.executable, ["-c", ASK], env=env, dimensions=(15, 50), encoding="utf-8", timeout=30)
    child.logfile_read = io.StringIO()
    child.expect("» .*g2.xlarge")
    child.send(f"{DOWN}\r")
    child.expect_exact("chose g3.xlarge")
    child.expect(pexpect.EOF)
    child.close()
    shown = child.logfile_read.getvalue().split("chose")[0]
    assert [line for line in plain(shown).split("\n") if line.strip()][-1] == "? Instance type g3.xlarge"
    assert all(columns_of(line) <= 50 for line in plain(shown).split("\n"))
    assert not re.search(r"\x1b\[[0-9;]*[34]8;", shown)  # no colour but the terminal's own


def plain(shown):
    """The text that was drawn, each place of a list a line of its own."""
    shown = re.sub(r"\x1b\[\d*;?\d*[HCDAB]|\r", "\n", shown)
    return re.sub(r"\x1b[\[\]?][0-9;?]*[a-zA-Z]", "", shown)
