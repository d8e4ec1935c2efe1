"""Launches and the life cycle as boto3 sees them over HTTP."""

import base64
import uuid

import pytest

from spotbox.sandbox.images import IMAGES

from .conftest import PERSISTENT, ROOT, TAGS, code_of, default_subnet, until


def spec(*kinds):
    """TagSpecifications with our tags."""
    return [{"ResourceType": kind, "Tags": TAGS} for kind in kinds]


def test_a_launch_tags_all_it_makes_and_keeps_the_disk_as_asked(aws):
    """Tags reach request, instance, volume and interface; gp3, encryption and throughput are kept."""
    disk = {"VolumeSize": 120, "VolumeType": "gp3", "Iops": 4000, "Throughput": 300, "Encrypted": True}
    made = aws.launch(
        BlockDeviceMappings=[{**ROOT, "Ebs": disk}],
        TagSpecifications=spec("instance", "volume", "network-interface", "spot-instances-request"),
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
    )
    assert (made["State"]["Name"], made["InstanceLifecycle"]) == ("pending", "spot")
    until(lambda: aws.state(made["InstanceId"]) == "running")
    box = aws.instance(made["InstanceId"])
    (volume,) = aws.ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [box["InstanceId"]]}])[
        "Volumes"
    ]
    assert {k: volume[k] for k in ("Size", "VolumeType", "Iops", "Throughput", "Encrypted")} == {
        "Size": 120,
        "VolumeType": "gp3",
        "Iops": 4000,
        "Throughput": 300,
        "Encrypted": True,
    }
    assert volume["Attachments"][0]["DeleteOnTermination"] is True
    assert box["BlockDeviceMappings"][0]["Ebs"]["DeleteOnTermination"] is True
    assert box["MetadataOptions"]["HttpTokens"] == "required"
    interface = box["NetworkInterfaces"][0]["NetworkInterfaceId"]
    card = aws.ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"][0]
    request = aws.request(box["SpotInstanceRequestId"])
    assert box["Tags"] == volume["Tags"] == card["TagSet"] == request["Tags"] == TAGS


def test_the_request_tells_what_was_asked(aws):
    """Type, behaviour, zone, launch specification; SpotPrice is the on-demand price where no maximum was given."""
    made = aws.launch(SubnetId=default_subnet(aws, "us-east-1b")["SubnetId"])
    request = aws.request(made["SpotInstanceRequestId"])
    assert (request["Type"], request["InstanceInterruptionBehavior"]) == ("persistent", "stop")
    assert (request["State"], request["Status"]["Code"]) == ("active", "fulfilled")
    assert request["InstanceId"] == made["InstanceId"]
    assert request["LaunchedAvailabilityZone"] == made["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert request["SpotPrice"] == "1.006000"
    assert request["LaunchSpecification"]["InstanceType"] == "g5.xlarge"


def test_client_tokens(aws):
    """The same token gives the same instance; with other parameters it is refused; after the end too."""
    token = uuid.uuid4().hex
    first = aws.launch(ClientToken=token)
    assert aws.launch(ClientToken=token)["InstanceId"] == first["InstanceId"]
    assert code_of(aws.launch, ClientToken=token, InstanceType="g5.2xlarge") == ("IdempotentParameterMismatch", 400)
    aws.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[first["SpotInstanceRequestId"]])
    aws.ec2.terminate_instances(InstanceIds=[first["InstanceId"]])
    assert code_of(aws.launch, ClientToken=token) == ("IdempotentInstanceTerminated", 400)


def test_interfaces_groups_and_no_public_address(aws):
    """Groups and AssociatePublicIpAddress of the interface are honoured."""
    vpc = aws.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    group = aws.ec2.create_security_group(GroupName=uuid.uuid4().hex, Description="x", VpcId=vpc)["GroupId"]
    subnet = default_subnet(aws, "us-east-1a")["SubnetId"]
    card = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [group], "AssociatePublicIpAddress": False}
    made = aws.launch(NetworkInterfaces=[card])
    box = aws.instance(made["InstanceId"])
    assert [g["GroupId"] for g in box["SecurityGroups"]] == [group]
    assert "PublicIpAddress" not in box
    assert code_of(aws.ec2.delete_security_group, GroupId=group) == ("DependencyViolation", 400)
    aws.clear()
    until(lambda: aws.state(made["InstanceId"]) == "terminated")
    aws.ec2.delete_security_group(GroupId=group)
    assert code_of(aws.ec2.delete_security_group, GroupId=group) == ("InvalidGroup.NotFound", 400)


