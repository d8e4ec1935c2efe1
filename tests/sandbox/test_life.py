"""The life of an instance, state by state."""

import pytest

from spotbox.sandbox.life import BY_USER

from .fakes import Stage, Wish, code


def test_a_launch_is_pending_then_runs_then_answers():
    """pending -> running -> SSH answers, with time between."""
    stage = Stage()
    box = stage.on_demand()
    assert box.state == "pending"
    stage.after(1.0)
    assert box.state == "running"
    assert box.id not in stage.bodies.answering
    stage.after(1.6)
    assert box.id in stage.bodies.answering


def test_stop_and_start_take_time_and_move_the_launch_time():
    """stopping -> stopped -> pending -> running; LaunchTime is that of the last start."""
    stage = Stage()
    box = stage.on_demand()
    first = box.launched
    stage.after(3)
    stage.spot.stop(box)
    assert box.state == "stopping"
    stage.after(1.6)
    assert (box.state, box.reason[0]) == ("stopped", "Client.UserInitiatedShutdown")
    stage.spot.start(box)
    assert (box.state, box.reason) == ("pending", None)
    assert box.launched > first
    stage.after(1.1)
    assert box.state == "running"


def test_terminate_is_shutting_down_then_terminated_then_forgotten():
    """A terminated instance is listed for about an hour."""
    stage = Stage()
    box = stage.on_demand()
    stage.after(3)
    stage.life.terminate(box, BY_USER)
    assert box.state == "shutting-down"
    stage.after(1.6)
    assert (box.state, box.reason[0]) == ("terminated", "Client.UserInitiatedShutdown")
    assert stage.life.get(box.id) is box
    stage.after(3601)
    assert code(stage.life.get, box.id) == "InvalidInstanceID.NotFound"


def test_an_event_for_an_earlier_state_is_dropped():
    """A boot that was under way when the instance stopped does not make the stopped one answer."""
    stage = Stage()
    box = stage.on_demand()
    stage.after(1.2)
    stage.spot.stop(box)
    stage.after(1.4)
    assert (box.state, box.booted) == ("stopping", False)
    assert box.id not in stage.bodies.answering


def test_time_catches_up_in_order_after_a_long_sleep():
    """Whoever looks after an hour sees what happened meanwhile, each at its time."""
    stage = Stage()
    box = stage.on_demand()
    stage.clock.now += stage.clock.now - stage.clock.now.replace(hour=2)
    stage.world.advance()
    assert stage.bodies.states[box.id] == ["pending", "running"]
    assert (box.started - box.launched).total_seconds() == pytest.approx(1.0)


@pytest.mark.parametrize("state", ["pending", "shutting-down", "terminated"])
def test_stop_is_refused(state):
    """IncorrectInstanceState where there is nothing to stop."""
    stage = Stage()
    box = stage.on_demand()
    if state != "pending":
        stage.life.terminate(box, BY_USER)
        stage.after(0 if state == "shutting-down" else 2)
    assert box.state == state
    assert code(stage.spot.stop, box) == "IncorrectInstanceState"


@pytest.mark.parametrize("state", ["stopping", "shutting-down", "terminated"])
def test_start_is_refused(state):
    """IncorrectInstanceState while it stops, and once it is on its way out."""
    stage = Stage()
    box = stage.on_demand()
    stage.after(3)
    if state == "stopping":
        stage.spot.stop(box)
    else:
        stage.life.terminate(box, BY_USER)
        stage.after(0 if state == "shutting-down" else 2)
    assert box.state == state
    assert code(stage.spot.start, box) == "IncorrectInstanceState"


def test_twice_is_fine():
    """Stop of a stopped instance, start of a running one and terminate of a terminated one change nothing."""
    stage = Stage()
    box = stage.on_demand()
    stage.after(3)
    stage.spot.start(box)
    assert box.state == "running"
    stage.spot.stop(box)
    stage.after(2)
    stage.spot.stop(box)
    assert box.state == "stopped"
    stage.life.terminate(box, BY_USER)
    stage.after(2)
    stage.life.terminate(box, BY_USER)
    assert box.state == "terminated"


def test_reboot_keeps_it_running_and_answers_again():
    """A reboot drops SSH for the time of a boot; the instance is `running` throughout."""
    stage = Stage()
    box = stage.on_demand()
    stage.after(3)
    stage.life.reboot(box)
    assert (box.state, box.booted) == ("running", False)
    stage.after(1.6)
    assert box.booted


@pytest.mark.parametrize(("behavior", "state"), [("stop", "stopped"), ("terminate", "terminated")])
def test_shutdown_inside_follows_the_behavior(behavior, state):
    """`shutdown` in the box stops or terminates it, with Client.InstanceInitiatedShutdown."""
    stage = Stage()
    box = stage.on_demand(Wish(shutdown_behavior=behavior))
    stage.after(3)
    stage.spot.shutdown_inside(box)
    stage.after(2)
    assert (box.state, box.reason[0]) == (state, "Client.InstanceInitiatedShutdown")


def test_a_launch_may_be_accepted_and_die():
    """pending -> terminated, with the StateReason of what was wrong."""
    stage = Stage()
    box = stage.on_demand(Wish(doom=("Client.InternalError", "Client.InternalError: Client error on launch")))
    stage.after(1.1)
    assert (box.state, box.reason[0]) == ("terminated", "Client.InternalError")
    assert stage.bodies.states[box.id] == ["pending", "terminated"]
