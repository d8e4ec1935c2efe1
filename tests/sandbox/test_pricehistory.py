"""The list of price changes: AWS's order, its pages, and what a token pins."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from xml.dom.minidom import parseString

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.sandbox import pricehistory
from spotbox.sandbox.market import Market
from spotbox.sandbox.pricehistory import Row, place
from spotbox.sandbox.refusals import Refusal

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
POOLS = [(name, f"us-east-1{letter}") for name in ("g5.xlarge", "g6.xlarge", "p5.4xlarge") for letter in "abc"]


def every(row):
    return True


def pages(market, start, end, size, begin=NOW, between=lambda number: None, wanted=every):
    """All pages, as a caller gets them one after the other."""
    found, token, number = [], "", 0
    while True:
        at = place(token, begin + timedelta(minutes=number))
        rows = pricehistory.listing(market, POOLS, *pricehistory.span(start, end, at.now), at)
        page, token = pricehistory.page(rows, at.now, size, wanted)
        found.append(page)
        if not token:
            return found
        between(number)
        number += 1


@pytest.fixture
def market():
    return Market(lambda name, region: ["us-east-1a", "us-east-1b", "us-east-1c"])


def test_the_newest_comes_first_over_all_pools(market):
    """Rows are in order of time whatever their pool."""
    (rows,) = pages(market, NOW - timedelta(days=5), None, 1000)
    times = [row.at for row in rows]
    assert times == sorted(times, reverse=True)
    assert {(row.instance_type, row.zone) for row in rows} == set(POOLS)


def test_start_now_is_one_row_a_pool(market):
    """With StartTime now every pool has one row: its price in force."""
    (rows,) = pages(market, NOW, None, 1000)
    assert {(row.instance_type, row.zone): row.usd for row in rows} == {
        pool: market.price(*pool, NOW) for pool in POOLS
    }
    assert len(rows) == len(POOLS)


@pytest.mark.parametrize("size", [1, 7, 60, 1000])
def test_pages_hold_each_row_once_while_time_and_prices_move(market, size):
    """Time passes and prices are set between the pages; the list stays that of the first page's moment."""
    start = NOW - timedelta(days=4)
    (whole,) = pages(Market(market._offered), start, None, 10_000)

    def meanwhile(number):
        market.set_price(*POOLS[number % 9], Decimal("0.2"), NOW + timedelta(minutes=number + 1))
        market.set_price("t3.micro", "us-east-1a", Decimal("0.001"), NOW + timedelta(minutes=number + 1))

    found = pages(market, start, None, size, between=meanwhile)
    assert [row for page in found for row in page] == whole
    assert all(len(page) == size for page in found[:-1])


@given(back=st.integers(0, 90), span=st.integers(0, 20), size=st.integers(5, 400))
def test_pages_law(back, span, size):
    """For any span the pages together are each pool's history, sorted."""
    market = Market(lambda name, region: ["us-east-1a", "us-east-1b", "us-east-1c"])
    end = NOW - timedelta(days=back)
    start = max(end - timedelta(days=span), NOW - timedelta(days=90))
    found = [row for page in pages(market, start, end, size) for row in page]
    each = [Row(at, *pool, usd) for pool in POOLS for at, usd in market.history(*pool, start, end)]
    inside = sorted((row for row in each if row.at > start), reverse=True)
    assert found == inside + sorted((row for row in each if row.at <= start), reverse=True)


def test_rows_that_are_not_wanted_take_no_place(market):
    """A filter on rows thins the list, not the pages; the last page has no token."""
    found = pages(market, NOW - timedelta(days=9), None, 10, wanted=lambda row: row.zone == "us-east-1b")
    assert all(len(page) == 10 for page in found[:-1])
    assert {row.zone for page in found for row in page} == {"us-east-1b"}


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (None, None, (NOW - timedelta(days=90), NOW)),
        (NOW - timedelta(days=400), None, (NOW - timedelta(days=90), NOW)),
        (NOW - timedelta(days=400), NOW - timedelta(days=91), None),
        (NOW + timedelta(hours=1), None, (NOW, NOW)),
        (NOW - timedelta(days=1), NOW + timedelta(days=1), (NOW - timedelta(days=1), NOW)),
        (NOW - timedelta(days=1), NOW - timedelta(days=2), (NOW - timedelta(days=2), NOW - timedelta(days=2))),
    ],
)
def test_the_span_lies_within_the_past_ninety_days(start, end, found):
    """More than 90 days back is clipped, the future too (DescribeSpotPriceHistory: "the past 90 days")."""
    assert pricehistory.span(start, end, NOW) == found


@pytest.mark.parametrize("token", ["x", "nonsense", "e30=", place(None, NOW).token()[:-8], "ö"])
def test_a_token_that_is_none_is_refused(token):
    """InvalidNextToken, not a page of something."""
    with pytest.raises(Refusal) as refused:
        place(token, NOW)
    assert refused.value.code == "InvalidNextToken"


def test_a_token_of_another_day_is_refused():
    """A token from the future, or older than the history, is none of this sandbox's."""
    for moment in (NOW + timedelta(minutes=1), NOW - timedelta(days=91)):
        with pytest.raises(Refusal):
            place(pricehistory.Place(moment, 3, 4).token(), NOW)


def test_the_reply_is_well_formed_whatever_it_says():
    """What stands in a row is escaped; prices have six places, times no fraction."""
    row = Row(NOW + timedelta(microseconds=7), "a<b>&c", "z'\"", Decimal("1.5"))
    text = pricehistory.xml([row], "t&k", {"z'\"": "<id>"})
    leaves = [node for node in parseString(text).getElementsByTagName("*") if node.firstChild.nodeType == 3]  # noqa: S318
    values = [node.firstChild.data for node in leaves]
    assert values == [
        "00000000-0000-0000-0000-000000000000",
        "a<b>&c",
        "Linux/UNIX",
        "1.500000",
        "2026-11-22T03:00:00.000Z",
        "z'\"",
        "<id>",
        "t&k",
    ]
