"""Images and snapshots of a move: found by their tags, made once, waited for; exact shapes on the wire."""

import base64
from datetime import UTC, datetime

import pytest

from spotbox.aws import imaging
from spotbox.aws.apply import apply
from spotbox.aws.observe import Seen
from spotbox.core.boxes import Sight
from spotbox.core.errors import SpotboxError
from spotbox.core.moving import CopyImage, MakeImage
from spotbox.core.records import ImageDisk
from spotbox.core.steps import DeregisterImage
from tests.aws.stubs import World
from tests.core.worlds import REGION

TAGS = {
    "spotbox:name": "dev", "spotbox:owner": "alice", "spotbox:role": "move", "Name": "spotbox-dev",
    "spotbox:moved-from": "i-1/2026-11-22T12:00:00.000Z",
}  # fmt: skip
WIRE = [{"Key": key, "Value": value} for key, value in sorted(TAGS.items())]
FILTERS = [
    {"Name": "tag:spotbox:owner", "Values": ["alice"]},
    {"Name": "tag:spotbox:name", "Values": ["dev"]},
    {"Name": "tag:spotbox:role", "Values": ["move"]},
]
WITH_DATA = [*FILTERS[:2], {"Name": "tag:spotbox:role", "Values": ["move", "data"]}]
FIND = {"Owners": ["self"], "Filters": FILTERS}
MAKE = MakeImage(REGION, "i-1", "spotbox-dev-i-1-0123456789ab", TAGS, 100)
COPY = CopyImage(REGION, "eu-west-1", "ami-src", "spotbox-dev-i-1-0123456789ab", TAGS)
CREATE = {
    "InstanceId": "i-1",
    "Name": MAKE.name,
    "Description": "spotbox-dev",
    "TagSpecifications": [{"ResourceType": kind, "Tags": WIRE} for kind in ("image", "snapshot")],
}


def image(state="available", tags=WIRE, **more):
    return {"ImageId": "ami-1", "State": state, "Tags": tags, "Architecture": "x86_64", **more}


def none(world):
    world.answers("describe_images", {"Images": []}, FIND)


def shows(world, *states):
    """AWS shows the image in these states, one a look; a pending one is followed by a look at its snapshots."""
    for state in states:
        world.answers("describe_images", {"Images": [image(state)]}, FIND)
        if state == "pending":
            world.answers(
                "describe_snapshots",
                {"Snapshots": [{"SnapshotId": "snap-1", "Progress": "40%", "VolumeSize": 100, "Tags": WIRE}]},
                {"OwnerIds": ["self"], "Filters": WITH_DATA},
            )


def test_an_image_is_made_and_waited_for():
    """Of the instance with all its volumes, image and snapshots tagged in the call; the live line has the per cent."""
    world = World()
    none(world)
    world.answers("create_image", {"ImageId": "ami-1"}, CREATE)
    shows(world, "pending", "available")
    assert imaging.make_image(world.hands, MAKE).id == "ami-1"
    world.aws.spent()
    assert world.shown == ["snapshot 40 %"]


def test_a_copy_is_encrypted():
    """To another region, with a token that is the same in every run."""
    world = World()
    none(world)
    given = {key: value for key, value in CREATE.items() if key != "InstanceId"}
    given |= {"SourceRegion": "eu-west-1", "SourceImageId": "ami-src", "Encrypted": True}
    world.answers("copy_image", {"ImageId": "ami-1"}, {**given, "ClientToken": "0123456789abami-src"})
    shows(world, "available")
    assert imaging.make_image(world.hands, COPY).id == "ami-1"
    world.aws.spent()


@pytest.mark.parametrize("state", ["pending", "available"])
def test_what_an_earlier_run_asked_for_is_taken(state):
    """It is found by its tags, and no second one is made."""
    world = World()
    world.answers("describe_images", {"Images": [image(state)]}, FIND)
    shows(world, *([state, "available"] if state == "pending" else [state]))
    assert imaging.make_image(world.hands, MAKE).state == "available"
    world.aws.spent()


def test_an_image_that_aws_does_not_show_yet():
    """EC2 refuses a second image of the same name: then the first is there, and shows itself soon."""
    world = World()
    none(world)
    world.refuses("create_image", "InvalidAMIName.Duplicate", CREATE)
    none(world)
    shows(world, "available")
    assert imaging.make_image(world.hands, MAKE).id == "ami-1"
    world.aws.spent()


