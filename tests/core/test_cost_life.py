"""The life of a box: what EC2 tells of its instances, what the ledger adds, and what is said to be missing."""

from datetime import timedelta

import pytest

from spotbox.core.boxes import Box
from spotbox.core.cost import Disk, cost_of
from spotbox.core.cost_kept import from_entry, to_entry, with_life
from spotbox.core.cost_ledger import KEPT, MOST, earlier, marks_in, noted, pruned
from spotbox.core.cost_life import (
    Past,
    Told,
    disks_of,
    life_of,
    marks_of,
    minus,
    past_of,
    present,
    since_of,
    transition_time,
    union,
)
from spotbox.core.cost_past import Mark, What
from spotbox.core.history import Pool
from spotbox.core.names import MOVED_TAG, SINCE_TAG
from spotbox.core.states import State
from tests.core.test_cost import POOL, tariff
from tests.core.worlds import WHEN, data_volume, instance, request, volume

NOW = WHEN + timedelta(hours=100)


def at(hours):
    """So many hours after the box was made."""
    return WHEN + timedelta(hours=hours)


def said(hours, why="User initiated"):
    return f"{why} ({at(hours):%Y-%m-%d %H:%M:%S} GMT)"


def life(instances, requests=(), volumes=(), told=None, now=NOW, since=None):
    requests, volumes = requests or [request()], volumes or [volume()]
    pasts = [past_of(i, requests, volumes, now) for i in instances]
    return life_of("dev", pasts, disks_of(volumes, now), requests, told or Told(), now, since)


def hours(spans):
    return [((a - WHEN) / timedelta(hours=1), (b - WHEN) / timedelta(hours=1)) for a, b in spans]


def runs(found):
    return [(*hours([(run.start, run.end)])[0], run.taken) for run in found.runs]


@pytest.mark.parametrize(("text", "when"), [
    ("User initiated (2026-11-22 12:30:00 GMT)", at(0.5)), ("Server.SpotInstanceShutdown", None), ("", None),
    ("Server.SpotInstanceShutdown (2026-11-22 12:30:00 UTC)", at(0.5)), ("(2026-13-99 12:30:00 GMT)", None),
])  # fmt: skip
def test_the_time_of_the_last_stop(text, when):
    """StateTransitionReason carries it, or does not."""
    assert transition_time(text) == when


def test_a_running_box():
    """Made and started last at one moment: one run, nothing unknown, its disk as long."""
    found = life([instance()])
    assert (runs(found), found.stopped, found.unknown, found.complete) == ([(0, 100, False)], (), (), True)
    assert found.disks == (Disk("vol-1", WHEN, NOW, 100, "gp3", "us-east-1"),)


@pytest.mark.parametrize(("code", "reason", "taken"), [
    ("instance-stopped-by-user", "Client.UserInitiatedShutdown", False),
    ("instance-stopped-no-capacity", "Server.SpotInstanceShutdown", True),
])  # fmt: skip
def test_a_stopped_box(code, reason, taken):
    """Who stopped it the request says; when, the instance, or else the request's own time."""
    stopped = request("disabled", code, updated=at(30))
    for text, end in ((said(20), 20), ("", 30)):
        found = life([instance("stopped", reason_code=reason, transition=text)], [stopped])
        assert (runs(found), hours(found.stopped)) == ([(0, end, taken)], [(end, 100)])


def test_a_stopped_box_of_which_nobody_says_since_when():
    """Neither instance nor request has a time: how long it ran is unknown."""
    found = life([instance("stopped")], [request("disabled", "instance-stopped-by-user")])
    assert (runs(found), hours(found.unknown)) == ([], [(0, 100)])


def test_what_is_terminated_may_have_been_stopped_before():
    """Its last start and its end do not say that it ran between them; with the trail it is known."""
    gone = [instance("terminated", transition=said(50))]
    assert hours(life(gone).unknown) == [(0, 50)]
    told = Told({"i-1": (Mark(at(20), What.STOPPED),)}, {"i-1": at(-1)})
    found = life(gone, told=told)
    assert (runs(found), found.unknown) == ([(0, 20, False)], ())


def test_an_end_by_aws():
    """Server.SpotInstanceTermination: AWS took it, and the first hour was free."""
    gone = instance("terminated", transition=said(0.5), reason_code="Server.SpotInstanceTermination")
    found = life([gone], told=Told({}, {"i-1": at(-1)}))
    assert runs(found) == [(0, 0.5, True)]
    assert cost_of(found, tariff((-999, "0.40"))).compute == 0


