"""What a box cost: answers worked out by hand, and the laws that hold for every price and every cut."""

from array import array
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotbox.core.cost import Cost, Disk, Life, Run, Tariff, cost_of, total_of
from spotbox.core.history import Pool, Series

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
POOL = Pool("g5.xlarge", "us-east-1a", "us-east-1")
DEMAND = {("us-east-1", "g5.xlarge"): Decimal("1.006")}


def hour(number):
    """So many hours after noon."""
    return NOON + timedelta(hours=number)


def series(*changes):
    """(hours after noon, USD) each."""
    times = [int(hour(at).timestamp()) for at, _ in changes]
    return Series(array("I", times), array("q", [int(Decimal(usd) * 10**10) for _, usd in changes]))


def tariff(*changes, on_demand=DEMAND, **more):
    """Spot prices of the pool, with on-demand, gp3 and address prices of us-east-1."""
    disk, address = {("us-east-1", "gp3"): Decimal("0.08")}, {"us-east-1": Decimal("0.005")}
    return Tariff(
        **{"spot": {POOL: series(*changes)}, "on_demand": on_demand, "disk": disk, "address": address, **more}
    )


def life(*runs, end=48, disks=(), **more):
    """A box since noon."""
    return Life("dev", NOON, hour(end), tuple(runs), disks=tuple(disks), **more)


def run(start, end, **more):
    """It ran between these hours."""
    return Run(hour(start), hour(end), POOL, **more)


def disk(start, end, size=100, kind="gp3"):
    """A volume between these hours."""
    return Disk("vol-1", hour(start), hour(end), size, kind, "us-east-1")


def figures(cost):
    """compute, on-demand and savings as they are shown."""
    return (round(cost.compute, 6), round(cost.on_demand, 6), cost.savings)


def test_price_changes():
    """Each second at the price in force: 2 h at 0.40, then 3 h at 0.50 is 2.30; on demand 5 h x 1.006 = 5.03."""
    cost = cost_of(life(run(0, 5)), tariff((-1, "0.40"), (2, "0.50"), (9, "9")))
    assert figures(cost) == (Decimal("2.30"), Decimal("5.03"), Decimal("54.27"))
    assert (cost.running, cost.complete) == (5, True)


def test_a_change_within_an_hour_counts_from_its_second():
    """Half an hour at 0.40 and half an hour at 0.60 is 0.50."""
    assert cost_of(life(run(0, 1)), tariff((-1, "0.40"), (0.5, "0.60"))).compute == Decimal("0.5")


def test_stops():
    """Stopped time costs the disk alone: 2 h + 4 h at 0.40 is 2.40; 100 GiB for 73 h of 730 at 0.08 is 0.80."""
    box = life(run(0, 2), run(10, 14), end=73, disks=[disk(0, 73)], stopped=((hour(2), hour(10)), (hour(14), hour(73))))
    cost = cost_of(box, tariff((-1, "0.40")))
    assert (cost.running, cost.stopped) == (6, 67)
    assert (cost.compute, cost.disk, cost.address) == (Decimal("2.4"), Decimal("0.8"), Decimal("0.03"))
    assert cost.total == Decimal("3.23")


@pytest.mark.parametrize(("minutes", "compute", "saved"), [
    (59, "0", "100.00"), (60, "0.40", "60.24"), (90, "0.60", "60.24"),
])  # fmt: skip
def test_an_interruption_in_the_first_hour_and_after_it(minutes, compute, saved):
    """AWS takes the box within its first hour: free. From the hour on every second counts, the first ones too."""
    cost = cost_of(life(run(0, minutes / 60, taken=True)), tariff((-1, "0.40")))
    assert round(cost.compute, 9) == Decimal(compute)
    assert cost.savings == Decimal(saved)
    assert cost.running == Decimal(minutes) / 60


def test_the_user_pays_for_the_first_hour():
    """A stop of the user's own after 59 minutes is charged, and so is an on-demand instance that AWS stops."""
    assert cost_of(life(run(0, 0.5)), tariff((-1, "0.40"))).compute == Decimal("0.2")
    bought = cost_of(life(run(0, 0.5, taken=True, spot=False)), tariff((-1, "0.40")))
    assert (bought.compute, bought.savings) == (Decimal("0.503"), Decimal("0.00"))


def test_a_run_whose_start_is_not_known_has_no_free_hour():
    """Where only its end is known, it may have run for days: nothing is given away."""
    assert cost_of(life(run(0, 0.5, began=False, taken=True)), tariff((-1, "0.40"))).compute == Decimal("0.2")


def test_a_minute_at_least_for_each_start():
    """Three starts of 20 s each cost three minutes: 0.05 h at 0.60 is 0.03."""
    third = 20 / 3600
    box = life(run(0, third), run(1, 1 + third), run(2, 2 + third))
    cost = cost_of(box, tariff((-1, "0.60")))
    assert (round(cost.compute, 9), round(cost.running, 6)) == (Decimal("0.03"), Decimal("0.016667"))


def test_older_than_the_price_history():
    """Hours before the first price that AWS tells have no price: not counted, said, and never invented."""
    cost = cost_of(life(run(0, 10)), tariff((4, "0.50")))
    assert (cost.compute, cost.on_demand, cost.unpriced) == (Decimal(3), Decimal("6.036"), Decimal(4))
    assert (cost.complete, cost.savings) == (False, Decimal("50.30"))


