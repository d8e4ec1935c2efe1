"""The price list, Spot price history and quotas, over HTTP."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from spotbox.core.prices import snapshot_price
from spotbox.sandbox import regions
from spotbox.sandbox.ec2_catalog import type_facts

from .conftest import code_of

EIGHT = {
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "licenseModel": "No License required",
    "marketoption": "OnDemand",
}


def rows(aws, kind="TERM_MATCH", service="AmazonEC2", **fields):
    pricing = aws.client("pricing")
    filters = [{"Type": kind, "Field": name, "Value": value} for name, value in fields.items()]
    pages = pricing.get_paginator("get_products").paginate(ServiceCode=service, Filters=filters)
    return [json.loads(row) for page in pages for row in page["PriceList"]]


def usd(row):
    (term,) = row["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    return Decimal(dimension["pricePerUnit"]["USD"])


@pytest.mark.parametrize(("region", "prefix", "price"), [("us-east-1", "", "1.006"), ("eu-west-1", "EU-", "1.12169")])
def test_eight_filters_leave_one_price(aws, region, prefix, price):
    """Linux, shared, on-demand: one row; the usage type has the region's prefix outside us-east-1."""
    (row,) = rows(aws, instanceType="g5.xlarge", regionCode=region, **EIGHT)
    assert usd(row) == Decimal(price)
    assert row["product"]["attributes"]["usagetype"] == f"{prefix}BoxUsage:g5.xlarge"
    assert row["product"]["attributes"]["operation"] == "RunInstances"
    assert row["product"]["attributes"]["instanceFamily"] == "GPU instance"


def test_decoys(aws):
    """Without the filters there are dozens of rows: unused reservations, dedicated, Windows, SQL, capacity blocks."""
    found = rows(aws, instanceType="p5.48xlarge", regionCode="us-east-1")
    attributes = [row["product"]["attributes"] for row in found]
    assert len(found) > 30
    assert {"UnusedCapacityReservation", "AllocatedCapacityReservation"} <= {a["capacitystatus"] for a in attributes}
    assert {"Dedicated", "Host"} <= {a["tenancy"] for a in attributes}
    assert "CapacityBlock" in {a["marketoption"] for a in attributes}
    assert Decimal(0) in {usd(row) for row in found}


def test_zones_outside_the_region_carry_its_code(aws):
    """Eight filters alone find a Local and a Wavelength Zone's rows too, and a second row that costs nothing."""
    found = rows(aws, instanceType="g4dn.2xlarge", regionCode="us-east-1", **EIGHT)
    told = {
        (r["product"]["attributes"]["locationType"], r["product"]["attributes"]["usagetype"], usd(r)) for r in found
    }
    assert told == {
        ("AWS Region", "BoxUsage:g4dn.2xlarge", Decimal("0.752")),
        ("AWS Region", "BoxUsage:g4dn.2xlarge", Decimal(0)),
        ("AWS Local Zone", "BOS1-BoxUsage:g4dn.2xlarge", Decimal("0.94")),
        ("AWS Wavelength Zone", "USE1WL1-BoxUsage:g4dn.2xlarge", Decimal("1.0152")),
    }
    assert len({r["product"]["sku"] for r in found}) == 4


def test_a_type_is_priced_in_every_region_by_one_question(aws):
    """Without regionCode one page has the row of each region."""
    found = rows(aws, instanceType="g5.xlarge", **EIGHT)
    assert {row["product"]["attributes"]["regionCode"] for row in found} == set(regions.ENABLED)
    assert len(found) == len(regions.ENABLED)


def test_on_demand_by_hand_is_in_the_price_list(aws):
    """The on_demand verb moves the row of that region, the rows that follow from it, and no other region's."""
    aws.control("on_demand", type="g6.16xlarge", region="us-west-1", usd="4.4")
    asked = {"instanceType": "g6.16xlarge", "operation": "RunInstances", "capacitystatus": "Used"}
    assert {usd(r) for r in rows(aws, regionCode="us-west-1", tenancy="Shared", **asked)} == {Decimal("4.4")}
    assert {usd(r) for r in rows(aws, regionCode="us-west-1", tenancy="Dedicated", **asked)} == {Decimal("4.84")}
    assert {usd(r) for r in rows(aws, regionCode="us-west-2", tenancy="Shared", **asked)} == {Decimal("3.3968")}


