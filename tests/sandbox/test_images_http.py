"""Images of instances as boto3 sees them over HTTP, and the boxes that are launched from them."""

import uuid

import pytest

from spotbox.sandbox.disks import MADE_ON
from spotbox.sandbox.images import IMAGES

from .conftest import code_of, until

ZONE, OTHER = "us-east-1a", "us-east-1b"
TAGS = [{"Key": "spotbox:name", "Value": "dev"}]
TAGGED = [{"ResourceType": kind, "Tags": TAGS} for kind in ("image", "snapshot")]
KEEP_KEYS = "#cloud-config\nssh_deletekeys: false\n"
DATA = {
    "DeviceName": "/dev/sdf",
    "Ebs": {"VolumeSize": 5, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": False},
}


def shown(ec2, image_id):
    return ec2.describe_images(ImageIds=[image_id])["Images"][0]


def imaged(aws, box, **more):
    """The id of an image of the instance; not available yet."""
    return aws.ec2.create_image(InstanceId=box, Name=f"dev {uuid.uuid4().hex}", **more)["ImageId"]


def available(ec2, image_id):
    assert until(lambda: shown(ec2, image_id)["State"] == "available")
    return shown(ec2, image_id)


@pytest.fixture
def stopped(disks):
    """A stopped box with a data volume, a file on each disk."""
    made, folder = disks.booted(BlockDeviceMappings=[DATA], Placement={"AvailabilityZone": ZONE})
    (folder / "home/note").write_text("mine")
    (folder / "data/set").write_text("big")
    disks.stop(made)
    return made, folder


def test_an_image_of_a_stopped_box(disks, stopped):
    """All volumes are snapshotted; it is pending until they are whole, and is what its instance's own image is."""
    box, _ = stopped
    with disks.still():
        image = imaged(disks, box, TagSpecifications=TAGGED, Description="d")
        assert shown(disks.ec2, image)["State"] == "pending"
        early = code_of(disks.launch, ImageId=image)
    assert early == ("InvalidAMIID.Unavailable", 400)
    row = available(disks.ec2, image)
    old = shown(disks.ec2, IMAGES[0].id_in("us-east-1"))
    same = ("Architecture", "BootMode", "EnaSupport", "RootDeviceName", "RootDeviceType", "VirtualizationType")
    assert {k: row[k] for k in same} == {k: old[k] for k in same}
    assert (row["SourceInstanceId"], row["Description"], row["Tags"], row["Public"]) == (box, "d", TAGS, False)
    disks_of = {m["DeviceName"]: m["Ebs"] for m in row["BlockDeviceMappings"]}
    facts = {d: (e["VolumeSize"], e["Encrypted"], e["DeleteOnTermination"]) for d, e in disks_of.items()}
    assert facts == {"/dev/sda1": (75, False, True), "/dev/sdf": (5, True, False)}
    snapshots = disks.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert {s["SnapshotId"] for s in snapshots} == {e["SnapshotId"] for e in disks_of.values()}
    assert all(s["State"] == "completed" and s["Tags"] == TAGS and image in s["Description"] for s in snapshots)
    wanted = {"tag:spotbox:name": "dev", "state": "available", "source-instance-id": box}
    filters = [{"Name": name, "Values": [value]} for name, value in wanted.items()]
    assert [i["ImageId"] for i in disks.ec2.describe_images(Owners=["self"], Filters=filters)["Images"]] == [image]


@pytest.mark.parametrize("keeps", [True, False])
def test_the_same_box_elsewhere(disks, stopped, keeps):
    """Launched in another zone it has all files; its host keys only where its user data says so; then nothing holds
    the image and the snapshots."""
    box, folder = stopped
    key = (folder / "ssh_host_ed25519_key").read_text()
    image = imaged(disks, box)
    snapshots = [m["Ebs"]["SnapshotId"] for m in available(disks.ec2, image)["BlockDeviceMappings"]]
    small = [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 60}}]
    assert code_of(disks.launch, ImageId=image, BlockDeviceMappings=small) == ("InvalidBlockDeviceMapping", 400)
    there = {"Placement": {"AvailabilityZone": OTHER}, "UserData": KEEP_KEYS if keeps else "#!/bin/sh\n"}
    made, new = disks.booted(ImageId=image, **there)
    assert (new / "home/note").read_text() == "mine"
    assert (new / "data/set").read_text() == "big"
    assert (new / "data" / MADE_ON).read_text() == (folder / "data" / MADE_ON).read_text()
    assert ((new / "ssh_host_ed25519_key").read_text() == key) is keeps
    rows = disks.ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [made]}])["Volumes"]
    assert {v["SnapshotId"] for v in rows} == set(snapshots)
    facts = {(v["Size"], v["VolumeType"], v["Encrypted"], v["Attachments"][0]["DeleteOnTermination"]) for v in rows}
    assert facts == {(75, "gp3", False, True), (5, "gp3", True, False)}
    assert {v["AvailabilityZone"] for v in rows} == {OTHER}
    assert code_of(disks.ec2.delete_snapshot, SnapshotId=snapshots[0]) == ("InvalidSnapshot.InUse", 400)
    gone = disks.ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    assert [r["ReturnCode"] for r in gone["DeleteSnapshotResults"]] == ["success", "success"]
    assert disks.ec2.describe_images(ImageIds=[image])["Images"] == []  # an instance still refers to it
    assert code_of(disks.launch, ImageId=image) == ("InvalidAMIID.Unavailable", 400)
    disks.stop(made)
    disks.ec2.start_instances(InstanceIds=[made])
    assert until(lambda: disks.status(made) == "ok")
    assert (new / "home/note").read_text() == "mine"
    assert (folder / "home/note").read_text() == "mine"


