"""`move`: the box elsewhere with all that is on its disks; the old one goes only once the new one answers."""

from dataclasses import replace

import pytest

from spotbox.core.names import MAX_PRICE_TAG, MOVED_TAG, MOVING_TAG, ROLE_TAG
from spotbox.core.records import Volume
from spotbox.core.states import LIVE

MOVED = "dev has moved: g4dn.xlarge in us-east-1b, $0.1650/h. A shell: spotbox ssh dev\n"


def has_box(user, state="running", **more):
    """A box of the user's whose key is on this machine, launched as EC2 tells it."""
    keys = user.home / "keys"
    keys.mkdir(parents=True, exist_ok=True)
    number = user.world.has_box("dev", state, **more)
    return number


def has_data(world, number="1", size=200):
    """A data volume of that box."""
    box = world.instances[f"i-{number}"]
    world.volumes["vol-data"] = Volume(
        "vol-data", box.region, box.zone, size, "gp3", "in-use", box.id, "/dev/sdf", False,
        created=world.now(), tags={**box.tags, ROLE_TAG: "data"},
    )  # fmt: skip


def alive(world):
    """(zone, type, state) of every instance that is not gone."""
    return [(i.zone, i.instance_type, i.state) for i in world.instances.values() if i.state != "terminated"]


def one_box(world, zone="us-east-1b", kind="g4dn.xlarge"):
    """Exactly one box is left, whole, and nothing else."""
    assert alive(world) == [(zone, kind, "running")]
    assert len([r for r in world.requests.values() if r.state in LIVE]) == 1
    assert (world.images, world.snapshots) == ({}, {})
    assert len(world.groups) == len(world.keys) == 1
    (box,) = (i for i in world.instances.values() if i.state != "terminated")
    assert {v.instance_id for v in world.volumes.values()} == {box.id}


@pytest.mark.parametrize("state", ["running", "starting", "stopping", "stopped", "interrupted"])
def test_a_box_moves_to_the_cheapest_other_zone(user, state):
    """From whatever state it has a disk in; one box is left, in the other zone, like any other."""
    has_box(user, state)
    said = user.run("move", "-y")
    assert (said.code, said.out) == (0, MOVED), said.err
    one_box(user.world)
    (box,) = (i for i in user.world.instances.values() if i.state != "terminated")
    assert not {MOVED_TAG, MOVING_TAG} & set(box.tags)


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_a_box_whose_maximum_is_below_every_price_stays_as_it_is(user, words):
    """Its request keeps the maximum, and AWS would refuse the launch: nothing is stopped or made for that."""
    has_box(user, tags={MAX_PRICE_TAG: "0.1"})
    before = (dict(user.world.instances), dict(user.world.requests))
    said = user.run("move", "-y", *words)
    assert (said.code, said.out) == (3, "")
    assert "dev's maximum price of $0.1000/h is below the Spot price wherever it could go: $0.1650/h in" in said.err
    assert (user.world.instances, user.world.requests, user.world.images) == (*before, {})


def test_the_data_volume_moves_too(user):
    """Its copy is attached, stays when the instance goes, and bears its role; the old one goes last."""
    has_data(user.world, has_box(user, "stopped"))
    assert user.run("move", "-y").code == 0
    one_box(user.world)
    kept = [(v.size_gib, v.tags[ROLE_TAG]) for v in user.world.volumes.values() if not v.delete_on_termination]
    assert kept == [(200, "data")]
    assert "vol-data" not in user.world.volumes


def test_a_volume_that_is_kept_stays(user):
    """What `down --keep-data` left of an earlier box of that name is no part of the move."""
    has_box(user, "stopped")
    user.world.has_box("dev", "kept")
    kept = [id_ for id_ in user.world.volumes if id_ != "vol-1"]
    assert user.run("move", "-y").code == 0
    assert set(kept) <= set(user.world.volumes)


def test_to_another_region(user):
    """Group and key are made there and removed here; the image is copied, and neither is left."""
    has_box(user, "stopped", key=None)
    user.run("up", "other", "--dry-run")
    said = user.run("move", "-r", "eu-west-1", "-y")
    assert said.code == 1
    assert "public half of key pair" in said.err
    assert alive(user.world) == [("us-east-1a", "g4dn.xlarge", "stopped")]


