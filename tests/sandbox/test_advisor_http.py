"""The Spot Instance Advisor's feed over HTTP: its shape, what it says of the market, and how it fails on order."""

import json
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from spotbox.sandbox import process, regions

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "spot-advisor-gpu-2024-02.json"


def get(aws, timeout=60):
    """The feed, asked for without a signature, at the address that the sandbox's environment names."""
    url = process.environment(aws.endpoint)["SPOTBOX_ADVISOR_URL"]
    with urllib.request.urlopen(url, timeout=timeout) as reply:  # noqa: S310 - http to loopback
        assert reply.headers["Content-Type"] == "application/json"
        return json.load(reply)


def shape(value, deep=4):
    """What kinds of values stand where, keys of mappings that are names left out."""
    if isinstance(value, dict) and deep:
        kinds = {json.dumps(shape(item, deep - 1), sort_keys=True) for item in value.values() if item != {}}
        return {"of": sorted(kinds)}
    if isinstance(value, list):
        return [shape(item, deep) for item in value[:1]]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def test_the_shape_is_that_of_the_recorded_feed(aws):
    """The same keys at the top, the same ranges to the letter, the same fields of a type and of a saving."""
    if not RECORDED.exists():
        pytest.skip("the recorded feed is not beside this checkout")
    recorded, made = json.loads(RECORDED.read_text()), get(aws)
    assert sorted(made) == sorted(recorded)
    assert made["ranges"] == recorded["ranges"]
    assert made["global_rate"] == recorded["global_rate"]
    for name in ("instance_types", "spot_advisor"):
        assert shape(made[name]) == shape(recorded[name])
    assert set(made["instance_types"]["g5.xlarge"]) == set(recorded["instance_types"]["g5.xlarge"])
    assert set(made["spot_advisor"]["us-east-1"]["Linux"]["g5.xlarge"]) == {"s", "r"}


def test_every_region_is_there(aws):
    """Regions that the account has not enabled are in the public feed too; here they are empty."""
    found = get(aws)["spot_advisor"]
    assert set(found) == set(regions.ENABLED) | set(regions.NOT_OPTED_IN)
    assert all(set(systems) == {"Linux", "Windows"} for systems in found.values())
    assert {entry["r"] for systems in found.values() for entry in systems["Linux"].values()} == {0, 1, 2, 3, 4}


def test_savings_are_those_of_the_market(aws):
    """Over many types the feed's saving is near that of the Spot prices now; some save nothing, or less than that."""
    found = get(aws)["spot_advisor"]
    near = []
    for region in ("us-east-1", "us-west-2", "eu-north-1"):
        client = aws.client("ec2", region)
        prices = {}
        for page in client.get_paginator("describe_spot_price_history").paginate(StartTime=datetime.now(UTC)):
            for row in page["SpotPriceHistory"]:
                prices.setdefault(row["InstanceType"], []).append(Decimal(row["SpotPrice"]))
        assert set(found[region]["Linux"]) <= set(prices)
        near += [(prices[name], entry["s"]) for name, entry in found[region]["Linux"].items() if name == "g5.xlarge"]
    for spot, saved in near:
        assert abs((1 - sum(spot) / len(spot) / Decimal("1.006")) * 100 - saved) < 15
    every = [entry["s"] for systems in found.values() for entry in systems["Linux"].values()]
    assert min(every) < 0 < max(every) < 100
    assert 40 < sorted(every)[len(every) // 2] < 75


def test_the_newest_types_are_missing(aws):
    """What AWS has just begun to sell is not in the feed yet."""
    made = get(aws)
    here = {t["InstanceType"] for t in aws.ec2.describe_instance_types()["InstanceTypes"]}
    missing = here - set(made["instance_types"])
    assert {"g7.2xlarge", "p6-b300.48xlarge"} <= missing
    assert len(missing) < len(here) / 4


def test_it_fails_on_order(aws):
    """A fault of the service `advisor` answers with its HTTP status, as often as ordered; then all is well."""
    aws.control("fault", service="advisor", action="Get", code="SlowDown", http=503, times=2)
    for _ in range(2):
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(aws)
        assert refused.value.code == 503
    assert get(aws)["ranges"]


def test_it_breaks_off_on_order(aws):
    """A reset is a connection that ends without an answer."""
    aws.control("fault", service="advisor", code="reset")
    with pytest.raises((ConnectionError, urllib.error.URLError)):
        get(aws)


def test_it_is_late_on_order(aws):
    """A slow answer keeps its caller waiting, and nobody else."""
    aws.control("fault", service="advisor", code="slow", delay=30)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        get(aws, timeout=0.2)
    aws.ec2.describe_regions()
    assert time.monotonic() - began < 30
    aws.control("fault", service="ec2", action="DescribeRegions", code="slow", delay=0.3)
    began = time.monotonic()
    assert aws.ec2.describe_regions()["Regions"]
    assert time.monotonic() - began >= 0.3


def test_a_page_may_not_read_it(aws):
    """A request that a browser sends for another site is refused here as everywhere."""
    url = process.environment(aws.endpoint)["SPOTBOX_ADVISOR_URL"]
    asked = urllib.request.Request(url, headers={"Origin": "https://example.org"})  # noqa: S310 - http to loopback
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=60)  # noqa: S310
    assert refused.value.code == 403
