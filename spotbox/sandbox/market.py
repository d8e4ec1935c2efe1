"""Prices and capacity of every pool (instance type and zone): they move by themselves, and by hand where asked."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b

from spotbox.sandbox import mltypes, quotas, regions
from spotbox.sandbox.catalogue import TYPES
from spotbox.sandbox.series import DAY, Series

Offered = Callable[[str, str], list[str]]  # (instance type, region) -> zones that offer it
Change = tuple[datetime, Decimal]  # from when, USD/h
Pool = tuple[str, str]  # instance type, zone
HISTORY = timedelta(days=90)  # DescribeSpotPriceHistory tells at most the past 90 days
SEED = "spotbox"
_MICRO = Decimal("0.000001")
_LARGE = 48  # vCPU; smaller types have a Spot price wherever they are offered


def seed_from_environment() -> str:
    """The seed that SPOTBOX_SANDBOX_SEED asks for: any text; another seed is another market."""
    return os.environ.get("SPOTBOX_SANDBOX_SEED") or SEED


class Market:
    """What can be had, where, at what price in USD/h. `offered` tells which zones sell a type.

    Prices depend on the seed, the pool and the moment alone, until they are set by hand.
    """

    def __init__(self, offered: Offered, seed: str = SEED):
        self._offered = offered
        self.seed = seed
        self._series: dict[Pool, Series] = {}
        self._known_zones: dict[tuple[str, str], tuple[str, ...]] = {}
        self.closed: set[Pool] = set()
        self.set_prices: dict[Pool, list[Change]] = {}
        self.set_on_demand: dict[tuple[str, str], Decimal] = {}  # (instance type, region)
        self.score_questions: dict[str, datetime] = {}  # configurations that placement scores were asked for
        self.limits: dict[tuple[str, str], float] = {}  # (region, quota code) -> vCPU, or instances
        self.doomed: list[tuple[str, str]] = []  # StateReason of the next launches that are accepted and then die

    # Where

    def zones(self, instance_type: str, region: str) -> list[str]:
        """The zones of `region` that offer the type, in order; empty for a type the sandbox does not know.

        A pool whose price was set by hand is one that AWS sells from then on.
        """
        if instance_type not in TYPES:
            return []
        known = self._known_zones.get((instance_type, region))
        if known is None:
            known = tuple(sorted(self._offered(instance_type, region)))
            self._known_zones[(instance_type, region)] = known
        if not self.set_prices:
            return list(known)
        opened = {z for name, z in self.set_prices if name == instance_type and regions.of_zone(z) == region}
        return sorted(opened.union(known))

    def spot_zones(self, instance_type: str, region: str) -> list[str]:
        """The zones of `region` where the type has a Spot price."""
        return [zone for zone in self.zones(instance_type, region) if self.on_spot(instance_type, zone)]

    def on_spot(self, instance_type: str, zone: str) -> bool:
        """Whether AWS sells the pool on Spot: some types never are, and of large ones some zones have no price."""
        return (instance_type, zone) in self.set_prices or self._sold(instance_type, zone)

    def _sold(self, instance_type: str, zone: str) -> bool:
        """Whether the pool would be on Spot if nobody had set its price."""
        hardware = TYPES[instance_type]
        if hardware.spot_fraction == 0:
            return False
        if hardware.vcpus < _LARGE:
            return True
        return blake2b(f"{self.seed}/{instance_type}/{zone}/sold".encode(), digest_size=1).digest()[0] >= 20

    # Prices

    def on_demand(self, instance_type: str, region: str) -> Decimal:
        """The Linux on-demand price of the region, USD/h. Raises KeyError for an unknown type."""
        by_hand = self.set_on_demand.get((instance_type, region))
        return self._listed(instance_type, region) if by_hand is None else by_hand

    def _listed(self, instance_type: str, region: str) -> Decimal:
        return (TYPES[instance_type].on_demand * regions.factor(region)).quantize(_MICRO)

    def _series_of(self, instance_type: str, zone: str) -> Series:
        pool = (instance_type, zone)
        if pool not in self._series:
            self._series[pool] = Series(self.seed, instance_type, zone, float(TYPES[instance_type].spot_fraction))
        return self._series[pool]

    def _usd(self, instance_type: str, zone: str) -> Callable[[float], Decimal]:
        """What makes a fraction of the listed price USD/h; four places, as AWS's are, and never above on-demand."""
        region = regions.of_zone(zone)
        ceiling = self.on_demand(instance_type, region)
        listed = float(self._listed(instance_type, region))
        return lambda fraction: min(Decimal(round(fraction * listed * 10_000)).scaleb(-4), ceiling)

    def in_force(self, instance_type: str, zone: str, at: datetime) -> Change | None:
        """The last price change at or before `at`; None for a pool that was not on Spot then."""
        second = int(at.timestamp())
        by_hand = self.set_prices.get((instance_type, zone), ())
        for change in reversed(by_hand):
            if change[0] <= at:
                return change
        if TYPES[instance_type].spot_fraction == 0 or (by_hand and not self._moved_before(instance_type, zone)):
            return None
        since, fraction = self._series_of(instance_type, zone).in_force(second)
        return datetime.fromtimestamp(since, UTC), self._usd(instance_type, zone)(fraction)

    def _moved_before(self, instance_type: str, zone: str) -> bool:
        """Whether the pool had a price of its own before one was set by hand."""
        region = regions.of_zone(zone)
        self.zones(instance_type, region)
        known = self._known_zones.get((instance_type, region), ())
        return zone in known and self._sold(instance_type, zone)

    def price(self, instance_type: str, zone: str, at: datetime) -> Decimal:
        """The Spot price in force at `at`, USD/h; the on-demand price for a pool that is not on Spot."""
        found = self.in_force(instance_type, zone, at)
        return found[1] if found else self.on_demand(instance_type, regions.of_zone(zone))

    def day(self, instance_type: str, zone: str, number: int) -> list[Change]:
        """The price changes of one day (days since 1970, UTC), oldest first."""
        by_hand = self.set_prices.get((instance_type, zone), [])
        midnight = datetime.fromtimestamp(number * DAY, UTC)
        rows = [change for change in by_hand if midnight <= change[0] < midnight + timedelta(days=1)]
        hold = by_hand[0][0] if by_hand else None  # a price set by hand stays until it is set again
        if by_hand and (by_hand[0][0] < midnight or not self._moved_before(instance_type, zone)):
            return rows
        if TYPES[instance_type].spot_fraction == 0:
            return []
        usd = self._usd(instance_type, zone)
        moved = [
            (datetime.fromtimestamp(at, UTC), usd(fraction))
            for at, fraction in self._series_of(instance_type, zone).changes(number)
        ]
        return [change for change in moved if hold is None or change[0] < hold] + rows

    def history(self, instance_type: str, zone: str, start: datetime, end: datetime) -> list[Change]:
        """Price changes after `start` and up to `end`, newest first, and the last one before `start`.

        That one is "the effective price as of the start time" (API reference, DescribeSpotPriceHistory).
        """
        rows: list[Change] = []
        for number in range(int(end.timestamp()) // DAY, int(start.timestamp()) // DAY - 1, -1):
            rows += [row for row in reversed(self.day(instance_type, zone, number)) if start < row[0] <= end]
        first = self.in_force(instance_type, zone, start)
        return rows + ([first] if first else [])

    def set_price(self, instance_type: str, zone: str, price: Decimal, now: datetime) -> None:
        """From `now` the pool costs `price` USD/h, until it is set again."""
        self.set_prices.setdefault((instance_type, zone), []).append((now, price.quantize(_MICRO)))

    # Capacity

    def has_capacity(self, instance_type: str, zone: str) -> bool:
        """Whether the pool has a machine to give. A listed price does not say so."""
        return (instance_type, zone) not in self.closed

    def openness(self, instance_type: str, zone: str, at: datetime, long: int) -> float:
        """How easily the pool gives a machine, 0 to 1: it drifts over `long` seconds, and is 0 while closed."""
        if not self.has_capacity(instance_type, zone):
            return 0.0
        return self._series_of(instance_type, zone).openness(int(at.timestamp()), long)

    def limit(self, region: str, quota: quotas.Quota | mltypes.MlQuota) -> float:
        """The account's value of `quota` in the region, in vCPU, or in instances of SageMaker."""
        return self.limits.get((region, quota.code), quota.value)