def test_to_another_region_with_the_key_here(user, tmp_path):
    """The key pair is imported from this machine's public half."""
    from tests.commands.world import public_key

    has_box(user, "running")
    (user.home / "keys" / "mine.pub").write_text(public_key() + "\n")
    said = user.run("move", "-r", "eu-west-1", "-y")
    assert said.code == 0, said.err
    assert alive(user.world) == [("eu-west-1a", "g4dn.xlarge", "running")]
    assert (
        {g.region for g in user.world.groups.values()} == {k.region for k in user.world.keys.values()} == {"eu-west-1"}
    )
    assert (user.world.images, user.world.snapshots, len(user.world.volumes)) == ({}, {}, 1)


def test_to_another_type_in_its_own_zone(user):
    """A Spot box cannot change its type where it is: it moves."""
    has_box(user, "stopped")
    assert user.run("move", "-t", "g5.xlarge", "-y").code == 0
    one_box(user.world, "us-east-1a", "g5.xlarge")


def test_an_on_demand_box_moves_on_demand(user):
    """A box that fell back has no Spot request; neither has the one that replaces it."""
    has_box(user, "stopped")
    del user.world.requests["sir-1"]
    user.world.instances["i-1"] = replace(user.world.instances["i-1"], lifecycle=None, request_id=None)
    said = user.run("move", "-y")
    assert said.code == 0, said.err
    assert alive(user.world) == [("us-east-1b", "g4dn.xlarge", "running")]
    assert not [r for r in user.world.requests.values() if r.state in LIVE]


def test_what_a_box_takes_with_it(user):
    """The user's tags, its limits and its maximum price; not the mark of the move."""
    tags = {"team": "vision", "spotbox:idle-stop": "2h", "spotbox:expires": "2027-01-01T00:00:00Z",
            "spotbox:max-price": "0.4"}  # fmt: skip
    has_box(user, "stopped", tags=tags)
    assert user.run("move", "-y").code == 0
    (request,) = (r for r in user.world.requests.values() if r.state in LIVE)
    assert {key: request.tags.get(key) for key in tags} == tags
    assert MOVING_TAG not in request.tags


def test_it_is_there_already(user):
    """Nothing to do: it says so, twice as well."""
    has_box(user, "stopped")
    before = user.world.left()
    said = user.run("move", "-z", "us-east-1a", "-y")
    assert (said.code, said.out) == (0, "nothing to do: dev is a g4dn.xlarge in us-east-1a already\n")
    assert user.world.left() == before


@pytest.mark.parametrize(("was", "is_"), [("running", "running"), ("stopped", "stopped"), ("interrupted", "stopped")])
def test_no_capacity_leaves_the_box_as_it_was(user, was, is_):
    """Exit 3; a box that ran runs again, nothing of the move is left, and the mark is gone."""
    has_box(user, was)
    before = user.world.left()
    user.world.refuses("RunInstances", "InsufficientInstanceCapacity", http=500)
    said = user.run("move", "-y", "--wait", "0")
    assert (said.code, said.out) == (3, ""), said.err
    assert user.world.left() == before
    assert alive(user.world) == [("us-east-1a", "g4dn.xlarge", is_)]
    assert not [v for v in (*user.world.instances.values(), *user.world.volumes.values()) if MOVING_TAG in v.tags]
    assert "stays where it was" in said.err


def test_no_capacity_to_start_it_again(user):
    """The box that had to be stopped stays stopped where AWS has no room for it any more: it says so."""
    has_box(user)
    user.world.refuses("RunInstances", "InsufficientInstanceCapacity", http=500)
    user.world.refuses("StartInstances", "InsufficientInstanceCapacity", http=500)
    said = user.run("move", "-y", "--wait", "0")
    assert (said.code, alive(user.world)) == (3, [("us-east-1a", "g4dn.xlarge", "stopped")])
    assert "could not be started again" in said.err


@pytest.mark.parametrize("how", ["deaf", "dies", "lets_in"])
def test_what_does_not_answer_never_replaces_the_box(user, how):
    """No SSH server, a launch that dies, a server that lets nobody in: the new one goes, the old one stays whole."""
    from tests.commands.world import public_key

    has_box(user, "stopped")
    if how == "lets_in":
        user.world.lets_in = False
        (user.home / "keys" / "k.pub").write_text(public_key() + "\n")
        (user.home / "keys" / "k").write_text("private")
    else:
        setattr(user.world, how, "VolumeLimitExceeded" if how == "dies" else True)
    before = user.world.left()
    said = user.run("move", "-y")
    assert (said.code, user.world.left()) == (1, before), said.err
    assert alive(user.world) == [("us-east-1a", "g4dn.xlarge", "stopped")]


