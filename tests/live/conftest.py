"""The live check: never by default. It needs SPOTBOX_LIVE=1 and SPOTBOX_LIVE_REGION, or runs in the sandbox."""

import os
import time
from pathlib import Path

import pytest

from spotbox import __version__
from tests.live.report import Report
from tests.live.walk import CEILING, Walk, choose, clean_up, most_usd, refuse_strangers

SHOWN = pytest.StashKey[str]()
FILE = "spotbox-live-report.txt"


@pytest.fixture(scope="session")
def walk(tmp_path_factory, request):
    """A walk that is cleaned up behind however it ends; its report is written and shown."""
    sandbox = os.environ.get("SPOTBOX_SANDBOX") == "1"
    region = os.environ.get("SPOTBOX_LIVE_REGION") or ("us-east-1" if sandbox else "")
    if not sandbox and (os.environ.get("SPOTBOX_LIVE") != "1" or not region):
        pytest.skip("it costs money: set SPOTBOX_LIVE=1 and SPOTBOX_LIVE_REGION to run it on your account")
    assert most_usd() <= CEILING, "the walk could cost more than it says"
    where = f"the sandbox of spotbox {__version__}" if sandbox else f"{region}, {time.strftime('%Y-%m-%d')}"
    walk = Walk(tmp_path_factory.mktemp("live"), region, sandbox, Report(where))
    try:
        refuse_strangers(walk)
        choose(walk)
        yield walk
    finally:
        left = clean_up(walk)
        walk.report.remarks += [f"LEFT BEHIND: {text}" for text in left]
        if walk.mine:
            path = Path(os.environ.get("SPOTBOX_LIVE_REPORT") or FILE).absolute()
            path.write_text(walk.report.text(), encoding="utf-8")
            request.config.stash[SHOWN] = (
                f"{walk.report.text()}\nThe same stands in {path}, to be pasted into an issue."
            )
        if sandbox:
            walk.run("sandbox", "stop", code=None)
        assert not left, left


def pytest_terminal_summary(terminalreporter, config):
    """The report, below the tests' own lines."""
    if text := config.stash.get(SHOWN, ""):
        terminalreporter.write_line(f"\n{text}")
