"""`cost`: what is printed, what is asked of AWS for it, and what is said where AWS no longer tells."""

from dataclasses import replace
from decimal import Decimal

import pytest

from spotbox.core.cost_past import What
from spotbox.core.cost_report import KEYS, hours
from spotbox.core.names import ROLE_TAG
from spotbox.width import columns_of
from tests.commands.costs import DAY, DEV, asked, past, said_when
from tests.commands.world import RAW

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


def test_since(user):
    """A time back, or a date: only what lies after it; what lies ahead is a usage error."""
    user.world.has_box("dev", age=100 * 3600)
    assert user.run("cost", "dev", "--since", "10h", "-o", "json").json["compute_usd"] == 1.578
    found = user.run("cost", "dev", "--since", "2026-02-28", "-o", "json").json  # the world's noon is of 1 March
    assert 22 <= found["running_hours"] <= 50
    assert user.run("cost", "--since", "2027-01-01").code == 2
    assert user.run("cost", "--since", "soon").code == 2


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
