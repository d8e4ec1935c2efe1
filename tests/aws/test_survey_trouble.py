"""A survey of the market where regions fail, refuse or hang, answers are not AWS's, and caches are damaged."""

import socket
import time
from contextlib import closing
from decimal import Decimal

import pytest

from spotbox.aws.cloud import Cloud
from spotbox.aws.hands import Hands
from spotbox.aws.session import Aws
from spotbox.core.errors import Exit, SpotboxError
from tests.aws.endpoint import KEYS
from tests.aws.marketplace import FEED, Marketplace


@pytest.mark.parametrize("usd", ["0.0000000000", "-1", "99999", "NaN", "soon", ""])
def test_an_unbelievable_price_is_unknown(cloud, usd):
    """A figure that cannot be a price is shown as unknown; the others stand."""
    market = Marketplace()
    market.prices["us-east-1", "a", "g5.xlarge"] = usd
    with market.open() as world:
        seen = cloud(world).market(["us-east-1"], ["g5.xlarge"])
    assert {p.zone: p.usd for p in seen.prices} == {"us-east-1a": None, "us-east-1b": Decimal("0.5")}


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "AuthFailure", "InternalError"])
def test_one_region_that_fails(cloud, code):
    """One region's refusal is kept with its reason; the others answer."""
    market = Marketplace()
    market.denied("eu-west-1", "DescribeSpotPriceHistory", code)
    with market.open() as world:
        seen = cloud(world).market(market.regions, ["g5.xlarge"])
    assert seen.regions == ("us-east-1",)
    assert list(seen.failed) == ["eu-west-1"]
    assert {p.region for p in seen.prices} == {"us-east-1"}


@pytest.mark.parametrize(
    ("codes", "exit_code"),
    [
        (["UnauthorizedOperation", "AuthFailure"], Exit.DENIED),
        (["UnauthorizedOperation", "RequestLimitExceeded"], Exit.FAILED),
        (["InvalidParameterValue", "InvalidParameterValue"], Exit.FAILED),
    ],
)
def test_all_regions_fail(cloud, codes, exit_code):
    """Where no region answers the survey fails: 5 if all refused, else 1."""
    market = Marketplace()
    for region, code in zip(market.regions, codes, strict=True):
        market.denied(region, "DescribeSpotPriceHistory", code)
    with market.open() as world, pytest.raises(SpotboxError) as caught:
        cloud(world).market(market.regions, ["g5.xlarge"])
    assert caught.value.exit_code == exit_code
    assert caught.value.message.startswith("no region gave its prices: ")


@pytest.mark.slow
def test_dead_and_broken_regions_cost_seconds(cloud):
    """A region that hangs up, and one that never answers, are given up within seconds; the others are there."""
    market = Marketplace(["us-east-1", "eu-west-1", "ap-south-1"])
    market.refused["eu-west-1", "DescribeSpotPriceHistory"] = (0, "")
    market.slow["ap-south-1"] = 20
    with market.open() as world:
        began = time.monotonic()
        seen = cloud(world).market(market.regions, ["g5.xlarge"])
    assert time.monotonic() - began < 19.5
    assert set(seen.failed) == {"eu-west-1", "ap-south-1"}
    assert "did not answer in time" in seen.failed["ap-south-1"].message
    assert {p.region for p in seen.prices} == {"us-east-1"}


def test_a_closed_port_is_one_remark_for_all():
    """Where nothing listens at all, the survey says that AWS cannot be reached (exit 1)."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    aws = Aws(region="us-east-1", endpoint=f"http://127.0.0.1:{port}", keys=KEYS)
    with pytest.raises(SpotboxError) as caught:
        Cloud(Hands(aws, time.sleep, time.monotonic)).market(["us-east-1"], ["g5.xlarge"])
    assert (caught.value.exit_code, caught.value.message[:24]) == (Exit.FAILED, "AWS cannot be reached: C")


def test_what_is_told_beside_prices_may_be_denied(cloud):
    """Without on-demand prices, types and rates the Spot prices stand; a remark names each permission and reason."""
    market = Marketplace()
    market.denied("", "GetProducts")
    market.denied("", "DescribeInstanceTypes")
    market.refused["", FEED] = (503, "busy")
    with market.open() as world:
        seen = cloud(world).market(market.regions, ["g5.xlarge"])
        counts = market.counts(world)
    assert len(seen.prices) == 4
    assert (seen.types, seen.on_demand, seen.interruption) == ({}, {}, {})
    told = "\n".join(seen.remarks)
    assert "pricing:GetProducts" in told
    assert "ec2:DescribeInstanceTypes" in told
    assert "HTTP 503" in told
    assert counts["GetProducts"] == 1
    assert cloud(world)._store.read("on-demand") == {}  # a refusal is not kept


def test_damaged_caches_are_rebuilt(cloud, tmp_path):
    """Entries of another shape are asked again without a word."""
    market = Marketplace()
    with market.open() as world:
        whole = cloud(world).market(market.regions, ["g5.xlarge"])
        for path in (tmp_path / "cache").glob("*.json"):
            text = path.read_text()
            strange = '{"us-east-1": 5, "g5.xlarge": 5, "spot_advisor": 5, "asked": 5}'
            for junk in (strange, text.replace("2026", "2999"), text[:-5]):
                path.write_text(junk)
                seen = cloud(world).market(market.regions, ["g5.xlarge"])
                assert (seen.prices, seen.on_demand, seen.types) == (whole.prices, whole.on_demand, whole.types)
                assert seen.interruption == whole.interruption


def test_an_answer_that_is_not_awss(cloud):
    """A page of a proxy in the place of an answer is one region's failure."""
    market = Marketplace()
    market.refused["eu-west-1", "DescribeSpotPriceHistory"] = (200, "<html>log in</html")
    with market.open() as world:
        seen = cloud(world).market(market.regions, ["g5.xlarge"])
    assert list(seen.failed) == ["eu-west-1"]


def test_a_price_list_that_hangs_up_is_asked_once(cloud):
    """A price list that does not answer is not asked again for what is missing: the table does not wait."""
    market = Marketplace()
    market.refused["", "GetProducts"] = (0, "")
    with market.open() as world:
        seen = cloud(world).market(market.regions, ["g5.xlarge"])
    assert len(seen.prices) == 4
    assert market.counts(world)["GetProducts"] == 2  # botocore's two attempts
    assert seen.remarks[0].startswith("on-demand prices are unknown: ")


def test_the_first_region_may_be_shut(cloud):
    """Where the region that is asked about types refuses, one that has prices is asked."""
    market = Marketplace()
    for action in ("DescribeSpotPriceHistory", "DescribeInstanceTypes"):
        market.denied("us-east-1", action)
    with market.open() as world:
        seen = cloud(world).market(market.regions, ["g5.xlarge"])
    assert list(seen.types) == ["g5.xlarge"]
    assert seen.remarks == ()