def test_aws_restarts_the_box_while_its_image_is_made(user):
    """What it wrote since is not in the image: it is stopped and another image is made."""
    has_box(user, "interrupted")
    user.world.later(30, lambda: user.world.restart("i-1"))
    said = user.run("move", "-y")
    assert said.code == 0, said.err
    one_box(user.world)
    assert said.err.count("is complete in us-east-1") == 2


def test_aws_restarts_the_box_while_the_new_one_boots(user):
    """What was launched of the older image is thrown away, and nothing of it stays."""
    has_box(user, "interrupted")
    user.world.later(64, lambda: user.world.restart("i-1"))
    said = user.run("move", "-y")
    assert said.code == 0, said.err
    one_box(user.world)
    assert len([i for i in user.world.instances.values() if i.state == "terminated"]) == 2


def test_a_dry_run_prints_the_plan(user):
    """In the order in which it would happen, and nothing is changed."""
    has_box(user)
    before = user.world.left()
    said = user.run("move", "--dry-run")
    assert said.out.splitlines() == [
        "would stop i-1, so that nothing is written after the snapshot",
        "would make an image of i-1 with all its disks (100 GiB)",
        "would launch it as g4dn.xlarge in us-east-1b",
        "would wait until it answers over SSH and has every disk",
        "would then cancel Spot request sir-1 in us-east-1",
        "would then terminate instance i-1, its disks included",
        "would then remove the image and its snapshots",
    ]
    assert (said.code, user.world.left(), alive(user.world)[0][2]) == (0, before, "running")


def test_it_asks_where_to_and_once_more(user):
    """On a terminal: the zones with their prices; a no changes nothing."""
    has_box(user)
    before = user.world.left()
    answers = [("Move dev from us-east-1a to", "us-east-1b"), ("Move it?", False)]
    assert user.run("move", answers=answers).code == 1
    assert user.world.left() == before
    assert user.run("move", answers=[("Move dev from us-east-1a to", None), ("Move it?", True)]).code == 0
    one_box(user.world)


def test_without_a_terminal_it_needs_yes(user):
    """A missing answer is a usage error that names the flag."""
    has_box(user)
    said = user.run("move")
    assert (said.code, "-y" in said.err) == (2, True)


@pytest.mark.parametrize("state", ["waiting", "orphaned", "kept", "failed"])
def test_what_has_nothing_to_move(user, state):
    """No disk, or nothing that could replace it: exit 1, nothing changed."""
    has_box(user, state)
    before = user.world.left()
    said = user.run("move", "-y")
    assert (said.code, user.world.left()) == (1, before)


def test_no_such_box(user):
    """Exit 7, as everywhere."""
    assert user.run("move", "-y").code == 7


@pytest.mark.parametrize("args", [("-z", "us-east-1x"), ("-t", "p9.huge"), ("-r", "mars-1")])
def test_a_target_that_does_not_exist(user, args):
    """Exit 2, and the box runs on."""
    has_box(user)
    said = user.run("move", "-y", *args)
    assert (said.code, alive(user.world)) == (2, [("us-east-1a", "g4dn.xlarge", "running")])


def test_what_the_environment_says_for_up_moves_nothing(user):
    """SPOTBOX_INSTANCE_TYPE and SPOTBOX_ZONE are what `up` makes, not where `move` goes."""
    has_box(user, "stopped")
    user.env |= {"SPOTBOX_INSTANCE_TYPE": "g5.xlarge", "SPOTBOX_ZONE": "us-east-1a"}
    assert user.run("move", "-y").out == MOVED


def test_ctrl_c_at_the_question(user):
    """Before anything was changed it is said that nothing was."""
    has_box(user)
    before = user.world.left()
    said = user.run("move", "-z", "us-east-1b", answers=[("Move it?", KeyboardInterrupt())])
    assert (said.code, said.err.splitlines()[-1]) == (130, "spotbox: interrupted; nothing was changed")
    assert user.world.left() == before
