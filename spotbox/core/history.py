"""The past of Spot prices: many changes kept small, and what they say about a bid."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import accumulate
from typing import Any, NamedTuple

from spotbox.core.market import Change
from spotbox.core.offers import iso, usd

KEYS = ("instance_type", "zone", "timestamp", "spot")
MOST_DAYS = 90  # AWS keeps no more (EC2 API Reference, DescribeSpotPriceHistory)
_UNIT = Decimal(10) ** 10  # AWS writes prices with ten decimals
_UNKNOWN = -1
_LAST = 2**32  # seconds of the epoch, in 2106: what lies beyond does not fit, and is no time of a price
_TENTH = Decimal("0.1")


class Pool(NamedTuple):
    """One instance type in one zone."""

    instance_type: str
    zone: str
    region: str


class Step(NamedTuple):
    """A price and the seconds (of the epoch) in which it was in force; None where it is not known."""

    start: int
    end: int
    price: Decimal | None


@dataclass(frozen=True)
class Summary:
    """USD per hour over a window, each price weighed by how long it was in force; None where nothing is known."""

    least: Decimal | None
    median: Decimal | None
    most: Decimal | None
    now: Decimal | None  # in force at the end of the window


class Series:
    """The changes of one pool by time."""

    def __init__(self, times: Sequence[int], prices: Sequence[int]):
        self._times, self._prices = times, prices

    def __len__(self) -> int:
        return len(self._times)

    def changes(self) -> Iterator[tuple[datetime, Decimal | None]]:
        """Every change: when, and to what."""
        for at, price in zip(self._times, self._prices, strict=True):
            yield datetime.fromtimestamp(at, UTC), _decimal(price)

    def steps(self, start: datetime, end: datetime) -> list[Step]:
        """What was in force from `start` to `end`: the last change before `start` counts from there, and before the
        first one nothing is known."""
        return [Step(begin, stop, _decimal(price)) for begin, stop, price in self._spans(start, end)]

    def _spans(self, start: datetime, end: datetime) -> Iterator[tuple[int, int, int]]:
        """The steps with their prices as they are packed; those that follow each other differ in price."""
        first, last = int(start.timestamp()), int(end.timestamp())
        begin = stop = price = 0
        for i in range(max(0, bisect_right(self._times, first) - 1), len(self._times)):
            after = min(last, self._times[i + 1] if i + 1 < len(self._times) else last)
            if after <= first or self._times[i] >= last:
                continue
            if stop > begin and price != self._prices[i]:
                yield begin, stop, price
            if stop == begin or price != self._prices[i]:
                begin = max(first, self._times[i])
            stop, price = after, self._prices[i]
        if stop > begin:
            yield begin, stop, price

    def at(self, when: datetime) -> Decimal | None:
        """The price in force then; None where it is not known."""
        i = bisect_right(self._times, int(when.timestamp()))
        return _decimal(self._prices[i - 1]) if i else None

    def summary(self, start: datetime, end: datetime) -> Summary:
        """Least, median, most and last price of the window. The median is the least price that was not exceeded for
        half of the time that is known."""
        known = sorted((price, stop - begin) for begin, stop, price in self._spans(start, end) if price != _UNKNOWN)
        if not known:
            return Summary(None, None, None, self.at(end))
        past = list(accumulate(seconds for _, seconds in known))
        median = known[bisect_left(past, (past[-1] + 1) // 2)][0]
        return Summary(_decimal(known[0][0]), _decimal(median), _decimal(known[-1][0]), self.at(end))

    def held(self, bid: Decimal | None, start: datetime, end: datetime) -> Decimal | None:
        """Share of the time, in percent to one decimal, in which the price was at most `bid` (USD per hour).

        Only of the time whose price is known; None where that is none of it, or the bid is not known. 100.0 is all of
        it and 0.0 none: what is not quite is not rounded to them.
        """
        known = [(price, stop - begin) for begin, stop, price in self._spans(start, end) if price != _UNKNOWN]
        total = sum(seconds for _, seconds in known)
        if bid is None or not total:
            return None
        most = bid * _UNIT
        good = sum(seconds for price, seconds in known if price <= most)
        share = (Decimal(good) * 100 / total).quantize(_TENTH, ROUND_HALF_UP)
        return share if good in (0, total) else min(max(share, _TENTH), 100 - _TENTH)


class History:
    """The changes of many pools: 12 bytes each, in whatever order they come, and the same one any number of times."""

    def __init__(self) -> None:
        self._pools: dict[Pool, tuple[array[int], array[int]]] = {}

    def add(self, region: str, changes: Iterable[Change]) -> None:
        """Keep these changes of a region; not those of a time that cannot be."""
        for change in changes:
            at = int(change.at.timestamp())
            if not 0 <= at < _LAST:
                continue
            pool = Pool(change.instance_type, change.zone, region)
            kept = self._pools.get(pool)
            if kept is None:
                kept = self._pools[pool] = (array("I"), array("q"))
            kept[0].append(at)
            kept[1].append(_UNKNOWN if change.usd is None else int((change.usd * _UNIT).to_integral_value()))

    def __len__(self) -> int:
        return sum(len(times) for times, _ in self._pools.values())

    def pools(self) -> list[Pool]:
        """The pools by type and zone."""
        return sorted(self._pools)

    def series(self, pool: Pool) -> Series:
        """The pool's changes by time. Of two at the same second the higher price counts: it never flatters a bid."""
        times, prices = self._pools.get(pool, (array("I"), array("q")))
        latest: dict[int, int] = {}
        for at, price in zip(times, prices, strict=True):
            latest[at] = max(price, latest.get(at, price))
        order = sorted(latest)
        return Series(array("I", order), array("q", [latest[at] for at in order]))


def _decimal(price: int) -> Decimal | None:
    return None if price == _UNKNOWN else Decimal(price) / _UNIT


def records(history: History, pools: Sequence[Pool]) -> Iterator[dict[str, Any]]:
    """A record for each change of these pools, one at a time, by pool and time."""
    for pool in pools:
        for at, price in history.series(pool).changes():
            yield {"instance_type": pool.instance_type, "zone": pool.zone, "timestamp": iso(at), "spot": usd(price)}
