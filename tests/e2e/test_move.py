"""`move` for real: what is on the box is there afterwards, it keeps its identity, and nothing is left behind."""

import pytest

from tests.e2e.conftest import left_anywhere, needs_ssh

pytestmark = needs_ssh
REGIONS = ["us-east-1", "us-west-2"]


@pytest.fixture(scope="module")
def box(here):
    """A box with something on its disk."""
    here.extra["SPOTBOX_SANDBOX_PACE"] = "0.05"
    here.sandbox("up", "-y", "-t", "g4dn.xlarge", "-z", "us-east-1a", timeout=300)
    here.sandbox("ssh", "--", "echo", "precious", ">", "kept.txt")
    yield here
    here.sandbox("down", "--all", "-y", code=None, timeout=300)


def host_keys(here):
    """The host keys that this machine knows, without the names that they are known by."""
    lines = (here.home / "spot box" / "known_hosts").read_text().splitlines()
    return sorted(line.split(" ", 1)[1] for line in lines)


def is_whole(here, zone, kind="g4dn.xlarge"):
    """One box, there, with what was on it; one request, instance, volume, group and key in all regions."""
    (record,) = here.json("status")
    assert (record["state"], record["zone"], record["instance_type"]) == ("running", zone, kind)
    assert here.sandbox("ssh", "--", "cat", "kept.txt").stdout == "precious\n"
    assert len(left_anywhere(here, REGIONS)) == 5
    assert here.sandbox("audit").stdout == ""


def test_a_box_moves_to_another_zone(box):
    """Its files and its host keys go with it; the user is told each step, and the old one is gone."""
    before = host_keys(box)
    said = box.sandbox("move", "-y", "-z", "us-east-1b", timeout=300)
    assert said.stdout.startswith("dev has moved: g4dn.xlarge in us-east-1b, $")
    is_whole(box, "us-east-1b")
    assert host_keys(box) == before
    assert "nothing to do" in box.sandbox("move", "-y", "-z", "us-east-1b", timeout=300).stdout


@pytest.mark.slow  # the same with fakes: tests/commands/test_move.py
def test_an_interrupted_box_moves_to_another_region(box):
    """AWS has no capacity where it is: it moves without running, and runs elsewhere."""
    before = host_keys(box)
    (record,) = box.json("status")
    box.sandbox("sandbox", "capacity", "g4dn.xlarge", record["zone"], "closed")
    box.sandbox("sandbox", "interrupt", "dev")
    for _ in range(60):
        (record,) = box.json("status")
        if record["state"] == "interrupted":
            break
    assert "spotbox --sandbox move dev" in box.sandbox("start", code=3).stderr
    box.sandbox("move", "-y", "-r", "us-west-2", "-t", "g5.xlarge", timeout=300)
    (record,) = box.json("status")
    is_whole(box, record["zone"], "g5.xlarge")
    assert record["region"] == "us-west-2"
    assert host_keys(box) == before


@pytest.mark.slow  # the same with fakes: tests/commands/test_move.py
def test_where_there_is_no_capacity_the_box_stays(box):
    """Exit 3: it runs again where it was, with what was on it, and nothing is left of the move."""
    (record,) = box.json("status")
    region, kind = record["region"], record["instance_type"]
    for zone in {f"{region}{letter}" for letter in "abcdef"} - {record["zone"]}:
        box.sandbox("sandbox", "capacity", kind, zone, "closed", code=None)
    said = box.sandbox("move", "-y", "--wait", "0", code=3, timeout=300)
    assert "stays where it was, and runs again" in said.stderr
    is_whole(box, record["zone"], kind)
