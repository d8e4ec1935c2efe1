"""A command that is run on our terminal: its exit code is ours, and what is sent to us is for it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = """
import sys
from spotbox.system import System
ran = System().run_ssh(["sh", "-c", sys.argv[1]])
print(ran.code, ran.cut, flush=True)
"""


def begin(script, **options):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, script], env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **options,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("script", "told"), [("exit 7", "7 False"), ("exit 255", "255 False"), ("kill -KILL $$", "137 False")]
)
def test_the_exit_code_is_the_commands(script, told):
    """Its own, or 128 and the signal that ended it."""
    assert begin(script).communicate(timeout=30)[0] == f"{told}\n"


def test_a_signal_is_for_the_command():
    """What is sent to us is handed on; how the command takes it is its own affair, and that it was sent is told."""
    child = begin("trap 'exit 3' INT TERM; echo ready; while :; do sleep 0.05; done")
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGTERM)
    assert child.communicate(timeout=30)[0] == "3 True\n"


HELD_BACK = """
import signal, sys
from spotbox import signals
from spotbox.system import System
signals.install()
def alarm(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, alarm)
signal.setitimer(signal.ITIMER_REAL, 1)
try:
    System().run_ssh(["sh", "-c", sys.argv[1]])
except KeyboardInterrupt:
    print("left", flush=True)
"""


def test_a_ctrl_c_of_before_leaves_no_command_behind():
    """One that was held back until an import is over (see signals.py) may come when the command is begun: it ends."""
    words = [sys.executable, "-c", HELD_BACK, "trap 'echo ended; exit' TERM; echo ready; while :; do sleep 0.05; done"]
    done = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.splitlines() == ["ready", "ended", "left"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_who_is_killed_leaves_no_command_behind():
    """`kill -9`, which cannot be handed on, as a time-out of Python's subprocess sends it: a tunnel would stay open."""
    child = begin("trap 'echo ended; exit' TERM; echo ready; while :; do sleep 0.05; done")
    assert child.stdout.readline() == "ready\n"
    child.kill()
    assert child.communicate(timeout=30)[0] == "ended\n"


def test_where_it_stops_so_do_we():
    """A command that stops itself stops us, so that the shell which waits for us has the terminal; SIGCONT to both goes
    on."""
    child = begin("echo ready; kill -STOP $$; exit 5", start_new_session=True)
    assert child.stdout.readline() == "ready\n"
    end = time.monotonic() + 20
    while subprocess.run(["ps", "-o", "stat=", str(child.pid)], capture_output=True, text=True).stdout[:1] != "T":
        assert time.monotonic() < end
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGCONT)
    assert child.communicate(timeout=30)[0] == "5 False\n"
