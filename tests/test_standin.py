"""The benchmark's stand-in answers as AWS does where a price survey can tell the difference."""

import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from spotbox.core.accelerators import parse_instance_type
from spotbox.core.prices import on_demand_prices, product_filters
from tests.standin import asked, stand_in
from tests.timing import quickest

pytest.importorskip("moto", reason="the stand-in takes its types and zones from moto's data files")
LINUX = ["Linux/UNIX"]


@pytest.fixture(scope="module")
def url():
    """One stand-in for the module, with a delay."""
    with stand_in("--step", "3600", delay=0.1) as address:
        yield address


@pytest.fixture(scope="module")
def client(url):
    """boto3 clients of it."""
    import boto3

    session = boto3.session.Session(aws_access_key_id="a", aws_secret_access_key="b")
    return lambda service, region="us-east-1": session.client(service, region_name=region, endpoint_url=url)


def names(*values):
    return [{"Name": "instance-type", "Values": list(values)}]


def test_the_price_now_is_one_row_for_each_pool(client):
    """StartTime = now gives the last change before it, once for each zone that offers the type."""
    ec2 = client("ec2", "eu-west-1")
    rows = ec2.describe_spot_price_history(
        InstanceTypes=["g5.xlarge"], ProductDescriptions=LINUX, StartTime=datetime.now(UTC)
    )["SpotPriceHistory"]
    zones = ec2.describe_instance_type_offerings(LocationType="availability-zone", Filters=names("g5.xlarge"))
    assert {row["AvailabilityZone"] for row in rows} == {z["Location"] for z in zones["InstanceTypeOfferings"]}
    assert len({row["AvailabilityZone"] for row in rows}) == len(rows) > 1
    assert all(row["AvailabilityZoneId"].startswith("euw1-az") and Decimal(row["SpotPrice"]) > 0 for row in rows)


def test_pages_of_a_history_hold_every_change_once(url, client):
    """Two days of hourly changes come in pages, newest first, with the one before the window."""
    asked(url, "reset")
    pages = (
        client("ec2")
        .get_paginator("describe_spot_price_history")
        .paginate(
            Filters=names("g5.*"),
            ProductDescriptions=LINUX,
            StartTime=datetime.now(UTC) - timedelta(days=2),
            PaginationConfig={"PageSize": 500},
        )
    )
    rows = [row for page in pages for row in page["SpotPriceHistory"]]
    pools = {(row["InstanceType"], row["AvailabilityZone"]) for row in rows}
    assert len(pools) == 40
    assert [row["Timestamp"] for row in rows] == sorted((row["Timestamp"] for row in rows), reverse=True)
    assert 40 * 48 <= len(rows) <= 40 * 50
    assert asked(url)["history"] == {"due": len(rows), "sent": len(rows)}
    assert asked(url)["calls"] == {"DescribeSpotPriceHistory": 4}


def test_wildcards_and_whole_facts_of_types(client):
    """DescribeInstanceTypes knows * and ?, and what it gives is enough for spotbox's own record."""
    items = client("ec2").describe_instance_types(Filters=names("g6f.*", "p5.4?large"))["InstanceTypes"]
    found = {item["InstanceType"]: parse_instance_type(item) for item in items}
    assert {"g6f.large", "p5.4xlarge"} <= found.keys()
    assert {name.split(".")[0] for name in found} == {"g6f", "p5"}
    assert (found["g6f.large"].gpu, found["g6f.large"].gpu_count) == ("L4", Decimal("0.125"))


def test_the_price_list(client):
    """Of the rows of a type the usual filters leave one for each region; all are of the size that AWS's are."""
    pricing = client("pricing")
    filters = [item for item in product_filters("", "g5.xlarge") if item["Field"] != "regionCode"]
    rows = pricing.get_products(ServiceCode="AmazonEC2", Filters=filters)["PriceList"]
    assert len(rows) > 15
    assert all(len(row) > 2500 for row in rows)
    prices = on_demand_prices(rows)
    assert all(prices[region, "g5.xlarge"] > 0 for region in ("us-east-1", "eu-west-1"))
    few = [
        item for item in product_filters("us-east-1", "g5.xlarge") if item["Field"] in ("regionCode", "instanceType")
    ]
    assert len(pricing.get_products(ServiceCode="AmazonEC2", Filters=few)["PriceList"]) > 50


def test_the_feed(url):
    """The advisor's file has the shape and the size of the real one."""
    with urllib.request.urlopen(f"{url}/spot-advisor-data.json") as answer:  # noqa: S310 - our own loopback address
        text = answer.read()
    assert 1 << 20 < len(text) < 4 << 20
    assert json.loads(text)["spot_advisor"]["eu-west-1"]["Linux"]["g5.xlarge"].keys() == {"s", "r"}


def test_calls_side_by_side_cost_the_delay_once(url, client):
    """Seventeen calls at once are answered after 100 ms, not 1.7 s, and all are counted."""
    clients = [client("sts") for _ in range(17)]

    def all_at_once():
        asked(url, "reset")
        begun = time.monotonic()
        with ThreadPoolExecutor(17) as pool:
            list(pool.map(lambda sts: sts.get_caller_identity(), clients))
        return time.monotonic() - begun

    assert 0.1 <= quickest(all_at_once, 1.2) < 1.2
    assert asked(url)["calls"] == {"GetCallerIdentity": 17}


def test_what_it_does_not_know_it_says(client):
    """An action of no price survey is an error of AWS's form."""
    ec2 = client("ec2")
    with pytest.raises(ec2.exceptions.ClientError, match="InvalidAction"):
        ec2.describe_vpcs()
