"""What an audit finds, by example."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from spotbox.core.audit import audit, plan_fix
from spotbox.core.billing import Rates
from spotbox.core.boxes import Sight
from spotbox.core.findings import KEYS, LOTS, TRACE, Finding, Survey, bears_traces
from spotbox.core.names import NAME_TAG, OWNER_TAG, box_tags
from spotbox.core.records import Snapshot
from spotbox.core.steps import Cancel, TagAgain, Terminate
from tests.core.worlds import LATER, REGION, WHEN, data_volume, group, healthy, instance, key, request, sight, volume

CANCELLED = request("cancelled", "request-canceled-and-instance-running")
RATES = Rates(
    spot={(REGION, "g5.xlarge", "us-east-1a"): Decimal("0.4")},
    on_demand={(REGION, "g5.xlarge"): Decimal(1)},
    disk={(REGION, "gp3"): Decimal("0.08")},
    snapshots={REGION: Decimal("0.05")},
)


def found(seen, owner="alice", fresh=LATER, **more):
    return audit(Survey(seen, **more), owner, "alice", fresh)


def rows(findings):
    return [(f.kind, f.id, f.lot) for f in findings]


def test_the_rows_have_the_contracts_keys():
    """`kind id region name owner why usd_per_month remedy`, in this order."""
    assert KEYS == ("kind", "id", "region", "name", "owner", "why", "usd_per_month", "remedy")


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (("active", "fulfilled"), "running"),
        (("active", "fulfilled"), "pending"),
        (("active", "marked-for-stop"), "stopping"),
        (("disabled", "instance-stopped-by-user"), "stopped"),
        (("disabled", "instance-stopped-no-capacity"), "stopped"),
        (("open", "capacity-not-available"), "stopped"),
    ],
)
def test_a_healthy_box_is_no_finding(code, state):
    """A box whose request may launch, or has launched, is healthy: running, stopped or interrupted."""
    assert found(healthy(requests=[request(*code)], instances=[instance(state)])) == ()


def test_a_box_on_demand_is_no_finding():
    """It has no request and needs none."""
    assert found(healthy(requests=[], instances=[instance(lifecycle=None, request_id=None)])) == ()


def test_an_orphaned_instance():
    """Its request is cancelled and it runs on: compute and root disk by the month, and `down` removes it."""
    findings = found(healthy(requests=[CANCELLED]))
    assert rows(findings) == [
        ("instance", "i-1", "instance"),
        ("security-group", "sg-1", "security-group"),
        ("key-pair", "key-alice", "key-pair"),
    ]
    assert findings[0].usd(RATES) == Decimal("0.4") * 730 + 8
    assert findings[0].remedy == "spotbox down dev -r us-east-1"
    assert [f.bills(RATES) for f in findings] == [True, False, False]


def test_a_stopped_orphan_bills_its_disk():
    """No compute is billed for a stopped instance; what is left is the disk."""
    (first, *_) = found(healthy(requests=[CANCELLED], instances=[instance("stopped")]))
    assert first.usd(RATES) == 8


def test_an_unknown_price_counts_as_billing():
    """Unknown is unknown, and no reason to say that nothing bills."""
    (first, *_) = found(healthy(requests=[CANCELLED]))
    assert (first.usd(Rates()), first.bills(Rates())) == (None, True)


def test_an_instance_whose_request_is_not_shown():
    """Old: its request is forgotten or hidden, so the fix cancels it by its id first. New: AWS may show it soon."""
    seen = healthy(requests=[], volumes=[], groups=[], keys=[])
    (first,) = found(seen)
    assert first.steps == (Cancel(REGION, ("sir-1",)), Terminate(REGION, ("i-1",)))
    assert found(seen, fresh=WHEN - timedelta(seconds=1)) == ()


def test_a_relaunch_without_tags():
    """It runs and bills under the box's request: shown, and tagged again by the fix, its disk too."""
    (only,) = found(healthy(instances=[instance(tags={})], volumes=[volume(tags={})]))
    assert (only.kind, only.lot, only.bills(RATES)) == ("instance", "tags", True)
    assert only.steps == (TagAgain(REGION, ("i-1", "vol-1"), box_tags("dev", "alice")),)


def test_a_request_that_lost_its_tags():
    """The instance's tags lead to it: the box is healthy, and the request is tagged again."""
    (only,) = found(healthy(requests=[request(tags={"aws:x": "1"})]))
    assert (only.kind, only.id, only.bills(RATES)) == ("spot-request", "sir-1", False)
    assert only.steps == (TagAgain(REGION, ("sir-1",), box_tags("dev", "alice")),)


