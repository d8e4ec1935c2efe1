"""One live line on a terminal, plain lines elsewhere; stderr only."""

import contextlib
import shutil
import sys
from collections.abc import Callable
from typing import TextIO

from spotbox.core.text import safe
from spotbox.core.units import show_duration

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

    def say(self, text: str) -> None:
        """A remark that stays: one line."""
        self.clear()
        self._put(safe(text), "\n")

    def show(self, text: str) -> None:
        """What is being waited for, with the time since `start`. Redrawn in place on a terminal."""
        if self._since is None:
            self._since = self._now()
        text = safe(text)
        if self._live:
            self._turn += 1
            took = show_duration(self._now() - self._since)
            width = shutil.get_terminal_size().columns - 1
            mark = SPINNER[self._turn % len(SPINNER)] if "utf" in (self.stream.encoding or "").lower() else "-"
            line = f"{mark} {took:>6}  {text}"
            self._put(f"\r\x1b[K{line[:width]}")
        elif text != self._last:
            self._put(text, "\n")
        self._last = text

    def glance(self, text: str) -> None:
        """As `show`, for what seldom takes long: on a live terminal only, so that no log is filled with it."""
        if self._live:
            self.show(text)

    def done(self, text: str = "") -> None:
        """End the live line; `text` stays in its place, with the time since the first one. Without a text time ends."""
        self.clear()
        self._last = ""
        if text:
            took = f"  ({show_duration(self._now() - self._since)})" if self._since is not None else ""
            self._put(f"{safe(text)}{took}", "\n")
        else:
            self._since = None

    def clear(self) -> None:
        """Take the live line away for something else to be written there; the next `show` brings it back."""
        if self._live and self._last:
            self._put("\r\x1b[K")

    def _put(self, text: str, end: str = "") -> None:
        """What is under way goes on although nobody can read of it: the terminal is gone, or the pipe's reader."""
        with contextlib.suppress(OSError):
            print(text, end=end, file=self.stream, flush=True)
