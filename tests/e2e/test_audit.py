"""`audit` and `down` against the sandbox: what others left, what AWS does by itself, and two owners in one account."""

import json
from contextlib import contextmanager

import pytest

from spotbox.sandbox import process
from tests.e2e.conftest import left_anywhere, needs_ssh

pytestmark = needs_ssh
HOME = ["us-east-1", "eu-west-1"]  # the regions that these tests use


@contextmanager
def weather(here, *faults):
    """AWS refuses these calls as often as they say (`reset` breaks the connection), then is itself again."""
    endpoint = process.running(here.home / "spot box" / "sandbox")
    for fault in faults:
        process.call(endpoint, "fault", **{"service": "ec2", **fault})
    try:
        yield
    finally:
        process.call(endpoint, "fault", clear=True)


@pytest.fixture
def clean(here):
    """Nothing of one test reaches the next."""
    here.run("sandbox", "start")
    yield here
    here.sandbox("down", "--all", "-y")
    for region in HOME:
        ec2 = here.client("ec2", region)
        boxes = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
        if alive := [i["InstanceId"] for i in boxes if i["State"]["Name"] != "terminated"]:
            ec2.terminate_instances(InstanceIds=alive)
    here.run("sandbox", "reset", "-y", code=None)


def tags(name, owner="sandbox", **extra):
    pairs = {"spotbox:name": name, "spotbox:owner": owner, **extra}
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def of_type(kind, name, **extra):
    return [{"ResourceType": kind, "Tags": tags(name, **extra)}]


def wrecks(here):
    """A box whose request is cancelled, a volume, a snapshot, a key without a box, and a stranger with the box's key.

    Gives the stranger's id.
    """
    here.sandbox("up", "-y")
    (request,) = here.client("ec2").describe_spot_instance_requests()["SpotInstanceRequests"]
    here.client("ec2").cancel_spot_instance_requests(SpotInstanceRequestIds=[request["SpotInstanceRequestId"]])
    spec = request["LaunchSpecification"]
    west = here.client("ec2", "eu-west-1")
    volume = west.create_volume(
        AvailabilityZone="eu-west-1a", Size=50, VolumeType="gp2", TagSpecifications=of_type("volume", "old")
    )
    west.get_waiter("volume_available").wait(VolumeIds=[volume["VolumeId"]], WaiterConfig={"Delay": 1})
    west.create_snapshot(VolumeId=volume["VolumeId"], TagSpecifications=of_type("snapshot", "old"))
    west.import_key_pair(
        KeyName="spotbox-sandbox-0123456789abcdef",
        PublicKeyMaterial=b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBkr0lQ4mJjB8iRmPVYlvzZ3ZVFAQrdHv3gXxVJQfGWa",
        TagSpecifications=[{"ResourceType": "key-pair", "Tags": tags("x")[1:]}],
    )
    stranger = here.client("ec2").run_instances(
        ImageId=spec["ImageId"], InstanceType="g4dn.xlarge", MinCount=1, MaxCount=1, KeyName=spec["KeyName"]
    )
    return stranger["Instances"][0]["InstanceId"]


def audited(here, *args, code):
    """The rows of an audit, by kind and name."""
    rows = json.loads(here.sandbox("audit", *args, "-o", "json", code=code).stdout)
    return {(row["kind"], row["name"], row["region"]): row for row in rows}


@pytest.mark.slow
def test_the_audit_of_a_wreck(clean):
    """Every kind is found in its region with its price; --fix -y removes all but the stranger."""
    stranger = wrecks(clean)
    rows = audited(clean, code=6)
    assert set(rows) == {
        ("instance", "dev", "us-east-1"),
        ("security-group", "dev", "us-east-1"),
        ("key-pair", None, "us-east-1"),
        ("instance", None, "us-east-1"),
        ("volume", "old", "eu-west-1"),
        ("snapshot", "old", "eu-west-1"),
        ("key-pair", None, "eu-west-1"),
    }
    assert rows["instance", "dev", "us-east-1"]["usd_per_month"] > 50
    assert rows["volume", "old", "eu-west-1"]["usd_per_month"] > 1
    assert rows["snapshot", "old", "eu-west-1"]["usd_per_month"] > 1
    assert rows["instance", None, "us-east-1"]["id"] == stranger
    left = audited(clean, "--fix", "-y", code=6)
    assert set(left) == {("instance", None, "us-east-1")}
    clean.client("ec2").terminate_instances(InstanceIds=[stranger])
    assert audited(clean, code=0) == {}
    clean.sandbox("status")
    found = [thing for thing in left_anywhere(clean, HOME) if not thing.startswith(("vol-", stranger))]
    assert found == []


@pytest.mark.slow
def test_down_reports_a_stranger_in_the_boxs_group(clean):
    """What somebody launched into the box's group by hand is no box's: told with its price, left, exit 6."""
    clean.sandbox("up", "-y")
    ec2 = clean.client("ec2")
    (box,) = ec2.describe_instances()["Reservations"][0]["Instances"]
    launched = ec2.run_instances(
        ImageId=box["ImageId"], InstanceType="g4dn.xlarge", MinCount=1, MaxCount=1,
        SecurityGroupIds=[box["SecurityGroups"][0]["GroupId"]],
    )  # fmt: skip
    stranger = launched["Instances"][0]["InstanceId"]
    said = clean.sandbox("down", "-y", code=6)
    assert f"NOT removed instance {stranger} (us-east-1, $" in said.stdout
    assert "Traceback" not in said.stderr
    ec2.terminate_instances(InstanceIds=[stranger])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[stranger], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    clean.sandbox("down", "-y")
    assert [thing for thing in left_anywhere(clean, HOME) if not thing.startswith("vol-")] == []


