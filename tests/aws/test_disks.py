"""The calls that give a box its data volume: made once, attached, told, and moved to another zone by a snapshot."""

from datetime import UTC, datetime

import pytest

from spotbox.aws.apply import apply
from spotbox.aws.disks import ATTACH_WAIT, MADE_WAIT
from spotbox.core.copytag import IN_USE, copy_mark
from spotbox.core.disks import DEVICES
from spotbox.core.errors import SpotboxError
from spotbox.core.names import COPY_TAG, DATA_TAG, KEEP_TAG, ROLE_TAG, box_tags, client_token, wire_tags
from spotbox.core.steps import GiveData
from tests.aws.stubs import World
from tests.core.worlds import REGION

ZONE, AT = "us-east-1a", "i-1"
TAGS = box_tags("dev", "alice", {ROLE_TAG: "data"})
NEW = GiveData(REGION, ZONE, AT, 200, TAGS)
OLD = GiveData(REGION, ZONE, AT, 200, TAGS, "vol-d")
AWAY = GiveData(REGION, ZONE, AT, 200, TAGS, None, "vol-away")
NAMED = [{"Name": "tag:spotbox:owner", "Values": ["alice"]}, {"Name": "tag:spotbox:name", "Values": ["dev"]}]
MINE = [*NAMED, {"Name": "tag:spotbox:role", "Values": ["data"]}, {"Name": "availability-zone", "Values": [ZONE]}]
MARK = copy_mark("vol-away", AT)
COPIED = {"Name": f"tag:{COPY_TAG}", "Values": [MARK]}


@pytest.fixture
def world():
    return World()


def by(name, value):
    return {"Filters": [{"Name": name, "Values": [value]}]}


def disk(state, at=None, id_="vol-d", device="/dev/sdf"):
    attached = [{"InstanceId": at, "Device": device, "State": "attached", "VolumeId": id_}] if at else []
    return {"VolumeId": id_, "State": state, "Size": 200, "AvailabilityZone": ZONE, "VolumeType": "gp3",
            "CreateTime": datetime(2026, 11, 22, tzinfo=UTC), "Attachments": attached}  # fmt: skip


def shows(world, *disks, params=None):
    world.answers("describe_volumes", {"Volumes": list(disks)}, params or by("volume-id", "vol-d"))


def created(generation=0, **more):
    tags = more.pop("tags", TAGS)
    return {
        "AvailabilityZone": ZONE,
        "Size": 200,
        "VolumeType": "gp3",
        "Encrypted": True,
        "ClientToken": client_token("alice", "dev", REGION, ZONE, AT, "data", generation),
        "TagSpecifications": [{"ResourceType": "volume", "Tags": wire_tags(tags)}],
        **more,
    }


def attaches(world, device="/dev/sdf", used=()):
    """Asked for, and shown as attached at the next look."""
    shows(world, *used, params=by("attachment.instance-id", AT))
    world.answers("attach_volume", {}, {"VolumeId": "vol-d", "InstanceId": AT, "Device": device})
    shows(world, disk("in-use", AT))


def told(world, copied=False):
    if copied:  # before the guard on the box may mount it
        used = [{"Key": COPY_TAG, "Value": copy_mark("vol-away", IN_USE)}]
        world.answers("create_tags", {}, {"Resources": ["vol-d"], "Tags": used})
    tags = [{"Key": DATA_TAG, "Value": "vol-d"}]
    world.answers("create_tags", {}, {"Resources": [AT], "Tags": tags})


def done(world, step):
    apply(world.hands, step)
    world.aws.spent()


def test_a_new_volume_is_tagged_in_the_call_and_attached(world):
    """CreateVolume carries tags and a token that any repeat has too; the guard is told by a tag of the instance."""
    shows(world, params={"Filters": MINE})
    world.answers("create_volume", {"VolumeId": "vol-d"}, created())
    shows(world, disk("creating"))
    shows(world, disk("available"))
    shows(world, disk("available"))
    attaches(world)
    told(world)
    done(world, NEW)


def test_what_a_run_that_was_cut_off_has_made_is_found(world):
    """Its tags are looked for first: no second volume is made."""
    shows(world, disk("available"), params={"Filters": MINE})
    shows(world, disk("available"))
    attaches(world)
    told(world)
    done(world, NEW)


def test_a_kept_volume_loses_its_mark_when_it_is_attached(world):
    """Not before: cut off earlier, it is still a kept one."""
    shows(world, disk("available"))
    attaches(world)
    told(world)
    world.answers("delete_tags", {}, {"Resources": ["vol-d"], "Tags": [{"Key": KEEP_TAG}]})
    done(world, OLD)


def test_one_that_is_attached_already_is_not_attached_again(world):
    """A repeat tags only."""
    shows(world, disk("in-use", AT))
    told(world)
    world.answers("delete_tags", {})
    done(world, OLD)


def test_another_device_where_the_user_has_a_disk_of_his_own(world):
    """/dev/sdf is taken: the next name that EC2 recommends."""
    shows(world, disk("available"))
    attaches(world, "/dev/sdg", used=[disk("in-use", AT, "vol-users")])
    told(world)
    world.answers("delete_tags", {})
    done(world, OLD)


def test_no_device_name_is_left(world):
    """Eleven disks of the user's own: the error says so, and nothing is attached."""
    shows(world, disk("available"))
    users = [disk("in-use", AT, f"vol-users-{device[-1]}", device) for device in DEVICES]
    shows(world, *users, params=by("attachment.instance-id", AT))
    with pytest.raises(SpotboxError, match="no device name left for vol-d: /dev/sdf to /dev/sdp"):
        done(world, OLD)