def test_no_price_at_all():
    """Then compute is unknown, not nought; the disk is counted still."""
    cost = cost_of(life(run(0, 10), disks=[disk(0, 73)], end=73), tariff(spot={}))
    assert (cost.compute, cost.on_demand, cost.savings, cost.unpriced) == (None, None, None, 10)
    assert (cost.disk, cost.complete) == (Decimal("0.8"), False)


def test_no_on_demand_price():
    """Savings are unknown; what Spot cost is not."""
    cost = cost_of(life(run(0, 2)), tariff((-1, "0.40"), on_demand={}))
    assert (cost.compute, cost.on_demand, cost.savings, cost.complete) == (Decimal("0.8"), None, None, False)


def test_a_box_that_never_ran():
    """A request that waits costs nothing, and saves nothing."""
    cost = cost_of(life(), tariff())
    assert (cost.compute, cost.disk, cost.on_demand, cost.savings) == (0, 0, 0, None)
    assert cost.complete


def test_unknown_time_is_no_cost_and_no_nought():
    """Of a box whose every hour is unknown compute is unknown; beside a known run it is what is known."""
    dark = ((hour(0), hour(4)),)
    cost = cost_of(life(end=4, unknown=dark), tariff((-1, "0.40")))
    assert (cost.compute, cost.running, cost.unknown, cost.complete) == (None, 0, 4, False)
    cost = cost_of(life(run(4, 5), end=5, unknown=dark), tariff((-1, "0.40")))
    assert (cost.compute, cost.unknown, cost.complete) == (Decimal("0.4"), 4, False)
    assert cost_of(life(run(4, 5), end=5, unknown=dark), tariff((-1, "0.40")), hour(4)).complete


def test_provisioned_volumes_are_not_counted():
    """io2 costs mostly by its IOPS, which are not known here: not counted, and said."""
    cost = cost_of(life(end=73, disks=[disk(0, 73), disk(0, 73, kind="io2")]), tariff())
    assert (cost.disk, cost.complete, cost.lacking) == (Decimal("0.8"), False, {"disk"})


def test_a_box_that_fell_back_to_on_demand():
    """A Spot run and one on demand: each at its own price, savings over both."""
    cost = cost_of(life(run(0, 10), run(20, 30, spot=False)), tariff((-1, "0.503")))
    assert figures(cost) == (Decimal("15.09"), Decimal("20.12"), Decimal("25.00"))


def test_the_sum_of_two_boxes():
    """What is unknown of one is not counted in the sum, which says that it is not complete."""
    known, dark = Cost(Decimal(1), compute=Decimal(1), disk=Decimal(2)), Cost(disk=Decimal(3), complete=False)
    whole = total_of([known, dark])
    assert (whole.compute, whole.disk, whole.address, whole.complete) == (1, 5, None, False)


USD = st.decimals(min_value="0.0001", max_value="100", places=4)
HOURS = st.integers(0, 100 * 3600).map(lambda second: second / 3600)


@st.composite
def lives(draw):
    """A box with runs one after the other, a disk, times unknown, and prices that move."""
    cuts = sorted(draw(st.sets(st.integers(0, 100 * 3600), min_size=2, max_size=9)))
    runs = [
        Run(NOON + timedelta(seconds=a), NOON + timedelta(seconds=b), POOL, taken=draw(st.booleans()),
            spot=draw(st.booleans()))
        for a, b in list(pairwise(cuts))[::2] if b - a > 60
    ]  # fmt: skip
    at = sorted(draw(st.sets(st.integers(-10, 90), min_size=1, max_size=6)))
    prices = [(hours, draw(USD)) for hours in at]
    return life(*runs, end=100, disks=[disk(0, 100)], unknown=((hour(90), hour(91)),)), prices


SUMS = ("running", "stopped", "unknown", "unpriced", "compute", "disk", "address", "on_demand", "against")


@settings(max_examples=60, deadline=None)
@given(lives(), HOURS)
def test_a_cut_changes_nothing(box_and_prices, cut):
    """A time cut in two costs what it costs whole, to far below a cent."""
    box, prices = box_and_prices
    prices = tariff(*prices)
    parts = total_of([cost_of(box, prices, NOON, hour(cut)), cost_of(box, prices, hour(cut), hour(200))])
    whole = cost_of(box, prices, NOON, hour(200))
    for name in SUMS:
        one, other = getattr(whole, name) or Decimal(0), getattr(parts, name) or Decimal(0)
        assert abs(one - other) < Decimal("1e-9"), name


@settings(max_examples=60, deadline=None)
@given(lives(), USD)
def test_a_higher_price_never_costs_less(box_and_prices, more):
    """Every price raised: compute does not fall, and what on demand would have cost stays."""
    box, prices = box_and_prices
    one, other = (cost_of(box, tariff(*changes)) for changes in (prices, [(at, usd + more) for at, usd in prices]))
    assert (other.compute or 0) >= (one.compute or 0)
    assert other.on_demand == one.on_demand


@settings(max_examples=60, deadline=None)
@given(lives())
def test_savings_are_at_most_all_of_it(box_and_prices):
    """Nothing saves more than 100 %."""
    box, prices = box_and_prices
    saved = cost_of(box, tariff(*prices)).savings
    assert saved is None or saved <= 100


@settings(max_examples=60, deadline=None)
@given(lives())
def test_on_demand_alone_saves_nothing(box_and_prices):
    """A box that was on demand all the time saved 0.00 %, or has nothing to compare."""
    box, prices = box_and_prices
    box = replace(box, runs=tuple(replace(each, spot=False) for each in box.runs))
    assert cost_of(box, tariff(*prices)).savings in (None, Decimal(0))
