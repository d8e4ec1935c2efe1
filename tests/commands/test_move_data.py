"""Data volumes where a box moves, or where they move: nothing of them is lost, left billing unseen, or made twice."""

from dataclasses import replace

import pytest

from spotbox.core.names import COPY_TAG, DATA_SIZE_TAG, DATA_TAG, KEEP_TAG, MOVING_TAG
from spotbox.core.records import Snapshot
from spotbox.core.states import LIVE
from tests.commands.datadisks import data, kept
from tests.commands.test_move import alive, has_box, has_data, one_box
from tests.commands.test_move_meanwhile import cut_after
from tests.commands.world import public_key


@pytest.mark.parametrize("keep", [(), ("--keep-data",)])
def test_down_takes_the_snapshot_of_a_data_volume_that_was_on_its_way(user, keep):
    """Killed between its snapshot and its copy, `up -z` leaves a snapshot that bills: `down` removes it too."""
    at = kept(user)
    user.world.refuses("CreateVolume", "InternalError")
    assert user.run("up", "-y", "-z", "us-east-1b").code != 0
    (snapshot,) = user.world.snapshots
    said = user.run("down", "-y", *keep, "-o", "json")
    assert (said.code, user.world.left()) == (0, [at] if keep else []), said.err
    assert snapshot in {item["id"] for item in said.json["removed"]}


def test_a_backup_of_a_copied_data_volume_is_not_the_boxs(user):
    """A backup service copies the volume's tags to its snapshots: `down` leaves those, whatever they say."""
    kept(user)
    assert user.run("up", "-y", "-z", "us-east-1b").code == 0
    (disk,) = data(user.world)
    tags = {**disk.tags, COPY_TAG: "vol-of-old used"}
    user.world.snapshots["snap-b"] = Snapshot("snap-b", "us-east-1", "completed", 200, None, tags, volume_id=disk.id)
    assert user.run("down", "-y").code == 0
    assert user.world.left() == ["snap-b"]


def relaunched(world, at="i-1"):
    """AWS terminated the instance, by whoever's hand, and launched the next with an empty disk."""
    world.gone(at)
    world.sleep(20)


def test_a_data_volume_that_is_not_attached_is_not_taken_for_moved(user):
    """A move was begun, AWS launched the box anew without its data volume, and the move goes on: the volume is in no
    image of it, so it is not retired, and the new box has it."""
    has_data(user.world, has_box(user))
    cut_after(user, "CreateTags")
    relaunched(user.world)
    said = user.run("move", "-y", "-z", "us-east-1b")
    assert said.code == 0, said.err
    (disk,) = data(user.world)
    assert disk.size_gib == 200


@pytest.mark.parametrize("tag", [{}, {KEEP_TAG: "true"}])
def test_a_data_volume_that_is_not_attached_holds_the_box_in_its_region(user, tag):
    """It would be left behind in the old region, where nothing but `audit` knows it: refused, with what to do."""
    has_data(user.world, has_box(user, "stopped"))
    (user.home / "keys" / "k.pub").write_text(public_key() + "\n")
    disk = user.world.volumes["vol-data"]
    user.world.volumes["vol-data"] = replace(
        disk, instance_id=None, device=None, state="available", tags={**disk.tags, **tag}
    )
    said = user.run("move", "-y", "-r", "eu-west-1")
    assert said.code == 1
    assert "vol-data" in said.err
    assert "spotbox up dev" in said.err
    assert alive(user.world) == [("us-east-1a", "g4dn.xlarge", "stopped")]
    assert (user.world.images, user.world.snapshots) == ({}, {})


def test_the_last_copy_of_a_box_is_not_cleaned_away(user):
    """What was launched died, and the old box is gone by somebody's hand: image and data volume are all that is left
    of it, and only `down` removes them."""
    has_data(user.world, has_box(user, "stopped"))
    cut_after(user, "RunInstances")
    world = user.world
    for at in ("i-1", next(i for i in world.instances if i != "i-1")):
        world.request_of(at, state="cancelled", code="instance-terminated-by-user")
        world.gone(at)
    images, snapshots = dict(world.images), dict(world.snapshots)
    assert images
    said = user.run("move", "-y")
    assert said.code != 0
    assert "spotbox down dev" in said.err
    assert (world.images, world.snapshots, "vol-data" in world.volumes) == (images, snapshots, True)
    assert user.run("down", "-y").code == 0
    assert world.left() == []


def test_what_replaces_a_removed_box_gets_its_roles(user):
    """The old box was removed before the new one was proven: the next `move` names its data volume all the same, or
    `down --keep-data` would delete it."""
    has_data(user.world, has_box(user, "stopped"))
    (user.home / "keys" / "k.pub").write_text(public_key() + "\n")
    cut_after(user, "RunInstances", "-r", "eu-west-1")
    assert user.run("down", "-y", "-r", "us-east-1").code == 0
    user.world.sleep(60)
    assert user.run("move", "-y").code == 0
    (disk,) = data(user.world)
    (box,) = (i for i in user.world.instances.values() if i.state == "running")
    assert (disk.instance_id, box.tags[DATA_TAG]) == (box.id, disk.id)


def test_no_second_data_volume_is_made_beside_the_moved_one(user):
    """Until the move is complete the volumes of what it launched have no roles: `ssh -r` makes none for it."""
    number = has_box(user, "stopped")
    has_data(user.world, number)
    for things, id_ in ((user.world.requests, "sir-1"), (user.world.instances, "i-1")):
        things[id_] = replace(things[id_], tags={**things[id_].tags, DATA_SIZE_TAG: "200"})
    (user.home / "keys" / "k.pub").write_text(public_key() + "\n")
    cut_after(user, "RunInstances", "-r", "eu-west-1")
    user.world.sleep(60)
    before = set(user.world.volumes)
    user.run("ssh", "-r", "eu-west-1")
    assert set(user.world.volumes) == before


