"""Leaving early: what Ctrl-C, SIGTERM and a closed terminal do to a box, and what the last line says of it."""

from functools import partial

import pytest

from spotbox.core.errors import Ended
from spotbox.core.hunt import InFlight
from tests.commands.fakes import live
from tests.commands.world import Will

NOTHING = "  Nothing of dev exists any more; make it anew with `spotbox up dev`"
BOTH = "go on with `spotbox up dev`, remove with `spotbox down dev`"
NOTHING_HERE = NOTHING.replace("up dev", "up -r us-east-1 dev")  # where the region was typed
BOTH_HERE = BOTH.replace("up dev", "up -r us-east-1 dev")
FLAGS = ("-r", "us-east-1", "-t", "g4dn.xlarge", "-z", "us-east-1a", "--max-price", "on-demand", "--disk-size", "100",
         "--idle-stop", "0")  # fmt: skip
AGREED = ("Go ahead", True)


def last(said):
    return said.err.splitlines()[-1]


def signals(world, action, error, after=False):
    """Another signal than Ctrl-C while that call is under way."""
    world.wills.append(Will(action, error, after=after, times=1))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("action", ["ImportKeyPair", "CreateSecurityGroup", "RunInstances", "Sleep"])
def test_where_nobody_can_be_asked_all_goes(user, action, after):
    """Cut off at any step without a terminal: what was made is removed, and the last line says so."""
    user.world.interrupts(action, after=after and action != "Sleep")
    said = user.run("up", "-y")
    assert (said.code, said.out, user.world.left(), last(said)) == (130, "", [], NOTHING)


def in_flight(error):
    """As spotbox.aws.asking passes it on."""
    wrapped = InFlight()
    wrapped.__cause__ = error
    return wrapped


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("action", ["RunInstances", "Sleep"])
def test_a_signal_is_not_asked_about(user, name, action):
    """SIGTERM and a closed terminal remove what was made without a question, even where somebody could be asked."""
    launching = action == "RunInstances"
    signals(user.world, action, in_flight(Ended(name)) if launching else Ended(name), after=launching)
    said = user.run("up", *FLAGS, answers=[AGREED])
    assert (said.code, user.world.left(), last(said)) == (130, [], NOTHING_HERE)


def test_removed_on_a_terminal(user):
    """The default of the question removes the box as `down` does."""
    user.world.interrupts("Sleep")
    said = user.run("up", *FLAGS, answers=[AGREED, ("AWS has launched dev", ...)])
    assert (said.code, user.world.left(), last(said)) == (130, [], NOTHING_HERE)
    assert "spotbox: interrupted; removed sir-3, i-4" in said.err


def test_left_on_a_terminal(user):
    """Left as it is: the ids that exist and bill, and the two commands."""
    user.world.interrupts("Sleep")
    said = user.run("up", *FLAGS, answers=[AGREED, ("AWS has launched dev", "leave")])
    assert (said.code, last(said)) == (130, f"  sir-3 and i-4 exist and bill; {BOTH_HERE}")
    assert user.run("up", "-y").code == 0
    assert len(user.world.requests) == 1


def hunted(user, answer, then=lambda: None):
    """Ctrl-C in the pause of a hunt that AWS has no capacity for, and an answer."""
    user.world.refuses("RunInstances", "InsufficientInstanceCapacity", http=500, times=1)
    user.world.wills.append(Will("RunInstances", KeyboardInterrupt(), times=1, then=then))
    return user.run("up", *FLAGS, answers=[AGREED, ("no dev is launched yet", answer)])


def test_park_in_the_place_of_a_hunt(user):
    """Nothing was launched: a standing request may be left with AWS, and is named."""
    said = hunted(user, "park")
    (request,) = live(user.world)
    assert (said.code, request.state) == (130, "open")
    assert last(said) == f"  {request.id} exists; nothing bills; {BOTH_HERE}"


def test_a_park_that_aws_refuses(user):
    """The standing request is refused: what was made goes, and nothing is left."""
    said = hunted(user, "park", partial(user.world.refuses, "RequestSpotInstances", "MaxSpotInstanceCountExceeded"))
    assert (said.code, user.world.left(), last(said)) == (130, [], NOTHING_HERE)
    assert "AWS does not take a standing request" in said.err


def test_give_up_the_hunt(user):
    """Removed: neither key nor group stays."""
    said = hunted(user, "remove")
    assert (said.code, user.world.left(), last(said)) == (130, [], NOTHING_HERE)


def test_leave_the_hunt(user):
    """Left: no request is there, and the last line says how to be sure."""
    said = hunted(user, "leave")
    assert (said.code, live(user.world)) == (130, [])
    assert last(said).endswith("to be sure nothing bills, run: spotbox down dev")


def test_a_launch_that_shows_itself_late_is_removed_too(user):
    """Cut off in RunInstances, and AWS shows the launch only later: it is looked for as long as it may come."""
    user.world.interrupts("RunInstances", then=lambda: user.world.later(20, partial(late, user.world)))
    said = user.run("up", "-y")
    assert (said.code, user.world.left(), last(said)) == (130, [], NOTHING)
    assert [r.state for r in user.world.requests.values()] == ["cancelled"]


def test_ctrl_c_just_after_the_answer(user):
    """AWS has answered and nothing else has happened yet: the launch is this run's, and goes."""
    user.world.wills.append(Will("RunInstances", KeyboardInterrupt(), after=True, times=1))
    said = user.run("up", "-y")
    assert (said.code, user.world.left(), last(said)) == (130, [], NOTHING)


