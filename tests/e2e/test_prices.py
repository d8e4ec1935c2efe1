"""`spotbox prices` against the sandbox: recorded prices come out unchanged, and what is refused is told as unknown."""

import csv
import io
import json
import os
import re
import shutil
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pexpect
import pytest

from spotbox.sandbox import process
from tests.e2e.conftest import SPOTBOX
from tests.e2e.feeds import FEED, feed, sends, slowly
from tests.e2e.history import held, told_by_aws

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "gpu-prices-us-east-1-2024-02.csv"
KEYS = (
    "instance_type,gpu,gpu_count,gpu_memory_gib,vcpus,memory_gib,region,zone,on_demand,spot,savings_pct,interruption,"
    "score,updated_at"
)


@pytest.fixture(scope="module")
def control(here):
    """Control calls to the sandbox of this module."""
    here.run("sandbox", "start")
    endpoint = process.running(here.home / "spot box" / "sandbox")
    return lambda verb, **given: process.call(endpoint, verb, **given)


@pytest.fixture(autouse=True)
def clean(here, control):
    """No fault and no environment outlives its test."""
    yield
    here.extra = {}
    control("fault", clear=True)


@pytest.fixture
def empty(here):
    """No cache is left from another test."""
    shutil.rmtree(here.home / "spot box" / "cache", ignore_errors=True)


def rows_of(text):
    """The rows of `-o json`, figures exact."""
    return json.loads(text, parse_float=Decimal)


def prices(here, *args, code=0, region="us-east-1"):
    """A run of `prices -o json` in one region: its rows, and what stood on stderr."""
    done = here.sandbox("prices", "-r", region, *args, "-o", "json", code=code)
    assert "Traceback" not in done.stderr
    return rows_of(done.stdout or "[]"), done.stderr


# What was recorded


@pytest.fixture(scope="module")
def recorded(here, control):
    """The 232 recorded prices of February 2024, loaded into the sandbox."""
    if not RECORDED.exists():
        pytest.skip(f"no recorded prices at {RECORDED.name}")
    with RECORDED.open(newline="") as file:
        rows = list(csv.DictReader(file))
    on_demand = {row["instance_type"]: row["ondemand_usd"] for row in rows if row["ondemand_usd"]}
    for name, usd in on_demand.items():
        control("on_demand", type=name, region="us-east-1", usd=usd)
    control("prices", rows=[[row["instance_type"], row["az"], row["spot_usd"]] for row in rows])
    return {(row["instance_type"], row["az"]): row for row in rows}


@pytest.mark.parametrize("form", ["json", "csv"])
def test_recorded_prices_come_out_unchanged(here, recorded, form):
    """Each of the 232 pools has its recorded Spot and on-demand price, and the saving that was worked out for them."""
    families = [word for name in ("dl*", "g*", "inf*", "p*", "trn*", "vt1.*") for word in ("-t", name)]
    done = here.sandbox("prices", "-r", "us-east-1", *families, "--refresh", "-o", form)
    found = rows_of(done.stdout) if form == "json" else list(csv.DictReader(io.StringIO(done.stdout)))
    assert ",".join(found[0]) == KEYS
    told = {(row["instance_type"], row["zone"]): row for row in found}
    assert len(told) == len(found)
    wrong = []
    for pool, row in recorded.items():
        mine = told.get(pool) or {}
        for key, theirs in (("spot", "spot_usd"), ("on_demand", "ondemand_usd"), ("savings_pct", "savings_pct_2dp")):
            if row[theirs] and (mine.get(key) in (None, "") or Decimal(mine[key]) != Decimal(row[theirs])):
                wrong.append((*pool, key, mine.get(key), row[theirs]))
    assert wrong == []


def test_hardware_as_recorded(here, recorded):
    """GPU, count, memory and vCPU are those recorded."""
    found, _ = prices(here, "-t", "*")
    told = {(row["instance_type"], row["zone"]): row for row in found}
    wrong = []
    for pool, row in recorded.items():
        if row["accelerator"] and pool in told:
            mine, memory = told[pool], Decimal(row["total_accel_memory_mib"]) / 1024
            same = (
                mine["gpu_count"] == Decimal(row["count"])
                and mine["vcpus"] == int(row["vcpus"])
                and abs(Decimal(mine["gpu_memory_gib"]) - memory) < Decimal("0.01")
                and mine["memory_gib"] == Decimal(row["memory_gib"])
                and row["accelerator"].split()[0].lower() in mine["gpu"].lower()
            )
            wrong += [] if same else [(pool, mine, row)]
    assert wrong == []


# Refusals


def test_one_region_denied(here, control):
    """A region that may not be asked costs a remark on stderr, and the others have their rows."""
    control(
        "fault",
        service="ec2",
        action="DescribeSpotPriceHistory",
        region="eu-west-1",
        code="UnauthorizedOperation",
        http=403,
        times=-1,
    )
    found, err = prices(here, "-r", "eu-west-1", "-t", "g5.xlarge")
    assert {row["region"] for row in found} == {"us-east-1"}
    told = [line for line in err.splitlines() if "eu-west-1" in line]
    assert len(told) == 1, err
    assert "ec2:DescribeSpotPriceHistory" in told[0]


