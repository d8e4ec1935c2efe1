"""One screen that stays and is redrawn in place: the terminal's alternate screen, given back whatever happens."""

import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Sequence
from types import FrameType
from typing import Any

from spotbox.width import cut

# xterm's control sequences, which every terminal of today knows.
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # alternate screen, no cursor, no wrapping: a long line never becomes two
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME, _LINE_END, _REST, _BRIGHT, _PLAIN = "\x1b[H", "\x1b[K", "\x1b[J", "\x1b[7m", "\x1b[0m"

Line = tuple[str, bool]  # text that is safe to show, and whether it stands out


class Screen:
    """A context manager. Inside, `draw` shows lines and `wait` gives the keys that are pressed.

    SIGTERM and SIGHUP end it as Ctrl-C does (KeyboardInterrupt); Ctrl-Z and `fg` give the terminal back and take it.
    """

    @staticmethod
    def possible() -> bool:
        """Whether stdout is a terminal that can be drawn on."""
        return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def __init__(self) -> None:
        self._out = sys.stdout.fileno()
        self._keys: int | None = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        self._modes: list[Any] | None = None
        self._frame = ""
        self._woken, self._wake = os.pipe()
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> "Screen":
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._handle(number, _interrupted)
        self._handle(signal.SIGWINCH, self._resized)
        self._handle(signal.SIGTSTP, self._paused)
        try:
            self._take()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._give_back()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            self._handlers = {}
            for end in (self._woken, self._wake):
                os.close(end)

    def draw(self, lines: Sequence[Line]) -> None:
        """Show these lines from the top, cut to the window, in one write; nothing where they are shown already."""
        size = self.size
        shown = [_styled(cut(text, size.columns), bright) + _LINE_END for text, bright in lines[: size.lines]]
        frame = _HOME + "\r\n".join(shown) + _REST
        if frame != self._frame:
            self._frame = frame
            _write(self._out, frame)

    @property
    def size(self) -> os.terminal_size:
        """Columns and lines of the window now."""
        try:
            size = os.get_terminal_size(self._out)
        except OSError:
            size = os.terminal_size((0, 0))
        return size if size.columns and size.lines else shutil.get_terminal_size()

    def wait(self, seconds: float) -> str:
        """The keys that were pressed within `seconds`; empty where none was, or the window changed its size."""
        sources = [self._woken] + ([self._keys] if self._keys is not None else [])
        ready, _, _ = select.select(sources, [], [], seconds)
        if self._woken in ready:
            os.read(self._woken, 1024)
        if self._keys is None or self._keys not in ready:
            return ""
        try:
            pressed = os.read(self._keys, 1024)
        except OSError:
            pressed = b""
        if not pressed:
            self._keys = None  # nobody types any more: without this it would be ready for ever
        # An arrow or a pasted text may hold any letter: what begins with an escape is no key of ours.
        return "" if pressed.startswith(b"\x1b") else pressed.decode("utf-8", "replace")

    def _take(self) -> None:
        if self._keys is not None:
            self._modes = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys)  # keys without Return; Ctrl-C stays a signal
        self._frame = ""
        _write(self._out, _ENTER)

    def _give_back(self) -> None:
        try:
            _write(self._out, _LEAVE)
        finally:
            if self._keys is not None and self._modes is not None:
                termios.tcsetattr(self._keys, termios.TCSADRAIN, self._modes)
                self._modes = None

    def _handle(self, number: int, handler: Any) -> None:
        self._handlers[number] = signal.signal(number, handler)

    def _resized(self, number: int, frame: FrameType | None) -> None:
        self._frame = ""
        os.write(self._wake, b".")

    def _paused(self, number: int, frame: FrameType | None) -> None:
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)  # stops here until `fg`
        signal.signal(signal.SIGTSTP, self._paused)
        self._take()
        os.write(self._wake, b".")


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _styled(text: str, bright: bool) -> str:
    return f"{_BRIGHT}{text}{_PLAIN}" if bright else text


def _write(out: int, text: str) -> None:
    data = text.encode("utf-8", "replace")
    while data:
        data = data[os.write(out, data) :]