def test_stop_start_and_the_address(aws):
    """Stop gives the address back, start brings another, the private one stays."""
    made = aws.launch()
    until(lambda: aws.state(made["InstanceId"]) == "running")
    before = aws.instance(made["InstanceId"])
    aws.ec2.stop_instances(InstanceIds=[made["InstanceId"]])
    status = {"State": "disabled", "Code": "instance-stopped-by-user"}
    until(lambda: aws.request(made["SpotInstanceRequestId"])["State"] == "disabled")
    request = aws.request(made["SpotInstanceRequestId"])
    assert {"State": request["State"], "Code": request["Status"]["Code"]} == status
    stopped = aws.instance(made["InstanceId"])
    assert "PublicIpAddress" not in stopped
    assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    started = aws.ec2.start_instances(InstanceIds=[made["InstanceId"]])["StartingInstances"][0]
    assert (started["PreviousState"]["Name"], started["CurrentState"]["Name"]) == ("stopped", "pending")
    until(lambda: aws.state(made["InstanceId"]) == "running")
    after = aws.instance(made["InstanceId"])
    assert after["PublicIpAddress"] not in (None, before["PublicIpAddress"])
    assert after["PrivateIpAddress"] == before["PrivateIpAddress"]


def test_an_interruption_by_name(aws):
    """`interrupt dev` finds the box by its tag; the request tells of it, AWS restarts it when the pool is opened."""
    made = aws.launch(TagSpecifications=spec("instance"))
    zone = made["Placement"]["AvailabilityZone"]
    until(lambda: aws.state(made["InstanceId"]) == "running")
    aws.control("capacity", type="g5.xlarge", zone=zone, state="closed")  # else it is back by itself in seconds
    aws.control("interrupt", box="dev", notice=0)
    until(lambda: aws.request(made["SpotInstanceRequestId"])["State"] == "disabled")
    request = aws.request(made["SpotInstanceRequestId"])
    assert request["Status"]["Code"] == "instance-stopped-no-capacity"
    assert aws.instance(made["InstanceId"])["StateReason"]["Code"] == "Server.SpotInstanceShutdown"
    assert code_of(aws.ec2.start_instances, InstanceIds=[made["InstanceId"]]) == ("IncorrectSpotRequestState", 400)
    aws.control("capacity", type="g5.xlarge", zone=zone, state="open")
    assert until(lambda: aws.state(made["InstanceId"]) == "running")


def test_the_relaunched_instance_is_untagged(aws):
    """Terminate without cancel: another instance, found by the request's id, without tags."""
    made = aws.launch(TagSpecifications=spec("instance", "volume"))
    aws.ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    first = made["InstanceId"]
    new = until(lambda: aws.request(made["SpotInstanceRequestId"]).get("InstanceId") not in (None, first))
    assert new
    new = aws.request(made["SpotInstanceRequestId"])["InstanceId"]
    assert "Tags" not in aws.instance(new)
    wanted = [{"Name": "spot-instance-request-id", "Values": [made["SpotInstanceRequestId"]]}]
    found = aws.ec2.describe_instances(Filters=wanted)["Reservations"]
    assert {i["InstanceId"] for r in found for i in r["Instances"]} == {first, new}


def test_the_disk_goes_or_stays_as_asked(aws):
    """DeleteOnTermination decides what becomes of each volume."""
    data = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "DeleteOnTermination": False}}
    made = aws.launch(BlockDeviceMappings=[data])
    disks = {d["DeviceName"]: d["Ebs"]["VolumeId"] for d in aws.instance(made["InstanceId"])["BlockDeviceMappings"]}
    aws.clear()
    until(lambda: aws.state(made["InstanceId"]) == "terminated")
    gone = aws.instance(made["InstanceId"])
    assert "BlockDeviceMappings" not in gone or gone["BlockDeviceMappings"] == []
    assert code_of(aws.ec2.describe_volumes, VolumeIds=[disks["/dev/sda1"]])[0] == "InvalidVolume.NotFound"
    left = aws.ec2.describe_volumes(VolumeIds=[disks["/dev/sdf"]])["Volumes"][0]
    assert (left["State"], left["Attachments"]) == ("available", [])
    aws.ec2.delete_volume(VolumeId=disks["/dev/sdf"])


def test_console_output_holds_the_host_keys_after_a_while(aws):
    """Empty at first, then cloud-init's two blocks, each line marked."""
    with aws.still():
        made = aws.launch()
        assert "Output" not in aws.ec2.get_console_output(InstanceId=made["InstanceId"])
    text = until(lambda: aws.ec2.get_console_output(InstanceId=made["InstanceId"]).get("Output"))
    lines = text.splitlines()
    first, last = (
        lines.index("ec2: -----BEGIN SSH HOST KEY KEYS-----"),
        lines.index("ec2: -----END SSH HOST KEY KEYS-----"),
    )
    assert "ssh-ed25519" in [line.split()[1] for line in lines[first + 1 : last]]
    assert "ec2: -----BEGIN SSH HOST KEY FINGERPRINTS-----" in lines


