"""What spotbox saw of boxes in passing, on this machine: only ever a help. Anything of it may be missing or damaged.

An entry for each instance. A spell is a start (its LaunchTime) with what was seen of it: until when it ran, when it
stopped, who stopped it, and until when it stood stopped. All times are ISO 8601 in UTC.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from spotbox.core.boxes import Box
from spotbox.core.cost import Disk
from spotbox.core.cost_life import FIRST_YEAR, Past, marks_of, second
from spotbox.core.cost_past import SAME_START, Mark, What
from spotbox.core.history import Pool
from spotbox.core.records import Instance
from spotbox.core.shapes import as_dict
from spotbox.core.states import LEAVING

KEPT = timedelta(days=400)  # an entry that was not seen for so long is dropped
MOST = 1000  # entries
LAST_YEAR = 9000  # near the last year that there is sums of times would overflow
MOST_GIB = 65536  # of a volume (EC2 API Reference, EbsBlockDevice)
Entry = dict[str, Any]


def noted(data: Mapping[str, Any], box: Box, now: datetime) -> dict[str, Any]:
    """The ledger with what is seen of this box now; the same object where that is nothing new."""
    fresh = {i.id: _entry(data.get(i.id), box, i, now) for i in box.instances}
    found = {id_: entry for id_, entry in fresh.items() if _worth(data.get(id_), entry, now)}
    return {**data, **found} if found else dict(data)


def _worth(old: Any, new: Entry, now: datetime) -> bool:
    """Whether an entry says more than the one before: `status --watch` looks every two seconds."""
    if not isinstance(old, dict):
        return True
    seen = _time(old.get("seen"))
    return _bare(old) != _bare(new) or seen is None or now - seen >= timedelta(minutes=10)


def _bare(entry: Mapping[str, Any]) -> Entry:
    spells = {at: [s[1], s[2]] for at, s in _spells(entry).items()}
    return {**entry, "seen": None, "spells": spells}


def _entry(old: Any, box: Box, instance: Instance, now: datetime) -> Entry:
    was: Entry = old if isinstance(old, dict) else {}
    marks = marks_of(instance, box.request, box.volumes, now)
    spells = {at: list(spell) for at, spell in _spells(was).items()}
    launched = next((m for m in reversed(marks) if m.up), None)
    down = next((m for m in marks if not m.up), None)
    for mark in marks:  # of one that was stopped since: when it was made goes with its root volume
        if mark.up and launched and launched.at - mark.at > SAME_START:
            spells.setdefault(mark.at.isoformat(), [None, None, False, None])
    if launched:
        before = spells.get(launched.at.isoformat(), [None, None, False, None])
        until = launched.until or _time(before[0])
        over = instance.state in LEAVING
        stopped = [down.at.isoformat(), down.what is What.TAKEN, now.isoformat()] if down and not over else before[1:]
        spells[launched.at.isoformat()] = [until.isoformat() if until else None, *stopped]
    ended = down.at.isoformat() if down and instance.state == "terminated" else was.get("ended")
    disks = {
        v.id: [v.size_gib, v.type, second(v.created).isoformat()]
        for v in box.volumes
        if v.created and v.instance_id == instance.id
    }
    return {
        "name": box.name, "owner": box.owner, "region": instance.region, "type": instance.instance_type,
        "zone": instance.zone, "spot": instance.lifecycle == "spot", "request": instance.request_id,
        "from": box.moved_from.partition("/")[0] or was.get("from"), "seen": now.isoformat(), "ended": ended,
        "spells": spells, "disks": {**as_dict(was.get("disks")), **disks},
    }  # fmt: skip


def pruned(data: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Less what was not seen for long; the newest stay where there are too many."""
    times = {id_: _time(as_dict(entry).get("seen")) for id_, entry in data.items()}
    fresh = {id_: at for id_, at in times.items() if at and now - at <= KEPT}
    newest = sorted(fresh, key=lambda id_: fresh[id_])[-MOST:]
    return {id_: data[id_] for id_ in data if id_ in set(newest)}


def marks_in(data: Mapping[str, Any], instance_id: str) -> tuple[Mark, ...]:
    """What the ledger tells of an instance."""
    found = []
    entry = as_dict(data.get(instance_id))
    for at, (seen, stopped, taken, still) in _spells(entry).items():
        start, down = _time(at), _time(stopped)
        if start is None:
            continue
        found.append(Mark(start, What.STARTED, down or _time(seen)))
        if down:
            found.append(Mark(down, What.TAKEN if taken else What.STOPPED, _time(still)))
    if ended := _time(entry.get("ended")):
        found.append(Mark(ended, What.ENDED))
    return tuple(found)


