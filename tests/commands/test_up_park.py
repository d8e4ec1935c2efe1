"""`up --park`: a standing request that AWS fulfils while nobody looks."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.commands.fakes import boxes, live
from tests.commands.world import T4

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
    ((), "it bills from then on: forgotten, $3.79 a day, and disk and public IPv4 on top.\n"),
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
