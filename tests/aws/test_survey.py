"""A survey of the market over real HTTP: what is asked, how often, all at once."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier

import pytest

from spotbox.aws.cloud import Cloud
from spotbox.aws.hands import Hands
from spotbox.aws.session import Aws
from spotbox.core.errors import Exit, UsageError
from spotbox.store import Store
from tests.aws.endpoint import KEYS
from tests.aws.marketplace import FEED, HARDWARE, SINCE, Marketplace

SEVENTEEN = [f"{area}-{n}" for area in ("us-east", "us-west", "eu-west", "eu-north", "ap-south") for n in (1, 2, 3)]
SEVENTEEN += ["sa-east-1", "ca-central-1"]


def test_one_type_in_all_regions(cloud):
    """One call tells each region's prices, and one each the on-demand prices, the type and the rates; then no more."""
    market = Marketplace(SEVENTEEN)
    with market.open() as world:
        seen = cloud(world).market(SEVENTEEN, ["g5.xlarge"])
        counts = market.counts(world)
    assert counts == {"DescribeSpotPriceHistory": 17, "GetProducts": 1, "DescribeInstanceTypes": 1, FEED: 1}
    assert seen.regions == tuple(SEVENTEEN)
    assert len(seen.prices) == 34
    assert {p.instance_type for p in seen.prices} == {"g5.xlarge"}
    first = seen.prices[0]
    assert (first.region, first.zone, first.zone_id) == ("us-east-1", "us-east-1a", "id-a")
    assert (first.usd, first.since) == (Decimal("0.5"), SINCE)
    assert seen.on_demand == {(r, "g5.xlarge"): Decimal("1.0") for r in SEVENTEEN}
    assert seen.interruption == {(r, "g5.xlarge"): "<5%" for r in SEVENTEEN}
    assert (seen.types["g5.xlarge"].gpu, seen.types["g5.xlarge"].gpu_memory_gib) == ("A10G", Decimal("22.3515625"))
    assert (seen.failed, seen.remarks, seen.ages) == ({}, (), ())


def test_everything(cloud):
    """Without types every accelerated one is listed, also one newer than botocore; what has no accelerator is not."""
    market = Marketplace(SEVENTEEN)
    with market.open() as world:
        seen = cloud(world).market(SEVENTEEN)
        counts = market.counts(world)
    names = {"g5.xlarge", "g5.2xlarge", "g6.xlarge", "p5.48xlarge", "trn1.2xlarge", "g9.xlarge"}
    assert {p.instance_type for p in seen.prices} == set(seen.types) == names
    assert len(seen.prices) == len(names) * 34
    assert set(seen.on_demand) == {(r, t) for r in SEVENTEEN for t in names}
    assert counts["DescribeSpotPriceHistory"] == 17
    # The GPU types of each region; those of Amazon's own chips in one for all; what a listing lacks by type.
    assert counts["GetProducts"] <= 17 + 1 + 2
    assert counts["DescribeInstanceTypes"] == 1  # by wildcard


@pytest.mark.parametrize("given", [["g5.xlarge"], [], ["g5.*", "m5.large"], ["trn*"]])
def test_with_warm_caches_each_region_is_asked_once(cloud, given):
    """What was asked before is not asked again: one call for each region, all at once, and the ages are told."""
    market = Marketplace(SEVENTEEN)
    with market.open() as world:
        first = cloud(world).market(SEVENTEEN, given)
        del world.asked[:]
        market.together = Barrier(17)  # nobody is answered before all have asked
        again = cloud(world).market(SEVENTEEN, given)
        counts = market.counts(world)
    assert counts == {"DescribeSpotPriceHistory": 17}
    assert again.failed == {}
    assert (again.prices, again.types, again.on_demand) == (first.prices, first.types, first.on_demand)
    assert again.interruption == first.interruption
    whats = {"on-demand prices", "instance types"} | ({"interruption rates"} if first.interruption else set())
    assert {age.what for age in again.ages} == whats


def test_refresh_asks_everything_anew(cloud):
    """With refresh no cached figure is used, and the new ones take their place."""
    market = Marketplace()
    with market.open() as world:
        cloud(world).market(market.regions, ["g5.xlarge"])
        market.usd["us-east-1", "g5.xlarge"] = "7"
        stale = cloud(world).market(market.regions, ["g5.xlarge"])
        fresh = cloud(world).market(market.regions, ["g5.xlarge"], refresh=True)
        later = cloud(world).market(market.regions, ["g5.xlarge"])
    pair = ("us-east-1", "g5.xlarge")
    assert [s.on_demand[pair] for s in (stale, fresh, later)] == [Decimal(1), Decimal(7), Decimal(7)]
    assert fresh.ages == ()


def test_caches_expire(cloud, clock):
    """On-demand prices and types are asked again after seven days, rates after one, Spot prices always."""
    market = Marketplace()
    with market.open() as world:
        cloud(world).market(market.regions, ["g5.xlarge"])
        asked = []
        for days in (0.9, 0.2, 5.8, 0.2):
            clock.at += timedelta(days=days)
            del world.asked[:]
            cloud(world).market(market.regions, ["g5.xlarge"])
            asked.append(set(market.counts(world)))
    spot = "DescribeSpotPriceHistory"
    assert asked == [{spot}, {spot, FEED}, {spot, FEED}, {spot, "GetProducts", "DescribeInstanceTypes"}]


