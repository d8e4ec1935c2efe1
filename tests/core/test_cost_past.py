"""Runs out of what several sources tell, each of which knows only a part."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotbox.core.cost import Life, Run, Tariff
from spotbox.core.cost_days import by_day, days_between
from spotbox.core.cost_past import Mark, Stay, What, doubtful, merged, stays
from spotbox.core.cost_since import parse_since, since_when
from spotbox.core.errors import UsageError
from spotbox.core.history import Pool

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
UP, STOP, TAKEN, END = What.STARTED, What.STOPPED, What.TAKEN, What.ENDED


def at(number):
    """So many hours after noon."""
    return NOON + timedelta(hours=number)


def mark(number, what, until=None):
    return Mark(at(number), what, None if until is None else at(until))


def told(found):
    """Stays as (from hour, to hour, ran, taken)."""
    hours = [((s.start - NOON) / timedelta(hours=1), (s.end - NOON) / timedelta(hours=1)) for s in found]
    return [(*span, stay.up, stay.taken) for span, stay in zip(hours, found, strict=True)]


def test_one_run_that_needs_no_trail():
    """Made and started last at one moment, and running: there was no stop, though CloudTrail may not be asked."""
    found = stays([mark(0, UP), mark(0.01, UP, 9)], at(9), True, None)
    assert told(found) == [(0, 9, True, False)]
    assert found[0].began


def test_a_trail_of_stops_and_starts():
    """Run, stop, start, and AWS's interruption: each stay is known, and who ended it."""
    marks = [mark(0, UP), mark(2, STOP), mark(5, UP), mark(6, TAKEN), mark(8, UP, 10)]
    assert told(stays(marks, at(10), True, at(-99))) == [
        (0, 2, True, False), (2, 5, False, False), (5, 6, True, True), (6, 8, False, False), (8, 10, True, False),
    ]  # fmt: skip


def test_sources_that_tell_the_same_are_one():
    """A start told by its volume, its call and its LaunchTime is one; so is a stop by its call and its request."""
    marks = [mark(0, UP), mark(0.001, UP), mark(0.02, UP, 4), mark(4, STOP), mark(4.1, STOP, 9)]
    assert [(m.at, m.what, m.until) for m in merged(marks)] == [(at(0), UP, at(4)), (at(4), STOP, at(9))]


def test_a_stop_that_nobody_tells_of():
    """Two starts without a stop between them: a `shutdown` on the box is in no trail. When it was is not guessed."""
    marks = [mark(0, UP), mark(5, UP, 9)]
    assert told(stays(marks, at(9), True, at(-99))) == [(0, 5, None, False), (5, 9, True, False)]


def test_the_ledger_tells_a_part_of_it():
    """What was seen running until an hour ran until then; only the rest is unknown."""
    marks = [mark(0, UP, 3), mark(5, UP, 9)]
    expected = [(0, 3, True, False), (3, 5, None, False), (5, 9, True, False)]
    assert told(stays(marks, at(9), True, at(-99))) == expected


def test_a_restart_by_aws_that_nobody_tells_of():
    """Interrupted, and stopped by the user later: AWS restarted it between, at a time that is not known."""
    marks = [mark(0, UP), mark(2, TAKEN), mark(7, STOP, 9)]
    assert told(stays(marks, at(9), False, at(-99))) == [
        (0, 2, True, True), (2, 7, None, False), (7, 9, False, False),
    ]  # fmt: skip


def test_a_user_starts_what_aws_took():
    """Only AWS can start it: it did so untold, and the box shut itself down, before its user could. So when AWS took it
    and its user started it, the time between is unknown, but for what was seen of it; AWS's own start says all."""
    marks = [mark(0, UP), mark(2, TAKEN), Mark(at(6), UP, called=True), mark(6.01, UP, 9)]
    assert told(stays(marks, at(9), True, at(-99)))[1:] == [(2, 6, None, False), (6, 9, True, False)]
    marks[1] = mark(2, TAKEN, 3)
    assert told(stays(marks, at(9), True, at(-99)))[1:3] == [(2, 3, False, False), (3, 6, None, False)]
    marks[2] = Mark(at(6), STOP, called=True)
    assert told(stays(marks, at(6.5), True, at(-99)))[1:3] == [(2, 3, False, False), (3, 6, None, False)]
    marks[1:3] = [mark(2, TAKEN), mark(6, UP)]
    assert told(stays(marks, at(9), True, at(-99)))[1:] == [(2, 6, False, False), (6, 9, True, False)]


