"""`up --fallback on-demand`: a box on demand where Spot has nothing."""

from decimal import Decimal

import pytest

from tests.commands.fakes import boxes, live

NONE = "InsufficientInstanceCapacity"
FALLBACK = ["--fallback", "on-demand", "--wait", "2m"]


def test_fallback_is_told_before_and_asked_once(user):
    """The summary names its price, and the one question covers it."""
    user.world.refuses("RunInstances spot", NONE, http=500)
    flags = [
        "-r",
        "us-east-1",
        "-t",
        "g4dn.xlarge",
        "-z",
        "us-east-1a",
        "--max-price",
        "on-demand",
        "--disk-size",
        "100",
        "--idle-stop",
        "0",
    ]
    said = user.run("up", *flags, *FALLBACK, answers=[("Go ahead?", True), ("Add spotbox's", False)])
    assert said.code == 0
    assert "  otherwise  if Spot has nothing within 2m: on demand at $0.5260/h\n" in said.err
    assert said.err.index("otherwise") < said.err.index("This will:")
    assert "  - where Spot has nothing within --wait: launch on demand g4dn.xlarge in us-east-1a\n" in said.err


def test_the_box_comes_on_demand_after_wait(user):
    """Spot is tried for all of --wait; then the same box on demand, with no request, and `market` says so."""
    user.world.refuses("RunInstances spot", NONE, http=500)
    said = user.run("up", "-y", "-o", "json", *FALLBACK)
    assert said.code == 0
    assert user.world.clock >= 120
    assert (said.json["market"], said.json["state"], said.json["request_id"]) == ("on-demand", "running", None)
    assert (said.json["on_demand"], said.json["max_price"]) == (0.526, None)
    assert "Spot had nothing within 2m: launching on demand at $0.5260/h, as asked\n" in said.err
    assert "forgotten, $12.62 a day" in said.err


def test_the_box_on_demand_lives_like_any_other(user):
    """up, status, stop, start, ssh and down work the same, and nothing is left."""
    user.world.refuses("RunInstances spot", NONE, http=500)
    said = user.run("up", "-y", *FALLBACK)
    assert said.out.startswith("dev is up: g4dn.xlarge in us-east-1a, $0.5260/h on demand\n")
    assert said.out.splitlines()[-1].endswith("--fallback on-demand -y")
    assert user.run("ssh").code == 0
    assert user.run("stop").code == 0
    assert user.run("status", "-o", "json").json[0]["state"] == "stopped"
    assert user.run("start").code == 0
    again = user.run("up", "-y", *FALLBACK)
    assert (again.code, "counts at the first launch only" in again.err) == (0, False)
    assert user.run("down", "-y").code == 0
    assert user.world.left() == []


def test_spot_within_wait_needs_no_fallback(user):
    """Where Spot accepts, nothing is launched on demand."""
    assert user.run("up", "-y", *FALLBACK).code == 0
    (box,) = boxes(user.world)
    assert (box.market, len(user.world.instances)) == ("spot", 1)


def test_no_capacity_on_demand_either(user):
    """Exit 3, and nothing is left."""
    user.world.refuses("RunInstances", NONE, http=500)
    said = user.run("up", "-y", *FALLBACK)
    assert (said.code, user.world.left()) == (3, [])


def test_an_on_demand_quota_is_4(user):
    """VcpuLimitExceeded is the On-Demand error."""
    user.world.refuses("RunInstances spot", NONE, http=500)
    user.world.refuses("RunInstances on-demand", "VcpuLimitExceeded")
    said = user.run("up", "-y", *FALLBACK)
    assert (said.code, user.world.left()) == (4, [])
    assert "Spot had nothing within 2m" in said.err
    assert "the On-Demand vCPU quota is used up" in said.err


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "InvalidParameterValue"])
def test_what_would_not_heal_on_demand_either_does_not_fall_back(user, code):
    """Permission and parameters are told; nothing is launched on demand for them."""
    user.world.refuses("RunInstances spot", code)
    said = user.run("up", "-y", *FALLBACK)
    assert said.code in (2, 5)
    assert user.world.left() == []


def test_a_spot_quota_that_is_used_up_falls_back(user):
    """AWS counts what the account runs already: the refusal is told, and the on-demand quota is another one."""
    user.world.refuses("RunInstances spot", "MaxSpotInstanceCountExceeded")
    said = user.run("up", "-y", "-o", "json", *FALLBACK)
    assert (said.code, said.json["market"]) == (0, "on-demand")
    assert "your Spot quota has no room: launching on demand at $0.5260/h, as asked\n" in said.err
    assert user.world.clock < 120


def test_a_spot_quota_that_is_too_small_falls_back_at_once(user):
    """Seen before the first launch: Spot is not tried, the plan and the price are those on demand."""
    user.world.quota = Decimal(2)
    user.world.role = False
    user.world.refuses("RunInstances spot", "MaxSpotInstanceCountExceeded")
    plan = user.run("up", "--dry-run", *FALLBACK)
    assert plan.out.splitlines()[-1] == "would launch on demand g4dn.xlarge in us-east-1a, then us-east-1b"
    said = user.run("up", "-y", *FALLBACK)
    assert said.code == 0
    assert "  price      $0.5260/h on demand\n  per day    $12.62\n" in said.err
    assert (
        "your Spot quota in us-east-1 is 2 vCPU (All G and VT Spot Instance Requests), but g4dn.xlarge needs 4: "
        "Spot is not tried, and the box comes on demand, as asked\n" in said.err
    )
    assert (user.world.role, "service-linked" in said.err) == (False, False)
    assert [box.market for box in boxes(user.world)] == ["on-demand"]


def test_neither_quota_has_room(user):
    """The on-demand quota is a separate one: its refusal is exit 4, with its own words."""
    user.world.quota = Decimal(0)
    user.world.refuses("RunInstances on-demand", "VcpuLimitExceeded")
    said = user.run("up", "-y", *FALLBACK)
    assert (said.code, user.world.left()) == (4, [])
    assert "the On-Demand vCPU quota is used up" in said.err


def test_without_the_flag_a_quota_is_4(user):
    """Nothing on demand that was not asked for."""
    user.world.quota = Decimal(2)
    assert (user.run("up", "-y").code, user.world.left()) == (4, [])


def test_a_spot_launch_that_shows_itself_late_stops_the_fallback(user):
    """Before anything is launched on demand, AWS is asked whether the hunt left something: it did, so no second box."""
    user.world.refuses("RunInstances spot", NONE, http=500)
    user.world.later(119, lambda: user.world.has_box("dev", "running"))
    said = user.run("up", "-y", *FALLBACK)
    assert said.code == 1
    assert "shows itself in us-east-1 after all" in said.err
    assert len(live(user.world)) == 1


def test_what_differs_is_named(user):
    """--park and --fallback count at the first launch only."""
    user.world.has_box("dev", "running")
    said = user.run("up", "-y", "--fallback", "on-demand")
    assert "--fallback counts at the first launch only" in said.err
    assert "--park counts at the first launch only" in user.run("up", "-y", "--park").err
