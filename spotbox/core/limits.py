"""Limits that the user set on a box, kept as tags: until when it may run, and after how long without work it stops."""

from datetime import UTC, datetime, timedelta
from typing import Any

from spotbox.core.boxes import Box
from spotbox.core.names import EXPIRES_TAG, IDLE_TAG, Tags
from spotbox.core.states import State
from spotbox.core.steps import SetLimit


def expiry(now: datetime, seconds: int) -> str:
    """The value of `spotbox:expires`: `seconds` from now as UTC in ISO 8601; empty (no limit) for 0."""
    return (now + timedelta(seconds=seconds)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else ""


def expires(tags: Tags) -> datetime | None:
    """When the box's time is over, aware; None where there is no limit, or the tag holds no time."""
    try:
        when = datetime.fromisoformat(tags.get(EXPIRES_TAG, ""))
    except ValueError:
        return None
    return when if when.tzinfo else None


def limit_steps(box: Box, expires: str | None = None, idle_stop: str | None = None) -> tuple[SetLimit, ...]:
    """What sets these limits on request, instance and volumes alike; nothing where all have them already.

    None leaves a limit as it is, an empty text removes it. A relaunched instance gets them from its request again.
    """
    wanted = {key: value for key, value in ((EXPIRES_TAG, expires), (IDLE_TAG, idle_stop)) if value is not None}
    parts: list[Any] = [part for part in (box.request, box.instance, *box.volumes) if part]
    stale = [part for part in parts if any(part.tags.get(key, "") != value for key, value in wanted.items())]
    if not stale or box.state in (State.KEPT, State.ORPHANED):
        return ()
    tags = {key: value for key, value in wanted.items() if value}
    remove = tuple(key for key, value in wanted.items() if not value)
    return (SetLimit(box.region, tuple(part.id for part in stale), tags, remove),)


def limits_in_words(tags: Tags) -> str:
    """`until 2026-11-22T20:00:00Z, stop after 2h idle`; empty where there is none. The text comes from tags."""
    until, idle = tags.get(EXPIRES_TAG), tags.get(IDLE_TAG)
    return ", ".join([*([f"until {until}"] if until else []), *([f"stop after {idle} idle"] if idle else [])])