def test_a_request_that_lost_its_tags_and_launched_again():
    """Neither it nor what runs now has tags: the instance before, terminated, says whose they are; all is tagged."""
    new = instance(id="i-2", tags={}, volume_ids=("vol-2",))
    (only,) = found(
        healthy(
            requests=[request(instance_id="i-2", tags={})],
            instances=[instance("terminated"), new],
            volumes=[volume(id="vol-2", instance_id="i-2", tags={})],
        )
    )
    assert (only.kind, only.id, only.lot) == ("instance", "i-2", "tags")
    assert only.steps == (TagAgain(REGION, ("i-2", "vol-2", "sir-1"), box_tags("dev", "alice")),)


def test_a_standing_request():
    """`up` waits on it and `down` removes it; the fix leaves it, and it bills nothing until it is fulfilled."""
    waits = request("open", "capacity-not-available", instance_id=None)
    (only,) = found(healthy(requests=[waits], instances=[], volumes=[]))
    assert (only.kind, only.lot, only.steps, only.bills(RATES)) == ("spot-request", "", (), False)
    assert "no Spot capacity" in only.why
    assert only.remedy == "spotbox down dev -r us-east-1"


def test_a_second_request_beside_the_boxs_own():
    """A stray may be fulfilled at any time: the fix cancels it and nothing else."""
    stray = request("open", "pending-evaluation", id="sir-2", instance_id=None, created=WHEN - timedelta(hours=1))
    (only,) = found(healthy(requests=[request(), stray]))
    assert only.steps == (Cancel(REGION, ("sir-2",)),)
    assert only.remedy.startswith("aws ec2 cancel-spot-instance-requests --region us-east-1")


@pytest.mark.parametrize("minutes", [-60, 60])
@pytest.mark.parametrize("tags", [box_tags("dev", "alice"), {}], ids=["tagged", "bare"])
def test_a_stray_is_one_whichever_is_newer(minutes, tags):
    """Where an instance of the box lives, its request is the box's own, though it be older or have lost its tags."""
    made = WHEN + timedelta(minutes=minutes)
    stray = request("open", "pending-evaluation", id="sir-2", instance_id=None, created=made)
    findings = found(healthy(requests=[request(tags=tags), stray]))
    assert [f.steps for f in findings if f.id == "sir-2"] == [(Cancel(REGION, ("sir-2",)),)]


def test_a_request_that_is_being_fulfilled_is_healthy():
    """AWS shows the request active a moment before it shows the instance."""
    assert found(healthy(instances=[], volumes=[])) == ()


def test_a_second_instance_is_told_and_left():
    """Which of two is meant cannot be told: `status` hides one, so the audit shows it."""
    more = [request(id="sir-2", instance_id="i-2")]
    seen = healthy(requests=[request(), *more], instances=[instance(), instance(id="i-2", request_id="sir-2")])
    (only,) = found(seen)
    assert (only.kind, only.steps, only.bills(RATES)) == ("instance", (), True)


def test_a_volume_that_is_left():
    """Its box is gone and nobody asked to keep it: it bills by its own type and size."""
    left = data_volume(instance_id=None, state="available", type="gp2")
    (only,) = found(sight(volumes=[left]))
    assert rows([only]) == [("volume", "vol-d", "volume")]
    assert (only.usd(RATES), only.usd(Rates(disk={(REGION, "gp2"): Decimal("0.1")}))) == (None, 10)


def test_a_kept_volume_is_shown_and_left():
    """`down --keep-data` was asked for: no step, and no reason for exit 6."""
    (only,) = found(sight(volumes=[data_volume(kept=True, instance_id=None, state="available")]))
    assert (only.kept, only.steps, only.usd(RATES), only.bills(RATES)) == (True, (), 8, False)


def test_a_volume_on_a_strangers_instance_is_left():
    """A volume of a box that is gone, attached to what is no box's, is told; EC2 would refuse to delete it."""
    (only,) = found(sight(volumes=[data_volume(instance_id="i-9")]))
    assert only.steps == ()
    assert "i-9" in only.why


