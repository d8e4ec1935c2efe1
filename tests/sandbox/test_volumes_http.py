"""Volumes as boto3 sees them over HTTP, and the folders they are on the boxes."""

import uuid

import pytest

from spotbox.sandbox.disks import MADE_ON

from .conftest import code_of, refuses_what_is_young, until

ZONE = "us-east-1a"
TAGS = [{"Key": "spotbox:name", "Value": "dev"}]


def make(aws, **more):
    """A volume that is available."""
    made = aws.ec2.create_volume(**{"AvailabilityZone": ZONE, "Size": 5, "VolumeType": "gp3", **more})["VolumeId"]
    assert until(lambda: shown(aws, made)["State"] == "available")
    return made


def shown(aws, volume_id):
    return aws.ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]


def attach(aws, volume_id, instance_id, device="/dev/sdf"):
    aws.ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device=device)
    assert until(lambda: [a["State"] for a in shown(aws, volume_id)["Attachments"]] == ["attached"])


def detach(aws, volume_id):
    assert aws.ec2.detach_volume(VolumeId=volume_id)["State"] == "detaching"
    assert until(lambda: shown(aws, volume_id)["State"] == "available")


def here(aws, **more):
    return aws.booted(Placement={"AvailabilityZone": ZONE}, **more)


def test_a_volume_is_created(disks):
    """creating, then available, with what was asked for; tags are there at once, and filters find it."""
    asked = {"AvailabilityZone": ZONE, "Size": 200, "VolumeType": "gp3", "Encrypted": True, "Iops": 4000}
    tagged = [{"ResourceType": "volume", "Tags": TAGS}]
    made = disks.ec2.create_volume(**asked, Throughput=250, TagSpecifications=tagged)
    assert (made["State"], made["Tags"]) == ("creating", TAGS)
    assert until(lambda: shown(disks, made["VolumeId"])["State"] == "available")
    row = shown(disks, made["VolumeId"])
    assert {k: row[k] for k in asked} == asked
    assert (row["Throughput"], row["SnapshotId"], row["Attachments"]) == (250, "", [])
    wanted = {"tag:spotbox:name": "dev", "status": "available", "encrypted": "true", "size": "200"}
    filters = [{"Name": name, "Values": [value]} for name, value in wanted.items()]
    assert [v["VolumeId"] for v in disks.ec2.describe_volumes(Filters=filters)["Volumes"]] == [made["VolumeId"]]


def test_the_same_token_makes_one_volume(disks):
    """A repeated call gives the first volume; a changed one under its token is refused."""
    asked = {"AvailabilityZone": ZONE, "Size": 5, "ClientToken": uuid.uuid4().hex}
    first, second = (disks.ec2.create_volume(**asked)["VolumeId"] for _ in range(2))
    assert first == second
    refused = code_of(disks.ec2.create_volume, **asked | {"Size": 6})
    assert refused == ("IdempotentParameterMismatch", 400)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"AvailabilityZone": "us-east-1z"}, "InvalidZone.NotFound"),
        ({"Size": 70000}, "InvalidParameterValue"),
        ({"Size": 60000}, "VolumeLimitExceeded"),
        ({"VolumeType": "gp9"}, "InvalidParameterValue"),
        ({"SnapshotId": "snap-0123456789abcdef0"}, "InvalidSnapshot.NotFound"),
        ({"KmsKeyId": "alias/mine"}, "InvalidParameterDependency"),
        ({"TagSpecifications": [{"ResourceType": "instance", "Tags": TAGS}]}, "InvalidParameterValue"),
        ({"Size": None}, "MissingParameter"),
    ],
)
def test_what_is_no_volume(aws, asked, code):
    """A zone, size, type, snapshot, key or tag that EBS does not take is refused by name, and nothing is made."""
    call = {"AvailabilityZone": ZONE, "Size": 5, "VolumeType": "gp3"} | asked
    before = aws.ec2.describe_volumes()["Volumes"]
    refused = code_of(aws.ec2.create_volume, **{k: v for k, v in call.items() if v is not None})
    assert refused == (code, 400)
    assert aws.ec2.describe_volumes()["Volumes"] == before


