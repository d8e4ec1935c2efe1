from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotbox.core.boxes import Sight, assemble, gather
from spotbox.core.names import KEEP_TAG, NAME_TAG, OWNER_TAG, ROLE_TAG, VERSION_TAG, box_tags
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
from spotbox.core.removal import parts_of
from spotbox.core.states import LIVE
from spotbox.core.steps import (
    Admit,
    Cancel,
    DeleteGroup,
    DeleteKey,
    DeleteVolume,
    KeepVolume,
    RequireImdsV2,
    Start,
    Stop,
    TagAgain,
    Terminate,
)
from spotbox.core.wishes import Launch, MakeSpotRole, Park
from tests.core.worlds import REGION, WHEN, data_volume, group, instance, key, offer, request, volume, wish

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBkr0lQ4mJjB8iRmPVYlvzZ3ZVFAQrdHv3gXxVJQfGWa"
OTHER = "eu-west-1"


def sight(region=REGION, **parts):
    return Sight(region, **{name: tuple(items) for name, items in parts.items()})


def healthy(**changes):
    parts = {
        "requests": [request()],
        "instances": [instance()],
        "volumes": [volume()],
        "groups": [group()],
        "keys": [key()],
    }
    return sight(**{**parts, **changes})


def named(plan):
    return [(type(step).__name__, *(part["id"] for part in parts_of(step))) for step in plan]


# -- random worlds -------------------------------------------------------------------------------------------------

OWNERS = st.sampled_from([("dev", "alice"), ("train", "alice"), ("dev", "bob"), None])


def tags_of(whose, **extra):
    return {"Name": "theirs"} if whose is None else box_tags(*whose, extra)


def whose_is(home, requests):
    of = next((r for r in requests if r.id == home.request_id and NAME_TAG in r.tags), home)
    return (of.tags[NAME_TAG], of.tags[OWNER_TAG]) if NAME_TAG in of.tags else None


@st.composite
def worlds(draw):
    """All of a region, ours and others', also what no query by tag would show: untagged requests."""
    requests, instances, volumes = [], [], []
    for n in range(draw(st.integers(0, 3))):
        state = draw(st.sampled_from([*LIVE, "cancelled", "closed", "failed"]))
        requests.append(request(state, id=f"sir-{n}", instance_id=None, tags=tags_of(draw(OWNERS))))
    for n in range(draw(st.integers(0, 3))):
        taken = {i.request_id for i in instances}  # a persistent request has one instance at a time
        of = draw(st.sampled_from([None, *(r.id for r in requests if r.id not in taken)]))
        state = draw(st.sampled_from(["pending", "running", "stopping", "stopped", "shutting-down", "terminated"]))
        instances.append(instance(state, id=f"i-{n}", request_id=of, tags=tags_of(draw(OWNERS))))
    for n in range(draw(st.integers(0, 4))):
        at = draw(st.sampled_from([None, *(i.id for i in instances)]))
        extra = {"role": draw(st.sampled_from(["root", "data"])), "keep": draw(st.booleans())}
        # EC2 deletes no attached volume: alice's on an instance that stays would only be refused for ever.
        home = next((i for i in instances if i.id == at), None)
        whose = draw(OWNERS if home is None else st.sampled_from([None, ("dev", "bob"), whose_is(home, requests)]))
        tags = tags_of(whose, **{ROLE_TAG: extra["role"]}, **({KEEP_TAG: "true"} if extra["keep"] else {}))
        dies = at is not None and draw(st.booleans())
        volumes.append(volume(id=f"vol-{n}", instance_id=at, delete_on_termination=dies, tags=tags))
    groups = [group(id=f"sg-{n}", tags=tags_of(draw(OWNERS))) for n in range(draw(st.integers(0, 2)))]
    keys = [key(owner) for owner in draw(st.sets(st.sampled_from(["alice", "bob"])))]
    keys += [key("alice", id="key-manual", name="laptop")] if draw(st.booleans()) else []
    region = draw(st.sampled_from([REGION, OTHER]))
    return sight(region, requests=requests, instances=instances, volumes=volumes, groups=groups, keys=keys)


def shown(world):
    """What observe finds of it: requests are found by their tags alone."""
    return replace(world, requests=tuple(r for r in world.requests if NAME_TAG in r.tags))