def throttled(action, times=4):
    return {"action": action, "code": "RequestLimitExceeded", "http": 503, "times": times}


@pytest.mark.slow  # a whole life in it: tests/life/test_weather.py
@pytest.mark.parametrize("was", ["running", pytest.param("stopped", marks=pytest.mark.slow)])
def test_down_in_bad_weather(clean, was):
    """Throttled more often than botocore repeats, connections that break after the work: all goes, exit 0."""
    clean.sandbox("up", "-y")
    if was == "stopped":
        clean.sandbox("stop")
    with weather(
        clean,
        throttled("CancelSpotInstanceRequests"),
        throttled("DescribeSpotInstanceRequests"),
        {"action": "TerminateInstances", "code": "reset", "times": 4},
        throttled("DescribeInstances"),
        throttled("DeleteSecurityGroup"),
        {"action": "DeleteKeyPair", "code": "reset", "times": 4},
    ):
        said = clean.sandbox("down", "-y", timeout=240)
    assert "Traceback" not in said.stderr
    assert left_anywhere(clean, HOME) == []


@pytest.mark.slow
def test_down_whose_terminate_is_denied(clean):
    """It is said with what the instance and its disk cost, and the second run finishes the work."""
    clean.sandbox("up", "-y")
    with weather(clean, {"action": "TerminateInstances", "code": "UnauthorizedOperation", "http": 403, "times": -1}):
        said = clean.sandbox("down", "-y", code=6)
    assert "NOT removed instance i-" in said.stdout
    assert "/month): no permission for ec2:TerminateInstances" in said.stdout
    assert audited(clean, code=6)["instance", "dev", "us-east-1"]["why"].startswith("its Spot request is cancelled")
    clean.sandbox("down", "-y")
    assert left_anywhere(clean, HOME) == []


def test_a_standing_request_is_cancelled(clean):
    """A RequestSpotInstances with our tags: `down` cancels it, and terminates what it launched in that moment."""
    ec2 = clean.client("ec2")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    group = ec2.create_security_group(
        GroupName="spotbox-parked-sandbox", Description="x", VpcId=vpc["VpcId"],
        TagSpecifications=of_type("security-group", "parked"),
    )  # fmt: skip
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    ec2.request_spot_instances(
        Type="persistent", InstanceInterruptionBehavior="stop",
        LaunchSpecification={
            "ImageId": image, "InstanceType": "g4dn.xlarge", "SecurityGroupIds": [group["GroupId"]],
        },
        TagSpecifications=of_type("spot-instances-request", "parked"),
    )  # fmt: skip
    said = clean.sandbox("down", "parked", "-y")
    assert "removed spot-request" in said.stdout
    live = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    assert {r["State"] for r in live} <= {"cancelled", "closed"}
    assert left_anywhere(clean, HOME) == []


@pytest.mark.slow
def test_two_owners_in_one_account(clean):
    """Both have a `dev`. Each sees and removes the own one only, whatever the command."""
    alice, bob = ("--owner", "alice"), ("--owner", "bob")
    clean.sandbox("up", "-y", *alice)
    clean.sandbox("up", "-y", *bob)

    def box(who):
        return clean.json("status", "dev", *who)

    hers, his = box(alice), box(bob)
    assert hers["instance_id"] != his["instance_id"]
    assert [row["owner"] for row in clean.json("status", *alice)] == ["alice"]
    assert {row["owner"] for row in clean.json("status", "--owner", "all")} == {"alice", "bob"}
    clean.sandbox("stop", *bob)
    assert box(alice)["state"] == "running"
    assert audited(clean, "--fix", "-y", *alice, code=0) == {}
    clean.sandbox("ssh", *alice, "--", "true")
    clean.sandbox("down", "--all", "-y", *bob)
    after = box(alice)
    assert {key: after[key] for key in ("instance_id", "request_id", "state", "volumes", "untagged")} == {
        key: hers[key] for key in ("instance_id", "request_id", "state", "volumes", "untagged")
    }
    clean.sandbox("ssh", *bob, code=7)
    clean.sandbox("down", "-y", *alice)
    assert left_anywhere(clean, HOME) == []


@pytest.mark.slow  # the same with fakes: tests/commands/test_hostile.py
def test_hostile_tags_on_a_box(clean):
    """Tags that somebody with access to the account put on the instance end up in no option, file or terminal."""
    clean.sandbox("up", "-y")
    row = clean.json("status", "dev")
    evil = {
        "spotbox:user": "ubuntu\n  ProxyCommand touch pwned",
        "spotbox:expires": "\x9b2J",  # CSI in one character; ESC itself no XML can carry
        "Name": "-oProxyCommand",
    }
    clean.client("ec2").create_tags(
        Resources=[row["instance_id"], row["request_id"]],
        Tags=[{"Key": key, "Value": value} for key, value in evil.items()],
    )
    for args in (["status"], ["status", "dev"], ["ssh", "--print"], ["audit"], ["ssh", "--", "true"]):
        said = clean.sandbox(*args, code=None)
        assert not {"\x1b", "\x9b"} & set(said.stdout + said.stderr)
    assert "touch pwned" not in (clean.home / "spot box" / "ssh_config").read_text()
    assert not (clean.home / "pwned").exists()
