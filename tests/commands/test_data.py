"""The data volume: made with the box, attached again whatever became of the instance, kept and taken back."""

from dataclasses import replace

import pytest

from spotbox.core.names import DATA_SIZE_TAG, DATA_TAG, KEEP_TAG, ROLE_TAG
from tests.commands.fakes import live

MADE = ("up", "-y", "--data-size", "200")


def data(world):
    """The data volumes."""
    return [v for v in world.volumes.values() if v.tags.get(ROLE_TAG) == "data"]


def running(world):
    """The instances that run."""
    return [i for i in world.instances.values() if i.state == "running"]


def is_whole(world, gib=200):
    """One box that runs and has its one data volume, told to the guard and not kept."""
    (box,), (disk,) = running(world), data(world)
    assert (disk.size_gib, disk.instance_id, disk.zone, KEEP_TAG in disk.tags) == (gib, box.id, box.zone, False)
    assert (disk.delete_on_termination, disk.encrypted, box.tags[DATA_TAG]) == (False, True, disk.id)
    assert len(live(world)) == 1


def kept(user):
    """A box whose data volume `down --keep-data` has left; gives the volume's id."""
    assert user.run(*MADE).code == 0
    assert user.run("down", "-y", "--keep-data").code == 0
    (disk,) = data(user.world)
    return disk.id


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


@pytest.mark.parametrize("command", ["ssh", "start"])
def test_what_needs_a_box_names_the_way_to_one(user, command):
    """Only the volume is there: `up` makes the box again."""
    kept(user)
    said = user.run(command)
    assert said.code == 1
    assert said.err.endswith("Take it back with: spotbox up dev\n")


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


def test_down_keep_data_keeps_it_and_says_what_it_bills(user):
    """Only the volume is left; `kept` is its state, and the month's price is told."""
    user.run(*MADE)
    said = user.run("down", "-y", "--keep-data")
    (disk,) = data(user.world)
    assert (said.code, user.world.left()) == (0, [disk.id])
    assert f"kept volume {disk.id} (us-east-1): 200 GiB, $16.00/month until `spotbox down dev`" in said.out
    assert user.run("status", "dev", "-o", "json").json["state"] == "kept"
    assert user.run("down", "-y", "--keep-data").code == 0
    assert user.world.left() == [disk.id]


def test_up_takes_a_kept_volume_back(user):
    """The box is launched in the volume's zone, and the mark is gone."""
    at = kept(user)
    user.world.offers("us-east-1", "g4dn.xlarge", a="0.9", b="0.1")  # its zone is the dearer one by now
    said = user.run("up", "-y")
    assert said.code == 0
    is_whole(user.world)
    assert [v.id for v in data(user.world)] == [at]
    assert f"attach its kept data volume {at} (200 GiB)" in said.err
    assert f"200 GiB kept {at}: $16.00/month" in said.err


def test_a_kept_volume_grows_when_it_is_taken_back(user):
    """--data-size larger than what was kept."""
    kept(user)
    assert user.run("up", "-y", "--data-size", "300").code == 0
    is_whole(user.world, 300)


@pytest.mark.parametrize("where", [("-r", "eu-west-1"), ("-r", "us-east-1", "-r", "eu-west-1", "-z", "eu-west-1a")])
def test_another_region_is_refused_with_the_reason(user, where):
    """EBS volumes do not leave their region."""
    at = kept(user)
    said = user.run("up", "-y", *where)
    assert said.code == 2
    assert f"the data volume of dev ({at}, 200 GiB) is in us-east-1a" in said.err
    assert user.world.left() == [at]


def test_to_another_zone_it_moves_by_a_snapshot(user):
    """-z elsewhere in the region is said in the plan and done; the old volume is gone afterwards."""
    at = kept(user)
    said = user.run("up", "-y", "-z", "us-east-1b")
    assert said.code == 0
    is_whole(user.world)
    (disk,) = data(user.world)
    assert (disk.id != at, disk.zone) == (True, "us-east-1b")
    assert f"then move its kept data volume {at} (200 GiB) to that zone by a snapshot\n" in said.err
    assert "moves from us-east-1a by a snapshot, once the box runs" in said.err
    assert user.run("down", "-y").code == 0
    assert user.world.left() == []


