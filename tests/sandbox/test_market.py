"""Prices, capacity, quotas and the refusals that follow from them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.sandbox import quotas
from spotbox.sandbox.catalogue import TYPES
from spotbox.sandbox.market import SEED, Market, seed_from_environment
from spotbox.sandbox.refusals import Refusal
from spotbox.sandbox.world import SpotOptions

from .fakes import G5, ZONE, Stage, Wish

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


SPOT = SpotOptions("persistent", "stop")


def refused(call, *args):
    with pytest.raises(Refusal) as caught:
        call(*args)
    return caught.value


def place(stage, options=SPOT, zone=ZONE, name=G5):
    return stage.world.place(name, "us-east-1", zone, options)


def test_no_spot_capacity_is_a_server_error(stage):
    """InsufficientInstanceCapacity comes with HTTP 500."""
    stage.market.closed.add((G5, ZONE))
    error = refused(place, stage)
    assert (error.code, error.http) == ("InsufficientInstanceCapacity", 500)
    assert error.message == "There is no Spot capacity available that matches your request."


def test_no_on_demand_capacity_names_other_zones(stage):
    """On-Demand says which zones have some."""
    stage.market.closed.add((G5, ZONE))
    assert "or choosing us-east-1b." in refused(place, stage, None).message


def test_without_a_zone_one_that_has_capacity_is_taken(stage):
    """No zone asked for: a closed one is passed over."""
    stage.market.closed.add((G5, ZONE))
    assert place(stage, zone=None) == "us-east-1b"


def test_a_bid_below_the_price(stage):
    """SpotMaxPriceTooLow names both prices."""
    price = stage.market.price(G5, ZONE, stage.clock.now)
    error = refused(place, stage, SpotOptions("persistent", "stop", Decimal("0.01")))
    assert (error.code, error.http) == ("SpotMaxPriceTooLow", 400)
    assert "price of 0.01 is lower than" in error.message
    assert error.message.endswith(f"Spot request fulfillment price of {price}.")


def test_a_zone_without_the_type(stage):
    """Unsupported names the zones that do offer it."""
    error = refused(place, stage, None, "us-east-1e")
    assert error.code == "Unsupported"
    assert "choosing us-east-1a, us-east-1b" in error.message


@pytest.mark.parametrize("spot", [True, False])
def test_quotas_count_running_and_waiting(stage, spot):
    """Sixteen g5.xlarge fill 64 vCPU; stopped ones do not count, open requests do."""
    options = SpotOptions("persistent", "stop") if spot else None
    code = "MaxSpotInstanceCountExceeded" if spot else "VcpuLimitExceeded"
    boxes = [stage.run() if spot else (stage.on_demand(), None) for _ in range(15)]
    assert place(stage, options) == ZONE
    boxes.append(stage.run() if spot else (stage.on_demand(), None))
    assert refused(place, stage, options).code == code
    stage.after(3)
    stage.spot.stop(boxes[0][0])
    stage.after(3)
    assert place(stage, options) == ZONE
    if spot:
        stage.market.closed.add((G5, ZONE))
        stage.submit()
        assert refused(place, stage, options).code == code


def test_families_have_quotas_of_their_own(stage):
    """A full G quota leaves P4 alone."""
    for _ in range(16):
        stage.run()
    assert place(stage, name="p3.2xlarge") == ZONE


def test_every_type_has_a_spot_and_an_on_demand_quota():
    """No type of the catalogue falls between the quotas."""
    for name in TYPES:
        assert quotas.quota_of(name, True).spot
        assert not quotas.quota_of(name, False).spot


@given(
    name=st.sampled_from(sorted(name for name, row in TYPES.items() if row.spot_fraction)),
    zone=st.sampled_from(["us-east-1a", "us-east-1b", "eu-west-1a"]),
    days=st.integers(0, 90),
    span=st.integers(0, 40),
)
def test_history_law(name, zone, days, span):
    """History is newest first, within the span but for one row before it, and its rows are the prices in force."""
    market = Stage().market
    end = NOW - timedelta(days=days)
    start = end - timedelta(days=span)
    rows = market.history(name, zone, start, end)
    times = [at for at, _ in rows]
    assert times == sorted(times, reverse=True)
    assert times[-1] <= start
    assert all(start < at <= end for at in times[:-1])
    assert rows[0][1] == market.price(name, zone, end)
    assert all(0 < price <= market.on_demand(name, zone[:-1]) for _, price in rows)


def test_start_now_is_one_row(stage):
    """With StartTime now, exactly the price in force is told."""
    assert len(stage.market.history(G5, ZONE, NOW, NOW)) == 1


def test_a_price_set_by_hand_stays(stage):
    """A set price is in force from then on, and the history before it is untouched."""
    before = stage.market.history(G5, ZONE, NOW - timedelta(days=3), NOW)
    stage.market.set_price(G5, ZONE, Decimal("0.77"), NOW)
    later = NOW + timedelta(days=5)
    assert stage.market.price(G5, ZONE, later) == Decimal("0.77")
    assert stage.market.history(G5, ZONE, NOW - timedelta(days=3), later)[1:] == before


def test_pools_differ(stage):
    """Zones of a region have prices of their own, the same in every process."""
    prices = {zone: stage.market.price(G5, zone, NOW) for zone in ("us-east-1a", "us-east-1b", "eu-west-1a")}
    assert len(set(prices.values())) == 3
    assert prices == {zone: Stage().market.price(G5, zone, NOW) for zone in prices}


def test_a_wish_for_an_unknown_type_is_no_pool(stage):
    """A type that the sandbox does not sell is offered nowhere."""
    assert stage.market.zones("x9.large", "us-east-1") == []
    assert Wish().instance_type in TYPES


def test_another_seed_is_another_market():
    """Seeds have prices of their own, and each always the same."""
    prices = [Market(lambda *_: [ZONE], seed).price(G5, ZONE, NOW) for seed in ("a", "b", "a")]
    assert prices[0] == prices[2] != prices[1]


def test_the_seed_comes_from_the_environment(monkeypatch):
    """SPOTBOX_SANDBOX_SEED is any text; without it the seed is fixed."""
    monkeypatch.setenv("SPOTBOX_SANDBOX_SEED", "Donau 7")
    assert seed_from_environment() == "Donau 7"
    monkeypatch.delenv("SPOTBOX_SANDBOX_SEED")
    assert seed_from_environment() == SEED


def test_some_large_pools_are_not_on_spot(stage):
    """A zone may offer a large type without a Spot price; a small type has one in every zone."""
    zones = [f"us-east-1{letter}" for letter in "abcdef"]
    market = Market(lambda *_: zones)
    missing = [
        (n, z) for n in TYPES for z in zones if TYPES[n].spot_fraction and z not in market.spot_zones(n, "us-east-1")
    ]
    assert 5 < len(missing) < 60
    assert all(TYPES[name].vcpus >= 48 for name, _ in missing)


def test_a_type_that_is_never_sold_on_spot(stage):
    """No zone has a Spot price of it and a Spot launch is refused; On-Demand launches it."""
    assert stage.market.zones("t2.nano", "us-east-1")
    assert stage.market.spot_zones("t2.nano", "us-east-1") == []
    assert stage.market.history("t2.nano", ZONE, NOW - timedelta(days=9), NOW) == []
    error = refused(place, stage, SPOT, None, "t2.nano")
    assert (error.code, error.message) == (
        "Unsupported",
        "The instance type 't2.nano' is not supported for Spot Instances.",
    )
    assert place(stage, None, name="t2.nano") == ZONE


def test_a_price_by_hand_opens_a_pool():
    """A pool that is not on offer is, from the moment its price is set; before that it has no history."""
    market = Market(lambda *_: ["us-east-1a"])
    assert market.zones("g3.4xlarge", "us-east-1") == ["us-east-1a"]
    market.set_price("g3.4xlarge", "us-east-1d", Decimal("0.5"), NOW)
    assert market.spot_zones("g3.4xlarge", "us-east-1") == ["us-east-1a", "us-east-1d"]
    assert market.in_force("g3.4xlarge", "us-east-1d", NOW - timedelta(seconds=1)) is None
    later = NOW + timedelta(days=3)
    assert market.history("g3.4xlarge", "us-east-1d", NOW - timedelta(days=30), later) == [(NOW, Decimal("0.5"))]


def test_on_demand_by_hand_caps_what_moves():
    """A lower on-demand price is the new ceiling of the series; elsewhere nothing changes."""
    market = Market(lambda *_: [ZONE])
    before = market.price(G5, ZONE, NOW), market.price(G5, "us-west-2a", NOW)
    market.set_on_demand[(G5, "us-east-1")] = Decimal("0.1")
    assert market.price(G5, ZONE, NOW) == market.on_demand(G5, "us-east-1") == Decimal("0.1") < before[0]
    assert market.price(G5, "us-west-2a", NOW) == before[1]


def test_a_bid_is_overtaken_by_a_price_that_moves_by_itself():
    """A box whose bid the moving price passes is interrupted by price, and comes back when the price is down again."""
    stage = Stage()
    market = stage.market
    hours = [stage.clock.now + timedelta(hours=n) for n in range(24 * 60)]
    prices = [market.price(G5, ZONE, at) for at in hours]
    low, up, down = next(
        (n, n + 1, n + k) for n in range(len(hours)) for k in (6, 7, 8) if prices[n + k] <= prices[n] < prices[n + 1]
    )
    bid = prices[low]
    stage.clock.now = hours[low]
    box, request = stage.running(bid=str(bid))
    stage.clock.now = hours[up]
    stage.after(stage.pace.notice + 3)
    assert (box.state, request.code) == ("stopped", "instance-stopped-by-price")
    stage.clock.now = hours[down]
    stage.after(stage.pace.retry + 3)
    assert (box.state, request.code) == ("running", "fulfilled")
