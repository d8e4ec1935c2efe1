"""Every code of AWS is explained: what happened, who did it, what bills, what comes next, what the user can do."""

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from spotbox.core.boxes import Sight, assemble
from spotbox.core.explain import DO, NEXT, explain, why_ended
from spotbox.core.meanings import CODES, REASONS, STATES, Who
from spotbox.core.states import State, meaning_of, meaning_of_reason
from tests.core.test_states import CODES as LISTED
from tests.core.test_states import INSTANCE_STATES, REQUEST_STATES
from tests.core.test_states import REASONS as SOME_REASONS
from tests.core.worlds import REGION, data_volume, instance, request, volume

BESIDE = Path(__file__).resolve().parents[3] / "shared"  # sheets of what AWS documents, where they are
# EC2 API reference, StateReason: the whole list of Code.
STATE_REASONS = {
    "Server.InsufficientInstanceCapacity", "Server.InternalError", "Server.ScheduledStop",
    "Server.SpotInstanceShutdown", "Server.SpotInstanceTermination", "Client.InstanceInitiatedShutdown",
    "Client.InstanceTerminated", "Client.InternalError", "Client.InvalidSnapshot.NotFound",
    "Client.UserInitiatedHibernate", "Client.UserInitiatedShutdown", "Client.VolumeLimitExceeded",
}  # fmt: skip
COMMANDS = {"move", "up", "ssh", "down", "status", "stop", "start"}
LONGEST = 90  # characters of a reason: it is the last column of a table


def section(start: str, end: str) -> str:
    """A sheet's text from one heading to another."""
    for sheet in sorted(BESIDE.glob("*.md")):
        text = sheet.read_text(encoding="utf-8")
        if f"\n{start}" in text and f"\n{end}" in text:
            return text[text.index(f"\n{start}") : text.index(f"\n{end}")]
    pytest.skip("the sheet of AWS facts is not beside this checkout")


def boxes(req, inst, volumes=()):
    return assemble(
        Sight(REGION, (req,) if req else (), (inst,) if inst else (), volumes=volumes),
    )


def box(req=None, inst=None, volumes=(), **prices):
    (found,) = boxes(req, inst, volumes)
    return replace(found, **prices)


def test_every_code_is_in_the_table():
    """Every Status.Code of the User Guide and every StateReason of the API reference has a row."""
    assert set(CODES) == set(LISTED) - {"never-seen-before", ""}
    assert set(REASONS) == STATE_REASONS
    assert set(STATES) == set(REQUEST_STATES)


def test_every_status_code_of_the_facts_is_in_the_table():
    """The table of status codes and the tolerated old ones, read from the sheet itself."""
    text = section("### 2.2", "### 2.3")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    old = text[text.index("Also seen in older docs") :].splitlines()[0]
    found = {code for cell in (*rows, old) for code in re.findall(r"`([a-z]+(?:-[a-z]+)*)`", cell)}
    assert len(found) > 28
    assert found - set(CODES) == set()


def test_every_state_reason_of_the_facts_is_in_the_table():
    """Every StateReason that the sheet names under interruptions."""
    found = set(re.findall(r"`((?:Server|Client)\.[A-Za-z.]+)`", section("## 3.", "## 4.")))
    assert len(found) >= 5
    assert found - set(REASONS) == set()


def whole_product():
    requests = [None] + [request(s, c, message="AWS says so.") for s in REQUEST_STATES for c in LISTED]
    instances = [None] + [
        instance(s, reason_code=r, lifecycle=kind, request_id="sir-1" if kind else None)
        for s in INSTANCE_STATES
        for r in SOME_REASONS
        for kind in ("spot", None)
    ]
    for req in requests:
        for inst in instances:
            for volumes in ((), (volume(),), (data_volume(kept=True, instance_id=None),)):
                yield from boxes(req, inst, volumes)


def test_the_whole_product_is_explained():
    """Every box that can be seen has all five answers, short enough, names commands that exist, bills what it has."""
    for found in whole_product():
        why = explain(found)
        case = (found.state, found.request and found.request.code, found.instance, why)
        assert all(value for _, value in why.lines()), case
        assert [label for label, _ in why.lines()][:5] == ["what", "who", "bills", "next", "you can"], case
        assert isinstance(why.who, Who), case
        assert len(found.reason) <= LONGEST, case
        named = re.findall(r"spotbox (\w+)(?: dev)?", why.do)
        assert named, case
        assert set(named) <= COMMANDS, case
        assert "{" not in why.do, case
        assert why.disk_gib == sum(v.size_gib for v in found.volumes), case
        runs = found.instance is not None and found.instance.state in ("running", "stopping")
        assert why.compute or not runs, f"{case}: it hides that it bills"
        if found.state in (State.STOPPED, State.INTERRUPTED, State.WAITING, State.KEPT, State.FAILED):
            assert not why.compute, case


