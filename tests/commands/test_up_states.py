"""`up` from every state a box can be in."""

from dataclasses import replace

import pytest

from spotbox.core.records import Rule
from tests.commands.fakes import live, state
from tests.commands.world import HOME

REFUSED = ["orphaned"]


@pytest.mark.parametrize("was", ["starting", "running", "stopping", "stopped"])
def test_up_brings_a_box_of_its_own_to_running(user, was):
    """Whatever the user's box was doing, `up` ends with it running, and makes no second one."""
    user.world.has_box("dev", was)
    said = user.run("up", "-y")
    assert (said.code, state(user.world), len(live(user.world))) == (0, "running", 1)
    assert said.out.startswith("dev is up: g4dn.xlarge in us-east-1a, $0.1578/h on Spot, 70.00 % under on-demand\n")


def test_up_of_a_running_box_is_a_report(user):
    """`up` on a running box says so, changes nothing, and exits 0."""
    user.world.has_box("dev")
    before = replace(user.world.requests["sir-1"]), user.world.left()
    said = user.run("up", "-y")
    assert said.code == 0
    assert "dev runs already\n" in said.err
    assert (user.world.requests["sir-1"], user.world.left()) == before


def test_up_waits_for_a_waiting_box(user):
    """A request that stands open is waited for, and no second one is made."""
    user.world.has_box("dev", "waiting")
    user.world.later(30, lambda: user.world.relaunch("sir-1"))
    said = user.run("up", "-y")
    assert (said.code, state(user.world), len(live(user.world))) == (0, "running", 1)
    assert "waiting: AWS has no Spot capacity of this type in this zone\n" in said.err


def test_up_waits_for_aws_to_restart_an_interrupted_box(user):
    """An interrupted box that AWS restarts within --wait is up."""
    user.world.has_box("dev", "interrupted")
    user.world.later(60, lambda: user.world.restart("i-1"))
    assert user.run("up", "-y", "--wait", "2m").code == 0
    assert state(user.world) == "running"


@pytest.mark.parametrize("was", ["waiting", "interrupted"])
def test_up_gives_up_after_wait_with_3(user, was):
    """Where AWS has no capacity within --wait the exit code is 3, and the box is left as it is."""
    user.world.has_box("dev", was)
    before = user.world.left()
    said = user.run("up", "-y", "--wait", "90s")
    assert (said.code, state(user.world), user.world.left()) == (3, was, before)
    assert 90 <= user.world.clock < 95
    assert said.err.splitlines()[-2].startswith(f"spotbox: dev is {was}: AWS ")
    assert "spotbox down dev" in said.err.splitlines()[-1]


def test_up_with_wait_0_looks_once(user):
    """--wait 0 is one round."""
    user.world.has_box("dev", "waiting")
    assert user.run("up", "-y", "--wait", "0").code == 3
    assert user.world.clock == 0


@pytest.mark.parametrize("was", REFUSED)
def test_up_refuses_what_is_left_over(user, was):
    """An orphaned box is not touched: exit 1, and `down` is named."""
    user.world.has_box("dev", was)
    before = user.world.left()
    said = user.run("up", "-y")
    assert (said.code, user.world.left()) == (1, before)
    assert said.err.splitlines()[-2].startswith(f"spotbox: dev is {was}: ")
    assert said.err.splitlines()[-1] == "  Remove it first with: spotbox down dev"


@pytest.mark.parametrize("was", ["running", "stopped"])
def test_what_needs_no_question_needs_no_terminal(user, was):
    """`up` of a box that exists asks nothing, so neither a terminal nor -y is missing."""
    user.world.has_box("dev", was)
    assert user.run("up").code == 0


@pytest.mark.parametrize("was", ["failed", "terminating"])
def test_up_makes_a_new_box_where_the_old_one_ended(user, was):
    """A failed request is made anew, and a box on its way out is waited for and then made anew."""
    user.world.has_box("dev", was)
    said = user.run("up", "-y")
    assert (said.code, state(user.world)) == (0, "running")
    assert [r.id for r in live(user.world)] != ["sir-1"]


def test_up_tags_a_relaunch_again(user):
    """What AWS relaunched has no tags; `up` gives it the box's."""
    number = user.world.has_box("dev")
    user.world.instances["i-1"] = replace(user.world.instances["i-1"], tags={})
    user.world.volumes["vol-1"] = replace(user.world.volumes["vol-1"], tags={})
    assert user.run("up", "-y").code == 0
    assert user.world.instances[f"i-{number}"].tags["spotbox:name"] == "dev"
    assert user.world.volumes[f"vol-{number}"].tags["spotbox:owner"] == "alice"


def test_up_finds_the_box_in_another_region(user):
    """A name is unique per owner across regions: `up -r` elsewhere finds the box, says where it is, makes no other."""
    user.world.has_box("dev", region="eu-west-1")
    said = user.run("up", "-y", "-r", "us-east-1")
    assert (said.code, len(live(user.world))) == (0, 1)
    assert "dev is in eu-west-1, not us-east-1; to take it there: spotbox move dev -r us-east-1\n" in said.err


