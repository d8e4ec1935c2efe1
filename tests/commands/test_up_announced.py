"""What `up --dry-run` announces is what the `up` that follows does."""

import re
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

import pytest

from spotbox.core.names import COPY_TAG, DATA_SIZE_TAG, KEEP_TAG, ROLE_TAG, auto_rule
from spotbox.core.records import Rule
from tests.commands.world import HOME

AWAY = Rule("192.0.2.9/32", auto_rule("thismachine"))  # where this machine was before
OTHERS = Rule("192.0.2.0/24", "spotbox given")


def nothing(world):
    """No box, and nothing of one."""


def box(state, **more):
    return lambda world: world.has_box("dev", state, **more)


def comes(state, **more):
    """A box that AWS has, and brings back."""

    def there(world):
        world.has_box("dev", state, **more)
        world.later(30, lambda: world.relaunch("sir-1") if state == "waiting" else world.restart("i-1"))

    return there


def bare(world):
    """AWS launched it again: nothing of it is tagged."""
    world.has_box("dev", tags={"team": "old"})
    world.instances["i-1"] = replace(world.instances["i-1"], tags={}, http_tokens="optional")
    world.volumes["vol-1"] = replace(world.volumes["vol-1"], tags={})


def cut_off(world):
    """An `up` that was killed before its launch: its group is there, from another address."""
    world.has_box("dev", rules=(AWAY,))
    for things in (world.requests, world.instances, world.volumes, world.keys):
        things.clear()


def groupless(world):
    """Somebody gave its instance another group, and deleted its own."""
    world.has_box("dev", "stopped")
    world.groups.clear()
    world.keys.clear()


def lacks_data(state, **more):
    """A box that is to have a data volume, and was cut off before it got one."""
    return comes(state, tags={DATA_SIZE_TAG: "50"}, **more)


def kept_elsewhere(world):
    """A box beside the data volume that an earlier one left in another zone."""
    world.has_box("dev", "stopped", tags={DATA_SIZE_TAG: "50"})
    root = world.volumes["vol-1"]
    tags = {**root.tags, ROLE_TAG: "data", KEEP_TAG: "true"}
    tags.pop(COPY_TAG, None)
    world.volumes["vol-77"] = replace(
        root, id="vol-77", instance_id=None, device=None, delete_on_termination=False, state="available",
        zone="us-east-1b", size_gib=50, created=world.now() - timedelta(days=3), tags=tags,
    )  # fmt: skip


def dying_with_data(world):
    """On its way out, with a data volume that `down --keep-data` keeps."""
    world.has_box("dev", "terminating")
    root = world.volumes["vol-1"]
    world.volumes["vol-77"] = replace(
        root, id="vol-77", delete_on_termination=False, tags={**root.tags, ROLE_TAG: "data", KEEP_TAG: "true"}
    )


SITUATIONS = {
    "none": (nothing, []),
    "none, a role to make": (lambda world: setattr(world, "role", False), []),
    "none, with limits and data": (nothing, ["--ttl", "8h", "--idle-stop", "1h", "--data-size", "50"]),
    "none, parked with limits": (nothing, ["--park", "--ttl", "8h"]),
    "cut off before the launch": (cut_off, []),
    "running": (box("running"), []),
    "running, from another address": (box("running", rules=(AWAY,)), []),
    "running, open to others": (box("running", rules=(OTHERS,)), []),
    "running, opened by a flag": (box("running", rules=(AWAY,)), ["--allow-cidr", f"{HOME}/32"]),
    "running, other flags": (box("running"), ["--disk-size", "250", "--tag", "team=vision", "--ttl", "8h", "-t",
                                              "g5.xlarge"]),
    "running, with a data volume": (box("running"), ["--data-size", "50"]),
    "running, without its data volume": (box("running", tags={DATA_SIZE_TAG: "50"}), []),
    "running, launched again": (bare, ["--tag", "team=new"]),
    "starting": (box("starting"), ["--idle-stop", "1h"]),
    "stopped": (box("stopped"), []),
    "stopped, from another address": (box("stopped", rules=(AWAY,)), ["--disk-size", "250", "--data-size", "50"]),
    "stopped, its group and key are gone": (groupless, ["--allow-cidr", "192.0.2.0/24"]),
    "stopped, its data elsewhere": (kept_elsewhere, []),
    "stopping": (box("stopping", rules=(AWAY,)), ["--tag", "team=vision"]),
    "interrupted": (comes("interrupted", rules=(AWAY,)), ["--disk-size", "250"]),
    "interrupted, without its data volume": (lacks_data("interrupted"), []),
    "waiting": (comes("waiting", rules=(AWAY,)), ["--tag", "team=vision"]),
    "waiting, and left there": (box("waiting", rules=(AWAY,)), ["--park", "--tag", "team=vision"]),
    "waiting, to have a data volume": (lacks_data("waiting"), []),
    "kept": (box("kept"), ["--data-size", "150"]),
    "failed": (box("failed"), []),
    "terminating": (box("terminating"), ["--tag", "team=vision"]),
    "terminating, its data kept": (dying_with_data, []),
}  # fmt: skip