def test_cloudtrail_refused_is_a_gap():
    """It is said, and the life is not complete."""
    found = life([instance(launched=at(50))], told=Told(refused="no permission"))
    assert (found.gaps, found.complete) == (("CloudTrail was not asked: no permission",), False)


def test_a_data_volume_older_than_every_instance():
    """What ran before with it is not known; the disk bills since it was made."""
    old = data_volume(created=at(-50))
    found = life([instance()], volumes=[volume(), old])
    assert (hours(found.unknown), found.start) == ([(-50, 0)], at(-50))


def test_a_box_that_has_moved():
    """Its tag tells since when it has been there: what it was before the move is unknown, and not nothing."""
    moved = instance(tags={SINCE_TAG: "2026-11-20T10:00:00.250Z"})
    since = since_of((request(), moved), (), NOW)
    assert since == at(-50)
    found = life([moved], since=since)
    assert (hours(found.unknown), found.start) == ([(-50, 0)], at(-50))
    assert not cost_of(found, tariff((-999, "0.40"))).complete
    before = Past("i-0", POOL, True, True, (Mark(since, What.STARTED, at(0)),), None)
    pasts = [before, past_of(moved, [request()], [volume()], NOW)]
    known = life_of("dev", pasts, [], [request()], Told(), NOW, since)
    assert (known.unknown, known.complete) == ((), True)  # where the ledger tells it


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-11-20T10:00:00", "1999-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "\x1b"]
)
def test_a_tag_that_tells_no_moment(text):
    """It is as if it were not there."""
    assert since_of([instance(tags={SINCE_TAG: text})], (), NOW) is None


def test_what_is_counted_with_the_side_that_moves():
    """While both sides of a move are there, the time before is the old one's."""
    new = instance(tags={SINCE_TAG: "2026-11-20T10:00:00Z", MOVED_TAG: "i-0/2026-11-21T10:00:00.000Z"})
    assert since_of([new], {"i-0"}, NOW) is None
    assert since_of([new], {"i-7"}, NOW) == at(-50)


def test_a_request_older_than_its_instance():
    """What it launched before is not known, and that is said."""
    found = life([instance()], [request(created=at(-50))])
    assert found.gaps == ("what sir-1 launched before 2026-11-22 12:00 UTC is not known",)


def test_instances_of_a_box_that_was_removed():
    """AWS shows them for an hour: they are none of the new box of that name, those that its request had are."""
    mine, dead = instance(), instance("terminated", id="i-0", request_id="sir-0")
    relaunched = instance("terminated", id="i-2")
    requests = [request(), request("cancelled", "x", id="sir-0", instance_id="i-0")]
    assert present([dead, mine, relaunched], requests) == ((mine, relaunched), tuple(requests[:1]))


def test_spans():
    """Overlaps are one, and holes are cut out."""
    assert hours(union([(at(5), at(9)), (at(0), at(3)), (at(2), at(4)), (at(7), at(7))])) == [(0, 4), (5, 9)]
    assert hours(minus([(at(0), at(10))], [(at(2), at(3)), (at(9), at(20))])) == [(0, 2), (3, 9)]


def box(*instances, state=State.RUNNING, volumes=None, requests=None):
    requests = (request(),) if requests is None else requests
    return Box("dev", "alice", "us-east-1", state, "", requests[0] if requests else None,
               instances[0] if instances else None, requests, instances, volumes or (volume(),))  # fmt: skip


def test_the_ledger_keeps_starts_and_stops():
    """Seen running at 10, seen stopped at 40 (since 30): a run of 30 hours, and stopped until 40 at least."""
    data = noted({}, box(instance()), at(10))
    assert marks_in(data, "i-1") == (Mark(WHEN, What.STARTED, at(10)),)
    stopped = instance("stopped", transition=said(30))
    data = noted(data, box(stopped, requests=(request("disabled", "instance-stopped-by-user"),)), at(40))
    assert marks_in(data, "i-1") == (Mark(WHEN, What.STARTED, at(30)), Mark(at(30), What.STOPPED, at(40)))
    data = noted(data, box(instance(launched=at(50))), at(60))
    assert marks_in(data, "i-1")[2] == Mark(at(50), What.STARTED, at(60))


