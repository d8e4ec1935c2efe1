"""The Spot Instance Advisor's feed: how often AWS interrupted a type in a region last month, and what Spot saved.

The feed is public and undocumented, so nothing in it is taken on trust: what has another shape is left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeGuard

Pair = tuple[str, str]  # (region, instance type)
Rates = dict[str, dict[str, list[int]]]  # region -> instance type -> [index of its label, savings in percent]


@dataclass(frozen=True)
class Interruptions:
    """Rates of Linux instances, for a region as a whole. A pair that is not there is unknown."""

    labels: Mapping[Pair, str] = field(default_factory=dict)  # "<5%": how many were interrupted within a month
    savings: Mapping[Pair, int] = field(default_factory=dict)  # percent of on-demand, last month; may be negative
    asked: datetime | None = None  # set where they come from the cache
    remark: str = ""  # why they are unknown, or old


@dataclass(frozen=True)
class Feed:
    """What of the feed is needed: its labels, and for each pair which one holds."""

    labels: Mapping[int, str]
    rates: Rates


def parse_feed(data: object) -> Feed | None:
    """The Linux part of the feed as JSON gave it; None where it is no such feed.

    Ranges are matched by their `index`, not by their place in the list; a pair whose range has no label is left out.
    """
    top = _mapping(data)
    listed = top.get("ranges")
    ranges = [_mapping(entry) for entry in (listed if isinstance(listed, list) else [])]
    labels = {entry["index"]: entry["label"] for entry in ranges if _is_label(entry)}
    rates: Rates = {}
    for region, systems in _mapping(top.get("spot_advisor")).items():
        found = dict(_rates(_mapping(_mapping(systems).get("Linux")), labels))
        if found:
            rates[str(region)] = found
    return Feed(labels, rates) if rates else None


def feed_as_json(feed: Feed) -> dict[str, Any]:
    """A feed as `feed_from_json` reads it back."""
    return {"labels": {str(index): label for index, label in feed.labels.items()}, "rates": feed.rates}


def feed_from_json(data: Mapping[str, Any]) -> Feed | None:
    """A feed that was kept; None where it is damaged. Its shape is checked as that of the feed itself."""
    ranges = [{"index": int(k), "label": v} for k, v in _mapping(data.get("labels")).items() if str(k).isdecimal()]
    regions = _mapping(data.get("rates"))
    linux = {name: {"Linux": {t: _unpacked(r) for t, r in _mapping(types).items()}} for name, types in regions.items()}
    return parse_feed({"ranges": ranges, "spot_advisor": linux})


def interruptions(feed: Feed, asked: datetime | None = None, remark: str = "") -> Interruptions:
    """Labels and savings of every pair of the feed."""
    labels, savings = {}, {}
    for region, types in feed.rates.items():
        for name, (index, saved) in types.items():
            labels[region, name] = feed.labels[index]
            savings[region, name] = saved
    return Interruptions(labels, savings, asked, remark)


def _rates(types: Mapping[str, Any], labels: Mapping[int, str]) -> Iterator[tuple[str, list[int]]]:
    for name, rate in types.items():
        rate = _mapping(rate)
        index, saved = rate.get("r"), rate.get("s")
        if _is_whole(index) and index in labels and _is_whole(saved) and abs(saved) <= 1000:
            yield str(name), [index, saved]


def _unpacked(rate: object) -> dict[str, Any]:
    return {"r": rate[0], "s": rate[1]} if isinstance(rate, list) and len(rate) == 2 else {}


def _is_label(entry: Mapping[str, Any]) -> bool:
    label = entry.get("label")
    return _is_whole(entry.get("index")) and isinstance(label, str) and 0 < len(label) <= 16 and label.isprintable()


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
