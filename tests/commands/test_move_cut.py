"""`move` killed before and after each call that changes something: one of the two boxes is whole, and a second run ends
with exactly one and nothing else. The same with real processes: tests/life."""

import pytest

from spotbox.core.states import LIVE
from tests.commands.test_move import alive, has_box, has_data, one_box
from tests.commands.world import public_key

CHANGES = {
    "CreateTags", "StopInstances", "CreateImage", "CopyImage", "Snapshots", "CreateSecurityGroup", "ImportKeyPair",
    "RunInstances", "GetConsoleOutput", "CancelSpotInstanceRequests", "TerminateInstances", "DeleteVolume",
    "DeregisterImage", "DeleteSnapshot", "DeleteKeyPair", "DeleteSecurityGroup",
}  # fmt: skip
CASES = {"running": (), "interrupted": (), "stopped": ("-r", "eu-west-1")}


def sample(numbers, every):
    """Every so many of them by default; all with `-m ""`, for each is a run of its own."""
    return [pytest.param(n, marks=() if i % every == 2 else pytest.mark.slow) for i, n in enumerate(numbers)]


class Killed(BaseException):
    """SIGKILL: nothing in spotbox sees it."""


def cut(world, at):
    """The world's calls end the process at the `at`-th change, counted before and after its effect; whether it came."""
    calls, meets = [0], world.meets

    def counted(action, region=None, zone=None, after=False):
        meets(action, region, zone, after)
        if action in CHANGES:
            calls[0] += 1
            if calls[0] == at:
                raise Killed

    world.meets = counted
    return calls


def whole(world):
    """Instances that have their root disk and data, and a request that holds them (or may be started at least)."""
    found = []
    for box in world.instances.values():
        disks = [v for v in world.volumes.values() if v.instance_id == box.id]
        held = any(r.instance_id == box.id and r.state in LIVE for r in world.requests.values())
        lives = box.state in ("running", "stopped", "stopping", "pending")
        if lives and held and len(disks) == 2:
            found.append(box.id)
    return found


@pytest.mark.parametrize("at", sample(range(1, 40), 6))
@pytest.mark.parametrize("state", CASES)
def test_killed_at_any_change_and_run_again(user, state, at):
    """Old or new is whole, never neither; and the second run leaves one box, in the target, and nothing else."""
    has_data(user.world, has_box(user, state))
    (user.home / "keys" / "k.pub").write_text(public_key() + "\n")
    meets = user.world.meets
    calls = cut(user.world, at)
    args = ("move", "-y", *CASES[state])
    try:
        user.run(*args)
    except Killed:
        pass
    else:
        assert calls[0] < at
        pytest.skip(f"it makes {calls[0]} changes")
    user.world.meets = meets
    there = whole(user.world)
    # From the cancel on the old one is on its way out: then the new one has been proven.
    assert there, alive(user.world)
    user.world.sleep(30)
    zone = "eu-west-1a" if CASES[state] else "us-east-1b"
    if not (len(alive(user.world)) == 1 and alive(user.world)[0][0] == zone and not user.world.images):
        said = user.run("move", "-y", *CASES[state])
        assert said.code == 0, said.err
    else:
        user.run("move", "-y", "-z", zone)
    one_box(user.world, zone)


@pytest.mark.parametrize("at", sample(range(1, 26, 3), 4))
@pytest.mark.parametrize("state", CASES)
def test_killed_at_any_change_and_removed(user, state, at):
    """`down` removes both, and images and snapshots with them."""
    has_data(user.world, has_box(user, state))
    (user.home / "keys" / "k.pub").write_text(public_key() + "\n")
    meets = user.world.meets
    cut(user.world, at)
    with pytest.raises(Killed):
        user.run("move", "-y", *CASES[state])
    user.world.meets = meets
    said = user.run("down", "-y")
    assert (said.code, user.world.left()) == (0, []), said.err
