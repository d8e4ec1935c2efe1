"""The data volume against the sandbox: what was written is there again, and whatever is killed, one volume stays."""

import time
from pathlib import Path

import pytest

from tests.life.matrix import BACK, BESIDE, DATA, DOWN, KEEP, Case, play, ran

# call -> what is left half done when it was killed before or after it
SAMPLE = [
    Case("up that moves the data", 1, "after", True, "CreateVolume"),
]
MORE = [
    Case("down that keeps the data", 1, "before", True, "TerminateInstances"),
    Case("up with data", 1, "after", True, "CreateVolume"),
    *(Case("up with data", 1, when, True, "AttachVolume") for when in ("before", "after")),
    *(Case("up with data", 1, when, False, action) for when in ("before", "after")
      for action in ("CreateVolume", "AttachVolume")),
    *(Case("up that takes the data back", 1, when, True, action) for when in ("before", "after")
      for action in ("RunInstances", "AttachVolume", "DeleteTags")),
    *(Case("up that moves the data", 1, when, True, action) for when in ("before", "after")
      for action in ("CreateSnapshot", "AttachVolume", "DeleteSnapshot", "DeleteVolume")),
    *(Case("down that keeps the data", 1, when, True, "CreateTags") for when in ("before", "after")),
    *(Case("down of a box with data", 1, when, False, "DeleteVolume") for when in ("before", "after")),
]  # fmt: skip


def folder(drive) -> Path:
    """The data volume of the one box as a folder."""
    (box,) = drive.independent.instances("us-east-1")
    return Path(drive.home) / "spotbox" / "sandbox" / "boxes" / box["InstanceId"] / "data"


def check_limit(drive, story):
    """A limit that is set on the running box reaches its guard, which stops it: `status` says that it was the box."""
    ran(drive, story, (*BACK, "--ttl", "2s"))
    end = time.monotonic() + 90
    while drive.independent.instances("us-east-1")[0]["State"]["Name"] != "stopped" and time.monotonic() < end:
        time.sleep(0.2)
    said = ran(drive, story, ("status", "dev"))
    assert "it shut itself down (idle guard, TTL or `shutdown`)" in said.text, "\n".join(story)


@pytest.mark.slow
def test_what_was_written_is_there_again(drive):
    """Through down --keep-data and up, and through the move to another zone; `down` leaves nothing."""
    story: list[str] = []
    ran(drive, story, DATA)
    (folder(drive) / "set").write_text("big")
    for again in (BACK, BESIDE):
        ran(drive, story, KEEP)
        assert [line for line in drive.independent.left() if "volume" not in line] == []
        ran(drive, story, again)
        assert (folder(drive) / "set").read_text() == "big", "\n".join(story)
    check_limit(drive, story)
    ran(drive, story, DOWN)
    assert drive.independent.left() == []


@pytest.mark.slow
@pytest.mark.parametrize("case", SAMPLE, ids=str)
def test_killed_and_run_again(drive, case):
    """One box with one data volume, and nothing after `down`."""
    assert play(drive, case)


@pytest.mark.slow
@pytest.mark.parametrize("case", MORE, ids=str)
def test_killed_elsewhere_and_run_again(drive, case):
    """The same at every other call that makes, attaches, marks or deletes."""
    assert play(drive, case)