def test_filters_and_pages(aws):
    """instance-lifecycle and tag filters work, with wildcards; MaxResults and NextToken page; unknown ones refuse."""
    ids = {aws.launch(TagSpecifications=spec("instance"))["InstanceId"] for _ in range(3)}
    ids |= {aws.launch(InstanceMarketOptions=None, InstanceType="t3.micro")["InstanceId"]}

    def found(*filters, **more):
        pages = aws.ec2.get_paginator("describe_instances").paginate(
            Filters=[{"Name": n, "Values": v} for n, v in filters], **more
        )
        return [i["InstanceId"] for page in pages for r in page["Reservations"] for i in r["Instances"]]

    alive = ("instance-state-name", ["pending", "running"])
    assert set(found(alive)) == ids
    assert len(found(alive, ("instance-lifecycle", ["spot"]))) == 3
    assert len(found(alive, ("tag:spotbox:name", ["d*"]))) == 3
    assert len(found(alive, ("tag:spotbox:name", ["d"]))) == 0
    assert len(found(alive, ("instance-type", ["t3.*"]), ("tag-key", ["*"]))) == 0
    assert set(found(alive, PaginationConfig={"PageSize": 5})) == ids
    assert code_of(aws.ec2.describe_instances, Filters=[{"Name": "nonsense", "Values": ["x"]}]) == (
        "InvalidParameterValue",
        400,
    )


@pytest.mark.parametrize(
    ("given", "code"), [("i-0123456789abcdef0", "InvalidInstanceID.NotFound"), ("box", "InvalidInstanceID.Malformed")]
)
def test_unknown_instances(aws, given, code):
    """Every call that names an instance refuses one that is not there."""
    for call in ("describe_instances", "stop_instances", "start_instances", "terminate_instances"):
        assert code_of(getattr(aws.ec2, call), InstanceIds=[given]) == (code, 400)


def test_a_doomed_launch(aws):
    """A key that cannot be used: accepted, pending, then terminated with the reason."""
    key = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-4333-8444-555555555555"
    disk = {**ROOT, "Ebs": {"VolumeSize": 80, "Encrypted": True, "KmsKeyId": key}}
    made = aws.launch(BlockDeviceMappings=[disk])
    assert made["State"]["Name"] == "pending"
    assert until(lambda: aws.state(made["InstanceId"]) == "terminated")
    assert aws.instance(made["InstanceId"])["StateReason"]["Code"] == "Client.InternalError"


def test_a_standing_request(aws):
    """RequestSpotInstances is open first, has no IMDS options and no tags for the instance, and honours its token."""
    asked = {
        "Type": "persistent",
        "InstanceInterruptionBehavior": "stop",
        "ClientToken": uuid.uuid4().hex,
        "LaunchSpecification": {
            "ImageId": IMAGES[0].id_in("us-east-1"),
            "InstanceType": "g5.xlarge",
            "UserData": base64.b64encode(b"#!/bin/sh\n").decode(),
        },
        "TagSpecifications": spec("spot-instances-request"),
    }
    request = aws.ec2.request_spot_instances(**asked)["SpotInstanceRequests"][0]
    assert (request["State"], request["Status"]["Code"]) == ("open", "pending-evaluation")
    again = aws.ec2.request_spot_instances(**asked)["SpotInstanceRequests"][0]
    assert again["SpotInstanceRequestId"] == request["SpotInstanceRequestId"]
    made = until(lambda: aws.request(request["SpotInstanceRequestId"]).get("InstanceId"))
    box = aws.instance(made)
    assert "Tags" not in box
    assert box["MetadataOptions"]["HttpTokens"] == "optional"
    asked["TagSpecifications"] = spec("instance")
    assert code_of(aws.ec2.request_spot_instances, **asked | {"ClientToken": "other"})[0] == "InvalidParameterValue"


def test_requests_are_listed_by_state_tag_and_page(aws):
    """Filters of DescribeSpotInstanceRequests; a cancelled one stays listed."""
    first = aws.launch(TagSpecifications=spec("spot-instances-request"))["SpotInstanceRequestId"]
    aws.launch()
    aws.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[first])

    def listed(**filters):
        wanted = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
        wanted.append({"Name": "spot-instance-request-id", "Values": [first]})
        found = aws.ec2.describe_spot_instance_requests(Filters=wanted)["SpotInstanceRequests"]
        return [r["SpotInstanceRequestId"] for r in found]

    assert listed(state="cancelled") == [first]
    assert listed(state="active") == []
    assert listed(status_code="request-canceled-*") == [first]
    wanted = [{"Name": "tag:spotbox:name", "Values": ["dev"]}]
    assert first in {
        r["SpotInstanceRequestId"]
        for r in aws.ec2.describe_spot_instance_requests(Filters=wanted)["SpotInstanceRequests"]
    }
    page = aws.ec2.describe_spot_instance_requests(MaxResults=5)
    assert len(page["SpotInstanceRequests"]) <= 5
    assert PERSISTENT["MarketType"] == "spot"
