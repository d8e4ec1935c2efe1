"""CloudWatch Logs of the sandbox: the output of training jobs, in files of bounded length.

A line of a stream's file is `MILLISECONDS TEXT`; a token of GetLogEvents holds a place in that file, so that the same
token comes back at the end of what there is (API reference, GetLogEvents).
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GROUP = "/aws/sagemaker/TrainingJobs"
LINE_LIMIT = 8192  # bytes of a line; CloudWatch's own limit of an event is 256 KiB
STREAM_LIMIT = 2_000_000  # bytes of a stream, then only its end is kept
END_LIMIT = 20_000  # bytes of the end of a longer one
ANSWER_LIMIT = 1_000_000  # bytes of events in one answer ("up to 1 MB", GetLogEvents)


@dataclass
class Stream:
    """A log stream: `path` is its file, `created` in milliseconds since 1970."""

    region: str
    name: str
    path: Path
    created: int

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:logs:{self.region}:123456789012:log-group:{GROUP}:log-stream:{self.name}"


@dataclass(frozen=True)
class Event:
    """One line: `start` and `end` are its place in the file, `at` is in milliseconds since 1970."""

    at: int
    text: str
    start: int
    end: int


def events(path: Path, start: int = 0, most: int = STREAM_LIMIT * 2) -> Iterator[Event]:
    """The whole lines of a stream's file from a place on, oldest first; at most so many bytes of them."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            content = file.read(most)
    except OSError:
        return
    for line in content[: content.rfind(b"\n") + 1].split(b"\n")[:-1]:
        stamp, _, text = line.partition(b" ")
        end = start + len(line) + 1
        if stamp.isdigit():
            yield Event(int(stamp), text.decode("utf-8", "replace"), start, end)
        start = end


class Writer:
    """Writes one stream. Whatever is given to it, file and memory stay small; safe from several threads."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115  # closed by close()
        self._lock = threading.Lock()
        self._written = 0
        self._left = 0  # lines that the file has not
        self._end = b""  # the last of them
        self.full = False

    def line(self, text: bytes) -> None:
        """Write a line of output; a long one is cut."""
        self.lines([text])

    def lines(self, texts: list[bytes]) -> None:
        """Write lines of output, in one piece."""
        stamp = time.time_ns() // 1_000_000
        rows = [b"%d %s\n" % (stamp, _cut(text).replace(b"\n", b" ")) for text in texts]
        with self._lock:
            while rows and not self.full and self._written + len(rows[0]) <= STREAM_LIMIT and not self._file.closed:
                # as many as fit, in one write: a script may write a hundred thousand lines a second
                fitting = len(rows) if sum(map(len, rows)) + self._written <= STREAM_LIMIT else 1
                self._written += self._file.write(b"".join(rows[:fitting]))
                del rows[:fitting]
            if rows:
                self.full = True
                self._leave(b"".join(row.partition(b" ")[2] for row in rows))

    def leave(self, data: bytes) -> None:
        """Take output of a stream that is full: of all of it the end is kept."""
        with self._lock:
            self._leave(data)

    def _leave(self, data: bytes) -> None:
        self._left += data.count(b"\n")
        self._end = (self._end + data)[-END_LIMIT:]

    def say(self, text: str) -> None:
        """Write a remark of the sandbox's own."""
        self.line(f"sandbox: {text}".encode())

    def close(self) -> None:
        """Write the end of an output that was too long. Twice is fine."""
        with self._lock:
            if self._file.closed:
                return
            if self.full:
                kept = self._end.rstrip(b"\n").split(b"\n")
                left = max(0, self._left - len(kept))
                remark = b"sandbox: %d lines were left out here, the sandbox keeps no more of one stream" % left
                stamp = time.time_ns() // 1_000_000
                self._file.write(b"".join(b"%d %s\n" % (stamp, _cut(row)) for row in (remark, *kept)))
            self._file.close()


def _cut(text: bytes) -> bytes:
    return text if len(text) <= LINE_LIMIT else text[:LINE_LIMIT] + b" [cut by the sandbox]"


class Lines:
    """Cuts a flow of bytes into lines; of a line without an end no more than the limit is kept."""

    def __init__(self, write: Writer):
        self._write = write
        self._begun = bytearray()

    def feed(self, data: bytes) -> None:
        """Take some output."""
        if self._write.full:
            self._write.leave(data)
            self._begun.clear()
            return
        first, *others = data.split(b"\n")
        self._begin(first)
        if others:
            *whole, rest = others
            self._write.lines([line.rstrip(b"\r") for line in (bytes(self._begun), *whole)])
            self._begun.clear()
            self._begin(rest)

    def _begin(self, part: bytes) -> None:
        if len(self._begun) <= LINE_LIMIT:
            self._begun += part[: LINE_LIMIT + 1]

    def end(self) -> None:
        """Take the end of the output: a last line may lack its newline."""
        if self._begun:
            self._write.line(bytes(self._begun))
            self._begun.clear()
