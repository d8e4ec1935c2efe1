"""One walk of a box from `up` to `down`, on AWS or in the sandbox, within a ceiling of money and time."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest

from spotbox.sandbox import process
from tests.live.report import Report

ROOT = Path(__file__).parents[2]
NAME = "live-check"
CEILING = Decimal("0.50")  # USD, for all of it
MARK = {"Key": "spotbox-live", "Value": NAME}  # of the probes; not one of spotbox's own tags
HOURS, PROBES = (
    Decimal("0.75"),
    Decimal("0.25"),
)  # the walk ends itself then; so long run the probes beside the box, one at a time
MOST = Decimal("0.40")  # USD per hour that the box may cost
DISK, DISK_USD, ADDRESS_USD = 100, Decimal("0.12"), Decimal("0.005")  # GiB; GiB-month and hour, dear rather than cheap
REACH = ("SPOTBOX_CHECKIP_URL", "SPOTBOX_ADVISOR_URL")  # of his settings those without which he may reach nothing
MONTH = 730  # hours
GONE = ("shutting-down", "terminated")
UBUNTU = "099720109477"  # Canonical's account (Ubuntu on AWS, "Find images")
PLAIN = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*"


@dataclass
class Walk:
    """A user with an empty home of spotbox's, the account, and what was found out so far."""

    home: Path
    region: str
    sandbox: bool
    report: Report
    began: float = field(default_factory=time.monotonic)
    clients: dict[str, Any] = field(default_factory=dict)
    launch: tuple[str, ...] = ()  # the flags of `up`
    box: dict[str, Any] = field(default_factory=dict)  # as `up` told it
    gone: bool = False  # `down` has removed it
    mine: bool = False  # a box of that name did not exist before: what there is may be removed
    probes: list[tuple[str, str]] = field(default_factory=list)  # (request id, instance id) of raw launches

    @property
    def env(self) -> dict[str, str]:
        """The user's own environment and credentials, but none of his spotbox settings; a home of spotbox's apart."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SPOTBOX_", "PYTEST_")) or k in REACH}
        own = {"SPOTBOX_HOME": str(self.home), "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        if self.sandbox:
            kept = {k: v for k, v in kept.items() if not k.startswith("AWS_")}
            own |= {"SPOTBOX_SANDBOX": "1", "HOME": str(self.home), "SPOTBOX_SANDBOX_PACE": "0.1"}
        return {**kept, **own}

    def run(self, *words: str, code: int | None = 0, timeout: float = 1500) -> subprocess.CompletedProcess:
        """`spotbox WORDS`; the exit code must be as expected (None: any)."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "spotbox", *words],
            env=self.env, cwd=self.home, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        assert code in (None, done.returncode), f"{words} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *words: str) -> Any:
        """What a command prints with -o json."""
        return json.loads(self.run(*words, "-o", "json").stdout)

    def client(self, service: str, region: str = "") -> Any:
        """A client that knows nothing of spotbox."""
        region = region or self.region
        if f"{service} {region}" not in self.clients:
            keys: dict[str, str] = {}
            if self.sandbox:
                keys = {name: text.strip("'\"") for name, text in self._exports().items()}
                keys = {
                    "endpoint_url": keys["AWS_ENDPOINT_URL"],
                    "aws_access_key_id": keys["AWS_ACCESS_KEY_ID"],
                    "aws_secret_access_key": keys["AWS_SECRET_ACCESS_KEY"],
                }
            session = self.clients.setdefault("session", boto3.session.Session())
            self.clients[f"{service} {region}"] = session.client(service, region_name=region, **keys)
        return self.clients[f"{service} {region}"]

    def _exports(self) -> dict[str, str]:
        if "exports" not in self.clients:
            lines = self.run("sandbox", "env").stdout.splitlines()
            self.clients["exports"] = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        return self.clients["exports"]

    def seen(self) -> dict[str, Any]:
        """The box as it is now; empty where there is none."""
        done = self.run("status", NAME, "-r", self.region, "-o", "json", code=None)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def play(self, verb: str, **given: Any) -> None:
        """What only the user of a sandbox can do."""
        process.call(process.running(self.home / "sandbox"), verb, **given)

    @property
    def seconds(self) -> float:
        """AWS's seconds to the sandbox's, of what is waited for."""
        return 0.1 if self.sandbox else 1.0

    def until(self, look: Any, patience: float, every: float = 5.0) -> Any:
        """What `look` gives once that is true; the last it gave, when `patience` (AWS's seconds) is over."""
        end = time.monotonic() + max(patience * self.seconds, 6)
        while True:
            found = look()
            if found or time.monotonic() > end:
                return found
            time.sleep(max(every * self.seconds, 0.2))

    def in_time(self) -> None:
        """Skip what is left where the time of the walk is over: it would cost more than was said."""
        if time.monotonic() - self.began > float(HOURS) * 3600:
            pytest.skip("the time of the walk is over")