@pytest.mark.parametrize(("state", "lot"), [("completed", "snapshot"), ("error", "snapshot"), ("pending", "")])
def test_snapshots(state, lot):
    """Each is shown with what it bills at most; one that is being made is left."""
    snap = Snapshot("snap-1", REGION, state, 100, WHEN, box_tags("dev", "alice"))
    (only,) = found(sight(), snapshots=(snap,))
    assert (only.lot, bool(only.steps), only.usd(RATES)) == (lot, bool(lot), 5)
    assert found(sight(), owner="bob", snapshots=(snap,)) == ()


def test_the_key_of_an_owner_without_a_box():
    """A key pair goes where its owner has no healthy box; one that was imported a moment ago is for an `up`."""
    (only,) = found(sight(keys=[key(), key(id="key-x", name="laptop")]))
    assert rows([only]) == [("key-pair", "key-alice", "key-pair")]
    assert found(sight(keys=[key(created=LATER + timedelta(seconds=1))])) == ()
    assert found(healthy()) == ()


def test_what_bears_only_traces():
    """Our key or our group and none of our tags: shown by itself; its request is cancelled before it."""
    bare = instance(id="i-9", request_id="sir-9", tags={"Name": "mine"})
    seen = sight(groups=[group()])
    assert bears_traces(bare, seen, "alice")
    (only, *_) = [f for f in found(seen, traced=(bare,)) if f.kind == "instance"]
    assert (only.lot, only.owner, only.name) == (TRACE, "alice", None)
    assert only.steps == (Cancel(REGION, ("sir-9",)), Terminate(REGION, ("i-9",)))
    assert only.remedy == "spotbox audit --fix -r us-east-1"


@pytest.mark.parametrize(
    ("fields", "owner", "bears"),
    [
        ({"key_name": "spotbox-alice-0123456789abcdef"}, "alice", True),
        ({"key_name": "spotbox-alice-b-0123456789abcdef"}, "alice", False),
        ({"key_name": "spotbox-alice-b-0123456789abcdef"}, None, True),
        ({"key_name": "spotbox-alice-laptop"}, "alice", False),
        ({"key_name": None, "group_ids": ("sg-1",)}, "alice", True),
        ({"key_name": "laptop", "group_ids": ("sg-9",)}, "alice", False),
        ({"tags": box_tags("dev", "bob")}, "alice", False),
        ({"state": "terminated"}, "alice", False),
    ],
)
def test_what_counts_as_a_trace(fields, owner, bears):
    """The key's name says whose it is, to the letter; the group is known by its id; what has tags has an owner."""
    bare = replace(instance(tags={}), **fields)
    assert bears_traces(bare, sight(groups=[group()]), owner) is bears


def test_others_are_named_in_the_remedy():
    """With `--owner all` every command says whose thing it removes."""
    (first, *_) = audit(Survey(healthy(requests=[CANCELLED])), None, "", LATER)
    assert first.remedy == "spotbox down dev -r us-east-1 --owner alice"


def test_a_hostile_name_reaches_no_shell():
    """A tag that is no box's name, and an owner with a shell's words in it, are quoted or left out of the remedy."""
    tags = {NAME_TAG: "dev; rm -rf ~\n", OWNER_TAG: "$(boom)"}
    findings = audit(Survey(sight(volumes=[data_volume(tags=tags, instance_id=None)])), None, "", LATER)
    assert [f.remedy for f in findings] == ["spotbox audit --fix -r us-east-1 --owner '$(boom)'"]


def test_a_group_that_is_in_use_stays():
    """A step that EC2 would refuse for minutes is no step: the group of an instance that stays is left."""
    bare = instance(id="i-9", tags={}, group_ids=("sg-1",))
    survey = Survey(sight(groups=[group()]), traced=(bare,))
    findings = audit(survey, "alice", "alice", LATER)
    kinds = {type(step).__name__ for step in plan_fix([f for f in findings if f.lot != TRACE], [survey])}
    assert kinds == set()
    kinds = {type(step).__name__ for step in plan_fix(findings, [survey])}
    assert kinds == {"Cancel", "Terminate", "DeleteGroup"}


def test_every_lot_has_its_words():
    """A finding with steps belongs to a lot that `--fix` asks for."""
    assert set(LOTS) >= {"tags", "instance", "spot-request", "volume", "snapshot", "security-group", "key-pair", TRACE}


def test_a_finding_without_anything_to_bill_is_free():
    """Groups and keys cost nothing."""
    assert Finding("key-pair", "key-1", REGION, None, "alice", "", "").usd(Rates()) == 0
    assert isinstance(sight(), Sight)