def test_of_two_boxes_of_one_name_r_says_which(user):
    """Two regions have a box of that name: `up` asks which with -r, and -r is then an answer."""
    user.world.has_box("dev", "stopped", region="eu-west-1")
    user.world.has_box("dev", "stopped")
    said = user.run("up", "-y")
    assert (said.code, said.err.splitlines()[-1]) == (1, "  Say which one with -r REGION.")
    said = user.run("up", "-y", "-r", "eu-west-1")
    assert said.code == 0
    assert (state(user.world, "eu-west-1"), state(user.world)) == ("running", "stopped")


def test_up_makes_a_box_beside_another_owners(user):
    """A box of the same name that belongs to somebody else is no box of mine."""
    user.world.has_box("dev", owner="bob")
    assert user.run("up", "-y").code == 0
    assert sorted(r.tags["spotbox:owner"] for r in live(user.world)) == ["alice", "bob"]


@pytest.mark.parametrize("was", ["running", "stopped"])
def test_dry_run_changes_nothing(user, was):
    """--dry-run prints what would be done and does none of it."""
    user.world.has_box("dev", was)
    before = dict(user.world.volumes), dict(user.world.instances)
    said = user.run("up", "--dry-run", "--disk-size", "250")
    assert said.code == 0
    start = "would start i-1\n" if was == "stopped" else ""
    assert said.out == f"would grow vol-1 to 250 GiB (the file system grows at the next boot)\n{start}"
    assert (user.world.volumes, user.world.instances) == before
    assert user.world.clock == 0


@pytest.mark.parametrize(
    ("was", "plan"),
    [
        (
            "waiting",
            ["wait for AWS to launch it, at most 15m", "tag what AWS launches, and see that it requires IMDSv2"],
        ),
        ("starting", ["wait until it runs and answers"]),
        ("running", []),
        ("stopping", ["wait until it is stopped", "start i-1"]),
        ("stopped", ["start i-1"]),
        ("interrupted", ["wait for AWS to restart it, at most 15m"]),
    ],
)
def test_dry_run_tells_what_is_waited_for(user, was, plan):
    """--dry-run prints the plan of every state: waiting is one, nothing to do is said, and -o json is an array."""
    user.world.has_box("dev", was)
    said = user.run("up", "--dry-run")
    assert (said.code, said.out) == (0, "".join(f"would {step}\n" for step in plan))
    assert ("nothing to do: dev is running" in said.err) is (not plan)
    assert user.run("up", "--dry-run", "-o", "json").json == plan
    assert user.world.clock == 0


@pytest.mark.parametrize(
    ("was", "plan"), [("waiting", []), ("interrupted", ["wait for AWS to restart it, at most 15m"])]
)
def test_dry_run_with_park_waits_for_what_up_waits_for(user, was, plan):
    """A request that waits already is left there; a box in any other state is waited for, with --park too."""
    user.world.has_box("dev", was)
    assert user.run("up", "--dry-run", "--park", "-o", "json").json == plan


def test_dry_run_refuses_what_up_refuses(user):
    """An orphaned box is refused by the dry run as by `up` itself: exit 1, and `down` is named."""
    user.world.has_box("dev", "orphaned")
    said, real = user.run("up", "--dry-run"), user.run("up", "-y")
    assert (said.code, said.out, said.err) == (real.code, "", real.err)
    assert "spotbox down dev" in said.err


def test_a_box_that_runs_but_does_not_answer(user):
    """No SSH banner within 5 minutes: exit 1 with likely causes; the box is left."""
    user.world.has_box("dev")
    user.world.deaf = True
    said = user.run("up", "-y")
    assert (said.code, state(user.world)) == (1, "running")
    assert 300 <= user.world.clock < 310
    assert "the box is left as it is and bills" in said.err
    assert said.err.splitlines()[-1].startswith("  Likely: your address is not admitted")


def test_a_price_that_fails_is_told_once(user):
    """Unknown prices cost one remark, and the box is up all the same."""
    user.world.has_box("dev")
    user.world.refuses("DescribeSpotPriceHistory", "RequestLimitExceeded")
    said = user.run("up", "-y")
    assert said.code == 0
    assert said.err.count("prices of us-east-1 are unknown") == 1
    assert said.out.startswith("dev is up: g4dn.xlarge in us-east-1a, unknown/h on Spot\n")


def test_a_start_that_aws_refuses_for_want_of_capacity(user):
    """A start that AWS refuses for want of capacity exits 3; the box stays stopped."""
    user.world.has_box("dev", "stopped")
    user.world.refuses("StartInstances", "InsufficientInstanceCapacity", "There is no Spot capacity available", 500)
    said = user.run("up", "-y")
    assert (said.code, state(user.world)) == (3, "stopped")


def test_a_cidr_is_let_in_before_ssh_is_waited_for(user):
    """`up --allow-cidr` opens a box that the caller could not reach before."""
    user.world.has_box("dev", rules=(Rule("192.0.2.0/24", "spotbox given"),))
    assert user.run("up", "-y", "--allow-cidr", f"{HOME}/32").code == 0


def test_given_cidrs_are_not_widened(user):
    """Where the user said who may come in, the caller's own address is not let in besides."""
    user.world.has_box("dev", rules=(Rule("192.0.2.0/24", "spotbox given"),))
    user.run("up", "-y")
    assert [rule.cidr for rule in user.world.groups["sg-1"].rules] == ["192.0.2.0/24"]
    assert f"{HOME}/32" not in {rule.cidr for rule in user.world.groups["sg-1"].rules}
