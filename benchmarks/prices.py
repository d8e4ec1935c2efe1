"""`spotbox prices` against the network's own pace, and against the other two ways of asking the same, in one run.

    pip install 'spotbox[sandbox]'                                # moto's data files shape the answers
    python benchmarks/prices.py --setup /tmp/tools                # once: a venv with the AWS CLI and ec2-spot-price
    python benchmarks/prices.py --tools /tmp/tools [--rounds 5]

All talk to benchmarks/standin.py, a process of its own on loopback that answers every call after 100 ms for 17 regions.
Each round runs every case once, one after another; figures are medians over the rounds and ratios are taken pair by
pair within a round. "Empty" means a SPOTBOX_HOME that was never used. Exit code 1 where a bound is not kept, or where
the three tools do not tell the same prices. `--spotbox CMD` measures another spotbox (default: the one beside this
Python, else this checkout).
"""

import argparse
import csv
import io
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).parents[1]
DELAY = 0.1  # seconds before every answer
TYPE = "g5.xlarge"
TOOLS = ("awscli", "ec2-spot-price", "numpy<2", "setuptools<81")  # ec2-spot-price needs an old pandas, and that numpy 1
# The loop that one writes: a call for the regions, then one for each, one after another.
LOOP = f"""
for region in $(aws ec2 describe-regions --query 'Regions[].RegionName' --output text); do
  aws ec2 describe-spot-price-history --region "$region" --instance-types {TYPE} --product-descriptions Linux/UNIX \\
    --start-time "$(date -u +%FT%TZ)" --output json || exit 1
done
"""


@dataclass
class Run:
    """One run of one case: wall and CPU time in seconds, the calls that it made by action, its output."""

    seconds: float
    cpu: float
    calls: dict[str, int]
    server: float  # seconds of CPU that the stand-in used meanwhile
    out: str


@dataclass
class Bench:
    """The stand-in's address, how to start each tool, and what was measured: case -> its runs in order."""

    url: str
    spotbox: list[str]
    tools: Path | None
    folder: Path
    runs: dict[str, list[Run]] = field(default_factory=dict)
    homes: int = 0

    def told(self, path: str) -> dict:
        """What the stand-in counted."""
        with urllib.request.urlopen(self.url + path) as answer:  # noqa: S310 - our own loopback address
            return json.load(answer)

    def run(self, case: str, command: list[str], home: Path) -> Run:
        """Run `command` in an environment with nothing in it but the stand-in, and keep what it took."""
        env = {
            "PATH": f"{self.tools}/bin:{os.defpath}" if self.tools else os.defpath,
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "SPOTBOX_HOME": str(home),
            "SPOTBOX_ADVISOR_URL": f"{self.url}/spot-advisor-data.json",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIDBENCH",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.told("/reset")
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
        took = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)  # the stand-in has not ended: it is not in there
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        told = self.told("/counts")
        if done.returncode:
            sys.exit(f"{shlex.join(command)} ended with {done.returncode}:\n{done.stderr}")
        run = Run(took, cpu, told["calls"], told["cpu"], done.stdout)
        self.runs.setdefault(case, []).append(run)
        return run

    def prices(self, case: str, *args: str, home: Path | None = None) -> Path:
        """Run `spotbox prices ... -o json`, in a new home where none is given; gives the home."""
        if home is None:
            self.homes += 1
            home = self.folder / f"home{self.homes}"
        self.run(case, [*self.spotbox, "prices", *args, "-o", "json"], home)
        return home

    def round(self) -> None:
        """Every case once."""
        one = ("-r", "all", "-t", TYPE)
        self.run("help", [*self.spotbox, "--help"], self.folder / "none")
        home = self.prices("one", *one)
        self.prices("one warm", *one, home=home)
        self.prices("one region", "-r", "us-east-1", "-t", TYPE)
        home = self.prices("all", "-r", "all")
        self.prices("all warm", "-r", "all", home=home)
        if self.tools:
            self.run("aws", ["/bin/sh", "-c", LOOP], self.folder / "none")
            theirs = str(self.tools / "bin" / "ec2_spot_price")
            self.run("ec2-spot-price", [theirs, "-r", "", "-i", TYPE, "-csv"], self.folder / "none")


