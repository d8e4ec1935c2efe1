"""A cost day by day, each day from midnight to midnight where the user is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from spotbox.core.cost import Cost, Life, Tariff, cost_of, total_of
from spotbox.core.cost_since import midnight


@dataclass(frozen=True)
class Day:
    """A day of the calendar and what it cost."""

    day: date
    cost: Cost


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
