"""What a move writes down: the tags that lead from one side of it to the other, and its progress in words."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.core.errors import UsageError
from spotbox.core.moved import Target, image_name, image_tags, moved_tags, parse_target, progress_words
from spotbox.core.moving import (
    arrived,
    mark,
    unmark,
)
from spotbox.core.names import MOVED_TAG, MOVING_TAG, SINCE_TAG
from spotbox.core.records import Snapshot
from tests.core.moves import HERE, OLD, TARGETS, THERE, new_parts, scene
from tests.core.worlds import WHEN as NOON


@given(
    st.sampled_from([HERE, THERE]),
    st.lists(st.sampled_from(["us-east-1a", "us-east-1-bos-1a"]), unique=True),
    st.lists(st.sampled_from(["g5.xlarge", "p4d.24xlarge"]), min_size=1, unique=True),
    st.booleans(),
)
def test_the_target_comes_back_from_its_tag(region, zones, types, ran):
    """Any target, in what EC2 takes as a tag's value."""
    target = Target(region, tuple(zones), tuple(types), ran)
    assert parse_target(target.text()) == target


@pytest.mark.parametrize("text", ["", "x", "a/b/c", "us-east-1///ran", "a/b/c/d/e"])
def test_a_tag_that_no_move_wrote(text):
    """Somebody else may write tags: what is not understood says nothing."""
    assert parse_target(text) is None


def test_a_target_that_is_too_long():
    """256 characters are a tag's limit."""
    with pytest.raises(UsageError):
        Target(HERE, tuple(f"us-east-1{n}" for n in range(40)), ("g5.xlarge",)).text()


def test_what_is_made_is_known_again():
    """The same launch gives the same name and tags; another launch of the same instance others."""
    box = scene(marked=False).old
    again = replace(box, instance=replace(OLD, launched=NOON + timedelta(seconds=1)))
    assert image_tags(box)[MOVED_TAG] == f"i-old/{NOON:%Y-%m-%dT%H:%M:%S}.000Z"
    assert image_name(image_tags(box)) == image_name(image_tags(box)) != image_name(image_tags(again))
    assert len(image_name(image_tags(box))) <= 128
    assert moved_tags(box)["team"] == "a"
    assert MOVING_TAG not in moved_tags(scene().old)


def test_a_move_says_since_when_the_box_has_been_there():
    """The moment of its first launch, on whatever start and move: later moves leave it as it is."""
    box = scene(marked=False).old
    later = replace(box, instance=replace(box.instance, launched=NOON + timedelta(days=3)))
    assert moved_tags(box)[SINCE_TAG] == moved_tags(later)[SINCE_TAG] == f"{NOON:%Y-%m-%dT%H:%M:%S}.000Z"
    first = {**box.request.tags, SINCE_TAG: "2026-01-01T00:00:00.000Z"}
    again = replace(box, request=replace(box.request, tags=first))
    assert moved_tags(again)[SINCE_TAG] == first[SINCE_TAG]


def test_marks_are_taken_once():
    """What bears the mark already is not tagged again; arrival and unmark name what bears them."""
    assert mark(scene().old, TARGETS["zone"]) == ()
    assert set(unmark(scene().old)[0].ids) == {"sir-old", "i-old", "vol-old", "vol-data"}
    assert unmark(scene(marked=False).old) == ()
    assert set(arrived(scene(new=new_parts()).new)[0].ids) == {"sir-new", "i-new", "vol-new", "vol-copy"}


@pytest.mark.parametrize(
    ("progress", "seconds", "words"),
    [
        ([], 9, "waiting for AWS to begin the snapshots"),
        ([(100, None)], 9, "snapshot 0 %"),
        ([(100, 25)], 60, "snapshot 25 %, about 3m left (estimate)"),
        ([(100, 50), (300, 10)], 60, "snapshots 20 %, about 4m left (estimate)"),
        ([(100, 100)], 60, "snapshot 100 %, AWS is finishing the image"),
        ([(100, 50)], 1, "snapshot 50 %"),
    ],
)
def test_progress_in_words(progress, seconds, words):
    """Per cent of all bytes, and an estimate that is called one."""
    found = [Snapshot(f"snap-{n}", HERE, "pending", size, progress=each) for n, (size, each) in enumerate(progress)]
    assert progress_words(found, seconds) == words
