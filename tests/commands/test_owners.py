"""Two owners in one account: neither sees nor touches the other's, over every command, unless asked for by name."""

import re
from dataclasses import replace

import pytest

from spotbox.cli import COMMANDS
from spotbox.core.names import OWNER_TAG

# Every command that looks at boxes, as it goes to work without a question.
EVERY = {
    "up": [["up", "-y"], ["up", "dev", "-y", "--dry-run"], ["up", "train", "-y"]],
    "ssh": [["ssh"], ["ssh", "--print"], ["ssh", "--stdio"]],
    "status": [["status"], ["status", "dev"], ["status", "-o", "json"]],
    "stop": [["stop"]],
    "start": [["start"]],
    "move": [["move", "-y"], ["move", "dev", "--dry-run"], ["move", "train", "-y"]],
    "down": [["down", "-y"], ["down", "--all", "-y"], ["down", "dev", "--keep-data", "-y"]],
    "cost": [["cost"], ["cost", "dev"], ["cost", "--since", "7d", "--actual", "-y", "-o", "json"]],
    "audit": [["audit"], ["audit", "--fix", "-y"], ["audit", "-o", "json"]],
    "doctor": [["doctor"], ["doctor", "-o", "json"]],
}
ALL = [args for runs in EVERY.values() for args in runs]


def of(world, owner):
    """All that is somebody's, as it is; a relaunch is its request's."""
    mine = {r.id for r in world.requests.values() if r.tags.get(OWNER_TAG) == owner}
    parts = [*world.requests.values(), *world.volumes.values(), *world.groups.values(), *world.keys.values()]
    parts += list(world.instances.values())
    mine_too = [p for p in parts if p.tags.get(OWNER_TAG) == owner or getattr(p, "request_id", None) in mine]
    return sorted(mine_too, key=lambda part: part.id)


def test_every_command_is_tried():
    """A command that is added must be added here too; `train` has a test of whose jobs it sees."""
    assert set(EVERY) | {"sandbox", "prices", "config", "policy", "train"} >= set(COMMANDS)


@pytest.mark.parametrize("was", ["running", "stopped", "waiting", "interrupted", "orphaned", "kept", "failed"])
@pytest.mark.parametrize("args", ALL, ids=" ".join)
def test_nothing_of_bobs_is_seen_or_touched(user, args, was):
    """Whatever state bob's box of the same name is in: alice's command changes and names nothing of it."""
    user.world.has_box("dev", was, owner="bob")
    user.world.has_box("train", "running", owner="bob", region="eu-west-1")
    before = of(user.world, "bob")
    said = user.run(*args)
    assert of(user.world, "bob") == before
    text = (said.out + said.err).replace(str(user.home), "")  # the folder has this test's name
    assert "bob" not in text
    assert not [part.id for part in before if re.search(rf"(?<![\w-]){re.escape(part.id)}(?![\w-])", text)]  # not ami-1


@pytest.mark.parametrize("args", ALL, ids=" ".join)
def test_boxes_of_one_name_are_two(user, args):
    """Both have a `dev`: alice's command acts on hers alone."""
    user.world.has_box("dev", owner="bob")
    user.world.has_box("dev", owner="alice")
    before = of(user.world, "bob")
    user.run(*args)
    assert of(user.world, "bob") == before


@pytest.mark.parametrize("args", [["status"], ["status", "dev"], ["audit"]], ids=" ".join)
def test_everyones_are_shown_where_asked_for(user, args):
    """--owner all shows them, and still changes nothing."""
    user.world.has_box("dev", "orphaned", owner="bob")
    before = of(user.world, "bob")
    said = user.run(*args, "--owner", "all", "-o", "json")
    assert "bob" in said.out
    assert of(user.world, "bob") == before


@pytest.mark.parametrize("command", ["up", "ssh", "stop", "start", "down"])
def test_all_is_nobodys_name(user, command):
    """`--owner all` where one owner is meant is a usage error, not a box of an owner called all."""
    user.world.has_box("dev", owner="bob")
    before = of(user.world, "bob")
    said = user.run(command, "--owner", "all")
    assert (said.code, of(user.world, "bob")) == (2, before)


