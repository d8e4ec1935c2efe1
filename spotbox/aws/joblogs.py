"""What a training job writes, from CloudWatch Logs.

Group `/aws/sagemaker/TrainingJobs`, a stream for each instance, `<job>/algo-1-<number>`; a job that was interrupted
has another set of streams for each start. The group is made with the account's first job.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from spotbox.aws.sagemaker import AT_ONCE, asking
from spotbox.aws.session import Aws
from spotbox.core.errors import SpotboxError
from spotbox.core.jobs import LogLine

GROUP = "/aws/sagemaker/TrainingJobs"
PAGES = 4  # of one stream and look
LINES = 1000  # of one page; a page has at most 1 MB (GetLogEvents)


@dataclass(frozen=True)
class Read:
    """How far one stream was read: the token of what comes next; `drained` where nothing did."""

    token: str
    drained: bool


Seen = Mapping[str, Read]


def job_log(aws: Aws, region: str, name: str, seen: Seen | None = None) -> tuple[tuple[LogLine, ...], Seen]:
    """The lines since `seen` (None: from the first), by time, and what to give the next time.

    One look reads a bounded part: look again while it gives lines. An earlier start's streams are read to their end
    and then left. Empty while there is no stream yet. SpotboxError where nothing could be read and a stream failed.
    """
    told = dict(seen or {})
    streams = _streams(aws, region, f"{name}/")
    wanted = [stream for stream in streams if not (told.get(stream, _NEW).drained and _succeeded(stream, streams))]
    calls = [lambda stream=stream: _events(aws, region, stream, told.get(stream)) for stream in wanted]
    lines: list[LogLine] = []
    failed: SpotboxError | None = None
    for stream, answer in zip(wanted, aws.parallel(calls, AT_ONCE), strict=True):
        if isinstance(answer, SpotboxError):
            failed = answer
            continue
        events, told[stream] = answer
        lines += [_line(event, stream.removeprefix(f"{name}/")) for event in events]
    if failed is not None and not lines:
        raise failed  # else what was read is told first; the stream that failed is read on the next time
    return tuple(sorted(lines, key=lambda line: line.at)), told


_NEW = Read("", False)


def _streams(aws: Aws, region: str, prefix: str) -> list[str]:
    client = aws.client("logs", region)
    try:
        with asking("logs:DescribeLogStreams", region):
            pages = client.get_paginator("describe_log_streams").paginate(
                logGroupName=GROUP, logStreamNamePrefix=prefix
            )
            return sorted(str(stream["logStreamName"]) for page in pages for stream in page.get("logStreams") or ())
    except SpotboxError as error:
        if error.code == "ResourceNotFoundException":
            return []
        raise


def _events(aws: Aws, region: str, stream: str, read: Read | None) -> tuple[list[Mapping[str, Any]], Read]:
    """New events of a stream. GetLogEvents gives the same token again at the end, and may give pages without any."""
    client, token = aws.client("logs", region), read.token if read else ""
    events: list[Mapping[str, Any]] = []
    for _ in range(PAGES):
        more = {"nextToken": token} if token else {}
        with asking("logs:GetLogEvents", region):
            page = client.get_log_events(
                logGroupName=GROUP, logStreamName=stream, startFromHead=True, limit=LINES, **more
            )
        events += page.get("events") or ()
        before, token = token, str(page.get("nextForwardToken") or token)
        if token == before:
            return events, Read(token, True)
    return events, Read(token, False)


def _succeeded(stream: str, streams: Iterable[str]) -> bool:
    """Whether the same instance has a later stream: `algo-1-1732` before `algo-1-1745`."""
    host, _, number = stream.rpartition("-")
    later = [other.rpartition("-")[2] for other in streams if other.rpartition("-")[0] == host]
    return number.isdigit() and any(other.isdigit() and int(other) > int(number) for other in later)


def _line(event: Mapping[str, Any], stream: str) -> LogLine:
    at = datetime.fromtimestamp(int(event.get("timestamp") or 0) / 1000, UTC)
    return LogLine(at, stream, str(event.get("message") or "").rstrip("\n"))
