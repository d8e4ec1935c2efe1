"""Where a box can stand: zones, the default VPC's subnets, a subnet by id. Looks only, changes nothing."""

from typing import Any

from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.records import Subnet
from spotbox.core.text import safe


def default_vpc_subnets(aws: Aws, region: str) -> tuple[Subnet, ...]:
    """The default subnets of the default VPC, at most one a zone, by zone; empty where the region has no default VPC.

    EC2 API, DescribeSubnets filter `default-for-az`: only a default VPC has default subnets (VPC User Guide, "Default
    subnets"), and each tells its VPC.
    """
    filters = [_filter("default-for-az", "true"), _filter("state", "available")]
    with translating("ec2:DescribeSubnets", region):
        pages = aws.client("ec2", region).get_paginator("describe_subnets").paginate(Filters=filters)
        found = [_subnet(item) for page in pages for item in page.get("Subnets", ())]
    return tuple(sorted(found, key=lambda subnet: subnet.zone))


def subnet(aws: Aws, region: str, id: str) -> Subnet:
    """The subnet of that id. UsageError where the region has none (or the id is no subnet's)."""
    try:
        with translating("ec2:DescribeSubnets", region):
            items = aws.client("ec2", region).describe_subnets(SubnetIds=[id]).get("Subnets", ())
    except SpotboxError as error:
        if not (error.code or "").lower().startswith("invalidsubnet"):
            raise
        items = ()
    if not items:
        raise UsageError(
            f"there is no subnet {safe(id)} in {region}",
            f"`aws ec2 describe-subnets --region {region}` lists those there are.",
        )
    return _subnet(items[0])


def zones(aws: Aws, region: str) -> tuple[str, ...]:
    """Names of the zones that are available and enabled for the account, sorted (EC2 DescribeAvailabilityZones)."""
    with translating("ec2:DescribeAvailabilityZones", region):
        answer = aws.client("ec2", region).describe_availability_zones(Filters=[_filter("state", "available")])
    return tuple(sorted(zone["ZoneName"] for zone in answer.get("AvailabilityZones", ())))


def public_key(aws: Aws, region: str, name: str) -> str:
    """The public half of a key pair (EC2 API, DescribeKeyPairs IncludePublicKey); empty where AWS shows none."""
    with translating("ec2:DescribeKeyPairs", region):
        client = aws.client("ec2", region)
        answer = client.describe_key_pairs(Filters=[_filter("key-name", name)], IncludePublicKey=True)
    return next((str(pair.get("PublicKey") or "").strip() for pair in answer.get("KeyPairs", ())), "")


def public_keys(aws: Aws, region: str, pattern: str) -> dict[str, str]:
    """The public halves of the key pairs whose names fit a pattern with wildcards, by name (as `public_key`)."""
    with translating("ec2:DescribeKeyPairs", region):
        client = aws.client("ec2", region)
        answer = client.describe_key_pairs(Filters=[_filter("key-name", pattern)], IncludePublicKey=True)
    return {pair.get("KeyName", ""): str(pair.get("PublicKey") or "").strip() for pair in answer.get("KeyPairs", ())}


def _filter(name: str, value: str) -> dict[str, Any]:
    return {"Name": name, "Values": [value]}


def _subnet(item: dict[str, Any]) -> Subnet:
    return Subnet(
        id=item["SubnetId"],
        vpc_id=item.get("VpcId", ""),
        zone=item.get("AvailabilityZone", ""),
        default_for_zone=bool(item.get("DefaultForAz")),
        public=bool(item.get("MapPublicIpOnLaunch")),
    )