def test_a_kept_volume_can_be_taken_back():
    """What can be done with a kept data volume names both: `up`, which takes it back, and `down`, which deletes it."""
    assert re.findall(r"spotbox (\w+)", DO[State.KEPT]) == ["up", "down"]


def test_every_state_has_its_default():
    """What comes next and what can be done is said for every state."""
    assert set(NEXT) == set(DO) == set(State)


def test_unknown_codes_pass_through_with_awss_words():
    """A code of tomorrow is shown with its message, and nobody is blamed for it."""
    new = meaning_of(request("open", "never-seen-before", message="AWS says so."))
    assert (new.what, new.who) == ("never-seen-before: AWS says so.", Who.UNKNOWN)
    assert meaning_of(request("open", "", message="")).what == "the Spot request is open"
    assert meaning_of(request("paused", "", message="")).what == "the Spot request is paused"
    reason = meaning_of_reason(instance("stopped", reason_code="Server.New", reason_message="Server.New: so it is"))
    assert (reason.what, reason.who) == ("Server.New: so it is", Who.UNKNOWN)
    assert meaning_of_reason(instance("stopped", reason_code="Server.New", reason_message="x")).what == "Server.New: x"
    assert meaning_of_reason(instance("stopped")).what == "AWS gives no reason"


def test_the_message_names_the_cause_where_the_code_does_not():
    """Which constraint, parameter or key it is stands in AWS's message only."""
    waiting = box(request("open", "constraint-not-fulfillable", message="No such zone.", instance_id=None))
    assert waiting.reason == "a constraint of the request cannot be met: No such zone."
    dead = instance("terminated", reason_code="Client.InternalError", reason_message="Client error on launch")
    assert meaning_of_reason(dead).what.endswith("may not be used: Client error on launch")


def test_an_interrupted_box_in_full():
    """All five answers and AWS's own words of the box that AWS stopped."""
    stopped = instance(
        "stopped", reason_code="Server.SpotInstanceShutdown", reason_message="Server.SpotInstanceShutdown: x"
    )
    req = request("disabled", "instance-stopped-no-capacity", message="No capacity.")
    found = box(req, stopped, (volume(), data_volume()), spot=Decimal("0.4027"))
    assert explain(found).lines() == [
        ("what", "AWS took the capacity back; only AWS can restart it"),
        ("who", "AWS"),
        ("bills", "the disk (200 GiB) only"),
        (
            "next",
            "when there is capacity again, AWS restarts it in the same zone, as the same type, with its disk, "
            "at a new address; instance store is lost",
        ),
        (
            "you can",
            "wait for AWS: spotbox up dev; take it elsewhere, disk included: spotbox move dev; remove it: "
            "spotbox down dev",
        ),
        ("AWS says", "No capacity. (instance-stopped-no-capacity); Server.SpotInstanceShutdown: x"),
    ]


def test_what_a_running_box_bills():
    """Compute at the price of its market, and the disk."""
    found = box(request(), instance(), (volume(),), spot=Decimal("0.4027"), on_demand=Decimal("1.006"))
    assert explain(found).bills == "compute at $0.4027/h and the disk (100 GiB)"
    alone = instance(lifecycle=None, request_id=None)
    found = box(None, alone, (volume(),), spot=Decimal("0.4027"), on_demand=Decimal("1.006"))
    assert (found.market, explain(found).bills) == ("on-demand", "compute at $1.0060/h and the disk (100 GiB)")


def test_a_relaunch_says_that_it_will_bill():
    """Somebody terminated the instance outside `down`: it comes back and bills, and `down` prevents it."""
    gone = instance("terminated", reason_code="Client.UserInitiatedShutdown")
    why = explain(box(request("open", "pending-evaluation"), gone))
    assert (why.who, why.compute) == (Who.YOU, False)
    assert "launches another instance" in why.next
    assert "bills" in why.next
    assert why.do.startswith("prevent it: spotbox down dev")


def test_a_box_on_demand_shows_no_request_of_its_hunt():
    """The request that ended before the fallback is not the box's: request_id is null, market on-demand."""
    ended = request("cancelled", "canceled-before-fulfillment", instance_id=None)
    found = box(ended, instance("stopped", lifecycle=None, request_id=None), (volume(),))
    assert (found.state, found.market, found.request) == (State.STOPPED, "on-demand", None)


def test_why_a_launch_died():
    """What the code means, AWS's own words, and what mends it."""
    dead = instance("terminated", reason_code="Client.VolumeLimitExceeded", reason_message="Limit of 20 TiB")
    why, mend = why_ended(dead, "dev")
    assert why == "the limit on EBS volumes or their total size is reached (Limit of 20 TiB)"
    assert mend.endswith("then: spotbox up dev")
    unknown = instance("terminated", reason_code="Server.New", reason_message="x")
    assert why_ended(unknown, "dev") == ("Server.New: x", "")
