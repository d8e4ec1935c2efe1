"""`stop` and `start`: pause and resume."""

from dataclasses import replace

import pytest

from spotbox.core.records import Rule
from tests.commands.fakes import state

STOPPED = "dev is stopped; its disk bills about $8.00/month. Bring it back with: spotbox start dev\n"
RUNS = "dev runs in us-east-1a, $0.1578/h. A shell on it: spotbox ssh dev\n"


@pytest.mark.parametrize("was", ["running", "starting", "stopping", "stopped"])
def test_stop_waits_until_it_is_stopped(user, was):
    """Whatever the box was doing, `stop` ends with it stopped by the user, and its disk there."""
    user.world.has_box("dev", was)
    said = user.run("stop")
    assert (said.code, said.out, state(user.world), list(user.world.volumes)) == (0, STOPPED, "stopped", ["vol-1"])


def test_stop_twice_is_fine(user):
    """A second `stop` says the same and changes nothing."""
    user.world.has_box("dev")
    assert user.run("stop").out == user.run("stop").out == STOPPED


@pytest.mark.parametrize("was", ["stopped", "stopping", "starting", "running"])
def test_start_waits_until_it_answers(user, was):
    """`start` ends with a running box whose SSH server answers; fine twice."""
    user.world.has_box("dev", was)
    said = user.run("start")
    assert (said.code, said.out, state(user.world)) == (0, RUNS, "running")
    assert user.run("start").out == RUNS


@pytest.mark.parametrize("was", ["interrupted", "waiting"])
def test_start_cannot_bring_back_what_aws_has(user, was):
    """Only AWS restarts an interrupted box: exit 3, and nothing is tried."""
    user.world.has_box("dev", was)
    said = user.run("start")
    assert (said.code, said.out, state(user.world)) == (3, "", was)
    assert "Only AWS can bring it up" in said.err.splitlines()[-1]
    assert ("spotbox move dev" in said.err) == (was == "interrupted")


@pytest.mark.parametrize("was", ["terminating", "orphaned", "kept", "failed", "waiting"])
def test_stop_of_what_cannot_be_stopped(user, was):
    """There is nothing to stop: exit 1, nothing changed."""
    user.world.has_box("dev", was)
    before = user.world.left()
    said = user.run("stop")
    assert (said.code, said.out, user.world.left()) == (1, "", before)


@pytest.mark.parametrize("refused", [True, False])
def test_stop_of_an_interrupted_box_that_stays_with_aws(user, refused):
    """AWS refuses, or accepts and changes nothing: exit 1, AWS will restart and bill it."""
    user.world.has_box("dev", "interrupted")
    if refused:
        user.world.refuses("StopInstances", "UnsupportedOperation")
    said = user.run("stop")
    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines()[-1] == (
        "  AWS will restart and bill it as soon as there is capacity; `spotbox down dev` or `spotbox move dev` "
        "prevents that."
    )


def test_stop_of_an_interrupted_box_that_becomes_the_users(user):
    """Where AWS then says that the user stopped it, `stop` is done."""
    user.world.has_box("dev", "interrupted")
    user.world.later(1, lambda: user.world.stopped("i-1"))
    assert user.run("stop").out == STOPPED


@pytest.mark.parametrize("command", ["stop", "start", "ssh", "status"])
def test_no_such_box(user, command):
    """A name that is no box: exit 7, and the boxes that exist are named."""
    user.world.has_box("train", "stopped", region="eu-west-1")
    said = user.run(command, "dev")
    assert (said.code, said.out) == (7, "")
    assert said.err == "spotbox: there is no box named dev\n  alice has 1 box: train (stopped, eu-west-1).\n"


@pytest.mark.parametrize("command", ["stop", "start"])
def test_a_relaunch_is_tagged_again(user, command):
    """`stop` and `start` give a relaunched instance and its volume the box's tags."""
    user.world.has_box("dev")
    user.world.instances["i-1"] = replace(user.world.instances["i-1"], tags={})
    user.world.volumes["vol-1"] = replace(user.world.volumes["vol-1"], tags={})
    assert user.run(command).code == 0
    assert user.world.instances["i-1"].tags["spotbox:name"] == "dev"
    assert user.world.volumes["vol-1"].tags["spotbox:owner"] == "alice"