def facts(sentences, before):
    """Sentences as facts that hold whether or not an id is known yet; waiting changes nothing and is no fact."""
    found, last = [], []
    for text in sentences:
        text, _, then = text.partition("; then ")  # of a launch: the data volume, once it runs
        last += [_fact(then, before)] if "data volume" in then else []
        if not text.startswith(("wait until", "wait for")):
            found.append(_fact(text, before))
    return [fact for at, fact in enumerate([*found, *last]) if fact not in found[:at] or "tags" not in fact]


def _fact(text, before):
    if text.startswith("import your public key as "):
        return "import a key"
    if text.startswith("record its limits") or (text.startswith("set spotbox:") and _new(text, before)):
        return "limits of the new box"
    if text.startswith(("tag ", "require IMDSv2")) and (_new(text, before) or "what AWS launches" in text):
        return "tags of what AWS launches"
    if "data volume" in text:
        size = re.search(r"(\d+) GiB|$", text)[1]
        return "move the data volume" if "snapshot" in text else f"give a data volume of {size} GiB"
    return text


def _new(text, before):
    ids = re.findall(r"\b(?:i|vol|sir|sg)-\d+\b", text)
    return bool(ids) and not set(ids) & before


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_dry_run_announces_what_up_does(user, situation):
    """Each step that AWS carries out was announced, in that order, and nothing was that is not done; before that the
    dry run has changed nothing."""
    makes, flags = SITUATIONS[situation]
    makes(user.world)
    before = deepcopy([vars(user.world)[part] for part in ("requests", "instances", "volumes", "groups", "keys")])
    ids = {id_ for things in before for id_ in things}
    dry = user.run("up", "--dry-run", "-o", "json", *flags)
    assert dry.code == 0, dry.err
    assert (user.world.applied, user.world.clock) == ([], 0)
    assert [vars(user.world)[part] for part in ("requests", "instances", "volumes", "groups", "keys")] == before
    done = user.run("up", "-y", *flags)
    assert done.code == (1 if situation in NOT_REACHED else 0), done.err
    steps = [str(step).partition("; then ")[0] for step in user.world.applied]
    assert facts(dry.json, ids) == facts(steps, ids)


# Nobody admits the caller, so that `up` waits for its SSH server in vain.
NOT_REACHED = ("running, open to others", "stopped, its group and key are gone")


def test_the_dry_run_refuses_what_up_will_refuse(user):
    """A box on its way out leaves a volume that nobody asked to keep: `up` refuses it then, and says so before."""
    dying_with_data(user.world)
    disk = user.world.volumes["vol-77"]
    user.world.volumes["vol-77"] = replace(disk, tags={k: v for k, v in disk.tags.items() if k != KEEP_TAG})
    dry = user.run("up", "--dry-run")
    assert (dry.code, dry.out) == (1, "")
    assert "dev is terminating, and once that is over, its instance is gone, but a volume is left" in dry.err
    done = user.run("up", "-y")
    assert (done.code, user.world.applied) == (1, [])
    assert done.err.splitlines()[-1] == dry.err.splitlines()[-1] == "  Remove it first with: spotbox down dev"