def test_every_region_denied(here, control):
    """Where no region may be asked the exit code is 5, stdout is empty and the permission is named."""
    control("fault", service="ec2", action="DescribeSpotPriceHistory", code="UnauthorizedOperation", http=403, times=-1)
    done = here.sandbox("prices", "-r", "us-east-1", "-r", "eu-west-1", "-t", "g5.xlarge", "-o", "json", code=5)
    assert done.stdout == ""
    assert "ec2:DescribeSpotPriceHistory" in done.stderr
    assert "Traceback" not in done.stderr


def test_pricing_denied(here, control, empty):
    """Without pricing:GetProducts Spot prices are shown, on-demand and savings are unknown, and the remark names it."""
    control("fault", service="pricing", action="GetProducts", code="AccessDeniedException", http=400, times=-1)
    found, err = prices(here, "-t", "g5.xlarge")
    assert found
    assert {(row["on_demand"], row["savings_pct"]) for row in found} == {(None, None)}
    assert all(row["spot"] > 0 for row in found)
    assert "pricing:GetProducts" in err
    control("fault", clear=True)
    found, err = prices(here, "-t", "g5.xlarge")
    assert None not in {row["on_demand"] for row in found}, "a refusal must not be cached"
    assert "pricing:GetProducts" not in err


BAD_FEEDS = {
    "junk": sends(b"<html>not today</html>"),
    "another shape": sends(json.dumps({"ranges": {}, "spot_advisor": ["us-east-1"]}).encode()),
    "odd values": sends(json.dumps(FEED | {"ranges": [{"index": "x", "label": ["<5%"]}]}).encode()),
    "refused": sends(b"no", status=403),
    "slow": slowly,
}


@pytest.mark.parametrize("how", BAD_FEEDS)
def test_a_feed_that_is_no_feed(here, empty, how):
    """Whatever the advisor's address answers, and however slowly, the rates are unknown after 5 s, and no more is."""
    with feed(BAD_FEEDS[how]) as url:
        here.extra = {"SPOTBOX_ADVISOR_URL": url}
        begun = time.monotonic()
        found, err = prices(here, "-t", "g5.xlarge")
        took = time.monotonic() - begun
        assert took < 5 + 4 + os.getloadavg()[0]  # what a run takes beside the feed's 5 s, on a machine as busy as this
    assert found
    assert {row["interruption"] for row in found} == {None}
    assert len(err.splitlines()) == 1, err


def test_a_name_that_is_no_type(here):
    """A type that does not exist is a usage error with the one that was meant."""
    done = here.sandbox("prices", "-t", "g5.xlrage", code=2)
    assert "g5.xlrage" in done.stderr
    assert "g5.xlarge" in done.stderr
    assert done.stdout == ""


# History


