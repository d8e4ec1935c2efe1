"""A cost day by day, each day from midnight to midnight where the user is; and since when, as the user types it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from spotbox.core.cost import Cost, Life, Tariff, cost_of, total_of
from spotbox.core.errors import UsageError
from spotbox.core.units import parse_duration

Since = timedelta | date


@dataclass(frozen=True)
class Day:
    """A day of the calendar and what it cost."""

    day: date
    cost: Cost


def midnight(day: date, zone: tzinfo | None) -> datetime:
    """When the day begins in `zone` (None: the machine's own), in UTC; on some days the clocks change, so that they
    have 23 or 25 hours."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def days_between(start: datetime, end: datetime, zone: tzinfo | None) -> Iterator[tuple[date, datetime, datetime]]:
    """The days from `start` to `end`, each with its part of that time."""
    day = start.astimezone(zone).date()
    while (begin := midnight(day, zone)) < end:
        after = midnight(day + timedelta(days=1), zone)
        yield day, max(begin, start), min(after, end)
        day += timedelta(days=1)


def by_day(
    lives: Sequence[Life], tariff: Tariff, start: datetime, end: datetime, zone: tzinfo | None
) -> list[Day]:  # fmt: skip
    """What these boxes cost on each day from `start` to `end`."""
    return [
        Day(day, total_of(cost_of(life, tariff, first, last) for life in lives))
        for day, first, last in days_between(start, end, zone)
    ]


def parse_since(text: str) -> Since:
    """`7d`, `36h` back from now, or a date such as 2026-11-01, from its midnight where the user is. UsageError."""
    word = text.strip()
    if re.fullmatch(r"\d{4}-\d\d-\d\d", word):
        try:
            return date.fromisoformat(word)
        except ValueError:
            raise UsageError(f"{text!r} is no date", "Give a day of the calendar, such as 2026-11-01.") from None
    try:
        return timedelta(seconds=parse_duration(word))
    except UsageError as error:
        hint = "Give a time back from now, such as 7d or 36h, or a date such as 2026-11-01."
        raise UsageError(error.message.replace("a duration", "a duration or a date"), hint) from None


def since_when(since: Since, now: datetime, zone: tzinfo | None) -> datetime:
    """The moment that is meant, UTC. UsageError where it lies ahead."""
    when = now - since if isinstance(since, timedelta) else midnight(since, zone)
    if when > now:
        raise UsageError(f"{since} lies ahead", "Give a day that has begun.")
    return when
