"""`down` when AWS is slow to show things, refuses, or breaks off; and what it leaves to others."""

from dataclasses import replace
from datetime import timedelta

import pytest

from spotbox.core.records import Group
from tests.commands.fakes import live
from tests.commands.test_audit import trace
from tests.commands.test_down import stands


def on_demand(world):
    """The box dev, fallen back to on-demand: no request."""
    world.has_box("dev")
    del world.requests["sir-1"]
    world.instances["i-1"] = replace(world.instances["i-1"], lifecycle=None, request_id=None)


def test_a_box_on_demand_is_terminated(user):
    """There is no request to cancel; everything else goes as ever."""
    on_demand(user.world)
    said = user.run("down", "-y")
    assert (said.code, user.world.left()) == (0, [])
    assert "spot-request" not in said.out


def test_a_request_fulfilled_while_it_is_cancelled_is_caught(user):
    """AWS launches in the moment of the cancel: the instance is found through its request and terminated."""
    user.world.has_box("dev", "waiting")
    request = user.world.requests["sir-1"]

    def fulfilled():
        at = user.world.launched(request, {}, {}, "", ())
        user.world.requests["sir-1"] = replace(
            request, state="cancelled", code="request-canceled-and-instance-running", instance_id=at
        )

    user.world.later(2, fulfilled)
    said = user.run("down", "-y")
    assert said.code == 0
    assert [i.state for i in user.world.instances.values()] == ["terminated"]
    assert "removed instance" in said.out


def test_an_instance_that_only_its_request_names_is_terminated(user):
    """The request tells the id before DescribeInstances shows the instance: that is enough to plan its end."""
    user.world.has_box("dev", "orphaned", age=5)
    del user.world.instances["i-1"]
    assert "would terminate instance i-1\n" in user.run("down", "--dry-run").out


def test_a_request_that_lost_its_tags_is_cancelled(user):
    """Its tagged instance is terminated and still shown; what it launched next has no tags: all of it goes."""
    user.world.has_box("dev")
    user.world.gone("i-1")
    user.world.sleep(90)
    user.world.requests["sir-1"] = replace(user.world.requests["sir-1"], tags={})
    said = user.run("down", "-y")
    assert (said.code, user.world.left()) == (0, [])
    assert "removed spot-request sir-1 " in said.out


def test_a_group_alone_may_be_a_launch_under_way(user):
    """A security group has no time: where it is all there is of a box, the launch it was made for may come to light."""
    tags = {"spotbox:name": "dev", "spotbox:owner": "alice"}
    user.world.groups["sg-1"] = Group("sg-1", "us-east-1", "spotbox-dev-alice", "vpc-1", (), tags)
    user.world.later(20, lambda: user.world.has_box("dev", age=20))
    assert user.run("down", "-y").code == 0
    assert user.world.clock >= 60
    assert user.world.left() == []


def late_launch(world, shown):
    """The box dev as a launch of this moment: its group is shown, and after `shown` seconds the rest."""
    world.has_box("dev", age=0)
    world.hidden = {"sir-1", "i-1", "vol-1"}
    world.later(shown, world.hidden.clear)


def test_a_group_in_use_is_a_launch_that_shows_late(user):
    """While a group alone resists, it is looked for what uses it: the late launch is removed, then the group."""
    late_launch(user.world, 20)
    said = user.run("down", "-y")
    assert (said.code, user.world.left()) == (0, [])
    assert user.world.clock <= 20 + 60 + 15, "gone as soon as it was shown; the last look ends the doubt"
    assert "could not" not in said.err
    assert [line.split()[1] for line in said.out.splitlines()].count("security-group") == 1


def test_what_uses_a_late_group_goes_at_once(user):
    """The launch bills: it is terminated within seconds of being shown, not after minutes of asking for the group."""
    late_launch(user.world, 20)
    ended = []
    gone = user.world.gone
    user.world.gone = lambda at: (ended.append(user.world.clock), gone(at))
    assert user.run("down", "-y").code == 0
    assert 20 <= ended[0] <= 30


def test_a_group_that_something_unseen_uses(user):
    """What is never shown holds the group for three minutes: it is told, exit 6, and nothing of the rest is lost."""
    late_launch(user.world, 10_000)
    said = user.run("down", "-y")
    assert said.code == 6
    assert "NOT removed security-group sg-1" in said.out
    assert 180 <= user.world.clock < 260


def test_a_key_imported_a_moment_ago_may_be_for_a_launch(user):
    """The first `up` imports the key, then launches: cut off there, `down` waits for what AWS does not show yet."""
    user.world.key("us-east-1", "spotbox-alice-0123456789abcdef", {"spotbox:owner": "alice"})
    (pair,) = user.world.keys.values()
    user.world.keys[pair.id] = replace(pair, created=user.world.now() - timedelta(seconds=10))
    user.world.later(20, lambda: user.world.has_box("dev", age=20))
    assert user.run("down", "-y").code == 0
    assert live(user.world) == []
    assert [i.state for i in user.world.instances.values()] == ["terminated"]
    user.world.keys = {pair.id: replace(pair, created=user.world.now() - timedelta(days=1))}
    before = user.world.clock
    assert user.run("down", "-y").code == 0
    assert user.world.clock == before, "an old key is no doubt"


def test_an_old_box_costs_no_extra_wait(user):
    """Terminating takes its time; nothing is added to it."""
    user.world.has_box("dev")
    user.run("down", "-y")
    assert user.world.clock == 5  # the world's own time for a terminate


