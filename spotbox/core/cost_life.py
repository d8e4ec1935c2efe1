"""The life of a box for its cost: its instances' runs, the time it stood stopped, its disks, and what nobody tells."""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from spotbox.core.cost import Disk, Life, Run
from spotbox.core.cost_past import Mark, What, stays
from spotbox.core.history import Pool
from spotbox.core.names import MOVED_TAG, SINCE_TAG, join_names
from spotbox.core.records import Instance, Request, Volume
from spotbox.core.states import LEAVING, LIVE, stopped_by_aws

Span = tuple[datetime, datetime]
FIRST_YEAR = 2006  # of EC2: no box is older
NEAR = timedelta(minutes=15)  # a launch makes request, volumes and instance within so much
# "User initiated (2026-11-22 12:00:00 GMT)": Instance.StateTransitionReason in the EC2 API Reference.
_WHEN = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")
_RUNS = ("pending", "running")


@dataclass(frozen=True)
class Past:
    """What is known of one instance: its marks, and whether it runs now (None: it is gone)."""

    id: str
    pool: Pool
    spot: bool
    address: bool
    marks: tuple[Mark, ...]
    runs: bool | None
    request: str | None = None

    @property
    def born(self) -> datetime | None:
        """The first that is known of it."""
        return min((mark.at for mark in self.marks), default=None)


@dataclass(frozen=True)
class Told:
    """What CloudTrail told: marks by instance, and from when on it tells all of each; an instance that is not there
    could not be asked for. `refused` says why."""

    marks: Mapping[str, tuple[Mark, ...]] = field(default_factory=dict)
    since: Mapping[str, datetime] = field(default_factory=dict)
    refused: str = ""


def second(at: datetime) -> datetime:
    """The moment to the second, UTC, as AWS bills."""
    return at.astimezone(UTC).replace(microsecond=0)


def transition_time(text: str) -> datetime | None:
    """When an instance was last stopped or terminated, as its StateTransitionReason says; None where it does not."""
    found = _WHEN.search(text)
    try:
        return datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def marks_of(instance: Instance, request: Request | None, volumes: Iterable[Volume], now: datetime) -> tuple[Mark, ...]:
    """What EC2 itself tells of an instance now: when it was made, started last, and stopped last."""
    found = []
    made = [v.created for v in volumes if v.created and v.instance_id == instance.id and v.delete_on_termination]
    if made:  # the root volume is made by the launch
        found.append(Mark(second(min(made)), What.STARTED))
    down = transition_time(instance.transition)
    by_aws = stopped_by_aws(request, instance)
    if instance.state == "stopped" and not down and request and request.state == "disabled" and request.updated:
        down = second(request.updated)
    over = instance.state in LEAVING
    if instance.launched:
        # What is terminated may have been stopped before, so that nothing is said of how long it ran.
        until = now if _runs(instance) else None if over else down
        found.append(Mark(second(instance.launched), What.STARTED, until))
    if down and not _runs(instance):
        aws = by_aws if not over else instance.reason_code.startswith("Server.Spot")
        kind = What.TAKEN if aws else What.ENDED if over else What.STOPPED
        found.append(Mark(down, kind, now))
    return tuple(found)


def _runs(instance: Instance) -> bool:
    """Whether it runs, for what it costs: what stops is not charged any more (EC2 User Guide, "Instance lifecycle"),
    from when it was told to, where AWS says when that was."""
    stops = instance.state == "stopping" and not transition_time(instance.transition)
    return stops or instance.state in _RUNS


def past_of(
    instance: Instance,
    requests: Iterable[Request],
    volumes: Iterable[Volume],
    now: datetime,
    more: Iterable[Mark] = (),
) -> Past:
    """An instance with what EC2 tells of it and the marks of other sources."""
    request = next((r for r in requests if r.id == instance.request_id), None)
    over = instance.state in LEAVING
    return Past(
        instance.id,
        Pool(instance.instance_type, instance.zone, instance.region),
        instance.lifecycle == "spot",
        # Only a running one shows its address; spotbox asks for one at each launch.
        instance.public_ip is not None or instance.state != "running",
        (*marks_of(instance, request, volumes, now), *more),
        None if over else _runs(instance),
        instance.request_id,
    )


