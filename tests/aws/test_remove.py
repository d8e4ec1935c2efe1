import pytest

from spotbox.aws.apply import apply
from spotbox.aws.calls import PATIENCE
from spotbox.aws.remove import CANCEL_WAIT, TERMINATE_WAIT, VOLUME_WAIT
from spotbox.core import steps as s
from spotbox.core.errors import Exit
from tests.aws.stubs import World
from tests.aws.test_apply import done, fails
from tests.core.worlds import REGION


def shows(world, *requests):
    """One look at Spot requests: (id, state) each."""
    items = [{"SpotInstanceRequestId": id_, "State": state} for id_, state in requests]
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": items})


def cancels(world, id_):
    answer = {"CancelledSpotInstanceRequests": [{"SpotInstanceRequestId": id_, "State": "cancelled"}]}
    world.answers("cancel_spot_instance_requests", answer, {"SpotInstanceRequestIds": [id_]})


def lives(world, *instances):
    """One look at instances: (id, state) each."""
    items = [{"InstanceId": id_, "State": {"Name": state}} for id_, state in instances]
    world.answers("describe_instances", {"Reservations": [{"Instances": items}]})


CANCEL = s.Cancel(REGION, ("sir-1", "sir-2"))


def test_cancel_looks_until_every_request_is_shown_as_ended():
    """The answer to the call is no proof; what DescribeSpotInstanceRequests shows is."""
    world = World()
    cancels(world, "sir-1")
    cancels(world, "sir-2")
    shows(world, ("sir-1", "active"), ("sir-2", "disabled"))
    shows(world, ("sir-1", "cancelled"), ("sir-2", "open"))
    shows(world, ("sir-1", "cancelled"))
    shows(world, ("sir-1", "cancelled"), ("sir-2", "closed"))
    done(world, CANCEL)


@pytest.mark.parametrize("state", ["open", "active", "disabled"])
def test_a_cancel_that_is_not_proved_fails(state):
    """While a request may launch, the step fails with exit 6, so that nothing is terminated after it."""
    world = World()
    cancels(world, "sir-1")
    for _ in range(200):
        shows(world, ("sir-1", state))
    told = fails(world, s.Cancel(REGION, ("sir-1",)))
    assert told.exit_code is Exit.STILL_BILLS
    assert "sir-1" in told.message
    assert world.clock.at == pytest.approx(CANCEL_WAIT)


def test_a_request_that_aws_does_not_show_is_not_proved():
    """An empty answer may be lag; it is no proof."""
    world = World()
    cancels(world, "sir-1")
    for _ in range(200):
        shows(world)
    assert fails(world, s.Cancel(REGION, ("sir-1",))).exit_code is Exit.STILL_BILLS


def test_a_request_that_aws_forgot_is_cancelled():
    """AWS deletes a request four hours after its end; then there is nothing to cancel and to prove."""
    world = World()
    world.refuses("cancel_spot_instance_requests", "InvalidSpotInstanceRequestID.NotFound")
    cancels(world, "sir-2")
    shows(world, ("sir-2", "cancelled"))
    done(world, CANCEL)


def test_a_cancel_that_is_refused_fails():
    """No permission to cancel is an error, and is not looked away."""
    world = World()
    world.refuses("cancel_spot_instance_requests", "UnauthorizedOperation")
    assert fails(world, CANCEL).exit_code is Exit.DENIED


TERMINATE = s.Terminate(REGION, ("i-1", "i-2"))


def test_terminate_waits_until_none_lives():
    """shutting-down is not gone; terminated, or no longer shown, is."""
    world = World()
    world.answers("terminate_instances", params={"InstanceIds": ["i-1"]})
    world.answers("terminate_instances", params={"InstanceIds": ["i-2"]})
    lives(world, ("i-1", "running"), ("i-2", "shutting-down"))
    lives(world, ("i-1", "shutting-down"), ("i-2", "terminated"))
    lives(world, ("i-2", "terminated"))
    done(world, TERMINATE)


def test_terminate_twice():
    """An instance that AWS does not know any more is gone; the other is terminated all the same."""
    world = World()
    world.refuses("terminate_instances", "InvalidInstanceID.NotFound")
    world.answers("terminate_instances", params={"InstanceIds": ["i-2"]})
    lives(world)
    done(world, TERMINATE)


def test_an_instance_that_does_not_die_is_told():
    """Exit 6 with the id, after the time is up."""
    world = World()
    world.answers("terminate_instances")
    for _ in range(400):
        lives(world, ("i-1", "shutting-down"))
    told = fails(world, s.Terminate(REGION, ("i-1",)))
    assert (told.exit_code, "i-1" in told.message) == (Exit.STILL_BILLS, True)
    assert world.clock.at == pytest.approx(TERMINATE_WAIT)


# -- deletes -------------------------------------------------------------------------------------------------------

DELETES = pytest.mark.parametrize(
    ("step", "operation", "params", "busy", "gone"),
    [
        (s.DeleteVolume(REGION, "vol-1", 9), "delete_volume", {"VolumeId": "vol-1"}, "VolumeInUse",
         "InvalidVolume.NotFound"),
        (s.DeleteGroup(REGION, "sg-1", "n"), "delete_security_group", {"GroupId": "sg-1"}, "DependencyViolation",
         "InvalidGroup.NotFound"),
    ],
    ids=["volume", "group"],
)  # fmt: skip


