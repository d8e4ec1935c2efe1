"""SIGTERM and a closed terminal end spotbox as Ctrl-C does: once, and also where nobody can read any more."""

import configparser
import io
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spotbox.progress import Progress

ROOT = Path(__file__).parents[1]
PROGRAM = """
import sys, time
from spotbox import signals
from spotbox.core.errors import Ended
{before}
signals.install()
told = open({told!r}, "w", buffering=1)
told.write("ready\\n")
try:
    time.sleep(20)
    told.write("slept\\n")
except KeyboardInterrupt as cut:
    told.write(f"{{getattr(cut, 'name', 'SIGINT')}}\\n")
    until = time.monotonic() + 1
    while time.monotonic() < until:
        time.sleep(0.05)
        print("still at it", file=sys.stderr, flush=True)
    told.write("removed\\n")
"""


def begin(tmp_path, before="", **options):
    told = tmp_path / "told"
    told.touch()
    # A shell's background job ignores Ctrl-C, and its children inherit that.
    options.setdefault("preexec_fn", lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    program = PROGRAM.format(told=str(told), before=before)
    child = subprocess.Popen([sys.executable, "-c", program], **options)
    wait_for(told, "ready")
    return child, told


def wait_for(told, word):
    end = time.monotonic() + 30
    while word not in told.read_text():
        assert time.monotonic() < end, told.read_text()
        time.sleep(0.02)


@pytest.mark.parametrize("how", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_each_is_an_exception(tmp_path, how):
    """What is under way is left in order, whatever the signal was."""
    child, told = begin(tmp_path, stderr=subprocess.DEVNULL)
    child.send_signal(getattr(signal, how))
    assert child.wait(30) == 0
    assert told.read_text() == f"ready\n{how}\nremoved\n"


def test_a_second_one_does_not_cut_off_what_the_first_began(tmp_path):
    """`timeout`, shells and systemd send SIGTERM and SIGHUP twice, or both."""
    child, told = begin(tmp_path, stderr=subprocess.DEVNULL)
    child.send_signal(signal.SIGTERM)
    wait_for(told, "SIGTERM")
    child.send_signal(signal.SIGTERM)
    child.send_signal(signal.SIGHUP)
    assert child.wait(30) == 0
    assert told.read_text() == "ready\nSIGTERM\nremoved\n"


def test_nohup_is_honoured(tmp_path):
    """SIGHUP that was ignored from the start stays ignored."""
    ignore = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    child, told = begin(tmp_path, before=ignore, stderr=subprocess.DEVNULL)
    child.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    child.send_signal(signal.SIGTERM)
    assert child.wait(30) == 0
    assert told.read_text() == "ready\nSIGTERM\nremoved\n"


def test_a_closed_terminal_takes_no_output_and_ends_nothing(tmp_path):
    """The terminal is gone: writes to it go nowhere, and what was begun is finished."""
    ours, theirs = pty.openpty()

    def become_its_session():
        os.setsid()
        import fcntl
        import termios

        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    child, told = begin(tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=become_its_session)
    os.close(theirs)
    os.close(ours)
    assert child.wait(30) == 0
    assert told.read_text() == "ready\nSIGHUP\nremoved\n"


class Dead(io.StringIO):
    """A terminal that is gone, without a signal that says so."""

    def write(self, text):
        raise OSError(5, "Input/output error")

    def isatty(self):
        return True


def test_progress_outlives_its_terminal():
    """No remark and no live line ends what is under way because nobody can read it."""
    progress = Progress(Dead())
    progress.show("waiting")
    progress.say("a remark")
    progress.done("done")


def test_the_exit_code_tells_where_nobody_reads():
    """An error that cannot be printed keeps its exit code."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([sys.executable, "-m", "spotbox", "prizes"], stderr=writer, stdout=subprocess.DEVNULL)
    finally:
        os.close(writer)
    assert done.returncode == 2


SCRIPT = "import sys; from {0} import {1}; sys.exit({1}())"  # what pip writes of an entry point
STARTS = {"module": ["-m", "spotbox"], "script": ["-c"]}


@pytest.mark.parametrize("how", STARTS)
@pytest.mark.parametrize("ignored", [False, True], ids=["", "ignored"])
def test_ctrl_c_while_the_modules_are_loaded(tmp_path, how, ignored):
    """130, that nothing was changed, no traceback; one that is ignored (`nohup`, a background job) stays ignored."""
    slow, begun = tmp_path / "click.py", tmp_path / "begun"
    slow.write_text(f"import time\nopen({str(begun)!r}, 'w').close()\ntime.sleep({1 if ignored else 20})\n")
    words = STARTS[how]
    if how == "script":
        config = configparser.ConfigParser()
        config.read(ROOT / "setup.cfg")
        entry = config["options.entry_points"]["console_scripts"].split("=")[1].strip()
        words = [*words, SCRIPT.format(*entry.split(":"))]
    action = signal.SIG_IGN if ignored else signal.SIG_DFL
    child = subprocess.Popen(
        [sys.executable, *words], env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}, stderr=subprocess.PIPE,
        text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, action),
    )  # fmt: skip
    while not begun.exists():
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    if ignored:
        assert "AttributeError" in err, "it went on, to the end of that click"
    else:
        assert (child.returncode, err) == (130, "\nspotbox: interrupted; nothing was changed\n")


IMPORTS = """
import importlib, sys, time
from spotbox import signals
signals.install()
told = open({told!r}, "a", buffering=1)
told.write("ready\\n")
try:
    import slow
    told.write("imported\\n")
    time.sleep({sleeps})
    told.write("slept\\n")
except KeyboardInterrupt as cut:
    told.write(f"{{getattr(cut, 'name', 'SIGINT')}}\\n")
"""


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
def test_one_in_the_middle_of_an_import_waits_for_its_end(tmp_path, how):
    """What is raised in the import system may be swallowed there, or become another exception: it is let finish."""
    (tmp_path / "slow.py").write_text(
        f"import time\nopen({str(tmp_path / 'told')!r}, 'a').write('begun\\n')\ntime.sleep(0.5)\n"
    )
    told = tmp_path / "told"
    told.touch()
    child = subprocess.Popen(
        [sys.executable, "-c", IMPORTS.format(told=str(told), sleeps=20)],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(told, "begun")
    child.send_signal(getattr(signal, how))
    assert child.wait(30) == 0
    assert told.read_text().splitlines()[-2:] == ["imported", how]


def test_after_the_start_ctrl_c_is_pythons_own(tmp_path):
    """Every command catches KeyboardInterrupt: what kept Ctrl-C quiet at the start is gone by then."""
    before = "from spotbox import __main__"
    child, told = begin(tmp_path, before=before, stderr=subprocess.DEVNULL)
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 0
    assert told.read_text() == "ready\nSIGINT\nremoved\n"
