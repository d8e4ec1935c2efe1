"""`audit`: what is left over, what it bills, and what removes it."""

import csv
import io
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from spotbox.core.findings import KEYS
from spotbox.core.names import KEEP_TAG, ROLE_TAG, box_tags
from spotbox.core.records import Snapshot
from tests.commands.fakes import live
from tests.commands.test_status import NASTY, clean
from tests.commands.world import RAW

ORPHAN = ("instance", "i-1", "us-east-1", "dev", "alice", "its Spot request is cancelled, but the instance runs on",
          pytest.approx(123.194), "spotbox down dev -r us-east-1")  # fmt: skip


def volume_left(world, id_="vol-9", name="old", owner="alice", region="eu-west-1", **tags):
    """A volume whose box is gone."""
    world.has_box(name, "kept", owner=owner, region=region)
    (made,) = [v for v in world.volumes.values() if v.tags["spotbox:name"] == name]
    del world.volumes[made.id]
    world.volumes[id_] = replace(made, id=id_, tags=box_tags(name, owner, {ROLE_TAG: "data", **tags}))
    world.groups.clear()
    world.keys.clear()


def trace(world, key=None):
    """An instance that somebody launched with alice's key pair."""
    world.has_box("dev")
    number = world.has_box("other", owner="carol")
    at = world.instances[f"i-{number}"]
    world.instances[at.id] = replace(at, tags={}, request_id=None, lifecycle=None, group_ids=(),
                                     key_name=key or world.instances["i-1"].key_name)  # fmt: skip
    disk = next(v for v in world.volumes.values() if v.instance_id == at.id)
    world.volumes[disk.id] = replace(disk, tags={})
    for things in (world.requests, world.groups, world.keys):
        for id_ in [id_ for id_, thing in things.items() if thing.tags["spotbox:owner"] == "carol"]:
            del things[id_]
    return at.id


@pytest.mark.parametrize("was", [state for state in RAW if state not in ("waiting", "orphaned", "failed")])
def test_healthy_boxes_are_no_rows(user, was):
    """Whatever state a box is in, as long as its request holds it: exit 0, nothing on stdout."""
    user.world.has_box("dev", was)
    user.world.has_box("train", region="eu-west-1")
    said = user.run("audit")
    rows = "dev" if was == "terminating" else ""  # its group is left until `down` is through
    assert (said.code, rows in said.out) == (0, True)
    if not rows:
        assert said.err == "nothing is left over: alice has nothing outside of healthy boxes\n"


def test_an_orphan_has_the_contracts_row(user):
    """Every key in its order, the price by the month with its disk, the command that removes it; exit 6."""
    user.world.has_box("dev", "orphaned")
    said = user.run("audit", "-o", "json")
    assert said.code == 6
    assert tuple(said.json[0]) == KEYS
    assert tuple(said.json[0].values()) == ORPHAN
    assert [row["kind"] for row in said.json] == ["instance", "security-group", "key-pair"]
    assert "spotbox: 1 thing outside of healthy boxes: $123.19/month as far as known\n" in said.err


def test_table_and_csv(user):
    """A table for a reader, CSV with a header for a script; none of it but data on stdout."""
    user.world.has_box("dev", "orphaned")
    said = user.run("audit")
    assert said.out.splitlines()[0].split() == ["kind", "id", "region", "name", "owner", "$/month", "why", "remedy"]
    assert "$123.19" in said.out
    (first, *_) = csv.DictReader(io.StringIO(user.run("audit", "-o", "csv").out))
    assert tuple(first) == KEYS
    assert user.run("audit", "-r", "eu-west-1", "-o", "csv").out == ",".join(KEYS) + "\n"
    assert user.run("audit", "-r", "eu-west-1", "-o", "json").out == "[]\n"


def test_the_commands_that_it_names_remove_it(user):
    """The remedy of a row, typed as it stands, leaves nothing of the box."""
    user.world.has_box("dev", "orphaned")
    (row, *_) = user.run("audit", "-o", "json").json
    assert user.run(*row["remedy"].split()[1:], "-y").code == 0
    assert user.world.left() == []
    assert user.run("audit").code == 0


def test_fix_removes_and_looks_again(user):
    """Instance, volume, snapshot, group and key of two regions, kind by kind after asking; then nothing is left."""
    volume_left(user.world)
    user.world.has_box("dev", "orphaned")
    tags = box_tags("old", "alice")
    user.world.snapshots["snap-1"] = Snapshot("snap-1", "us-east-1", "completed", 50, user.world.now(), tags)
    kinds = ["Terminate what no Spot request holds (1 thing of alice)?", "Delete volumes", "Delete snapshots",
             "Delete security groups", "Delete key pairs"]  # fmt: skip
    said = user.run("audit", "--fix", answers=[(kind, True) for kind in kinds])
    assert (said.code, said.out, user.world.left()) == (0, "", [])
    assert "removed snapshot snap-1 (us-east-1)\n" in said.err
    assert said.err.endswith("nothing is left over: alice has nothing outside of healthy boxes\n")


