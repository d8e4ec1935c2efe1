"""A long history is streamed: memory does not grow with the rows that a price survey brings."""

import csv
import json
import subprocess
import sys
from itertools import pairwise

import pytest

from tests.standin import ROOT, asked, env_of, stand_in

pytest.importorskip("moto", reason="the stand-in takes its types and zones from moto's data files")
# Forty types with accelerators that most regions have; 1,472 pools in 17 regions.
TYPES = tuple(
    f"{family}.{size}"
    for family, sizes in {
        "g4dn": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge metal",
        "g5": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
        "g6": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
        "g6e": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
        "inf1": "xlarge 2xlarge 6xlarge 24xlarge",
        "inf2": "xlarge 8xlarge 24xlarge 48xlarge",
        "p4d": "24xlarge",
    }.items()
    for size in sizes.split()
)
STEP = 16_500  # seconds between two changes of a pool: 700,000 rows in 90 days
MOST = 150_000_000  # bytes
# A process of its own: the peak of a child counts what its parent held when it forked, and pytest holds much.
MEASURE = """
import json, resource, subprocess, sys
with open(sys.argv[1], "w") as out:
    code = subprocess.run(sys.argv[2:], stdout=out).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps({"code": code, "bytes": peak * (1 if sys.platform == "darwin" else 1024)}))
"""


@pytest.fixture(scope="module")
def url():
    """One stand-in for the module."""
    with stand_in("--step", str(STEP)) as address:
        yield address


def history(url, folder, days, form="csv", types=TYPES):
    """Run `spotbox prices --history` everywhere: peak memory in bytes, rows the endpoint had and sent, the output."""
    env = env_of(url, folder) | {"PYTHONPATH": str(ROOT)}
    asked(url, "reset")
    out = folder / f"{days}.{form}"
    command = [sys.executable, "-m", "spotbox", "prices", "-r", "all", "--history", str(days), "-o", form]
    command += [word for name in types for word in ("-t", name)]
    measured = [sys.executable, "-c", MEASURE, str(out), *command]
    done = subprocess.run(measured, env=env, cwd=folder, capture_output=True, text=True)
    told = json.loads(done.stdout)
    assert told["code"] == 0, done.stderr
    assert "Traceback" not in done.stderr
    rows = asked(url)["history"]
    return told["bytes"], rows["due"], rows["sent"], out


def checked(rows):
    """The number of rows, once they are found in the order they should have, each but once."""
    count = 0
    for one, other in pairwise(rows):
        count += 1
        assert one < other
    return count + 1


def csv_keys(file):
    """(type, zone, timestamp) of each row of a CSV file."""
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            assert 0 < float(row["spot"]) < 200
            yield row["instance_type"], row["zone"], row["timestamp"]


@pytest.mark.slow
def test_a_tenth_of_the_rows(url, tmp_path):
    """Nine days of 40 types in 17 regions arrive whole and sorted, and a row of them costs less than 150 bytes.

    Kept as objects rows cost 500 and more. 90 days have ten times as many, see below.
    """
    small, few, _, _ = history(url, tmp_path, 3)  # as many as fill the pages that are read side by side
    large, due, sent, out = history(url, tmp_path, 9)
    assert due > 60_000
    assert sent == due
    assert checked(csv_keys(out)) == due
    assert large - small < 150 * (due - few), f"{small} bytes, then {large}"
    assert large < MOST


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "json"])
def test_ninety_days_of_forty_types_in_seventeen_regions(url, tmp_path, form):
    """700,000 rows pass through in less than 150 MB, every one of them."""
    peak, due, sent, out = history(url, tmp_path, 90, form)
    assert due > 690_000
    assert sent == due
    if form == "csv":
        assert checked(csv_keys(out)) == due
    else:
        rows = json.loads(out.read_text())
        assert checked((row["instance_type"], row["zone"], row["timestamp"]) for row in rows) == due
    assert peak < MOST
