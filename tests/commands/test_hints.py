"""The commands that spotbox names to its user are about the same boxes as the command that was typed."""

import re

import pytest

from tests.commands.world import public_key


def hints(said):
    """Every `spotbox COMMAND ...` in what was said."""
    found = re.findall(r"spotbox (?:up|ssh|status|stop|start|down)\b[^`;,\n]*", said.out + said.err)
    assert found
    return [hint.strip(" .") for hint in found]


@pytest.mark.parametrize(
    ("command", "was"),
    [("stop", "waiting"), ("stop", "running"), ("start", "interrupted"), ("start", "stopped"), ("ssh", "stopped"),
     ("up", "running"), ("up", "orphaned")],
)  # fmt: skip
def test_a_typed_owner_is_repeated(user, command, was):
    """Without it the hint would be about the user's own box of that name."""
    user.world.has_box("dev", was, owner="bob")
    said = user.run(command, "--owner", "bob", "dev", *(["-y"] if command == "up" else []))
    assert [hint for hint in hints(said) if "--owner bob" not in hint] == []


def test_a_typed_region_is_repeated(user):
    """Two boxes of one name: the hint is about the one that was named."""
    user.world.has_box("dev", "interrupted")
    user.world.has_box("dev", "running", region="eu-west-1")
    said = user.run("start", "dev", "-r", "us-east-1")
    assert said.code == 3
    assert [hint for hint in hints(said) if " -r us-east-1 dev" not in hint] == []


def test_where_up_may_launch_is_no_place_to_look(user):
    """`up -r` names where to launch; the box it found stands elsewhere, and that is where `down` must look."""
    user.world.has_box("dev", region="eu-west-1")
    said = user.run("up", "-r", "us-east-1", "dev", "-y")
    assert said.code == 0
    assert [hint for hint in hints(said) if "down" in hint or "ssh" in hint] != []
    assert [hint for hint in hints(said) if "-r us-east-1" in hint and not hint.startswith("spotbox up")] == []


def test_no_box_of_that_name(user):
    """The hint makes it for the same owner."""
    said = user.run("stop", "--owner", "bob", "nosuch")
    assert (said.code, hints(said)) == (7, ["spotbox up --owner bob"])


def test_everyone_is_nobody_to_act_on(user):
    """`--owner all` is repeated where it can be meant, and nowhere else."""
    user.world.has_box("dev", "orphaned", owner="bob")
    said = user.run("status", "--owner", "all")
    assert "down --owner all" not in said.out + said.err
    said = user.run("audit", "--owner", "all")
    assert "`spotbox audit --owner all --fix`" in said.err
    assert "spotbox down dev -r us-east-1 --owner bob" in said.out


def test_a_standing_owner_needs_no_repeating(user, monkeypatch):
    """SPOTBOX_OWNER holds for the next command too."""
    monkeypatch.setenv("SPOTBOX_OWNER", "bob")
    user.world.has_box("dev", "stopped", owner="bob")
    said = user.run("ssh")
    assert hints(said) == ["spotbox start dev"]


@pytest.mark.parametrize("was", ["waiting", "kept", "orphaned", "stopped", "running", "none"])
def test_a_move_of_somebody_elses_box_repeats_its_owner(user, was):
    """Whatever ends a move, every command that it names is about the same owner's box, and none about where it goes."""
    (user.home / "keys").mkdir(parents=True)
    (user.home / "keys" / "k.pub").write_text(public_key() + "\n")
    if was != "none":
        user.world.has_box("dev", was, owner="bob")
    user.world.has_box("other", owner="bob")
    user.world.refuses("TerminateInstances", "UnauthorizedOperation", times=2)
    said = user.run("move", "--owner", "bob", "dev", "-r", "eu-west-1", "-y", "--wait", "0")
    assert said.code in (1, 5, 7)
    found = re.findall(r"spotbox (?:up|ssh|status|stop|start|down|move)\b[^`;,\n]*", said.err)
    assert bool(found) == (was != "none")
    assert [hint for hint in found if "--owner bob" not in hint] == []
    assert [hint for hint in found if "-r eu-west-1" in hint and not hint.startswith("spotbox move")] == []
    if was in ("stopped", "running"):
        user.world.has_box("late", "stopped", owner="bob")
        said = user.run("status", "--owner", "bob", "dev")
        assert "spotbox move --owner bob dev" in said.err
