"""A training job's log: several streams as one, each line once, over interruptions."""

import json
from datetime import UTC, datetime

import pytest

from spotbox.aws.joblogs import GROUP, PAGES, job_log
from spotbox.core.errors import SpotboxError
from spotbox.core.jobs import LogLine
from tests.aws.endpoint import endpoint

R = "us-east-1"


class Logs:
    """CloudWatch Logs as GetLogEvents is documented: the same token at the end, and now and then an empty page."""

    def __init__(self, page=2, empty_first=False):
        self.streams, self.page, self.empty_first = None, page, empty_first
        self.fail = {}

    def write(self, stream, at, *texts):
        self.streams = self.streams or {}
        self.streams.setdefault(stream, []).extend({"timestamp": at + n, "message": t} for n, t in enumerate(texts))

    def __call__(self, asked):
        wanted = asked.json
        assert wanted["logGroupName"] == GROUP
        if self.streams is None:
            return 400, json.dumps({"__type": "ResourceNotFoundException", "message": "no such group"})
        if asked.action == "DescribeLogStreams":
            names = sorted(n for n in self.streams if n.startswith(wanted["logStreamNamePrefix"]))
            start = int(wanted.get("nextToken") or 0)
            more = {"nextToken": str(start + 2)} if start + 2 < len(names) else {}
            return 200, json.dumps({"logStreams": [{"logStreamName": n} for n in names[start : start + 2]], **more})
        stream = wanted["logStreamName"]
        if stream in self.fail:
            return self.fail[stream]
        assert wanted["startFromHead"] is True
        start = int((wanted.get("nextToken") or "f/-1" if self.empty_first else wanted.get("nextToken") or "f/0")[2:])
        if start < 0:
            return 200, json.dumps({"events": [], "nextForwardToken": "f/0"})
        events = self.streams[stream][start : start + self.page]
        return 200, json.dumps({"events": events, "nextForwardToken": f"f/{start + len(events)}"})


def texts(lines):
    return [line.text for line in lines]


def everything(aws, name, seen=None):
    found = []
    while True:
        lines, seen = job_log(aws, R, name, seen)
        if not lines:
            return found, seen
        found += lines


def test_there_is_no_log_before_the_first_job():
    """The group does not exist yet, or the job has no stream: nothing, and no error."""
    logs = Logs()
    with endpoint(logs) as world:
        assert job_log(world.aws(), R, "j") == ((), {})
        logs.write("other/algo-1-1", 0, "not mine")
        assert job_log(world.aws(), R, "j") == ((), {})


@pytest.mark.parametrize("empty_first", [False, True])
def test_every_line_comes_once_and_in_order(empty_first):
    """Two instances by time; a later look gives what was written since, whatever the pages."""
    logs = Logs(empty_first=empty_first)
    logs.write("j/algo-1-100", 1000, "a", "c", "e")
    logs.write("j/algo-2-100", 1000, "b", "d")
    logs.write("j2/algo-1-100", 0, "another job's")
    with endpoint(logs) as world:
        aws = world.aws()
        first, seen = everything(aws, "j")
        assert texts(first) == ["a", "b", "c", "d", "e"]
        assert first[0] == LogLine(datetime.fromtimestamp(1, UTC), "algo-1-100", "a")
        logs.write("j/algo-2-100", 2000, "f\n")
        assert texts(everything(aws, "j", seen)[0]) == ["f"]


def test_an_interrupted_job_has_more_streams_and_the_old_are_left():
    """Each start has its own; an earlier one is read to its end, and then asked no more."""
    logs = Logs()
    logs.write("j/algo-1-100", 0, "one")
    with endpoint(logs) as world:
        aws = world.aws()
        lines, seen = job_log(aws, R, "j")
        logs.write("j/algo-1-100", 5, "last words")
        logs.write("j/algo-1-200", 9, "two")
        lines, seen = job_log(aws, R, "j", {**seen, "j/algo-1-100": type(next(iter(seen.values())))("f/1", False)})
        assert texts(lines) == ["last words", "two"]
        before = len(world.asked)
        assert job_log(aws, R, "j", seen)[0] == ()
        asked = [one.json.get("logStreamName") for one in world.asked[before:]]
        assert asked == [None, "j/algo-1-200"]


def test_one_look_is_bounded():
    """A job that writes without end does not keep one look for ever; the next goes on."""
    logs = Logs(page=1)
    logs.write("j/algo-1-1", 0, *map(str, range(20)))
    with endpoint(logs) as world:
        lines, seen = job_log(world.aws(), R, "j")
        assert texts(lines) == [str(n) for n in range(PAGES)]
        assert texts(everything(world.aws(), "j", seen)[0]) == [str(n) for n in range(PAGES, 20)]


def test_a_stream_that_fails_hides_no_other():
    """What was read is told; the failing one is read the next time, and raises where nothing else came."""
    logs = Logs()
    logs.write("j/algo-1-1", 0, "a")
    logs.write("j/algo-2-1", 0, "b")
    logs.fail = {"j/algo-2-1": (400, json.dumps({"__type": "AccessDeniedException", "message": "no"}))}
    with endpoint(logs) as world:
        lines, seen = job_log(world.aws(), R, "j")
        assert texts(lines) == ["a"]
        with pytest.raises(SpotboxError):
            job_log(world.aws(), R, "j", seen)
        logs.fail = {}
        assert texts(job_log(world.aws(), R, "j", seen)[0]) == ["b"]
