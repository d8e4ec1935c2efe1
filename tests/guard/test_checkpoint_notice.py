"""Checkpoints at an interruption notice: in the first seconds of a box, and files that take longer than it leaves."""

import os

import pytest

from tests.guard.checkpoints import fill, fresh, knob, latest, stored, sync
from tests.guard.conftest import REMOTE

TIMES = {"hook_time": 3.0, "last_sync": 2.0, "least_left": 4.0}  # seconds; 8 s then stand for two minutes


@pytest.fixture
def ckpt(box, ckpt):
    """As everywhere, but what is in S3 comes down first."""
    box.settings["restore"] = True
    return ckpt


def earlier(box, ckpt, step=7):
    """A box before this one left a state in S3; this one knows nothing yet."""
    fill(ckpt, step)
    sync(box, restore=False)
    fresh(box)


def rate(box, bytes_a_second):
    knob(box, "rate", bytes_a_second)


@pytest.mark.parametrize("mode", ["first", "last"])
@pytest.mark.parametrize("young", [True, False])
def test_no_sync_of_a_notice_goes_before_the_restore(box, ckpt, mode, young):
    """The state in S3 has not come down: neither a training's first files nor an empty folder take its place."""
    earlier(box, ckpt)
    if young:
        fill(ckpt, 0)
    before = latest(box)
    calls = len(box.calls())
    assert sync(box, mode) == (6, "")
    assert [call["words"][1] for call in box.calls()[calls:]] == ["ls", "cp"]
    assert latest(box) == before
    for path in ckpt.iterdir():
        path.unlink()
    assert sync(box)[0] == 0  # in its turn it comes down
    assert (ckpt / "part-2").read_text() == "step 7"
    fill(ckpt, 8)
    assert sync(box, mode)[0] == 0
    assert latest(box)[1]["part-0"] == "step 8"


def test_where_s3_has_nothing_a_first_notice_is_synced(box, ckpt):
    """A new checkpoint has nothing to wait for; that is asked once."""
    fill(ckpt, 1)
    assert sync(box, "first") == (0, "")
    assert latest(box)[1]["part-0"] == "step 1"
    fill(ckpt, 2)
    assert sync(box, "last") == (0, "")
    assert latest(box)[1]["part-0"] == "step 2"


def test_where_s3_cannot_be_asked_nothing_is_written(box, ckpt):
    """It may have a state."""
    earlier(box, ckpt)
    fill(ckpt, 0)
    before = latest(box)
    (box.folder / "s3/broken").write_text("Unable to locate credentials")
    assert sync(box, "first")[0] == 1
    assert latest(box) == before


def test_a_notice_while_the_state_comes_down(box, ckpt):
    """The guard run for real: the restore takes longer than the notice leaves, and a training has begun meanwhile."""
    earlier(box, ckpt)
    before, other = latest(box), stored(box, "B")
    knob(box, "hold", "part-1")
    box.start(**TIMES)
    box.wait_for(lambda: any(call["words"][1] == "sync" and "restoring" in call["words"][3] for call in box.calls()))
    fill(ckpt, 0)
    box.metadata.notice(5)
    box.wait("not begun: the one before stands")
    assert latest(box) == before
    assert stored(box, "B") == other


def test_a_data_volume_that_is_not_mounted_is_not_taken_for_its_folder(box, ckpt):
    """A checkpoint on the data volume, and a notice before that is mounted: what lies below the mount point stays."""
    data = box.folder / "data"
    (data / "ckpt").mkdir(parents=True)
    fill(data / "ckpt", 0)
    box.settings["checkpoints"] = [{"local": str(data / "ckpt"), "remote": REMOTE}]
    assert sync(box, "last", data=True, data_mount=str(data))[0] == 5
    assert not box.calls()
    assert sync(box, "last", data=False, data_mount=str(data))[0] == 0


def big(folder, size):
    (folder / "big").write_bytes(os.urandom(size // 2).hex().encode())


def at_rest(box, **times):
    """The guard has synced what there is, and has nothing to do for an hour."""
    box.start(sync_every=3600, **TIMES | times)
    box.wait_for(lambda: (box.folder / "s3/mine/dev/LATEST").exists())
    box.wait_for(lambda: latest(box)[1]["part-0"] == "step 1")


def test_a_file_that_takes_longer_than_the_last_sync_is_begun_at_once(box, ckpt):
    """It needs more than `last_sync`, and gets all the time before that as well: the sync of the notice begins with
    the notice, not after the hooks."""
    fill(ckpt, 1)
    at_rest(box, hook_time=30.0)
    big(ckpt, 32768)
    box.hook("10-works", f"until [ -e {box.folder}/go ]; do sleep 0.05; done")
    rate(box, 32768 / 3.5)
    calls = len(box.calls())
    box.metadata.notice(60)
    box.wait_for(lambda: any(call["words"][1] == "sync" for call in box.calls()[calls:]))
    (box.folder / "go").touch()  # the hooks end after that sync has begun
    box.wait("checkpoint ~/ckpt: safe in S3")
    assert "10-works done" in box.journal()
    assert len(latest(box)[1]["big"]) == 32768


def test_a_file_that_takes_longer_than_all_of_it_leaves_the_state_before(box, ckpt):
    """Nothing of it is in the state that LATEST names, which is whole; after the restart it is synced in its turn."""
    fill(ckpt, 1)
    at_rest(box)
    before = latest(box)
    fill(ckpt, 2)
    big(ckpt, 65536)
    rate(box, 65536 / 30)
    box.metadata.notice(5)
    box.wait("not complete: the one before stands")
    assert latest(box) == before
    box.reboot()
    box.metadata.values.pop("spot/instance-action")
    (box.folder / "s3/rate").unlink()
    box.start()
    box.wait_for(lambda: latest(box)[1].get("part-0") == "step 2")
    assert len(latest(box)[1]["big"]) == 65536
