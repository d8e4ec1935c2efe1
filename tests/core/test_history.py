"""Changes of Spot prices kept small, and what they say of a bid."""

import tracemalloc
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.core.history import History, Pool, Step, Summary, records
from spotbox.core.market import Change

START = datetime(2026, 11, 1, tzinfo=UTC)
END = START + timedelta(hours=100)
POOL = Pool("g5.xlarge", "us-east-1a", "us-east-1")


def changes(*pairs, zone="us-east-1a"):
    """Changes at so many hours from the start of the window."""
    return [
        Change("g5.xlarge", zone, START + timedelta(hours=hours), None if usd is None else Decimal(usd))
        for hours, usd in pairs
    ]


def series(*pairs):
    """The series of these changes."""
    history = History()
    history.add("us-east-1", changes(*pairs))
    return history.series(POOL)


def test_the_change_before_the_window_counts_from_its_start():
    """AWS gives the price that was in force at the start with the time when it came into force."""
    first = int(START.timestamp())
    assert series((-50, "0.4"), (10, "0.5")).steps(START, END) == [
        Step(first, first + 10 * 3600, Decimal("0.4")),
        Step(first + 10 * 3600, first + 100 * 3600, Decimal("0.5")),
    ]


def test_only_the_last_change_before_the_window_counts():
    """What was in force before that one was over at the start."""
    assert series((-50, "9"), (-20, "0.4")).summary(START, END) == Summary(*[Decimal("0.4")] * 4)


def test_prices_are_weighed_by_time():
    """A price of one hour is no median of a hundred; the change at the very end is the price now."""
    found = series((0, "0.5"), (1, "0.4"), (60, "0.6"), (100, "0.7")).summary(START, END)
    assert found == Summary(Decimal("0.4"), Decimal("0.4"), Decimal("0.6"), Decimal("0.7"))


def test_the_share_that_a_bid_held():
    """Hours at or below the bid by hours known."""
    past = series((0, "0.5"), (25, "0.4"), (75, "0.6"))
    assert past.held(Decimal("0.5"), START, END) == Decimal("75.0")
    assert past.held(Decimal("0.4"), START, END) == Decimal("50.0")
    assert past.held(Decimal("0.39"), START, END) == 0
    assert past.held(Decimal("0.6"), START, END) == 100
    assert past.held(None, START, END) is None


def test_almost_all_is_not_all():
    """99.97 % is no 100.0 %, and 0.01 % is not nothing."""
    start, end = START, START + timedelta(hours=10000)
    history = History()
    history.add("us-east-1", changes((0, "0.4"), (9999, "0.9")))
    assert history.series(POOL).held(Decimal("0.5"), start, end) == Decimal("99.9")
    history = History()
    history.add("us-east-1", changes((0, "0.9"), (9999, "0.4")))
    assert history.series(POOL).held(Decimal("0.5"), start, end) == Decimal("0.1")


def test_what_is_unknown_is_not_counted():
    """Time before the first change, and time at a figure that is no price, are no hours of the share."""
    past = series((50, "0.4"), (75, None), (90, "0.6"))
    assert past.held(Decimal("0.5"), START, END) == Decimal("71.4")  # 25 of 35 hours
    assert past.steps(START, END)[1].price is None
    assert past.summary(START, END) == Summary(Decimal("0.4"), Decimal("0.4"), Decimal("0.6"), Decimal("0.6"))


def test_a_price_now_that_is_not_believed():
    """The price now is unknown where the last figure cannot be a price, whatever there was before."""
    assert series((0, "0.4"), (50, None)).summary(START, END).now is None


def test_nothing_known_is_unknown():
    """No change at all, or all of them after the window: nothing is invented."""
    for past in (series(), series((200, "0.4"))):
        assert past.summary(START, END) == Summary(None, None, None, None)
        assert past.held(Decimal(1), START, END) is None


PAIRS = st.lists(
    st.tuples(st.integers(-50, 150), st.one_of(st.none(), st.integers(1, 9).map(lambda n: f"0.{n}"))), max_size=12
)


@given(PAIRS, st.randoms())
def test_order_and_repeats_change_nothing(pairs, random):
    """Pages come side by side, and the same row twice: the series is the same."""
    again = pairs + pairs[: len(pairs) // 2]
    random.shuffle(again)
    assert list(series(*pairs).changes()) == list(series(*again).changes())


@given(PAIRS, st.integers(1, 9), st.integers(1, 9))
def test_laws_of_the_share_and_the_summary(pairs, one, other):
    """A higher bid never holds for less; the highest price holds always; min <= median <= max."""
    past = series(*pairs)
    low, high = sorted((Decimal(one) / 10, Decimal(other) / 10))
    told = past.summary(START, END)
    if told.least is None:
        assert past.held(high, START, END) is None
        return
    assert 0 <= past.held(low, START, END) <= past.held(high, START, END) <= 100
    assert told.least <= told.median <= told.most
    assert past.held(told.most, START, END) == 100
    assert past.held(told.median, START, END) >= 50
    assert past.held(told.least - Decimal("0.01"), START, END) == 0


@given(PAIRS)
def test_the_steps_cover_the_known_time_once(pairs):
    """Steps follow each other without a gap, end with the window, and neighbours differ."""
    steps = series(*pairs).steps(START, END)
    for one, other in pairwise(steps):
        assert one.end == other.start
        assert one.price != other.price
        assert one.start < one.end
    if steps:
        assert START.timestamp() <= steps[0].start
        assert steps[-1].end == END.timestamp()


@given(st.decimals("0.0001", "2000", places=10))
def test_a_price_comes_out_as_it_went_in(price):
    """Ten decimals are kept exactly."""
    assert next(series((0, price)).changes())[1] == price


def test_records_go_by_pool_and_time():
    """One record a change with the contract's keys; the time is AWS's own, even before the window."""
    history = History()
    history.add("us-east-1", changes((5, "0.5260000000"), (-1, "0.4"), zone="us-east-1b"))
    history.add("us-east-1", changes((3, None)))
    assert list(records(history, history.pools())) == [
        {"instance_type": "g5.xlarge", "zone": "us-east-1a", "timestamp": "2026-11-01T03:00:00Z", "spot": None},
        {"instance_type": "g5.xlarge", "zone": "us-east-1b", "timestamp": "2026-10-31T23:00:00Z", "spot": 0.4},
        {"instance_type": "g5.xlarge", "zone": "us-east-1b", "timestamp": "2026-11-01T05:00:00Z", "spot": 0.526},
    ]


def test_many_changes_stay_small():
    """A tenth of 90 days of 40 types in 17 regions stays below a tenth of 25 MB."""
    history, usd = History(), Decimal("0.5")
    tracemalloc.start()
    try:
        for number in range(200):
            history.add("us-east-1", (Change("g5", str(number), START + timedelta(n), usd) for n in range(350)))
        assert len(history) == 70_000
        assert tracemalloc.get_traced_memory()[0] < 2_500_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("year", [1, 1969, 2107, 9999])
def test_a_time_that_no_price_has(year):
    """A change at a time that cannot be is left out, and the others are told."""
    history = History()
    history.add("r", [Change("g", "ra", datetime(year, 6, 1, tzinfo=UTC), Decimal(1))])
    history.add("r", [Change("g", "ra", datetime(2026, 6, 1, tzinfo=UTC), Decimal(2))])
    assert [price for _, price in history.series(Pool("g", "ra", "r")).changes()] == [Decimal(2)]