def test_no_capacity_in_its_zone_names_the_way_out(user):
    """Exit 3, with the command that moves the volume; it stays kept."""
    at = kept(user)
    user.world.refuses("RunInstances", "InsufficientInstanceCapacity", http=500, zone="us-east-1a")
    said = user.run("up", "-y", "--wait", "0")
    assert (said.code, user.world.left()) == (3, [at])
    assert f"The data volume {at} holds dev in us-east-1a." in said.err
    assert "spotbox up dev -z ZONE" in said.err
    assert user.run("up", "-y", "-z", "us-east-1b").code == 0
    is_whole(user.world)


@pytest.mark.parametrize("answer", [True, False])
def test_without_capacity_in_its_zone_a_move_is_offered(user, answer):
    """On a terminal it is asked; no is the default, and then the exit code is 3."""
    at = kept(user)
    user.world.refuses("RunInstances", "InsufficientInstanceCapacity", http=500, zone="us-east-1a")
    flags = ["-t", "g4dn.xlarge", "--max-price", "on-demand", "--disk-size", "100", "--idle-stop", "0", "--wait", "0"]
    answers = [("Go ahead?", True), ("Move it to another zone", answer)]
    answers += [("Go ahead?", True), ("Add spotbox's", False)] if answer else []
    said = user.run("up", *flags, answers=answers)
    assert said.code == (0 if answer else 3)
    if answer:
        is_whole(user.world)
        assert running(user.world)[0].zone == "us-east-1b"
    else:
        assert user.world.left() == [at]


def test_a_move_that_was_cut_off_is_gone_on_with(user):
    """The box runs in the other zone, and its volume lies where it was: the next command that acts brings it."""
    at = kept(user)
    user.world.refuses("AttachVolume", "InternalError", times=1)
    assert user.run("up", "-y", "-z", "us-east-1b").code != 0
    assert KEEP_TAG in user.world.volumes[at].tags
    assert user.run("up", "-y").code == 0
    is_whole(user.world)


@pytest.mark.parametrize("code", ["InsufficientInstanceCapacity", "InvalidParameterValue"])
def test_a_refused_launch_keeps_what_was_kept(user, code):
    """What the refused `up` made goes, the volume stays kept."""
    at = kept(user)
    user.world.refuses("RunInstances", code)
    assert user.run("up", "-y", "--wait", "0").code in (1, 2, 3)
    assert user.world.left() == [at]
    assert KEEP_TAG in user.world.volumes[at].tags


@pytest.mark.parametrize("action", ["RunInstances", "AttachVolume", "CreateTags"])
@pytest.mark.parametrize("after", [False, True])
def test_an_interrupted_up_keeps_what_was_kept(user, action, after):
    """Ctrl-C at any call: removed is what this `up` made, and the volume is kept as before."""
    at = kept(user)
    user.world.interrupts(action, after=after)
    said = user.run("up", "-y", "--idle-stop", "1h")
    if said.code == 130:
        assert said.err.splitlines()[-1] == "  Its data volume is kept; make dev anew with `spotbox up dev`"
        assert user.world.left() == [at]
        assert KEEP_TAG in user.world.volumes[at].tags


def test_ctrl_c_before_anything_is_made_names_what_was_kept(user):
    """Nothing was made, and the volume is there as before."""
    at = kept(user)
    user.world.interrupts("CheckIp")
    said = user.run("up", "-y")
    assert (said.code, user.world.left()) == (130, [at])
    assert f"only {at} of dev exists, as before" in said.err


def test_an_interrupted_up_removes_a_volume_of_its_own_making(user):
    """A volume that this `up` made is part of what it made."""
    user.world.interrupts("AttachVolume", after=True)
    assert user.run(*MADE).code == 130
    assert user.world.left() == []


def test_down_without_the_flag_shows_and_deletes_what_was_kept(user):
    """It is the one command that does; audit never does."""
    at = kept(user)
    user.run("audit", "--fix", "-y")
    assert user.world.left() == [at]
    said = user.run("down", answers=[("Remove all this?", True)])
    assert f"delete volume {at} (200 GiB) and all that is on it" in said.err
    assert (said.code, user.world.left()) == (0, [])


def test_down_all_keep_data(user):
    """Every box goes, every data volume stays."""
    user.run(*MADE)
    user.run("up", "train", "-y", "--data-size", "50")
    assert user.run("down", "--all", "-y", "--keep-data").code == 0
    assert sorted(v.size_gib for v in data(user.world)) == [50, 200]
    assert user.world.left() == sorted(v.id for v in data(user.world))


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