def test_an_owner_whose_name_begins_alike(user):
    """alice's `down --all` and `audit --fix` leave alice-b's: spotbox-alice-* is her key's name too."""
    user.world.has_box("dev", owner="alice-b")
    user.world.gone("i-1")
    user.world.sleep(90)
    user.world.has_box("dev")
    before = of(user.world, "alice-b")
    assert user.run("down", "--all", "-y").code == 0
    assert user.run("audit", "--fix", "-y").code == 0
    assert of(user.world, "alice-b") == before
    assert len([part for part in before if part.id.startswith("i-")]) == 2


def test_bobs_relaunch_with_alices_key_is_bobs(user):
    """What AWS relaunched of bob's has no tags; whatever key it bears, his request says whose it is."""
    user.world.has_box("dev", owner="bob")
    user.world.gone("i-1")
    user.world.sleep(90)
    user.world.has_box("dev")
    (late,) = [i for i in user.world.instances.values() if i.state == "running" and not i.tags]
    pair = next(k.name for k in user.world.keys.values() if k.tags[OWNER_TAG] == "alice")
    user.world.instances[late.id] = replace(late, key_name=pair)
    assert user.run("audit", "--fix", "-y").code == 0
    assert user.run("down", "--all", "-y").code == 0
    assert user.world.instances[late.id].state == "running"


def entries(user):
    """The ssh_config that ~/.ssh/config includes."""
    path = user.app.places.ssh_config
    return path.read_text() if path.exists() else ""


def test_the_entry_is_that_of_ones_own_box(user):
    """`ssh spotbox-dev` is alice's, whatever she does with bob's box of that name; it goes with her own."""
    user.world.has_box("dev", owner="bob")
    user.world.has_box("dev")
    assert user.run("up", "-y").code == 0
    own = entries(user)
    assert "Host spotbox-dev\n" in own
    assert "--owner alice dev" in own
    for args in (["up", "-y"], ["ssh"], ["stop"], ["start"], ["ssh", "--", "true"], ["down", "-y"]):
        command, *rest = args
        user.run(command, "--owner", "bob", "dev", *rest)
        assert entries(user) == own, args
    assert user.run("down", "-y").code == 0
    assert "Host" not in entries(user)


def test_the_entry_of_a_standing_owner_is_ones_own(user, monkeypatch):
    """Who works as bob throughout (SPOTBOX_OWNER) has entries of bob's boxes, and --owner bob is no other."""
    user.world.has_box("dev", owner="bob")
    monkeypatch.setenv("SPOTBOX_OWNER", "bob")
    assert user.run("up", "-y", "--owner", "bob").code == 0
    assert "--owner bob dev" in entries(user)
    assert user.run("down", "-y").code == 0
    assert "Host" not in entries(user)


def test_the_entry_of_a_namesake_in_another_region_stays(user):
    """Of two boxes of one name `down -r` drops what is about the box that it removed."""
    user.world.has_box("dev")
    assert user.run("up", "-y").code == 0
    user.world.has_box("dev", region="eu-west-1")
    assert user.run("down", "-y", "-r", "eu-west-1").code == 0
    assert "-r us-east-1 --owner alice dev" in entries(user)


def test_the_entry_goes_with_a_box_that_aws_launched_again(user):
    """It names the instance before: the owner, the region and the name say that it is this box's."""
    user.world.has_box("dev")
    assert user.run("up", "-y").code == 0
    user.world.gone("i-1")
    user.world.sleep(90)
    del user.world.instances["i-1"]
    assert user.run("down", "-y").code == 0
    assert "Host" not in entries(user)


def test_the_entry_of_the_sandbox_is_another(user):
    """A box of that name in the sandbox and one at AWS share no instance: `down` of one drops no entry of the other."""
    user.world.has_box("dev")
    assert user.run("up", "-y").code == 0
    path = user.app.places.ssh_config
    path.write_text(entries(user).replace("spotbox ssh", "spotbox --sandbox ssh").replace("i-1", "i-sandbox"))
    assert user.run("down", "-y").code == 0
    assert "spotbox --sandbox ssh" in entries(user)
