"""Pools: what counts against max-boxes, who gives way, and which types are whose."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.core.boxes import Box
from spotbox.core.errors import Exit, UsageError
from spotbox.core.jobs import TrainingJob
from spotbox.core.names import POOL_TAG
from spotbox.core.pools import check_types, for_jobs, gives_way, members, no_room, own_types, running_jobs
from spotbox.core.records import Request
from spotbox.core.settings import Pool
from spotbox.core.states import State

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def box(name, state=State.RUNNING, pool="big", minutes=0, region="us-east-1"):
    tags = {POOL_TAG: pool} if pool else {}
    request = Request(f"sir-{name}", region, "active", "fulfilled", "", "persistent", None, "g5.xlarge", None, None,
                      NOON + timedelta(minutes=minutes), tags=tags)  # fmt: skip
    return Box(name, "alice", region, state, "", request, None)


def job(name, status="InProgress", pool="big", count=1):
    tags = ((POOL_TAG, pool),) if pool else None
    return TrainingJob(name, "arn", "us-east-1", status, "", NOON, "ml.g5.xlarge", count, True, tags=tags)


@pytest.mark.parametrize("state", State)
def test_what_takes_a_place(state):
    """A box takes its place until it is gone: a waiting, stopped or interrupted one too, what is kept or failed not."""
    gone = state in (State.KEPT, State.FAILED, State.TERMINATING)
    assert [b.name for b in members([box("a", state)], "big")] == ([] if gone else ["a"])


def test_only_boxes_of_the_pool_count_and_each_name_once():
    """Another pool's and no pool's do not; nor does the one that is brought up again; two sides of a move are one."""
    there = [box("a"), box("b", pool="small"), box("c", pool=None), box("d"), box("a", region="eu-west-1", minutes=1)]
    assert [b.name for b in members(there, "big")] == ["a", "d"]
    assert [b.name for b in members(there, "big", but="a")] == ["d"]


def test_a_full_pool_names_what_fills_it():
    """Exit 4 with the boxes and jobs, and the command that makes room."""
    error = no_room(Pool("big", max_boxes=3), [box("a")], [job("j", count=2)], 1)
    assert error.exit_code is Exit.QUOTA
    assert error.message == (
        "pool big has room for 3, and 1 is asked for; it holds a (running, us-east-1) and job j (2, us-east-1)"
    )
    assert error.hint == "Remove one with: spotbox down a; or raise max-boxes of [pool.big]."
    assert no_room(Pool("big", max_boxes=3), [box("a")], [job("j")], 1) is None
    assert no_room(Pool("big"), [box("a")] * 99, [], 99) is None


def test_a_job_of_many_instances_needs_as_many_places():
    """`--count 4` does not fit where two are free, in an empty pool neither."""
    assert no_room(Pool("big", max_boxes=2), [], [], 4).message == "pool big has room for 2, and 4 are asked for"
    assert no_room(Pool("big", max_boxes=4), [], [], 4) is None


def test_running_jobs_of_the_pool():
    """What is over, another pool's or untagged takes no place."""
    found = [job("a"), job("b", "Completed"), job("c", pool="small"), job("d", pool=None), job("e", "Stopping")]
    assert [each.name for each in running_jobs(found, "big")] == ["a", "e"]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(1, 4))
def test_exactly_so_many_stay_as_there_is_room_for(minutes, room):
    """Whoever looks, all that see the same boxes decide alike: the elder stay, and never fewer than fit."""
    there = [box(f"b{i}", minutes=m) for i, m in enumerate(minutes)]
    pool = Pool("big", max_boxes=room)
    stay = [b for b in there if not gives_way(b, there, pool)]
    assert len(stay) == min(room, len(there))
    going = [b for b in there if b not in stay]
    assert all(s.created <= g.created for s in stay for g in going)


def test_nobody_gives_way_in_a_pool_without_a_limit():
    """Without max-boxes there is nothing to give way to; nor to boxes of another pool."""
    there = [box("a"), box("b", minutes=1)]
    assert gives_way(there[1], there, Pool("big")) == []
    assert gives_way(there[1], [box("a", pool="small"), there[1]], Pool("big", max_boxes=1)) == []


def test_each_command_takes_its_own_types():
    """instance-type of one pool may name types of boxes and of jobs."""
    assert own_types(["g5.xlarge", "ml.g5.xlarge"], jobs=False) == ["g5.xlarge"]
    assert own_types(["g5.xlarge", "ml.g5.xlarge"], jobs=True) == ["ml.g5.xlarge"]


@pytest.mark.parametrize(
    ("types", "named", "jobs", "says"),
    [
        (["ml.g5.xlarge"], None, False, "ml.g5.xlarge is a type of SageMaker's"),
        (["g5.xlarge"], None, True, "g5.xlarge is no type of SageMaker's"),
        ([], ["ml.g5.xlarge"], False, "pool big names ml. types only"),
        ([], "g5.xlarge", True, "pool big names types of EC2's only"),
    ],
)
def test_a_type_of_the_other_kind(types, named, jobs, says):
    """A type that the command cannot launch is a usage error that says whose it is."""
    with pytest.raises(UsageError, match=says):
        check_types(types, Pool("big", {"instance-type": named} if named else {}), jobs)


@pytest.mark.parametrize(("flags", "jobs"), [
    ({}, False), ({"region": "r"}, False), ({"role": "x"}, True),
    ({"instance-type": ["g5.xlarge", "ml.p3.2xlarge"]}, True),
    ({"instance-type": "g5.xlarge"}, False),
])  # fmt: skip
def test_a_pool_for_jobs_is_told_by_its_keys(flags, jobs):
    """`up` asks SageMaker for running jobs only where jobs may run in the pool."""
    assert for_jobs(Pool("big", flags)) is jobs


def test_a_box_without_a_known_age_counts_as_the_youngest():
    """What AWS does not date yet gives way."""
    bare = replace(box("b"), request=replace(box("b").request, created=None))
    assert gives_way(bare, [box("a", minutes=99), bare], Pool("big", max_boxes=1))