def test_what_a_move_left_of_a_box_that_is_gone_is_named(user):
    """`audit` says `spotbox move dev` of an image; where there is no box any more, that names what removes it."""
    has_box(user, "stopped")
    cut_after(user, "CreateImage")
    user.world.request_of("i-1", state="cancelled", code="instance-terminated-by-user")
    user.world.gone("i-1")
    said = user.run("move", "-y")
    assert said.code == 7
    assert "spotbox down dev" in said.err
    assert user.run("down", "-y").code == 0
    assert not user.world.images
    assert not user.world.snapshots


@pytest.mark.parametrize("note", ["x\nevil/a/g4dn.xlarge/ran", "evil.example.com/#/us-east-1b/g4dn.xlarge"])
def test_a_note_that_no_move_wrote_leads_nowhere(user, note):
    """`spotbox:moving` is outside input: a region that is none is not asked."""
    has_box(user, "stopped")
    for things, id_ in ((user.world.requests, "sir-1"), (user.world.instances, "i-1")):
        things[id_] = replace(things[id_], tags={**things[id_].tags, MOVING_TAG: note})
    assert user.run("status").code == 0
    said = user.run("move", "-y")
    assert said.code == 0, said.err
    one_box(user.world)


def test_trouble_in_the_middle_says_how_to_go_on(user):
    """Whatever ends it, the hint names the move: something of it may bill."""
    has_box(user)
    user.world.refuses("TerminateInstances", "UnauthorizedOperation")
    said = user.run("move", "-y")
    assert said.code == 5
    assert "spotbox move dev" in said.err


def test_down_looks_where_a_copy_was_asked_for(user):
    """CopyImage was asked for a moment ago and the other region shows nothing yet: `down` waits for it there."""
    has_box(user, "stopped")
    (user.home / "keys" / "k.pub").write_text(public_key() + "\n")
    cut_after(user, "CopyImage", "-r", "eu-west-1")
    world = user.world
    late = {id_: image for id_, image in world.images.items() if image.region == "eu-west-1"}
    held = {id_: each for id_, each in world.snapshots.items() if each.region == "eu-west-1"}
    assert late
    for id_ in late:
        del world.images[id_]
    for id_ in held:
        del world.snapshots[id_]
    world.later(5, lambda: (world.images.update(late), world.snapshots.update(held)))
    said = user.run("down", "-y")
    assert (said.code, world.left()) == (0, []), said.err


def test_an_image_that_aws_shows_late_is_no_restart_of_the_box(user):
    """The image is complete, and the next looks do not show it yet: it is waited for, and not given up."""
    has_box(user, "stopped")
    world = user.world
    meets = world.meets

    def hides(action, region=None, zone=None, after=False):
        meets(action, region, zone, after)
        if action == "CreateImage" and after:
            world.hidden |= {*world.images, *world.snapshots}
            world.later(60 * 8, world.hidden.clear)

    world.meets = hides
    said = user.run("move", "-y")
    assert said.code == 0, said.err
    one_box(world)


def test_weather_gives_no_move_up(user):
    """AWS has had enough of our calls: what was made stays, hours of snapshots perhaps, and the next run goes on."""
    has_box(user, "stopped")
    cut_after(user, "CreateImage")
    user.world.refuses("Snapshots", "RequestLimitExceeded", times=1)
    said = user.run("move", "-y")
    assert said.code == 1
    assert "spotbox move dev" in said.err
    assert user.world.images
    assert user.run("move", "-y").code == 0
    one_box(user.world)


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_what_is_kept_of_a_cut_off_move_is_taken_back(user, region):
    """`down --keep-data` keeps the data volumes of both sides: `move` has nothing to go on with, and `up` takes the one
    of the region that is named."""
    has_data(user.world, has_box(user, "stopped"))
    (user.home / "keys" / "k.pub").write_text(public_key() + "\n")
    zone = ("-z", "us-east-1b") if region == "us-east-1" else ()
    cut_after(user, "CancelSpotInstanceRequests", "-r", region, *zone)
    assert user.run("down", "-y", "--keep-data").code == 0
    assert {row["state"] for row in user.run("status", "-o", "json").json} == {"kept"}
    said = user.run("move", "-y")
    assert said.code == 1
    assert "spotbox up dev" in said.err or "-r REGION" in said.err
    said = user.run("up", "-y", "-r", region)
    assert said.code == 0, said.err
    (held,) = (v for v in data(user.world) if v.instance_id)
    assert held.zone.startswith(region)
    assert user.run("down", "-y").code == 0
    assert user.world.left() == []


def test_another_instance_in_its_place_is_not_cancelled(user):
    """AWS launched the box anew while the move was cut off, or another terminal moved it meanwhile: what is on that
    instance is not in what replaces it, so both stay, and the user is told how to choose."""
    has_box(user, "stopped")
    cut_after(user, "RunInstances")
    relaunched(user.world)
    before = sorted(alive(user.world))
    said = user.run("move", "-y")
    assert said.code == 6
    assert "has taken the place of i-1" in said.err
    assert "aws ec2 cancel-spot-instance-requests --region us-east-1" in said.err
    assert sorted(alive(user.world)) == before
    assert all(r.state in LIVE for r in user.world.requests.values())
    assert user.run("down", "-y").code == 0
    assert user.world.left() == []
