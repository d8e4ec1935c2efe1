"""The rows of the Spot request state table, one test each."""

from datetime import timedelta
from decimal import Decimal

import pytest

from spotbox.sandbox.life import BY_USER
from spotbox.sandbox.refusals import Refusal

from .fakes import G5, ZONE, Stage, Wish, shown

POOL = (G5, ZONE)


def code(call, *args):
    with pytest.raises(Refusal) as refused:
        call(*args)
    return refused.value.code


@pytest.fixture
def stage():
    return Stage()


# open


def test_a_submitted_request_is_evaluated_then_fulfilled(stage):
    """open/pending-evaluation -> open/pending-fulfillment -> active/fulfilled with an untagged instance."""
    request = stage.submit()
    assert shown(request) == ("open", "pending-evaluation")
    stage.after(0.5)
    assert shown(request) == ("open", "pending-fulfillment")
    stage.after(0.5)
    assert shown(request) == ("active", "fulfilled")
    assert stage.bodies.made == [("us-east-1", ZONE, True)]
    assert (request.launched_zone, stage.life.boxes[request.instance_id].request_id) == (ZONE, request.id)


def test_not_scheduled_yet(stage):
    """A request with ValidFrom in the future waits for it."""
    request = stage.submit(valid_from=stage.clock.now + timedelta(seconds=10))
    stage.after(2)
    assert shown(request) == ("open", "not-scheduled-yet")
    stage.after(10)
    assert shown(request) == ("active", "fulfilled")


def test_capacity_not_available(stage):
    """No capacity: the request stays open, and is fulfilled when there is some."""
    stage.market.closed.add(POOL)
    request = stage.submit()
    stage.after(5)
    assert shown(request) == ("open", "capacity-not-available")
    assert request.message == "There is no Spot capacity available that matches your request."
    stage.market.closed.clear()
    stage.after(4)
    assert shown(request) == ("active", "fulfilled")


def test_price_too_low(stage):
    """A maximum under the Spot price keeps the request open, and says both prices."""
    request = stage.submit(bid="0.01")
    stage.after(2)
    assert shown(request) == ("open", "price-too-low")
    price = stage.market.price(*POOL, stage.clock.now)
    assert request.message == (
        f"Your Spot request price of 0.01 is lower than the minimum required Spot request fulfillment price of {price}."
    )
    stage.market.set_price(*POOL, Decimal("0.009"), stage.clock.now)
    stage.after(4)
    assert shown(request) == ("active", "fulfilled")


def test_constraint_not_fulfillable(stage):
    """A zone that does not offer the type can never be met."""
    request = stage.submit()
    request.zone = "us-east-1z"
    stage.after(3)
    assert shown(request) == ("open", "constraint-not-fulfillable")


def test_bad_parameters_close_a_request_that_never_ran(stage):
    """What turns out wrong at the launch closes the request, with what was wrong."""
    request = stage.submit(wish=Wish(refused="InvalidAMIID.NotFound"))
    stage.after(2)
    assert shown(request) == ("closed", "bad-parameters")


def test_schedule_expired(stage):
    """ValidUntil passes before fulfilment: cancelled."""
    stage.market.closed.add(POOL)
    request = stage.submit(valid_until=stage.clock.now + timedelta(seconds=5))
    stage.after(6)
    assert shown(request) == ("cancelled", "schedule-expired")


# The user's stop and start


def test_a_users_stop(stage):
    """active/marked-for-stop while it stops, then disabled/instance-stopped-by-user a moment after it has."""
    box, request = stage.running()
    stage.spot.stop(box)
    assert (box.state, *shown(request)) == ("stopping", "active", "marked-for-stop")
    stage.after(1.6)
    assert (box.state, *shown(request)) == ("stopped", "active", "marked-for-stop")
    stage.after(0.5)
    assert shown(request) == ("disabled", "instance-stopped-by-user")
    assert box.reason[0] == "Client.UserInitiatedShutdown"


def test_a_start_right_after_the_stop_is_refused(stage):
    """While the request still says marked-for-stop, StartInstances is IncorrectSpotRequestState."""
    box, _ = stage.running()
    stage.spot.stop(box)
    stage.after(1.6)
    assert code(stage.spot.start, box) == "IncorrectSpotRequestState"


def test_a_users_start(stage):
    """disabled -> open/pending-evaluation -> active/fulfilled, the instance pending meanwhile."""
    box, request = stage.stopped()
    stage.spot.start(box)
    assert (box.state, *shown(request)) == ("pending", "open", "pending-evaluation")
    stage.after(2)
    assert (box.state, *shown(request)) == ("running", "active", "fulfilled")


