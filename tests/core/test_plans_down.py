"""What `down` plans: laws over random worlds, and one by one what goes, what stays and in which order."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from spotbox.core.boxes import assemble, gather
from spotbox.core.names import KEEP_TAG, ROLE_TAG, box_tags
from spotbox.core.plans import plan_down, plan_start, plan_stop, plan_tags
from spotbox.core.removal import parts_of
from spotbox.core.states import LIVE
from spotbox.core.steps import Cancel, DeleteKey, Start, Stop, Terminate
from tests.core.randomworlds import OTHER, carried_out, ours, shown, worlds
from tests.core.worlds import data_volume, healthy, instance, key, named, request, sight, volume

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