@pytest.mark.parametrize("was", ["running", "stopped"])
@pytest.mark.parametrize("command", [("start",), ("up", "-y")])
def test_a_new_address_is_admitted_before_ssh_is_waited_for(user, command, was):
    """The caller's address has changed: it is let in first, or the box's SSH server could never answer it."""
    user.world.has_box("dev", was)
    user.world.address = "192.0.2.9"
    said = user.run(*command)
    assert said.code == 0
    assert [rule.cidr for rule in user.world.groups["sg-1"].rules] == ["192.0.2.9/32"]
    assert "your address is now 192.0.2.9: admit 192.0.2.9/32 to port 22 in place of 198.51.100.7/32\n" in said.err


def test_another_machines_rule_stays(user):
    """Only this machine's own automatic rule is replaced; a rule of another machine stays."""
    other = Rule("203.0.113.200/32", "spotbox auto another")
    user.world.has_box("dev", rules=(other,))
    user.run("start")
    assert [rule.cidr for rule in user.world.groups["sg-1"].rules] == [other.cidr, "198.51.100.7/32"]


@pytest.mark.parametrize("command", [("start",), ("up", "-y")])
def test_a_start_that_aws_accepts_and_has_no_capacity_for(user, command):
    """AWS takes the start and leaves the request open for want of capacity: exit 3, as where it refuses at once."""
    user.world.has_box("dev", "stopped")
    user.world.start_waits = True
    said = user.run(*command)
    assert said.code == 3
    assert "no Spot capacity" in said.err.splitlines()[-2]


def test_stop_of_a_box_whose_instance_is_not_there_yet(user):
    """The request is fulfilled and AWS does not show its instance yet: it is waited for, then stopped."""
    user.world.has_box("dev", "waiting")
    user.world.requests["sir-1"] = replace(user.world.requests["sir-1"], state="active", code="fulfilled")
    user.world.later(5, lambda: user.world.relaunch("sir-1"))
    said = user.run("stop")
    assert (said.code, state(user.world)) == (0, "stopped")
    assert user.world.clock < 60


def test_a_start_that_was_left_open_goes_on_by_itself(user):
    """What AWS does next is told, with the commands that end it; `start` does not wait for long."""
    user.world.has_box("dev", "stopped")
    user.world.start_waits = True
    said = user.run("start")
    assert (said.code, user.world.clock < 60) == (3, True)
    assert said.err.splitlines()[-1] == (
        "  AWS goes on with the start by itself as soon as it can, and bills then. Wait: spotbox up dev; "
        "end it: spotbox stop dev; remove it: spotbox down dev"
    )


def test_up_waits_for_a_start_that_was_left_open(user):
    """`up` waits as long as --wait says, and has the box when AWS finds room."""
    user.world.has_box("dev", "stopped")
    user.world.start_waits = True
    user.world.later(120, lambda: user.world.restart("i-1"))
    assert user.run("up", "-y", "--wait", "5m").code == 0


def test_a_start_that_aws_does_not_let_be_taken_back(user):
    """`stop` of a start that was left open: exit 1, what AWS will do, and what prevents it."""
    user.world.has_box("dev", "stopped")
    user.world.start_waits = True
    user.run("start")
    said = user.run("stop")
    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines()[-1] == (
        "  AWS will start and bill it as soon as there is capacity; `spotbox down dev` prevents that, "
        "and `spotbox stop dev` stops it once it runs."
    )


