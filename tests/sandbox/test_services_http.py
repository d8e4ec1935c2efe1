"""Images, instance types, regions, keys, tags, volumes, rules, IAM, STS and S3, over HTTP."""

import uuid

import pytest

from spotbox.sandbox import regions
from spotbox.sandbox.images import IMAGES
from tests.timing import quickest, seconds_of

from .conftest import code_of, until


def test_parameters_and_images_agree(aws):
    """Each region's parameter names an image of that region; discovery by path pages by ten."""
    ids = set()
    for region in ("us-east-1", "eu-central-1"):
        ssm, ec2 = aws.client("ssm", region), aws.client("ec2", region)
        name = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
        image_id = ssm.get_parameter(Name=name)["Parameter"]["Value"]
        image = ec2.describe_images(ImageIds=[image_id])["Images"][0]
        assert image["RootDeviceName"] == "/dev/sda1"
        assert image["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 75
        assert "Supported EC2 instances: G4dn, G5, G6" in image["Description"]
        ids.add(image_id)
    assert len(ids) == 2
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/aws/service/deeplearning/ami", Recursive=True)
    assert sum(len(page["Parameters"]) for page in pages) == len(IMAGES)
    missing = "/aws/service/deeplearning/ami/x86_64/none/latest/ami-id"
    assert code_of(ssm.get_parameter, Name=missing)[0] == "ParameterNotFound"
    both = ssm.get_parameters(Names=[name, missing])
    assert (len(both["Parameters"]), both["InvalidParameters"]) == (1, [missing])


@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
def test_the_fallback_by_name_finds_the_newest(aws, arch):
    """DescribeImages by owner, name and architecture finds the image that the parameter names."""
    prefix = "Deep Learning ARM64 Base" if arch == "arm64" else "Deep Learning Base"
    name = f"{prefix} OSS Nvidia Driver GPU AMI (Ubuntu 24.04) *"
    filters = [{"Name": "name", "Values": [name]}, {"Name": "architecture", "Values": [arch]}]
    filters.append({"Name": "state", "Values": ["available"]})
    (image,) = aws.ec2.describe_images(Owners=["amazon"], Filters=filters)["Images"]
    assert image["CreationDate"] == "2026-10-28T07:12:31.000Z"
    assert image["OwnerId"] != "123456789012"


def test_instance_types(aws):
    """Paged, wildcards, usage class, GPU facts; a whole listing takes well under a second once it is warm."""
    pages = aws.ec2.get_paginator("describe_instance_types").paginate(PaginationConfig={"PageSize": 30})
    names = [t["InstanceType"] for page in pages for t in page["InstanceTypes"]]
    assert len(names) == len(set(names)) > 80
    list(aws.ec2.get_paginator("describe_instance_types").paginate())
    listing = lambda: list(aws.ec2.get_paginator("describe_instance_types").paginate())  # noqa: E731
    assert quickest(lambda: seconds_of(listing), 1) < 1
    filters = [
        {"Name": "instance-type", "Values": ["g5.*"]},
        {"Name": "supported-usage-class", "Values": ["spot"]},
        {"Name": "processor-info.supported-architecture", "Values": ["x86_64"]},
    ]
    found = aws.ec2.describe_instance_types(Filters=filters)["InstanceTypes"]
    assert {t["InstanceType"].split(".")[0] for t in found} == {"g5"}
    gpu = next(t for t in found if t["InstanceType"] == "g5.12xlarge")["GpuInfo"]["Gpus"][0]
    assert (gpu["Name"], gpu["Count"], gpu["MemoryInfo"]["SizeInMiB"]) == ("A10G", 4, 22888)
    assert code_of(aws.ec2.describe_instance_types, InstanceTypes=["g9.xlarge"]) == ("InvalidInstanceType", 400)


def test_offerings(aws):
    """Offerings by zone, and by its id."""
    wanted = [{"Name": "instance-type", "Values": ["g5.xlarge"]}]
    kinds = {}
    for kind in ("availability-zone", "availability-zone-id", "region"):
        found = aws.ec2.describe_instance_type_offerings(LocationType=kind, Filters=wanted)
        kinds[kind] = {o["Location"] for o in found["InstanceTypeOfferings"]}
    assert "us-east-1e" not in kinds["availability-zone"]
    assert len(kinds["availability-zone-id"]) == len(kinds["availability-zone"]) == 5
    assert kinds["region"] == {"us-east-1"}


def test_regions(aws):
    """17 enabled by default; AllRegions shows those that are not; a call to one of them is AuthFailure 401."""
    assert {r["RegionName"] for r in aws.ec2.describe_regions()["Regions"]} == set(regions.ENABLED)
    assert len(regions.ENABLED) == 17
    every = {r["RegionName"]: r["OptInStatus"] for r in aws.ec2.describe_regions(AllRegions=True)["Regions"]}
    assert every["ap-east-1"] == "not-opted-in"
    assert every["us-east-1"] == "opt-in-not-required"
    assert code_of(aws.client("ec2", "ap-east-1").describe_instances) == ("AuthFailure", 401)


def test_every_enabled_region_has_a_default_vpc_with_subnets(aws):
    """A default subnet per zone, that maps public addresses."""
    for region in regions.ENABLED:
        subnets = aws.client("ec2", region).describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])
        assert len(subnets["Subnets"]) >= 2
        assert all(s["MapPublicIpOnLaunch"] for s in subnets["Subnets"])


