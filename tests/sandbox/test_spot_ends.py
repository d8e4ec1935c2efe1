"""What terminate, cancel and expiry make of a Spot request: rows of the state table, one test each."""

import pytest

from spotbox.sandbox.life import BY_USER

from .fakes import ZONE, Wish, code, shown


@pytest.mark.parametrize("first", ["running", "stopped"])
def test_terminate_without_cancel_relaunches(stage, first):
    """open/instance-terminated-by-user, then a new instance without tags, even if the old one was stopped."""
    box, request = getattr(stage, first)()
    stage.life.terminate(box, BY_USER)
    stage.after(1)
    assert shown(request) == ("open", "instance-terminated-by-user")
    assert request.instance_id is None
    stage.after(4)
    assert shown(request) == ("active", "fulfilled")
    assert request.instance_id not in (None, box.id)
    assert stage.bodies.made[-1] == ("us-east-1", ZONE, True)


def test_terminate_of_one_time_closes(stage):
    """closed/instance-terminated-by-user, and nothing comes back."""
    box, request = stage.running(kind="one-time", behavior="terminate")
    stage.life.terminate(box, BY_USER)
    stage.after(20)
    assert shown(request) == ("closed", "instance-terminated-by-user")
    assert len(stage.bodies.made) == 1


def test_cancel_before_fulfillment(stage):
    """cancelled/canceled-before-fulfillment, and nothing is launched."""
    request = stage.submit()
    assert stage.spot.cancel(request) == "cancelled"
    stage.after(10)
    assert shown(request) == ("cancelled", "canceled-before-fulfillment")
    assert stage.bodies.made == []


def test_cancel_of_a_running_box(stage):
    """cancelled/request-canceled-and-instance-running: it runs on, and can no longer be stopped."""
    box, request = stage.running()
    stage.spot.cancel(request)
    stage.after(30)
    assert (box.state, *shown(request)) == ("running", "cancelled", "request-canceled-and-instance-running")
    assert code(stage.spot.stop, box) == "IncorrectSpotRequestState"


@pytest.mark.parametrize("first", ["stopped", "interrupted"])
def test_cancel_of_a_stopped_box_terminates_it(stage, first):
    """A short lag, then the Spot service terminates it: instance-terminated-by-service."""
    box, request = getattr(stage, first)()
    stage.spot.cancel(request)
    assert (box.state, request.state) == ("stopped", "cancelled")
    stage.after(1.1)
    assert box.state == "shutting-down"
    stage.after(2)
    assert (box.state, *shown(request)) == ("terminated", "cancelled", "instance-terminated-by-service")


def test_cancel_while_it_stops_terminates_it_too(stage):
    """A cancel between the stop and its end leads to the same."""
    box, request = stage.running()
    stage.spot.stop(box)
    stage.spot.cancel(request)
    stage.after(6)
    assert (box.state, *shown(request)) == ("terminated", "cancelled", "instance-terminated-by-service")


def test_cancel_then_terminate(stage):
    """The only order that ends it: nothing comes back."""
    box, request = stage.running()
    stage.spot.cancel(request)
    stage.life.terminate(box, BY_USER)
    stage.after(30)
    assert (box.state, *shown(request)) == ("terminated", "cancelled", "instance-terminated-by-user")
    assert len(stage.bodies.made) == 1


def test_cancel_after_terminate_in_time(stage):
    """Cancelled before the service has noticed the end, the request launches nothing more."""
    box, request = stage.running()
    stage.life.terminate(box, BY_USER)
    stage.spot.cancel(request)
    stage.after(30)
    assert shown(request) == ("cancelled", "instance-terminated-by-user")
    assert len(stage.bodies.made) == 1


def test_cancel_of_the_box_that_aws_restarts(stage):
    """Open again with its stopped instance, a cancelled request still has it terminated."""
    box, request = stage.interrupted()
    box.away_until = None
    stage.after(2.1)
    assert (box.state, request.state) == ("stopped", "open")
    stage.spot.cancel(request)
    stage.after(4)
    assert (box.state, *shown(request)) == ("terminated", "cancelled", "instance-terminated-by-service")


def test_an_ended_request_is_not_cancelled_again(stage):
    """Cancel tells the state of a request that has ended, and changes nothing."""
    box, request = stage.running(kind="one-time", behavior="terminate")
    stage.life.terminate(box, BY_USER)
    stage.after(3)
    assert stage.spot.cancel(request) == "closed"


def test_an_interruption_after_cancel_ends_the_box(stage):
    """A box whose request is cancelled cannot be stopped, so AWS takes it back for good."""
    box, request = stage.running()
    stage.spot.cancel(request)
    stage.spot.interrupt(box, 1)
    stage.after(4)
    assert (box.state, request.state) == ("terminated", "cancelled")


def test_a_cancelled_request_is_listed_for_four_hours(stage):
    """Requests are deleted four hours after they are cancelled and their instances are terminated."""
    box, request = stage.running()
    stage.spot.cancel(request)
    stage.life.terminate(box, BY_USER)
    stage.after(4 * 3600 - 60)
    assert stage.spot.get(request.id) is request
    stage.after(120)
    assert code(stage.spot.get, request.id) == "InvalidSpotInstanceRequestID.NotFound"


def test_a_launch_that_dies_is_tried_again_and_again(stage):
    """A persistent request whose launches die before they run goes on, ever more slowly, until it is cancelled."""
    doomed = Wish(doom=("Client.VolumeLimitExceeded", "Client.VolumeLimitExceeded: Volume limit exceeded"))
    _, request = stage.run(wish=doomed)
    stage.after(2)
    assert shown(request) == ("open", "limit-exceeded")
    stage.after(30)
    assert len(stage.bodies.made) >= 3
    stage.spot.cancel(request)
    made = len(stage.bodies.made)
    stage.after(300)
    assert len(stage.bodies.made) == made


def test_without_a_root_volume_a_restart_ends_the_instance(stage):
    """EC2 brings an interrupted instance back; without its root volume that fails, and the instance is terminated."""
    box, request = stage.interrupted()
    stage.bodies.rootless.add(box.id)
    stage.after(30)
    assert (box.state, box.reason[0]) == ("terminated", "Client.InternalError")
    assert request.instance_id != box.id
    assert request.state == "active"


@pytest.mark.parametrize(
    ("first", "status"),
    [
        ("running", ("cancelled", "request-canceled-and-instance-running")),
        ("stopped", ("cancelled", "instance-stopped-by-user")),
    ],
)
def test_expiry_cancels(stage, first, status):
    """ValidUntil passes: the request is cancelled; a running instance runs on, a stopped one cannot be started."""
    box, request = getattr(stage, first)()
    stage.spot.expire(request)
    stage.after(5)
    assert shown(request) == status
    if first == "stopped":
        assert code(stage.spot.start, box) == "IncorrectSpotRequestState"