def saw_end(data: Mapping[str, Any], instance_id: str) -> bool:
    """Whether the ledger knows that an instance was terminated."""
    return _time(as_dict(data.get(instance_id)).get("ended")) is not None


def earlier(
    data: Mapping[str, Any], owner: str, name: str, instances: Iterable[str], requests: Iterable[str],
    volumes: Iterable[str], elsewhere: Collection[str] = (),
) -> tuple[list[Past], list[Disk]]:  # fmt: skip
    """Instances that a box had before those that AWS shows, each with the disks that went with it: of the same request,
    of the same data volume, or what it was moved from. Of the ids `elsewhere` none: they are counted there."""
    shown, links = set(instances), {*instances, *requests, *volumes}
    links |= {str(as_dict(data.get(i)).get("from")) for i in shown}
    mine = {
        i: as_dict(e)
        for i, e in data.items()
        if (as_dict(e).get("owner"), as_dict(e).get("name")) == (owner, name) and i not in elsewhere
    }
    found: dict[str, Entry] = {}
    while more := {i: e for i, e in mine.items() if i not in found and i not in shown and _ties(i, e) & links}:
        found |= more
        links |= {tie for id_, entry in more.items() for tie in (*_ties(id_, entry), str(entry.get("from")))}
    counted = {*volumes, *elsewhere}
    disks: dict[str, Disk] = {}
    for disk in (disk for entry in found.values() for disk in _disks(entry) if disk.id not in counted):
        last = disks.get(disk.id)  # a data volume is seen at each instance that it served, and bills once
        disks[disk.id] = disk if last is None or last.end < disk.end else last
    pasts = [past for id_, entry in found.items() if (past := _past(data, id_, entry))]
    return pasts, list(disks.values())


def _ties(id_: str, entry: Entry) -> set[str]:
    return {id_, str(entry.get("request") or id_), *as_dict(entry.get("disks"))}


def _past(data: Mapping[str, Any], id_: str, entry: Entry) -> Past | None:
    """An instance that is gone; None where its entry is damaged."""
    try:
        pool = pool_of(entry.get("type"), entry.get("zone"), entry.get("region"))
    except ValueError:
        return None
    request = entry.get("request")
    known = request if isinstance(request, str) else None
    return Past(id_, pool, entry.get("spot") is not False, True, marks_in(data, id_), None, known)


def _disks(entry: Entry) -> list[Disk]:
    found = []
    seen = _time(entry.get("ended")) or _time(entry.get("seen"))
    for id_, told in as_dict(entry.get("disks")).items():
        if isinstance(told, list) and len(told) == 3 and seen:
            made = _time(told[2])
            with suppress(ValueError):
                if made and made < seen:
                    found.append(disk_of(id_, made, seen, told[0], told[1], entry.get("region")))
    return found


def _spells(entry: Mapping[str, Any]) -> dict[str, list[Any]]:
    found = as_dict(entry.get("spells"))
    return {str(at): s for at, s in found.items() if isinstance(s, list) and len(s) == 4}


def _time(text: Any) -> datetime | None:
    """A time of the ledger, to the second; None for what is none."""
    try:
        return second(moment(text))
    except (TypeError, ValueError):
        return None


def moment(text: Any) -> datetime:
    """A time with its zone as the ledger's files hold it. TypeError, ValueError for any other, and for what no box can
    have lived at, which arithmetic might not bear."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or not FIRST_YEAR <= at.year < LAST_YEAR:
        raise ValueError(text)
    return at


def disk_of(id_: Any, start: datetime, end: datetime, size_gib: Any, kind: Any, region: Any) -> Disk:
    """A disk as the ledger's files hold it, its size in GiB. ValueError where it is larger than any, or has no size."""
    if type(size_gib) is not int or not 0 < size_gib <= MOST_GIB:
        raise ValueError(size_gib)
    return Disk(str(id_), start, end, size_gib, plain(kind), plain(region))


def pool_of(instance_type: Any, zone: Any, region: Any) -> Pool:
    """A pool as the ledger's files hold it. ValueError where AWS could not be asked about it."""
    return Pool(plain(instance_type), plain(zone), plain(region))


def plain(text: Any) -> str:
    """A name of AWS's: of a type, zone or region. ValueError for what is none."""
    if not isinstance(text, str) or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,63}", text):
        raise ValueError(text)
    return text
