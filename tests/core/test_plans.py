"""What is planned for a new box, for one that is started or stopped, for two of one name, and for a new address."""

from datetime import timedelta

import pytest

from spotbox.core.boxes import assemble
from spotbox.core.names import OWNER_TAG, ROLE_TAG, VERSION_TAG, box_tags
from spotbox.core.plans import (
    new_group,
    new_key,
    plan_admit,
    plan_down,
    plan_new,
    plan_park,
    plan_start,
    plan_stop,
    plan_tags,
    plan_yield,
)
from spotbox.core.records import Rule
from spotbox.core.steps import Admit, Cancel, RequireImdsV2, Start, Stop, TagAgain, Terminate
from spotbox.core.wishes import Launch, MakeSpotRole, Park
from tests.core.worlds import REGION, WHEN, group, healthy, instance, named, offer, request, volume, wish

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBkr0lQ4mJjB8iRmPVYlvzZ3ZVFAQrdHv3gXxVJQfGWa"


def test_a_new_box():
    """Role where it is missing, then group and key of the first region, and the launch; on demand only where asked."""
    want = wish([offer(zone="eu-west-1a"), offer()])
    there = want.grounds["eu-west-1"]
    assert plan_new(want, make_role=True) == (MakeSpotRole(), there.group, there.key, Launch(want))
    assert plan_new(want, make_role=False, fallback=True)[2:] == (Launch(want), Launch(want, "on-demand"))


def test_a_parked_box():
    """Group and key of the region of the first pool, and one standing request there; nothing is launched."""
    want = wish([offer(), offer(zone="eu-west-1a")])
    here = want.grounds[REGION]
    assert plan_park(want, make_role=False) == (here.group, here.key, Park(want, want.offers[0]))


def test_the_key_is_the_owners_and_the_group_the_boxs():
    """The key carries the owner's tags and no box's name, or `down` of one box would take it from the others."""
    made = new_key(REGION, "alice", KEY)
    assert made.tags == {OWNER_TAG: "alice", VERSION_TAG: made.tags[VERSION_TAG], "Name": made.name}
    assert made.name.startswith("spotbox-alice-")
    rules = (Rule("198.51.100.7/32", "spotbox auto m"),)
    guard = new_group(REGION, "vpc-1", "dev", "alice", rules, {"team": "vision", "Name": "x", "spotbox:name": "y"})
    assert (guard.tags, guard.rules) == (box_tags("dev", "alice", {"team": "vision"}), rules)


def box_of(request_state=("active", "fulfilled"), instance_state="running", **fields):
    (box,) = assemble(healthy(requests=[request(*request_state)], instances=[instance(instance_state, **fields)]))
    return box


USER = {"reason_code": "Client.UserInitiatedShutdown"}
AWS = {"reason_code": "Server.SpotInstanceShutdown"}


@pytest.mark.parametrize(
    ("box", "starts", "stops"),
    [
        (box_of(), False, True),
        (box_of(instance_state="pending"), False, True),
        (box_of(("disabled", "instance-stopped-by-user"), "stopped", **USER), True, False),
        (box_of(("open", "pending-evaluation"), "stopped", **USER), False, True),
        (box_of(("active", "marked-for-stop"), "stopping", **USER), False, False),
        (box_of(("disabled", "instance-stopped-no-capacity"), "stopped", **AWS), False, True),
        (box_of(("open", "capacity-not-available"), "stopped", **AWS), False, True),
        (box_of(("cancelled", "request-canceled-and-instance-running")), False, False),
        (box_of(instance_state="shutting-down"), False, False),
    ],
    ids=lambda value: f"{value.state}-{value.request.state}" if hasattr(value, "state") else str(value),
)
def test_what_can_be_started_and_stopped(box, starts, stops):
    """Only what the user stopped is started; a stop is for what runs, comes up, or AWS interrupted."""
    assert plan_start(box) == ((Start(REGION, "i-1"),) if starts else ())
    assert plan_stop(box) == ((Stop(REGION, "i-1"),) if stops else ())


def test_a_relaunch_is_tagged_again_first():
    """start and stop tag what a relaunch left bare, with the tags of the request; its volume gets the root's role."""
    bare = healthy(instances=[instance(tags={})], volumes=[volume(tags={})])
    (box,) = assemble(bare)
    again = (
        TagAgain(REGION, ("i-1",), box_tags("dev", "alice")),
        TagAgain(REGION, ("vol-1",), box_tags("dev", "alice", {ROLE_TAG: "root"})),
    )
    assert plan_tags(box) == again
    assert plan_stop(box) == (*again, Stop(REGION, "i-1"))