@pytest.mark.parametrize("command", [("start",), ("up", "-y")])
@pytest.mark.parametrize(
    ("code", "what"),
    [("InsufficientInstanceCapacity", "no capacity"), ("SpotMaxPriceTooLow", "maximum price is below the Spot price")],
)
def test_a_start_that_aws_refuses_for_want_of_room(user, command, code, what):
    """No capacity, or a price above the maximum: exit 3, the box stays stopped and only its disk bills."""
    user.world.has_box("dev", "stopped")
    user.world.refuses("StartInstances", code, http=500)
    said = user.run(*command)
    assert (said.code, said.out, state(user.world)) == (3, "", "stopped")
    assert what in said.err.splitlines()[-2]
    assert "dev stays stopped, and only its disk bills" in said.err
    assert said.err.splitlines()[-1].endswith("start dev; or take it where there is capacity: spotbox move dev")


def test_a_refused_start_that_aws_leaves_open(user):
    """ "No instance is launched and your request remains open" (Error codes, SpotMaxPriceTooLow): that is told."""
    user.world.has_box("dev", "stopped")
    user.world.refuses("StartInstances", "SpotMaxPriceTooLow")
    user.world.wills[-1].then = lambda: user.world.request_of("i-1", state="open", code="price-too-low")
    said = user.run("start")
    assert said.code == 3
    assert "AWS goes on with the start by itself" in said.err.splitlines()[-1]


@pytest.mark.parametrize("command", [("start",), ("up", "-y")])
def test_a_start_of_what_aws_took_meanwhile(user, command):
    """The box is interrupted between the look and the start: the refusal is told with its reason, exit 3."""
    user.world.has_box("dev", "stopped")
    user.world.refuses("StartInstances", "IncorrectSpotRequestState")
    user.world.wills[-1].then = lambda: user.world.request_of("i-1", code="instance-stopped-no-capacity")
    said = user.run(*command)
    assert said.code == 3
    assert "dev is interrupted: " in said.err.splitlines()[-2]


def test_a_start_that_is_under_way_already(user):
    """Another terminal was first: its start is as good as ours."""
    user.world.has_box("dev", "stopped")
    user.world.refuses("StartInstances", "IncorrectSpotRequestState")
    user.world.wills[-1].then = lambda: user.world.restart("i-1")
    assert user.run("start").code == 0


@pytest.mark.parametrize("command", [("start",), ("up", "-y")])
def test_a_start_that_aws_shows_late(user, command):
    """For a while after StartInstances AWS shows the box as it was: stopped."""
    user.world.has_box("dev", "stopped")
    user.world.start_shown = 8
    assert (user.run(*command).code, state(user.world)) == (0, "running")


def test_a_stop_that_aws_does_not_show_for_a_moment(user):
    """One answer from a time before the box was shown is no reason to call it gone."""
    user.world.has_box("dev")
    request = user.world.requests.pop
    kept = []

    def hide():
        kept.extend([user.world.requests["sir-1"], user.world.instances["i-1"], user.world.volumes["vol-1"]])
        request("sir-1")
        del user.world.instances["i-1"], user.world.volumes["vol-1"]

    def show():
        user.world.requests["sir-1"], user.world.instances["i-1"], user.world.volumes["vol-1"] = kept
        user.world.stopped("i-1")

    user.world.later(0.5, hide)
    user.world.later(3, show)
    user.world.boot = 30
    assert user.run("stop").code == 0


def test_the_ssh_config_follows_a_box_that_was_started_elsewhere(user):
    """`stop` leaves the entry, which finds the address when connecting: whoever starts the box, it is reached."""
    user.world.has_box("dev", "stopped")
    user.run("start")
    user.run("stop")
    assert (user.home / "ssh_config").read_text().count("Host spotbox-dev\n") == 1
    user.world.restart("i-1")
    user.world.sleep(60)
    assert user.run("ssh", "--stdio").code == 0
    assert user.app.system.piped == (user.world.instances["i-1"].public_ip, 22)
    assert len((user.home / "known_hosts").read_text().splitlines()) == 1


def test_start_of_an_on_demand_box(user):
    """Its price is the on-demand one; no Spot request plays a part."""
    user.world.has_box("dev", "stopped")
    del user.world.requests["sir-1"]
    user.world.instances["i-1"] = replace(user.world.instances["i-1"], lifecycle=None, request_id=None)
    assert user.run("start").out == "dev runs in us-east-1a, $0.5260/h. A shell on it: spotbox ssh dev\n"
