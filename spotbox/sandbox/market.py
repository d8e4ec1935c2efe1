"""Prices and capacity of every pool (instance type and zone): deterministic, and moved by hand where asked."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256

from spotbox.sandbox import quotas, regions
from spotbox.sandbox.catalogue import TYPES

Offered = Callable[[str, str], list[str]]  # (instance type, region) -> zones that offer it
HISTORY = timedelta(days=90)  # DescribeSpotPriceHistory tells at most the past 90 days
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_FOUR_PLACES = Decimal("0.0001")


def _draw(*parts: object) -> int:
    """A number that depends on `parts` alone, the same in every process and year."""
    return int.from_bytes(sha256("/".join(map(str, parts)).encode()).digest()[:6], "big")


class Market:
    """What can be had, where, at what price in USD/h. `offered` tells which zones sell a type."""

    def __init__(self, offered: Offered):
        self._offered = offered
        self.closed: set[tuple[str, str]] = set()
        self.set_prices: dict[tuple[str, str], list[tuple[datetime, Decimal]]] = {}
        self.limits: dict[tuple[str, str], float] = {}  # (region, quota code) -> vCPU
        self.doomed: list[tuple[str, str]] = []  # StateReason of the next launches that are accepted and then die

    def zones(self, instance_type: str, region: str) -> list[str]:
        """The zones of `region` that offer the type, in order; empty for a type the sandbox does not know."""
        return sorted(self._offered(instance_type, region)) if instance_type in TYPES else []

    def on_demand(self, instance_type: str, region: str) -> Decimal:
        """The Linux on-demand price of the region, USD/h. Raises KeyError for an unknown type."""
        return (TYPES[instance_type].on_demand * regions.factor(region)).quantize(Decimal("0.000001"))

    def _base(self, instance_type: str, zone: str) -> Decimal:
        # Zones of one region differ by up to a quarter, as they do in recorded histories.
        spread = Decimal(88 + _draw("zone", instance_type, zone) % 25) / 100
        return self.on_demand(instance_type, regions.of_zone(zone)) * TYPES[instance_type].spot_fraction * spread

    def _step(self, instance_type: str, zone: str, number: int) -> Decimal:
        wiggle = Decimal(98 + _draw("step", instance_type, zone, number) % 5) / 100
        ceiling = self.on_demand(instance_type, regions.of_zone(zone))
        return min(self._base(instance_type, zone) * wiggle, ceiling).quantize(_FOUR_PLACES)

    def _changes(self, instance_type: str, zone: str, end: datetime) -> Iterator[tuple[datetime, Decimal]]:
        """Price changes up to `end`, newest first, without end: what was set by hand, and steps of 7 to 12 hours."""
        by_hand = [change for change in reversed(self.set_prices.get((instance_type, zone), [])) if change[0] <= end]
        hold = by_hand[-1][0] if by_hand else None  # a price set by hand stays until it is set again
        yield from by_hand
        length = timedelta(minutes=420 + _draw("length", instance_type, zone) % 300)
        number = (end - _EPOCH) // length
        while True:
            at = _EPOCH + number * length + timedelta(seconds=_draw("second", zone, number) % 600)
            if at <= end and (hold is None or at < hold):
                yield at, self._step(instance_type, zone, number)
            number -= 1

    def price(self, instance_type: str, zone: str, at: datetime) -> Decimal:
        """The Spot price in force at `at`, USD/h."""
        return next(self._changes(instance_type, zone, at))[1]

    def history(self, instance_type: str, zone: str, start: datetime, end: datetime) -> list[tuple[datetime, Decimal]]:
        """Price changes between `start` and `end`, newest first, and the last one before `start`.

        That one is "the effective price as of the start time" (API reference, DescribeSpotPriceHistory).
        """
        rows = []
        for at, price in self._changes(instance_type, zone, end):
            rows.append((at, price))
            if at <= start:
                break
        return rows

    def has_capacity(self, instance_type: str, zone: str) -> bool:
        """Whether the pool has a machine to give. A listed price does not say so."""
        return (instance_type, zone) not in self.closed

    def limit(self, region: str, quota: quotas.Quota) -> float:
        """The account's value of `quota` in the region, in vCPU."""
        return self.limits.get((region, quota.code), quota.value)

    def set_price(self, instance_type: str, zone: str, price: Decimal, now: datetime) -> None:
        """From `now` the pool costs `price` USD/h, until it is set again."""
        self.set_prices.setdefault((instance_type, zone), []).append((now, price.quantize(Decimal("0.000001"))))