@pytest.mark.parametrize("state", ["pending", "running", "stopping", "stopped"])
@pytest.mark.parametrize("tokens", ["optional", "required", None])
def test_imds_v2_is_required_of_what_a_standing_request_launched(state, tokens):
    """Where EC2 says that IMDSv1 is allowed, and takes the change: for running or stopped instances."""
    (box,) = assemble(healthy(instances=[instance(state, http_tokens=tokens)]))
    due = tokens == "optional" and state in ("running", "stopped")
    assert (RequireImdsV2(REGION, "i-1") in plan_tags(box)) is due


def test_a_box_on_demand_starts_stops_and_goes():
    """The box that fell back has no request: an ended one of its Spot hunt does not make it an orphan."""
    hunted = request("cancelled", "canceled-before-fulfillment", instance_id=None)
    for was, starts, stops in (("running", False, True), ("stopped", True, False), ("pending", False, True)):
        seen = healthy(requests=[hunted], instances=[instance(was, lifecycle=None, request_id=None)])
        (box,) = assemble(seen)
        assert (box.market, box.request, str(box.state)) == ("on-demand", None, was.replace("pending", "starting"))
        assert plan_start(box) == ((Start(REGION, "i-1"),) if starts else ())
        assert plan_stop(box) == ((Stop(REGION, "i-1"),) if stops else ())
        assert named(plan_down([seen], "alice", ["dev"]))[0] == ("Terminate", "i-1")


LATER = WHEN + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("times", "ids", "yields"),
    [
        ((WHEN, LATER), ("sir-1", "sir-2"), False),
        ((LATER, WHEN), ("sir-1", "sir-2"), True),
        ((WHEN, WHEN), ("sir-1", "sir-2"), False),
        ((WHEN, WHEN), ("sir-9", "sir-2"), True),
    ],
)
def test_of_two_launches_of_one_name_the_older_stays(times, ids, yields):
    """Two terminals at once, in two pools: both see the same two and decide alike, and each names only its own."""
    requests = [request(id=i, instance_id=f"i-{n}", created=t) for n, (i, t) in enumerate(zip(ids, times, strict=True))]
    instances = [instance(id=f"i-{n}", request_id=i) for n, i in enumerate(ids)]
    (box,) = assemble(healthy(requests=requests, instances=instances))
    mine = (Cancel(REGION, (ids[0],)), Terminate(REGION, ("i-0",)))
    assert plan_yield(box, "i-0") == (mine if yields else ())
    assert bool(plan_yield(box, "i-1")) is not yields
    assert plan_yield(box, "i-7") == ()


def test_a_box_alone_yields_to_nobody():
    """One launch, or a second that is gone already: nothing is retired."""
    (box,) = assemble(healthy())
    assert plan_yield(box, "i-1") == ()
    ended = [request(), request("cancelled", id="sir-0", instance_id="i-0")]
    (box,) = assemble(healthy(requests=ended, instances=[instance(), instance("terminated", id="i-0")]))
    assert plan_yield(box, "i-1") == ()


MINE = Rule("203.0.113.9/32", "spotbox auto me")


def admitted(rules, address="203.0.113.9"):
    (box,) = assemble(healthy(groups=[group(rules)]))
    return plan_admit(box, address, MINE)


@pytest.mark.parametrize(
    ("rules", "replaces"),
    [
        ([], None),
        ([Rule("198.51.100.7/32", "spotbox auto me")], Rule("198.51.100.7/32", "spotbox auto me")),
        ([Rule("198.51.100.8/32", "spotbox auto other")], None),
        ([Rule("192.0.2.0/24", "spotbox given"), Rule("198.51.100.7/32", "spotbox auto me")],
         Rule("198.51.100.7/32", "spotbox auto me")),
        ([Rule("2001:db8::/64", "spotbox auto me")], Rule("2001:db8::/64", "spotbox auto me")),
    ],
)  # fmt: skip
def test_the_new_address_takes_the_place_of_this_machines_old_one(rules, replaces):
    """Only this machine's own automatic rule is replaced."""
    assert admitted(rules) == (Admit(REGION, "sg-1", MINE, replaces),)


@pytest.mark.parametrize(
    "rules",
    [
        [Rule("203.0.113.0/24", "spotbox given")],
        [MINE],
        [Rule("192.0.2.0/24", "spotbox given")],
        [Rule("192.0.2.0/24", "")],
    ],
)
def test_nothing_is_widened_that_the_user_chose(rules):
    """Who is admitted already needs nothing, and a group with only the user's ranges is not ours to widen."""
    assert admitted(rules) == ()


def test_a_box_without_a_group_has_no_rule_to_change():
    """Nothing to admit to."""
    (box,) = assemble(healthy(groups=[]))
    assert plan_admit(box, "203.0.113.9", MINE) == ()
