import itertools
import unicodedata

import pytest

from spotbox.core.meanings import CODES as MEANINGS
from spotbox.core.states import BILLS_COMPUTE, LIVE, State, derive
from tests.core.worlds import data_volume, instance, request, volume

REQUEST_STATES = ("open", "active", "disabled", "closed", "cancelled", "failed")
# EC2 User Guide, "Get the status of a Spot Instance request": all holding, pending, fulfilled and terminal codes,
# with those of older pages and one that nobody has seen yet.
CODES = (
    "pending-evaluation", "pending-fulfillment", "not-scheduled-yet", "capacity-not-available", "price-too-low",
    "launch-group-constraint", "az-group-constraint", "placement-group-constraint", "constraint-not-fulfillable",
    "bad-parameters", "schedule-expired", "canceled-before-fulfillment", "system-error", "limit-exceeded", "fulfilled",
    "marked-for-stop", "marked-for-termination", "instance-stopped-by-user", "instance-stopped-no-capacity",
    "instance-stopped-by-price", "instance-terminated-by-user", "spot-instance-terminated-by-user",
    "instance-terminated-no-capacity", "instance-terminated-by-price", "instance-terminated-by-schedule",
    "instance-terminated-by-service", "instance-terminated-launch-group-constraint",
    "request-canceled-and-instance-running", "capacity-oversubscribed",
    "instance-terminated-capacity-oversubscribed", "instance-stopped-capacity-oversubscribed",
    "never-seen-before", "",
)  # fmt: skip
INSTANCE_STATES = ("pending", "running", "stopping", "stopped", "shutting-down", "terminated")
REASONS = (
    "", "Server.SpotInstanceShutdown", "Server.SpotInstanceTermination", "Client.UserInitiatedShutdown",
    "Client.InstanceInitiatedShutdown", "Server.InsufficientInstanceCapacity", "Server.ScheduledStop",
    "Client.VolumeLimitExceeded", "Server.SomethingNew",
)  # fmt: skip
BY_USER = "Client.UserInitiatedShutdown"
BY_BOX = "Client.InstanceInitiatedShutdown"
BY_AWS = "Server.SpotInstanceShutdown"

REQUESTS = [None] + [
    request(state, code, message="AWS says") for state, code in itertools.product(REQUEST_STATES, CODES)
]
INSTANCES = [None] + [
    instance(state, reason_code=reason, lifecycle=lifecycle)
    for state, reason, lifecycle in itertools.product(INSTANCE_STATES, REASONS, ("spot", None))
]
VOLUMES = ((), (volume(instance_id=None),), (volume(),))


def whole_product():
    for req, inst, volumes, kept in itertools.product(REQUESTS, INSTANCES, VOLUMES, (False, True)):
        yield req, inst, volumes, kept, derive(req, inst, volumes, kept)


def test_every_code_of_the_user_guide_has_words():
    """No status code that AWS documents reaches the user as a bare code."""
    assert [code for code in CODES if code not in MEANINGS] == ["never-seen-before", ""]


def test_the_whole_product_keeps_the_laws():
    """Over every request, code, instance, reason and lifecycle: a word always comes, and it never flatters."""
    for req, inst, volumes, _kept, derived in whole_product():
        case = (req and (req.state, req.code), inst and (inst.state, inst.reason_code, inst.lifecycle), volumes)
        alive = inst is not None and inst.state not in ("shutting-down", "terminated")
        if derived is None:
            assert not alive, f"{case}: a living instance is hidden"
            assert not volumes, f"{case}: a volume that bills is hidden"
            assert req is None or req.state not in LIVE, f"{case}: a request that may launch is hidden"
            continue
        assert isinstance(derived.state, State)
        if derived.state is State.RUNNING:
            assert inst is not None, case
            assert inst.state == "running", case
        if inst is not None and inst.state == "running":
            assert derived.state in BILLS_COMPUTE, f"{case}: {derived.state} hides that it bills"
        if inst is not None and inst.state in ("pending", "stopping"):
            assert derived.state in BILLS_COMPUTE, f"{case}: {derived.state} hides that it bills"
        if req is not None and req.state in LIVE:
            assert derived.state not in (State.FAILED, State.KEPT, State.ORPHANED), f"{case}: the request stands"
        if derived.state in (State.KEPT, State.FAILED):
            assert not alive, case
        assert all(unicodedata.category(char) != "Cc" for char in derived.reason), case


