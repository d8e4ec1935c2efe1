"""What CloudTrail's event history tells of instances: who started and stopped them, and when AWS took them.

Event history needs no trail and costs nothing: 90 days of management events, newest first, at most two lookups a
second for an account and region (CloudTrail API Reference, LookupEvents). An interruption is a BidEvictedEvent (EC2
User Guide, "Determine whether Amazon EC2 terminated a Spot Instance"), which names its instances in the event's details
and not as its resources; whether it comes for an interruption by stop as well is not said. A restart by AWS and a
`shutdown` on the instance are no calls of the account's, and none of its events.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from spotbox.aws.errors import translating
from spotbox.aws.hands import Hands
from spotbox.core.cost_life import NEAR, Told, second
from spotbox.core.cost_past import Mark, What
from spotbox.core.errors import SpotboxError
from spotbox.core.shapes import as_dict

REACH = timedelta(days=90)
PAGES = 10  # of 50 events, of one lookup: what lies before them is as if it were beyond the reach
MOST = 20  # instances of a region
PAUSE = 0.5  # seconds between lookups, from the third on
_WHAT = {
    "RunInstances": What.STARTED,
    "StartInstances": What.STARTED,
    "StopInstances": What.STOPPED,
    "TerminateInstances": What.ENDED,
}
# A call that found the instance so changed nothing: no start of what runs, no stop of what does not.
_IDLE = {
    What.STARTED: ("pending", "running"),
    What.STOPPED: ("stopping", "stopped", "shutting-down", "terminated"),
    What.ENDED: ("shutting-down", "terminated"),
}
_EVICTED = "BidEvictedEvent"


def look_up(hands: Hands, region: str, instances: Mapping[str, datetime], now: datetime) -> Told:
    """What happened to these instances since the times given. Never raises for what AWS says: `refused` tells it."""
    trail = _Trail(hands, region, now)
    marks: dict[str, tuple[Mark, ...]] = {}
    since: dict[str, datetime] = {}
    try:
        for instance, start in list(instances.items())[:MOST]:
            found, told_from = trail.events("ResourceName", instance, start)
            marks[instance] = tuple(mark for event in found for mark in _marks(event, instance))
            since[instance] = told_from
        found, told_from = trail.events("EventName", _EVICTED, min(instances.values()))
    except SpotboxError as error:
        return Told(refused=error.message)
    for event in found:
        at = second(event["EventTime"])
        for instance in _evicted(event):
            if instance in marks:
                marks[instance] += (Mark(at, What.TAKEN),)
    return Told(marks, {instance: max(start, told_from) for instance, start in since.items()})


class _Trail:
    """The lookups of one region, one after the other."""

    def __init__(self, hands: Hands, region: str, now: datetime):
        self._hands, self._region, self._now = hands, region, now
        self._calls = 0

    def events(self, key: str, value: str, start: datetime) -> tuple[list[dict[str, Any]], datetime]:
        """The events of an attribute since `start`, and from when on they are all."""
        start = max(start - NEAR, self._now - REACH)
        client = self._hands.aws.client("cloudtrail", self._region)
        asked = {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}], "StartTime": start}
        found: list[dict[str, Any]] = []
        for pages, page in enumerate(self._pages(client.lookup_events, asked), 1):
            found += page.get("Events") or ()
            if pages == PAGES and page.get("NextToken"):  # of what was not read nothing is known
                return found, second(found[-1]["EventTime"]) if found else self._now
        return found, start

    def _pages(self, call: Callable[..., Any], asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        for _ in range(PAGES):
            if self._calls > 1:
                self._hands.sleep(PAUSE)
            self._calls += 1
            with translating("cloudtrail:LookupEvents", self._region):
                page = call(**asked, **token)
            yield page
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}


def _marks(event: Mapping[str, Any], instance: str) -> list[Mark]:
    """What an event means for an instance: nothing for most, for calls that were refused, and for idle ones."""
    what, record = _WHAT.get(event.get("EventName") or ""), _record(event)
    if what is None or record.get("errorCode"):
        return []
    items = as_dict(as_dict(record.get("responseElements")).get("instancesSet")).get("items")
    states = [as_dict(item) for item in items if as_dict(item).get("instanceId") == instance] if items else []
    before = [as_dict(state.get("previousState")).get("name") for state in states]
    if before and before[0] in _IDLE[what]:
        return []
    return [Mark(second(event["EventTime"]), what, called=True)]


def _evicted(event: Mapping[str, Any]) -> list[str]:
    """The instances that AWS took."""
    ids = as_dict(_record(event).get("serviceEventDetails")).get("instanceIdSet")
    return [str(id_) for id_ in ids] if isinstance(ids, list) else []


def _record(event: Mapping[str, Any]) -> dict[str, Any]:
    """The whole event, which comes as a text of JSON."""
    try:
        return as_dict(json.loads(event.get("CloudTrailEvent") or "{}"))
    except ValueError:
        return {}