def test_pages_and_kinds_of_filters(aws):
    """A page has at most 100 rows; ANY_OF and CONTAINS work; an unknown kind is refused."""
    first = aws.client("pricing").get_products(ServiceCode="AmazonEC2", Filters=[])
    assert len(first["PriceList"]) == 100
    assert first["NextToken"]
    types = {
        r["product"]["attributes"]["instanceType"] for r in rows(aws, "ANY_OF", instanceType="g5.xlarge,g6.xlarge")
    }
    assert types == {"g5.xlarge", "g6.xlarge"}
    assert rows(aws, "CONTAINS", instanceType="p4de", regionCode="us-east-1")
    assert len(rows(aws, instanceFamily="GPU instance", regionCode="us-west-2", **EIGHT)) > 40


def test_storage_and_addresses_are_priced(aws):
    """gp3 and snapshots per GB-month, and a public IPv4 address per hour; archived snapshots are another product."""
    (disk,) = rows(aws, productFamily="Storage", volumeApiName="gp3", regionCode="us-east-1")
    assert usd(disk) == Decimal("0.08")
    snapshots = rows(aws, productFamily="Storage Snapshot", regionCode="us-east-1")
    assert {row["product"]["attributes"]["usagetype"]: usd(row) for row in snapshots} == {
        "EBS:SnapshotUsage": Decimal("0.05"),
        "EBS:SnapshotArchiveStorage": Decimal("0.0125"),
    }
    text = [json.dumps(row) for row in rows(aws, productFamily="Storage Snapshot", regionCode="eu-west-1")]
    assert Decimal("0.05") <= snapshot_price(text, "eu-west-1") < Decimal("0.06")
    found = rows(aws, service="AmazonVPC", group="VPCPublicIPv4Address", regionCode="us-east-1")
    assert {usd(row) for row in found} == {Decimal("0.005")}


def test_price_history(aws):
    """StartTime now gives one row per zone that offers the type; a month gives more, in pages."""
    asked = {"InstanceTypes": ["g5.xlarge"], "ProductDescriptions": ["Linux/UNIX"]}
    now = aws.ec2.describe_spot_price_history(**asked, StartTime=datetime.now(UTC))["SpotPriceHistory"]
    zones = {row["AvailabilityZone"] for row in now}
    assert len(now) == len(zones) == 5
    assert "us-east-1e" not in zones
    assert all(row["AvailabilityZoneId"].startswith("use1-az") for row in now)
    pages = aws.ec2.get_paginator("describe_spot_price_history").paginate(
        **asked, StartTime=datetime.now(UTC) - timedelta(days=30), PaginationConfig={"PageSize": 100}
    )
    month = [row for page in pages for row in page["SpotPriceHistory"]]
    assert len(month) > 200
    assert {(r["AvailabilityZone"], r["SpotPrice"]) for r in now} <= {
        (r["AvailabilityZone"], r["SpotPrice"]) for r in month
    }
    assert aws.ec2.describe_spot_price_history(**asked, StartTime=datetime.now(UTC))["NextToken"] == ""
    none = asked | {"ProductDescriptions": ["Windows"]}
    assert aws.ec2.describe_spot_price_history(**none, StartTime=datetime.now(UTC))["SpotPriceHistory"] == []


def history(aws, **asked):
    return aws.ec2.describe_spot_price_history(**{"StartTime": datetime.now(UTC), **asked})["SpotPriceHistory"]


def named(**filters):
    return [{"Name": name.replace("_", "-"), "Values": values} for name, values in filters.items()]


@pytest.mark.parametrize(
    ("filters", "types", "zones"),
    [
        ({"instance_type": ["g5.xlarge", "nothing.xlarge"]}, {"g5.xlarge"}, 5),
        ({"instance_type": ["g5.?xlarge"]}, {"g5.2xlarge", "g5.4xlarge", "g5.8xlarge"}, 5),
        ({"instance_type": ["g6f.*"]}, {"g6f.large", "g6f.xlarge", "g6f.2xlarge", "g6f.4xlarge"}, 4),
        ({"instance_type": ["g5.xlarge"], "availability_zone": ["us-east-1a"]}, {"g5.xlarge"}, 1),
        ({"instance_type": ["g5.xlarge"], "availability_zone": ["us-east-1?"]}, {"g5.xlarge"}, 5),
        ({"instance_type": ["g5.xlarge"], "availability_zone_id": ["use1-az4"]}, {"g5.xlarge"}, 1),
        ({"instance_type": ["g5.xlarge"], "product_description": ["Linux/UNIX"]}, {"g5.xlarge"}, 5),
        ({"instance_type": ["g5.xlarge"], "product_description": ["Linux/UNIX (Amazon VPC)"]}, {"g5.xlarge"}, 5),
        ({"instance_type": ["g5.xlarge"], "product_description": ["Windows*"]}, set(), 0),
        ({"instance_type": ["g5.xlarge"], "spot_price": ["99"]}, set(), 0),
        ({"instance_type": ["nothing.xlarge"]}, set(), 0),
    ],
)
def test_price_filters(aws, filters, types, zones):
    """Each filter of DescribeSpotPriceHistory, with * and ?; a name that nobody knows matches nothing."""
    found = history(aws, Filters=named(**filters))
    assert {row["InstanceType"] for row in found} == types
    assert len({row["AvailabilityZone"] for row in found}) == zones


