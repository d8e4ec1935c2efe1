"""The ledger: what is seen of boxes in passing is kept on this machine, for what AWS forgets. Never needed."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from shutil import rmtree
from typing import Any

from spotbox.app import SANDBOX, App
from spotbox.core.boxes import Box
from spotbox.core.cost import Cost, Life
from spotbox.core.cost_kept import from_entry, to_entry, with_life
from spotbox.core.cost_ledger import noted, pruned

SEEN, REMOVED = "seen", "removed"  # names of its files


def remember(app: App, boxes: Iterable[Box]) -> None:
    """Keep what is seen of these boxes, where it is new. A ledger that cannot be written is none, and whatever is wrong
    with it stops no command: `down` passes here before it removes anything."""
    try:
        _remember(app, [box for box in boxes if box.instances])
    except Exception as error:
        app.debug(f"not kept in the ledger: {type(error).__name__}: {error}")


def _remember(app: App, boxes: Sequence[Box]) -> None:
    now = app.system.now()
    if not boxes:
        return
    before = app.ledger.read(SEEN)
    if _noted(before, boxes, now) == before:
        return
    app.ledger.update(SEEN, lambda data: pruned(_noted(data, boxes, now), now))


def _noted(data: dict[str, Any], boxes: Sequence[Box], now: datetime) -> dict[str, Any]:
    for box in boxes:
        data = noted(data, box, now)
    return data


def seen(app: App) -> dict[str, Any]:
    """What the ledger holds of instances."""
    return app.ledger.read(SEEN)


def forget(app: App) -> None:
    """Drop what is kept of the sandbox, which is empty again."""
    rmtree(app.places.ledger / SANDBOX, ignore_errors=True)


def bury(app: App, life: Life, cost: Cost, owner: str, instances: Collection[str] = ()) -> None:
    """Keep the life of a box that was removed, and take the instances that it counts from what is seen: nobody else's
    life is to count them too, such as that of a box which a move made of it."""
    entry = to_entry(life, cost, owner, app.identity.account)
    key, now = f"{owner}/{life.name}/{life.start.isoformat()}", app.system.now()
    app.ledger.update(REMOVED, lambda data: with_life(data, key, entry, now))
    app.ledger.update(SEEN, lambda data: {id_: entry for id_, entry in data.items() if id_ not in instances})


def removed(app: App, owner: str, name: str | None, since: datetime) -> list[tuple[Life, Cost]]:
    """The boxes of this owner's in this account that were removed after `since`, each with what it cost by then."""
    data = app.ledger.read(REMOVED)
    found = []
    for entry in data.values():
        kept = from_entry(entry)
        if not kept or entry.get("owner") != owner or (name and kept[0].name != name) or kept[0].end <= since:
            continue
        if entry.get("account") == app.identity.account:
            found.append(kept)
    return sorted(found, key=lambda each: each[0].start)
