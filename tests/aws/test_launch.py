"""The hunt: which pool is asked after which refusal, for how long, and with what group."""

import pytest

from spotbox.aws.apply import make_group, make_key
from spotbox.aws.asking import find_group
from spotbox.core.errors import Exit
from spotbox.core.hunt import LAG, LONGEST_PAUSE
from tests.aws.launching import ABROAD, ELSEWHERE, LARGE, OTHER_QUOTA, QUOTA, SMALL, A, B, C, Launching
from tests.aws.stubs import GROUP, World
from tests.core.worlds import REGION, ground


def test_the_first_pool_that_accepts():
    """One call, one instance; the call is sent a single time by a client that does not retry."""
    world = Launching(A, B)
    world.accepts(A)
    found = world.launch()
    assert (found.instance_id, found.offer, found.region, found.tried) == ("i-1", A, REGION, (REGION,))


@pytest.mark.parametrize(
    "code",
    ["InsufficientInstanceCapacity", "Unsupported", "SpotMaxPriceTooLow", "InsufficientFreeAddressesInSubnet",
     "InsufficientVolumeCapacity"],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 500])
def test_a_refusal_of_one_pool_leads_to_the_next(code, status):
    """What concerns this zone and type only is answered by the next pool, whatever the HTTP status."""
    world = Launching(A, B)
    world.no(A, code, status=status)
    world.accepts(B)
    assert world.launch().offer == B
    assert world.shown[-1].startswith("asking for g5.xlarge in us-east-1b; g5.xlarge in us-east-1a: ")


def test_all_refused_is_exit_3():
    """One round without time to wait, then the pools and why."""
    world = Launching(A, B)
    world.no(A)
    world.no(B)
    told = world.fails()
    assert told.exit_code is Exit.NO_CAPACITY
    assert "g5.xlarge in us-east-1a" in told.message
    assert "g5.xlarge in us-east-1b" in told.message
    assert world.clock.naps == []


def test_rounds_back_off_within_the_time():
    """Pauses of 5 s, then 10 s, and the last round as the time ends; the line says when the next round is."""
    world = Launching(A)
    for _ in range(4):
        world.no(A)
    assert world.fails(wait=30).exit_code is Exit.NO_CAPACITY
    assert world.clock.at == pytest.approx(30)
    assert any(line.startswith("g5.xlarge in us-east-1a: ") and "next round in 10s" in line for line in world.shown)


def test_a_log_of_a_long_hunt_stays_short():
    """Where the line is no live one each new text is a line: a pause of a minute is six of them, not sixty."""
    world = Launching(A)
    for _ in range(8):
        world.no(A)
    world.accepts(A)
    world.launch(wait=3600)
    assert len({line for line in world.shown if "next round" in line}) <= 16


def test_the_pause_has_a_ceiling():
    """However long the hunt, AWS is asked at least every minute."""
    world = Launching(A)
    for _ in range(12):
        world.no(A)
    world.accepts(A)
    assert world.launch(wait=3600).rounds == 13
    assert world.clock.at == pytest.approx(5 + 10 + 20 + 40 + 8 * LONGEST_PAUSE)


def test_no_pool_at_all_is_exit_3():
    """A wish without offers ends at once."""
    assert Launching(group=False).fails(wait=900).exit_code is Exit.NO_CAPACITY


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("UnauthorizedOperation", Exit.DENIED),
        ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", Exit.DENIED),
        ("InvalidAMIID.NotFound", Exit.USAGE),
        ("InvalidParameterValue", Exit.USAGE),
        ("VolumeLimitExceeded", Exit.QUOTA),
        ("NeverSeenBefore", Exit.FAILED),
    ],
)
def test_what_does_not_heal_ends_it_at_once(code, exit_code):
    """Permission, parameters and the unknown are told, and no other pool is tried."""
    world = Launching(A, B)
    world.no(A, code, strays=None)
    told = world.fails(wait=900)
    assert (told.exit_code, told.code) == (exit_code, code)


# -- quota ---------------------------------------------------------------------------------------------------------


def test_quota_drops_the_pools_that_it_counts():
    """After one refusal no pool of the same Spot quota and size or larger is asked; smaller and others are."""
    world = Launching(A, B, LARGE, SMALL, OTHER_QUOTA)
    world.no(A, QUOTA)
    world.no(SMALL, QUOTA)
    world.accepts(OTHER_QUOTA)
    assert world.launch().offer == OTHER_QUOTA


def test_only_quota_in_the_way_is_exit_4_at_once():
    """Nothing is waited for that does not come by waiting, and the hint has the command that asks for more."""
    world = Launching(A, B, C)
    world.no(A, QUOTA)
    told = world.fails(wait=900)
    assert (told.exit_code, world.clock.naps) == (Exit.QUOTA, [])
    assert "request-service-quota-increase" in told.hint
    assert "L-3819A6DF" in told.hint