def carried_out(world, plan):
    """The world after the plan, step by step, as EC2 would leave it; a terminate that relaunches is an error."""
    requests = {r.id: r for r in world.requests}
    instances = {i.id: i for i in world.instances}
    dead = {i.id for i in world.instances if i.state == "terminated"}
    volumes = {v.id: v for v in world.volumes if not (v.delete_on_termination and v.instance_id in dead)}
    groups, keys = {g.id: g for g in world.groups}, {k.id: k for k in world.keys}
    for step in plan:
        match step:
            case Cancel(_, ids):
                for id_ in ids:
                    requests[id_] = replace(requests[id_], state="cancelled")
            case Terminate(_, ids):
                for id_ in ids:
                    of = requests.get(instances[id_].request_id)
                    assert of is None or of.state not in LIVE, f"{id_} would be launched again by {of}"
                    instances[id_] = replace(instances[id_], state="terminated")
                    for v in [v for v in volumes.values() if v.instance_id == id_]:
                        volumes[v.id] = replace(v, instance_id=None, state="available")
                        if v.delete_on_termination:
                            del volumes[v.id]
            case DeleteVolume(_, id_):
                at = volumes[id_].instance_id
                assert at is None or instances[at].state == "terminated", f"{id_} is in use"
                del volumes[id_]
            case KeepVolume(_, id_):
                volumes[id_] = replace(volumes[id_], tags={**volumes[id_].tags, KEEP_TAG: "true"})
            case DeleteGroup(_, id_):
                del groups[id_]
            case DeleteKey(_, id_):
                del keys[id_]
            case _:
                raise AssertionError(f"down has no business with {step}")
    parts = (requests, instances, volumes, groups, keys)
    names = ("requests", "instances", "volumes", "groups", "keys")
    return sight(world.region, **{name: part.values() for name, part in zip(names, parts, strict=True)})


def ours(world, owner, names):
    """Ids that `owner` may remove: by tag, or reached through a request or an instance that has the tags."""
    mine = set()

    def tagged(thing):
        return thing.tags.get(OWNER_TAG) == owner and (names is None or thing.tags.get(NAME_TAG) in names)

    whose = {r.id: r for r in world.requests}
    for i in world.instances:
        of = whose.get(i.request_id)
        by_request = of is not None and NAME_TAG in of.tags
        if tagged(of) if by_request else tagged(i):
            mine.add(i.id)
            if of is not None and not by_request:
                mine.add(of.id)
    mine |= {r.id for r in world.requests if tagged(r)} | {g.id for g in world.groups if tagged(g)}
    mine |= {
        v.id
        for v in world.volumes
        if (tagged(v) if NAME_TAG in v.tags else v.delete_on_termination and v.instance_id in mine)
    }
    return mine | {k.id for k in world.keys if k.tags[OWNER_TAG] == owner and k.name.startswith(f"spotbox-{owner}-")}


NAMES = st.sampled_from([None, ["dev"], ["train"], ["dev", "train"], ["nobody"]])


@settings(max_examples=400, deadline=None)
@given(worlds(), NAMES, st.booleans())
def test_down_over_random_worlds(world, names, keep):
    """Cancel before terminate, nobody else's things, nothing forgotten, the data kept, and twice is nothing."""
    plan = plan_down([shown(world)], "alice", names, keep)
    kinds = [type(step) for step in plan]
    if Terminate in kinds and Cancel in kinds:
        assert max(i for i, k in enumerate(kinds) if k is Cancel) < kinds.index(Terminate)
    touched = [part["id"] for step in plan for part in parts_of(step)]
    assert len(touched) == len(set(touched)), "nothing is named twice"
    assert set(touched) <= ours(world, "alice", names)
    after = carried_out(world, plan)
    assert plan_down([shown(after)], "alice", names, keep) == (), "a second run has nothing left to do"
    left = gather(shown(after))
    for (owner, name), parts in left.items():
        if owner != "alice" or (names is not None and name not in names):
            continue
        assert all(r.state not in LIVE for r in parts.requests)
        assert all(i.state == "terminated" for i in parts.instances)
        assert parts.groups == []
        assert all(keep and v.tags[ROLE_TAG] == "data" and KEEP_TAG in v.tags for v in parts.volumes)
    if keep:
        before = {v.id for v in world.volumes if v.tags.get(ROLE_TAG) == "data" and not v.delete_on_termination}
        assert before <= {v.id for v in after.volumes}, "no data volume is lost by --keep-data"


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_other_owners_lose_nothing(world):
    """Whatever alice removes, what bob sees of his is the same before and after."""
    after = carried_out(world, plan_down([shown(world)], "alice", None))

    def bobs(seen):
        boxes = {k: p for k, p in gather(shown(seen)).items() if k[0] == "bob"}
        states = {r.id: r.state for p in boxes.values() for r in p.requests}
        states |= {i.id: i.state for p in boxes.values() for i in p.instances}
        return states, {g.id for p in boxes.values() for g in p.groups}, [k for k in seen.keys if "bob" in k.name]

    assert bobs(world) == bobs(after)


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_no_box_makes_a_plan_fail(world):
    """Every box that can be assembled gets its plans, and none names what is not the box's."""
    for box in assemble(shown(world)):
        belongs = {p.id for p in (*box.requests, *box.instances, *box.volumes, *box.groups)}
        for step in (*plan_start(box), *plan_stop(box), *plan_tags(box)):
            ids = {step.instance_id} if isinstance(step, Start | Stop) else set(step.ids)
            assert ids <= belongs
        again = replace(box, instances=(), volumes=())
        assert plan_tags(again) == ()


