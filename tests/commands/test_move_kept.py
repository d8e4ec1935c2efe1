"""`down --keep-data` in the middle of a move: of a data volume and its copy it keeps the one that holds all."""

from dataclasses import replace

import pytest

from spotbox.core.names import KEEP_TAG, MOVED_TAG, ROLE_TAG
from tests.commands.test_move import has_box, has_data
from tests.commands.test_move_meanwhile import cut_after
from tests.commands.world import public_key


@pytest.fixture
def moved(user):
    """A box with a data volume whose move is cut off after some call; gives the ids of the copies."""

    def cut(action, *args, state="stopped"):
        has_data(user.world, has_box(user, state))
        (user.home / "keys" / "k.pub").write_text(public_key() + "\n")
        cut_after(user, action, *args)
        user.world.sleep(60)
        return [v.id for v in user.world.volumes.values() if MOVED_TAG in v.tags and not v.delete_on_termination]

    return cut


def kept(world):
    """Ids of the volumes that are left: each is marked, and nothing else is there."""
    assert world.left() == sorted(world.volumes)
    assert all(v.tags.get(KEEP_TAG) == "true" and v.tags[ROLE_TAG] == "data" for v in world.volumes.values())
    return sorted(world.volumes)


@pytest.mark.parametrize("action", ["CreateTags", "CreateImage", "Snapshots", "RunInstances"])
@pytest.mark.parametrize("args", [("-z", "us-east-1b"), ("-r", "eu-west-1")])
def test_until_the_new_box_is_proven_the_original_is_kept(user, moved, action, args):
    """The box is whole, and its own data volume is what there is; a copy that was never in use goes, and is told."""
    if action == "Snapshots":
        has_data(user.world, has_box(user, "stopped"))
        user.world.refuses("Snapshots", "RequestLimitExceeded", times=1)
        user.run("move", "-y", *args)
        copies = []
    else:
        copies = moved(action, *args)
    said = user.run("down", "-y", "--keep-data")
    assert said.code == 0, said.err
    assert kept(user.world) == ["vol-data"]
    assert all(f"vol-data is kept, and not {copy}, a copy of it" in said.err for copy in copies)
    assert bool(copies) == (action == "RunInstances")


@pytest.mark.parametrize("action", ["CancelSpotInstanceRequests", "TerminateInstances"])
@pytest.mark.parametrize("args", [("-z", "us-east-1b"), ("-r", "eu-west-1")])
def test_once_it_is_proven_the_copy_is_kept(user, moved, action, args):
    """What was launched answers, and may have written: its volume is kept, and the original goes, which is told."""
    (copy,) = moved(action, *args)
    said = user.run("down", "-y", "--keep-data")
    assert said.code == 0, said.err
    assert kept(user.world) == [copy]
    assert f"{copy} is kept, and not vol-data, of which it is the newer copy" in said.err
    assert f"kept volume {copy}" in said.out
    assert "removed volume vol-data" in said.out


@pytest.mark.parametrize("at", ["KeepVolume", "Terminate"])
def test_cut_off_in_turn_it_ends_with_one(user, moved, at):
    """`down --keep-data` that is killed half-way and run again comes to the same end."""
    (copy,) = moved("CancelSpotInstanceRequests", "-z", "us-east-1b")
    cut = {"KeepVolume": "CreateTags", "Terminate": "TerminateInstances"}[at]
    user.world.refuses(cut, "RequestLimitExceeded", times=1)
    user.run("down", "-y", "--keep-data")
    assert user.run("down", "-y", "--keep-data").code == 0
    assert kept(user.world) == [copy]


@pytest.mark.parametrize("what", ["ran since", "may run", "another instance", "no longer shown"])
def test_where_it_cannot_be_told_both_are_kept(user, moved, what):
    """The old box ran after the copy was made, or may have: no data is lost, and both are told with their price."""
    (copy,) = moved("CancelSpotInstanceRequests", "-z", "us-east-1b")
    world = user.world
    if what == "may run":
        interrupted = {"state": "disabled", "code": "instance-stopped-no-capacity"}
        world.requests["sir-1"] = replace(world.requests["sir-1"], **interrupted)
        world.instances["i-1"] = replace(world.instances["i-1"], state="stopped")
    elif what == "ran since":
        world.instances["i-1"] = replace(world.instances["i-1"], launched=world.now())
    elif what == "another instance":
        world.instances["i-9"] = replace(world.instances["i-1"], id="i-9", volume_ids=())
    else:
        disk = world.volumes["vol-data"]
        world.volumes["vol-data"] = replace(disk, instance_id=None, device=None, state="available")
        del world.instances["i-1"], world.requests["sir-1"]
        world.volumes.pop("vol-1", None)
    said = user.run("down", "-y", "--keep-data")
    assert said.code == 0, said.err
    assert set(kept(world)) == {"vol-data", copy}
    assert f"vol-data and its copy {copy} are both kept, and bill" in said.err
    assert said.out.count("200 GiB, $16.00/month until `spotbox down dev`") == 2


def test_what_was_kept_a_moment_ago_is_not_deleted(user, moved):
    """Both were kept, and AWS does not show the mark of one yet when it is looked again, by then without a doubt."""
    (copy,) = moved("CancelSpotInstanceRequests", "-z", "us-east-1b")
    world = user.world
    world.requests["sir-1"] = replace(world.requests["sir-1"], state="disabled", code="instance-stopped-no-capacity")
    world.instances["i-1"] = replace(world.instances["i-1"], state="stopped")
    meets = world.meets

    def show(tags):
        if "vol-data" in world.volumes:
            world.volumes["vol-data"] = replace(world.volumes["vol-data"], tags=tags)

    def hides(action, region=None, zone=None, after=False):
        meets(action, region, zone, after)
        if action == "TerminateInstances" and after:
            marked = world.volumes["vol-data"].tags
            show({key: value for key, value in marked.items() if key != KEEP_TAG})
            world.later(2, lambda: show(marked))

    world.meets = hides
    said = user.run("down", "-y", "--keep-data")
    assert said.code == 0, said.err
    assert set(kept(world)) == {"vol-data", copy}


def test_the_last_copy_is_kept_though_nothing_was_proven(user, moved):
    """Box and data volume are gone by somebody's hand: the copy is all that is left of the data, and the next `up`
    takes it back."""
    (copy,) = moved("RunInstances", "-r", "eu-west-1")
    assert user.run("down", "-y", "-r", "us-east-1").code == 0
    said = user.run("down", "-y", "--keep-data")
    assert said.code == 0, said.err
    assert kept(user.world) == [copy]
    assert f"{copy} is kept, as no other volume holds what is on it" in said.err
    assert user.run("up", "-y", "-r", "eu-west-1").code == 0
    assert user.world.volumes[copy].instance_id


def test_without_the_flag_all_goes(user, moved):
    """`down` removes original and copy alike."""
    moved("CancelSpotInstanceRequests", "-z", "us-east-1b")
    said = user.run("down", "-y")
    assert (said.code, user.world.left()) == (0, [])
