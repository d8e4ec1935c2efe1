"""`cost`: what is printed, what is asked of AWS for it, and what is said where AWS no longer tells."""

import shutil
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from spotbox.core.cost_past import What
from spotbox.core.cost_report import KEYS, hours
from spotbox.core.names import KEEP_TAG, ROLE_TAG
from spotbox.width import columns_of
from tests.commands.world import RAW

DAY = 86400
TABLE = """\
       ran  stopped                                 on-demand
box      h        h  compute   disk   IPv4   total    compute  savings
---  -----  -------  -------  -----  -----  ------  ---------  -------
dev  100.0      0.0   $15.78  $1.10  $0.50  $17.38     $52.60    70.0%
estimate: $17.38, savings: 70.0%
"""
NOTES = """\
estimates since each box was made: Spot prices as they were then, the others of this week; savings are of compute
not counted: data transfer, snapshots, IOPS and taxes
"""
DEV = {"name": "dev", "running_hours": 100.0, "stopped_hours": 0.0, "compute_usd": 15.78, "disk_usd": 1.0959,
       "on_demand_usd": 52.6, "savings_pct": 70.0, "complete": True}  # fmt: skip


def past(world, *events, launched=None, transition="", **instance):
    """What CloudTrail wrote down of i-1, (hours ago, what) each; its last start so many hours ago."""
    world.books.events["i-1"] = list(events)
    when = world.instances["i-1"].launched if launched is None else ago(world, launched)
    world.instances["i-1"] = replace(world.instances["i-1"], launched=when, transition=transition, **instance)


def ago(world, hours):
    return world.now() - timedelta(hours=hours)


def said_when(world, hours, why="User initiated"):
    """A StateTransitionReason."""
    return f"{why} ({ago(world, hours):%Y-%m-%d %H:%M:%S} GMT)"


def asked(world, what):
    """The questions of a kind."""
    return [question for question in world.asked if question[0] == what]


def test_a_box_that_ran_on(user):
    """100 h at 0.1578, 100 GiB for 100 of 730 h at 0.08, an address at 0.005: no trail is needed, and none asked."""
    user.world.has_box("dev", age=100 * 3600)
    said = user.run("cost")
    assert (said.code, said.err) == (0, NOTES)
    assert said.out == TABLE
    assert asked(user.world, "trail") == []
    assert len(asked(user.world, "pool")) == 1


def test_the_contracts_keys(user):
    """-o json is an array, an object where one box was named; csv has the same keys in the same order."""
    user.world.has_box("dev", age=100 * 3600)
    assert user.run("cost", "-o", "json").json == [DEV]
    assert user.run("cost", "dev", "-o", "json").json == DEV
    assert tuple(DEV) == KEYS
    lines = user.run("cost", "-o", "csv").out.splitlines()
    assert lines == [",".join(KEYS), "dev,100.0,0.0,15.78,1.0959,52.6,70.0,True"]


def test_stops_and_an_interruption_from_the_trail(user):
    """Made 100 h ago, stopped for 30 h, taken by AWS within an hour of its start, started last 10 h ago."""
    user.world.has_box("dev", age=100 * 3600)
    start, stop, taken = What.STARTED, What.STOPPED, What.TAKEN
    past(user.world, (100, start), (60, stop), (30, start), (29.5, taken), (10, start), launched=10)
    found = user.run("cost", "dev", "-o", "json").json
    assert found["running_hours"] == 50.5
    assert found["stopped_hours"] == 49.5
    assert found["compute_usd"] == pytest.approx(50 * 0.1578, abs=1e-4)  # the half hour was free
    assert found["on_demand_usd"] == pytest.approx(50.5 * 0.526, abs=1e-4)
    assert found["complete"] is True
    assert asked(user.world, "trail") == [("trail", "us-east-1", ("i-1",))]


def test_prices_that_moved(user):
    """Each hour at the price in force in it: 60 h at 0.10 and 40 h at 0.20 is 14."""
    user.world.has_box("dev", age=100 * 3600)
    user.world.changes = {("g4dn.xlarge", "us-east-1a"): [(500, "0.10"), (40, "0.20")]}
    assert user.run("cost", "dev", "-o", "json").json["compute_usd"] == 14.0


def test_a_stopped_box(user):
    """Its last stop stands in StateTransitionReason: 80 h run, 20 h stopped, the disk throughout."""
    user.world.has_box("dev", "stopped", age=100 * 3600)
    past(user.world, transition=said_when(user.world, 20))
    found = user.run("cost", "dev", "-o", "json").json
    assert (found["running_hours"], found["stopped_hours"], found["disk_usd"]) == (80.0, 20.0, 1.0959)
    assert found["complete"]


