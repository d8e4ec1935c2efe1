"""The price list, Spot price history and quotas, over HTTP."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

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
    """gp3 per GB-month and a public IPv4 address per hour."""
    (disk,) = rows(aws, productFamily="Storage", volumeApiName="gp3", regionCode="us-east-1")
    assert usd(disk) == Decimal("0.08")
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