def test_capacity_beside_quota_is_exit_3():
    """Where one pool lacks quota and another capacity, waiting may help: 3, whichever came last."""
    for first, last in ((A, OTHER_QUOTA), (OTHER_QUOTA, A)):
        world = Launching(first, last)
        world.no(first, QUOTA if first == OTHER_QUOTA else "InsufficientInstanceCapacity")
        world.no(last, QUOTA if last == OTHER_QUOTA else "InsufficientInstanceCapacity")
        assert world.fails().exit_code is Exit.NO_CAPACITY


# -- what was made a moment ago ------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["InvalidKeyPair.NotFound", "InvalidGroup.NotFound", "RequestLimitExceeded"])
def test_what_passes_is_asked_again(code):
    """The same pool is asked again while AWS throttles, or does not know the key or the group; no other is tried."""
    world = Launching(A, B)
    world.no(A, code, strays=None)
    world.no(A, code, strays=None)
    world.accepts(A)
    assert world.launch().instance_id == "i-1"
    assert len(world.clock.naps) == 2


@pytest.mark.parametrize("code", ["InvalidGroup.NotFound", "InvalidKeyPair.NotFound", "InvalidSubnetID.NotFound"])
def test_what_was_just_made_is_waited_for(code):
    """EC2 does not know at once what it has just made: no refusal within the first minute, one after it."""
    world = Launching(A)
    world.no(A, code, strays=None)
    world.no(A, code, strays=None)
    world.accepts(A)
    assert world.launch().offer == A
    world = Launching(A)
    for _ in range(10):
        world.no(A, code, strays=None)
    assert world.fails(wait=900).code == code
    assert LAG <= world.clock.at < LAG + 11


def test_a_group_that_this_process_made_is_not_looked_up():
    """The step before knows its id; a launch that AWS says knows no such group yet is asked for again."""
    world = Launching(A, group=False)
    world.makes_ground(REGION)
    make_group(world.hands, world.wish.grounds[REGION].group)
    make_key(world.hands, world.wish.grounds[REGION].key)
    world.no(A, "InvalidGroup.NotFound", strays=None)
    world.accepts(A)
    assert world.launch().instance_id == "i-1"


def test_the_group_is_looked_for_until_aws_shows_it():
    """A group made a moment ago may not be shown at once."""
    world = World()
    filters = [{"Name": "group-name", "Values": ["spotbox-dev-alice"]}, {"Name": "vpc-id", "Values": ["vpc-1"]}]
    world.answers("describe_security_groups", {"SecurityGroups": []}, {"Filters": filters})
    world.answers("describe_security_groups", GROUP)
    assert find_group(world.hands, ground()) == "sg-1"


def test_a_group_that_never_appears_ends_the_launch():
    """Nothing is launched without its group."""
    world = Launching(A, group=False)
    for _ in range(20):
        world.answers("describe_security_groups", {"SecurityGroups": []})
    assert "does not appear" in world.fails(wait=900).message


# -- several regions, and on demand --------------------------------------------------------------------------------


def test_key_and_group_are_made_in_another_region_when_its_first_pool_is_tried():
    """The first region's were made by the plan; the other's only now, and once."""
    world = Launching(A, ABROAD, group=False)
    world.answers("describe_security_groups", GROUP)
    world.no(A)
    world.makes_ground(ELSEWHERE)
    world.no(ABROAD)
    world.no(A)
    world.accepts(ABROAD)
    found = world.launch(wait=10)
    assert (found.offer, found.region, found.tried) == (ABROAD, ELSEWHERE, (REGION, ELSEWHERE))


def test_a_region_that_is_not_reached_gets_nothing():
    """The first region accepts: nothing is made elsewhere."""
    world = Launching(A, ABROAD)
    world.accepts(A)
    assert world.launch().tried == (REGION,)


def test_a_quota_counts_in_its_own_region():
    """A Spot quota is per region: the other region's pools are still asked for."""
    world = Launching(A, B, ABROAD)
    world.no(A, QUOTA)
    world.makes_ground(ELSEWHERE)
    world.accepts(ABROAD)
    assert world.launch().offer == ABROAD


def test_an_on_demand_quota_is_exit_4():
    """VcpuLimitExceeded is the On-Demand error, and its hint names that quota."""
    world = Launching(A, B, market="on-demand")
    world.no(A, "VcpuLimitExceeded")
    told = world.fails()
    assert told.exit_code is Exit.QUOTA
    assert "L-DB2E81BA" in told.hint