def test_a_running_box_is_shut_down_for_its_image(disks):
    """It reboots, unless NoReboot is set; the image holds what was on the disk."""
    box, folder = disks.booted()
    (folder / "home/note").write_text("mine")
    imaged(disks, box, NoReboot=True)
    assert disks.status(box) == "ok"
    with disks.still():
        image = imaged(disks, box)
        assert (disks.state(box), disks.status(box)) == ("running", "initializing")
    (snapshot,) = [m["Ebs"]["SnapshotId"] for m in shown(disks.ec2, image)["BlockDeviceMappings"]]
    assert (disks.home / "snapshots" / snapshot / "home/note").read_text() == "mine"
    assert until(lambda: disks.status(box) == "ok")


def test_mappings_change_what_the_image_holds(disks, stopped):
    """A volume is left out with NoDevice; DeleteOnTermination of another is set for boxes of the image."""
    box, _ = stopped
    mappings = [{"DeviceName": "/dev/sdf", "NoDevice": ""}, {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 90}}]
    mappings[1]["Ebs"]["DeleteOnTermination"] = False
    (only,) = shown(disks.ec2, imaged(disks, box, BlockDeviceMappings=mappings))["BlockDeviceMappings"]
    assert only["DeviceName"] == "/dev/sda1"
    assert (only["Ebs"]["VolumeSize"], only["Ebs"]["DeleteOnTermination"]) == (90, False)
    assert len(disks.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]) == 1


