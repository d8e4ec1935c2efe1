"""Pools against the sandbox over HTTP: on demand at once, a full pool, and two terminals that want its last place."""

import subprocess

import pytest

from tests.e2e.conftest import SPOTBOX, left_anywhere, needs_ssh

pytestmark = needs_ssh
CONFIG = """
[defaults]
region = "us-east-1"

[pool.spot]
instance_type = ["g4dn.xlarge", "ml.g4dn.xlarge"]
max_boxes = 1

[pool.steady]
instance-type = "g4dn.xlarge"
market = "on-demand"
max-boxes = 1
"""


def configure(here):
    """Write the config file."""
    folder = here.home / "spot box"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(CONFIG)


def tags(parts):
    """The pool of each."""
    return [{t["Key"]: t["Value"] for t in part.get("Tags", [])}.get("spotbox:pool") for part in parts]


@pytest.mark.slow
def test_a_pool_on_demand(fresh):
    """No Spot request is ever made; all of it is tagged; the pool is full then; nothing is left."""
    configure(fresh)
    box = fresh.json("up", "--pool", "steady", "-y")
    assert (box["state"], box["market"], box["request_id"], box["instance_type"]) == (
        "running", "on-demand", None, "g4dn.xlarge"
    )  # fmt: skip
    ec2 = fresh.client("ec2")
    assert ec2.describe_spot_instance_requests()["SpotInstanceRequests"] == []
    (instance,) = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    groups = [g for g in ec2.describe_security_groups()["SecurityGroups"] if g["GroupName"] != "default"]
    interfaces = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert set(tags([instance, *ec2.describe_volumes()["Volumes"], *groups])) == {"steady"}
    assert all(tag in (None, "steady") for tag in tags(interfaces))
    full = fresh.sandbox("up", "two", "--pool", "steady", "-y", code=4)
    assert "it holds dev (running, us-east-1)" in full.stderr
    assert "pool" in fresh.sandbox("status", "dev").stdout
    fresh.sandbox("up", "--pool", "steady", "-y")
    fresh.sandbox("down", "-y")
    assert left_anywhere(fresh, ["us-east-1"]) == []


@pytest.mark.slow  # the same with fakes: tests/commands/test_pools.py
def test_two_terminals_and_one_place(fresh):
    """Started at once, one box stays at the end, or both where neither saw the other in time; never none."""
    configure(fresh)
    fresh.run("sandbox", "start")
    both = [
        subprocess.Popen(
            [SPOTBOX, "--sandbox", "up", name, "--pool", "spot", "-y"],
            env=fresh.env,
            cwd=fresh.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    ends = [(each.communicate(timeout=240), each.returncode) for each in both]
    codes = sorted(code for _, code in ends)
    there = [box["name"] for box in fresh.json("status")]
    assert codes == [0, 4], ends
    assert len(there) == 1
    fresh.sandbox("down", "--all", "-y")
    assert left_anywhere(fresh, ["us-east-1"]) == []
