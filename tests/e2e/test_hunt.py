"""The hunt against the sandbox over HTTP: a second region, a standing request, on demand; and nothing is left."""

import json
import subprocess

import pytest

from tests.e2e.conftest import SPOTBOX, left_anywhere, needs_ssh

pytestmark = needs_ssh
REGIONS = ["us-east-1", "eu-west-1"]
TYPE = ["-t", "g4dn.xlarge"]


def close(here, region, state="closed"):
    """No Spot capacity of the type in any zone of a region (or some again)."""
    zones = here.client("ec2", region).describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["g4dn.xlarge"]}]
    )["InstanceTypeOfferings"]
    for zone in zones:
        here.run("sandbox", "capacity", "g4dn.xlarge", zone["Location"], state)


@pytest.mark.slow  # the same with fakes: test_up_hunt.py and test_up_park.py of commands
def test_a_second_region_and_a_standing_request(fresh):
    """Two ways to a box that Spot has not in the first place; each goes without a trace."""
    fresh.run("sandbox", "start")
    close(fresh, "us-east-1")
    both = ["-r", "us-east-1", "-r", "eu-west-1"]

    box = fresh.json("up", "-y", *TYPE, *both, "--wait", "0")
    assert (box["state"], box["region"]) == ("running", "eu-west-1")
    first = fresh.client("ec2", "us-east-1")
    assert [g["GroupName"] for g in first.describe_security_groups()["SecurityGroups"]] == ["default"]
    assert first.describe_key_pairs()["KeyPairs"] == []
    fresh.sandbox("down", "-y")
    assert left_anywhere(fresh, REGIONS) == []

    assert fresh.json("up", "-y", *TYPE, "-r", "us-east-1", "--park")["state"] == "waiting"
    fresh.sandbox("up", "-y", "--wait", "1s", code=3)
    assert fresh.json("status", "dev")["status_code"] == "capacity-not-available"
    close(fresh, "us-east-1", "open")
    box = fresh.json("up", "-y")
    assert (box["state"], box["untagged"]) == ("running", [])
    (instance,) = first.describe_instances(InstanceIds=[box["instance_id"]])["Reservations"][0]["Instances"]
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    (volume,) = first.describe_volumes()["Volumes"]
    assert volume["Encrypted"]
    assert {"Key": "spotbox:role", "Value": "root"} in volume["Tags"]
    assert "T4" in fresh.sandbox("ssh", "--", "nvidia-smi -L").stdout
    fresh.sandbox("down", "-y")
    assert left_anywhere(fresh, REGIONS) == []


@pytest.mark.slow
def test_the_same_box_on_demand(fresh):
    """A maximum below the Spot price waits like capacity; then the box comes on demand, and lives like any other."""
    below = ["--max-price", "0.01", "--wait", "0", "--fallback", "on-demand"]
    box = fresh.json("up", "-y", *TYPE, "-r", "us-east-1", *below)
    assert (box["state"], box["market"], box["request_id"]) == ("running", "on-demand", None)
    fresh.sandbox("stop")
    fresh.sandbox("start")
    assert fresh.json("status", "dev")["state"] == "running"
    fresh.sandbox("down", "-y")
    assert left_anywhere(fresh, REGIONS) == []


@pytest.mark.slow  # the same with fakes: tests/commands/test_up_rivals.py
def test_two_terminals_in_two_regions_end_with_one_box(fresh):
    """Both find the name free and launch; the younger goes again, and both report the one that stays."""
    fresh.run("sandbox", "start")
    ups = [
        subprocess.Popen(
            [SPOTBOX, "--sandbox", "up", "-y", *TYPE, "-r", region, "-o", "json"],
            env=fresh.env,
            cwd=fresh.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for region in REGIONS
    ]
    said = [up.communicate(timeout=90) for up in ups]
    assert [up.returncode for up in ups] == [0, 0], said
    (box,) = fresh.json("status")
    assert {json.loads(out)["instance_id"] for out, _ in said} == {box["instance_id"]}, said
    assert box["state"] == "running"
    fresh.sandbox("down", "-y")
    assert left_anywhere(fresh, REGIONS) == []
