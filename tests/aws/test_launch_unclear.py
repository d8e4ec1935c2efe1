"""A launch whose outcome is not known, or whose token was used: it is asked for, looked for, and never made twice."""

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from spotbox.core.errors import Exit
from spotbox.core.hunt import UNCLEAR_LEAST, Unclear
from tests.aws.launching import A, B, Launching, wire_request
from tests.core.worlds import REGION


@pytest.mark.parametrize("code", ["InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable", "500"])
def test_a_5xx_without_a_reason_is_asked_again_with_the_same_token(code):
    """The launch may have happened: the same pool, the same token, before any other."""
    world = Launching(A, B)
    world.no(A, code, strays=None, status=500)
    world.no(A, code, strays=None, status=503)
    world.accepts(A)
    assert world.launch().offer == A
    assert len(world.clock.naps) == 2


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="https://ec2"),
        ConnectionClosedError(endpoint_url="https://ec2"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_timeout_or_reset_is_asked_again_with_the_same_token(error):
    """No answer is no refusal."""
    world = Launching(A, B)
    world.accepts(A)
    broken, seen = [error, error], []

    def cut(params, **_):
        seen.append(params["ClientToken"])
        if broken:
            raise broken.pop()

    world.aws.client("ec2", REGION, once=True).meta.events.register("provide-client-params.ec2.RunInstances", cut)
    assert world.launch().offer == A
    assert seen == [world.params(A)["ClientToken"]] * 3


def test_an_outcome_that_stays_unknown_is_asked_about_for_the_whole_of_wait():
    """The same pool and token for as long as --wait, then what AWS shows: nothing, so it is unclear, and no other
    pool was tried."""
    world = Launching(A, B)
    for _ in range(94):
        world.no(A, "InternalError", strays=None, status=500)
    world.sees()
    told = world.fails(wait=900)
    assert isinstance(told, Unclear)
    assert told.exit_code is Exit.FAILED
    assert "whether it launched g5.xlarge in us-east-1a" in told.message
    assert world.clock.at == pytest.approx(900)


def test_an_unclear_launch_that_shows_itself_is_taken():
    """Where AWS never answers, yet shows the box, it is adopted; --wait 0 asks for a minute all the same."""
    world = Launching(A, B)
    for _ in range(10):
        world.no(A, "InternalError", strays=None, status=500)
    world.sees([wire_request("active", InstanceId="i-7")])
    found = world.launch()
    assert (found.instance_id, found.region) == (None, REGION)
    assert world.clock.at == pytest.approx(UNCLEAR_LEAST)


def test_a_refusal_after_an_unclear_answer_is_an_answer():
    """AWS answers at last, and it is a refusal: the next pool is tried then, not before."""
    world = Launching(A, B)
    world.no(A, "InternalError", strays=None, status=500)
    world.no(A)
    world.accepts(B)
    assert world.launch().offer == B


def test_a_throttled_launch_is_asked_again():
    """A client that sends once gets every throttle: it is neither a refusal nor the end."""
    world = Launching(A, B)
    world.no(A, "RequestLimitExceeded", strays=None, status=503)
    world.accepts(A)
    assert world.launch().offer == A


def test_throttling_that_does_not_end_is_told_as_such():
    """After a minute with --wait 0 the user is told what AWS said; nothing was launched, so nothing is unclear."""
    world = Launching(A)
    for _ in range(10):
        world.no(A, "RequestLimitExceeded", strays=None, status=503)
    told = world.fails()
    assert (told.code, isinstance(told, Unclear)) == ("RequestLimitExceeded", False)


def test_a_token_whose_instance_is_gone_moves_the_generation_on():
    """IdempotentInstanceTerminated with nothing there: the next token, in the same pool."""
    world = Launching(A)
    world.no(A, "IdempotentInstanceTerminated", strays=None, generation=4)
    world.sees()
    world.accepts(A, generation=5)
    assert world.launch(generation=4).instance_id == "i-1"
    assert world.clock.naps == []


@pytest.mark.parametrize("code", ["IdempotentParameterMismatch", "IdempotentInstanceTerminated"])
@pytest.mark.parametrize("state", ["open", "active", "disabled"])
def test_a_living_box_is_adopted(code, state):
    """The token was used by a launch that stands: it is taken as the launch, and no second one is made."""
    world = Launching(A)
    world.no(A, code, strays=None)
    world.sees([wire_request(state)])
    found = world.launch()
    assert (found.instance_id, found.offer, found.region) == (None, None, REGION)


def test_a_box_that_aws_shows_late_is_adopted_too():
    """After IdempotentParameterMismatch AWS knows of a launch: it is looked for before another is made."""
    world = Launching(A)
    world.no(A, "IdempotentParameterMismatch", strays=None)
    world.sees()
    world.sees()
    world.sees([wire_request("active", InstanceId="i-7")])
    assert world.launch().instance_id is None


def test_ended_requests_are_not_adopted():
    """A cancelled request and a dying instance are no box: the generation moves on."""
    world = Launching(A)
    world.no(A, "IdempotentInstanceTerminated", strays=None)
    world.sees([wire_request("cancelled")], [{"InstanceId": "i-1", "State": {"Name": "shutting-down"}}])
    world.accepts(A, generation=1)
    assert world.launch().instance_id == "i-1"


def test_a_request_left_open_by_a_refusal_is_cancelled_before_the_next_pool():
    """Whether a refused RunInstances leaves a request open is unconfirmed: if it does, it does not stay."""
    world = Launching(A, B)
    world.no(A, "SpotMaxPriceTooLow", strays=[wire_request("open", Status={"Code": "price-too-low"})])
    world.answers(
        "cancel_spot_instance_requests",
        {"CancelledSpotInstanceRequests": [{"SpotInstanceRequestId": "sir-1", "State": "cancelled"}]},
        {"SpotInstanceRequestIds": ["sir-1"]},
    )
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": [wire_request("cancelled")]})
    world.accepts(B)
    assert world.launch().offer == B


def test_another_terminals_launch_is_taken():
    """A request of this name with an instance appears after our refusal: no second box is launched."""
    world = Launching(A, B)
    world.no(A, strays=[wire_request("active", InstanceId="i-9"), wire_request("cancelled")])
    found = world.launch()
    assert (found.instance_id, found.region) == (None, REGION)


def test_a_look_for_strays_that_fails_does_not_end_the_hunt():
    """It is looked again after the next refusal, and at the end."""
    world = Launching(A, B)
    world.no(A, strays=None)
    world.refuses("describe_spot_instance_requests", "RequestLimitExceeded", status=503)
    world.accepts(B)
    assert world.launch().offer == B
