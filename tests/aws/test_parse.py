from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.aws import parse
from spotbox.core.names import wire_tags
from spotbox.core.records import Group, Instance, KeyPair, Request, Rule, Volume

WHEN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TAGS = [{"Key": "spotbox:name", "Value": "dev"}, {"Key": "empty"}]


def test_a_request():
    """DescribeSpotInstanceRequests as AWS fills it in."""
    item = {
        "SpotInstanceRequestId": "sir-1",
        "State": "disabled",
        "Status": {"Code": "instance-stopped-by-user", "Message": "You stopped it.", "UpdateTime": WHEN},
        "Type": "persistent",
        "InstanceId": "i-1",
        "LaunchSpecification": {"InstanceType": "g5.xlarge", "Placement": {"AvailabilityZone": "us-east-1a"}},
        "LaunchedAvailabilityZone": "us-east-1b",
        "SpotPrice": "1.006000",
        "CreateTime": WHEN,
        "Tags": TAGS,
    }
    assert parse.request("us-east-1", item) == Request(
        id="sir-1",
        region="us-east-1",
        state="disabled",
        code="instance-stopped-by-user",
        message="You stopped it.",
        type="persistent",
        instance_id="i-1",
        instance_type="g5.xlarge",
        zone="us-east-1b",
        max_price=Decimal("1.006"),
        created=WHEN,
        updated=WHEN,
        tags={"spotbox:name": "dev", "empty": ""},
    )


def test_an_instance():
    """DescribeInstances as AWS fills it in."""
    item = {
        "InstanceId": "i-1",
        "State": {"Name": "stopped"},
        "InstanceType": "g5.xlarge",
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "InstanceLifecycle": "spot",
        "SpotInstanceRequestId": "sir-1",
        "PublicIpAddress": "",
        "ImageId": "ami-1",
        "KeyName": "k",
        "LaunchTime": WHEN,
        "StateReason": {"Code": "Server.SpotInstanceShutdown", "Message": "m"},
        "SecurityGroups": [{"GroupId": "sg-1", "GroupName": "n"}],
        "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeId": "vol-1"}}, {"DeviceName": "x"}],
        "RootDeviceName": "/dev/sda1",
        "MetadataOptions": {"HttpTokens": "required"},
        "Tags": TAGS,
    }
    assert parse.instance("us-east-1", item) == Instance(
        id="i-1",
        region="us-east-1",
        state="stopped",
        instance_type="g5.xlarge",
        zone="us-east-1a",
        lifecycle="spot",
        request_id="sir-1",
        public_ip=None,
        image_id="ami-1",
        key_name="k",
        launched=WHEN,
        reason_code="Server.SpotInstanceShutdown",
        reason_message="m",
        group_ids=("sg-1",),
        volume_ids=("vol-1",),
        root_device="/dev/sda1",
        http_tokens="required",
        tags={"spotbox:name": "dev", "empty": ""},
    )


def test_a_volume():
    """DescribeVolumes, attached."""
    item = {
        "VolumeId": "vol-1",
        "AvailabilityZone": "us-east-1a",
        "Size": 100,
        "VolumeType": "gp3",
        "State": "in-use",
        "Attachments": [{"InstanceId": "i-1", "Device": "/dev/sda1", "DeleteOnTermination": True}],
        "Encrypted": True,
        "CreateTime": WHEN,
        "Tags": TAGS[:1],
    }
    assert parse.volume("us-east-1", item) == Volume(
        id="vol-1",
        region="us-east-1",
        zone="us-east-1a",
        size_gib=100,
        type="gp3",
        state="in-use",
        instance_id="i-1",
        device="/dev/sda1",
        delete_on_termination=True,
        encrypted=True,
        created=WHEN,
        tags={"spotbox:name": "dev"},
    )


@pytest.mark.parametrize("tags", [None, [], TAGS])
@pytest.mark.parametrize(
    ("read", "id_"),
    [
        (parse.request, "SpotInstanceRequestId"),
        (parse.instance, "InstanceId"),
        (parse.volume, "VolumeId"),
        (parse.group, "GroupId"),
        (parse.key_pair, "KeyPairId"),
    ],
)
def test_only_the_id_is_sure(read, id_, tags):
    """Every field but the id may be missing from AWS's answer."""
    item = {id_: "x-1"} | ({"Tags": tags} if tags is not None else {})
    assert read("us-east-1", item).id == "x-1"


def test_a_detached_volume():
    """Without an attachment there is no instance, no device, and nothing that would delete it."""
    found = parse.volume("us-east-1", {"VolumeId": "vol-1", "Attachments": []})
    assert (found.instance_id, found.device, found.delete_on_termination) == (None, None, False)


def permission(protocol="tcp", ports=(22, 22), **ranges):
    item = {"IpProtocol": protocol, **ranges}
    return item if ports is None else {**item, "FromPort": ports[0], "ToPort": ports[1]}


V4 = {"IpRanges": [{"CidrIp": "192.0.2.0/24", "Description": "spotbox given"}, {"CidrIp": "192.0.2.9/32"}]}
V6 = {"Ipv6Ranges": [{"CidrIpv6": "2001:db8::/64"}]}
BOTH = (Rule("192.0.2.0/24", "spotbox given"), Rule("192.0.2.9/32"), Rule("2001:db8::/64"))


@pytest.mark.parametrize(
    ("permissions", "rules"),
    [
        ([permission(**V4, **V6)], BOTH),
        ([permission(ports=(0, 65535), **V4), permission(ports=(20, 30), **V6)], BOTH),
        ([permission("-1", None, **V4, **V6)], BOTH),
        ([permission("-1", (-1, -1), **V4, **V6)], BOTH),
        ([permission(ports=(80, 80), **V4), permission("udp", **V6), permission("icmp", (-1, -1), **V4)], ()),
        ([permission(UserIdGroupPairs=[{"GroupId": "sg-2"}])], ()),
        ([], ()),
    ],
)
def test_the_rules_of_a_group_that_let_ssh_in(permissions, rules):
    """Whatever admits port 22 over TCP counts, in both address families; nothing else does."""
    item = {"GroupId": "sg-1", "GroupName": "n", "VpcId": "vpc-1", "IpPermissions": permissions}
    assert parse.group("us-east-1", item) == Group("sg-1", "us-east-1", "n", "vpc-1", rules, {})


def test_a_key_pair():
    """DescribeKeyPairs."""
    item = {"KeyPairId": "key-1", "KeyName": "spotbox-a-1", "KeyFingerprint": "x", "Tags": TAGS[:1]}
    assert parse.key_pair("us-east-1", item) == KeyPair(
        "key-1", "us-east-1", "spotbox-a-1", "x", {"spotbox:name": "dev"}
    )


@pytest.mark.parametrize(
    ("text", "price"), [("0.526000", Decimal("0.526")), ("", None), (None, None), ("unknown", None)]
)
def test_prices(text, price):
    """Money stays Decimal from the wire; what is no number is unknown."""
    assert parse.price(text) == price


@given(st.decimals("0", "10000", places=6))
def test_prices_lose_nothing(price):
    """A price as AWS writes it is that price."""
    assert parse.price(f"{price:f}") == price


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5)))
def test_tags_go_out_and_come_back(tags):
    """Tags as the API takes them, read back, are the same."""
    assert parse.tags({"Tags": wire_tags(tags)}) == tags