def test_a_row_is_found_by_its_own_price_and_time(aws):
    """Filters spot-price and timestamp take what a row shows."""
    row = history(aws, InstanceTypes=["g5.xlarge"])[0]
    moment = row["Timestamp"].strftime("%Y-%m-%dT%H:%M:%S*")
    assert row in history(aws, Filters=named(spot_price=[row["SpotPrice"]], timestamp=[moment]))


def test_a_zone_by_name_or_by_id(aws):
    """AvailabilityZone and AvailabilityZoneId each name a zone; both at once, and zones there are not, are refused."""
    (row,) = history(aws, InstanceTypes=["g5.xlarge"], AvailabilityZoneId="use1-az4")
    assert history(aws, InstanceTypes=["g5.xlarge"], AvailabilityZone=row["AvailabilityZone"]) == [row]
    ask = aws.ec2.describe_spot_price_history
    both = {"AvailabilityZone": row["AvailabilityZone"], "AvailabilityZoneId": "use1-az4"}
    assert code_of(ask, **both) == ("InvalidParameterCombination", 400)
    assert code_of(ask, AvailabilityZone="us-east-1q") == ("InvalidParameterValue", 400)
    assert code_of(ask, AvailabilityZoneId="usw2-az1") == ("InvalidParameterValue", 400)
    assert code_of(ask, InstanceTypes=["nothing.xlarge"]) == ("InvalidParameterValue", 400)
    assert code_of(ask, Filters=named(colour=["red"])) == ("InvalidParameterValue", 400)
    assert code_of(ask, NextToken="made-up")[0] == "InvalidNextToken"


def test_a_type_that_is_never_on_spot_says_so(aws):
    """t2.nano is offered, its usage classes lack spot, and it has no Spot price."""
    (row,) = aws.ec2.describe_instance_types(InstanceTypes=["t2.nano"])["InstanceTypes"]
    assert row["SupportedUsageClasses"] == ["on-demand"]
    assert history(aws, Filters=named(instance_type=["t2.nano"])) == []


def test_types_and_offerings_read_as_before(aws):
    """Every type comes back whole: what moto copied from AWS is what boto3 reads."""
    pages = aws.ec2.get_paginator("describe_instance_types").paginate(
        Filters=named(instance_type=["g*", "trn*", "t3.*"])
    )
    found = [row for page in pages for row in page["InstanceTypes"]]
    assert len(found) > 60
    for row in found:
        facts = type_facts()[row["InstanceType"]]
        assert row == facts


def test_a_price_set_by_hand_is_told(aws):
    """The price verb moves the pool's price at once."""
    aws.control("price", type="g6.xlarge", zone="us-east-1a", usd="0.4321")
    row = aws.ec2.describe_spot_price_history(
        InstanceTypes=["g6.xlarge"], AvailabilityZone="us-east-1a", StartTime=datetime.now(UTC)
    )["SpotPriceHistory"][0]
    assert row["SpotPrice"] == "0.432100"


def test_quotas(aws):
    """The Spot quota of G in vCPU, its default of 0, a code that does not exist, and a value set by hand."""
    quotas = aws.client("service-quotas")
    asked = {"ServiceCode": "ec2", "QuotaCode": "L-3819A6DF"}
    quota = quotas.get_service_quota(**asked)["Quota"]
    assert (quota["QuotaName"], quota["Value"]) == ("All G and VT Spot Instance Requests", 64.0)
    assert quotas.get_aws_default_service_quota(**asked)["Quota"]["Value"] == 0.0
    assert code_of(quotas.get_service_quota, ServiceCode="ec2", QuotaCode="L-0")[0] == "NoSuchResourceException"
    assert len(quotas.list_service_quotas(ServiceCode="ec2")["Quotas"]) == 13
    aws.control("quota", code="L-3819A6DF", value=0, region="us-east-1")
    assert code_of(aws.launch) == ("MaxSpotInstanceCountExceeded", 400)
    aws.control("quota", code="L-3819A6DF", value=64)
    assert aws.launch()