def test_tags(aws):
    """Tags on what is there; not on what is not, not AWS's own, and not what no reply can carry (XML 1.0, Char)."""
    made = aws.launch()
    wanted = [{"Key": "a", "Value": "b"}]
    aws.ec2.create_tags(Resources=[made["InstanceId"], made["SpotInstanceRequestId"]], Tags=wanted)
    assert aws.instance(made["InstanceId"])["Tags"] == aws.request(made["SpotInstanceRequestId"])["Tags"] == wanted
    for unknown, code in (
        ("i-0123456789abcdef0", "InvalidInstanceID.NotFound"),
        ("sir-0a1b2c3d", "InvalidSpotInstanceRequestID.NotFound"),
        ("vol-0123456789abcdef0", "InvalidVolume.NotFound"),
    ):
        assert code_of(aws.ec2.create_tags, Resources=[unknown], Tags=wanted) == (code, 400)
    own = [{"Key": "aws:mine", "Value": "b"}]
    assert code_of(aws.ec2.create_tags, Resources=[made["InstanceId"]], Tags=own) == ("InvalidParameterValue", 400)
    for bad in ("a\x1b[31m", "a\x00", "a\uffff"):
        wrong = [{"Key": "a", "Value": bad}]
        assert code_of(aws.ec2.create_tags, Resources=[made["InstanceId"]], Tags=wrong) == (
            "InvalidParameterValue",
            400,
        )
    hostile = [{"Key": "a", "Value": "東京 🚀\u202e\x9b31m<&>"}]
    aws.ec2.create_tags(Resources=[made["InstanceId"]], Tags=hostile)
    assert aws.instance(made["InstanceId"])["Tags"] == hostile
    aws.ec2.delete_tags(Resources=[made["InstanceId"]], Tags=[{"Key": "a"}])
    assert "Tags" not in aws.instance(made["InstanceId"])


def test_rules_are_canonical_and_added_once(aws):
    """A CIDR with host bits is kept without them; a rule that exists is a Duplicate; junk is refused."""
    group = aws.ec2.create_security_group(GroupName=uuid.uuid4().hex, Description="x")["GroupId"]

    def rule(cidr):
        ranges = [{"CidrIp": cidr, "Description": "mine"}]
        return {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges}

    def admit(cidr):
        return {"GroupId": group, "IpPermissions": [rule(cidr)]}

    aws.ec2.authorize_security_group_ingress(**admit("100.68.0.18/18"))
    known = aws.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert known[0]["IpRanges"] == [{"CidrIp": "100.68.0.0/18", "Description": "mine"}]
    again = code_of(aws.ec2.authorize_security_group_ingress, **admit("100.68.0.0/18"))
    assert again == ("InvalidPermission.Duplicate", 400)
    junk = code_of(aws.ec2.authorize_security_group_ingress, **admit("1.2.3/99"))
    assert junk == ("InvalidParameterValue", 400)
    aws.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule("100.68.0.0/18")])
    aws.ec2.delete_security_group(GroupId=group)