def test_cloudtrail_refused(user):
    """No error: what it would have told is not counted, which is said, and the figures are called incomplete."""
    user.world.has_box("dev", age=100 * 3600)
    past(user.world, (60, What.STOPPED), launched=10)
    user.world.refuses("LookupEvents", "AccessDeniedException", http=403)
    said = user.run("cost")
    assert said.code == 0
    assert "dev: CloudTrail was not asked: no permission for ec2:LookupEvents" in said.err
    assert "dev: whether it ran is not known for 90.0 h, not counted:" in said.err
    assert "estimate: at least $2.72, savings: 70.0%" in said.out
    found = user.run("cost", "dev", "-o", "json").json
    assert (found["running_hours"], found["complete"]) == (10.0, False)


def test_older_than_the_trail_and_the_prices(user):
    """A box of 200 days: before CloudTrail's 90 it is not known whether it ran; nothing is invented."""
    user.world.has_box("dev", age=200 * DAY)
    past(user.world, (2400, What.STOPPED), (240, What.STOPPED), (100, What.STARTED), launched=100)
    found = user.run("cost", "dev", "-o", "json").json
    assert found["running_hours"] == 90 * 24 - 240 + 100
    assert found["complete"] is False
    assert user.run("cost", "dev", "--since", "30d", "-o", "json").json["complete"] is True


def test_hours_that_no_price_is_known_for(user):
    """Running since 200 days without a stop: LaunchTime says so; the prices before the history's first are unknown."""
    user.world.has_box("dev", age=200 * DAY)
    user.world.changes = {("g4dn.xlarge", "us-east-1a"): [(2000, "0.10")]}
    said = user.run("cost")
    assert f"dev: {200 * 24 - 2000}.0 h ran at a price that AWS no longer tells, and are not counted" in said.err
    found = user.run("cost", "dev", "-o", "json").json
    assert (found["running_hours"], found["compute_usd"], found["complete"]) == (4800.0, 200.0, False)


def test_the_ledger_bridges_what_aws_forgets(user):
    """A `shutdown` on the box is in no trail. `status` saw it stopped; without the ledger the time is unknown."""
    user.world.has_box("dev", "stopped", age=100 * 3600)
    past(user.world, transition=said_when(user.world, 60))
    user.run("status")
    user.world.instances["i-1"] = replace(user.world.instances["i-1"], state="running")
    user.world.request_of("i-1", state="active", code="fulfilled")
    past(user.world, (100, What.STARTED), (10, What.STARTED), launched=10)
    found = user.run("cost", "dev", "-o", "json").json
    assert (found["running_hours"], found["stopped_hours"], found["complete"]) == (50.0, 50.0, True)
    shutil.rmtree(user.home / "ledger")
    found = user.run("cost", "dev", "-o", "json").json
    assert (found["running_hours"], found["stopped_hours"], found["complete"]) == (10.0, 0.0, False)


def test_a_damaged_ledger_is_none(user):
    """Whatever lies there, the command works as without it."""
    user.world.has_box("dev", age=100 * 3600)
    user.run("status")
    (file,) = (user.home / "ledger").rglob("seen.json")
    mine = '"owner": "alice", "name": "dev", "request": "sir-1"'
    spells = '{"i-1": {"spells": {"x": [1, 2, 3, 4]}, %s}}' % mine  # noqa: UP031 - braces of JSON
    for text in ("{", "[]", '{"i-1": 7}', spells, '{"i-9": {"spells": 3, "disks": {"v": [1]}, %s}}' % mine):  # noqa: UP031
        file.write_text(text)
        assert user.run("cost", "dev", "-o", "json").json == DEV


def test_since(user):
    """A time back, or a date: only what lies after it; what lies ahead is a usage error."""
    user.world.has_box("dev", age=100 * 3600)
    assert user.run("cost", "dev", "--since", "10h", "-o", "json").json["compute_usd"] == 1.578
    found = user.run("cost", "dev", "--since", "2026-02-28", "-o", "json").json  # the world's noon is of 1 March
    assert 22 <= found["running_hours"] <= 50
    assert user.run("cost", "--since", "2027-01-01").code == 2
    assert user.run("cost", "--since", "soon").code == 2


