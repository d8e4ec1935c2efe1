"""What the account has: network, quotas, identity, regions, the Spot role. Against botocore's Stubber."""

from datetime import UTC, datetime

import pytest

from spotbox.aws.identity import create_spot_role, identity, regions, spot_role_exists
from spotbox.aws.network import default_vpc_subnets, subnet, zones
from spotbox.aws.quotas import spot_quota
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.records import Identity, Subnet
from tests.aws.stubbed import R, aws, filters

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_default_vpc_subnets():
    """The default VPC's default subnets come by zone; none without a default VPC."""

    def net(zone, id):
        return {
            "SubnetId": id,
            "VpcId": "vpc-1",
            "AvailabilityZone": zone,
            "DefaultForAz": True,
            "MapPublicIpOnLaunch": True,
        }

    asked = {"Filters": filters(default_for_az=["true"], state=["available"])}
    with aws(
        ec2=[
            ("describe_subnets", asked, {"Subnets": [net("us-east-1b", "subnet-b"), net("us-east-1a", "subnet-a")]}),
            ("describe_subnets", asked, {"Subnets": []}),
        ]
    ) as world:
        assert default_vpc_subnets(world, R) == (
            Subnet("subnet-a", "vpc-1", "us-east-1a", True, True),
            Subnet("subnet-b", "vpc-1", "us-east-1b", True, True),
        )
        assert default_vpc_subnets(world, R) == ()


@pytest.mark.parametrize("code", ["InvalidSubnetID.NotFound", "InvalidSubnetId.Malformed"])
def test_unknown_subnet(code):
    """A subnet that the region does not have is a usage error; any other refusal stays what it is."""
    with aws(ec2=[("describe_subnets", code), ("describe_subnets", "UnauthorizedOperation")]) as world:
        with pytest.raises(UsageError, match="no subnet subnet-9 in us-east-1"):
            subnet(world, R, "subnet-9")
        with pytest.raises(SpotboxError, match="no permission for ec2:DescribeSubnets"):
            subnet(world, R, "subnet-9")


def test_subnet_of_ones_own():
    """A subnet by id tells its zone, and whether it gives public addresses."""
    answer = {"Subnets": [{"SubnetId": "subnet-9", "VpcId": "vpc-9", "AvailabilityZone": "us-east-1c"}]}
    with aws(ec2=[("describe_subnets", {"SubnetIds": ["subnet-9"]}, answer)]) as world:
        assert subnet(world, R, "subnet-9") == Subnet("subnet-9", "vpc-9", "us-east-1c", False, False)


def test_zones():
    """Available zones come sorted."""
    answer = {"AvailabilityZones": [{"ZoneName": "us-east-1b"}, {"ZoneName": "us-east-1a"}]}
    with aws(ec2=[("describe_availability_zones", {"Filters": filters(state=["available"])}, answer)]) as world:
        assert zones(world, R) == ("us-east-1a", "us-east-1b")


QUOTA = {"ServiceCode": "ec2", "QuotaCode": "L-3819A6DF"}


def test_quota_applied_and_default():
    """The applied value counts; where there is none, AWS's default does."""
    with aws(
        service_quotas=[
            ("get_service_quota", QUOTA, {"Quota": {"Value": 8.0}}),
            ("get_service_quota", "NoSuchResourceException"),
            ("get_aws_default_service_quota", QUOTA, {"Quota": {"Value": 0.0}}),
        ]
    ) as world:
        assert str(spot_quota(world, R, "L-3819A6DF").value) == "8"
        assert spot_quota(world, R, "L-3819A6DF").value == 0


@pytest.mark.parametrize(
    ("applied", "default", "remark"),
    [
        ("AccessDeniedException", None, "no permission for servicequotas:GetServiceQuota"),
        (
            "NoSuchResourceException",
            "AccessDeniedException",
            "no permission for servicequotas:GetAWSDef",
        ),
        ("NoSuchResourceException", "NoSuchResourceException", "Service Quotas has no value"),
    ],
)
def test_quota_unknown(applied, default, remark):
    """A quota that cannot be read is unknown, with the reason, and stops nothing."""
    calls = [("get_service_quota", applied)] + ([("get_aws_default_service_quota", default)] if default else [])
    with aws(service_quotas=calls) as world:
        found = spot_quota(world, R, "L-3819A6DF")
    assert found.value is None
    assert found.remark.startswith(remark)


def test_identity_and_regions():
    """Who is asking, and every region with its opt-in status."""
    who = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/alice", "UserId": "AIDA"}
    listed = [
        {"RegionName": "us-east-1", "OptInStatus": "opt-in-not-required"},
        {"RegionName": "af-south-1", "OptInStatus": "not-opted-in"},
        {"RegionName": "us-west-2"},
    ]
    with aws(
        sts=[("get_caller_identity", {}, who)], ec2=[("describe_regions", {"AllRegions": True}, {"Regions": listed})]
    ) as world:
        assert identity(world) == Identity(who["Account"], who["Arn"], who["UserId"])
        assert regions(world) == {
            "us-east-1": "opt-in-not-required",
            "af-south-1": "not-opted-in",
            "us-west-2": "opt-in-not-required",
        }


ROLE = {"RoleName": "AWSServiceRoleForEC2Spot"}


@pytest.mark.parametrize(
    ("call", "exists"),
    [
        (
            (
                "get_role",
                ROLE,
                {
                    "Role": {
                        "Path": "/aws-service-role/spot.amazonaws.com/",
                        "RoleName": ROLE["RoleName"],
                        "RoleId": "AROA0123456789ABCDEF",
                        "Arn": "arn:aws:iam::123456789012:role/x/y",
                        "CreateDate": NOW,
                    }
                },
            ),
            True,
        ),
        (("get_role", "NoSuchEntity"), False),
        (("get_role", "AccessDenied"), None),
    ],
)
def test_spot_role(call, exists):
    """The role is there, is not, or may not be looked for."""
    with aws(iam=[call]) as world:
        assert spot_role_exists(world) is exists


def test_spot_role_with_bad_keys_is_no_unknown():
    """Credentials that AWS does not accept are told, not taken for a role that cannot be seen."""
    with aws(iam=[("get_role", "InvalidClientTokenId")]) as world, pytest.raises(SpotboxError, match="does not accept"):
        spot_role_exists(world)


def test_create_spot_role():
    """Making the role twice is fine; not being allowed to is not; another InvalidInput is not either."""
    taken = "Service role name AWSServiceRoleForEC2Spot has been taken in this account, please try a different suffix."
    method = "create_service_linked_role"
    with aws(
        iam=[
            (method, {"AWSServiceName": "spot.amazonaws.com"}, {}),
            (method, "InvalidInput", taken),
            (method, "AccessDenied"),
            (method, "InvalidInput", "Something else"),
        ]
    ) as world:
        create_spot_role(world)
        create_spot_role(world)
        with pytest.raises(SpotboxError, match="no permission for iam:CreateServiceLinkedRole"):
            create_spot_role(world)
        with pytest.raises(SpotboxError, match="Something else"):
            create_spot_role(world)
