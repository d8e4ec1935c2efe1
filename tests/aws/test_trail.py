"""CloudTrail's event history, read as AWS shapes it: calls in its records, interruptions in their details."""

import json
from datetime import UTC, datetime, timedelta

from spotbox.aws.hands import Hands
from spotbox.aws.trail import PAGES, look_up
from spotbox.core.cost_past import Mark, What
from tests.aws.stubbed import R, aws

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BORN = NOW - timedelta(days=10)
REACH = NOW - timedelta(days=90)


def at(hours):
    return NOW - timedelta(hours=hours)


def event(hours, name, instance="i-1", before=None, error=None, **more):
    """An event as LookupEvents gives it; what matters is in the record, a text of JSON."""
    item = {"instanceId": instance, **({"previousState": {"code": 0, "name": before}} if before else {})}
    record = {"eventName": name, "responseElements": None if error else {"instancesSet": {"items": [item]}}, **more}
    record |= {"errorCode": error} if error else {}
    return {"EventId": "e", "EventName": name, "EventTime": at(hours), "CloudTrailEvent": json.dumps(record)}


def evicted(hours, *instances):
    """An interruption, as the EC2 User Guide shows it: no request, no response, the instances in the details."""
    details = {"serviceEventDetails": {"instanceIdSet": list(instances)}, "requestParameters": None}
    return {"EventName": "BidEvictedEvent", "EventTime": at(hours), "CloudTrailEvent": json.dumps(details)}


def lookup(key, value, start, *events, token=None, given=None):
    """A call with exactly these parameters, and its page."""
    asked = {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}], "StartTime": start}
    page = {"Events": list(events), **({"NextToken": token} if token else {})}
    return ("lookup_events", {**asked, **({"NextToken": given} if given else {})}, page)


def told(*calls, instances=None, naps=None):
    naps = [] if naps is None else naps
    with aws(cloudtrail=calls) as world:
        return look_up(Hands(world, naps.append, lambda: 0.0), R, instances or {"i-1": BORN}, NOW)


START = BORN - timedelta(minutes=15)


def test_starts_stops_and_interruptions():
    """Calls by the instance, interruptions by their name, for they have no resource; all since it was made."""
    calls = [event(200, "StartInstances", before="stopped"), event(220, "StopInstances", before="running"),
             event(239, "RunInstances"), event(100, "CreateTags")]  # fmt: skip
    found = told(
        lookup("ResourceName", "i-1", START, *calls),
        lookup("EventName", "BidEvictedEvent", START, evicted(50, "i-9", "i-1"), evicted(40, "i-9")),
    )
    assert sorted(found.marks["i-1"], key=lambda mark: mark.at) == [
        Mark(at(239), What.STARTED, called=True), Mark(at(220), What.STOPPED, called=True),
        Mark(at(200), What.STARTED, called=True), Mark(at(50), What.TAKEN),
    ]  # fmt: skip
    assert (found.since, found.refused) == ({"i-1": START}, "")


def test_calls_that_changed_nothing():
    """A refused call, a stop of what was stopped, a start of what ran, a record that is no JSON: no marks."""
    idle = [event(9, "StopInstances", before="stopped"), event(8, "StartInstances", before="running"),
            event(7, "StopInstances", error="Client.UnauthorizedOperation"),
            event(6, "TerminateInstances", before="shutting-down"),
            {"EventName": "BidEvictedEvent", "EventTime": at(5), "CloudTrailEvent": "{"}]  # fmt: skip
    broken = {"EventName": "BidEvictedEvent", "EventTime": at(5), "CloudTrailEvent": '{"serviceEventDetails": null}'}
    found = told(lookup("ResourceName", "i-1", START, *idle), lookup("EventName", "BidEvictedEvent", START, broken))
    assert found.marks == {"i-1": ()}


def test_no_further_back_than_ninety_days():
    """An older instance is asked of from the reach of the history on, and is told from then on."""
    calls = [lookup(k, v, REACH) for k, v in (("ResourceName", "i-1"), ("EventName", "BidEvictedEvent"))]
    assert told(*calls, instances={"i-1": NOW - timedelta(days=300)}).since == {"i-1": REACH}


def test_pages_are_bounded_and_slow():
    """Ten pages at most, two lookups at once and then one each half second; what lies before them is not told."""
    pages = [
        lookup("ResourceName", "i-1", START, event(n, "CreateTags"), token=str(n), given=str(n - 1) if n > 1 else None)
        for n in range(1, 11)
    ]
    naps = []
    found = told(*pages, lookup("EventName", "BidEvictedEvent", START), naps=naps)
    assert found.since == {"i-1": at(10)}
    assert naps == [0.5] * 9


def test_a_refusal_is_told():
    """Without cloudtrail:LookupEvents nothing is raised: it is told, with the action."""
    found = told(("lookup_events", "AccessDeniedException", "no"))
    assert (found.marks, found.since, found.refused) == ({}, {}, f"no permission for cloudtrail:LookupEvents in {R}")


def test_empty_pages_without_an_end():
    """A page may be empty and have a next one: of what was not read nothing is known, not even that it was nothing."""
    pages = [lookup("ResourceName", "i-1", START, token="t", given="t" if n else None) for n in range(PAGES)]
    found = told(*pages, lookup("EventName", "BidEvictedEvent", START))
    assert (found.marks, found.since, found.refused) == ({"i-1": ()}, {"i-1": NOW}, "")