def test_looking_again_and_again_writes_little():
    """What is seen every two seconds is written when it changes, and else every ten minutes."""
    data = noted({}, box(instance()), at(10))
    assert noted(data, box(instance()), at(10.1)) == data
    assert noted(data, box(instance()), at(10.2)) != data
    assert noted(data, box(instance("stopped", transition=said(10.05))), at(10.1)) != data


def test_what_a_move_left_behind_is_the_boxs():
    """An instance that the box was moved from counts, with its disk, up to when it was seen last; no other does."""
    data = noted({}, box(instance()), at(40))
    moved = request(id="sir-2", instance_id="i-2", tags={**request().tags, "spotbox:moved-from": "i-1/x"})
    new = instance(id="i-2", request_id="sir-2", launched=at(39))
    data = noted(data, box(new, requests=(moved,), volumes=(volume(id="vol-2", instance_id="i-2"),)), at(41))
    data = noted(data, box(instance(id="i-7", request_id="sir-7"), requests=()), at(41))
    pasts, disks = earlier(data, "alice", "dev", ["i-2"], ["sir-2"], ["vol-2"])
    assert [past.id for past in pasts] == ["i-1"]
    assert disks == [Disk("vol-1", WHEN, at(40), 100, "gp3", "us-east-1")]
    found = life_of("dev", [*pasts, past_of(new, [moved], [], NOW)], disks, [moved], Told(), NOW)
    assert runs(found) == [(0, 40, False), (39, 100, False)]
    assert earlier(data, "bob", "dev", ["i-2"], [], []) == ([], [])


def test_the_ledger_stays_small():
    """What was not seen for long goes, and so do the oldest of too many."""
    data = {f"i-{n}": {"seen": (NOW - timedelta(hours=n)).isoformat()} for n in range(MOST + 5)}
    data |= {"i-old": {"seen": (NOW - KEPT - timedelta(hours=1)).isoformat()}, "i-bad": 7}
    assert set(pruned(data, NOW)) == {f"i-{n}" for n in range(MOST)}


def test_a_removed_box_is_kept_as_it_was():
    """Its life and its cost come back from the ledger as they went in; a damaged entry is none."""
    kept = life([instance(launched=at(50))], volumes=[volume(), data_volume(created=at(-50))])
    cost = cost_of(kept, tariff((-999, "0.40")))
    entry = to_entry(kept, cost, "alice", "123456789012")
    again, told = from_entry(entry)
    assert (again.removed, told) == (True, cost)
    assert cost_of(again, tariff((-999, "0.40"))) == cost
    for broken in (None, {}, {**entry, "runs": [["x"]]}, {**entry, "cost": {**entry["cost"], "compute": "NaN"}},
                   {**entry, "start": "2026-11-22T12:00:00"}):  # fmt: skip
        assert from_entry(broken) is None
    assert with_life({"x": {}, "old": {**entry, "end": "2020-01-01T00:00:00+00:00"}}, "k", entry, NOW) == {"k": entry}


def test_marks_of_what_stops():
    """What stops is not charged any more, from when it was told to; where nobody says when, until it has stopped."""
    marks = marks_of(instance("stopping", transition=said(99)), None, [], NOW)
    assert marks == (Mark(WHEN, What.STARTED, at(99)), Mark(at(99), What.STOPPED, NOW))
    assert runs(life([instance("stopping", transition=said(99))])) == [(0.0, 99.0, False)]
    assert runs(life([instance("stopping")])) == [(0.0, 100.0, False)]


def test_what_aws_took_and_started_again_and_is_gone():
    """Its last start is no end: nobody tells how long it ran then, no later than when the next one was there."""
    marks = (Mark(WHEN, What.STARTED, at(5)), Mark(at(5), What.TAKEN, at(6)), Mark(at(8), What.STARTED, at(9)))
    old = Past("i-0", Pool("g5.xlarge", "us-east-1a", "us-east-1"), True, True, marks, None)
    marks = (Mark(at(20), What.STARTED, at(30)), Mark(at(30), What.STOPPED, NOW))
    new = Past("i-1", old.pool, True, True, marks, False)
    found = life_of("dev", [old, new], [Disk("vol-d", WHEN, NOW, 10, "gp3", "us-east-1")], [], Told(), NOW)
    assert hours(found.unknown) == [(9.0, 20.0)]
    assert hours(found.stopped) == [(5.0, 8.0), (30.0, 100.0)]