def test_an_unknown_code_is_shown_with_its_message_once():
    """A code that spotbox does not know is shown as it is with AWS's message, and the State decides the word."""
    for state, word in (("open", State.WAITING), ("failed", State.FAILED), ("closed", State.FAILED)):
        derived = derive(request(state, "never-seen-before", message="AWS says so."), None)
        assert derived.state is word
        assert derived.reason == "never-seen-before: AWS says so."


ROWS = [  # (State, Status.Code, instance, StateReason) -> word: the contract's table of states, line by line
    (("open", "pending-evaluation"), None, State.WAITING),
    (("open", "pending-fulfillment"), None, State.WAITING),
    (("open", "capacity-not-available"), None, State.WAITING),
    (("open", "price-too-low"), None, State.WAITING),
    (("open", "constraint-not-fulfillable"), None, State.WAITING),
    (("open", "instance-terminated-by-user"), ("terminated", BY_USER), State.WAITING),
    (("open", "instance-terminated-no-capacity"), ("terminated", "Server.SpotInstanceTermination"), State.WAITING),
    (("active", "fulfilled"), None, State.STARTING),
    (("active", "fulfilled"), ("pending", ""), State.STARTING),
    (("open", "pending-evaluation"), ("stopped", BY_USER), State.STARTING),
    (("open", "capacity-not-available"), ("stopped", BY_BOX), State.STARTING),
    (("active", "fulfilled"), ("running", ""), State.RUNNING),
    (("active", "marked-for-stop"), ("running", ""), State.RUNNING),
    (("active", "marked-for-termination"), ("running", ""), State.RUNNING),
    (("active", "never-seen-before"), ("running", ""), State.RUNNING),
    (("active", "marked-for-stop"), ("stopping", BY_USER), State.STOPPING),
    (("active", "marked-for-stop"), ("stopping", BY_AWS), State.STOPPING),
    (("active", "marked-for-stop"), ("stopped", BY_USER), State.STOPPING),
    (("disabled", "instance-stopped-by-user"), ("stopping", BY_USER), State.STOPPING),
    (("disabled", "instance-stopped-by-user"), ("stopped", BY_USER), State.STOPPED),
    (("disabled", "instance-stopped-by-user"), ("stopped", BY_BOX), State.STOPPED),
    (("disabled", "instance-stopped-by-user"), ("stopped", ""), State.STOPPED),
    (("disabled", "instance-stopped-no-capacity"), ("stopped", BY_AWS), State.INTERRUPTED),
    (("disabled", "instance-stopped-by-price"), ("stopped", BY_AWS), State.INTERRUPTED),
    (("disabled", "instance-stopped-capacity-oversubscribed"), ("stopped", ""), State.INTERRUPTED),
    (("disabled", "never-seen-before"), ("stopped", BY_USER), State.INTERRUPTED),
    (("open", "capacity-not-available"), ("stopped", BY_AWS), State.INTERRUPTED),
    (("open", "pending-evaluation"), ("stopped", BY_AWS), State.INTERRUPTED),
    (("active", "fulfilled"), ("shutting-down", BY_USER), State.TERMINATING),
    (("cancelled", "instance-terminated-by-user"), ("shutting-down", BY_USER), State.TERMINATING),
    (("cancelled", "request-canceled-and-instance-running"), ("running", ""), State.ORPHANED),
    (("cancelled", "request-canceled-and-instance-running"), ("pending", ""), State.ORPHANED),
    (("cancelled", "instance-stopped-by-user"), ("stopped", BY_USER), State.ORPHANED),
    (("closed", "instance-terminated-by-user"), ("running", ""), State.ORPHANED),
    (("closed", "bad-parameters"), None, State.FAILED),
    (("failed", "bad-parameters"), None, State.FAILED),
    (("failed", "capacity-not-available"), None, State.FAILED),  # seen in the wild
    (("closed", "system-error"), None, State.FAILED),
    (("cancelled", "schedule-expired"), None, State.FAILED),
    (("disabled", "instance-stopped-by-user"), None, State.STOPPED),  # AWS is late in showing the instance
    (("disabled", "instance-stopped-no-capacity"), None, State.INTERRUPTED),
    (("disabled", "instance-stopped-no-capacity"), ("running", ""), State.RUNNING),  # late in showing the request
    (("open", "pending-evaluation"), ("pending", ""), State.STARTING),
    (("open", "pending-evaluation"), ("running", ""), State.RUNNING),
    (("open", "instance-terminated-no-capacity"), ("running", ""), State.RUNNING),  # for two minutes yet
    (("active", "fulfilled"), ("terminated", BY_USER), State.WAITING),
    (("active", "fulfilled"), ("stopped", BY_AWS), State.INTERRUPTED),
    (("active", "fulfilled"), ("stopped", BY_USER), State.STOPPED),
    (("open", "capacity-not-available"), ("stopped", "Server.InsufficientInstanceCapacity"), State.STARTING),
    (("open", "capacity-not-available"), ("stopped", "Server.ScheduledStop"), State.INTERRUPTED),
    (("disabled", "instance-stopped-by-user"), ("stopped", BY_AWS), State.STOPPED),  # the user made it his own
    (("paused", "never-seen-before"), None, State.WAITING),  # a State of tomorrow: it may launch
    (("cancelled", "canceled-before-fulfillment"), None, None),
    (("cancelled", "instance-terminated-by-user"), ("terminated", BY_USER), None),
    (("cancelled", "instance-terminated-by-service"), ("terminated", ""), None),
    (("closed", "instance-terminated-by-user"), ("terminated", BY_USER), None),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "seen", "word"), ROWS, ids=lambda v: "/".join(v) if isinstance(v, tuple) else str(v))