def test_history_rows_are_those_of_aws(here):
    """`--history 30 -o csv` has every change of the window, and the price that was in force when it began."""
    start = datetime.now(UTC) - timedelta(days=30)
    done = here.sandbox("prices", "-r", "us-east-1", "-t", "g5.xlarge", "--history", "30", "-o", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert list(rows[0]) == ["instance_type", "zone", "timestamp", "spot"]
    assert {row["instance_type"] for row in rows} == {"g5.xlarge"}
    mine = [(row["zone"], datetime.fromisoformat(row["timestamp"]), Decimal(row["spot"])) for row in rows]
    assert mine == sorted(mine)
    theirs = told_by_aws(here, start)
    later = start + timedelta(minutes=1)  # the two windows do not begin at the same second
    assert [row for row in mine if row[1] > later] == [row for row in theirs if row[1] > later]
    assert {row[0] for row in mine} == {row[0] for row in theirs}
    assert len(mine) > 30


def test_the_chart_and_the_share_that_a_bid_would_have_held(here):
    """In a terminal of 100 columns each zone has a chart, and below stands the share of hours of the bid."""
    start = datetime.now(UTC) - timedelta(days=30)
    theirs = told_by_aws(here, start)
    bid = sorted(row[2] for row in theirs)[len(theirs) // 2]
    child = pexpect.spawn(
        str(SPOTBOX),
        ["--sandbox", "prices", "-r", "us-east-1", "-t", "g5.xlarge", "--history", "30", "--max-price", str(bid)],
        env=here.env,
        cwd=str(here.home),
        dimensions=(60, 100),
        encoding="utf-8",
        timeout=60,
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0, child.before
    screen = [
        re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line.split("\r\x1b[K")[-1]).replace("\r", "").rstrip()
        for line in child.before.split("\n")
    ]
    assert max(map(len, screen)) <= 100
    for zone in {row[0] for row in theirs}:
        assert any(re.search(rf"g5\.xlarge.*{zone}.*30 days", line) for line in screen), screen
        (line,) = (line for line in screen if re.match(rf"\s*g5\.xlarge\s+{zone}\s", line))
        assert abs(Decimal(re.search(r"([\d.]+) ?%", line)[1]) - held(theirs, zone, bid, start)) <= Decimal("0.2"), line


# The output, whole

TABLE = """\
                      GPU        RAM              on-demand    Spot  savings
type       GPU        GiB  vCPU  GiB  zone              $/h     $/h        %  interruption
---------  -------  -----  ----  ---  ----------  ---------  ------  -------  ------------
g5.xlarge  1x A10G  22.35     4   16  us-east-1c     0.9500  0.3000    68.42          >20%
g6f.large  1/8 L4    2.79     2    8  us-east-1a     0.2020  0.0789    60.94       unknown
g5.xlarge  1x A10G  22.35     4   16  us-east-1a     0.9500  0.4527    52.35          >20%
g5.xlarge  1x A10G  22.35     4   16  us-east-1d     0.9500  0.5533    41.76          >20%
g5.xlarge  1x A10G  22.35     4   16  us-east-1f     0.9500  0.6041    36.41          >20%
g6f.large  1/8 L4    2.79     2    8  us-east-1b     0.2020  0.2000     0.99       unknown
g6f.large  1/8 L4    2.79     2    8  us-east-1c     0.2020  0.2000     0.99       unknown
g6f.large  1/8 L4    2.79     2    8  us-east-1d     0.2020  0.2000     0.99       unknown
g5.xlarge  1x A10G  22.35     4   16  us-east-1b     0.9500  1.0060    -5.89          >20%
"""
CSV = f"""\
{KEYS}
g5.xlarge,A10G,1,22.3515625,4,16,us-east-1,us-east-1c,0.95,0.3,68.42,>20%,,NOW
g6f.large,L4,0.125,2.7939453125,2,8,us-east-1,us-east-1a,0.202,0.0789,60.94,,,NOW
g5.xlarge,A10G,1,22.3515625,4,16,us-east-1,us-east-1a,0.95,0.4527,52.35,>20%,,NOW
g5.xlarge,A10G,1,22.3515625,4,16,us-east-1,us-east-1d,0.95,0.5533,41.76,>20%,,NOW
g5.xlarge,A10G,1,22.3515625,4,16,us-east-1,us-east-1f,0.95,0.6041,36.41,>20%,,NOW
g6f.large,L4,0.125,2.7939453125,2,8,us-east-1,us-east-1b,0.202,0.2,0.99,,,NOW
g6f.large,L4,0.125,2.7939453125,2,8,us-east-1,us-east-1c,0.202,0.2,0.99,,,NOW
g6f.large,L4,0.125,2.7939453125,2,8,us-east-1,us-east-1d,0.202,0.2,0.99,,,NOW
g5.xlarge,A10G,1,22.3515625,4,16,us-east-1,us-east-1b,0.95,1.006,-5.89,>20%,,NOW
"""
WORDS = ("instance_type", "gpu", "region", "zone", "interruption", "updated_at")


@pytest.fixture
def nine(here, control, empty):
    """Nine pools whose every figure is given: one dearer than on-demand, and a type that the feed does not know."""
    control("on_demand", type="g5.xlarge", region="us-east-1", usd="1.006")
    control("on_demand", type="g6f.large", region="us-east-1", usd="0.202")
    usd = {"a": "0.4527", "b": "1.006", "c": "0.3", "d": "0.5533", "f": "0.6041"}
    control("prices", rows=[["g5.xlarge", f"us-east-1{letter}", price] for letter, price in usd.items()])
    usd = {"a": "0.0789", "b": "0.2", "c": "0.2", "d": "0.2"}
    control("prices", rows=[["g6f.large", f"us-east-1{letter}", price] for letter, price in usd.items()])
    control("on_demand", type="g5.xlarge", region="us-east-1", usd="0.95")
    with feed(sends(json.dumps(FEED).encode())) as url:
        here.extra = {"SPOTBOX_ADVISOR_URL": url, "COLUMNS": "100"}
        asked = ("prices", "-r", "us-east-1", "-t", "g5.xlarge", "-t", "g6f.large", "--sort", "savings")
        yield lambda form: here.sandbox(*asked, "-o", form).stdout


def test_the_whole_output(nine):
    """Table, CSV and JSON, letter by letter: largest savings first, negative ones last, what is unknown as such."""
    assert nine("table") == TABLE
    times = r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.sub(times, "NOW", nine("csv")) == CSV
    rows = [
        {key: value if key in WORDS and value else json.loads(value or "null") for key, value in row.items()}
        for row in csv.DictReader(io.StringIO(CSV))
    ]
    assert re.sub(times, "NOW", nine("json")) == json.dumps(rows, indent=2) + "\n"