def test_without_a_store_nothing_is_kept(cloud):
    """A Cloud without a cache asks everything every time."""
    market = Marketplace()
    with market.open() as world:
        for _ in range(2):
            seen = cloud(world, keep=False).market(market.regions, ["g5.xlarge"])
    assert market.counts(world)["GetProducts"] == 2
    assert seen.ages == ()


def test_an_endpoint_without_wildcards(cloud):
    """Where EC2's filters know no wildcards, the names that botocore knows find their types all the same."""
    market = Marketplace()
    market.wildcards = False
    with market.open() as world:
        seen = cloud(world).market(market.regions, ["g?.xlarge"])
        everything = cloud(world).market(market.regions)
    assert {p.instance_type for p in seen.prices} == {"g5.xlarge", "g6.xlarge"}
    assert "p5.48xlarge" in everything.types


def test_more_values_than_a_filter_takes(cloud):
    """Above 200 names the filter is left out and the wanted types are picked here."""
    market = Marketplace()
    with market.open() as world:
        seen = cloud(world).market(market.regions, ["*"])
        spot = [asked for asked in world.asked if asked.action == "DescribeSpotPriceHistory"]
    assert {p.instance_type for p in seen.prices} == set(HARDWARE)
    assert not any(key.startswith("Filter") for asked in spot for key in asked.fields)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("g5.xlrage", "there is no instance type g5.xlrage (did you mean g5.xlarge?)"),
        ("g55.*", "no instance type matches g55.*"),
        ("x\x1b[2J", "there is no instance type x\\x1b[2J"),
        ("[a-z]5.large", "there is no instance type [a-z]5.large (did you mean"),
    ],
)
def test_what_names_no_type(cloud, given, told):
    """A name or wildcard that nobody knows is a usage error, with the name that was meant."""
    market = Marketplace()
    with market.open() as world, pytest.raises(UsageError) as caught:
        cloud(world).market(market.regions, ["g5.xlarge", given])
    assert caught.value.message.startswith(told)


def test_a_type_that_no_zone_sells(cloud):
    """A type that exists and has no price here is no error: it has no rows."""
    market = Marketplace()
    with market.open() as world:
        seen = cloud(world).market(market.regions, ["p3.2xlarge", "g5.xlarge"])
    assert {p.instance_type for p in seen.prices} == {"g5.xlarge"}


def test_live_line(cloud):
    """The regions that answered are counted as they come."""
    market, lines = Marketplace(), []
    with market.open() as world:
        cloud(world).market(market.regions, ["g5.xlarge"], show=lines.append)
    assert lines == ["prices: 1 of 2 regions", "prices: 2 of 2 regions"]


def test_known_regions(cloud, clock, tmp_path):
    """The regions are kept for a day, and never read with another key."""
    market = Marketplace()
    with market.open() as world:
        assert cloud(world).known_regions() == dict.fromkeys(market.regions, "opt-in-not-required")
        market.regions.append("ap-south-1")
        assert "ap-south-1" not in cloud(world).known_regions()
        other = Aws(region="us-east-1", endpoint=world.url, keys=("AKIDOTHER", "x"))
        assert (
            "ap-south-1" in Cloud(Hands(other, time.sleep, time.monotonic), Store(tmp_path / "cache")).known_regions()
        )
        assert "ap-south-1" not in cloud(world).known_regions()
        assert "ap-south-1" in cloud(world).known_regions(refresh=True)
        clock.at += timedelta(days=1, seconds=1)
        del world.asked[:]
        cloud(world).known_regions()
    assert market.counts(world) == {"DescribeRegions": 1}
    kept = (tmp_path / "cache" / "regions.json").read_text()
    assert KEYS[0] not in kept
    assert "AKIDOTHER" not in kept


def test_history_streams_every_page(cloud):
    """Each region's changes come page by page, one call of `keep` at a time; a region that fails is named."""
    market = Marketplace(["us-east-1", "eu-west-1", "ap-south-1"])
    market.denied("ap-south-1", "DescribeSpotPriceHistory")
    got, inside = [], []

    def keep(region, changes):
        inside.append(1)
        assert len(inside) == 1
        time.sleep(0.02)
        got.extend((region, change) for change in changes)
        inside.pop()

    with market.open() as world:
        start = datetime(2026, 11, 1, tzinfo=UTC)
        failed = cloud(world).spot_history(market.regions, ["g5.*"], start, keep)
        spot = [asked.fields for asked in world.asked]
    assert list(failed) == ["ap-south-1"]
    assert failed["ap-south-1"].exit_code == Exit.DENIED
    assert {(r, c.instance_type, c.zone) for r, c in got} == {
        (r, t, f"{r}{z}") for r in ("us-east-1", "eu-west-1") for t in ("g5.xlarge", "g5.2xlarge") for z in "ab"
    }
    assert {(c.at, c.usd) for _, c in got} == {(SINCE, Decimal("0.5"))}
    assert {(f["StartTime"], f["MaxResults"]) for f in spot} == {("2026-11-01T00:00:00Z", "1000")}


def test_history_of_no_type(cloud):
    """A history of what names no type is a usage error."""
    market = Marketplace()
    with market.open() as world, pytest.raises(UsageError):
        cloud(world).spot_history(market.regions, ["g5.xlrage"], SINCE, lambda *_: None)
