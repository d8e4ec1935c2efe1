from dataclasses import replace
from datetime import timedelta

from spotbox.core.boxes import Sight, assemble
from spotbox.core.watching import BRIGHT, REMEMBERED, follow
from tests.core.worlds import REGION, WHEN, instance, request, volume

SECOND = timedelta(seconds=1)


def running(**changes):
    (found,) = assemble(Sight(REGION, (request(),), (instance(**changes),), (volume(),)))
    return found


def stopped():
    asked = request("disabled", "instance-stopped-by-user")
    halted = instance("stopped", reason_code="Client.UserInitiatedShutdown")
    (found,) = assemble(Sight(REGION, (asked,), (halted,), (volume(),)))
    return found


def test_what_was_there_first_is_no_change():
    """The first look finds things as they are: no time is claimed, nothing stands out."""
    (row,) = follow([], [running()], {REGION}, WHEN, first=True)
    assert (row.since, row.changed, row.state) == (None, None, "running")


def test_a_change_of_state_has_the_time_it_was_seen():
    """`since` is the look that saw it, and stays; the row stands out for ten seconds."""
    rows = follow([], [running()], {REGION}, WHEN, first=True)
    rows = follow(rows, [stopped()], {REGION}, WHEN + SECOND, first=False)
    (row,) = follow(rows, [stopped()], {REGION}, WHEN + 5 * SECOND, first=False)
    assert (row.state, row.since, row.changed) == ("stopped", WHEN + SECOND, WHEN + SECOND)
    assert row.bright(WHEN + 5 * SECOND)
    assert not row.bright(WHEN + SECOND + BRIGHT)


def test_a_new_address_is_a_change_and_no_new_state():
    """Only the state has a `since`; a price that moves is no change at all."""
    rows = follow([], [running()], {REGION}, WHEN, first=True)
    (row,) = follow(rows, [running(public_ip="203.0.113.9")], {REGION}, WHEN + SECOND, first=False)
    assert (row.since, row.changed) == (None, WHEN + SECOND)
    (row,) = follow(rows, [replace(running(), spot=row.box.on_demand)], {REGION}, WHEN + SECOND, first=False)
    assert row.changed is None


def test_a_box_that_is_gone_is_told_for_a_minute():
    """Then it is forgotten; one of the same name that comes is new."""
    rows = follow([], [running()], {REGION}, WHEN, first=True)
    rows = follow(rows, [], {REGION}, WHEN + SECOND, first=False)
    assert [(row.state, row.since) for row in rows] == [("gone", WHEN + SECOND)]
    (back,) = follow(rows, [running()], {REGION}, WHEN + 2 * SECOND, first=False)
    assert (back.state, back.since) == ("running", WHEN + 2 * SECOND)
    assert follow(rows, [], {REGION}, WHEN + SECOND + REMEMBERED, first=False) == []


def test_a_region_that_was_not_asked_or_failed_loses_nothing():
    """What could not be looked at is shown as it was, never as gone."""
    rows = follow([], [running()], {REGION}, WHEN, first=True)
    assert follow(rows, [], {"eu-west-1"}, WHEN + SECOND, first=False) == rows
    assert follow(rows, [], set(), WHEN + SECOND, first=False) == rows
