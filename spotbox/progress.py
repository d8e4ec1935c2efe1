"""One live line on a terminal, plain lines elsewhere; stderr only."""

import contextlib
import os
import shutil
import sys
from collections.abc import Callable
from typing import TextIO

from spotbox.core.text import safe
from spotbox.core.units import show_duration
from spotbox.width import hung, shortened

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Progress:
    """Says what is going on. On a terminal the live line is redrawn in place; elsewhere each new text is a line."""

    def __init__(self, stream: TextIO | None = None, now: Callable[[], float] | None = None):
        import time

        self._stream = stream
        self._now = now or time.monotonic
        self._since: float | None = None
        self._last = ""
        self._turn = 0

    @property
    def stream(self) -> TextIO:
        """stderr as it is now (tests and pagers replace it)."""
        return self._stream or sys.stderr

    @property
    def _live(self) -> bool:
        return self.stream.isatty()

    def say(self, text: str, hang: int = 0) -> None:
        """A remark that stays: one line. With `hang` it goes on below itself on a terminal, so many columns to the
        right, where the terminal would break it in a word."""
        self._clear()
        self._put(hung(safe(text), self.width if hang else None, hang), "\n")

    @property
    def width(self) -> int | None:
        """Columns of the terminal that is written to; None where it is none."""
        return _columns(self.stream) if self._live else None

    def show(self, text: str) -> None:
        """What is being waited for, with the time since `start`. Redrawn in place on a terminal."""
        if self._since is None:
            self._since = self._now()
        text = safe(text)
        if self._live:
            self._turn += 1
            took = show_duration(self._now() - self._since)
            utf = "utf" in (self.stream.encoding or "").lower()
            line = f"{SPINNER[self._turn % len(SPINNER)] if utf else '-'} {took:>6}  {text}"
            self._put(f"\r\x1b[K{shortened(line, _columns(self.stream) - 1, '…' if utf else '~')}")
        elif text != self._last:
            self._put(text, "\n")
        self._last = text

    def glance(self, text: str) -> None:
        """As `show`, for what seldom takes long: on a live terminal only, so that no log is filled with it."""
        if self._live:
            self.show(text)

    def clear(self) -> None:
        """Take the live line away, as something else is printed now; the time goes on."""
        self._clear()
        if self._live:
            self._last = ""

    def afresh(self) -> None:
        """Take away what stands on the line of a terminal, whoever wrote it."""
        if self._live:
            self._put("\r\x1b[K")

    def done(self, text: str = "") -> None:
        """End the live line; `text` stays in its place, with the time since the first one. Without a text time ends."""
        self._clear()
        self._last = ""
        if text:
            took = f"  ({show_duration(self._now() - self._since)})" if self._since is not None else ""
            self._put(hung(f"{safe(text)}{took}", self.width, 2), "\n")
        else:
            self._since = None

    def _clear(self) -> None:
        if self._live and self._last:
            self._put("\r\x1b[K")

    def _put(self, text: str, end: str = "") -> None:
        """What is under way goes on although nobody can read of it: the terminal is gone, or the pipe's reader."""
        with contextlib.suppress(OSError):
            print(text, end=end, file=self.stream, flush=True)


def _columns(stream: TextIO) -> int:
    """COLUMNS where it is set, else what the terminal of this stream says: stdout may be a file, or another one."""
    try:
        seen = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError, AttributeError):
        seen = 0
    told = os.environ.get("COLUMNS", "")
    return int(told) if told.isdigit() and int(told) else seen or shutil.get_terminal_size().columns
