"""What a box cost whose move was cut off and whose two sides are removed by themselves: each hour once."""

from dataclasses import replace

import pytest

from tests.commands.costs import said_when
from tests.commands.test_move import has_box
from tests.commands.test_move_meanwhile import cut_after
from tests.commands.world import public_key

OLD, NEW = "us-east-1", "eu-west-1"


@pytest.fixture
def old(user):
    """A box of 100 h, which was seen, and whose key is on this machine."""
    has_box(user, age=100 * 3600)
    (user.home / "keys" / "k.pub").write_text(public_key() + "\n")
    user.run("status")
    return user


@pytest.fixture
def between(old):
    """Its move to another region was killed as soon as the new one was launched; both were seen."""
    cut_after(old, "RunInstances", "-r", NEW)
    world = old.world
    world.instances["i-1"] = replace(world.instances["i-1"], transition=said_when(world, 0))  # the move stopped it
    old.world.sleep(3600)  # the new one bills meanwhile
    old.run("status")
    return old


def hours(user, *more):
    """Of every box, those that are gone too, the hours that it ran."""
    return sorted(row["running_hours"] for row in user.run("cost", "--since", "30d", "-o", "json", *more).json)


def removed(user, region):
    """The hours of what `down -r` has removed there, as it says itself."""
    said = user.run("down", "dev", "-y", "-r", region, "-o", "json")
    assert said.json["unresolved"] == []
    return said.json["cost"]["running_hours"]


@pytest.mark.parametrize("order", [(OLD, NEW), (NEW, OLD)])
def test_each_side_is_buried_with_its_own_hours(between, order):
    """`down -r` of one side in the middle of a move tells and keeps that side's hours, whichever goes first."""
    told = {}
    for region in order:
        told[region] = removed(between, region)
        assert hours(between) == pytest.approx([1, 100], abs=0.1), region
    assert told == {OLD: pytest.approx(100, abs=0.1), NEW: pytest.approx(1, abs=0.1)}
    assert between.world.left() == []


def test_both_at_once_are_one_life(between):
    """`down` without -r removes both, and tells the hours of both as those of the box."""
    assert between.run("down", "-y", "-o", "json").json["cost"]["running_hours"] == pytest.approx(101, abs=0.1)
    assert hours(between) == pytest.approx([101], abs=0.1)


def test_after_the_move_the_old_hours_are_the_new_boxs(old):
    """A move that was finished hands its hours on: `down -r` of where the box is now tells all of them, once."""
    assert old.run("move", "-y", "-r", NEW).code == 0
    old.world.sleep(3600)
    assert removed(old, NEW) == pytest.approx(101, abs=0.1)
    assert hours(old) == pytest.approx([101], abs=0.1)