@DELETES
def test_a_delete_waits_until_nothing_holds_the_thing(step, operation, params, busy, gone):
    """In use right after a terminate: asked again until it is free."""
    world = World()
    world.refuses(operation, busy, params)
    world.refuses(operation, busy, params)
    world.answers(operation, params=params)
    done(world, step)
    assert world.clock.at == 2


@DELETES
def test_a_delete_of_what_is_gone_is_done(step, operation, params, busy, gone):
    """Twice is fine."""
    world = World()
    world.refuses(operation, gone, params)
    done(world, step)


@DELETES
def test_a_delete_of_what_stays_in_use_ends(step, operation, params, busy, gone):
    """The refusal is told once the time is up."""
    world = World()
    for _ in range(250):
        world.refuses(operation, busy, params)
    assert fails(world, step).code == busy
    assert VOLUME_WAIT <= world.clock.at <= VOLUME_WAIT + 3


@DELETES
def test_a_delete_that_is_refused_is_told_at_once(step, operation, params, busy, gone):
    """No permission does not heal."""
    world = World()
    world.refuses(operation, "UnauthorizedOperation", params)
    assert fails(world, step).exit_code is Exit.DENIED
    assert world.clock.naps == []


@pytest.mark.parametrize("answer", [None, "InvalidKeyPair.NotFound"])
def test_the_key_is_deleted_by_its_id(answer):
    """By id, so that a pair of the same name made since is left; gone is fine."""
    world = World()
    if answer:
        world.refuses("delete_key_pair", answer, {"KeyPairId": "key-1"})
    else:
        world.answers("delete_key_pair", params={"KeyPairId": "key-1"})
    done(world, s.DeleteKey(REGION, "key-1", "n"))


# -- weather -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "InternalError", "Unavailable"])
def test_a_throttled_cancel_is_made_again(code):
    """Throttling and AWS's own trouble pass: the call is made again, and so is a look that failed."""
    world = World()
    world.refuses("cancel_spot_instance_requests", code, status=503)
    cancels(world, "sir-1")
    world.refuses("describe_spot_instance_requests", code, status=503)
    shows(world, ("sir-1", "cancelled"))
    done(world, s.Cancel(REGION, ("sir-1",)))


def test_a_cancel_that_is_throttled_for_ever_ends():
    """After PATIENCE seconds the refusal is told, so that `down` ends with what is left."""
    world = World()
    for _ in range(100):
        world.refuses("cancel_spot_instance_requests", "RequestLimitExceeded", status=503)
    assert fails(world, s.Cancel(REGION, ("sir-1",))).code == "RequestLimitExceeded"
    assert PATIENCE <= world.clock.at <= PATIENCE + 6


def test_not_found_is_no_proof_of_a_young_request():
    """AWS may not know yet what it made seconds ago: cancelled again until it takes it."""
    world = World()
    world.refuses("cancel_spot_instance_requests", "InvalidSpotInstanceRequestID.NotFound")
    shows(world)
    world.refuses("cancel_spot_instance_requests", "InvalidSpotInstanceRequestID.NotFound")
    shows(world)
    cancels(world, "sir-1")
    shows(world, ("sir-1", "open"))
    shows(world, ("sir-1", "cancelled"))
    done(world, s.Cancel(REGION, ("sir-1",), patience=30))


def test_not_found_for_long_enough_is_proof():
    """A request that AWS does not know for as long as it may hide a new one is not there."""
    world = World()
    for _ in range(30):
        world.refuses("cancel_spot_instance_requests", "InvalidSpotInstanceRequestID.NotFound")
        shows(world)
    apply(world.hands, s.Cancel(REGION, ("sir-1",), patience=20))
    assert 20 <= world.clock.at <= 23


def test_a_young_instance_that_is_not_shown_is_not_gone():
    """It is terminated as soon as AWS knows it, and seen terminated."""
    world = World()
    world.refuses("terminate_instances", "InvalidInstanceID.NotFound")
    lives(world)
    world.answers("terminate_instances", params={"InstanceIds": ["i-1"]})
    lives(world)
    lives(world, ("i-1", "shutting-down"))
    lives(world, ("i-1", "terminated"))
    done(world, s.Terminate(REGION, ("i-1",), patience=30))


def test_one_instance_that_resists_does_not_hold_the_other():
    """Termination protection of one: the other is terminated, then the refusal is told."""
    world = World()
    world.refuses("terminate_instances", "OperationNotPermitted", {"InstanceIds": ["i-1"]})
    world.answers("terminate_instances", params={"InstanceIds": ["i-2"]})
    lives(world, ("i-2", "terminated"))
    assert fails(world, TERMINATE).code == "OperationNotPermitted"
    world.aws.spent()


def test_a_look_that_is_throttled_ends_no_wait():
    """Waiting for the end of an instance outlasts a look that AWS did not answer."""
    world = World()
    world.answers("terminate_instances")
    world.refuses("describe_instances", "RequestLimitExceeded", status=503)
    lives(world, ("i-1", "terminated"))
    done(world, s.Terminate(REGION, ("i-1",)))


def test_a_snapshot_goes():
    """By its id; twice is fine."""
    world = World()
    world.answers("delete_snapshot", params={"SnapshotId": "snap-1"})
    done(world, s.DeleteSnapshot(REGION, "snap-1", 100))
    world = World()
    world.refuses("delete_snapshot", "InvalidSnapshot.NotFound")
    done(world, s.DeleteSnapshot(REGION, "snap-1", 100))