@pytest.mark.parametrize("times", [1, 3])
def test_looks_that_are_throttled_are_made_again(user, times):
    """A look that AWS does not answer, first or last, is repeated: exit 0 and nothing left."""
    user.world.has_box("dev")
    user.world.refuses("DescribeInstances", "RequestLimitExceeded", times=times)
    assert (user.run("down", "-y").code, user.world.left()) == (0, [])
    user.world.has_box("dev")
    user.world.later(4, lambda: user.world.refuses("DescribeInstances", "InternalError", http=500, times=times))
    said = user.run("down", "-y")
    assert (said.code, user.world.left()) == (0, [])


def test_a_region_that_is_never_shown_again_is_unresolved(user):
    """All was done, but nobody could look whether more came to light: exit 6, the region named."""
    user.world.has_box("dev")
    user.world.later(4, lambda: user.world.refuses("DescribeInstances", "RequestLimitExceeded"))
    said = user.run("down", "-y")
    assert said.code == 6
    assert "NOT removed region us-east-1 (us-east-1, cost unknown): not seen: " in said.out


def test_a_step_whose_outcome_is_unknown_is_settled_by_looking(user):
    """The answer to a terminate is lost, and AWS shows the instance terminated: it is told as removed, exit 0."""
    user.world.has_box("dev")
    user.world.refuses("TerminateInstances", "InternalError", http=500, after=True, times=1)
    said = user.run("down", "-y")
    assert (said.code, user.world.left()) == (0, [])
    assert "removed instance i-1 (us-east-1)\n" in said.out


def test_what_resists_is_priced_with_its_disks(user):
    """An instance that stays bills its hours and its disk; a volume by its own type and size."""
    user.world.has_box("dev")
    data = replace(user.world.volumes["vol-1"], id="vol-d", delete_on_termination=False, size_gib=50,
                   tags={**user.world.volumes["vol-1"].tags, "spotbox:role": "data"})  # fmt: skip
    user.world.volumes["vol-d"] = data
    user.world.refuses("TerminateInstances", "OperationNotPermitted")
    user.world.refuses("DeleteVolume", "UnauthorizedOperation")
    said = user.run("down", "-y", "-o", "json")
    assert said.code == 6
    prices = {item["id"]: item["usd_per_month"] for item in said.json["unresolved"]}
    assert prices["i-1"] == pytest.approx(0.1578 * 730 + 8)
    assert prices["vol-d"] == 4.0
    assert prices["sg-1"] == 0.0
    assert tuple(said.json["unresolved"][0]) == ("kind", "id", "region", "usd_per_month", "why")


def test_what_bears_only_traces_is_reported_and_left(user):
    """An instance with alice's key and no tags: exit 6 with its price, untouched, and the group it is in stays."""
    at = trace(user.world)
    user.world.instances[at] = replace(user.world.instances[at], group_ids=("sg-1",))
    said = user.run("down", "-y")
    assert (said.code, user.world.instances[at].state) == (6, "running")
    assert f"NOT removed instance {at} (us-east-1, $391.98/month): it bears only spotbox's" in said.out
    assert f"NOT removed security-group sg-1 (us-east-1, $0.00/month): {at} is in it" in said.out
    assert user.world.instances["i-1"].state == "terminated"
    assert "`spotbox audit --fix` removes after asking. Run the same command again.\n" in said.err


def test_a_late_instance_is_not_told_twice(user):
    """What is planned again, because AWS goes on showing it for a while, is one thing in the report."""
    user.world.has_box("dev", age=10)
    user.world.refuses("DeleteSecurityGroup", "InternalError", http=500, after=False, times=1)
    said = user.run("down", "-y")
    lines = [line for line in said.out.splitlines() if " removed " in f" {line}"]
    assert len(lines) == len(set(lines))


def test_ctrl_c_names_what_is_left(user):
    """Two lines: what is not removed or not proved, and the command that goes on; exit 130."""
    user.world.has_box("dev")
    user.world.interrupts("TerminateInstances")
    said = user.run("down", "-y")
    assert said.code == 130
    first, second = said.err.splitlines()[-2:]
    assert first.startswith("spotbox: interrupted; not removed, or not proved: instance i-1 (us-east-1), ")
    assert "security-group sg-1 (us-east-1)" in first
    assert "sir-1" not in first
    assert second == "  Go on with: spotbox down dev"
    user.world.has_box("train", owner="bob")
    user.world.interrupts("TerminateInstances")
    said = user.run("down", "--all", "--owner", "bob", "-y", "-r", "us-east-1")
    assert said.err.endswith("Go on with: spotbox down --all -r us-east-1 --owner bob\n")


def test_ctrl_c_while_looking_again(user):
    """Everything of the plan is gone, and the last look was cut off: said so."""
    user.world.has_box("dev", age=10)
    user.world.interrupts("Sleep")
    said = user.run("down", "-y")
    assert (said.code, "interrupted before the last look" in said.err) == (130, True)


def test_what_a_resisting_instance_holds_is_not_waited_for(user):
    """EC2 refuses for minutes to delete the group of an instance that lives: it is told, and left, at once."""
    user.world.has_box("dev")
    user.world.refuses("TerminateInstances", "UnauthorizedOperation", http=403)
    user.world.refuses("DeleteSecurityGroup", "ThisMustNotBeAsked")
    said = user.run("down", "-y")
    assert said.code == 6
    assert "NOT removed security-group sg-1 (us-east-1, $0.00/month): i-1 still uses it\n" in said.out


def test_a_cancel_whose_proof_comes_late_frees_what_stood_behind_it(user):
    """The step could not prove it in time, a later look does: the rest is removed then, and all is told as removed."""
    user.world.has_box("dev")
    stands(user.world, times=1, after=True)
    said = user.run("down", "-y")
    assert (said.code, user.world.left()) == (0, [])
    assert "removed spot-request sir-1 (us-east-1)\n" in said.out
    assert "NOT removed" not in said.out
