from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.core.limits import expires, expiry, limits_in_words
from spotbox.core.names import EXPIRES_TAG, IDLE_TAG
from spotbox.core.units import exact_duration, parse_duration

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_the_time_limit_is_an_absolute_time_in_utc():
    """Eight hours from noon, wherever the laptop stands; 0 is no limit."""
    assert expiry(NOON, 8 * 3600) == "2026-11-22T20:00:00Z"
    assert expiry(NOON.astimezone(timezone(timedelta(hours=5))), 8 * 3600) == "2026-11-22T20:00:00Z"
    assert expiry(NOON, 0) == ""


@given(st.integers(1, 366 * 86400))
def test_what_is_written_is_read_back(seconds):
    """The tag holds the time to the second, and a duration is shown as it can be typed."""
    assert expires({EXPIRES_TAG: expiry(NOON, seconds)}) == NOON + timedelta(seconds=seconds)
    assert parse_duration(exact_duration(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-11-22T20:00:00", "\x1b[2J", "9999999"])
def test_a_tag_that_holds_no_time_is_no_limit(text):
    """Tags can be edited by anybody; a time without a zone is none either."""
    assert expires({EXPIRES_TAG: text}) is None
    assert expires({}) is None


@pytest.mark.parametrize(("seconds", "text"), [(0, "0"), (90 * 60, "1h30m"), (8 * 3600, "8h"), (172801, "2d1s")])
def test_durations_as_they_are_typed(seconds, text):
    """The largest units that hold the duration exactly."""
    assert exact_duration(seconds) == text


def test_limits_in_words():
    """Both, one, none."""
    both = {EXPIRES_TAG: "2026-11-22T20:00:00Z", IDLE_TAG: "2h"}
    assert limits_in_words(both) == "until 2026-11-22T20:00:00Z, stop after 2h idle"
    assert limits_in_words({IDLE_TAG: "2h"}) == "stop after 2h idle"
    assert limits_in_words({}) == ""
