"""Boxes over time: what changed from one look at AWS to the next, and when that was seen."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from spotbox.core.boxes import Box
from spotbox.core.names import EXPIRES_TAG, IDLE_TAG

REMEMBERED = timedelta(minutes=1)  # how long a box that is gone is still shown as such
BRIGHT = timedelta(seconds=10)  # how long a change stands out


@dataclass(frozen=True)
class Row:
    """A box as last seen. `since`: when its state was first seen; None where it was so at the first look."""

    box: Box
    since: datetime | None = None
    changed: datetime | None = None
    gone: bool = False

    @property
    def state(self) -> str:
        """The state of the box, or that it is gone."""
        return "gone" if self.gone else str(self.box.state)

    def bright(self, now: datetime) -> bool:
        """Whether it changed a moment ago."""
        return self.changed is not None and now - self.changed < BRIGHT


def follow(rows: Iterable[Row], boxes: Iterable[Box], asked: Collection[str], now: datetime, first: bool) -> list[Row]:
    """The rows after a look that reached the regions `asked`; boxes of other regions stay as they were.

    What was there at the `first` look is no change.
    """
    old = {_key(row.box): row for row in rows}
    new = {_key(box): box for box in boxes}
    found = [_seen(old.get(key), box, now, first) for key, box in new.items()]
    for key, row in old.items():
        if key in new:
            continue
        if row.box.region not in asked:
            found.append(row)
        elif not row.gone:
            found.append(Row(row.box, now, now, gone=True))
        elif row.since is None or now - row.since < REMEMBERED:
            found.append(row)
    return sorted(found, key=lambda row: _key(row.box))


def _seen(old: Row | None, box: Box, now: datetime, first: bool) -> Row:
    if old is None:
        return Row(box) if first else Row(box, now, now)
    if old.gone or old.box.state is not box.state:
        return Row(box, now, now)
    if _face(old.box) != _face(box):
        return Row(box, old.since, now)
    return replace(old, box=box)


def _key(box: Box) -> tuple[str, str, str]:
    return box.name, box.owner, box.region


def _face(box: Box) -> tuple[object, ...]:
    """What counts as a change; prices move all the time and do not."""
    ids = (box.request and box.request.id, box.instance and box.instance.id, tuple(v.id for v in box.volumes))
    limits = box.tags.get(EXPIRES_TAG), box.tags.get(IDLE_TAG)
    code = box.request.code if box.request else None
    return box.state, box.reason, code, box.instance and box.instance.public_ip, ids, box.untagged, limits