def test_no_is_no(user):
    """What the user does not want removed stays, is shown, and is the reason for exit 6."""
    volume_left(user.world)
    said = user.run("audit", "--fix", answers=[("Delete volumes and all that is on them (1 thing of alice)?", False)])
    assert (said.code, list(user.world.volumes)) == (6, ["vol-9"])
    assert "left as it is: vol-9\n" in said.err


def test_fix_without_a_terminal(user):
    """-y is missing: exit 2 and nothing is changed; with -y it goes through."""
    user.world.has_box("dev", "orphaned")
    before = user.world.left()
    said = user.run("audit", "--fix")
    assert (said.code, user.world.left()) == (2, before)
    assert "-y is missing" in said.err
    assert user.run("audit", "--fix", "-y").code == 0
    assert user.world.left() == []


def test_kept_volumes_are_shown_and_stay(user):
    """Kept by `down --keep-data`: known to the user, so no exit 6, and never removed by the fix."""
    user.world.has_box("dev", "kept")
    user.world.groups.clear()
    user.world.keys.clear()
    said = user.run("audit", "--fix", "-y", "-o", "json")
    assert (said.code, len(user.world.volumes)) == (0, 1)
    (row,) = said.json
    assert (row["kind"], row["usd_per_month"]) == ("volume", 8.0)
    assert row["why"].startswith("kept")


def test_a_relaunch_is_shown_and_tagged_again(user):
    """Terminated but not cancelled: AWS launches another without tags. It bills unseen, so 6; the fix tags it."""
    user.world.has_box("dev")
    user.world.gone("i-1")
    user.world.sleep(90)
    said = user.run("audit", "-o", "json")
    (row,) = said.json
    assert (said.code, row["kind"], row["remedy"]) == (6, "instance", "spotbox down dev -r us-east-1")
    assert "without tags" in row["why"]
    assert user.run("audit", "--fix", "-y").code == 0
    assert user.run("status", "dev", "-o", "json").json["untagged"] == []


def test_a_standing_request_is_listed_and_left(user):
    """A parked request is the user's: listed with its remedy, bills nothing yet, and the fix does not cancel it."""
    user.world.has_box("dev", "waiting")
    said = user.run("audit", "--fix", "-y", "-o", "json")
    (row,) = said.json
    assert (said.code, row["kind"], row["usd_per_month"]) == (0, "spot-request", 0.0)
    assert [r.id for r in live(user.world)] == ["sir-1"]


def test_a_stray_request_beside_the_box_is_cancelled(user):
    """A second open request of one name: the fix cancels that one, and the box runs on."""
    user.world.has_box("dev")
    stray = replace(user.world.requests["sir-1"], id="sir-9", state="open", instance_id=None,
                    created=user.world.now() - timedelta(days=2))  # fmt: skip
    user.world.requests["sir-9"] = stray
    assert user.run("audit", "--fix", "-y").code == 0
    assert [r.id for r in live(user.world)] == ["sir-1"]
    assert user.world.instances["i-1"].state == "running"


def test_what_bears_only_traces_is_asked_for_by_itself(user):
    """It may be somebody else's: -y leaves it, exit 6; asked, the default is no, and yes terminates it."""
    at = trace(user.world)
    said = user.run("audit", "--fix", "-y", "-o", "json")
    assert (said.code, user.world.instances[at].state) == (6, "running")
    (row,) = said.json
    assert (row["id"], row["name"], row["usd_per_month"]) == (at, None, pytest.approx(0.526 * 730 + 8))
    assert "traces" in row["why"]
    question = "Terminate what bears only spotbox's traces, and may be somebody else's (1 thing of alice)?"
    assert user.run("audit", "--fix", answers=[(question, ...)]).code == 6
    assert user.world.instances[at].state == "running"
    assert user.run("audit", "--fix", answers=[(question, True)]).code == 0
    assert user.world.instances[at].state == "terminated"
    assert user.world.instances["i-1"].state == "running"


def test_everyones(user):
    """--owner all shows everyone's and names the owner in each remedy; alone it is the user's own."""
    user.world.has_box("dev", "orphaned", owner="bob")
    assert user.run("audit").code == 0
    said = user.run("audit", "--owner", "all", "-o", "json")
    assert (said.code, said.json[0]["owner"]) == (6, "bob")
    assert said.json[0]["remedy"] == "spotbox down dev -r us-east-1 --owner bob"


