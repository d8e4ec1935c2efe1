"""The cost of a box of two weeks, end to end: its past in CloudTrail, the market's prices, a terminal, and `down`."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pexpect
import pytest

from spotbox.sandbox import process
from tests.e2e.conftest import SPOTBOX, make_here, needs_ssh

DAY = 24
PAST = [
    [14 * DAY, "RunInstances"],
    [12 * DAY, "StopInstances"],
    [10 * DAY, "StartInstances"],
    [9 * DAY, "BidEvictedEvent"],
    [8 * DAY, "restarted"],  # by AWS, which no event tells of
    [6 * DAY, "StopInstances"],
    [5 * DAY, "StartInstances"],
    [5 * DAY - 0.5, "BidEvictedEvent"],  # within the hour: free
    [2 * DAY, "restarted"],  # its LaunchTime tells it
]


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A sandbox with a box whose past is that of PAST."""
    here = make_here(tmp_path_factory.mktemp("cost"))
    here.sandbox("up", "-y", "-t", "g5.xlarge", "-r", "us-east-1")
    end = process.running(Path(here.env["SPOTBOX_HOME"]) / "sandbox")
    process.call(end, "relive", box="dev", hours=PAST)
    process.call(end, "bill", name="dev", owner="sandbox", usd="70.25")
    yield here
    here.run("sandbox", "stop", code=None)


def weighed(here, zone, spans):
    """USD of times (hours ago, each) at the prices in force, worked out anew from DescribeSpotPriceHistory."""
    now = datetime.now(UTC)
    pages = (
        here.client("ec2")
        .get_paginator("describe_spot_price_history")
        .paginate(InstanceTypes=["g5.xlarge"], AvailabilityZone=zone, StartTime=now - timedelta(days=15))
    )
    changes = sorted((row["Timestamp"], float(row["SpotPrice"])) for page in pages for row in page["SpotPriceHistory"])
    ends = [at for at, _ in changes[1:]] + [now]
    return sum(
        usd
        * max(0, (min(end, now - timedelta(hours=to)) - max(at, now - timedelta(hours=since))).total_seconds())
        / 3600
        for (at, usd), end in zip(changes, ends, strict=True)
        for since, to in spans
    )


@needs_ssh
@pytest.mark.slow
def test_a_box_of_two_weeks(old):
    """Run 2 + 1 + half an hour + 2 days, the restart's days unknown; the bars, the table, and its end."""
    found = old.json("cost", "dev", "-r", "us-east-1")
    assert found["running_hours"] == pytest.approx(5 * DAY + 0.5, abs=0.1)
    assert found["stopped_hours"] == pytest.approx((2 + 1 + 3) * DAY - 0.5, abs=0.1)
    assert found["complete"] is False
    zone = old.json("status", "dev", "-r", "us-east-1")["zone"]
    spans = [(14 * DAY, 12 * DAY), (10 * DAY, 9 * DAY), (2 * DAY, 0)]
    assert found["compute_usd"] == pytest.approx(weighed(old, zone, spans), rel=0.005)
    assert len({round(weighed(old, zone, [span]) / (span[0] - span[1]), 4) for span in spans}) == 3  # it did move
    assert found["on_demand_usd"] == pytest.approx((5 * DAY + 0.5) * 1.006, rel=0.01)
    assert found["disk_usd"] == pytest.approx(100 * 0.08 * 14 * DAY / 730, rel=0.01)

    child = pexpect.spawn(
        str(SPOTBOX), ["--sandbox", "cost", "--actual", "-r", "us-east-1"], env=old.env, cwd=str(old.home),
        dimensions=(50, 80), encoding="utf-8", timeout=60,
    )  # fmt: skip
    screen = child.read()
    child.close()
    assert child.exitstatus == 0, screen
    stays = "\n".join(line.split("\r\x1b[K")[-1] for line in screen.split("\n"))  # less what the live line showed
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", stays).replace("\r", "")
    assert "dev, USD a day (estimate)" in plain
    assert "$70.25" in plain
    assert re.search(r"savings +billed\n", plain)
    assert "whether it ran is not known for 72.0 h, not counted" in plain
    assert [line for line in plain.splitlines() if len(line) > 80] == []

    told = old.sandbox("down", "-y").stdout
    assert re.search(r"dev cost at least \$\d+\.\d\d \(estimate\): compute", told)
    assert re.search(r"savings: -?\d+\.\d%", told)
    (kept,) = old.json("cost", "--since", "30d")
    assert kept["name"] == "dev"
    assert kept["running_hours"] == pytest.approx(5 * DAY + 0.5, abs=0.1)

    old.run("sandbox", "reset", "-y")
    assert old.json("cost", "--since", "30d") == []