def test_an_unclear_answer_is_looked_up():
    """AWS failed inside after it had taken the call: the image is there, and is not asked for again."""
    world = World()
    none(world)
    world.refuses("create_image", "InternalError", CREATE, status=500)
    shows(world, "available", "available")
    assert imaging.make_image(world.hands, MAKE).id == "ami-1"
    world.aws.spent()


@pytest.mark.parametrize("state", ["failed", "error"])
def test_an_image_that_fails(state):
    """The reason is AWS's own."""
    world = World()
    none(world)
    world.answers("create_image", {"ImageId": "ami-1"}, CREATE)
    failed = image(state, StateReason={"Code": "Client.X", "Message": "no room"})
    world.answers("describe_images", {"Images": [failed]}, FIND)
    with pytest.raises(SpotboxError) as raised:
        imaging.make_image(world.hands, MAKE)
    assert raised.value.message == f"image ami-1 is {state}: no room"


def test_an_image_that_never_shows():
    """A minute of patience, then it is said."""
    world = World()
    none(world)
    world.answers("create_image", {"ImageId": "ami-1"}, CREATE)
    for _ in range(60):
        none(world)
    with pytest.raises(SpotboxError, match="does not show the image"):
        imaging.make_image(world.hands, MAKE)
    assert world.clock.at > imaging.SHOWN_WITHIN


def test_a_refusal_is_an_error():
    """What does not pass is not asked again."""
    world = World()
    none(world)
    world.refuses("create_image", "UnauthorizedOperation", CREATE)
    with pytest.raises(SpotboxError):
        imaging.make_image(world.hands, MAKE)
    world.aws.spent()


def test_what_a_move_made_is_added_to_what_was_seen():
    """Two calls a region; disks, per cent and times as AWS tells them."""
    world = World()
    disks = [
        {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": "snap-1", "VolumeSize": 75, "VolumeType": "gp3"}},
        {"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": "snap-2", "VolumeSize": 9, "DeleteOnTermination": False}},
        {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
    ]
    made = image(
        RootDeviceName="/dev/sda1", BlockDeviceMappings=disks, CreationDate="2026-11-22T12:00:00.000Z", Tags=WIRE
    )
    world.answers("describe_images", {"Images": [made]}, {"Owners": ["self"], "Filters": FILTERS})
    world.answers("describe_snapshots", {"Snapshots": [{"SnapshotId": "snap-1", "Progress": ""}]})
    (sight,) = imaging.with_images(world.aws, Seen((Sight(REGION),)), "alice", "dev").sights
    assert sight.images[0].disks == (
        ImageDisk("/dev/sda1", "snap-1", 75, "gp3", True),
        ImageDisk("/dev/sdf", "snap-2", 9, "gp3", False),
    )
    assert sight.images[0].created == datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert sight.snapshots[0].progress is None


def test_a_region_of_which_one_call_fails_has_failed():
    """Half of it would look like all."""
    world = World()
    world.answers("describe_images", {"Images": []})
    world.refuses("describe_snapshots", "UnauthorizedOperation")
    seen = imaging.with_images(world.aws, Seen((Sight(REGION),)), "alice")
    assert (seen.sights, list(seen.failed)) == ((), [REGION])


@pytest.mark.parametrize("code", ["InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"])
def test_an_image_that_is_gone_already(code):
    """Deregistered twice is fine."""
    world = World()
    world.refuses("deregister_image", code, {"ImageId": "ami-1"})
    apply(world.hands, DeregisterImage(REGION, "ami-1"))
    world.aws.spent()


def test_an_image_that_is_still_being_made():
    """Where AWS refuses it so early it is asked again."""
    world = World()
    world.refuses("deregister_image", "IncorrectState", {"ImageId": "ami-1"})
    world.answers("deregister_image", {}, {"ImageId": "ami-1"})
    apply(world.hands, DeregisterImage(REGION, "ami-1"))
    world.aws.spent()


@pytest.mark.parametrize(("value", "data"), [({"Value": base64.b64encode(b"#!x").decode()}, b"#!x"), ({}, b"")])
def test_user_data_comes_back_decoded(value, data):
    """botocore decodes it in neither direction here (EC2 API, DescribeInstanceAttribute)."""
    world = World()
    asks = {"InstanceId": "i-1", "Attribute": "userData"}
    world.answers("describe_instance_attribute", {"InstanceId": "i-1", "UserData": value}, asks)
    assert imaging.user_data(world.aws, REGION, "i-1") == data
