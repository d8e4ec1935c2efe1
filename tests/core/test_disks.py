"""What a box lacks of its data volume, over all products of where it is, what is tagged, and what the box does."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from spotbox.core.boxes import Sight, assemble
from spotbox.core.changes import differences
from spotbox.core.copytag import IN_USE, copy_mark
from spotbox.core.disks import data_size, data_volume, plan_data, resize_data
from spotbox.core.names import COPY_TAG, DATA_SIZE_TAG, DATA_TAG, KEEP_TAG, NAME_TAG, ROLE_TAG, box_tags
from spotbox.core.plans import plan_down, plan_start, plan_stop, plan_tags
from spotbox.core.steps import DeleteVolume, GiveData, GrowDisk, TagAgain, Terminate
from tests.core.worlds import REGION, WHEN, instance, request, volume
from tests.core.worlds import data_volume as a_data_volume

A, B = "us-east-1a", "us-east-1b"


def box(*data, size=None, state="running", told=None):
    """alice's dev with these data volumes; `size` as tagged by the launch, `told` as its instance is tagged."""
    tags = box_tags("dev", "alice", {DATA_SIZE_TAG: size} if size else {})
    of_request = ("active", "fulfilled") if state == "running" else ("disabled", "instance-stopped-by-user")
    own = {**tags, **({DATA_TAG: told} if told else {})}
    (found,) = assemble(
        Sight(
            REGION,
            requests=(request(*of_request, tags=tags),),
            instances=(instance(state, tags=own),),
            volumes=(volume(), *data),
        )
    )
    return found


def free(**fields):
    """A data volume that nothing holds."""
    return a_data_volume(**{"instance_id": None, "device": None, "state": "available", **fields})


def test_a_box_without_data_volume_lacks_none():
    """Nothing is made that nobody asked for."""
    assert plan_data(box()) == ()


def test_what_the_launch_was_tagged_with_is_made():
    """Size and zone come from the box, the tags are those of every resource and spotbox:role=data."""
    (step,) = plan_data(box(size="200"))
    assert step == GiveData(REGION, A, "i-1", 200, box_tags("dev", "alice", {ROLE_TAG: "data"}))


@pytest.mark.parametrize("size", ["0", "-1", "many", "1e3", "65537", "٢"])
def test_a_size_that_is_none_makes_nothing(size):
    """Tags come from outside: what is no size of an EBS volume is no wish for one."""
    assert data_size({DATA_SIZE_TAG: size}) is None
    assert plan_data(box(size=size)) == ()


@pytest.mark.parametrize("state", ["pending", "stopping", "stopped", "shutting-down", "terminated"])
def test_only_a_box_that_runs_is_given_it(state):
    """What does not run gets it when it does: a volume is attached once, by one command."""
    assert plan_data(box(free(), size="200", state=state)) == ()


def test_a_volume_that_is_there_is_attached_and_none_is_made():
    """Found by its tags, kept or not, whatever size the launch was tagged with."""
    for kept, size in product((True, False), (None, "500")):
        (step,) = plan_data(box(free(kept=kept), size=size))
        assert (step.volume_id, step.size_gib, step.away_id) == ("vol-d", 100, None)


def test_a_box_that_has_it_lacks_nothing():
    """Attached, told to the guard, not kept: the plan is empty; each of the three missing is mended."""
    attached = a_data_volume()
    assert plan_data(box(attached, told="vol-d", size="100")) == ()
    for unfinished in (box(attached), box(attached, told="vol-x"), box(a_data_volume(kept=True), told="vol-d")):
        (step,) = plan_data(unfinished)
        assert (step.volume_id, step.away_id) == ("vol-d", None)


def test_of_several_volumes_the_attached_one_is_the_boxs():
    """Then the one in its zone, then the oldest."""
    older = free(id="vol-a", created=WHEN - timedelta(days=2))
    other = free(id="vol-b", zone=B, created=WHEN - timedelta(days=9))
    assert data_volume(box(older, other, a_data_volume())).id == "vol-d"
    assert data_volume(box(other, free(), older)).id == "vol-a"
    assert data_volume(box(other)).id == "vol-b"
    assert data_volume(box()) is None


