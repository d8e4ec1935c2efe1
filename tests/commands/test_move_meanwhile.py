"""While a move is cut off: every other command tells the two boxes of one name apart, and says how to go on."""

import pytest

from tests.commands.test_move import alive, has_box, has_data, one_box
from tests.commands.test_move_cut import CHANGES, Killed


def cut_after(user, action, *args):
    """A move that was killed just after this action took effect."""
    meets = user.world.meets

    def cut(name, region=None, zone=None, after=False):
        meets(name, region, zone, after)
        if name == action and after:
            raise Killed

    assert action in CHANGES
    user.world.meets = cut
    with pytest.raises(Killed):
        user.run("move", "-y", *args)
    user.world.meets = meets


@pytest.mark.parametrize("command", [("up", "-y"), ("stop",), ("start",), ("ssh",), ("status", "dev")])
def test_no_command_takes_one_for_the_other(user, command):
    """Two boxes of one name: each command says that it is being moved, and changes nothing."""
    has_box(user, "stopped")
    cut_after(user, "RunInstances")
    before = (alive(user.world), user.world.left())
    said = user.run(*command)
    assert said.code == 1
    assert "dev is being moved from us-east-1a to us-east-1b, and both are there" in said.err
    assert "spotbox move dev" in said.err.splitlines()[-1]
    assert (alive(user.world), user.world.left()) == before


def test_status_shows_both(user):
    """What bills is told: the one that moves, and what was launched to replace it."""
    has_box(user, "stopped")
    cut_after(user, "RunInstances")
    rows = user.run("status", "-o", "json").json
    assert [(row["state"], row["zone"]) for row in rows] == [("stopped", "us-east-1a"), ("starting", "us-east-1b")]
    assert rows[0]["reason"] == "it was stopped to be moved, and the move is not complete"


def test_a_box_that_was_stopped_for_a_move_can_be_started(user):
    """The user has thought better of it: it starts where it is, and he is told what is left of the move."""
    has_box(user)
    cut_after(user, "CreateImage")
    assert "go on: spotbox move dev" in user.run("status", "dev").out
    said = user.run("start")
    assert (said.code, alive(user.world)) == (0, [("us-east-1a", "g4dn.xlarge", "running")])
    assert "a move of dev was cut off" in said.err
    assert user.run("move", "-y").code == 0
    one_box(user.world)


def test_audit_names_what_a_move_left(user):
    """Image and snapshots with the command that goes on; `--fix` removes them, and the box stays."""
    has_data(user.world, has_box(user, "stopped"))
    cut_after(user, "CreateImage")
    rows = user.run("audit", "-o", "json")
    assert rows.code == 6
    assert {row["remedy"] for row in rows.json} == {"spotbox move dev"}
    assert [row["kind"] for row in rows.json].count("snapshot") == 2
    user.world.sleep(60)
    for id_, each in user.world.snapshots.items():
        user.world.snapshots[id_] = type(each)(**{**vars(each), "state": "completed"})
    said = user.run("audit", "--fix", "-y")
    assert (said.code, user.world.images, user.world.snapshots) == (0, {}, {}), said.err
    assert alive(user.world) == [("us-east-1a", "g4dn.xlarge", "stopped")]


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_audit_names_what_a_move_launched(user, region):
    """An instance that is to replace a box bills beside it until the move is complete."""
    from tests.commands.world import public_key

    has_box(user, "stopped")
    (user.home / "keys" / "k.pub").write_text(public_key() + "\n")
    cut_after(user, "RunInstances", "-r", region, *(["-z", "us-east-1b"] if region == "us-east-1" else []))
    rows = [row for row in user.run("audit", "-o", "json").json if row["kind"] == "instance"]
    assert [(row["why"], row["remedy"]) for row in rows] == [
        ("a move of dev launched it, and is not complete", "spotbox move dev")
    ]


def test_a_move_that_goes_on_keeps_to_its_target(user):
    """Without flags it goes where it was to go; with others it says which move it finishes."""
    has_box(user, "stopped")
    cut_after(user, "RunInstances", "-t", "g5.xlarge")
    said = user.run("move", "-z", "us-east-1b", "-y")
    assert said.code == 0
    assert "a move of dev to us-east-1a is under way: going on with that one" in said.err
    one_box(user.world, "us-east-1a", "g5.xlarge")


def test_down_keeps_the_data_and_nothing_of_the_move(user):
    """`--keep-data` leaves the data volume of the box that moves, not its snapshots."""
    has_data(user.world, has_box(user, "stopped"))
    cut_after(user, "CreateImage")
    said = user.run("down", "--keep-data", "-y")
    assert (said.code, user.world.left()) == (0, ["vol-data"]), said.err


def test_ctrl_c_says_how_to_go_on(user):
    """Nothing is rolled back, for nothing is lost: exit 130, and the command that goes on."""
    has_box(user)
    user.world.interrupts("Snapshots")
    said = user.run("move", "-y")
    assert said.code == 130
    assert "Go on with: spotbox move dev" in said.err
    assert user.run("move", "-y").code == 0
    one_box(user.world)