def test_an_image_goes_abroad(disks, stopped):
    """CopyImage: its own encrypted snapshots there, one copy for one token, tags where asked; boxes of it have all."""
    box, _ = stopped
    ireland = disks.client("ec2", "eu-west-1")
    ireland.describe_images(Owners=["self"])  # the first call to a region takes long
    asked = {
        "Name": "dev",
        "SourceRegion": "us-east-1",
        "Encrypted": True,
        "CopyImageTags": True,
    }
    with disks.still():
        asked["SourceImageId"] = image = imaged(disks, box, TagSpecifications=TAGGED)
        assert code_of(ireland.copy_image, **asked) == ("InvalidAMIID.Unavailable", 400)
    available(disks.ec2, image)
    token = {"ClientToken": uuid.uuid4().hex}
    snapshot_tags = {"TagSpecifications": [TAGGED[1]]}
    with disks.still():
        copy = ireland.copy_image(**asked, **token, **snapshot_tags)["ImageId"]
        assert shown(ireland, copy)["State"] == "pending"
    assert ireland.copy_image(**asked, **token, **snapshot_tags)["ImageId"] == copy != image
    assert code_of(ireland.copy_image, **asked | {"Name": "prod"}, **token)[0] == "IdempotentParameterMismatch"
    disks.ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    row = available(ireland, copy)
    assert (row["SourceImageId"], row["SourceImageRegion"], row["Tags"]) == (image, "us-east-1", TAGS)
    assert [m["Ebs"]["Encrypted"] for m in row["BlockDeviceMappings"]] == [True, True]
    rows = ireland.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert all(s["Encrypted"] and s["Tags"] == TAGS and s["Progress"] == "100%" for s in rows)
    spot = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "persistent"}}
    spot["SpotOptions"]["InstanceInterruptionBehavior"] = "stop"
    launched = ireland.run_instances(
        ImageId=copy, InstanceType="g5.xlarge", MinCount=1, MaxCount=1, InstanceMarketOptions=spot
    )
    folder = disks.home / "boxes" / launched["Instances"][0]["InstanceId"]
    assert (folder / "home/note").read_text() == "mine"
    assert (folder / "data/set").read_text() == "big"


def test_what_is_no_image(disks):
    """Names that are taken or malformed, images that are not there or not one's own."""
    box, _ = disks.booted()
    ec2, missing = disks.ec2, "ami-0123456789abcdef0"
    first = ec2.create_image(InstanceId=box, Name="taken", NoReboot=True)["ImageId"]
    assert code_of(ec2.create_image, InstanceId=box, Name="taken") == ("InvalidAMIName.Duplicate", 400)
    assert code_of(ec2.create_image, InstanceId=box, Name="a;b") == ("InvalidAMIName.Malformed", 400)
    unknown = code_of(ec2.create_image, InstanceId="i-0123456789abcdef0", Name="new")
    assert unknown == ("InvalidInstanceID.NotFound", 400)
    assert code_of(ec2.deregister_image, ImageId=missing) == ("InvalidAMIID.NotFound", 400)
    assert code_of(ec2.deregister_image, ImageId=IMAGES[0].id_in("us-east-1"))[0] == "AuthFailure"
    abroad = {"Name": "new", "SourceImageId": missing, "SourceRegion": "eu-west-1"}
    assert code_of(ec2.copy_image, **abroad) == ("InvalidAMIID.NotFound", 400)
    ec2.deregister_image(ImageId=first)
    assert code_of(ec2.deregister_image, ImageId=first) == ("InvalidAMIID.Unavailable", 400)
    assert code_of(ec2.describe_images, ImageIds=[first]) == ("InvalidAMIID.NotFound", 400)


def test_an_image_of_snapshots(disks, stopped):
    """RegisterImage makes an image of snapshots that are there; its boxes have their files."""
    box, _ = stopped
    root = disks.instance(box)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    snapshot = disks.ec2.create_snapshot(VolumeId=root)["SnapshotId"]
    mapping = {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot, "VolumeType": "gp3"}}
    asked = {"Name": "again", "RootDeviceName": "/dev/sda1", "Architecture": "x86_64", "BootMode": "uefi"}
    image = disks.ec2.register_image(**asked, BlockDeviceMappings=[mapping])["ImageId"]
    assert available(disks.ec2, image)["BootMode"] == "uefi"
    made = disks.launch(ImageId=image)["InstanceId"]
    assert (disks.home / "boxes" / made / "home/note").read_text() == "mine"


def test_another_systems_image_lets_its_own_user_in(disks):
    """A box of an image of an Amazon Linux box still has the user ec2-user."""
    amazon = next(image for image in IMAGES if image.user == "ec2-user" and image.arch == "x86_64")
    box, _ = disks.booted(ImageId=amazon.id_in("us-east-1"))
    image = imaged(disks, box, NoReboot=True)
    assert available(disks.ec2, image)["RootDeviceName"] == "/dev/xvda"
    _, folder = disks.booted(ImageId=image)
    assert '"user": "ec2-user"' in (folder / "box.json").read_text()