def test_a_start_below_the_price_is_refused(stage):
    """A start needs the maximum to be at the Spot price or above."""
    box, _ = stage.stopped(bid="0.9")
    stage.market.set_price(*POOL, Decimal("0.95"), stage.clock.now)
    assert code(stage.spot.start, box) == "SpotMaxPriceTooLow"


def test_shutdown_from_inside_is_the_users_stop(stage):
    """`shutdown` in the box: disabled/instance-stopped-by-user, Client.InstanceInitiatedShutdown; it starts again."""
    box, request = stage.running()
    stage.spot.shutdown_inside(box)
    stage.after(3)
    assert shown(request) == ("disabled", "instance-stopped-by-user")
    assert box.reason[0] == "Client.InstanceInitiatedShutdown"
    stage.spot.start(box)
    stage.after(2)
    assert box.state == "running"


def test_one_time_cannot_be_stopped(stage):
    """UnsupportedOperation, with AWS's sentence."""
    box, _ = stage.running(kind="one-time", behavior="terminate")
    with pytest.raises(Refusal, match="associated with a one-time Spot Instance request") as refused:
        stage.spot.stop(box)
    assert refused.value.code == "UnsupportedOperation"


# Interruption


def test_an_interruption_with_stop(stage):
    """active/marked-for-stop for the notice, stopping, then disabled/instance-stopped-no-capacity."""
    box, request = stage.running()
    stage.spot.interrupt(box)
    assert (box.state, *shown(request)) == ("running", "active", "marked-for-stop")
    stage.after(4.9)
    assert box.state == "running"
    stage.after(0.2)
    assert box.state == "stopping"
    stage.after(1.6)
    assert (box.state, *shown(request)) == ("stopped", "disabled", "instance-stopped-no-capacity")
    assert box.reason[0] == "Server.SpotInstanceShutdown"


def test_only_aws_restarts_an_interrupted_box(stage):
    """StartInstances on it is IncorrectSpotRequestState; stop changes nothing."""
    box, request = stage.interrupted()
    assert code(stage.spot.start, box) == "IncorrectSpotRequestState"
    stage.spot.stop(box)
    assert shown(request) == ("disabled", "instance-stopped-no-capacity")


def test_aws_restarts_it_when_its_capacity_is_back(stage):
    """open/pending-evaluation, then active/fulfilled: the same instance, in the same zone."""
    box, request = stage.interrupted()
    stage.after(15)
    assert box.state == "stopped"
    stage.after(10)
    assert (box.state, *shown(request)) == ("running", "active", "fulfilled")
    assert stage.bodies.states[box.id][-3:] == ["stopped", "pending", "running"]
    assert (len(stage.life.boxes), box.zone) == (1, ZONE)


def test_a_closed_pool_keeps_it_away(stage):
    """While the pool is closed the box stays interrupted, however long."""
    box, request = stage.interrupted()
    stage.market.closed.add(POOL)
    stage.after(60)
    assert shown(request) == ("disabled", "instance-stopped-no-capacity")
    stage.market.closed.clear()
    stage.after(6)
    assert box.state == "running"


def test_an_interruption_by_price(stage):
    """The Spot price rises above the maximum: instance-stopped-by-price, until it falls."""
    box, request = stage.running(bid="0.8")
    stage.market.set_price(*POOL, Decimal("0.9"), stage.clock.now)
    stage.after(8)
    assert (box.state, *shown(request)) == ("stopped", "disabled", "instance-stopped-by-price")
    stage.after(30)
    assert box.state == "stopped"
    stage.market.set_price(*POOL, Decimal("0.5"), stage.clock.now)
    stage.after(5)
    assert box.state == "running"


def test_an_interruption_with_terminate(stage):
    """closed/instance-terminated-no-capacity at once, the instance running on for the notice."""
    box, request = stage.running(kind="one-time", behavior="terminate")
    stage.spot.interrupt(box)
    assert (box.state, *shown(request)) == ("running", "closed", "instance-terminated-no-capacity")
    stage.after(7)
    assert (box.state, box.reason[0]) == ("terminated", "Server.SpotInstanceTermination")
    assert shown(request) == ("closed", "instance-terminated-no-capacity")


def test_hibernation_gives_no_notice(stage):
    """Hibernation starts at once."""
    box, request = stage.running(behavior="hibernate")
    stage.spot.interrupt(box)
    stage.after(2)
    assert (box.state, *shown(request)) == ("stopped", "disabled", "instance-stopped-no-capacity")


def test_a_users_stop_during_the_notice_is_the_users(stage):
    """Who stops first decides: instance-stopped-by-user, and a start is allowed."""
    box, request = stage.running()
    stage.spot.interrupt(box, 2)
    stage.spot.stop(box)
    stage.after(6)
    assert shown(request) == ("disabled", "instance-stopped-by-user")
    stage.spot.start(box)
    stage.after(2)
    assert box.state == "running"


# Terminate and cancel


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
