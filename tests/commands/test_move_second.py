"""A move that was launched twice, and data volumes beside the one that its box uses."""

from dataclasses import replace

from spotbox.core.names import KEEP_TAG
from tests.commands.test_move import alive, has_box, has_data, one_box
from tests.commands.test_move_meanwhile import cut_after


def launched_twice(user):
    """The world where the launch of a move was not shown, and a second run of it launched once more."""
    has_data(user.world, has_box(user, "stopped"))
    world = user.world
    before = {*world.requests, *world.instances, *world.volumes}
    cut_after(user, "RunInstances")
    world.hidden |= {*world.requests, *world.instances, *world.volumes} - before
    cut_after(user, "RunInstances")
    world.hidden.clear()
    return world


def test_two_launches_of_one_move_leave_one_box(user):
    """Of two terminals that moved it at once, or where AWS did not show the first launch: the other goes, with its
    data volume."""
    world = launched_twice(user)
    assert len(alive(world)) == 3
    said = user.run("move", "-y")
    assert said.code == 0, said.err
    one_box(world)


def second_is_cut_off(user):
    """A move that was launched twice and is cut off where both old instance and second launch are gone, and the data
    volume of the second is left; its id."""
    world = launched_twice(user)
    cut_after(user, "TerminateInstances")
    (left,) = (v.id for v in data_or_copy(world) if v.id != "vol-data" and not v.instance_id)
    return left


def data_or_copy(world):
    """Every volume that outlives its instance."""
    return [v for v in world.volumes.values() if not v.delete_on_termination]


def test_the_volume_of_a_second_launch_goes_with_the_move(user):
    """Cut off after the second launch was ended, before its data volume went: the move goes on, and takes it."""
    left = second_is_cut_off(user)
    said = user.run("move", "-y")
    assert said.code == 0, said.err
    assert left not in user.world.volumes
    one_box(user.world)


def test_audit_shows_the_volume_of_a_second_launch(user):
    """It bills: shown with its price and what removes it, while the move is cut off; `move` alone removes it."""
    left = second_is_cut_off(user)
    said = user.run("audit", "-o", "json")
    rows = {row["id"]: row for row in said.json}
    assert said.code == 6
    assert (rows[left]["usd_per_month"], rows[left]["remedy"]) == (16.0, "spotbox move dev")
    assert "that is not complete has left it" in rows[left]["why"]
    assert rows["vol-data"]["remedy"] == "spotbox move dev"


def test_audit_shows_a_second_data_volume(user):
    """One that its box does not use, and that nobody asked to keep: told with the call that deletes it, and left."""
    has_data(user.world, has_box(user))
    other = replace(user.world.volumes["vol-data"], id="vol-x", instance_id=None, device=None, state="available")
    user.world.volumes["vol-x"] = other
    said = user.run("audit", "--fix", "-y", "-o", "json")
    rows = user.run("audit", "-o", "json").json
    assert said.code == 6
    assert [(row["id"], row["remedy"]) for row in rows] == [
        ("vol-x", "aws ec2 delete-volume --region us-east-1 --volume-id vol-x")
    ]


def test_a_data_volume_that_up_takes_is_no_finding(user):
    """The only one, not attached yet or any more: it is the box's."""
    has_data(user.world, has_box(user))
    disk = user.world.volumes["vol-data"]
    user.world.volumes["vol-data"] = replace(disk, instance_id=None, device=None, state="available")
    said = user.run("audit", "-o", "json")
    assert (said.code, said.json) == (0, [])


def test_audit_shows_what_is_kept_beside_a_box(user):
    """A kept volume that its box does not use bills: shown, never removed, and no reason for exit 6."""
    has_box(user)
    user.world.has_box("dev", "kept")
    (volume,) = (v.id for v in user.world.volumes.values() if KEEP_TAG in v.tags)
    said = user.run("audit", "-o", "json")
    assert [(row["kind"], row["id"]) for row in said.json] == [("volume", volume)]
    assert said.code == 0
    assert user.run("audit", "--fix", "-y").code == 0
    assert volume in user.world.volumes
