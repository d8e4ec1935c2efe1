"""What comes next in a move: the laws, over whole products of what may be seen, and runs that are cut off anywhere."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from spotbox.core.boxes import assemble
from spotbox.core.moving import (
    Phase,
    behold,
    discard,
    lacking,
    mark,
    retirement,
    settle,
    surrender,
    whats_next,
)
from spotbox.core.names import MOVED_TAG, MOVING_TAG, box_tags
from spotbox.core.records import Volume
from spotbox.core.states import LIVE
from spotbox.core.steps import Cancel, DeleteVolume, DeregisterImage, Terminate
from tests.core.moves import FROM, HERE, OLD, REQUEST, TAGS, TARGETS, THERE, disk, image, new_parts, scene, sights
from tests.core.worlds import WHEN as NOON


@pytest.mark.parametrize("region", [HERE, THERE])
def test_two_boxes_of_one_name_are_told_apart(region):
    """In one region or two: what moves and what is to replace it, each with its own."""
    found = scene(new=new_parts(region))
    assert (found.old.instance.id, found.new.instance.id) == ("i-old", "i-new")
    assert {v.id for v in found.old.volumes} == {"vol-old", "vol-data"}
    assert {v.id for v in found.new.volumes} == {"vol-new", "vol-copy"}


STATES = ("pending", "running", "stopping", "stopped", "shutting-down", "terminated")
SEEN = list(
    product(
        STATES,  # the old instance
        ("active", "disabled", "open", "cancelled"),  # its request
        (None, *STATES),  # what was launched
        (True, False),  # of what the old one is now
        (HERE, THERE),
    )
)


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_retired_that_is_not_replaced(target):
    """Over the whole product of states: whatever comes next before the proof neither cancels, terminates nor deletes
    anything of the box that moves; after the proof nothing of what replaces it. Cancel comes before terminate."""
    for state, asked, launched, current, region in SEEN:
        old = replace(OLD, state=state)
        made_of = FROM if current else {MOVED_TAG: "i-old/2020-01-01T00:00:00.000Z"}
        new = launched and new_parts(region, launched, made_of=made_of)
        found = scene(old, replace(REQUEST, state=asked), new)
        todo = whats_next(found, TARGETS[target])
        gone = found.old is None or state in ("shutting-down", "terminated") or asked == "cancelled"
        named = {id_ for step in todo.steps for id_ in _ids(step)}
        case = (state, asked, launched, current, region, todo)
        if not gone:
            assert not named & {"sir-old", "i-old", "vol-old", "vol-data", "sg-1"}, case
        if todo.phase is Phase.PROVE:
            final = retirement(found)
            assert not {id_ for step in final for id_ in _ids(step)} & {"sir-new", "i-new", "vol-new", "vol-copy"}, case
            kinds = [type(step) for step in final]
            assert Cancel not in kinds or Terminate not in kinds or kinds.index(Cancel) < kinds.index(Terminate)
            lost = (
                state in ("shutting-down", "terminated") or asked == "cancelled"
            )  # by somebody's hand, or by this move
            assert lost or (current and state == "stopped"), case


def _ids(step):
    for name in ("request_ids", "instance_ids"):
        yield from getattr(step, name, ())
    for name in ("volume_id", "group_id", "key_id", "instance_id"):
        if value := getattr(step, name, None):
            yield value


def test_the_phases_of_a_move_within_a_region():
    """Marked, stopped, imaged, launched, proven and retired, cleaned: each follows from what is seen alone."""
    target = TARGETS["zone"]
    assert whats_next(scene(marked=False), target).phase is Phase.MARK
    assert whats_next(scene(replace(OLD, state="running"), REQUEST), target).phase is Phase.STOP
    assert whats_next(scene(), target).phase is Phase.IMAGE
    assert whats_next(scene(images=[image(state="pending")]), target).phase is Phase.IMAGE
    assert whats_next(scene(images=[image()]), target).phase is Phase.LAUNCH
    assert whats_next(scene(images=[image()], new=new_parts()), target).phase is Phase.PROVE
    gone = replace(OLD, state="terminated"), replace(REQUEST, state="cancelled")
    clean = whats_next(scene(*gone, images=[image()], new=new_parts()), target)
    assert clean.phase is Phase.CLEAN
    assert [type(step).__name__ for step in clean.steps] == [
        "TagAgain", "TagAgain", "DeleteVolume", "DeregisterImage", "DeleteSnapshot", "SetLimit",
    ]  # fmt: skip


def test_the_phases_of_a_move_to_another_region():
    """The image is copied once it is there, and launched once the copy is."""
    target = TARGETS["region"]

    marked = mark(scene(marked=False).old, target)
    assert marked[0].tags == {MOVING_TAG: "us-west-2//g5.xlarge+g6.xlarge/stopped"}

    for images, phase in (
        ([image()], Phase.COPY),
        ([image(), image(THERE, "pending", id_="ami-copy")], Phase.COPY),
        ([image(), image(THERE, id_="ami-copy")], Phase.LAUNCH),
    ):
        seen = scene(images=images)
        old = replace(
            seen.old,
            request=replace(seen.old.request, tags={**seen.old.request.tags, MOVING_TAG: target.text()}),
            instance=replace(seen.old.instance, tags={**seen.old.instance.tags, MOVING_TAG: target.text()}),
            volumes=tuple(replace(v, tags={**v.tags, MOVING_TAG: target.text()}) for v in seen.old.volumes),
        )
        assert whats_next(replace(seen, old=old), target).phase is phase


def test_an_image_of_an_earlier_run_is_thrown_away():
    """The box has run since it was made: what it wrote then is not in it."""
    old = replace(OLD, launched=NOON + timedelta(minutes=5))
    todo = whats_next(scene(old, images=[image()]), TARGETS["zone"])
    assert todo.phase is Phase.TIDY
    assert [type(step).__name__ for step in todo.steps] == ["DeregisterImage", "DeleteSnapshot"]


@pytest.mark.parametrize("state", ["failed", "error", "invalid"])
def test_an_image_that_failed_is_thrown_away(state):
    """AWS could not make it: it goes, and its name is free for the next."""
    todo = whats_next(scene(images=[image(state=state)]), TARGETS["zone"])
    assert (todo.phase, DeregisterImage(HERE, "ami-move") in todo.steps) == (Phase.TIDY, True)


@pytest.mark.parametrize("old", [replace(OLD, state="running"), replace(OLD, launched=NOON + timedelta(hours=2))])
def test_what_was_launched_of_an_earlier_run_is_thrown_away(old):
    """AWS has restarted the box meanwhile: what was to replace it goes, with its volumes, and the box stays."""
    todo = whats_next(scene(old, new=new_parts()), TARGETS["zone"])
    assert todo.phase is Phase.TIDY
    assert {id_ for step in todo.steps for id_ in _ids(step)} == {"sir-new", "i-new", "vol-copy"}


def test_what_is_the_last_copy_is_never_thrown_away():
    """Somebody terminated the box by hand, and AWS launched another with an empty disk in its place: what was made of
    the box, launched or an image yet, is all that there is of it."""
    empty = replace(OLD, id="i-empty", state="running", tags={})
    seen = scene(empty, replace(REQUEST, state="active", instance_id="i-empty"), new_parts(), images=[image()])
    assert whats_next(seen, TARGETS["zone"]).phase is Phase.PROVE
    alone = scene(replace(empty, state="stopped"), replace(REQUEST, instance_id="i-empty"), images=[image()])
    steps = [*whats_next(alone, TARGETS["zone"]).steps, *surrender(alone)]
    assert not [step for step in steps if isinstance(step, DeregisterImage)]


def test_a_lacking_disk_is_named():
    """What replaces the box must have every disk of it, attached."""
    assert lacking(scene(new=new_parts())) == ()
    assert lacking(scene(new=new_parts(data=False))) == ("/dev/sdf",)


def test_only_marked_volumes_go():
    """A volume of the box that had no part in the move stays, as does one that was kept."""
    lone = Volume("vol-lone", HERE, f"{HERE}a", 50, "gp3", "available", None, None, False, tags=TAGS)
    seen = sights(new=new_parts())
    seen = (replace(seen[0], volumes=(*seen[0].volumes, lone)), *seen[1:])
    found, _ = behold(seen, "alice", "dev")
    deleted = {step.volume_id for step in retirement(found) if isinstance(step, DeleteVolume)}
    assert deleted == {"vol-data"}


def test_the_group_goes_with_the_region():
    """Within a region both are in one group, and the key is one; in another region nothing needs them any more."""
    here = {type(step).__name__ for step in retirement(scene(new=new_parts()))}
    there = {type(step).__name__ for step in retirement(scene(new=new_parts(THERE)))}
    assert there - here == {"DeleteGroup", "DeleteKey"}


def test_another_box_keeps_the_key():
    """The key pair is the owner's: as long as another box of theirs is in the region, it stays."""
    other = replace(REQUEST, id="sir-other", tags=box_tags("train", "alice"))
    seen = sights(new=new_parts(THERE))
    seen = (replace(seen[0], requests=(*seen[0].requests, other)), *seen[1:])
    found, _ = behold(seen, "alice", "dev")
    assert "DeleteKey" not in {type(step).__name__ for step in retirement(found)}


