"""What boxes cost: their past from EC2, CloudTrail and the ledger, the prices of that time, all asked side by side."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from spotbox.app import App
from spotbox.commands._ledger import seen
from spotbox.core.boxes import Box
from spotbox.core.cost import Cost, Disk, Life, Tariff, cost_of
from spotbox.core.cost_ledger import earlier, marks_in
from spotbox.core.cost_life import Past, Told, disks_of, life_of, past_of, present, second, since_of
from spotbox.core.cost_past import Mark, doubtful
from spotbox.core.errors import SpotboxError
from spotbox.core.history import MOST_DAYS, History, Pool
from spotbox.core.records import Instance, Request, Volume


@dataclass(frozen=True)
class Parts:
    """What there is, or was until now, of one box."""

    name: str
    requests: tuple[Request, ...]
    pasts: tuple[Past, ...]
    disks: tuple[Disk, ...]
    since: datetime | None = None  # when it was launched that has moved since

    @property
    def start(self) -> datetime | None:
        """The first that is known of it."""
        times = [past.born for past in self.pasts if past.born] + [disk.start for disk in self.disks]
        return min([*times, *([self.since] if self.since else [])], default=None)


@dataclass(frozen=True)
class Costs:
    """Boxes with what they cost from `start` to `end`, the prices that were used, and why some are not known."""

    start: datetime
    end: datetime
    found: Sequence[tuple[Life, Cost]]
    tariff: Tariff = field(default_factory=Tariff)
    remarks: Sequence[str] = ()


def parts_of_boxes(app: App, boxes: Sequence[Box]) -> list[Parts]:
    """The parts of boxes that are there. One that is being moved is two of them, and nothing is in both."""
    seen = {id_ for box in boxes for id_ in _ids(box)}
    found = list[Parts]()
    for box in boxes:
        instances, requests = present(box.instances, box.requests)
        told = {past.id for parts in found for past in parts.pasts} | {d.id for parts in found for d in parts.disks}
        elsewhere = (seen - _ids(box)) | told
        found.append(parts_of(app, (box.owner, box.name), requests, instances, box.volumes, elsewhere=elsewhere))
    return found


def _ids(box: Box) -> set[str]:
    return {i.id for i in box.instances} | {v.id for v in box.volumes}


def parts_of(
    app: App,
    whose: tuple[str, str],
    requests: Sequence[Request],
    instances: Sequence[Instance],
    volumes: Sequence[Volume],
    more: Mapping[str, Sequence[Mark]] | None = None,
    elsewhere: Collection[str] = (),
) -> Parts:
    """The parts of one (owner, name), with what the ledger tells of them and of instances that it had before, less what
    is counted `elsewhere`; `more` marks by instance are the caller's own."""
    now, ledger, more = second(app.system.now()), seen(app), more or {}
    pasts = [past_of(i, requests, volumes, now, (*marks_in(ledger, i.id), *more.get(i.id, ()))) for i in instances]
    ids = ([i.id for i in instances], [r.id for r in requests], [v.id for v in volumes])
    before, disks = earlier(ledger, *whose, *ids, elsewhere)
    since = since_of((*requests, *instances), elsewhere, now)
    return Parts(whose[1], tuple(requests), (*before, *pasts), (*disks, *disks_of(volumes, now)), since)


def costs_of(
    app: App, boxes: Sequence[Parts], gone: Sequence[tuple[Life, Cost]] = (), since: datetime | None = None
) -> Costs:
    """What these boxes cost, and those that were removed, from `since` (None: of all their lives) until now."""
    now = second(app.system.now())
    starts = [parts.start for parts in boxes if parts.start] + [life.start for life, _ in gone]
    start = since or min(starts, default=now)
    app.progress.glance("reading what happened, and the prices of that time")
    asked, remarks = _ask(app, boxes, [life for life, _ in gone], start, now)
    app.progress.done()
    lives = [life_of(p.name, p.pasts, p.disks, p.requests, _told(p, asked.told, now), now, p.since) for p in boxes]
    tariff = asked.tariff()
    found = [(life, cost_of(life, tariff, max(start, life.start))) for life in lives]
    for life, cost in gone:  # what was told at its removal stands, if all of it is asked for
        found.append((life, cost if start <= life.start else cost_of(life, tariff, start)))
    return Costs(start, now, found, tariff, remarks)


