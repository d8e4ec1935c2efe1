"""A move that was begun to one place and is asked for another: nothing of the first is left, and hints name neither."""

import pytest

from tests.commands.test_move import alive, has_box, one_box
from tests.commands.test_move_meanwhile import cut_after
from tests.commands.world import public_key


@pytest.fixture
def west(user):
    """The user's account with a third region, and his key on this machine."""
    user.world.regions["us-west-2"] = "opt-in-not-required"
    for (kind, zone), usd in list(user.world.market["us-east-1"].items()):
        user.world.market.setdefault("us-west-2", {})[kind, zone.replace("us-east-1", "us-west-2")] = usd
    has_box(user, "stopped")
    (user.home / "keys" / "k.pub").write_text(public_key() + "\n")
    return user


BEFORE_IT_IS_LAUNCHED = ["CreateTags", "CreateImage", "CopyImage", "CreateSecurityGroup", "ImportKeyPair"]


@pytest.mark.parametrize("action", BEFORE_IT_IS_LAUNCHED)
@pytest.mark.parametrize("late", [False, True])
def test_what_was_made_for_the_first_place_goes(west, action, late):
    """Image, snapshots, group and key there go with the end of the second move; also what AWS shows late."""
    world = west.world
    before = {*world.images, *world.snapshots}
    cut_after(west, action, "-r", "eu-west-1")
    if late:
        new = {*world.images, *world.snapshots} - before
        world.hidden |= {id_ for id_ in new if (world.images.get(id_) or world.snapshots[id_]).region == "eu-west-1"}
        world.later(5, world.hidden.clear)
    said = west.run("move", "-y", "-r", "us-west-2")
    assert said.code == 0, said.err
    one_box(world, "us-west-2a")


def test_cut_off_twice_and_gone_on_with(west):
    """The third run, which names no place, goes to the second, and clears the first."""
    cut_after(west, "CreateSecurityGroup", "-r", "eu-west-1")
    cut_after(west, "CopyImage", "-r", "us-west-2")
    assert west.run("move", "-y").code == 0
    one_box(west.world, "us-west-2a")


@pytest.mark.parametrize("action", ["CreateSecurityGroup", "RunInstances"])
def test_down_after_both(west, action):
    """`down` finds what either has made."""
    cut_after(west, action, "-r", "eu-west-1")
    if action != "RunInstances":
        cut_after(west, "CopyImage", "-r", "us-west-2")
    said = west.run("down", "-y")
    assert (said.code, west.world.left()) == (0, []), said.err


def test_one_that_is_launched_is_gone_on_with(west):
    """A box in the first place is half-made already: the move goes there, says so, and no hint names the second."""
    cut_after(west, "RunInstances", "-r", "eu-west-1")
    west.world.refuses("TerminateInstances", "UnauthorizedOperation", times=1)
    said = west.run("move", "-y", "-r", "us-west-2")
    assert said.code == 5
    assert "a move of dev to eu-west-1a is under way: going on with that one" in said.err
    assert "us-west-2" not in said.err
    assert said.err.splitlines()[-1].endswith("go on with: spotbox move dev")
    assert west.run("move", "-y").code == 0
    one_box(west.world, "eu-west-1a")


def test_one_that_is_given_up_leaves_nothing_of_either(west):
    """No capacity in the second place: the box stays, and what was made for the first goes too."""
    cut_after(west, "CreateSecurityGroup", "-r", "eu-west-1")
    west.world.refuses("RunInstances", "InsufficientInstanceCapacity", times=99)
    said = west.run("move", "-y", "-r", "us-west-2", "--wait", "0")
    assert said.code == 3
    assert alive(west.world) == [("us-east-1a", "g4dn.xlarge", "stopped")]
    world = west.world
    assert (world.images, world.snapshots) == ({}, {})
    assert {g.region for g in world.groups.values()} | {k.region for k in world.keys.values()} == {"us-east-1"}
