"""The advisor's feed: labels by index, what has another shape is unknown."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spotbox.core.advisor import Feed, feed_as_json, interruptions, parse_feed

DATA = Path(__file__).parents[3] / "shared" / "data" / "spot-advisor-gpu-2024-02.json"
RANGES = [
    {"index": 1, "label": "5-10%", "dots": 1, "max": 11},
    {"index": 0, "label": "<5%", "dots": 0, "max": 5},
    {"index": 4, "label": ">20%", "dots": 4, "max": 100},
]


def feed(linux, ranges=RANGES, **more):
    return {
        "global_rate": "<10%",
        "ranges": ranges,
        "spot_advisor": {"us-east-1": {"Linux": linux, "Windows": {}}},
        **more,
    }


def rate(entry, ranges=RANGES):
    parsed = parse_feed(feed({"g5.xlarge": entry, "ok": {"s": 1, "r": 0}}, ranges))
    return parsed and parsed.rate("us-east-1", "g5.xlarge")


def test_ranges_are_matched_by_index():
    """The label is the one whose `index` the rate names, wherever it stands in the list; savings may be negative."""
    assert rate({"s": 59, "r": 4}) == (">20%", 59)
    assert rate({"s": 0, "r": 0}) == ("<5%", 0)
    assert rate({"s": -7, "r": 1, "new": []}) == ("5-10%", -7)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        "x",
        {},
        {"s": 1},
        {"r": 1},
        {"s": "1", "r": 1},
        {"s": 1, "r": "1"},
        {"s": 1, "r": True},
        {"s": 1, "r": 2},
        {"s": 10**9, "r": 0},
        {"s": 1.5, "r": 0},
        {"s": 1, "r": [0]},
        {"s": 1, "r": -1},
    ],
)
def test_junk_in_one_rate_leaves_that_one_unknown(entry):
    """A rate of another shape, or of a range that has no label, is unknown."""
    assert rate(entry) is None


@pytest.mark.parametrize(
    "label",
    [None, 5, "", "x" * 17, "<5%\x1b[2J", "<5%\n", {"a": 1}],
    ids=["none", "number", "empty", "long", "escape", "line", "map"],
)
def test_a_label_is_a_short_word(label):
    """What cannot be shown as a label is none."""
    assert rate({"s": 1, "r": 3}, [*RANGES, {"index": 3, "label": label}]) is None


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "x",
        5,
        {},
        {"ranges": RANGES},
        feed({}),
        feed({"a": {"s": 1, "r": 0}}, []),
        feed([]),
        feed("x"),
        {**feed({"a": {}}), "ranges": {"0": 1}},
        {"ranges": RANGES, "spot_advisor": []},
        {"ranges": [1, None, "x"], "spot_advisor": {"us-east-1": {"Linux": {"a": {}}}}},
    ],
)
def test_what_is_no_feed(data):
    """A document without labels or without rates of Linux is no feed."""
    assert parse_feed(data) is None


def test_windows_is_another_matter():
    """Rates of Windows are neither read nor kept."""
    data = feed({"a": {"s": 1, "r": 0}})
    data["spot_advisor"]["eu-west-1"] = {"Windows": {"g5.xlarge": {"s": 1, "r": 0}}}
    parsed = parse_feed(data)
    assert parsed.rate("eu-west-1", "g5.xlarge") is None
    assert "Windows" not in json.dumps(feed_as_json(parsed))


def test_what_is_kept_reads_as_it_was():
    """A feed that went through the cache tells the same."""
    parsed = parse_feed(feed({"a": {"s": 1, "r": 0}, "b": {"s": 2, "r": 4}, "junk": 5}))
    again = parse_feed(json.loads(json.dumps(feed_as_json(parsed))))
    assert interruptions(again) == interruptions(parsed)
    assert dict(interruptions(again).labels) == {("us-east-1", "a"): "<5%", ("us-east-1", "b"): ">20%"}


def test_interruptions_carry_age_and_remark():
    """When the feed was asked and why it is old goes with the rates."""
    at = datetime(2026, 11, 22, tzinfo=UTC)
    found = interruptions(replace(parse_feed(feed({"a": {"s": 3, "r": 0}})), asked=at, remark="old"))
    assert (found.asked, found.remark, found.savings["us-east-1", "a"]) == (at, "old", 3)
    assert interruptions(Feed(remark="down")).labels == {}


@pytest.mark.skipif(not DATA.is_file(), reason="the recorded data is not beside this checkout")
def test_the_recorded_feed():
    """Every Linux rate of the feed recorded in February 2024 has a label and savings."""
    data = json.loads(DATA.read_text())
    found = interruptions(parse_feed(data))
    count = sum(len(systems["Linux"]) for systems in data["spot_advisor"].values())
    assert len(found.labels) == len(found.savings) == count > 500
    assert set(found.labels.values()) == {"<5%", "5-10%", "10-15%", "15-20%", ">20%"}
    assert {type(saved) for saved in found.savings.values()} == {int}
