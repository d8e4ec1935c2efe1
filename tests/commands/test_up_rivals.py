"""Two terminals that run `up` of one name at once in different regions: the younger box gives way."""

import pytest

from spotbox.core.names import box_tags
from tests.commands.fakes import live
from tests.commands.world import OWNER, World

ELSEWHERE = "eu-west-1"


def appears(user, after=2, **box):
    """Another terminal's box shows itself in another region while this one boots."""
    user.world.later(after, lambda: user.world.has_box("dev", "starting", region=ELSEWHERE, **box))


def regions_left(world):
    """Where anything of the account is left."""
    things = (world.volumes, world.groups, world.keys)
    return {thing.region for kind in things for thing in kind.values()} | {r.region for r in live(world)}


def test_the_younger_gives_way_and_the_other_is_the_box(user):
    """The other was launched first: this run's own goes with all that was made, and `up` reports the other."""
    appears(user, age=30)
    said = user.run("up", "-y")
    assert said.code == 0
    assert regions_left(user.world) == {ELSEWHERE}
    assert said.out.startswith("dev is up: g4dn.xlarge in eu-west-1a")
    assert "another dev was launched first, in eu-west-1" in said.err
    assert [i.region for i in user.world.instances.values() if i.state == "running"] == [ELSEWHERE]


def test_the_elder_stays_and_touches_nothing_of_the_other(user):
    """The other was launched later: it gives way by itself, so that it is named and nothing else."""
    appears(user, after=3, age=0)
    said = user.run("up", "-y")
    assert said.code == 0
    assert said.out.startswith("dev is up: g4dn.xlarge in us-east-1a")
    assert sorted(r.region for r in live(user.world)) == [ELSEWHERE, "us-east-1"]
    assert "another dev stands in eu-west-1" in said.err
    assert "spotbox down dev -r eu-west-1" in said.err


def test_of_two_as_old_the_regions_name_decides(user):
    """Both terminals see the same two and decide alike."""
    appears(user, after=2, age=2)
    assert user.run("up", "-y").out.startswith("dev is up: g4dn.xlarge in eu-west-1a")
    assert regions_left(user.world) == {ELSEWHERE}


@pytest.mark.parametrize("state", ["terminating", "orphaned", "failed"])
def test_one_that_goes_already_is_no_rival(user, state):
    """Another terminal's box that is being removed this moment takes nothing away."""
    user.world.later(2, lambda: user.world.has_box("dev", state, region=ELSEWHERE, age=30))
    said = user.run("up", "-y")
    assert said.out.startswith("dev is up: g4dn.xlarge in us-east-1a")


def test_what_this_run_did_not_launch_stays(user):
    """An earlier launch of the name that was found in place of one of ours is not this run's to remove."""
    user.world.has_box("dev", "running", age=60)
    appears(user, after=0, age=3600)
    said = user.run("up", "-y", "-r", "us-east-1")
    assert said.code == 0
    assert sorted(r.region for r in live(user.world)) == ["us-east-1"]
    user.world.sleep(1)
    assert sorted(r.region for r in live(user.world)) == [ELSEWHERE, "us-east-1"]


def test_a_search_that_fails_costs_a_remark(user):
    """A region that cannot be asked does not fail `up`, and is named."""
    user.world.later(1, lambda: user.world.refuses("DescribeInstances", "UnauthorizedOperation", region=ELSEWHERE))
    said = user.run("up", "-y")
    assert said.code == 0
    assert said.out.startswith("dev is up: g4dn.xlarge in us-east-1a")
    assert "could not look for another dev in eu-west-1" in said.err


def test_a_box_on_demand_gives_way_too(user):
    """It has no request: its own instance tells that this run made it, its volume when."""
    user.world.refuses("RunInstances spot", "InsufficientInstanceCapacity", http=500)
    user.world.later(5, lambda: user.world.has_box("dev", "starting", region=ELSEWHERE, age=30))
    said = user.run("up", "-y", "--wait", "0", "--fallback", "on-demand")
    assert said.code == 0
    assert regions_left(user.world) == {ELSEWHERE}


class Racing(World):
    """A world in which another terminal's standing request is taken in the same moment as this one's."""

    def meets(self, action, region=None, zone=None, after=False):
        if action == "RequestSpotInstances" and after:
            self.has_box("dev", "waiting", region=ELSEWHERE, age=30)


def test_a_parked_request_gives_way_too(user):
    """--park does not wait for the box, and still leaves no second one of the name."""
    user.world = Racing()
    said = user.run("up", "-y", "--park")
    assert said.code == 0
    assert regions_left(user.world) == {ELSEWHERE}
    assert "dev waits with AWS for a g4dn.xlarge in eu-west-1a" in said.out


def test_ctrl_c_while_it_gives_way_leaves_the_other(user):
    """Cut off after this run's own is gone: the other terminal's box is never touched."""
    appears(user, age=30)
    user.world.interrupts("DeleteSecurityGroup", after=True)
    said = user.run("up", "-y")
    assert said.code == 130
    assert [r.region for r in live(user.world)] == [ELSEWHERE]
    assert all(g.region == ELSEWHERE for g in user.world.groups.values())
    assert box_tags("dev", OWNER).items() <= live(user.world)[0].tags.items()
