"""A box that AWS brought back after a notice: the user's on-resume.d, once."""

import time

from tests.guard.hooks import TIMES, mark, ran


def test_on_resume_runs_once_after_aws_brought_the_box_back(box):
    """After a notice and a new boot of the same instance the user's on-resume.d run, once, in his home."""
    box.hook("10-train", f"{mark(box, 'train')}; pwd >{box.folder}/where; sleep 60", user=True, when="on-resume.d")
    box.hook("20-more", mark(box, "more"), user=True, when="on-resume.d")
    box.start(**TIMES)
    box.metadata.notice(60)
    box.wait("ready for the interruption")
    assert not ran(box, "train")
    del box.metadata.values["spot/instance-action"]
    for boot in (2, 2, 3):
        box.reboot(boot)
        box.start()
        box.wait_for(lambda: ran(box, "train") and ran(box, "more"))
        time.sleep(0.4)
    assert (ran(box, "train"), ran(box, "more")) == (1, 1)
    assert (box.folder / "where").read_text().strip() == str(box.folder / "home")


def test_another_box_from_the_same_disk_resumes_nothing(box):
    """A box launched from the image of an interrupted one was not brought back by AWS."""
    box.hook("10-train", mark(box, "train"), user=True, when="on-resume.d")
    box.start(**TIMES)
    box.metadata.notice(60)
    box.wait("ready for the interruption")
    del box.metadata.values["spot/instance-action"]
    box.metadata.values["instance-id"] = "i-0fedcba9876543210"
    box.reboot()
    box.start()
    box.wait_for(lambda: (box.folder / "state/resumed.json").exists())
    time.sleep(0.3)
    assert not ran(box, "train")
