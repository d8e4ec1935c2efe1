"""DescribeSpotPriceHistory: the rows of many pools in AWS's order, newest first, page by page, and their XML.

A page is worked out alone, from what its token says: the moment of the first page, so that time may move between the
pages, and the place in the list. Written by hand, for moto's writer takes a hundred times as long for a row.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple
from xml.sax.saxutils import escape

from spotbox.sandbox.market import HISTORY, Market, Pool
from spotbox.sandbox.refusals import refusal
from spotbox.sandbox.series import DAY

PRODUCT = "Linux/UNIX"
PAGE = 1000  # rows of a page, at most and where nothing is said
_BEFORE = 0  # in the place of a day: the rows that were in force at the start, which come last


class Row(NamedTuple):
    """The price of a pool in USD/h from `at` on. Rows sort as AWS lists them once reversed."""

    at: datetime
    instance_type: str
    zone: str
    usd: Decimal

    @property
    def timestamp(self) -> str:
        """The time as AWS writes it, to the second."""
        return f"{self.at.isoformat()[:19]}.000Z"  # strftime takes ten times as long


class Place(NamedTuple):
    """Where a page begins: in the list of `now`, on a day (days since 1970), after so many of its rows."""

    now: datetime
    day: int | None = None
    skip: int = 0

    def token(self) -> str:
        """The place as text for NextToken."""
        text = f"{self.now.isoformat()} {self.day} {self.skip}"
        return urlsafe_b64encode(text.encode()).decode()


def place(token: str | None, now: datetime) -> Place:
    """Where the page of `token` begins; without one, at the top of the list of `now`. Raises Refusal."""
    if not token:
        return Place(now)
    try:
        moment, day, skip = urlsafe_b64decode(token.encode()).decode().split(" ")
        found = Place(datetime.fromisoformat(moment).astimezone(UTC), int(day), int(skip))
        if now - HISTORY <= found.now <= now and found.skip >= 0:
            return found
    except ValueError:
        pass
    raise refusal("InvalidNextToken", "The specified pagination token is not valid.")


def span(start: datetime | None, end: datetime | None, now: datetime) -> tuple[datetime, datetime] | None:
    """What is asked for, within the past 90 days; None where all of it lies before them."""
    oldest = now - HISTORY
    end = min(end or now, now)
    return None if end < oldest else (min(max(start or oldest, oldest), end), end)


def listing(
    market: Market, pools: Sequence[Pool], start: datetime, end: datetime, begin: Place
) -> Iterator[tuple[int, int, Row]]:
    """The rows from `begin` on, newest first, each with its day and its number in it.

    What was in force at `start` comes last: "the last price change before the start time" of every pool
    (API reference, DescribeSpotPriceHistory).
    """
    first, last = int(start.timestamp()) // DAY, int(end.timestamp()) // DAY
    if start < end and begin.day != _BEFORE:
        for day in range(last if begin.day is None else min(begin.day, last), first - 1, -1):
            rows = [Row(at, *pool, usd) for pool in pools for at, usd in market.day(*pool, day) if start < at <= end]
            for number, row in enumerate(sorted(rows, reverse=True)):
                if day != begin.day or number >= begin.skip:
                    yield day, number, row
    before = [Row(found[0], *pool, found[1]) for pool in pools if (found := market.in_force(*pool, start))]
    for number, row in enumerate(sorted(before, reverse=True)):
        if begin.day != _BEFORE or number >= begin.skip:
            yield _BEFORE, number, row


def page(
    rows: Iterator[tuple[int, int, Row]], now: datetime, size: int, wanted: Callable[[Row], bool]
) -> tuple[list[Row], str]:
    """The next `size` rows that are wanted, and the token of those after them; it is empty, not absent, at the end."""
    kept: list[Row] = []
    for day, number, row in rows:
        if wanted(row):
            if len(kept) == size:
                return kept, Place(now, day, number).token()
            kept.append(row)
    return kept, ""


def xml(rows: Sequence[Row], token: str, zone_ids: dict[str, str]) -> str:
    """The reply of the call."""
    items = "".join(
        f"<item><instanceType>{escape(row.instance_type)}</instanceType>"
        f"<productDescription>{PRODUCT}</productDescription><spotPrice>{row.usd:.6f}</spotPrice>"
        f"<timestamp>{row.timestamp}</timestamp><availabilityZone>{escape(row.zone)}</availabilityZone>"
        f"<availabilityZoneId>{escape(zone_ids[row.zone])}</availabilityZoneId></item>"
        for row in rows
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<DescribeSpotPriceHistoryResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>00000000-0000-0000-0000-000000000000</requestId><spotPriceHistorySet>{items}"
        f"</spotPriceHistorySet><nextToken>{escape(token)}</nextToken></DescribeSpotPriceHistoryResponse>"
    )
