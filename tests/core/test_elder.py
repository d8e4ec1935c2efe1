"""Of two boxes of one name in two regions one gives way, and never both."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from spotbox.core.boxes import Box
from spotbox.core.plans import elder
from spotbox.core.records import Request
from spotbox.core.states import State

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STANDING = {State.WAITING, State.STARTING, State.RUNNING, State.STOPPING, State.STOPPED, State.INTERRUPTED}


def box(region, seconds, state=State.RUNNING):
    request = Request(f"sir-{region}", region, "active", "fulfilled", "", "persistent", "i-1", "g5.xlarge",
                      f"{region}a", None, NOON + timedelta(seconds=seconds))  # fmt: skip
    return Box("dev", "alice", region, state, "", request, None)


@pytest.mark.parametrize("seconds", [-1, 0, 1])
@pytest.mark.parametrize("regions", [("eu-west-1", "us-east-1"), ("us-east-1", "eu-west-1")])
def test_exactly_one_gives_way(seconds, regions):
    """Whichever terminal looks, both name the same box as the one that stays."""
    one, two = box(regions[0], 0), box(regions[1], seconds)
    assert (elder(one, [two]) is None) != (elder(two, [one]) is None)


def test_the_first_of_three_stays():
    """The others both name it."""
    boxes = [box("us-east-1", 0), box("eu-west-1", 1), box("ap-south-1", 2)]
    assert [elder(mine, boxes) for mine in boxes] == [None, boxes[0], boxes[0]]


@pytest.mark.parametrize("state", list(State))
def test_only_what_stands_is_given_way_to(state):
    """What is on its way out, kept, or failed is no box to give way to."""
    other = box("eu-west-1", -60, state)
    assert elder(box("us-east-1", 0), [other]) == (other if state in STANDING else None)


def test_one_whose_age_is_unknown_gives_way():
    """AWS tells every request's time; what has none is taken as the younger."""
    unknown = replace(box("eu-west-1", 0), request=None)
    assert elder(unknown, [box("us-east-1", 5)]) is not None
    assert elder(box("us-east-1", 5), [unknown]) is None
