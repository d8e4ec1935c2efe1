"""Lives of boxes that were removed, as the ledger keeps them: AWS forgets an instance an hour after its end."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from spotbox.core.cost import Cost, Life, Run
from spotbox.core.cost_ledger import disk_of, moment, pool_of

KEPT = timedelta(days=400)
MOST = 500  # lives
LIMIT = 10**12  # USD or hours that nobody has; beyond some size they could not be rounded
_MONEY = ("compute", "disk", "address", "on_demand", "against")
_HOURS = ("running", "stopped", "unknown", "unpriced")
Entry = dict[str, Any]


def to_entry(life: Life, cost: Cost, owner: str, account: str) -> Entry:
    """A life and what it cost as it was told at its removal."""
    usd = {name: _text(getattr(cost, name)) for name in (*_HOURS, *_MONEY)}
    return {
        "name": life.name,
        "owner": owner,
        "account": account,
        "start": life.start.isoformat(),
        "end": life.end.isoformat(),
        "runs": [
            [r.start.isoformat(), r.end.isoformat(), *r.pool, r.spot, r.began, r.taken, r.address] for r in life.runs
        ],
        "stopped": [[a.isoformat(), b.isoformat()] for a, b in life.stopped],
        "unknown": [[a.isoformat(), b.isoformat()] for a, b in life.unknown],
        "disks": [[d.id, d.start.isoformat(), d.end.isoformat(), d.size_gib, d.type, d.region] for d in life.disks],
        "complete": life.complete,
        "gaps": list(life.gaps),
        "cost": {**usd, "complete": cost.complete, "lacking": sorted(cost.lacking)},
    }


def from_entry(entry: Any) -> tuple[Life, Cost] | None:
    """What an entry holds; None where it is damaged."""
    try:
        runs = tuple(
            Run(moment(r[0]), moment(r[1]), pool_of(r[2], r[3], r[4]), *(bool(flag) for flag in r[5:9]))
            for r in entry["runs"]
        )
        disks = tuple(disk_of(d[0], moment(d[1]), moment(d[2]), *d[3:6]) for d in entry["disks"])
        life = Life(
            str(entry["name"]),
            moment(entry["start"]),
            moment(entry["end"]),
            runs,
            tuple((moment(a), moment(b)) for a, b in entry["stopped"]),
            tuple((moment(a), moment(b)) for a, b in entry["unknown"]),
            disks,
            entry["complete"] is True,
            tuple(map(str, entry["gaps"])),
            removed=True,
        )
        told = entry["cost"]
        money: dict[str, Any] = {name: _number(told[name]) for name in (*_HOURS, *_MONEY)}
        if None in [money[name] for name in (*_HOURS, "against")]:
            raise ValueError(told)
        return life, Cost(**money, complete=told["complete"] is True, lacking=frozenset(map(str, told["lacking"])))
    except (KeyError, TypeError, ValueError, IndexError, InvalidOperation):
        return None


def with_life(data: Mapping[str, Any], key: str, entry: Entry, now: datetime) -> Entry:
    """The lives with one more; those that ended long ago go, and the oldest where there are too many."""
    lives = {**data, key: entry}
    ends = {id_: found[0].end for id_, each in lives.items() if (found := from_entry(each))}
    newest = sorted((id_ for id_, end in ends.items() if now - end <= KEPT), key=lambda id_: ends[id_])
    return {id_: lives[id_] for id_ in newest[-MOST:]}


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _number(text: Any) -> Decimal | None:
    if text is None:
        return None
    value = Decimal(text)
    if not (value.is_finite() and 0 <= value < LIMIT):
        raise ValueError(text)
    return value
