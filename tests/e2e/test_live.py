"""The live check works: walked in the sandbox before anybody pays for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import needs_ssh
from tests.live.report import QUESTIONS, Report
from tests.live.walk import CEILING, most_usd

ROOT = Path(__file__).parents[2]


def pytest_(tmp_path, **env):
    """The live check in a process of its own."""
    keep = ("PATH", "LANG", "TMPDIR", "HOME")
    given = {name: os.environ[name] for name in keep if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "live", "-n", "0", "-p", "no:cacheprovider", "-rs", "tests/live"],
        env={**given, "SPOTBOX_LIVE_REPORT": str(tmp_path / "report.txt"), **env},
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@needs_ssh
def test_the_walk_in_the_sandbox(tmp_path):
    """Up, stop, start, down; every question is answered, all of spotbox's assumptions hold, nothing is left."""
    done = pytest_(tmp_path, SPOTBOX_SANDBOX="1")
    assert done.returncode == 0, done.stdout + done.stderr
    text = (tmp_path / "report.txt").read_text()
    assert text in done.stdout.replace("\r", "")
    assert text.count("   match:   yes") == len(QUESTIONS), text
    assert "LEFT BEHIND" not in text


def test_it_never_runs_by_itself(tmp_path):
    """Without SPOTBOX_LIVE and a region it skips, and says what it needs; nothing is written."""
    done = pytest_(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "SPOTBOX_LIVE_REGION" in done.stdout
    assert not (tmp_path / "report.txt").exists()


def test_the_ceiling():
    """What it may cost at most is below what it says."""
    assert most_usd() <= CEILING


@pytest.mark.parametrize("secret", ["123456789012", "AKIAABCDEFGHIJKLMNOP"])
def test_the_report_is_for_the_public(secret):
    """Neither account numbers nor keys stand in it, nor what a terminal obeys."""
    report = Report("here")
    report.saw("dry-run", f"User: arn:aws:iam::{secret}:user/x \x1b[2J", True)
    assert secret not in report.text()
    assert "\x1b" not in report.text()
    assert report.text().count("match:   not seen") == len(QUESTIONS) - 1
