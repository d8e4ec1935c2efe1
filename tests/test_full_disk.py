"""Output that cannot be written: one error, one exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_the_script_for_the_shell_that_cannot_be_written():
    """`_SPOTBOX_COMPLETE=bash_source spotbox > FILE` on a full disk: exit 1, no traceback."""
    env = {"PATH": os.environ["PATH"], "_SPOTBOX_COMPLETE": "bash_source"}
    with FULL.open("w") as out:
        done = subprocess.run(
            [sys.executable, "-m", "spotbox"],
            env=env,
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_exit_1_and_no_traceback():
    """What cannot be written is told once; Python's own second try at exit (code 120) does not come."""
    with FULL.open("w") as out:
        done = subprocess.run(
            [sys.executable, "-m", "spotbox", "--version"], stdout=out, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Exception ignored" not in done.stderr
