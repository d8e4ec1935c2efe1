"""`up` over several regions, `--park`, and `--fallback on-demand`."""

from dataclasses import replace
from decimal import Decimal

import pytest

from spotbox.core.boxes import assemble
from tests.commands.fakes import FakeCloud, live
from tests.commands.world import T4

BOTH = ["-r", "us-east-1", "-r", "eu-west-1"]
NONE = "InsufficientInstanceCapacity"


def boxes(world, name="dev"):
    """What stands under that name, in every region."""
    seen = FakeCloud(world).observe(["us-east-1", "eu-west-1"], name=name)
    return [box for sight in seen.sights for box in assemble(sight)]


def regions_of(things):
    return sorted({thing.region for thing in things.values()})


# -- several regions -----------------------------------------------------------------------------------------------


def test_regions_come_outermost_in_the_order_given(user):
    """All zones of the first region before the second; the plan says when key and group come there."""
    said = user.run("up", "--dry-run", "-t", "g4dn.xlarge", *BOTH)
    assert said.out.splitlines()[-1] == (
        "would submit a persistent Spot request for g4dn.xlarge in us-east-1a, then us-east-1b, eu-west-1a, "
        "eu-west-1b (key and group are made in eu-west-1 only where it comes to that)"
    )
    swapped = user.run("up", "--dry-run", "-t", "g4dn.xlarge", "-r", "eu-west-1", "-r", "us-east-1")
    assert "for g4dn.xlarge in eu-west-1a, then eu-west-1b, us-east-1a" in swapped.out


def test_the_box_lands_in_the_second_region_and_leaves_no_trace_in_the_first(user):
    """Where the first region has nothing, its key and group are taken away again."""
    user.world.refuses("RunInstances", NONE, http=500, region="us-east-1")
    said = user.run("up", "-y", *BOTH)
    assert said.code == 0
    assert said.out.startswith("dev is up: g4dn.xlarge in eu-west-1a, $0.1578/h on Spot")
    assert "-r us-east-1 -r eu-west-1" in said.out.splitlines()[-1]
    for things in (user.world.groups, user.world.keys):
        assert regions_of(things) == ["eu-west-1"]
    assert user.run("down", "-y").code == 0
    assert user.world.left() == []


def test_the_first_region_accepts_and_nothing_is_made_elsewhere(user):
    """Key and group are made in a region only when its first pool is tried."""
    assert user.run("up", "-y", *BOTH).code == 0
    assert regions_of(user.world.groups) == regions_of(user.world.keys) == ["us-east-1"]


def test_no_region_has_anything(user):
    """Exit 3, and neither region keeps a trace."""
    user.world.refuses("RunInstances", NONE, http=500)
    said = user.run("up", "-y", "--wait", "2m", *BOTH)
    assert (said.code, user.world.left()) == (3, [])


def test_ctrl_c_in_the_second_region_leaves_no_trace_in_either(user):
    """Cut off while the second region was tried: what was made goes in both."""
    user.world.refuses("RunInstances", NONE, http=500, region="us-east-1")
    user.world.interrupts("RunInstances", after=True)
    said = user.run("up", "-y", *BOTH)
    assert (said.code, user.world.left()) == (130, [])
    assert said.err.splitlines()[-1].startswith("  Nothing of dev exists any more")


def test_a_region_that_cannot_serve_is_left_out(user):
    """A type that one region does not sell costs a remark; where no region sells it, it is a usage error."""
    user.world.offers("us-east-1", "g5.xlarge")
    said = user.run("up", "-y", "-t", "g5.xlarge", *BOTH)
    assert said.code == 0
    assert "us-east-1 is left out: " in said.err
    assert boxes(user.world)[0].region == "eu-west-1"


def test_a_zone_names_its_region(user):
    """-z narrows the pools of every region: one without a named zone is left out, and told."""
    said = user.run("up", "--dry-run", "-z", "eu-west-1b", *BOTH)
    assert "us-east-1 is left out: " in said.err
    assert said.out.splitlines()[-1] == "would submit a persistent Spot request for g4dn.xlarge in eu-west-1b"


