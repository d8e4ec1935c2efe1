"""When an instance ran: what is known of its starts and stops, put together. What nobody tells stays unknown.

No source tells all. DescribeInstances knows the last start and the last stop, CloudTrail 90 days of calls and of
interruptions but neither a restart by AWS nor a `shutdown` on the box, the ledger what spotbox saw in passing. Where
two starts follow each other without a stop between them, the time between is unknown; it is not guessed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

# What two sources tell of one start (volume made, call, LaunchTime) or stop (call, notice, request) lies so near.
# Two interruptions so near each other count as one. The run between them is missing, and no money if each start
# has its own free first hour, as cost.py takes it (EC2 User Guide, "Billing for interrupted Spot Instances" is silent).
SAME_START, SAME_STOP = timedelta(minutes=2), timedelta(minutes=15)


class What(StrEnum):
    """What happened to an instance."""

    STARTED = "started"
    STOPPED = "stopped"  # by its user, or by the box itself
    TAKEN = "taken"  # AWS interrupted it, by a stop or an end
    ENDED = "ended"  # terminated by its user


@dataclass(frozen=True)
class Mark:
    """Something that happened `at`; `until` is how long afterwards nothing else did, where a source knows that.

    `called` is whether a call of the account's did it, and not AWS or the box.
    """

    at: datetime
    what: What
    until: datetime | None = None
    called: bool = False

    @property
    def up(self) -> bool:
        """Whether the instance ran from then on."""
        return self.what is What.STARTED


@dataclass(frozen=True)
class Stay:
    """A time in which the instance ran (`up`), stood stopped, or (None) nobody knows which.

    `began` is whether it was started at `start`, and not merely first known then; `taken` whether AWS ended it.
    """

    start: datetime
    end: datetime
    up: bool | None
    began: bool = False
    taken: bool = False


def merged(marks: Iterable[Mark]) -> list[Mark]:
    """The marks by time, one for each start and stop, however many sources tell of it. The first to tell counts."""
    found: list[Mark] = []
    for mark in sorted(marks, key=lambda each: (each.at, each.up)):
        last = found[-1] if found else None
        near = SAME_START if mark.up else SAME_STOP
        if last and last.up == mark.up and mark.at - last.at <= near:
            lasting = max((each.until for each in (last, mark) if each.until), default=None)
            found[-1] = replace(last, until=lasting, called=last.called or mark.called)
        else:
            found.append(mark)
    return found


def doubtful(marks: Iterable[Mark], now: datetime, runs: bool | None) -> bool:
    """Whether there is a time of which these marks do not tell themselves what the instance did: CloudTrail may."""
    known = [mark for mark in merged(marks) if mark.at <= now]
    ends = [mark.at for mark in known[1:]] + ([now] if runs is not None or (known and known[-1].up) else [])
    return any(end - (mark.until or mark.at) > SAME_START for mark, end in zip(known, ends, strict=False))


def stays(marks: Iterable[Mark], now: datetime, runs: bool | None, told_from: datetime | None) -> list[Stay]:
    """What the instance did from its first mark on: to `now` (`runs`: whether it does so now), or (None) to its end.

    Every start and stop from `told_from` on is among the marks, but for those that no source tells of; None where
    CloudTrail could not be asked.
    """
    known = [mark for mark in merged(marks) if mark.at <= now]
    found: list[Stay] = []
    for at, mark in enumerate(known):
        after = known[at + 1] if at + 1 < len(known) else None
        if after is None and runs is None:
            if mark.up:  # it ended at a time that nobody tells
                found += _between(mark, now, False, told_from)
            break
        end, leads = (after.at, not after.up) if after else (now, bool(runs))
        if after and after.what is What.ENDED:  # which a stopped one does as well
            leads = mark.up
        elif after and mark.what is What.TAKEN and after.up and after.called:
            # What AWS took only AWS can start (EC2 User Guide, "Behavior of Spot Instance interruptions"). A start that
            # the account called for says that AWS did meanwhile, and that the box was then shut down on itself.
            leads = True
        found += _between(mark, end, leads, told_from)
        if found and after and after.what is What.TAKEN and found[-1].up:
            found[-1] = replace(found[-1], taken=True)
    return _joined(found)


def _between(mark: Mark, end: datetime, leads: bool, told_from: datetime | None) -> list[Stay]:
    """What it did from a mark to the next one, which it `leads` to by running (True) or by standing stopped."""
    sure = min(max(mark.at, mark.until or mark.at), end)
    found = [Stay(mark.at, sure, mark.up)]
    if mark.up != leads:  # a start or a stop between them is missing
        found.append(Stay(sure, end, None))
    elif mark.until is not None or (told_from is not None and told_from <= sure):
        found.append(Stay(sure, end, mark.up))
    elif told_from is not None and told_from < end:
        found += [Stay(sure, told_from, None), Stay(told_from, end, mark.up)]
    else:
        found.append(Stay(sure, end, None))
    return [replace(stay, began=mark.up and stay.start == mark.at) for stay in found if stay.start < stay.end]


def _joined(found: Sequence[Stay]) -> list[Stay]:
    """Neighbours of one kind as one, unless a start lies between them."""
    joined: list[Stay] = []
    for stay in found:
        last = joined[-1] if joined else None
        if last and last.up == stay.up and last.end == stay.start and not stay.began:
            joined[-1] = replace(last, end=stay.end, taken=stay.taken)
        else:
            joined.append(stay)
    return joined
