"""The live line of a terminal, and remarks that hang."""

import io
import os
import pty
import re
import tty

import click
import pytest

from spotbox import cli
from spotbox.app import App
from spotbox.core.errors import SpotboxError
from spotbox.options import Common
from spotbox.progress import Progress
from spotbox.width import columns_of


class Terminal(io.StringIO):
    """A terminal that keeps what is written."""

    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """80 columns, whatever the tests run in."""
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal()


@pytest.mark.parametrize("text", ["x" * 200, "東京" * 60, "🚀 " * 60, "short"])
def test_a_live_line_is_one_line(terminal, text):
    """It is cut to the terminal by what it takes there, so that the next one can take its place."""
    progress = Progress(terminal, lambda: 0.0)
    progress.show(text)
    shown = re.sub(r"\r\x1b\[K", "", terminal.getvalue())
    assert columns_of(shown) <= 79
    assert "\n" not in shown
    assert shown.endswith("…") == (len(text) > 20)  # so that half a figure is not taken for a whole one


def test_the_width_is_that_of_the_stream(monkeypatch):
    """stderr may be another terminal than stdout: its own columns count."""
    monkeypatch.delenv("COLUMNS", raising=False)
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0), open(theirs, "w", encoding="utf-8") as stream:
        tty.setraw(theirs)
        set_columns(theirs, 33)
        assert Progress(stream).width == 33
    assert Progress(io.StringIO()).width is None


def set_columns(terminal, columns):
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def test_a_remark_hangs(terminal):
    """On a terminal what goes on stands below the value; elsewhere, and without `hang`, a remark is one line."""
    text = "  image      " + "word " * 20
    Progress(terminal).say(text, 13)
    lines = terminal.getvalue().rstrip("\n").split("\n")
    assert len(lines) == 2
    assert all(columns_of(line) <= 80 for line in lines)
    assert lines[1].startswith(" " * 13 + "word")
    for stream, hang in ((io.StringIO(), 13), (Terminal(), 0)):
        Progress(stream).say(text, hang)
        assert stream.getvalue() == f"{text}\n"


def test_what_stays_of_a_live_line_hangs(terminal):
    """The words that take its place, with their time, are not broken within a word."""
    clock = iter([0.0, 0.0, 75.0])
    progress = Progress(terminal, lambda: next(clock))
    progress.show("asking")
    progress.done("AWS accepted: i-0123456789abcdef0 in ap-northeast-1a, after three zones had no room")
    shown = terminal.getvalue().rpartition("\x1b[K")[2].split("\n")
    assert shown == [
        "AWS accepted: i-0123456789abcdef0 in ap-northeast-1a, after three zones had no", "  room  (1m 15s)", "",
    ]  # fmt: skip


def test_an_error_is_not_broken_in_a_word(terminal, monkeypatch):
    """What happened and what to do, each hanging below itself; on 50 columns as on 80."""
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "50")
    assert cli.run(["train", "./nothing-here", "--max-run", "forever"]) == 2
    lines = terminal.getvalue().rstrip("\n").split("\n")
    assert lines[0].startswith("spotbox: ")
    assert all(columns_of(line) <= 50 and line.startswith(("spotbox: ", "  ")) for line in lines)


def test_ctrl_c_leaves_no_trace_before_its_error(terminal, monkeypatch):
    """The ^C that the terminal echoes is not the beginning of what is said of it; a file is not cleared."""
    for stream, first in ((terminal, "\r\x1b[Kspotbox: left"), (io.StringIO(), "spotbox: left")):
        monkeypatch.setattr("sys.stderr", stream)
        cli._tell("left", "", afresh=True)
        assert stream.getvalue() == f"{first}\n"


def test_what_is_printed_next_has_the_line_to_itself(terminal):
    """`clear` takes the live line away once, and the time that `done` tells goes on."""
    clock = iter([0.0, 0.0, 7.0])
    progress = Progress(terminal, lambda: next(clock))
    progress.show("looking")
    progress.clear()
    progress.clear()
    assert terminal.getvalue().endswith("looking\r\x1b[K")
    progress.done("found")
    assert terminal.getvalue().endswith("\r\x1b[Kfound  (7s)\n")


def test_an_error_leaves_no_rest_of_the_live_line(terminal, monkeypatch, capsys):
    """An error that comes while something is waited for begins on a line of its own."""

    @click.command()
    @click.pass_context
    def fail(ctx):
        ctx.obj.progress.show("reading prices")
        raise SpotboxError("it failed")

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda self, ctx, name: fail)
    app = App(Common(), os.environ)
    app.progress = Progress(terminal)
    assert cli.run(["prices"], app) == 1
    assert terminal.getvalue().endswith("reading prices\r\x1b[K")
    assert capsys.readouterr().err == "spotbox: it failed\n"
