"""What a World tells of costs: CloudTrail, the past of one pool and of a box, addresses, and Cost Explorer."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from spotbox.core.cost_life import Told
from spotbox.core.cost_past import Mark, What
from spotbox.core.errors import SpotboxError
from spotbox.core.market import Change

DAY = 86400
DEV = {"name": "dev", "running_hours": 100.0, "stopped_hours": 0.0, "compute_usd": 15.78, "disk_usd": 1.0959,
       "on_demand_usd": 52.6, "savings_pct": 70.0, "complete": True}  # fmt: skip


@dataclass
class Books:
    """What AWS has written down. `events`: instance -> (hours ago, what) each; `active`, `bills`: Cost Explorer's."""

    events: dict[str, list[tuple[float, What]]] = field(default_factory=dict)
    address_usd: Decimal | None = Decimal("0.005")
    active: frozenset[str] = frozenset()
    bills: dict[str, Decimal] = field(default_factory=dict)


class FakeCosts:
    """The verbs of Cloud that `cost` needs, over a World."""

    def address_price(self, region):
        return self.world.books.address_usd

    def pool_history(self, pool, start):
        self.world.meets("DescribeSpotPriceHistory of a pool", pool.region)
        self.world.asked.append(("pool", pool, start))
        key = (pool.instance_type, pool.zone)
        now = self.world.market.get(pool.region, {}).get(key)
        told = self.world.changes.get(key, [(24 * 365, None if now is None else str(now))])
        found = [Change(*key, self._ago(hours), None if usd is None else Decimal(usd)) for hours, usd in told]
        before = [change for change in found if change.at <= start]
        return [*before[-1:], *(change for change in found if change.at > start)]

    def trail(self, region, instances, now):
        self.world.asked.append(("trail", region, tuple(sorted(instances))))
        try:
            self.world.meets("LookupEvents", region)
        except SpotboxError as error:
            return Told(refused=error.message)
        marks = {
            i: tuple(Mark(self._ago(h).replace(microsecond=0), what) for h, what in self.world.books.events.get(i, ()))
            for i in instances
        }
        reach = now - timedelta(days=90)
        marks = {i: tuple(mark for mark in each if mark.at >= reach) for i, each in marks.items()}
        return Told(marks, {i: max(at - timedelta(minutes=15), reach) for i, at in instances.items()})

    def cost_tags(self):
        self.world.asked.append(("ce", "tags"))
        self.world.meets("ListCostAllocationTags")
        return self.world.books.active

    def billed(self, owner, tags, start, end):
        self.world.asked.append(("ce", "figures", owner, start, end))
        self.world.meets("GetCostAndUsage")
        return dict(self.world.books.bills)

    def _ago(self, hours) -> datetime:
        return self.world.now().astimezone(UTC) - timedelta(hours=hours)


def past(world, *events, launched=None, transition="", **instance):
    """What CloudTrail wrote down of i-1, (hours ago, what) each; its last start so many hours ago."""
    world.books.events["i-1"] = list(events)
    when = world.instances["i-1"].launched if launched is None else ago(world, launched)
    world.instances["i-1"] = replace(world.instances["i-1"], launched=when, transition=transition, **instance)


def ago(world, hours):
    return world.now() - timedelta(hours=hours)


def said_when(world, hours, why="User initiated"):
    """A StateTransitionReason."""
    return f"{why} ({ago(world, hours):%Y-%m-%d %H:%M:%S} GMT)"


def asked(world, what):
    """The questions of a kind."""
    return [question for question in world.asked if question[0] == what]