def refuse_strangers(walk: Walk) -> None:
    """A box of this name is not ours to touch."""
    if walk.run("status", NAME, code=None).returncode != 7:
        pytest.exit(f"there is a box {NAME} already, or AWS does not say: nothing was started, nothing removed", 2)
    walk.mine = True


def choose(walk: Walk) -> None:
    """The type: SPOTBOX_LIVE_TYPE, else `up`'s own where the Spot quota admits it, else t3.micro on plain Ubuntu."""
    common = ("-r", walk.region, "--max-price", str(MOST), "--ttl", "1h", "--wait", "5m")
    wanted = os.environ.get("SPOTBOX_LIVE_TYPE", "")
    types = ["-t", wanted] if wanted else []
    rows = json.loads(walk.run("doctor", "-r", walk.region, *types, "-o", "json", code=None).stdout)
    walk.report.remarks += [f"doctor: {r['check']}: {r['detail']}" for r in rows if r["status"] != "ok"]
    quota = next((row["status"] for row in rows if row["check"] == "quota"), "fail")
    if not wanted and quota == "fail":
        wanted = "t3.micro"
    walk.launch = (*common, *(["-t", wanted] if wanted else []))
    if wanted.startswith(("t2.", "t3.", "m5.", "c5.")):  # the Deep Learning image names the families it is for
        walk.launch += ("--ami", os.environ.get("SPOTBOX_LIVE_AMI") or _plain_image(walk), "--ssh-user", "ubuntu")


def _plain_image(walk: Walk) -> str:
    filters = [{"Name": "name", "Values": [PLAIN]}, {"Name": "state", "Values": ["available"]}]
    found = walk.client("ec2").describe_images(Owners=[UBUNTU], Filters=filters)["Images"]
    assert found, "no plain Ubuntu image; name one with SPOTBOX_LIVE_AMI"
    return max(found, key=lambda image: image["CreationDate"])["ImageId"]


def most_usd() -> Decimal:
    """What the walk may cost at most: the box, and one after the other two probes of its type, each at most MOST."""
    hourly = MOST + ADDRESS_USD + DISK * DISK_USD / MONTH
    return hourly * (HOURS + PROBES)


def clean_up(walk: Walk) -> list[str]:
    """Remove all that the walk made, however it ended; what could not be removed or seen, in words."""
    if not walk.mine:
        return []
    left = []
    for request, instance in walk.probes:
        left += end_probe(walk, request, instance)
    if walk.probes and not walk.until(lambda: not _alive(walk), 240):
        left.append(f"probes that still live: {', '.join(_alive(walk))}")
    for _ in range(3):
        if walk.gone:
            break
        done = walk.run("down", NAME, "-y", code=None)
        walk.gone = done.returncode == 0
        time.sleep(0 if walk.gone else 5)
    if not walk.gone:
        left.append(f"down {NAME} ended with {done.returncode}: {done.stderr.strip()}")
    rows = json.loads(walk.run("audit", "-o", "json", "-r", walk.region, code=None).stdout or "[]")
    return left + [f"{row['kind']} {row['id']}: {row['remedy']}" for row in rows if row["name"] == NAME]


def end_probe(walk: Walk, request: str, instance: str) -> list[str]:
    """Cancel first, or AWS launches another; then terminate whatever bears the request's id. Fine twice."""
    ec2 = walk.client("ec2")
    try:
        if request:
            ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request])
        ids = set(_instances(walk, [request] if request else [])) | ({instance} if instance and not request else set())
        if ids:
            ec2.terminate_instances(InstanceIds=sorted(ids))
    except Exception as error:  # whatever it is, the user must know what bills
        return [f"probe {request} {instance}: {error}"]
    return []


def _instances(walk: Walk, requests: list[str]) -> list[str]:
    """What lives on these requests."""
    if not requests:
        return []
    by = [{"Name": "spot-instance-request-id", "Values": requests}]
    found = walk.client("ec2").describe_instances(Filters=by)["Reservations"]
    return [i["InstanceId"] for r in found for i in r["Instances"] if i["State"]["Name"] not in GONE]


def _alive(walk: Walk) -> list[str]:
    """Requests and instances of the probes that live; what AWS launched late is ended at this look."""
    by = [{"Name": f"tag:{MARK['Key']}", "Values": [NAME]}]
    requests = walk.client("ec2").describe_spot_instance_requests(Filters=by)["SpotInstanceRequests"]
    living = [r["SpotInstanceRequestId"] for r in requests if r["State"] in ("open", "active", "disabled")]
    instances = _instances(walk, [request for request, _ in walk.probes if request])
    for request, instance in walk.probes:
        if instances or living:
            end_probe(walk, request, instance)
    return living + instances
