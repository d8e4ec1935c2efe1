"""CloudTrail's event history: what callers asked of instances, and when AWS took them. LookupEvents reads it.

Written down are the calls that change an instance's state, refused ones too, and BidEvictedEvent for interruptions. As
at AWS, what the Spot service launches or restarts and a `shutdown` on a box are in no event. That an interruption by
stop is evicted as well is UNCONFIRMED. AWS shows events some minutes late; here they are there at once.
"""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from spotbox.sandbox.refusals import refusal

Body = dict[str, Any]
REACH = timedelta(days=90)
PAGE = 50  # at most, and where nothing is said
MOST = 5000  # events that are kept
EVICTED = "BidEvictedEvent"
CALLS = ("RunInstances", "StartInstances", "StopInstances", "TerminateInstances")
_KEYS = ("EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName", "EventSource", "AccessKeyId")
_ITEM = re.compile(r"<instanceId>(i-[0-9a-f]+)</instanceId>(.*?)</item>", re.DOTALL)
_BEFORE = re.compile(r"<previousState>.*?<name>([a-z-]+)</name>", re.DOTALL)
_CODE = re.compile(r"<Code>([^<]+)</Code>")


class Log:
    """The events of all regions, oldest first, each as CloudTrail's record of it."""

    def __init__(self) -> None:
        self.events: list[Body] = []

    def called(self, region: str, action: str, body: bytes, reply: str, ok: bool, now: datetime) -> None:
        """A caller asked EC2 for `action` and got this reply."""
        if action not in CALLS:
            return
        asked = parse_qs(body.decode("utf-8", "replace"))
        ids = [values[0] for name, values in asked.items() if name.startswith("InstanceId.")]
        items = []
        for id_, rest in _ITEM.findall(reply) if ok else ():
            before = _BEFORE.search(rest)
            items.append({"instanceId": id_, **({"previousState": {"name": before[1]}} if before else {})})
        more: Body = {"responseElements": {"instancesSet": {"items": items}} if ok else None}
        if not ok:
            code = _CODE.search(reply)
            more["errorCode"] = f"Client.{code[1] if code else 'Unknown'}"
        self._add(region, action, now, list(dict.fromkeys([*ids, *(item["instanceId"] for item in items)])), more)

    def evicted(self, region: str, instance: str, now: datetime) -> None:
        """AWS took an instance: the event names it in its details alone (EC2 User Guide, BidEvictedEvent)."""
        more = {"eventType": "AwsServiceEvent", "serviceEventDetails": {"instanceIdSet": [instance]}}
        self._add(region, EVICTED, now, [], more)

    def _add(self, region: str, name: str, now: datetime, instances: Iterable[str], more: Body) -> None:
        record = {
            "eventVersion": "1.11", "eventTime": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "eventSource": "ec2.amazonaws.com", "eventName": name, "awsRegion": region, "eventID": str(uuid4()),
            "eventType": "AwsApiCall", "readOnly": False, "resources": list(instances), **more,
        }  # fmt: skip
        self.events = sorted([*self.events, record], key=lambda event: event["eventTime"])[-MOST:]


def lookup_events(world: Any, region: str, body: Body) -> Body:
    """One page of a region's events, newest first (API reference, LookupEvents)."""
    attributes = body.get("LookupAttributes") or []
    if len(attributes) > 1 or any(a.get("AttributeKey") not in _KEYS for a in attributes):
        raise refusal("InvalidLookupAttributesException", "You can use one lookup attribute.")
    size = int(body.get("MaxResults") or PAGE)
    if not 1 <= size <= PAGE:
        raise refusal("InvalidMaxResultsException", f"A value between 1 and {PAGE} is needed.")
    start, end = (float(body.get(name) or bound) for name, bound in (("StartTime", 0), ("EndTime", 1e11)))
    if start > end:
        raise refusal("InvalidTimeRangeException", "The start time is after the end time.")
    start = max(start, (world.now - REACH).timestamp())
    found = [
        event
        for event in reversed(world.trail.events)
        if event["awsRegion"] == region and start <= _at(event) <= end and all(_has(event, a) for a in attributes)
    ]
    token = body.get("NextToken") or "0"
    if not token.isdigit():
        raise refusal("InvalidNextTokenException", "The token is not valid.")
    first = int(token)
    reply: Body = {"Events": [_shown(event) for event in found[first : first + size]]}
    return reply | ({"NextToken": str(first + size)} if len(found) > first + size else {})


def _has(event: Body, attribute: Body) -> bool:
    key, value = attribute["AttributeKey"], attribute.get("AttributeValue")
    if key == "ResourceName":
        return value in event["resources"]
    plain = {"EventName": event["eventName"], "EventSource": event["eventSource"], "EventId": event["eventID"]}
    return bool(plain.get(key) == value)


def _at(event: Body) -> float:
    return datetime.fromisoformat(event["eventTime"]).timestamp()


def _shown(event: Body) -> Body:
    names = event["resources"]
    return {
        "EventId": event["eventID"],
        "EventName": event["eventName"],
        "ReadOnly": "false",
        "EventTime": _at(event),
        "EventSource": event["eventSource"],
        "Username": "sandbox",
        "Resources": [{"ResourceType": "AWS::EC2::Instance", "ResourceName": name} for name in names],
        "CloudTrailEvent": json.dumps({key: value for key, value in event.items() if key != "resources"}),
    }


def relive(world: Any, box: Any, volumes: Iterable[Any], hours: list[tuple[float, str]]) -> None:
    """Give an instance a past: it was made by the first of `hours`, (hours ago, event) each, oldest first, and what
    follows is written down. The last start is its launch time; `restarted` is one by AWS, in no event.

    What it is now (running or stopped) stays: the last of `hours` should lead to it.
    """
    made = world.now - timedelta(hours=hours[0][0])
    world.trail.events = [e for e in world.trail.events if box.id not in e["resources"]]
    for volume in volumes:
        volume.create_time = made.replace(tzinfo=None) if volume.create_time.tzinfo is None else made
    request = world.spot.of(box)
    if request:
        request.created = made
    for ago, what in hours:
        at = world.now - timedelta(hours=ago)
        if what in ("RunInstances", "StartInstances", "restarted"):
            box.launched = at
        if what == EVICTED:
            world.trail.evicted(box.region, box.id, at)
        elif what in CALLS:
            world.trail._add(box.region, what, at, [box.id], {"responseElements": None})
    if box.state == "stopped":
        at = world.now - timedelta(hours=hours[-1][0])
        box.transition = f"{'User initiated' if hours[-1][1] != EVICTED else 'Server.SpotInstanceShutdown'} " + (
            f"({at:%Y-%m-%d %H:%M:%S} GMT)"
        )
