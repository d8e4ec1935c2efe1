"""The Spot Instance Advisor's feed: how often AWS interrupted a type in a region last month, and what Spot saved.

The feed is public and undocumented, so nothing in it is taken on trust: what has another shape is not there. It has
some twenty thousand rates, of which a command needs a few; so each is looked at when it is asked for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeGuard

from spotbox.core.shapes import as_dict

Pair = tuple[str, str]  # (region, instance type)


@dataclass(frozen=True)
class Interruptions:
    """Rates of Linux instances, for a region as a whole. A pair that is not there is unknown."""

    labels: Mapping[Pair, str] = field(default_factory=dict)  # "<5%": how many were interrupted within a month
    savings: Mapping[Pair, int] = field(default_factory=dict)  # percent of on-demand, last month; may be negative
    asked: datetime | None = None  # set where they come from the cache
    remark: str = ""  # why they are unknown, or old


@dataclass(frozen=True)
class Feed:
    """The feed's labels by index, and its regions as JSON gave them. Empty: nothing is known."""

    labels: Mapping[int, str] = field(default_factory=dict)
    regions: Mapping[str, Any] = field(default_factory=dict)
    asked: datetime | None = None  # set where it comes from the cache
    remark: str = ""  # why it is empty, or old

    def rate(self, region: str, instance_type: str) -> tuple[str, int] | None:
        """The label of a Linux instance type and what it saved, in percent; None is unknown.

        Ranges are matched by their `index`, not by their place in the list.
        """
        rate = as_dict(_linux(self.regions.get(region)).get(instance_type))
        index, saved = rate.get("r"), rate.get("s")
        if not _is_whole(index) or index not in self.labels or not _is_whole(saved) or abs(saved) > 1000:
            return None
        return self.labels[index], saved

    def pairs(self) -> Iterator[Pair]:
        """Every region and type that it names."""
        return ((region, name) for region, systems in self.regions.items() for name in _linux(systems))


def parse_feed(data: object) -> Feed | None:
    """The feed as JSON gave it; None where it is no such feed."""
    top = as_dict(data)
    listed = top.get("ranges")
    ranges = [as_dict(entry) for entry in (listed if isinstance(listed, list) else [])]
    labels = {entry["index"]: entry["label"] for entry in ranges if _is_label(entry)}
    regions = as_dict(top.get("spot_advisor"))
    return Feed(labels, regions) if labels and any(map(_linux, regions.values())) else None


def feed_as_json(feed: Feed) -> dict[str, Any]:
    """What of the feed is worth keeping, in the feed's own shape: labels, and the rates of Linux."""
    ranges = [{"index": index, "label": label} for index, label in feed.labels.items()]
    return {"ranges": ranges, "spot_advisor": {name: {"Linux": _linux(it)} for name, it in feed.regions.items()}}


def interruptions(feed: Feed) -> Interruptions:
    """Labels and savings of every pair of the feed."""
    rates = {pair: rate for pair in feed.pairs() if (rate := feed.rate(*pair))}
    labels = {pair: label for pair, (label, _) in rates.items()}
    savings = {pair: saved for pair, (_, saved) in rates.items()}
    return Interruptions(labels, savings, feed.asked, feed.remark)


def _linux(systems: object) -> Mapping[str, Any]:
    return as_dict(as_dict(systems).get("Linux"))


def _is_label(entry: Mapping[str, Any]) -> bool:
    label = entry.get("label")
    return _is_whole(entry.get("index")) and isinstance(label, str) and 0 < len(label) <= 16 and label.isprintable()


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