def test_fixing_everyones_needs_to_be_meant(user):
    """-y with --owner all is a usage error; asked, the question names the owners and the default is no."""
    user.world.has_box("dev", "orphaned", owner="bob")
    said = user.run("audit", "--fix", "-y", "--owner", "all")
    assert (said.code, "--owner NAME" in said.err) == (2, True)
    kinds = ["Terminate what no Spot request holds (1 thing of bob)?", "Delete security groups", "Delete key pairs"]
    assert user.run("audit", "--fix", "--owner", "all", answers=[(kind, ...) for kind in kinds]).code == 6
    assert user.world.instances["i-1"].state == "running"
    assert user.run("audit", "--fix", "--owner", "bob", "-y").code == 0
    assert user.world.left() == []


def test_a_region_that_cannot_be_seen(user):
    """It cannot be said that nothing bills there: a remark, a row, and exit 6; asked again while it may pass."""
    user.world.refuses("DescribeInstances", "RequestLimitExceeded", region="eu-west-1")
    said = user.run("audit", "-o", "json")
    (row,) = said.json
    assert (said.code, row["kind"], row["id"], row["usd_per_month"]) == (6, "region", "eu-west-1", None)
    assert row["why"].startswith("not seen: ")
    assert row["remedy"] == "spotbox audit -r eu-west-1"
    assert "could not look in eu-west-1" in said.err


def test_a_throttled_region_is_asked_again(user):
    """Throttling passes: the look is repeated and nothing is told."""
    user.world.refuses("DescribeInstances", "RequestLimitExceeded", region="eu-west-1", times=3)
    assert user.run("audit").code == 0


def test_without_permission_nothing_was_seen(user):
    """Where no region can be looked at, it is the error of that kind."""
    user.world.refuses("DescribeInstances", "UnauthorizedOperation", http=403)
    assert user.run("audit").code == 5


def test_an_unknown_price_is_unknown(user):
    """Prices that cannot be had are null, not 0, and the thing counts as billing."""
    user.world.has_box("dev", "orphaned")
    user.world.refuses("DescribeSpotPriceHistory", "UnauthorizedOperation")
    said = user.run("audit", "-o", "json")
    assert (said.code, said.json[0]["usd_per_month"]) == (6, None)
    assert "unknown" in user.run("audit").out


def test_what_resists_is_told(user):
    """A step that AWS refuses: the rest is done, the thing is still shown, exit 6."""
    user.world.has_box("dev", "orphaned")
    volume_left(user.world)
    user.world.refuses("DeleteVolume", "UnauthorizedOperation", http=403)
    said = user.run("audit", "--fix", "-y", "-o", "json")
    assert (said.code, [row["id"] for row in said.json]) == (6, ["vol-9"])
    assert "could not delete volume vol-9" in said.err
    assert user.world.instances["i-1"].state == "terminated"


def test_hostile_tags_are_shown_and_nothing_more(user):
    """Names and owners from AWS cannot move the cursor, nor end a shell's word in the remedy."""
    volume_left(user.world)
    tags = {"spotbox:name": f"{NASTY}; rm -rf ~", "spotbox:owner": "alice"}
    user.world.volumes["vol-9"] = replace(user.world.volumes["vol-9"], tags=tags)
    for form in ("table", "json", "csv"):
        said = user.run("audit", "-o", form)
        assert said.code == 6
        assert clean(said.out)
        assert clean(said.err)
    (row,) = user.run("audit", "-o", "json").json
    assert row["remedy"] == "spotbox audit --fix -r eu-west-1"
    assert user.run("audit", "--fix", "-y").code == 0


def test_the_sandbox_takes_the_default_and_says_so(user):
    """Without a terminal nothing is at stake there; the remedies carry --sandbox, so that they can be typed."""
    user.world.has_box("dev", "orphaned")
    said = user.run("audit", "-o", "json", sandbox=True)
    assert said.json[0]["remedy"].startswith("spotbox down dev")
    said = user.run("audit", "--fix", sandbox=True)
    assert (said.code, user.world.left()) == (0, [])
    assert "taking the defaults, as this is the sandbox" in said.err


def test_a_snapshot_whose_price_is_unknown(user):
    """Snapshots bill; where the price list does not say what, that is unknown and exit 6."""
    user.world.snapshot_usd = None
    user.world.snapshots["snap-1"] = Snapshot("snap-1", "us-east-1", "completed", 50, None, box_tags("a", "alice"))
    said = user.run("audit", "-o", "json")
    assert (said.code, said.json[0]["usd_per_month"]) == (6, None)
    user.world.snapshot_usd = Decimal("0.05")
    assert user.run("audit", "-o", "json").json[0]["usd_per_month"] == 2.5
    assert KEEP_TAG not in user.world.snapshots["snap-1"].tags