def present(
    instances: Sequence[Instance], requests: Sequence[Request]
) -> tuple[tuple[Instance, ...], tuple[Request, ...]]:  # fmt: skip
    """The instances and requests of a box that is there. AWS shows those of one that was removed for hours longer."""
    alive = {i.id for i in instances if i.state != "terminated"}
    live = {r.id for r in requests if r.state in LIVE} | {i.request_id for i in instances if i.id in alive}
    shown = tuple(i for i in instances if i.id in alive or (i.request_id and i.request_id in live))
    return shown, tuple(r for r in requests if r.id in live)


def disks_of(volumes: Iterable[Volume], now: datetime) -> list[Disk]:
    """The volumes as they bill, from when they were made on."""
    return [
        Disk(v.id, second(v.created), now, v.size_gib, v.type, v.region) for v in volumes if v.created and v.size_gib
    ]


def since_of(parts: Iterable[Request | Instance], elsewhere: Container[str], now: datetime) -> datetime | None:
    """Since when a box that has moved has been there, as its tag says; None where its past is counted `elsewhere`, or
    the tag holds no moment that can be."""
    for part in parts:
        try:
            since = datetime.fromisoformat(part.tags.get(SINCE_TAG, ""))
        except ValueError:
            continue
        counted = part.tags.get(MOVED_TAG, "").partition("/")[0] in elsewhere
        if not counted and since.tzinfo is not None and since.year >= FIRST_YEAR and since <= now:
            return second(since)
    return None


def life_of(
    name: str,
    pasts: Sequence[Past],
    disks: Sequence[Disk],
    requests: Iterable[Request],
    told: Told,
    now: datetime,
    since: datetime | None = None,
) -> Life:
    """The life of a box up to `now`, of its instances and disks; before them it has been there `since` then."""
    runs, down, unknown = list[Run](), list[Span](), list[Span]()
    for past in pasts:
        later = [p.born for p in pasts if p.born and past.born and p.born > past.born]
        # Of one that is gone nobody tells the end: no later than when the next was there, as far as it was not seen.
        seen = max((mark.until or mark.at for mark in past.marks), default=now)
        end = max(min([now, *later]), seen) if past.runs is None and not _ended(past) else now
        marks = (*past.marks, *told.marks.get(past.id, ()))
        for stay in stays(marks, end, past.runs, told.since.get(past.id)):
            if stay.up:
                runs.append(
                    Run(stay.start, stay.end, past.pool, past.spot, stay.began, stay.taken, past.address)
                )  # fmt: skip
            else:
                (unknown if stay.up is None else down).append((stay.start, stay.end))
    first = min((past.born for past in pasts if past.born), default=now)
    oldest = min([since or first, *(disk.start for disk in disks)])
    if oldest < first - NEAR:  # a move, or a data volume, that is older than every instance that is known
        unknown.append((oldest, first))
    ran = [(run.start, run.end) for run in runs]
    free = [*down, *((disk.start, disk.end) for disk in disks)]
    gaps = [f"CloudTrail was not asked: {told.refused}"] if told.refused else []
    gaps += _older(requests, pasts, first)
    return Life(
        name,
        min(first, oldest),
        now,
        tuple(runs),
        tuple(minus(minus(union(free), ran), unknown)),
        tuple(minus(union(unknown), ran)),
        tuple(disks),
        complete=not gaps,
        gaps=tuple(gaps),
    )


def _ended(past: Past) -> bool:
    """Whether the last that is known of it is an end: what AWS took, it may have started again."""
    last = max(past.marks, key=lambda mark: mark.at, default=None)
    return last is not None and last.what in (What.ENDED, What.TAKEN)


def _older(requests: Iterable[Request], pasts: Sequence[Past], first: datetime) -> list[str]:
    """A request that stood long before the first instance that is known of it may have had others."""
    known = {past.request for past in pasts}
    old = [r.id for r in requests if r.id in known and r.created and r.created < first - NEAR]
    return [f"what {join_names(old)} launched before {first:%Y-%m-%d %H:%M} UTC is not known"] if old else []


def union(spans: Iterable[Span]) -> list[Span]:
    """The same time in spans that do not touch each other."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif start < end:
            found.append((start, end))
    return found


def minus(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """What of the spans lies in none of the holes."""
    left = list(spans)
    for first, last in holes:
        left = [
            part
            for start, end in left
            for part in ((start, min(end, first)), (max(start, last), end))
            if part[0] < part[1]
        ]
    return left