def test_a_removed_box_is_told_by_since(user):
    """`down` keeps what it cost: shown where the time is asked for, of this account alone, and only by the ledger."""
    user.world.has_box("dev", age=100 * 3600)
    assert user.run("down", "-y").code == 0
    user.world.sleep(7200)
    assert user.run("cost").err == "no boxes. Make one with: spotbox up\n"
    (kept,) = user.run("cost", "--since", "30d", "-o", "json").json
    assert kept["compute_usd"] == pytest.approx(15.78, abs=0.01)
    assert kept["complete"] is True
    assert "dev (removed 01 Mar)" in user.run("cost", "--since", "30d").out
    assert user.run("cost", "dev", "--since", "30d", "-o", "json").json["name"] == "dev"
    part = user.run("cost", "dev", "--since", "20h", "-o", "json").json
    assert 17.9 <= part["running_hours"] <= 18.1
    said = user.run("cost", "dev")
    assert (said.code, "spotbox cost dev --since 30d" in said.err) == (7, True)
    shutil.rmtree(user.home / "ledger")
    assert user.run("cost", "--since", "30d", "-o", "json").json == []


def test_two_boxes_and_their_sum(user):
    """One row each and a total; -o json has the boxes alone."""
    user.world.has_box("dev", age=100 * 3600)
    user.world.has_box("train", age=50 * 3600, region="eu-west-1")
    said = user.run("cost")
    assert [line.split()[0] for line in said.out.splitlines()[3:6]] == ["dev", "train", "total"]
    assert "estimate: $26.06, savings: 70.0%" in said.out
    assert [row["name"] for row in user.run("cost", "-o", "json").json] == ["dev", "train"]


def test_prices_that_cannot_be_had(user):
    """No permission for the price history: compute is null, the disk is counted, the exit code 0."""
    user.world.has_box("dev", age=100 * 3600)
    user.world.refuses("DescribeSpotPriceHistory of a pool", "UnauthorizedOperation", http=403)
    user.world.books.address_usd = None
    said = user.run("cost", "dev", "-o", "json")
    assert said.code == 0
    assert said.json == DEV | {"compute_usd": None, "on_demand_usd": None, "savings_pct": None, "complete": False}
    assert "Spot prices of us-east-1a are unknown: no permission" in said.err
    said = user.run("cost")
    assert "dev: the price of the public IPv4 address is not known, and not counted" in said.err
    assert "savings: unknown" in said.out


def test_a_kept_volume(user):
    """All that is left is a disk: it is counted; what ran before is not known, and said."""
    user.world.has_box("dev", "kept", age=73 * 3600)
    found = user.run("cost", "dev", "-o", "json").json
    assert found == {"name": "dev", "running_hours": 0.0, "stopped_hours": 0.0, "compute_usd": None, "disk_usd": 0.8,
                     "on_demand_usd": None, "savings_pct": None, "complete": False}  # fmt: skip


def test_the_ledger_knows_what_a_kept_volume_was_used_by(user):
    """After `down --keep-data` the box is its volume; what the instance ran, spotbox saw at its end."""
    user.world.has_box("dev", age=73 * 3600)
    root = user.world.volumes["vol-1"]
    user.world.volumes["vol-d"] = replace(
        root, id="vol-d", delete_on_termination=False, device="/dev/sdf", tags={**root.tags, ROLE_TAG: "data"}
    )
    assert user.run("down", "-y", "--keep-data").code == 0
    user.world.sleep(10 * 3600)
    assert KEEP_TAG in user.world.volumes["vol-d"].tags
    found = user.run("cost", "dev", "-o", "json").json
    assert 72.9 < found["running_hours"] < 73.1
    assert 9.9 < found["stopped_hours"] < 10.1
    assert found["complete"] is True


def test_a_kept_volume_whose_box_was_stopped_meanwhile(user):
    """What ran before the last start is in CloudTrail, and is asked for: `down` told it, so it is known afterwards."""
    user.world.has_box("dev", age=73 * 3600)
    root = user.world.volumes["vol-1"]
    user.world.volumes["vol-d"] = replace(
        root, id="vol-d", delete_on_termination=False, device="/dev/sdf", tags={**root.tags, ROLE_TAG: "data"}
    )
    past(user.world, (73, What.STARTED), (50, What.STOPPED), (20, What.STARTED), launched=20)
    told = user.run("down", "-y", "--keep-data", "-o", "json").json["cost"]
    assert (told["running_hours"], told["stopped_hours"], told["complete"]) == (
        pytest.approx(43, abs=0.1), pytest.approx(30, abs=0.1), True,
    )  # fmt: skip
    found = user.run("cost", "dev", "-o", "json").json
    assert found["running_hours"] == pytest.approx(told["running_hours"], abs=0.1)
    assert found["stopped_hours"] == pytest.approx(told["stopped_hours"], abs=0.1)
    assert found["complete"] is True