def test_a_volume_that_detaches_still_is_waited_for(world):
    """Another instance of the box, on its way out, holds it for a moment."""
    shows(world, disk("in-use", "i-gone"))
    shows(world, disk("available"))
    shows(world, params=by("attachment.instance-id", AT))
    world.refuses("attach_volume", "IncorrectState")
    shows(world, disk("available"))
    attaches(world)
    told(world)
    world.answers("delete_tags", {})
    done(world, OLD)
    assert "vol-d is attached to i-gone; waiting" in world.shown


def test_a_volume_that_stays_with_another_instance_is_an_error(world):
    """It is never taken away from it."""
    for _ in range(500):
        shows(world, disk("in-use", "i-other"))
    with pytest.raises(SpotboxError, match="not attached vol-d to i-1: i-other has it"):
        apply(world.hands, OLD)
    assert ATTACH_WAIT <= world.clock.at < ATTACH_WAIT + 10


def test_a_token_of_an_earlier_run_leads_to_its_volume(world):
    """Asked with another size, the token does not match: the volume that it made shows itself by its tags."""
    shows(world, params={"Filters": MINE})
    world.refuses("create_volume", "IdempotentParameterMismatch", created())
    shows(world, params={"Filters": MINE})
    shows(world, disk("available"), params={"Filters": MINE})
    shows(world, disk("available"))
    attaches(world)
    told(world)
    done(world, NEW)


def test_a_token_whose_volume_was_deleted_is_followed_by_the_next(world):
    """The user deleted the data volume by hand, and asks for one again."""
    shows(world, params={"Filters": MINE})
    world.answers("create_volume", {"VolumeId": "vol-gone"}, created())
    shows(world, disk("deleting", id_="vol-gone"), params=by("volume-id", "vol-gone"))
    world.answers("create_volume", {"VolumeId": "vol-d"}, created(1))
    shows(world, disk("available"))
    shows(world, disk("available"))
    attaches(world)
    told(world)
    done(world, NEW)


def test_a_volume_that_is_never_made_is_an_error(world):
    """It stays `creating`: nothing else is made."""
    shows(world, params={"Filters": MINE})
    world.answers("create_volume", {"VolumeId": "vol-d"}, created())
    for _ in range(500):
        shows(world, disk("creating"))
    with pytest.raises(SpotboxError, match="vol-d is still creating"):
        apply(world.hands, NEW)
    assert world.clock.at >= MADE_WAIT


def test_a_limit_is_told_as_it_is(world):
    """No volume, and AWS's word for it."""
    shows(world, params={"Filters": MINE})
    world.refuses("create_volume", "VolumeLimitExceeded")
    with pytest.raises(SpotboxError) as caught:
        apply(world.hands, NEW)
    assert caught.value.code == "VolumeLimitExceeded"


def snapshots(world, *states, mark=MARK):
    tag = [{"Key": COPY_TAG, "Value": mark}]
    rows = [
        {"SnapshotId": f"snap-{n}", "State": state, "Progress": "40%", "Tags": tag, "VolumeId": "vol-away"}
        for n, state in enumerate(states)
    ]
    rows.append({**rows[0], "SnapshotId": "snap-of-the-copy", "VolumeId": "vol-d"} if rows else {"SnapshotId": "x"})
    params = {"OwnerIds": ["self"], "Filters": [*NAMED, {"Name": "tag-key", "Values": [COPY_TAG]}]}
    world.answers("describe_snapshots", {"Snapshots": rows}, params)


def test_a_volume_moves_to_another_zone_by_a_snapshot(world):
    """Snapshot, new volume, attached; only then the snapshot and the old volume go."""
    tags = {**TAGS, COPY_TAG: MARK}
    shows(world, params={"Filters": [*MINE, COPIED]})
    snapshots(world, "completed", mark=copy_mark("vol-away", "i-0"))  # of long ago
    world.answers("create_snapshot", {"SnapshotId": "snap-0"})
    snapshots(world)  # not shown yet
    snapshots(world, "pending")
    snapshots(world, "completed")
    world.answers("create_volume", {"VolumeId": "vol-d"}, created(SnapshotId="snap-0", tags=tags))
    shows(world, disk("available"))
    shows(world, disk("available"))
    attaches(world)
    told(world, copied=True)
    snapshots(world, "completed")
    world.answers("delete_snapshot", {}, {"SnapshotId": "snap-0"})
    world.answers("delete_volume", {}, {"VolumeId": "vol-away"})
    done(world, AWAY)
    assert "snapshot of vol-away: 40%" in world.shown


def test_a_snapshot_that_fails_leaves_the_old_volume(world):
    """Nothing is deleted, nothing made."""
    shows(world, params={"Filters": [*MINE, COPIED]})
    snapshots(world)
    world.answers("create_snapshot", {"SnapshotId": "snap-0"})
    snapshots(world, "error")
    with pytest.raises(SpotboxError, match="the snapshot of vol-away did not complete"):
        apply(world.hands, AWAY)
    world.aws.spent()


def test_a_move_that_was_cut_off_before_the_end_is_ended(world):
    """The new volume is there: the snapshot and the old one are all that is left to do."""
    shows(world, disk("in-use", AT))
    told(world, copied=True)
    world.answers("delete_tags", {})
    snapshots(world, "completed", "error")
    world.answers("delete_snapshot", {}, {"SnapshotId": "snap-0"})
    world.answers("delete_snapshot", {}, {"SnapshotId": "snap-1"})
    world.answers("delete_volume", {}, {"VolumeId": "vol-away"})
    done(world, GiveData(REGION, ZONE, AT, 200, TAGS, "vol-d", "vol-away"))
