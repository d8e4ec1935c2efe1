"""The price series of a pool: the same everywhere, and of the shape that was recorded."""

import csv
import statistics
import subprocess
import sys
from collections import defaultdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.sandbox.series import DAY, Series

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "spot-price-history-p2p3-2020.csv"
ROOT = Path(__file__).parents[2]
# On-demand in us-east-1, us-east-2 and us-west-2 then, USD/h.
ON_DEMAND = {
    "p2.xlarge": 0.9,
    "p2.8xlarge": 7.2,
    "p2.16xlarge": 14.4,
    "p3.2xlarge": 3.06,
    "p3.8xlarge": 12.24,
    "p3.16xlarge": 24.48,
}
LAST = datetime(2026, 11, 22).toordinal() - datetime(1970, 1, 1).toordinal()
SECONDS = st.integers((LAST - 3650) * DAY, (LAST + 3650) * DAY)
SEEDS = st.sampled_from(["spotbox", "1", "another"])


def figures(pools):
    """What is compared: per pool its rows a day, repeats, range and share of time near on-demand; and all steps."""
    found = defaultdict(list)
    for rows, on_demand in pools:
        days = (rows[-1][0] - rows[0][0]) / DAY
        pairs = list(pairwise(rows))
        steps = [after[1] / before[1] - 1 for before, after in pairs]
        dear = sum(after[0] - before[0] for before, after in pairs if before[1] >= 0.97 * on_demand)
        found["rows a day"].append(len(rows) / days)
        found["repeats"].append(sum(step == 0 for step in steps) / len(steps))
        found["range"].append(max(p for _, p in rows) / min(p for _, p in rows))
        found["dear"].append(dear / DAY / days)
        found["steps"] += [abs(step) for step in steps if step]
        found["gaps"] += [(after[0] - before[0]) / 3600 for before, after in pairs]
    return found


@pytest.fixture(scope="module")
def recorded():
    if not RECORDED.exists():
        pytest.skip("the recorded history is not beside this checkout")
    pools = defaultdict(list)
    with RECORDED.open() as file:
        for row in csv.DictReader(file):
            if row["region"].startswith("us-"):
                at = datetime.fromisoformat(row["timestamp"]).timestamp()
                pools[(row["instance_type"], row["az"])].append((at, float(row["spot_price"])))
    enough = [(sorted(rows), ON_DEMAND[name]) for (name, _), rows in pools.items() if len(rows) > 50]
    assert len(enough) > 40
    return figures(enough)


@pytest.fixture(scope="module")
def ours():
    """Ninety days of 240 pools at 40 % of an on-demand price of 7.2 USD/h, rounded as AWS does."""
    pools = []
    for number in range(240):
        series = Series("spotbox", f"t{number // 4}.xlarge", f"us-east-1{'abcd'[number % 4]}", 0.4)
        rows = [(at, round(f * 7.2, 4)) for day in range(LAST - 90, LAST) for at, f in series.changes(day)]
        pools.append((rows, 7.2))
    return figures(pools)


@pytest.mark.parametrize(
    ("what", "measure", "times"),
    [
        ("rows a day", statistics.mean, 1.5),
        ("rows a day", max, 1.5),
        ("rows a day", min, 1.5),
        ("gaps", statistics.median, 1.6),
        ("gaps", max, 2.5),
        ("steps", statistics.median, 2),
        ("steps", lambda steps: statistics.quantiles(steps, n=20)[-1], 3),
        ("steps", max, 2.5),
        ("range", max, 1.6),
        ("range", lambda ranges: statistics.quantiles(ranges, n=4)[-1], 1.6),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_shape_is_the_recorded_one(recorded, ours, what, measure, times):
    """Changes a day, gaps, steps and ranges are within a factor of those that were recorded."""
    real, made = measure(recorded[what]), measure(ours[what])
    assert real / times <= made <= real * times


def test_some_pools_are_dear(recorded, ours):
    """Up to a quarter of the pools is at on-demand for some time; over all pools it is a small part of it."""
    for found in (recorded, ours):
        assert 0.03 < sum(share > 0 for share in found["dear"]) / len(found["dear"]) < 0.3
        assert 0.005 < statistics.mean(found["dear"]) < 0.15


def test_some_pools_stand_still_and_some_never(recorded, ours):
    """There are pools that repeat their price day after day, and pools that hardly ever do."""
    for found in (recorded, ours):
        assert max(found["repeats"]) > 0.9
        assert min(found["repeats"]) < 0.05


def test_a_pool_goes_to_on_demand_and_back(ours):
    """Somewhere in 90 days a price doubles and more, as p2.8xlarge did in us-east-1c (2.16 to 7.20 USD/h)."""
    episodes = [share for share, span in zip(ours["dear"], ours["range"], strict=True) if 0 < share < 0.5 and span > 2]
    assert len(episodes) > 10


@given(seed=SEEDS, name=st.sampled_from(["g5.xlarge", "p5.48xlarge"]), zone=st.sampled_from("abc"), at=SECONDS)
def test_the_price_in_force_is_the_last_change(seed, name, zone, at):
    """At any moment of any year the price in force is the newest row of the history, at most two days old."""
    series = Series(seed, name, zone, 0.5)
    day = at // DAY
    rows = [row for number in (day - 1, day) for row in series.changes(number) if row[0] <= at]
    assert series.in_force(at) == rows[-1]
    assert 0 <= at - rows[-1][0] < 2 * DAY
    assert all(before[0] < after[0] for before, after in pairwise(rows))


@given(seed=SEEDS, name=st.sampled_from(["g5.xlarge", "g6.xlarge", "p5.48xlarge"]), day=st.integers(15000, 25000))
def test_a_day_has_a_price_and_none_above_on_demand(seed, name, day):
    """No day is without a row, every row lies in its day, and a Spot price never exceeds on-demand."""
    rows = Series(seed, name, "us-east-1a", 0.72).changes(day)
    assert rows
    assert all(day * DAY <= at < (day + 1) * DAY and 0 < fraction <= 1 for at, fraction in rows)


def test_every_process_works_out_the_same():
    """Two pools of two seeds have the prices in another process that they have in this one."""
    code = (
        "from spotbox.sandbox.series import Series\n"
        "print([Series(s, 'g5.xlarge', z, 0.5).in_force(1795305600) for s in 'ab' for z in ('us-east-1a', 'x')])"
    )
    here = [Series(s, "g5.xlarge", z, 0.5).in_force(1795305600) for s in "ab" for z in ("us-east-1a", "x")]
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(here)
    assert len(set(here)) == 4


def test_the_middle_is_the_tables_figure():
    """Over many pools and days a price lies where the catalogue puts it, dear ones apart."""
    many = [Series("spotbox", f"t{n}", "us-east-1a", 0.4) for n in range(200)]
    shares = [s.in_force((LAST - back) * DAY)[1] for s in many if not s.dear for back in range(0, 90, 9)]
    assert statistics.median(shares) == pytest.approx(0.4, rel=0.05)