def test_a_name_that_never_was(user):
    """Exit 7; how to see a removed one is said to who did not ask for it already."""
    said = user.run("cost", "old")
    assert (said.code, "spotbox cost old --since 30d" in said.err) == (7, True)
    said = user.run("cost", "old", "--since", "30d")
    assert (said.code, "Removed ones" in said.err) == (7, False)


def test_no_boxes(user):
    """Nothing is no error; an unknown name is 7."""
    said = user.run("cost")
    assert (said.code, said.out, said.err) == (0, "", "no boxes. Make one with: spotbox up\n")
    assert user.run("cost", "-o", "json").json == []
    assert user.run("cost", "nosuch").code == 7


def test_actual_is_asked_first(user):
    """What a call costs is said; without a terminal and -y nothing is asked of Cost Explorer, exit 2."""
    user.world.has_box("dev", age=100 * 3600)
    said = user.run("cost", "--actual")
    assert said.code == 2
    assert "Cost Explorer charges $0.01 for each call; this takes 2: about $0.02" in said.err
    assert user.run("cost", "--actual", answers=[("Ask it?", False)]).code == 0
    assert asked(user.world, "ce") == []


def test_actual_beside_the_estimate(user):
    """The billed figure is the last column, and the key after the contract's; who is billed for is told."""
    user.world.has_box("dev", age=100 * 3600)
    user.world.has_box("new", age=3600)
    user.world.books.active = frozenset({"spotbox:name", "spotbox:owner"})
    user.world.books.bills = {"dev": Decimal("17.1234"), "other": Decimal(9)}
    said = user.run("cost", "--actual", "-y")
    assert [line.split()[-1] for line in said.out.splitlines()[3:6]] == ["$17.12", "yet", "$17.12"]
    rows = user.run("cost", "--actual", "-y", "-o", "json").json
    assert [(row["name"], row["actual_usd"]) for row in rows] == [("dev", 17.1234), ("new", None)]
    assert tuple(rows[0]) == (*KEYS, "actual_usd")
    (question,) = {q for q in asked(user.world, "ce") if q[1] == "figures"}
    assert [str(part) for part in question[2:]] == ["alice", "2026-02-25", "2026-03-02"]


@pytest.mark.parametrize(("refused", "words"), [
    (None, "is not activated for cost allocation"), ("ListCostAllocationTags", "Allow ce:ListCostAllocationTags"),
])  # fmt: skip
def test_actual_that_cannot_be_had(user, refused, words):
    """Not activated, or not permitted: said with the remedy, and the estimate is printed all the same."""
    user.world.has_box("dev", age=100 * 3600)
    if refused:
        user.world.refuses(refused, "AccessDeniedException", http=403)
    said = user.run("cost", "--actual", "-y")
    assert said.code == 0
    assert words in said.err
    assert "estimate: $17.38" in said.out
    assert refused or "update-cost-allocation-tags-status" in said.err


def test_down_tells_what_it_cost(user):
    """On the screen and as `cost`: the record of one box, the sum of several without a name, null for nothing."""
    user.world.has_box("dev", age=100 * 3600)
    user.world.has_box("train", age=50 * 3600, region="eu-west-1")
    one = user.run("down", "train", "-y", "-o", "json").json["cost"]
    assert tuple(one) == KEYS
    assert one["name"] == "train"
    assert one["compute_usd"] == pytest.approx(7.89, abs=0.01)
    user.world.has_box("other", age=50 * 3600)
    several = user.run("down", "--all", "-y", "-o", "json").json["cost"]
    assert several["name"] is None
    assert several["compute_usd"] == pytest.approx(15.78 + 7.89, abs=0.02)
    assert user.run("down", "--all", "-y", "-o", "json").json["cost"] is None


def test_a_cost_is_no_reason_for_down_to_fail(user):
    """Where no price may be read, the box goes all the same, exit 0."""
    user.world.has_box("dev", age=100 * 3600)
    user.world.refuses("DescribeSpotPriceHistory of a pool", "UnauthorizedOperation", http=403)
    user.world.refuses("LookupEvents", "UnauthorizedOperation", http=403)
    said = user.run("down", "-y")
    assert (said.code, user.world.left()) == (0, [])
    assert "dev cost at least $1.60 (estimate): compute unknown, disk $1.10" in said.out


