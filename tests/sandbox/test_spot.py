"""The rows of the Spot request state table, one test each."""

from datetime import timedelta
from decimal import Decimal

import pytest

from spotbox.sandbox.refusals import Refusal

from .fakes import G5, POOL, ZONE, Wish, code, shown

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


def test_a_restart_is_in_the_same_zone(stage):
    """Its disk is in one zone: capacity in another does not bring the box back, even where the request named none."""
    box, request = stage.running()
    request.zone = None
    stage.market.closed.add(POOL)
    stage.spot.interrupt(box, 0)
    stage.after(60)
    assert stage.market.has_capacity(G5, "us-east-1b")
    assert (box.state, *shown(request)) == ("stopped", "disabled", "instance-stopped-no-capacity")


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
