"""The actions of CloudWatch Logs that read the output of training jobs (API reference, Amazon CloudWatch Logs)."""

import re
from collections.abc import Callable
from typing import Any

from spotbox.sandbox.describe import page
from spotbox.sandbox.refusals import Refusal
from spotbox.sandbox.trainlogs import ANSWER_LIMIT, GROUP, Event, Stream, events
from spotbox.sandbox.world import World

Body = dict[str, Any]
MOST = 10_000  # events of one answer


def _missing(what: str) -> Refusal:
    return Refusal("ResourceNotFoundException", f"The specified log {what} does not exist.")


def _streams(world: World, region: str, body: Body) -> list[Stream]:
    """The streams of the group that is asked for: there is none before the first job of the region."""
    group = body.get("logGroupName") or str(body.get("logGroupIdentifier") or "").partition(":log-group:")[2]
    found = [stream for stream in world.training.streams.values() if stream.region == region]
    if not found or (group or body.get("logGroupIdentifier")) != GROUP:
        raise _missing("group")
    return found


def _limit(body: Body) -> int:
    limit = int(body.get("limit") or MOST)
    if not 1 <= limit <= MOST:
        raise Refusal("InvalidParameterException", f"1 validation error detected: limit must be 1 to {MOST}")
    return limit


def describe_log_groups(world: World, region: str, body: Body) -> Body:
    """The one group, once there is a job."""
    streams = [stream for stream in world.training.streams.values() if stream.region == region]
    prefix = body.get("logGroupNamePrefix") or ""
    if not streams or not GROUP.startswith(prefix):
        return {"logGroups": []}
    arn = f"arn:aws:logs:{region}:123456789012:log-group:{GROUP}:*"
    first = min(stream.created for stream in streams)
    return {"logGroups": [{"logGroupName": GROUP, "creationTime": first, "arn": arn, "metricFilterCount": 0}]}


def describe_log_streams(world: World, region: str, body: Body) -> Body:
    """The streams of a prefix by name, or all by the time of their last event; at most 50 a page."""
    found = _streams(world, region, body)
    prefix, by_time = body.get("logStreamNamePrefix"), body.get("orderBy") == "LastEventTime"
    if prefix and by_time:
        raise Refusal("InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
    rows = [_stream_row(stream) for stream in found if stream.name.startswith(prefix or "")]
    key = "lastEventTimestamp" if by_time else "logStreamName"
    rows.sort(key=lambda row: row.get(key, 0) if by_time else row[key], reverse=bool(body.get("descending")))
    kept, token = page(rows, min(int(body.get("limit") or 50), 50), body.get("nextToken"))
    return {"logStreams": kept} | ({"nextToken": token} if token else {})


def _stream_row(stream: Stream) -> Body:
    row: Body = {
        "logStreamName": stream.name,
        "creationTime": stream.created,
        "uploadSequenceToken": "49039859",
        "arn": stream.arn,
        "storedBytes": 0,
    }
    found = list(events(stream.path))
    if found:
        row |= {"firstEventTimestamp": found[0].at, "lastEventTimestamp": found[-1].at}
        row |= {"lastIngestionTime": found[-1].at}
    return row


def _wanted(event: Event, body: Body) -> bool:
    """Whether an event lies in the time that is asked for: startTime belongs to it, endTime does not."""
    return event.at >= int(body.get("startTime") or 0) and event.at < int(body.get("endTime") or event.at + 1)


def _fitting(found: list[Event], limit: int) -> list[Event]:
    """The first events that go into one answer; each counts 26 bytes more than its text."""
    kept: list[Event] = []
    size = 0
    for event in found[:limit]:
        size += len(event.text.encode()) + 26
        if size > ANSWER_LIMIT and kept:
            break
        kept.append(event)
    return kept


def get_log_events(world: World, region: str, body: Body) -> Body:
    """Events of one stream. At its end the token that was given comes back (GetLogEvents)."""
    streams = {stream.name: stream for stream in _streams(world, region, body)}
    stream = streams.get(body.get("logStreamName") or "")
    if stream is None:
        raise _missing("stream")
    token = body.get("nextToken") or ""
    place = re.fullmatch(r"([fb])/(\d{1,15})", token)
    if token and not place:
        raise Refusal("InvalidParameterException", "The specified nextToken is invalid.")
    limit = _limit(body)
    if place and place[1] == "f":
        start = int(place[2])
        kept = _fitting([e for e in events(stream.path, start) if _wanted(e, body)], limit)
        first, last = start, kept[-1].end if kept else start
    elif place or not body.get("startFromHead"):
        found = [e for e in events(stream.path) if _wanted(e, body) and (not place or e.end <= int(place[2]))]
        kept = _fitting(found[::-1], limit)[::-1]
        none = int(place[2]) if place else 0
        first, last = (kept[0].start, kept[-1].end) if kept else (none, none)
    else:
        kept = _fitting([e for e in events(stream.path) if _wanted(e, body)], limit)
        first, last = (kept[0].start, kept[-1].end) if kept else (0, 0)
    rows = [{"timestamp": e.at, "message": e.text, "ingestionTime": e.at} for e in kept]
    return {"events": rows, "nextForwardToken": f"f/{last}", "nextBackwardToken": f"b/{first}"}


def _terms(pattern: str) -> list[str]:
    """The words or phrases in quotes that a message must all have; other patterns are not of the sandbox."""
    if pattern[:1] in ("{", "[", "%") or "?" in pattern:
        raise Refusal("InvalidParameterException", "The sandbox knows filter patterns of words and phrases only.")
    return [phrase or word for phrase, word in re.findall(r'"([^"]*)"|(\S+)', pattern)]


def filter_log_events(world: World, region: str, body: Body) -> Body:
    """Events of several streams, in the order of time."""
    names, prefix = body.get("logStreamNames"), body.get("logStreamNamePrefix")
    if names and prefix:
        raise Refusal("InvalidParameterException", "logStreamNames and logStreamNamePrefix exclude each other.")
    streams = _streams(world, region, body)
    unknown = set(names or ()) - {stream.name for stream in streams}
    if unknown:
        raise _missing("stream")
    terms = _terms(body.get("filterPattern") or "")
    chosen = [s for s in streams if s.name in names] if names else streams
    chosen = [s for s in chosen if s.name.startswith(prefix or "")]
    found = [(e.at, s.name, e.start, e) for s in chosen for e in events(s.path) if _wanted(e, body)]
    rows = [
        {"logStreamName": name, "timestamp": at, "message": e.text, "ingestionTime": at, "eventId": f"{at}{start:020d}"}
        for at, name, start, e in sorted(found, key=lambda row: row[:3])
        if all(term in e.text for term in terms)
    ]
    kept, token = page(rows, min(_limit(body), 5000), body.get("nextToken"))
    return {"events": kept, "searchedLogStreams": []} | ({"nextToken": token} if token else {})


ACTIONS: dict[str, Callable[[World, str, Body], Body | None]] = {
    "DescribeLogGroups": describe_log_groups,
    "DescribeLogStreams": describe_log_streams,
    "GetLogEvents": get_log_events,
    "FilterLogEvents": filter_log_events,
}