def test_the_rows_of_the_state_table(asked, seen, word):
    """Each row of the table of states, in the words of the contract."""
    derived = derive(request(*asked), seen and instance(seen[0], reason_code=seen[1]))
    assert (derived.state if derived else None) is word


@pytest.mark.parametrize("code", ["instance-terminated-by-user", "pending-evaluation", "capacity-not-available"])
def test_a_relaunch_that_threatens_is_said(code):
    """Terminated without cancel: the reason says that AWS will launch another, whatever the request shows by now."""
    derived = derive(request("open", code), instance("terminated", reason_code=BY_USER))
    assert (derived.state, derived.meaning.who) == (State.WAITING, "you")
    assert "launches another" in derived.reason


def test_a_relaunch_is_said_when_the_instance_is_no_longer_listed():
    """The code alone tells too, and who did it: AWS's own termination is not put down to the user."""
    by_user = derive(request("open", "instance-terminated-by-user"), None)
    by_aws = derive(request("open", "instance-terminated-no-capacity"), None)
    assert (by_user.meaning.who, by_aws.meaning.who) == ("you", "AWS")
    assert "launches another" in by_user.reason
    assert "launches another" in by_aws.reason


def test_a_parked_request_does_not_threaten():
    """A request that never had an instance waits for AWS, and nothing was terminated."""
    derived = derive(request("open", "capacity-not-available", instance_id=None), None)
    assert (derived.state, derived.reason) == (State.WAITING, "AWS has no Spot capacity of this type in this zone")