def test_what_stays_is_not_buried(user):
    """A box that could not be removed is told with what it cost so far, and is not among the removed."""
    user.world.has_box("dev", age=100 * 3600)
    user.world.refuses("TerminateInstances", "UnauthorizedOperation", http=403)
    assert user.run("down", "-y").code == 6
    assert list((user.home / "ledger").rglob("removed.json")) == []


def test_a_hostile_name(user):
    """A tag written by hand cannot move the cursor, on the screen, in data, or in what `down` says."""
    user.world.has_box("dev", age=100 * 3600)
    name = "a\x1b[2J\r\nb"
    for things in (user.world.requests, user.world.instances, user.world.volumes, user.world.groups):
        for id_, thing in things.items():
            things[id_] = replace(thing, tags={**thing.tags, "spotbox:name": name})
    past(user.world, launched=10)
    user.world.refuses("LookupEvents", "AccessDeniedException", http=403)
    told = [
        user.run("cost"),
        user.run("cost", "-o", "json"),
        user.run("cost", "-o", "csv"),
        user.run("down", "--all", "-y"),
    ]
    for said in told:
        assert said.code == 0
        assert not any(char in said.out + said.err for char in "\x1b\r")
        assert not any(line.startswith("b") and "box" not in line for line in (said.out + said.err).splitlines())


def test_the_account_of_a_removed_box(user):
    """The ledger may be of several accounts: what another one's `down` left in it is not this one's."""
    user.world.has_box("dev", age=100 * 3600)
    assert user.run("down", "-y").code == 0
    (file,) = (user.home / "ledger").rglob("removed.json")
    file.write_text(file.read_text().replace("123456789012", "999999999999"))
    assert user.run("cost", "--since", "30d", "-o", "json").json == []


def test_the_next_box_of_that_name(user):
    """AWS shows what was removed for hours; of a new box of that name it is no part."""
    user.world.has_box("dev", age=100 * 3600)
    assert user.run("down", "-y").code == 0
    user.world.has_box("dev", age=36)
    found = user.run("cost", "dev", "-o", "json").json
    assert (found["running_hours"], found["complete"]) == (0.01, True)
    rows = user.run("cost", "--since", "30d", "-o", "json").json
    assert [row["running_hours"] for row in rows] == [0.01, 100.0]


def test_a_box_that_waits(user):
    """A standing request without an instance has cost nothing, and that is known."""
    user.world.has_box("dev", "waiting", age=100 * 3600)
    found = user.run("cost", "dev", "-o", "json").json
    assert found == {"name": "dev", "running_hours": 0.0, "stopped_hours": 0.0, "compute_usd": 0.0, "disk_usd": 0.0,
                     "on_demand_usd": 0.0, "savings_pct": None, "complete": True}  # fmt: skip
    assert user.run("cost").out.splitlines()[-1] == "estimate: $0.00, savings: unknown"


@pytest.mark.parametrize("state", [*RAW, "kept"])
def test_every_state_has_a_cost(user, state):
    """Whatever state the box is in: one row, exit 0, and so where nothing may be looked up."""
    user.world.has_box("dev", state, age=100 * 3600)
    for denied in (False, True):
        if denied:
            user.world.refuses("LookupEvents", "AccessDeniedException", http=403)
            user.world.refuses("DescribeSpotPriceHistory of a pool", "UnauthorizedOperation", http=403)
        said = user.run("cost", "-o", "json")
        assert (said.code, [row["name"] for row in said.json]) == (0, ["dev"])
        assert user.run("cost").code == 0


def test_fifty_columns_hold_a_box_that_was_removed(user, monkeypatch):
    """On 50 columns no line of the table is wider and no figure is broken; the name goes on below itself."""
    user.world.has_box("a-box-with-a-long-name", age=100 * 3600)
    monkeypatch.setattr("spotbox.commands._table.screen", lambda: 50)
    said = user.run("cost")
    table = said.out.split("estimate")[0].splitlines()
    assert [line for line in table if columns_of(line) > 50] == []
    assert table[3].split()[1:] == ["100.0", "$15.78", "$17.38", "70.0%"]


@pytest.mark.parametrize(("value", "shown"), [
    ("0", "0.0"), ("0.004", "<0.01"), ("0.03", "0.03"), ("0.999", "1.00"), ("1", "1.0"), ("312.44", "312.4"),
])  # fmt: skip
def test_hours_that_have_hardly_begun_are_not_zero(value, shown):
    """Two places below an hour: a box that ran a minute and cost money did not run 0.0 hours."""
    assert hours(Decimal(value)) == shown
