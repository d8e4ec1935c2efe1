"""What a box cost, as far as prices and its history are known: pure arithmetic in Decimal, all times UTC. An estimate.

Rules, each with its source:
- Spot: the price of the type in the zone that is in force at each second ("You pay the Spot price that's in effect,
  billed to the nearest second": AWS whitepaper on Spot Instances), never the price at launch.
- A minute at least for each start (EC2 API Reference, StartInstances).
- AWS interrupts within the first hour: no charge for the instance (EC2 User Guide, "Billing for interrupted Spot
  Instances"). It is not said whether the hour begins anew at each start; here it does.
- Stopped: the volumes alone, by GiB-month of 730 hours, as long as they exist; at their size of today.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from spotbox.core.history import Pool, Series
from spotbox.core.prices import savings_pct
from spotbox.core.units import HOURS_PER_MONTH

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# IOPS and throughput are products of their own; io1 and io2 cost mostly by them (EBS pricing).
APART = ("io1", "io2")
_HOUR, _NONE = Decimal(3600), Decimal(0)


@dataclass(frozen=True)
class Run:
    """A time in which an instance ran in a pool. `began`: it was started at `start`; `taken`: AWS ended it.

    `spot` False is an on-demand instance; `address` is whether it had a public IPv4 address.
    """

    start: datetime
    end: datetime
    pool: Pool
    spot: bool = True
    began: bool = True
    taken: bool = False
    address: bool = True

    @property
    def free(self) -> bool:
        """Whether AWS took it within its first hour."""
        return self.spot and self.taken and self.began and self.end - self.start < HOUR

    @property
    def billed_end(self) -> datetime:
        """Until when it is charged: a minute at least."""
        return max(self.end, self.start + MINUTE) if self.began else self.end


@dataclass(frozen=True)
class Disk:
    """A volume and for how long it has existed."""

    id: str
    start: datetime
    end: datetime
    size_gib: int
    type: str
    region: str


@dataclass(frozen=True)
class Life:
    """All that is known of a box's past. `stopped` and `unknown` are times beside the runs; `gaps` says in words what
    is not known; `complete` is whether nothing is missing."""

    name: str
    start: datetime
    end: datetime
    runs: tuple[Run, ...] = ()
    stopped: tuple[tuple[datetime, datetime], ...] = ()
    unknown: tuple[tuple[datetime, datetime], ...] = ()
    disks: tuple[Disk, ...] = ()
    complete: bool = True
    gaps: tuple[str, ...] = ()
    removed: bool = False


@dataclass(frozen=True)
class Tariff:
    """Prices that were looked up; what is not there is unknown. USD per hour, disks per GiB-month."""

    spot: Mapping[Pool, Series] = field(default_factory=dict)
    on_demand: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)  # (region, type)
    disk: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)  # (region, volume type)
    address: Mapping[str, Decimal] = field(default_factory=dict)  # region


@dataclass(frozen=True)
class Cost:
    """An estimate for one box or several. USD; hours; None where nothing of it can be told.

    `on_demand` is what the hours whose Spot price is known would have cost on demand, `against` what they did cost.
    `unpriced` are hours that ran at a price nobody tells any more, `unknown` hours of which nobody tells whether the
    box ran. `lacking` names the prices that are not known.
    """

    running: Decimal = Decimal(0)
    stopped: Decimal = Decimal(0)
    unknown: Decimal = Decimal(0)
    unpriced: Decimal = Decimal(0)
    compute: Decimal | None = None
    disk: Decimal | None = None
    address: Decimal | None = None
    on_demand: Decimal | None = None
    against: Decimal = Decimal(0)
    complete: bool = True
    lacking: frozenset[str] = frozenset()

    @property
    def savings(self) -> Decimal | None:
        """Per cent that compute saved against on-demand, two decimals; None where there is nothing to compare."""
        return savings_pct(self.on_demand, self.against)

    @property
    def total(self) -> Decimal:
        """What is known of compute, disk and address together."""
        return sum((part for part in (self.compute, self.disk, self.address) if part is not None), Decimal(0))

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.running + other.running,
            self.stopped + other.stopped,
            self.unknown + other.unknown,
            self.unpriced + other.unpriced,
            _sum(self.compute, other.compute),
            _sum(self.disk, other.disk),
            _sum(self.address, other.address),
            _sum(self.on_demand, other.on_demand),
            self.against + other.against,
            self.complete and other.complete,
            self.lacking | other.lacking,
        )


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """What is known of both."""
    return one if other is None else other if one is None else one + other


def total_of(costs: Iterable[Cost]) -> Cost:
    """The sum of what is known."""
    return sum(costs, Cost())


def cost_of(life: Life, tariff: Tariff, start: datetime | None = None, end: datetime | None = None) -> Cost:
    """What the box cost from `start` to `end` (None: its whole life).

    The parts of a time add up to the whole: each second counts where it lies.
    """
    start, end = start or life.start, end or max([life.end, *(run.billed_end for run in life.runs)])
    whole = Cost(
        stopped=_hours(_overlap(a, b, start, end) for a, b in life.stopped),
        unknown=_hours(_overlap(a, b, start, end) for a, b in life.unknown),
        complete=life.complete,
    )
    runs = [run for run in life.runs if min(run.billed_end, end) > max(run.start, start)]
    whole += total_of(_run(run, tariff, start, end) for run in runs)
    whole += total_of(_disk(disk, tariff, start, end) for disk in life.disks)
    if not runs and not whole.unknown:  # it is known that it did not run
        whole += Cost(compute=_NONE, address=_NONE, on_demand=_NONE)
    if whole.disk is None and "disk" not in whole.lacking:
        whole += Cost(disk=_NONE)
    whole_known = not (whole.unknown or whole.unpriced or whole.lacking - {"address"})
    return replace(whole, complete=whole.complete and whole_known)


def _run(run: Run, tariff: Tariff, start: datetime, end: datetime) -> Cost:
    """One run within a time."""
    first, last = max(run.start, start), min(run.billed_end, end)
    ran, billed = _hours([_overlap(run.start, run.end, start, end)]), _hours([last - first])
    fixed = tariff.on_demand.get((run.pool.region, run.pool.instance_type))
    found = _address(run, tariff, ran) + Cost(ran)
    if fixed is None:
        found += Cost(lacking=frozenset({"on-demand"}))
    if run.free:
        return found + Cost(compute=Decimal(0), on_demand=None if fixed is None else fixed * ran)
    if not run.spot:
        usd = None if fixed is None else fixed * billed
        return found + Cost(compute=usd, on_demand=usd, against=usd or _NONE, unpriced=ran if usd is None else _NONE)
    series = tariff.spot.get(run.pool)
    steps = [step for step in series.steps(first, last) if step.price is not None] if series else []
    if not steps:
        return found + Cost(unpriced=ran)
    usd = sum((step.price * (step.end - step.start) for step in steps if step.price is not None), _NONE) / _HOUR
    hours = sum((Decimal(step.end - step.start) for step in steps), _NONE) / _HOUR
    demand = None if fixed is None else fixed * hours
    against = _NONE if fixed is None else usd
    unpriced = min(ran, max(_NONE, billed - hours))
    return found + Cost(compute=usd, on_demand=demand, against=against, unpriced=unpriced)


def _address(run: Run, tariff: Tariff, hours: Decimal) -> Cost:
    """The public IPv4 address of a run, which is charged by the hour (VPC pricing)."""
    hourly = tariff.address.get(run.pool.region)
    if not run.address:
        return Cost(address=_NONE)
    return Cost(lacking=frozenset({"address"})) if hourly is None else Cost(address=hourly * hours)


def _disk(disk: Disk, tariff: Tariff, start: datetime, end: datetime) -> Cost:
    """One volume within a time."""
    hours = _hours([_overlap(disk.start, disk.end, start, end)])
    price = None if disk.type in APART else tariff.disk.get((disk.region, disk.type))
    if price is None:
        return Cost(lacking=frozenset({"disk"})) if hours else Cost()
    return Cost(disk=price * disk.size_gib * hours / HOURS_PER_MONTH)


def _overlap(start: datetime, end: datetime, first: datetime, last: datetime) -> timedelta:
    return max(timedelta(0), min(end, last) - max(start, first))


def _hours(spans: Iterable[timedelta]) -> Decimal:
    """Hours, exact to the microsecond before they are divided."""
    whole = sum(spans, timedelta(0))
    return Decimal(whole // timedelta(microseconds=1)) / (_HOUR * 1_000_000)