def test_a_kept_volume_in_another_zone_follows_by_a_snapshot():
    """Only where nothing holds it: what another instance writes to is not copied."""
    (step,) = plan_data(box(free(zone=B, kept=True)))
    assert (step.volume_id, step.away_id, step.zone) == (None, "vol-d", A)
    assert plan_data(box(a_data_volume(zone=B, instance_id="i-old"))) == ()


def test_the_old_volume_goes_only_where_the_new_one_was_copied_from_it():
    """A second data volume in another zone is nobody's copy, and is left alone."""
    old = free(id="vol-old", zone=B, kept=True)
    copied = a_data_volume(tags=box_tags("dev", "alice", {ROLE_TAG: "data", COPY_TAG: copy_mark("vol-old", "i-1")}))
    (step,) = plan_data(box(copied, old, told="vol-d"))
    assert (step.volume_id, step.away_id) == ("vol-d", "vol-old")
    assert plan_data(box(a_data_volume(), old, told="vol-d")) == ()
    assert plan_data(box(copied, told="vol-d")) == ()


def test_the_users_own_tags_go_on_a_new_volume_and_no_time_does():
    """What changes from run to run would break the ClientToken."""
    with_tags = box(size="9")
    tagged = {**with_tags.request.tags, "team": "vision", "spotbox:expires": "2026-11-22T20:00:00Z"}
    (found,) = assemble(Sight(REGION, requests=(request(tags=tagged),), instances=(instance(tags={}),)))
    (step,) = plan_data(found)
    assert step.tags == box_tags("dev", "alice", {ROLE_TAG: "data", "team": "vision"})


def test_a_data_size_on_a_box_that_exists():
    """Larger grows, equal is nothing, smaller is named, none is tagged so that the box is given one."""
    has = box(a_data_volume(), told="vol-d")
    assert differences(has, {"data": 200}).steps == (GrowDisk(REGION, "vol-d", 200),)
    assert differences(has, {"data": 100}) == differences(has, {"data": None}) == differences(has, {})
    smaller = differences(has, {"data": 50})
    assert smaller.steps == ()
    assert smaller.remarks == ("the data volume of dev is 100 GiB; EBS cannot make it smaller",)
    assert differences(box(), {"data": 50}).steps == (TagAgain(REGION, ("sir-1", "i-1"), {DATA_SIZE_TAG: "50"}),)
    assert resize_data(box(size="50"), 50, []) == []


WHERES = (None, *product(("here", "free", "elsewhere", "held"), (True, False), (True, False)))  # where, kept, copy


@pytest.mark.parametrize("where", WHERES, ids=str)
def test_no_plan_but_down_takes_a_data_volume_away(where):
    """Over all products: no other plan deletes one, and `down --keep-data` none at all."""
    for size, state, told in product((None, "200"), ("running", "stopped", "pending"), (None, "vol-d")):
        found = box(*_placed(where), size=size, state=state, told=told)
        for plan in (plan_data, plan_tags, plan_start, plan_stop):
            assert not [step for step in plan(found) if isinstance(step, DeleteVolume)]
        sight = Sight(REGION, found.requests, found.instances, found.volumes)
        kept = plan_down([sight], "alice", ["dev"], keep_data=True)
        gone = [step.volume_id for step in kept if isinstance(step, DeleteVolume)]
        never_used = where is not None and where[0] in ("free", "elsewhere") and not where[1] and where[2]
        assert gone == (["vol-d"] if never_used else [])
        steps = plan_down([sight], "alice", ["dev"])
        order = [type(step) for step in steps]
        if DeleteVolume in order:  # never before its instance is gone
            assert order.index(DeleteVolume) > max(n for n, kind in enumerate(order) if kind is Terminate)


