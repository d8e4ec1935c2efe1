"""Recorded prices pass through the sandbox and come out unchanged; prices by hand outlive a restart."""

import csv
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from spotbox.core.errors import UsageError
from spotbox.sandbox import process

from .conftest import Aws
from .test_prices_http import EIGHT

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "gpu-prices-us-east-1-2024-02.csv"
REGION = "us-east-1"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A sandbox of this module's own: what is set by hand stays in it."""
    home = tmp_path_factory.mktemp("recorded") / "sandbox"
    yield Aws(process.ensure(home)), home
    process.stop(home)


@pytest.fixture(scope="module")
def recorded(own):
    """(type, zone) -> on-demand and Spot price, loaded into the sandbox as recorded in February 2024."""
    if not RECORDED.exists():
        pytest.skip("the recorded prices are not beside this checkout")
    with RECORDED.open() as file:
        rows = list(csv.DictReader(file))
    for name, usd in {row["instance_type"]: row["ondemand_usd"] for row in rows}.items():
        own[0].control("on_demand", type=name, region=REGION, usd=usd)
    own[0].control("prices", rows=[[row["instance_type"], row["az"], row["spot_usd"]] for row in rows])
    found = {(r["instance_type"], r["az"]): (Decimal(r["ondemand_usd"]), Decimal(r["spot_usd"])) for r in rows}
    assert len(found) == 232
    return found


def spot_now(aws, at=None, **asked):
    """(type, zone) -> Spot price now, or at a time since when it may have moved, as a caller reads it."""
    at = at or datetime.now(UTC)
    pages = aws.ec2.get_paginator("describe_spot_price_history").paginate(
        StartTime=at, EndTime=at, ProductDescriptions=["Linux/UNIX"], PaginationConfig={"PageSize": 100}, **asked
    )
    rows = [row for page in pages for row in page["SpotPriceHistory"]]
    found = {(row["InstanceType"], row["AvailabilityZone"]): Decimal(row["SpotPrice"]) for row in rows}
    assert len(found) == len(rows)
    return found


def test_spot_prices_come_out_as_recorded(own, recorded):
    """All 232 recorded pools have exactly the recorded Spot price, types that AWS has retired since among them."""
    found = spot_now(own[0])
    assert {pool: found.get(pool) for pool in recorded} == {pool: spot for pool, (_, spot) in recorded.items()}


def test_on_demand_prices_come_out_as_recorded(own, recorded):
    """The price list has the recorded on-demand price of each type, in one row above 0 of the region itself."""
    filters = {**EIGHT, "regionCode": REGION}
    pages = (
        own[0]
        .client("pricing")
        .get_paginator("get_products")
        .paginate(
            ServiceCode="AmazonEC2",
            Filters=[{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in filters.items()],
        )
    )
    found = {}
    for row in (json.loads(text) for page in pages for text in page["PriceList"]):
        attributes = row["product"]["attributes"]
        (term,) = row["terms"]["OnDemand"].values()
        (dimension,) = term["priceDimensions"].values()
        usd = Decimal(dimension["pricePerUnit"]["USD"])
        if usd and attributes["locationType"] == "AWS Region":
            found.setdefault(attributes["instanceType"], []).append(usd)
    assert {name: found[name] for name, _ in recorded} == {name: [usd] for (name, _), (usd, _) in recorded.items()}


def test_retired_types_are_described_once_they_have_a_price(own, recorded):
    """DescribeInstanceTypes and the offerings know g3, p2 and p3 where a recorded price put them, and not elsewhere."""
    names = ["g3.4xlarge", "p2.8xlarge", "p3.16xlarge", "dl1.24xlarge", "vt1.3xlarge"]
    found = {
        row["InstanceType"]: row for row in own[0].ec2.describe_instance_types(InstanceTypes=names)["InstanceTypes"]
    }
    assert sorted(found) == sorted(names)
    gpu = found["p2.8xlarge"]["GpuInfo"]
    assert (gpu["Gpus"][0]["Name"], gpu["Gpus"][0]["Count"], gpu["TotalGpuMemoryInMiB"]) == ("K80", 8, 98304)
    assert found["p2.8xlarge"]["CurrentGeneration"] is False
    asked = {"LocationType": "availability-zone", "Filters": [{"Name": "instance-type", "Values": ["p2.8xlarge"]}]}
    zones = {row["Location"] for row in own[0].ec2.describe_instance_type_offerings(**asked)["InstanceTypeOfferings"]}
    assert zones == {zone for name, zone in recorded if name == "p2.8xlarge"}
    west = own[0].client("ec2", "us-west-2").describe_instance_type_offerings(**asked)
    assert west["InstanceTypeOfferings"] == []


def test_they_outlive_a_restart(own, recorded):
    """Stopped and started, the sandbox has the same prices: those by hand, and those that move."""
    aws, home = own
    at = datetime.now(UTC)
    before = spot_now(aws, at)
    process.stop(home)
    again = Aws(process.ensure(home))
    assert spot_now(again, at) == before
    shown = {(row["type"], row["region"]): Decimal(row["usd"]) for row in again.control("status")["on_demand"]}
    assert shown[("p2.8xlarge", REGION)] == Decimal("7.2")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["g5.xlarge", "us-east-1a", "0.3"], ["g5.xlarge", "us-east-1q", "0.3"]], "unknown zone us-east-1q"),
        ([["g5.xlarge", "us-east-1a", "0.3"], ["g55.xlarge", "us-east-1a", "0.3"]], "did you mean g5.xlarge"),
        ([["g5.xlarge", "us-east-1a", "0.3"], ["g5.xlarge", "us-east-1b", "99"]], "at or below on-demand"),
        ([["g5.xlarge", "us-east-1a", "0.3"], ["g5.xlarge", "us-east-1b", "0.1234567"]], "six places"),
        ([["g5.xlarge", "us-east-1a", "0.3"], ["g5.xlarge", "us-east-1b"]], "a row is"),
    ],
)
def test_one_wrong_row_sets_none(aws, rows, said):
    """Prices are set all together or not at all, and the refusal says what is wrong."""
    pool = {"InstanceTypes": ["g5.xlarge"], "AvailabilityZone": "us-east-1a"}
    with aws.still():
        before = spot_now(aws, **pool)
        with pytest.raises(UsageError) as refused:
            aws.control("prices", rows=rows)
        assert said in str(refused.value)
        assert spot_now(aws, **pool) == before


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"type": "g5.xlarge", "region": "us-east-9", "usd": "1"}, "did you mean us-east-"),
        ({"type": "g5.xlarg", "region": "us-east-1", "usd": "1"}, "did you mean g5.xlarge"),
        ({"type": "g5.xlarge", "region": "us-east-1", "usd": "0"}, "above 0"),
        ({"type": "g5.xlarge", "region": "us-east-1", "usd": "nan"}, "above 0"),
        ({"type": "g5.xlarge", "region": "us-east-1", "usd": "dear"}, "is no price"),
    ],
)
def test_an_on_demand_price_that_is_none(aws, asked, said):
    """An unknown type or region and a price of nothing are refused with the nearest right word."""
    with pytest.raises(UsageError) as refused:
        aws.control("on_demand", **asked)
    assert said in str(refused.value)