def test_key_pairs(aws):
    """Imported, found and deleted by name or id, with AWS's words for one that is not there."""
    public = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOInvm1QTGjxDAFGFDtLNPa/VNt/c0miRiRQpCQkEwBa me@here"
    name = uuid.uuid4().hex
    pair = aws.ec2.import_key_pair(KeyName=name, PublicKeyMaterial=public)
    assert code_of(aws.ec2.import_key_pair, KeyName=name, PublicKeyMaterial=public)[0] == "InvalidKeyPair.Duplicate"
    by_id = aws.ec2.describe_key_pairs(KeyPairIds=[pair["KeyPairId"]], IncludePublicKey=True)["KeyPairs"][0]
    assert by_id["KeyName"] == name
    assert by_id["PublicKey"].split()[:2] == public.decode().split()[:2]
    aws.ec2.delete_key_pair(KeyPairId=pair["KeyPairId"])
    assert code_of(aws.ec2.describe_key_pairs, KeyNames=[name]) == ("InvalidKeyPair.NotFound", 400)


def test_instance_connect(aws):
    """A key is taken for a running instance only."""
    connect = aws.client("ec2-instance-connect")
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOInvm1QTGjxDAFGFDtLNPa/VNt/c0miRiRQpCQkEwBa"
    with aws.still():
        made = aws.launch()
        asked = {"InstanceId": made["InstanceId"], "InstanceOSUser": "ubuntu", "SSHPublicKey": key}
        assert code_of(connect.send_ssh_public_key, **asked)[0] == "EC2InstanceStateInvalidException"
    until(lambda: aws.state(made["InstanceId"]) == "running")
    assert connect.send_ssh_public_key(**asked)["Success"]
    asked["InstanceId"] = "i-0123456789abcdef0"
    assert code_of(connect.send_ssh_public_key, **asked)[0] == "EC2InstanceNotFoundException"


def test_who_am_i_and_the_spot_role(aws):
    """The sandbox's user; Spot's role by its real name, and InvalidInput for a second one."""
    assert aws.client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/sandbox"
    aws.launch()
    iam = aws.client("iam")
    assert iam.get_role(RoleName="AWSServiceRoleForEC2Spot")["Role"]["Path"] == "/aws-service-role/spot.amazonaws.com/"
    again = code_of(iam.create_service_linked_role, AWSServiceName="spot.amazonaws.com")
    assert again == ("InvalidInput", 400)
    assert code_of(iam.get_role, RoleName="nobody") == ("NoSuchEntity", 404)


def test_s3(aws):
    """Buckets are moto's: put, get, and a precondition that fails."""
    s3 = aws.client("s3", s3={"addressing_style": "path"})
    bucket = uuid.uuid4().hex
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 100_000)
    assert len(s3.get_object(Bucket=bucket, Key="k")["Body"].read()) == 100_000
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"", IfNoneMatch="*") == ("PreconditionFailed", 412)


def test_messages_hold_no_python(aws):
    """Ids are written as AWS writes them, not as sets or lists of Python."""
    for call, asked in (
        ("describe_security_groups", {"GroupIds": ["sg-0123456789abcdef0", "sg-0123456789abcdef1"]}),
        ("describe_volumes", {"VolumeIds": ["vol-0123456789abcdef0"]}),
        ("describe_key_pairs", {"KeyNames": ["nobody"]}),
        ("describe_subnets", {"SubnetIds": ["subnet-0123456789abcdef0"]}),
        ("describe_snapshots", {"SnapshotIds": ["snap-0123456789abcdef0"]}),
    ):
        with pytest.raises(aws.ec2.exceptions.ClientError) as refused:
            getattr(aws.ec2, call)(**asked)
        message = refused.value.response["Error"]["Message"]
        assert not set("{}[]") & set(message)
        assert message not in ("", "None")