def test_a_launch_that_aws_does_not_show(user):
    """AWS accepted the launch and does not show it: it is told as what may bill, and not as removed."""

    def hide():
        for things in (user.world.requests, user.world.instances, user.world.volumes):
            things.clear()
        user.world.events.clear()

    user.world.interrupts("Sleep", then=hide)
    said = user.run("up", "-y")
    assert said.code == 130
    assert "AWS does not show i-4 yet, so it could not be removed" in said.err
    assert last(said) == "  i-4 may still exist and bill; remove with `spotbox down dev`"


def late(world):
    world.has_box("dev", "starting", age=0)


def test_a_box_of_another_terminal_is_not_touched(user):
    """This run launched nothing when it was cut off; what lives under the name now is another's, and stays."""
    user.world.refuses("RunInstances", "InsufficientInstanceCapacity", http=500, times=1)
    user.world.wills.append(
        Will("RunInstances", KeyboardInterrupt(), times=1, then=lambda: user.world.has_box("dev", "running"))
    )
    said = user.run("up", *FLAGS, "-y")
    assert said.code == 130
    assert [i.state for i in user.world.instances.values()] == ["running"]
    assert last(said).endswith(f"exist and bill; {BOTH_HERE}")


@pytest.mark.parametrize("action", ["CancelSpotInstanceRequests", "TerminateInstances", "DescribeInstances"])
def test_a_second_ctrl_c_leaves_at_once(user, action):
    """Whatever the removal does just then: the ids that may be left, and the commands."""
    user.world.interrupts("Sleep", then=partial(user.world.interrupts, action))
    said = user.run("up", "-y")
    assert said.code == 130
    assert "i-4" in last(said)
    assert last(said).endswith(BOTH)
    assert user.run("down", "--all", "-y").code == 0
    assert user.world.left() == []


def test_what_cannot_be_removed_is_told(user):
    """A removal that AWS refuses: the last line names what may bill, and `down`."""
    user.world.refuses("TerminateInstances", "UnauthorizedOperation", http=403)
    user.world.interrupts("Sleep")
    said = user.run("up", "-y")
    assert said.code == 130
    assert "could not remove or confirm i-4" in said.err
    assert "i-4" in last(said)
    assert last(said).endswith("may still exist and bill; remove with `spotbox down dev`")


def test_where_aws_cannot_be_seen(user):
    """AWS cannot be asked after Ctrl-C: the user is told that something may bill."""
    user.world.interrupts("RunInstances", then=partial(user.world.refuses, "DescribeInstances", "RequestExpired"))
    said = user.run("up", "-y")
    assert (said.code, last(said)) == (130, "  something of dev may exist and bill; remove with `spotbox down dev`")


def test_before_anything_was_made(user):
    """Ctrl-C at the summary, or before: nothing was made."""
    user.world.interrupts("DescribeSpotPriceHistory")
    user.world.wills.append(Will("CheckIp", KeyboardInterrupt(), times=1))
    said = user.run("up", "-y")
    assert (said.code, user.world.left()) == (130, [])
    assert last(said) == "  nothing of dev exists; begin anew with `spotbox up dev`"


@pytest.mark.parametrize("was", ["starting", "stopping", "stopped", "running", "waiting"])
def test_a_box_that_was_there_stays(user, was):
    """An `up` of a box that was there touches nothing when it is cut off, and names it."""
    user.world.has_box("dev", was)
    user.world.deaf = True
    user.world.interrupts("Sleep")
    before = user.world.left()
    said = user.run("up", "-y", "--wait", "1m")
    assert (said.code, user.world.left()) == (130, before)
    assert "dev was there before this `up` and stays: it is " in said.err
    assert last(said).startswith("  sir-1 ")
    assert last(said).endswith(BOTH)


@pytest.mark.parametrize(
    ("command", "was", "state"), [("stop", "running", "stopping"), ("start", "stopped", "starting")]
)
def test_stop_and_start(user, command, was, state):
    """`stop` and `start` say what the box is doing and which command goes on; the same command again does."""
    user.world.has_box("dev", was)
    user.world.interrupts("Sleep")
    said = user.run(command)
    assert (said.code, said.out) == (130, "")
    assert f"spotbox: interrupted; dev is {state}" in said.err
    assert (
        last(said)
        == f"  sir-1 and i-1 exist and bill; go on with `spotbox {command} dev`, remove with `spotbox down dev`"
    )
    assert user.run(command).code == 0


def test_a_second_ctrl_c_in_stop(user):
    """The look for the last line is cut off too: what was seen before is told as such."""
    user.world.has_box("dev")
    user.world.interrupts("Sleep", then=partial(user.world.interrupts, "DescribeInstances"))
    said = user.run("stop")
    assert said.code == 130
    assert "dev is running (as last seen)" in said.err
    assert "sir-1 and i-1 exist" in last(said)


def test_ssh_while_it_waits(user):
    """Ctrl-C while `ssh` waits for the host key: the box's state, and how to go on."""
    user.world.has_box("dev")
    user.world.interrupts("GetConsoleOutput")
    said = user.run("ssh")
    assert (said.code, user.app.system.ran) == (130, None)
    assert "spotbox: interrupted; dev is running" in said.err
    assert "go on with `spotbox ssh dev`" in last(said)
