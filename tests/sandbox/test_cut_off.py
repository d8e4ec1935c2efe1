"""A sandbox whose start is cut off leaves nothing, or one that can be found."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from spotbox.config import find_places
from spotbox.sandbox import process

ROOT = Path(process.__file__).parent.parent.parent


def begin(home):
    """`sandbox start` in a process of its own, once the sandbox's process is there; and what lists such processes."""
    child = subprocess.Popen(
        [sys.executable, "-m", "spotbox", "sandbox", "start"], stderr=subprocess.PIPE, text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "SPOTBOX_HOME": str(home), "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip

    def started():
        rows = subprocess.run(["ps", "-axwwo", "command="], capture_output=True, text=True).stdout.splitlines()
        return [row for row in rows if "spotbox.sandbox.server" in row and str(home) in row]

    end = time.monotonic() + 30
    while not started():
        assert time.monotonic() < end
        time.sleep(0.02)
    return child, started


def test_a_start_that_is_cut_off_leaves_no_sandbox(tmp_path):
    """Ctrl-C while it starts: its process goes too."""
    child, started = begin(tmp_path)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err.splitlines()[-1]) == (130, "spotbox: interrupted; nothing was changed")
    assert started() == []


def test_a_start_whose_caller_is_killed_is_found(tmp_path):
    """Who is killed while it starts leaves one sandbox, which whoever comes next waits for: to use it, or to end it."""
    child, started = begin(tmp_path)
    child.kill()
    child.communicate(timeout=30)
    assert len(started()) == 1
    home = find_places({"SPOTBOX_HOME": str(tmp_path)}).sandbox
    assert process.stop(home), "it was there, though it did not answer yet"
    assert started() == []