@pytest.mark.parametrize("where", WHERES, ids=str)
def test_a_plan_carried_out_leaves_nothing_to_do(where):
    """Carried out, the box has one data volume, told and not kept; a repeat does nothing."""
    for size, told in product((None, "200"), (None, "vol-d")):
        before = box(*_placed(where), size=size, told=told)
        steps = plan_data(before)
        after = _carried_out(before, steps)
        assert plan_data(after) == ()
        if steps:
            mine = data_volume(after)
            assert (mine.instance_id, mine.zone, KEEP_TAG in mine.tags) == ("i-1", A, False)


def _placed(where):
    if where is None:
        return ()
    place, kept, copy = where
    extra = (
        {ROLE_TAG: "data"}
        | ({KEEP_TAG: "true"} if kept else {})
        | ({COPY_TAG: copy_mark("vol-old", "i-1")} if copy else {})
    )
    fields = {
        "here": {},
        "free": {"instance_id": None, "state": "available"},
        "elsewhere": {"instance_id": None, "state": "available", "zone": B},
        "held": {"instance_id": "i-other", "zone": B},
    }[place]
    old = [free(id="vol-old", zone=B, kept=True)] if copy else []
    return (a_data_volume(tags=box_tags("dev", "alice", extra), **fields), *old)


def _carried_out(found, steps):
    """What EC2 makes of it."""
    volumes = {v.id: v for v in found.volumes}
    told = found.instance.tags.get(DATA_TAG)
    for step in steps:
        assert step.tags[NAME_TAG] == "dev"
        id_ = step.volume_id or "vol-new"
        tags = (
            volumes[id_].tags
            if id_ in volumes
            else {**step.tags, **({COPY_TAG: copy_mark(step.away_id, IN_USE)} if step.away_id else {})}
        )
        volumes[id_] = a_data_volume(id=id_, tags={k: v for k, v in tags.items() if k != KEEP_TAG})
        volumes.pop(step.away_id, None)
        told = id_
    data = [v for v in volumes.values() if v.tags.get(ROLE_TAG) == "data"]
    return box(*data, size=found.tags.get(DATA_SIZE_TAG), told=told)


def copy(mark, **fields):
    """A copy of vol-old in the box's zone."""
    return free(tags=box_tags("dev", "alice", {ROLE_TAG: "data", COPY_TAG: copy_mark("vol-old", mark)}), **fields)


OLD = free(id="vol-old", zone=B, kept=True, created=WHEN - timedelta(days=9))


def kept_by_down(*volumes):
    """The data volumes that `down --keep-data` leaves."""
    found = box(*volumes)
    sight = Sight(REGION, found.requests, found.instances, found.volumes)
    steps = plan_down([sight], "alice", ["dev"], keep_data=True)
    return {v.id for v in volumes} - {step.volume_id for step in steps if isinstance(step, DeleteVolume)}


def test_a_copy_that_was_never_in_use_is_not_kept_beside_its_original():
    """`down --keep-data` in the middle of a move keeps what is whole; in doubt both."""
    assert kept_by_down(copy("i-1"), OLD) == {"vol-old"}
    assert kept_by_down(copy("i-1", instance_id="i-1"), OLD) == {"vol-d", "vol-old"}
    assert kept_by_down(copy(IN_USE), OLD) == {"vol-d", "vol-old"}
    assert kept_by_down(copy("i-1")) == {"vol-d"}


def test_a_copy_made_for_an_earlier_instance_is_not_taken():
    """Its original may have been written to since then: it is copied anew."""
    (step,) = plan_data(box(copy("i-0"), OLD))
    assert (step.volume_id, step.away_id) == (None, "vol-old")
    (step,) = plan_data(box(copy("i-1"), OLD))
    assert (step.volume_id, step.away_id) == ("vol-d", "vol-old")


def test_a_copy_that_was_in_use_is_newer_than_its_original():
    """Whatever instance the box has by now, and in whatever zone: the original is never taken instead, only removed."""
    (step,) = plan_data(box(copy(IN_USE), OLD))
    assert (step.volume_id, step.away_id) == ("vol-d", "vol-old")
    there = copy(IN_USE, zone="us-east-1c")
    assert data_volume(box(there, replace(OLD, zone=A))).id == "vol-d"