def _told(parts: Parts, told: Mapping[str, Told], now: datetime) -> Told:
    """What CloudTrail told of this box's instances; where it was not needed, nothing is lacking."""
    mine = [told[region] for region in {p.pool.region for p in parts.pasts if _doubtful(p, now)} if region in told]
    marks = {i: m for each in mine for i, m in each.marks.items()}
    since = {i: at for each in mine for i, at in each.since.items()}
    return Told(marks, since, next((each.refused for each in mine if each.refused), ""))


def _doubtful(past: Past, now: datetime) -> bool:
    """Whether EC2 and the ledger leave something open that CloudTrail may know."""
    return doubtful(past.marks, now, past.runs)


@dataclass
class _Asked:
    """What was asked of AWS, as it came in."""

    history: History = field(default_factory=History)
    on_demand: dict[tuple[str, str], Any] = field(default_factory=dict)
    disk: dict[tuple[str, str], Any] = field(default_factory=dict)
    address: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)

    def tariff(self) -> Tariff:
        """The prices that are known."""
        spot = {pool: self.history.series(pool) for pool in self.history.pools()}
        known = {disk: usd for disk, usd in self.disk.items() if usd is not None}
        addresses = {region: usd for region, usd in self.address.items() if usd is not None}
        return Tariff(spot, self.on_demand, known, addresses)


def _ask(
    app: App, boxes: Sequence[Parts], gone: Sequence[Life], start: datetime, now: datetime
) -> tuple[_Asked, list[str]]:
    """Every call at once: one for the history of each pool, one for each price, and CloudTrail by region."""
    asked = _Asked()
    calls = [*_price_calls(app, boxes, gone, start, now, asked), *_trail_calls(app, boxes, now, asked)]
    remarks = []
    for (what, _, take), answer in zip(calls, app.cloud.together([call for _, call, _ in calls]), strict=True):
        if isinstance(answer, SpotboxError):
            remarks.append(f"{what} unknown: {answer.message}")
        else:
            take(answer)
    return asked, list(dict.fromkeys(remarks))


Call = tuple[str, Callable[[], Any], Callable[[Any], Any]]


def _price_calls(
    app: App, boxes: Sequence[Parts], gone: Sequence[Life], start: datetime, now: datetime, asked: _Asked
) -> list[Call]:
    spot = dict[Pool, datetime]()
    fixed = dict[str, set[str]]()
    oldest = now - timedelta(days=MOST_DAYS)
    pools = [(past.pool, past.spot, past.born or now) for parts in boxes for past in parts.pasts]
    pools += [(run.pool, run.spot, run.start) for life in gone for run in life.runs]
    for pool, on_spot, born in pools:
        fixed.setdefault(pool.region, set()).add(pool.instance_type)
        if on_spot:
            spot[pool] = min(spot.get(pool, now), max(born, start, oldest))
    owned = [disk for parts in boxes for disk in parts.disks] + [disk for life in gone for disk in life.disks]
    disks = {(disk.region, disk.type) for disk in owned}
    calls: list[Call] = [
        (f"Spot prices of {p.zone} are", partial(app.cloud.pool_history, p, at), partial(asked.history.add, p.region))
        for p, at in sorted(spot.items())
    ]
    calls += [
        (f"on-demand prices of {r} are", partial(app.cloud.on_demand, r, sorted(names)),
         partial(_take_fixed, asked.on_demand, r))
        for r, names in sorted(fixed.items())
    ]  # fmt: skip
    calls += [
        (
            f"the price of {kind} in {r} is",
            partial(app.cloud.disk_price, r, kind),
            partial(_take, asked.disk, (r, kind)),
        )
        for r, kind in sorted(disks)
    ]
    calls += [
        (f"the price of an address in {r} is", partial(app.cloud.address_price, r), partial(_take, asked.address, r))
        for r in sorted(fixed)
    ]
    return calls


def _trail_calls(app: App, boxes: Iterable[Parts], now: datetime, asked: _Asked) -> list[Call]:
    wanted = dict[str, dict[str, datetime]]()
    for past in (past for parts in boxes for past in parts.pasts if _doubtful(past, now)):
        wanted.setdefault(past.pool.region, {})[past.id] = past.born or now
    return [
        (f"CloudTrail in {r} is", partial(app.cloud.trail, r, ids, now), partial(_take, asked.told, r))
        for r, ids in sorted(wanted.items())
    ]


def _take(into: Any, key: Any, value: Any) -> None:
    into[key] = value


def _take_fixed(into: Any, region: str, prices: Any) -> None:
    into.update({(region, kind): usd for kind, usd in prices.usd.items()})