def test_a_box_in_any_of_the_regions_is_the_box(user):
    """-r with several regions does not differ from a box in one of them."""
    user.world.has_box("dev", "stopped", region="eu-west-1")
    said = user.run("up", "-y", *BOTH)
    assert said.code == 0
    assert "spotbox move" not in said.err


def test_up_does_not_take_all_regions(user):
    """`-r all` is for prices: a hunt has an order."""
    said = user.run("up", "-y", "-r", "all")
    assert (said.code, user.world.left()) == (2, [])


def test_a_region_that_cannot_be_searched_gets_no_box(user):
    """Where a box of that name may stand unseen, none is made."""
    user.world.refuses("DescribeInstances", "UnauthorizedOperation", http=403, region="us-east-1")
    said = user.run("up", "-y")
    assert (said.code, user.world.left()) == (5, [])


# -- park ----------------------------------------------------------------------------------------------------------

PARKED = """\
dev waits with AWS for a g4dn.xlarge in us-east-1a: AWS has no Spot capacity of this type in this zone
  how it stands       spotbox status dev
  wait for it         spotbox up dev
  remove it           spotbox down dev
  the same again      spotbox up dev -r us-east-1 -t g4dn.xlarge --park -y
"""


def test_park_leaves_a_standing_request_and_returns(user):
    """Exit 0 at once with the box waiting; nothing was launched."""
    said = user.run("up", "-y", "--park")
    assert (said.code, said.out) == (0, PARKED)
    assert user.world.clock == 0
    assert user.world.instances == {}
    assert [str(box.state) for box in boxes(user.world)] == ["waiting"]


@pytest.mark.parametrize(("limits", "says"), [
    ((), "it bills from then on: forgotten, $3.79 a day and the disk.\n"),
    (("--idle-stop", "2h"), "it bills from then on, or it stops itself by its limits (stop after 2h idle).\n"),
])  # fmt: skip
def test_what_a_parked_box_will_cost_forgotten(user, limits, says):
    """Without a limit a day's cost is told once for a box that AWS is to launch too; with one, the limit."""
    said = user.run("up", "-y", "--park", *limits)
    assert said.code == 0
    assert said.err.count(says) == 1


def test_a_parked_box_is_waiting_in_json(user):
    """-o json is the Box, as for every `up`."""
    said = user.run("up", "-y", "--park", "-o", "json")
    assert (said.json["state"], said.json["instance_id"], said.json["status_code"]) == (
        "waiting",
        None,
        "capacity-not-available",
    )


def test_the_plan_of_a_parked_box(user):
    """--dry-run tells of the standing request, and none is left."""
    said = user.run("up", "--park", "--dry-run")
    assert said.out.splitlines()[-1] == "would leave a standing Spot request for g4dn.xlarge in us-east-1a with AWS"
    assert user.world.left() == []


def fulfilled(user, after=30):
    """A parked box that AWS launches by itself `after` seconds."""
    assert user.run("up", "-y", "--park").code == 0
    (request,) = live(user.world)
    user.world.later(after, lambda: user.world.relaunch(request.id))
    return request


def test_up_waits_for_a_parked_box_and_makes_it_whole(user):
    """`up NAME` waits on it, tags what AWS launched (the volume as root), requires IMDSv2, and makes no second one."""
    request = fulfilled(user)
    said = user.run("up", "-y")
    assert said.code == 0
    assert [r.id for r in live(user.world)] == [request.id]
    (box,) = boxes(user.world)
    assert (str(box.state), box.untagged, box.instance.http_tokens) == ("running", (), "required")
    assert {v.tags["spotbox:role"] for v in box.volumes} == {"root"}