def test_older_than_the_trail():
    """Before the trail begins nothing is known but what EC2 tells; after it the next stop says that it ran."""
    marks = [mark(0, UP), mark(60, STOP), mark(70, UP, 80)]
    found = stays(marks, at(80), True, at(50))
    assert told(found) == [(0, 50, None, False), (50, 60, True, False), (60, 70, False, False), (70, 80, True, False)]
    assert [stay.began for stay in found if stay.up] == [False, True]


def test_without_a_trail_what_lies_between_is_unknown():
    """CloudTrail refused: made at 0, started last at 5. Whether it ran between them nobody tells."""
    marks = [mark(0, UP), mark(5, UP, 7), mark(7, STOP, 9)]
    assert told(stays(marks, at(9), False, None)) == [(0, 5, None, False), (5, 7, True, False), (7, 9, False, False)]


def test_an_end():
    """A terminated instance has no time after its end, whether it ran before or stood stopped."""
    assert told(stays([mark(0, UP), mark(3, END)], at(9), None, at(-99))) == [(0, 3, True, False)]
    stopped = stays([mark(0, UP), mark(2, STOP), mark(3, END)], at(9), None, at(-99))
    assert told(stopped) == [(0, 2, True, False), (2, 3, False, False)]


def test_an_end_that_nobody_tells():
    """Seen running until 3 and gone: it ended no later than is said, and that time is unknown."""
    assert told(stays([mark(0, UP, 3)], at(4), None, None)) == [(0, 3, True, False), (3, 4, None, False)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from(What), st.integers(0, 30)), max_size=8),
       st.booleans(), st.one_of(st.none(), st.integers(-10, 99)))  # fmt: skip
def test_the_stays_cover_the_time_once(raw, runs, since):
    """Whatever is told, stays follow each other without a gap from the first mark to now, and never overlap."""
    marks = [mark(hour, what, hour + more if more else None) for hour, what, more in raw]
    found: list[Stay] = stays(marks, at(100), runs, None if since is None else at(since))
    if marks:
        assert found[0].start == min(m.at for m in marks)
        assert found[-1].end == at(100)
    assert all(one.end == other.start for one, other in pairwise(found))
    assert all(stay.start < stay.end for stay in found)


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-01", 24)])
def test_a_day_on_which_the_clocks_change(day, hours):
    """Berlin's 29 March 2026 has 23 hours and its 25 October 25: a box that ran all day ran so many, at 1 USD each."""
    start, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    run = Run(start, end, Pool("g5.xlarge", "eu-central-1a", "eu-central-1"), spot=False, address=False)
    box = Life("dev", start, end, (run,))
    found = by_day([box], Tariff(on_demand={("eu-central-1", "g5.xlarge"): 1}), start, end, BERLIN)
    (one,) = [each for each in found if each.day == date.fromisoformat(day)]
    assert (one.cost.running, one.cost.compute) == (hours, hours)
    assert sum(each.cost.running for each in found) == (end - start).total_seconds() / 3600


def test_the_first_and_the_last_day_are_parts():
    """Days begin at midnight where the user is; the first begins and the last ends with the time that is asked for."""
    start, end = datetime(2026, 11, 1, 22, tzinfo=UTC), datetime(2026, 11, 3, 1, tzinfo=UTC)
    found = list(days_between(start, end, BERLIN))
    assert [day.isoformat() for day, _, _ in found] == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert [(b - a).total_seconds() / 3600 for _, a, b in found] == [1, 24, 2]


def test_since():
    """A time back from now, or the midnight of a day where the user is."""
    assert since_when(parse_since("36h"), NOON, BERLIN) == NOON - timedelta(hours=36)
    assert since_when(parse_since("2026-10-25"), NOON, BERLIN) == datetime(2026, 10, 24, 22, tzinfo=UTC)
    for text in ("2026-02-30", "yesterday", "7", "", "-1d"):
        with pytest.raises(UsageError):
            parse_since(text)
    with pytest.raises(UsageError):
        since_when(parse_since("2027-01-01"), NOON, None)


@pytest.mark.parametrize(("marks", "runs", "asks"), [
    ([mark(0, UP), mark(0.01, UP, 9)], True, False),
    ([mark(0, UP), mark(5, UP, 9)], True, True),
    ([mark(0, UP, 4), mark(4, STOP, 9)], False, False),
    ([mark(0, UP, 4), mark(4, STOP, 5), mark(7, UP, 9)], True, True),  # who knows what was between 5 and 7
    ([mark(0, UP, 3), mark(3.01, END)], None, False),
    ([mark(0, UP), mark(3, END)], None, True),
    ([mark(0, UP, 3)], None, True),
    ([mark(0, UP)], True, True),
    ([], True, False),
])  # fmt: skip
def test_what_cloudtrail_is_needed_for(marks, runs, asks):
    """It is asked only where EC2 and the ledger leave a time open."""
    assert doubtful(marks, at(9), runs) is asks
