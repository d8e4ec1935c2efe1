"""Snapshots as boto3 sees them over HTTP, and what volumes made of them hold."""

import pytest

from .conftest import code_of, refuses_what_is_young, until

ZONE = "us-east-1a"
TAGS = [{"Key": "spotbox:name", "Value": "dev"}]
TAGGED = [{"ResourceType": "snapshot", "Tags": TAGS}]


def shown(aws, snapshot_id):
    return aws.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]


def whole(aws, snapshot_id):
    """Wait until the snapshot is completed; the per cents seen on the way."""
    seen = []

    def look():
        row = shown(aws, snapshot_id)
        seen.append((row["State"], row["Progress"]))
        return row["State"] == "completed"

    assert until(look)
    return seen


@pytest.fixture
def box(disks):
    """A box with a data volume of 5 GiB, a file on each disk, and the ids of the volumes."""
    data = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "VolumeType": "gp3", "Encrypted": True}}
    made, folder = disks.booted(BlockDeviceMappings=[data], Placement={"AvailabilityZone": ZONE})
    (folder / "home/note").write_text("mine")
    (folder / "data/set").write_text("big")
    volumes = [d["Ebs"]["VolumeId"] for d in disks.instance(made)["BlockDeviceMappings"]]
    return made, folder, *volumes


def test_a_snapshot_takes_its_time(disks, box):
    """pending with a growing per cent, then completed; tagged in its call, found by tag, encrypted as its volume."""
    _, _, root, data = box
    made = disks.ec2.create_snapshot(VolumeId=data, Description="before", TagSpecifications=TAGGED)
    assert (made["State"], made["Progress"], made["VolumeSize"]) == ("pending", "", 5)
    with disks.still():
        large = disks.ec2.create_snapshot(VolumeId=root)["SnapshotId"]
        early = code_of(disks.ec2.create_volume, AvailabilityZone=ZONE, SnapshotId=large)
        first = shown(disks, large)
    assert early == ("IncorrectState", 400)
    seen = [(first["State"], first["Progress"]), *whole(disks, large)]
    cents = [int(progress.rstrip("%")) for _, progress in seen]
    assert cents == sorted(cents)
    assert cents[0] < cents[-1] == 100
    assert all(cent < 100 for (state, _), cent in zip(seen, cents, strict=True) if state == "pending")
    filters = [{"Name": "tag:spotbox:name", "Values": ["dev"]}, {"Name": "status", "Values": ["completed"]}]
    (row,) = disks.ec2.describe_snapshots(OwnerIds=["self"], Filters=filters)["Snapshots"]
    assert (row["SnapshotId"], row["VolumeId"], row["Encrypted"]) == (made["SnapshotId"], data, True)
    assert (row["Description"], row["Tags"]) == ("before", TAGS)
    assert shown(disks, large)["CompletionTime"] >= row["CompletionTime"]


def test_a_volume_of_a_snapshot_holds_its_files(disks, box):
    """As large as the snapshot at least, encrypted as it was; the snapshot may go before the volume is used."""
    made, folder, _, data = box
    snapshot = disks.ec2.create_snapshot(VolumeId=data)["SnapshotId"]
    (folder / "data/set").write_text("changed since")
    whole(disks, snapshot)
    asked = {"AvailabilityZone": ZONE, "SnapshotId": snapshot, "VolumeType": "gp3"}
    assert code_of(disks.ec2.create_volume, **asked, Size=4) == ("InvalidParameterValue", 400)
    copy = disks.ec2.create_volume(**asked)
    assert (copy["Size"], copy["Encrypted"], copy["SnapshotId"]) == (5, True, snapshot)
    disks.ec2.delete_snapshot(SnapshotId=snapshot)
    assert code_of(disks.ec2.describe_snapshots, SnapshotIds=[snapshot]) == ("InvalidSnapshot.NotFound", 400)
    assert not (disks.home / "snapshots" / snapshot).exists()
    assert until(lambda: disks.ec2.describe_volumes(VolumeIds=[copy["VolumeId"]])["Volumes"][0]["State"] == "available")
    disks.ec2.attach_volume(VolumeId=copy["VolumeId"], InstanceId=made, Device="/dev/sdg")
    assert (folder / "data-sdg/set").read_text() == "big"


def test_all_volumes_at_once(disks, box):
    """CreateSnapshots takes the volumes of an instance at one moment, without those left out."""
    made, _, root, data = box
    disks.ec2.create_tags(Resources=[data], Tags=[{"Key": "role", "Value": "data"}])
    spec = {"InstanceId": made}
    both = disks.ec2.create_snapshots(InstanceSpecification=spec, CopyTagsFromSource="volume", TagSpecifications=TAGGED)
    tags = {s["VolumeId"]: {t["Key"]: t["Value"] for t in s["Tags"]} for s in both["Snapshots"]}
    assert tags == {root: {"spotbox:name": "dev"}, data: {"spotbox:name": "dev", "role": "data"}}
    for left_out, volume in (({"ExcludeBootVolume": True}, data), ({"ExcludeDataVolumeIds": [data]}, root)):
        (one,) = disks.ec2.create_snapshots(InstanceSpecification=spec | left_out)["Snapshots"]
        assert one["VolumeId"] == volume


def test_a_snapshot_goes_abroad(disks, box):
    """CopySnapshot makes one of its own in the other region, encrypted where asked, which outlives the first."""
    _, _, root, _ = box
    snapshot = disks.ec2.create_snapshot(VolumeId=root)["SnapshotId"]
    ireland = disks.client("ec2", "eu-west-1")
    asked = {"SourceRegion": "us-east-1", "SourceSnapshotId": snapshot, "Encrypted": True}
    assert code_of(ireland.copy_snapshot, **asked) == ("IncorrectState", 400)
    whole(disks, snapshot)
    copy = ireland.copy_snapshot(**asked, TagSpecifications=TAGGED)["SnapshotId"]
    disks.ec2.delete_snapshot(SnapshotId=snapshot)
    (row,) = ireland.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert (row["SnapshotId"], row["Encrypted"], row["Tags"]) == (copy, True, TAGS)
    assert (disks.home / "snapshots" / copy / "home/note").read_text() == "mine"


def test_what_is_no_snapshot(disks):
    """A volume or snapshot that is not there is refused by name."""
    ec2 = disks.ec2
    assert code_of(ec2.create_snapshot, VolumeId="vol-0123456789abcdef0") == ("InvalidVolume.NotFound", 400)
    assert code_of(ec2.delete_snapshot, SnapshotId="snap-0123456789abcdef0") == ("InvalidSnapshot.NotFound", 400)
    assert code_of(ec2.delete_snapshot, SnapshotId="snap-zzz") == ("InvalidParameterValue", 400)
    assert refuses_what_is_young(disks, ec2.create_snapshot, ZONE)


def test_faults_and_weather_fall_on_them_too(disks, box):
    """A fault by the name of the call; a connection lost after the work; a snapshot is not known at once."""
    _, _, root, _ = box
    disks.control("fault", code="SnapshotLimitExceeded", action="CreateSnapshot")
    assert code_of(disks.ec2.create_snapshot, VolumeId=root) == ("SnapshotLimitExceeded", 400)
    disks.control("weather", lag=0.5, seed=3)
    counts = []

    def look():
        counts.append(len(disks.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]))
        return len(counts) > 3 and counts[-3:] == [1, 1, 1]

    with disks.still():
        made = disks.ec2.create_snapshot(VolumeId=root)["SnapshotId"]
        look()
    assert until(look)
    assert counts[0] == 0
    disks.control("weather", clear=True)
    assert shown(disks, made)["SnapshotId"] == made
