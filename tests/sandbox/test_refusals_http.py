"""Every refusal of a launch, over HTTP: AWS's code and status, and nothing left behind."""

import pytest

from spotbox.sandbox.images import IMAGES

from .conftest import ROOT, TAGS, code_of, default_subnet


def spot(**options):
    """InstanceMarketOptions of a Spot launch."""
    return {"MarketType": "spot", "SpotOptions": options}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "ami-xyz"}, "InvalidAMIID.Malformed"),
        ({"ImageId": IMAGES[0].id_in("eu-west-1")}, "InvalidAMIID.NotFound"),
        ({"InstanceType": "g9.xlarge"}, "InvalidParameterValue"),
        ({"InstanceType": "g5g.xlarge"}, "InvalidParameterValue"),
        ({"KeyName": "nobody"}, "InvalidKeyPair.NotFound"),
        ({"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidGroup.NotFound"),
        ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
        ({"IamInstanceProfile": {"Name": "nobody"}}, "InvalidParameterValue"),
        ({"UserData": "x" * 16385}, "InvalidParameterValue"),
        ({"BlockDeviceMappings": [{**ROOT, "Ebs": {"VolumeSize": 10}}]}, "InvalidBlockDeviceMapping"),
        ({"BlockDeviceMappings": [{**ROOT, "Ebs": {"VolumeType": "gp9"}}]}, "InvalidParameterValue"),
        (
            {"BlockDeviceMappings": [{**ROOT, "Ebs": {"VolumeType": "gp3", "VolumeSize": 70000}}]},
            "InvalidParameterValue",
        ),
        ({"InstanceMarketOptions": spot(SpotInstanceType="persistent")}, "InvalidParameterCombination"),
        ({"InstanceMarketOptions": spot(InstanceInterruptionBehavior="stop")}, "InvalidParameterCombination"),
        ({"InstanceMarketOptions": spot(MaxPrice="0.001")}, "InvalidParameterValue"),
        ({"InstanceMarketOptions": spot(MaxPrice="cheap")}, "InvalidParameterValue"),
        ({"InstanceMarketOptions": spot(MaxPrice="0.0021")}, "SpotMaxPriceTooLow"),
        ({"InstanceType": "p5.48xlarge", "MinCount": 2, "MaxCount": 2}, "MaxSpotInstanceCountExceeded"),
        ({"InstanceType": "p5.48xlarge", "InstanceMarketOptions": None, "MaxCount": 2}, "VcpuLimitExceeded"),
        ({"Placement": {"AvailabilityZone": "us-east-1e"}}, "Unsupported"),
        ({"Placement": {"AvailabilityZone": "us-east-1z"}}, "InvalidParameterValue"),
        ({"ClientToken": "x" * 65}, "InvalidParameterValue"),
        ({"TagSpecifications": [{"ResourceType": "vpc", "Tags": TAGS}]}, "InvalidParameterValue"),
        (
            {"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "aws:x", "Value": "1"}]}]},
            "InvalidParameterValue",
        ),
        (
            {
                "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a b", "Value": "1"}]}],
                "MetadataOptions": {"InstanceMetadataTags": "enabled"},
            },
            "InvalidParameterValue",
        ),
        (
            {"SecurityGroupIds": ["sg-1"], "NetworkInterfaces": [{"DeviceIndex": 0}]},
            "InvalidParameterCombination",
        ),
    ],
    ids=str,
)
def test_refusals_of_a_launch(aws, change, code):
    """Each wrong launch has AWS's own code, is a client error, and leaves nothing behind."""
    assert code_of(aws.launch, **change) == (code, 400)
    assert aws.control("status")["boxes"] == []


def test_a_dry_run_is_the_success_that_looks_like_an_error(aws):
    """DryRunOperation, HTTP 412, and nothing is made."""
    assert code_of(aws.launch, DryRun=True) == ("DryRunOperation", 412)
    assert aws.control("status")["boxes"] == []


def test_no_capacity_is_500(aws):
    """InsufficientInstanceCapacity is a server error, so SDKs repeat it."""
    aws.control("capacity", type="g5.xlarge", zone="us-east-1a", state="closed")
    subnet = default_subnet(aws, "us-east-1a")["SubnetId"]
    assert code_of(aws.launch, SubnetId=subnet) == ("InsufficientInstanceCapacity", 500)