def test_who_stopped_it_is_said():
    """The reason tells a stop by the user from one by the box itself."""
    stopped = request("disabled", "instance-stopped-by-user")
    assert derive(stopped, instance("stopped", reason_code=BY_USER)).reason == "you stopped it"
    assert "itself" in derive(stopped, instance("stopped", reason_code=BY_BOX)).reason


@pytest.mark.parametrize(
    ("reason", "who", "says"),
    [
        (BY_USER, "you", "it is being stopped by you"),
        (BY_BOX, "the box itself", "it is shutting itself down (idle guard, TTL or `shutdown`)"),
        (BY_AWS, "AWS", "it is being stopped by AWS"),
        ("", "unknown", "it is being stopped"),
    ],
)
def test_who_is_stopping_it_is_told_by_the_instance(reason, who, says):
    """`marked-for-stop` is the same code for the user's stop and for AWS's; the instance's StateReason differs."""
    derived = derive(request("active", "marked-for-stop"), instance("stopping", reason_code=reason))
    assert (derived.state, derived.meaning.who, derived.reason) == (State.STOPPING, who, says)


def test_aws_trying_to_restart_is_said():
    """An interrupted box whose request is open again says that AWS is trying."""
    derived = derive(request("open", "capacity-not-available"), instance("stopped", reason_code=BY_AWS))
    assert derived.reason.startswith("AWS is trying to restart it")


def test_a_healthy_box_needs_no_reason():
    """A running box has an empty reason, one whose request lags too; one marked for stop has the warning."""
    assert derive(request(), instance()).reason == ""
    for lagging in (("disabled", "instance-stopped-no-capacity"), ("open", "pending-evaluation")):
        assert derive(request(*lagging), instance()).reason == ""
    about_to_end = derive(request("open", "instance-terminated-no-capacity"), instance()).reason
    assert "about to terminate" in about_to_end
    assert "save your work" in derive(request("active", "marked-for-stop"), instance()).reason


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("pending", State.STARTING),
        ("running", State.RUNNING),
        ("stopping", State.STOPPING),
        ("stopped", State.STOPPED),
        ("shutting-down", State.TERMINATING),
        ("terminated", None),
    ],
)
def test_an_on_demand_box_is_what_its_instance_is(state, word):
    """Without a request the instance of an on-demand box says it all."""
    derived = derive(None, instance(state, lifecycle=None, request_id=None))
    assert (derived.state if derived else None) is word


def test_a_spot_instance_without_a_request_is_lost():
    """A Spot instance whose request AWS no longer lists runs on and bills: orphaned."""
    assert derive(None, instance("running")).state is State.ORPHANED


def test_a_launch_whose_request_is_not_shown_yet_is_starting():
    """AWS may show a pending instance a moment before its request: that is a launch, not an orphan."""
    assert derive(None, instance("pending")).state is State.STARTING


@pytest.mark.parametrize("inst", ["pending", "running", "stopping", "stopped", "shutting-down"])
def test_an_on_demand_box_is_not_judged_by_the_requests_of_its_hunt(inst):
    """The Spot requests that ended before a box fell back to on-demand say nothing of it."""
    fell_back = instance(inst, lifecycle=None, request_id=None)
    alone = derive(None, fell_back)
    for ended in (("cancelled", "canceled-before-fulfillment"), ("failed", "bad-parameters")):
        assert derive(request(*ended), fell_back) == alone


def test_a_spot_request_beside_an_on_demand_box_is_said():
    """Where both are there, two boxes of one name may bill: the reason says so."""
    for state in ("running", "stopped"):
        derived = derive(request("open", "capacity-not-available"), instance(state, lifecycle=None, request_id=None))
        assert derived.state == state
        assert "may launch another" in derived.reason


def test_volumes_alone():
    """A volume that is left is orphaned, or kept where that was asked."""
    ended = request("cancelled", "instance-terminated-by-user")
    for req in (None, ended):
        assert derive(req, None, (data_volume(),)).state is State.ORPHANED
        assert derive(req, None, (data_volume(kept=True),), kept=True).state is State.KEPT