@pytest.mark.parametrize("command", [["ssh"], ["stop"], ["up", "-y"]])
def test_the_next_command_that_acts_makes_it_whole(user, command):
    """Fulfilled while nobody looked: ssh, stop and up tag it and require IMDSv2; status only reports."""
    fulfilled(user)
    user.world.sleep(120)
    assert user.run("status").code == 0
    (bare,) = boxes(user.world)
    assert bare.untagged
    assert bare.instance.http_tokens == "optional"
    assert user.run(*command).code == 0
    (box,) = boxes(user.world)
    assert (box.untagged, box.instance.http_tokens) == ((), "required")


def test_up_gives_up_on_a_parked_box_after_wait(user):
    """Not fulfilled within --wait: exit 3, and the request stands on."""
    user.run("up", "-y", "--park")
    said = user.run("up", "-y", "--wait", "90s")
    assert (said.code, len(live(user.world))) == (3, 1)


def test_park_twice_leaves_one_request(user):
    """Never a parked and another request of one name."""
    user.run("up", "-y", "--park")
    said = user.run("up", "-y", "--park")
    assert (said.code, len(live(user.world)), user.world.clock) == (0, 1, 0)


BIG = replace(T4, name="g4dn.12xlarge", vcpus=48)


def test_a_standing_request_is_for_a_pool_that_the_quota_admits(user):
    """AWS would refuse the others, or let them wait for ever: the first with room is taken."""
    user.world.types[BIG.name] = BIG
    user.world.offers("us-east-1", BIG.name, a="1.2")
    user.world.quota = Decimal(8)
    said = user.run("up", "-y", "--park", "-t", BIG.name, "-t", "g4dn.xlarge")
    assert said.code == 0
    assert [request.instance_type for request in live(user.world)] == ["g4dn.xlarge"]


def test_no_pool_of_the_quota_to_wait_for(user):
    """Exit 4 where the zones that were named leave only pools that the quota does not admit; nothing is made."""
    user.world.types[BIG.name] = BIG
    user.world.offers("us-east-1", BIG.name, b="1.2")
    user.world.offers("us-east-1", "g4dn.xlarge", a="0.2")
    user.world.quota = Decimal(8)
    said = user.run("up", "-y", "--park", "-t", BIG.name, "-t", "g4dn.xlarge", "-z", "us-east-1b")
    assert (said.code, user.world.left()) == (4, [])
    assert "g4dn.12xlarge needs 48" in said.err


def test_down_cancels_a_parked_box(user):
    """Nothing is left, and nothing is launched later."""
    user.run("up", "-y", "--park")
    assert user.run("down", "-y").code == 0
    user.world.sleep(3600)
    assert user.world.left() == []


@pytest.mark.parametrize(("code", "exit_code"), [("MaxSpotInstanceCountExceeded", 4), ("UnauthorizedOperation", 5)])
def test_a_refused_park_leaves_nothing(user, code, exit_code):
    """Key and group go again."""
    user.world.refuses("RequestSpotInstances", code)
    said = user.run("up", "-y", "--park")
    assert (said.code, user.world.left()) == (exit_code, [])


def test_park_and_fallback_exclude_each_other(user):
    """A standing request waits for Spot alone."""
    said = user.run("up", "-y", "--park", "--fallback", "on-demand")
    assert (said.code, user.world.left()) == (2, [])


# -- fallback ------------------------------------------------------------------------------------------------------

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


# -- two terminals at once -----------------------------------------------------------------------------------------


def test_of_two_terminals_the_later_gives_way(user):
    """Another terminal's launch of the same name, in another pool and earlier: this run's own goes, that one stays."""
    user.world.refuses("RunInstances", NONE, http=500, zone="us-east-1a")

    user.world.later(2, lambda: user.world.has_box("dev", "starting", age=30))
    said = user.run("up", "-y")
    assert said.code == 0
    assert "another terminal launched dev first" in said.err
    (kept,) = live(user.world)
    assert [i.request_id for i in user.world.instances.values() if i.state == "running"] == [kept.id]
    assert kept.created < user.world.now()
