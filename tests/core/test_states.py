import itertools
import unicodedata

import pytest

from spotbox.core.states import BILLS_COMPUTE, LIVE, MEANING, State, derive
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
    "Client.InstanceInitiatedShutdown", "Server.InsufficientInstanceCapacity", "Server.SomethingNew",
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
    assert [code for code in CODES if code not in MEANING] == ["never-seen-before", ""]


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


def test_a_relaunch_that_threatens_is_said():
    """Terminated without cancel: the reason says that AWS will launch another."""
    for inst in (None, instance("terminated")):
        assert "launches another" in derive(request("open", "instance-terminated-by-user"), inst).reason


def test_who_stopped_it_is_said():
    """The reason tells a stop by the user from one by the box itself."""
    stopped = request("disabled", "instance-stopped-by-user")
    assert derive(stopped, instance("stopped", reason_code=BY_USER)).reason == "you stopped it"
    assert "itself" in derive(stopped, instance("stopped", reason_code=BY_BOX)).reason


def test_aws_trying_to_restart_is_said():
    """An interrupted box whose request is open again says that AWS is trying."""
    derived = derive(request("open", "capacity-not-available"), instance("stopped", reason_code=BY_AWS))
    assert derived.reason.startswith("AWS is trying to restart it")


def test_a_healthy_box_needs_no_reason():
    """A fulfilled running box has an empty reason; one marked for stop has the warning."""
    assert derive(request(), instance()).reason == ""
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


def test_volumes_alone():
    """A volume that is left is orphaned, or kept where that was asked."""
    ended = request("cancelled", "instance-terminated-by-user")
    for req in (None, ended):
        assert derive(req, None, (data_volume(),)).state is State.ORPHANED
        assert derive(req, None, (data_volume(kept=True),), kept=True).state is State.KEPT
