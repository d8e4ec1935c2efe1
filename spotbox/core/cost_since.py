"""Since when, as the user types it, and where the days begin."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from spotbox.core.errors import UsageError
from spotbox.core.units import parse_duration

Since = timedelta | date
FIRST = date(2006, 1, 1)  # the year of EC2's first instances
FOREVER = 9999  # a year whose last midnight may lie beyond what can be told in UTC


def midnight(day: date, zone: tzinfo | None) -> datetime:
    """When the day begins in `zone` (None: the machine's own), in UTC; on some days the clocks change, so that they
    have 23 or 25 hours."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def parse_since(text: str) -> Since:
    """`7d`, `36h` back from now, or a date such as 2026-11-01, from its midnight where the user is. UsageError."""
    word = text.strip()
    if re.fullmatch(r"\d{4}-\d\d-\d\d", word):
        hint = "Give a day of the calendar, such as 2026-11-01."
        try:
            day = date.fromisoformat(word)
        except ValueError:
            raise UsageError(f"{text!r} is no date", hint) from None
        if not FIRST.year <= day.year < FOREVER:
            raise UsageError(f"{text!r} lies {'ahead' if day > FIRST else 'before EC2 was there'}", hint)
        return day
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