def same_prices(runs: dict[str, list[Run]]) -> list[str]:
    """What is wrong with the answers themselves: all tools must have told the same Spot prices, and nothing unknown."""
    wrong = []
    ours = json.loads(runs["one"][-1].out, parse_float=Decimal)
    mine = {row["zone"]: Decimal(row["spot"]) for row in ours}
    if not mine or len({row["region"] for row in ours}) < 10:
        wrong.append("`prices -r all` has rows of too few regions")
    every = json.loads(runs["all"][-1].out)
    for rows, what in ((ours, "one type"), (every, "all types")):
        for key in ("on_demand", "interruption", "gpu"):
            unknown = [row for row in rows if row[key] is None]
            if len(unknown) > len(rows) // 50:
                wrong.append(f"{what}: {key} is unknown in {len(unknown)} of {len(rows)} rows")
    for case in ("one warm", "all warm"):
        cold = json.loads(runs[case.removesuffix(" warm")][-1].out)
        if json.loads(runs[case][-1].out) != cold:
            wrong.append(f"{case}: the rows are not those of the run with empty caches")
    if "aws" in runs:
        decoder, text, theirs = json.JSONDecoder(), runs["aws"][-1].out.strip(), {}
        while text:
            answer, end = decoder.raw_decode(text)
            theirs |= {row["AvailabilityZone"]: Decimal(row["SpotPrice"]) for row in answer["SpotPriceHistory"]}
            text = text[end:].strip()
        if theirs != mine:
            wrong.append("the AWS CLI tells other prices")
        rows = csv.DictReader(io.StringIO(runs["ec2-spot-price"][-1].out))
        if {row["AvailabilityZone"]: Decimal(row["SpotPrice"]) for row in rows} != mine:
            wrong.append("ec2-spot-price tells other prices")
    return wrong


def judged(runs: dict[str, list[Run]]) -> list[tuple[str, float, float, str]]:
    """What is bounded: (what, figure, bound, unit)."""

    def times(case: str) -> list[float]:
        return [run.seconds for run in runs[case]]

    def ratio(one: str, other: str) -> float:
        return statistics.median(x / y for x, y in zip(times(one), times(other), strict=True))

    rows = []
    if "aws" in runs:
        rows.append(("one type / AWS CLI loop", ratio("one", "aws"), 0.10, ""))
        rows.append(("one type / ec2-spot-price", ratio("one", "ec2-spot-price"), 0.35, ""))
    over = [x - y for x, y in zip(times("one"), times("help"), strict=True)]
    rows.append(("one type, over start-up", statistics.median(over), 4 * DELAY + 0.5, "s"))
    rows.append(("all types / one type", ratio("all", "one"), 2.0, ""))
    more = [x - y for x, y in zip(times("one"), times("one region"), strict=True)]
    rows.append(("17 regions, over 1", statistics.median(more), 0.5, "s"))
    for case in ("one warm", "all warm"):
        others = max(sum(run.calls.values()) - run.calls.get("DescribeSpotPriceHistory", 0) for run in runs[case])
        rows.append(
            (f"{case}: price calls", max(r.calls.get("DescribeSpotPriceHistory", 0) for r in runs[case]), 17, "")
        )
        rows.append((f"{case}: other calls", others, 0, ""))
    return rows


def report(bench: Bench) -> bool:
    """Print the two tables; whether every bound was kept and every answer right."""
    print(f"{'case':16} {'median':>8} {'least':>8} {'most':>8} {'CPU':>8}  calls (and the stand-in's CPU)")
    for case, runs in bench.runs.items():
        took = [run.seconds for run in runs]
        calls = " ".join(f"{name} {count}" for name, count in sorted(runs[-1].calls.items())) or "none"
        cpu, server = (statistics.median(column) for column in zip(*((r.cpu, r.server) for r in runs), strict=True))
        figures = " ".join(f"{figure:7.2f}s" for figure in (statistics.median(took), min(took), max(took), cpu))
        print(f"{case:16} {figures}  {calls} ({server * 1000:.0f} ms)")
    print(f"\n{'what':28} {'figure':>8} {'bound':>8}")
    good = True
    for what, figure, bound, unit in judged(bench.runs):
        kept = figure <= bound
        good = good and kept
        print(f"{what:28} {figure:7.2f}{unit or ' '} {bound:7.2f}{unit or ' '}  {'pass' if kept else 'FAIL'}")
    wrong = same_prices(bench.runs)
    for text in wrong:
        print(f"FAIL: {text}")
    return good and not wrong


def set_up(folder: Path) -> None:
    """Make the venv of the other tools."""
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", *TOOLS], check=True)


def main() -> None:
    """Read the flags, start the stand-in, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--setup", type=Path, metavar="DIR", help="make a venv with the other tools there, and end")
    parser.add_argument(
        "--tools", type=Path, metavar="DIR", help="the venv of the other tools; without it they are left out"
    )
    parser.add_argument("--spotbox", metavar="CMD", help="how to start the spotbox that is measured")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if given.setup:
        return set_up(given.setup)
    beside = Path(sys.executable).with_name("spotbox")
    spotbox = [str(beside)] if beside.exists() else [sys.executable, "-m", "spotbox"]
    command = [sys.executable, str(ROOT / "benchmarks" / "standin.py"), "--delay", str(DELAY)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
    ):
        try:
            url = server.stdout.readline().strip()
            bench = Bench(url, shlex.split(given.spotbox) if given.spotbox else spotbox, given.tools, Path(folder))
            bench.round()  # warms the disk cache, and has the stand-in make its answers
            bench.runs.clear()
            for _ in range(given.rounds):
                bench.round()
            machine = f"{os.cpu_count()} cores, Python {sys.version.split()[0]}"
            print(f"{given.rounds} rounds, {machine}, {shlex.join(bench.spotbox)}\n")
            good = report(bench)
        finally:
            server.terminate()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
