"""A data volume that `down --keep-data` leaves: what shows it, takes it back, moves it and deletes it."""

import pytest

from spotbox.core.names import KEEP_TAG
from tests.commands.datadisks import MADE, data, is_whole, kept, running


@pytest.mark.parametrize("command", ["ssh", "start"])
def test_what_needs_a_box_names_the_way_to_one(user, command):
    """Only the volume is there: `up` makes the box again."""
    kept(user)
    said = user.run(command)
    assert said.code == 1
    assert said.err.endswith("Take it back with: spotbox up dev\n")


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