def test_volumes_get_their_roles():
    """A launch gives all volumes the same tags: the data volume's role, and its id where the guard looks for it."""
    found = scene(new=new_parts())
    steps = settle(found.new)
    assert [(step.ids, step.tags) for step in steps] == [
        (("vol-copy",), {"spotbox:role": "data"}),
        (("sir-new", "i-new"), {"spotbox:data-volume": "vol-copy"}),
    ]
    assert settle(scene(new=new_parts(data=False)).new) == ()
    request, instance, volumes = new_parts()
    users = disk("vol-a-users", instance, "/dev/sdb", False, **FROM)
    both = scene(new=(request, instance, (*volumes, users)))
    assert settle(both.new, both.old)[-1].tags == {"spotbox:data-volume": "vol-copy"}


@pytest.mark.parametrize("new", [None, new_parts(), new_parts(THERE)], ids=["none", "here", "there"])
def test_giving_up_leaves_the_box_as_it_was(new):
    """All that was made for the move goes; of the box only the mark."""
    steps = surrender(scene(images=[image(), image(THERE, id_="ami-copy")], new=new))
    named = {id_ for step in steps for id_ in _ids(step)}
    assert not named & {"sir-old", "i-old", "vol-old", "vol-data", "sg-1", "key-1"}
    assert len([step for step in steps if isinstance(step, DeregisterImage)]) == 2
    assert steps[-1].remove == (MOVING_TAG,)
    assert set(steps[-1].ids) == {"sir-old", "i-old", "vol-old", "vol-data"}


def test_a_box_without_moves_is_one_box():
    """Nothing of this shows where nothing moves."""
    (box,) = assemble(sights(marked=False)[0])
    assert (box.moving, box.moved_from, discard(scene(new=new_parts()))[0].request_ids) == ("", "", ("sir-new",))


def test_requests_that_may_launch():
    """The states of the test are the states of the code."""
    assert set(LIVE) == {"open", "active", "disabled"}
