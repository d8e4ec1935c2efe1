"""The installed spotbox against a sandbox of its own: real processes, real HTTP, real OpenSSH."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SPOTBOX = Path(sys.executable).with_name("spotbox")
needs_ssh = pytest.mark.skipif(not shutil.which("ssh"), reason="OpenSSH's client is not installed")


@dataclass
class Here:
    """A home folder with nothing in it, and spotbox run from it."""

    home: Path
    extra: dict[str, str] = field(default_factory=dict)
    clients: dict = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """What a fresh machine has in its environment; no AWS_*, no SPOTBOX_*."""
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "TMPDIR")}
        return {
            **keep,
            "HOME": str(self.home),
            "SPOTBOX_HOME": str(self.home / "spot box"),  # a space, as users have them
            "SPOTBOX_SANDBOX_PACE": "0.2",
            "TERM": "xterm-256color",
            **self.extra,
        }

    def run(
        self, *args: str, code: int | None = 0, stdin: str | None = None, timeout: float = 90
    ) -> subprocess.CompletedProcess:
        """Run spotbox; the exit code must be as expected (None: any)."""
        done = subprocess.run(
            [SPOTBOX, *args], env=self.env, cwd=self.home, capture_output=True, text=True, timeout=timeout, input=stdin
        )
        assert code is None or done.returncode == code, f"{args} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def sandbox(self, *args: str, **options) -> subprocess.CompletedProcess:
        """Run spotbox --sandbox."""
        return self.run("--sandbox", *args, **options)

    def json(self, *args: str):
        """What a command prints with -o json."""
        return json.loads(self.sandbox(*args, "-o", "json").stdout)

    def exports(self) -> dict[str, str]:
        """The variables of `sandbox env`, as a shell would set them."""
        script = self.run("sandbox", "env").stdout + "\nenv -0"
        out = subprocess.run(
            ["bash", "-c", script], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True
        )
        return dict(item.split("=", 1) for item in out.stdout.split("\0") if "=" in item)

    def client(self, service: str, region: str = "us-east-1"):
        """An independent boto3 client that knows nothing of spotbox but the exported variables."""
        import boto3

        if (service, region) not in self.clients:
            known = self.clients.setdefault("exports", self.exports())
            session = self.clients.setdefault("session", boto3.session.Session())
            self.clients[service, region] = session.client(
                service,
                region_name=region,
                endpoint_url=known["AWS_ENDPOINT_URL"],
                aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
            )
        return self.clients[service, region]


def left_anywhere(here: Here, regions: list[str] | None = None) -> list[str]:
    """Everything that bills or bears spotbox's traces, in every region (or these), seen by an independent client."""
    found = []
    for region in regions or [r["RegionName"] for r in here.client("ec2").describe_regions()["Regions"]]:
        ec2 = here.client("ec2", region)
        requests = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
        found += [r["SpotInstanceRequestId"] for r in requests if r["State"] in ("open", "active", "disabled")]
        instances = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
        found += [i["InstanceId"] for i in instances if i["State"]["Name"] != "terminated"]
        found += [v["VolumeId"] for v in ec2.describe_volumes()["Volumes"]]
        found += [
            g["GroupName"] for g in ec2.describe_security_groups()["SecurityGroups"] if g["GroupName"] != "default"
        ]
        found += [k["KeyName"] for k in ec2.describe_key_pairs()["KeyPairs"]]
        found += [i["ImageId"] for i in ec2.describe_images(Owners=["self"])["Images"]]
        found += [s["SnapshotId"] for s in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]]
        found += [a["PublicIp"] for a in ec2.describe_addresses()["Addresses"]]
    return found


def make_here(folder: Path, **extra: str) -> Here:
    home = folder / "home"
    home.mkdir()
    return Here(home, extra)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """One sandbox for the tests of a module."""
    place = make_here(tmp_path_factory.mktemp("e2e"))
    yield place
    place.run("sandbox", "stop", code=None)


@pytest.fixture
def fresh(tmp_path):
    """A sandbox of one test's own."""
    place = make_here(tmp_path)
    yield place
    place.run("sandbox", "stop", code=None)