def test_attaching_has_rules(disks):
    """Only in its zone, once it is available, once, to a device that is free, to an instance that is there."""
    there = make(disks, AvailabilityZone="us-east-1b")
    box, _ = here(disks)
    volume, call = make(disks), disks.ec2.attach_volume
    to = {"InstanceId": box, "Device": "/dev/sdf"}
    assert refuses_what_is_young(disks, call, ZONE, InstanceId=box, Device="/dev/sdz")
    assert code_of(call, VolumeId=there, **to) == ("InvalidVolume.ZoneMismatch", 400)
    assert code_of(call, VolumeId="vol-0123456789abcdef0", **to) == ("InvalidVolume.NotFound", 400)
    missing = to | {"InstanceId": "i-0123456789abcdef0"}
    assert code_of(call, VolumeId=volume, **missing) == ("InvalidInstanceID.NotFound", 400)
    for device in ("/dev/sda1", "sdf", "/dev/../sdf"):  # in use; no device names
        assert code_of(call, VolumeId=volume, **to | {"Device": device}) == ("InvalidParameterValue", 400)
    first = call(VolumeId=volume, **to)
    assert (first["State"], first["DeleteOnTermination"]) == ("attaching", False)
    for act, asked in ((call, to), (disks.ec2.delete_volume, {})):
        assert code_of(act, VolumeId=volume, **asked) == ("VolumeInUse", 400)
    assert until(lambda: shown(disks, volume)["Attachments"][0]["State"] == "attached")
    mapped = {d["DeviceName"]: d["Ebs"] for d in disks.instance(box)["BlockDeviceMappings"]}["/dev/sdf"]
    assert (mapped["VolumeId"], mapped["Status"]) == (volume, "attached")
    wrong = code_of(disks.ec2.detach_volume, VolumeId=volume, Device="/dev/sdg")
    assert wrong == ("InvalidAttachment.NotFound", 400)
    detach(disks, volume)
    assert code_of(disks.ec2.detach_volume, VolumeId=volume) == ("IncorrectState", 400)
    assert "/dev/sdf" not in {d["DeviceName"] for d in disks.instance(box)["BlockDeviceMappings"]}


def test_a_data_volume_lives_its_own_life(disks):
    """Attached through stop, start and interruption; its files survive them and the instance, and go with it alone."""
    volume = make(disks)
    box, folder = here(disks)
    attach(disks, volume, box)
    (folder / "data/model").write_text("weights")
    disks.stop(box)
    assert shown(disks, volume)["State"] == "in-use"
    disks.ec2.start_instances(InstanceIds=[box])
    assert until(lambda: disks.status(box) == "ok")
    disks.control("capacity", type="g5.xlarge", zone=ZONE, state="closed")
    disks.control("interrupt", box=box)
    assert until(lambda: disks.state(box) == "stopped")
    assert shown(disks, volume)["Attachments"][0]["InstanceId"] == box
    disks.clear()
    assert until(lambda: shown(disks, volume)["State"] == "available")
    assert not folder.exists()
    box, folder = here(disks)
    attach(disks, volume, box)
    assert (folder / "data/model").read_text() == "weights"
    assert (folder / "data" / MADE_ON).read_text() == f"{volume}\n"
    detach(disks, volume)
    assert not (folder / "data").exists()
    disks.ec2.delete_volume(VolumeId=volume)
    assert code_of(disks.ec2.describe_volumes, VolumeIds=[volume]) == ("InvalidVolume.NotFound", 400)
    assert not (disks.home / "volumes" / volume).exists()


def test_a_root_volume_may_outlive_its_instance(disks):
    """With DeleteOnTermination false the home and the host keys stay, and are a box's again."""
    root = {"DeviceName": "/dev/sda1", "Ebs": {"DeleteOnTermination": False}}
    box, folder = here(disks, BlockDeviceMappings=[root])
    (folder / "home/note").write_text("mine")
    key = (folder / "ssh_host_ed25519_key").read_text()
    volume = disks.instance(box)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    disks.clear()
    assert until(lambda: shown(disks, volume)["State"] == "available")
    box, folder = here(disks)
    disks.stop(box)
    own = disks.instance(box)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    detach(disks, own)
    attach(disks, volume, box, "/dev/sda1")
    disks.ec2.start_instances(InstanceIds=[box])
    assert until(lambda: disks.status(box) == "ok")
    assert (folder / "home/note").read_text() == "mine"
    assert (folder / "ssh_host_ed25519_key").read_text() == key


def test_without_its_root_a_stopped_box_ends(disks):
    """A root volume leaves a stopped instance only; EC2 then fails the start of the Spot instance and ends it."""
    box, _ = here(disks)
    volume = disks.instance(box)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    assert code_of(disks.ec2.detach_volume, VolumeId=volume) == ("OperationNotPermitted", 400)
    disks.stop(box)
    detach(disks, volume)
    request = disks.instance(box)["SpotInstanceRequestId"]
    disks.ec2.start_instances(InstanceIds=[box])
    disks.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request])
    assert until(lambda: disks.state(box) == "terminated")
    assert disks.instance(box)["StateReason"]["Code"] == "Client.InternalError"
    assert shown(disks, volume)["State"] == "available"


def test_delete_on_termination_can_be_changed(disks):
    """ModifyInstanceAttribute decides anew what goes with the instance."""
    volume = make(disks)
    box, _ = here(disks)
    attach(disks, volume, box)
    keep = [{"DeviceName": "/dev/sdf", "Ebs": {"DeleteOnTermination": True}}]
    disks.ec2.modify_instance_attribute(InstanceId=box, BlockDeviceMappings=keep)
    assert shown(disks, volume)["Attachments"][0]["DeleteOnTermination"] is True
    disks.clear()
    assert until(lambda: not (disks.home / "volumes" / volume).exists())
    assert code_of(disks.ec2.describe_volumes, VolumeIds=[volume]) == ("InvalidVolume.NotFound", 400)
