"""The data volume: made with the box, attached again whatever became of the instance, gone with the box."""

from dataclasses import replace

import pytest

from spotbox.core.names import DATA_SIZE_TAG, KEEP_TAG
from tests.commands.datadisks import MADE, data, is_whole, kept, running
from tests.commands.fakes import live


def test_a_new_box_gets_its_data_volume(user):
    """Named in plan, summary and the line at the end, with what it bills; shown as such in the JSON."""
    said = user.run(*MADE)
    assert said.code == 0
    is_whole(user.world)
    assert "; then make and attach a data volume of 200 GiB\n" in said.err
    assert "  data       200 GiB gp3, encrypted: $16.00/month until `down` without --keep-data\n" in said.err
    assert "the box mounts it at /data\n" in said.err
    assert "--disk-size 100 --data-size 200" in said.out
    shown = user.run("status", "dev", "-o", "json").json["volumes"]
    assert [(v["size_gib"], v["data"]) for v in shown] == [(100, False), (200, True)]


def test_a_dry_run_names_it_and_makes_nothing(user):
    """The same sentence."""
    said = user.run("up", "--dry-run", "--data-size", "200")
    assert "make and attach a data volume of 200 GiB\n" in said.out
    assert user.world.left() == []


def test_up_twice_makes_one(user):
    """The second run finds it attached."""
    for _ in range(2):
        assert user.run(*MADE).code == 0
    is_whole(user.world)


def test_down_leaves_nothing(user):
    """The instance first, then its volume."""
    user.run(*MADE)
    said = user.run("down", "-y", "-o", "json")
    assert (said.code, user.world.left()) == (0, [])
    assert [item["kind"] for item in said.json["removed"]].count("volume") == 2


@pytest.mark.parametrize("action", ["CreateVolume", "AttachVolume"])
@pytest.mark.parametrize("after", [False, True])
def test_where_aws_does_not_give_it_the_box_stays_and_up_goes_on(user, action, after):
    """Told as trouble, with the command; the next `up` without the flag completes it, and so does `ssh`."""
    user.world.refuses(action, "InsufficientVolumeCapacity", "no room", after=after, times=1)
    said = user.run(*MADE)
    assert said.code in (1, 3)
    assert "dev is up and bills, but without its data volume: " in said.err
    assert "Try again with: spotbox up dev" in said.err
    assert user.run("ssh").code == 0
    is_whole(user.world)


def test_ssh_lets_in_where_the_volume_is_in_trouble(user):
    """Trouble with the disk is a remark: the shell is what was asked for."""
    user.run(*MADE)
    (disk,) = data(user.world)
    user.world.volumes[disk.id] = replace(disk, instance_id=None, state="available")
    user.world.refuses("AttachVolume", "InternalError", times=1)
    said = user.run("ssh")
    assert said.code == 0
    assert "but without its data volume" in said.err
    assert user.app.system.ran


def test_a_killed_up_is_completed(user):
    """Killed while it made the volume (nothing of ours runs afterwards): the same command finds and attaches it."""
    user.world.refuses("AttachVolume", "InternalError", times=1)
    user.run(*MADE)
    assert user.run(*MADE).code == 0
    is_whole(user.world)


@pytest.mark.parametrize("then", [("up", "-y"), ("start",)])
def test_it_stays_attached_through_stop_and_start(user, then):
    """An attached volume stays attached (EC2 User Guide, "Stop and start your instance")."""
    user.run(*MADE)
    user.run("stop")
    assert user.run(*then).code == 0
    is_whole(user.world)


@pytest.mark.parametrize("then", [("up", "-y"), ("ssh",)])
def test_a_relaunch_gets_it_again(user, then):
    """AWS launches another instance without tags: the next command that acts attaches the volume to it."""
    user.run(*MADE)
    (box,) = running(user.world)
    user.world.gone(box.id)
    user.world.sleep(20)
    assert user.run(*then).code == 0
    is_whole(user.world)


def test_a_parked_box_gets_it_when_it_is_met(user):
    """The request says so by its tag; nothing is made before there is an instance."""
    assert user.run(*MADE, "--park").code == 0
    assert data(user.world) == []
    (request,) = live(user.world)
    assert request.tags[DATA_SIZE_TAG] == "200"
    user.world.relaunch(request.id)
    user.world.sleep(20)
    assert user.run("up", "-y").code == 0
    is_whole(user.world)


def test_a_box_that_waits_is_tagged_at_once(user):
    """Also where the command does not wait for it: whoever meets it makes the volume."""
    user.world.has_box("dev", "waiting")
    assert user.run("up", "-y", "--park", "--data-size", "200").code == 0
    (request,) = live(user.world)
    assert request.tags[DATA_SIZE_TAG] == "200"


def test_on_demand_too(user):
    """The fallback is the same box."""
    user.world.refuses("RunInstances spot", "InsufficientInstanceCapacity", http=500)
    assert user.run(*MADE, "--wait", "0", "--fallback", "on-demand").code == 0
    (box,), (disk,) = running(user.world), data(user.world)
    assert disk.instance_id == box.id
    user.run("down", "-y")
    assert user.world.left() == []


def test_a_box_without_one_is_given_one(user):
    """`up NAME --data-size` on a box that runs."""
    user.world.has_box("dev")
    assert user.run(*MADE).code == 0
    is_whole(user.world)


def test_a_larger_one_grows_and_a_smaller_one_is_named(user):
    """EBS volumes do not shrink."""
    user.run(*MADE)
    assert "EBS cannot make it smaller" in user.run("up", "-y", "--data-size", "100").err
    is_whole(user.world)
    assert user.run("up", "-y", "--data-size", "300").code == 0
    is_whole(user.world, 300)


def test_an_interrupted_up_removes_a_volume_of_its_own_making(user):
    """A volume that this `up` made is part of what it made."""
    user.world.interrupts("AttachVolume", after=True)
    assert user.run(*MADE).code == 130
    assert user.world.left() == []


def test_a_data_volume_without_box_is_an_orphan(user):
    """Nobody asked to keep it: audit names and removes it."""
    at = kept(user)
    tags = {key: value for key, value in user.world.volumes[at].tags.items() if key != KEEP_TAG}
    user.world.volumes[at] = replace(user.world.volumes[at], tags=tags)
    assert user.run("audit").code == 6
    assert user.run("audit", "--fix", "-y").code == 0
    assert user.world.left() == []


def test_stop_tells_what_both_disks_bill(user):
    """100 GiB of root and 200 GiB of data."""
    user.run(*MADE)
    assert "its disk bills about $24.00/month" in user.run("stop").out