# -- down, by example ----------------------------------------------------------------------------------------------


def test_the_whole_of_a_box_goes():
    """Request, instance, key and group, in this order; the root volume goes with its instance."""
    assert named(plan_down([healthy()], "alice", ["dev"])) == [
        ("Cancel", "sir-1"),
        ("Terminate", "i-1"),
        ("DeleteKey", "key-alice"),
        ("DeleteGroup", "sg-1"),
    ]


def test_cancels_of_every_region_come_first():
    """With boxes in two regions, both requests are cancelled before anything is terminated."""
    there = sight(
        OTHER,
        requests=[request(id="sir-2", region=OTHER)],
        instances=[instance(id="i-2", request_id="sir-2", region=OTHER)],
    )
    kinds = [type(step) for step in plan_down([healthy(), there], "alice", None)]
    assert kinds[:4] == [Cancel, Cancel, Terminate, Terminate]


def test_a_request_that_is_not_shown_yet_is_cancelled_all_the_same():
    """An instance names its request: that is cancelled even where AWS does not show it yet, or lost its tags."""
    plan = plan_down([sight(instances=[instance()])], "alice", ["dev"])
    assert named(plan) == [("Cancel", "sir-1"), ("Terminate", "i-1")]


def test_a_request_that_cannot_launch_is_not_cancelled():
    """Only open, active and disabled requests can be cancelled (EC2 User Guide, Cancel a Spot Instance request)."""
    seen = sight(requests=[request("cancelled", "request-canceled-and-instance-running")], instances=[instance()])
    assert named(plan_down([seen], "alice", ["dev"])) == [("Terminate", "i-1")]


def test_the_key_goes_with_the_last_box_only():
    """The key pair stays while another box of the owner is in the region, and goes with the last."""
    other = box_tags("train", "alice")
    two = healthy(requests=[request(), request(id="sir-2", tags=other, instance_id=None, state="open")])
    assert ("DeleteKey", "key-alice") not in named(plan_down([two], "alice", ["dev"]))
    assert ("DeleteKey", "key-alice") in named(plan_down([two], "alice", ["dev", "train"]))
    assert ("DeleteKey", "key-alice") in named(plan_down([two], "alice", None))


def test_a_box_of_bobs_does_not_hold_alices_key():
    """Keys are the owner's: bob's box does not keep alice's key, nor does alice's `down` take bob's."""
    bobs = request(id="sir-b", tags=box_tags("dev", "bob"), instance_id=None)
    seen = healthy(requests=[request(), bobs], keys=[key(), key("bob")])
    assert [s.key_id for s in plan_down([seen], "alice", ["dev"]) if isinstance(s, DeleteKey)] == ["key-alice"]


def test_a_key_that_spotbox_did_not_import_stays():
    """A pair without the owner's tag, or under a name that is not spotbox's, is left."""
    seen = healthy(keys=[key(id="key-x", name="laptop"), key(id="key-y", tags={})])
    assert not [s for s in plan_down([seen], "alice", None) if isinstance(s, DeleteKey)]


def test_all_takes_the_key_of_an_empty_region():
    """`down --all` takes the key even where no box is left; a `down NAME` of nothing takes nothing."""
    assert named(plan_down([sight(keys=[key()])], "alice", None)) == [("DeleteKey", "key-alice")]
    assert plan_down([sight(keys=[key()])], "alice", ["dev"]) == ()


def test_keep_data():
    """The data volume is marked before the instance goes; without the flag it is deleted after."""
    seen = healthy(volumes=[volume(), data_volume()], keys=[])
    keep, gone = plan_down([seen], "alice", ["dev"], keep_data=True), plan_down([seen], "alice", ["dev"])
    assert named(keep) == [("Cancel", "sir-1"), ("KeepVolume", "vol-d"), ("Terminate", "i-1"), ("DeleteGroup", "sg-1")]
    assert named(gone) == [
        ("Cancel", "sir-1"),
        ("Terminate", "i-1"),
        ("DeleteVolume", "vol-d"),
        ("DeleteGroup", "sg-1"),
    ]


def test_a_kept_volume_goes_by_down_without_the_flag():
    """`down NAME` without the flag removes what an earlier one kept."""
    seen = sight(volumes=[data_volume(kept=True, instance_id=None, state="available")])
    assert plan_down([seen], "alice", ["dev"], keep_data=True) == ()
    assert named(plan_down([seen], "alice", ["dev"])) == [("DeleteVolume", "vol-d")]


# -- new, start, stop, tags, admit ---------------------------------------------------------------------------------


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
