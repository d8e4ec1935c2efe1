"""Data volumes where a box moves, or where they move: nothing of them is lost, left billing unseen, or made twice."""

import pytest

from spotbox.core.names import COPY_TAG
from spotbox.core.records import Snapshot
from tests.commands.test_data import data, kept


@pytest.mark.parametrize("keep", [(), ("--keep-data",)])
def test_down_takes_the_snapshot_of_a_data_volume_that_was_on_its_way(user, keep):
    """Killed between its snapshot and its copy, `up -z` leaves a snapshot that bills: `down` removes it too."""
    at = kept(user)
    user.world.refuses("CreateVolume", "InternalError")
    assert user.run("up", "-y", "-z", "us-east-1b").code != 0
    (snapshot,) = user.world.snapshots
    said = user.run("down", "-y", *keep, "-o", "json")
    assert (said.code, user.world.left()) == (0, [at] if keep else []), said.err
    assert snapshot in {item["id"] for item in said.json["removed"]}


def test_a_backup_of_a_copied_data_volume_is_not_the_boxs(user):
    """A backup service copies the volume's tags to its snapshots: `down` leaves those, whatever they say."""
    kept(user)
    assert user.run("up", "-y", "-z", "us-east-1b").code == 0
    (disk,) = data(user.world)
    tags = {**disk.tags, COPY_TAG: "vol-of-old used"}
    user.world.snapshots["snap-b"] = Snapshot("snap-b", "us-east-1", "completed", 200, None, tags, volume_id=disk.id)
    assert user.run("down", "-y").code == 0
    assert user.world.left() == ["snap-b"]
