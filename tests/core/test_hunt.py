import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.core.hunt import (
    FIRST_PAUSE,
    LAG,
    LONGEST_PAUSE,
    Means,
    in_order,
    meaning,
    pause,
    pool_words,
    without_quota,
)
from spotbox.core.refusals import REFUSALS
from tests.core.worlds import offer

POOLS = [
    offer("g5.xlarge", "us-east-1a", spot="0.40"),
    offer("g5.xlarge", "us-east-1b", spot="0.42"),
    offer("g6.xlarge", "us-east-1a", spot="0.30"),
    offer("g6.xlarge", "us-east-1c", spot=None),
    offer("g5.xlarge", "eu-west-1a", spot="0.20"),
    offer("g6.xlarge", "eu-west-1a", spot="0.50"),
]


def words(pools):
    return [f"{pool.type.name[:2]} {pool.zone}" for pool in pools]


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        # Nothing ordered: cheapest first over everything, an unknown price last.
        ({}, ["g5 eu-west-1a", "g6 us-east-1a", "g5 us-east-1a", "g5 us-east-1b", "g6 eu-west-1a", "g6 us-east-1c"]),
        # All zones of the first type before the second; within a type cheapest first.
        (
            {"types": ["g6.xlarge", "g5.xlarge"], "regions": ["us-east-1"]},
            ["g6 us-east-1a", "g6 us-east-1c", "g5 us-east-1a", "g5 us-east-1b"],
        ),
        # Regions come outermost where they were given.
        (
            {"regions": ["us-east-1", "eu-west-1"], "types": ["g5.xlarge"]},
            ["g5 us-east-1a", "g5 us-east-1b", "g5 eu-west-1a"],
        ),
        # Zones as given, type before zone.
        (
            {"types": ["g5.xlarge", "g6.xlarge"], "zones": ["us-east-1b", "us-east-1a"]},
            ["g5 us-east-1b", "g5 us-east-1a", "g6 us-east-1a"],
        ),
        # Zones ordered, types not: the zone's order, then the price.
        (
            {"zones": ["us-east-1b", "us-east-1a"]},
            ["g5 us-east-1b", "g6 us-east-1a", "g5 us-east-1a"],
        ),
        ({"types": ["p5.48xlarge"]}, []),
    ],
)
def test_the_order_of_candidates(given_, expected):
    """Given orders are kept, region before type before zone; what was not ordered goes cheapest first."""
    assert words(in_order(POOLS, **given_)) == expected


@given(st.permutations(POOLS), st.permutations(["g5.xlarge", "g6.xlarge"]))
def test_the_order_does_not_depend_on_how_aws_listed_them(pools, types):
    """Two runs of one wish try the same pools in the same order."""
    assert in_order(pools, types=types) == in_order(POOLS, types=types)


@pytest.mark.parametrize(
    ("code", "means"),
    [
        ("InsufficientInstanceCapacity", Means.NEXT),
        ("SpotMaxPriceTooLow", Means.NEXT),
        ("Unsupported", Means.NEXT),
        ("MaxSpotInstanceCountExceeded", Means.QUOTA),
        ("VcpuLimitExceeded", Means.QUOTA),
        ("RequestLimitExceeded", Means.AGAIN),
        ("IdempotentParameterMismatch", Means.USED),
        ("UnauthorizedOperation", Means.END),
        ("AuthFailure", Means.END),
        ("InvalidParameterValue", Means.END),
        ("VolumeLimitExceeded", Means.END),
        ("NeverHeardOf", Means.END),
        (None, Means.END),
    ],
)
def test_what_a_refusal_means(code, means):
    """Capacity and price lead on, a quota drops its pools, permission and parameters end it; so does the unknown."""
    assert meaning(code) is means


@pytest.mark.parametrize("code", ["InvalidGroup.NotFound", "InvalidKeyPair.NotFound", "InvalidSubnetID.NotFound"])
def test_what_was_just_made_may_not_be_known_yet(code):
    """For a minute after the key and the group were made they are asked for again; then it is a refusal."""
    assert meaning(code, age=3) is Means.AGAIN
    assert meaning(code, age=LAG) is Means.END


def test_every_throttle_and_capacity_code_that_we_have_words_for_is_sorted():
    """A code that the table of refusals counts as capacity or as throttling never ends a hunt."""
    for code, refusal in REFUSALS.items():
        if refusal.exit == 3 or "throttling" in refusal.what:
            assert meaning(code) is not Means.END, code


def test_a_quota_drops_as_large_or_larger_in_its_region():
    """The same quota in the same region has no room for as many vCPUs; other families, regions and smaller ones do."""
    refused = offer("g5.2xlarge", "us-east-1a", vcpus=8)
    larger, other = offer("g6.4xlarge", vcpus=16), offer("p3.2xlarge", vcpus=8)
    smaller, abroad = offer("g4dn.xlarge", vcpus=4), offer("g5.2xlarge", "eu-west-1a", vcpus=8)
    same = offer("g5.2xlarge", "us-east-1b", vcpus=8)
    assert without_quota([refused, larger, other, smaller, abroad, same], refused) == [other, smaller, abroad]


def test_on_demand_quotas_count_other_families_together():
    """One On-Demand quota counts every P generation, where Spot has several."""
    p3, p5 = offer("p3.2xlarge", vcpus=8), offer("p5.4xlarge", vcpus=16)
    assert without_quota([p3, p5], p3) == [p5]
    assert without_quota([p3, p5], p3, spot=False) == []


def test_a_type_without_a_known_quota_drops_itself_alone():
    """AWS's table names no Spot quota for p6: only the type that was refused is dropped."""
    p6, other = offer("p6-b200.48xlarge", vcpus=192), offer("p6-b300.48xlarge", vcpus=192)
    assert without_quota([p6, other], p6) == [other]


def test_pauses_double_up_to_a_minute():
    """5, 10, 20, 40, 60, 60 s where chance is in the middle."""
    assert [pause(n, 0.5) for n in range(1, 8)] == [5, 10, 20, 40, 60, 60, 60]


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_a_pause_is_spread_and_bounded(rounds, chance):
    """A quarter either way, and never more than a minute."""
    assert FIRST_PAUSE * 0.75 <= pause(rounds, chance) <= LONGEST_PAUSE


def test_the_words_for_a_pool():
    """As the live line has them."""
    assert pool_words(offer()) == "g5.xlarge in us-east-1a"
