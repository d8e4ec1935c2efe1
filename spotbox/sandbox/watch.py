"""Watching calls go by, and holding one of them: a harness then does what it likes to the program that waits for it."""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from spotbox.sandbox.weather import Call

BEFORE, AFTER = "before", "after"
KEPT = 20_000  # calls remembered at most
LONGEST = 300.0  # seconds a call is held at most, so that a harness that died leaves no thread behind


@dataclass
class Hold:
    """Hold the `nth` call from now (of `action`, where one is named) before its work or after it."""

    nth: int
    when: str
    action: str | None = None
    call: Call | None = None  # the one that is held, or was
    left: int = 0
    drop: bool = False
    opened: threading.Event = field(default_factory=threading.Event)
    waiting: bool = False

    def wait(self) -> bool:
        """Wait until the call is released; whether it goes on."""
        self.waiting = True
        self.opened.wait(LONGEST)
        self.waiting = False
        return not self.drop


class Watch:
    """The calls that were seen, and the one to hold."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._hold: Hold | None = None

    def seen(self, call: Call) -> Hold | None:
        """Note a call; the hold that is for it."""
        with self._lock:
            self._calls.append(call)
            hold = self._hold
            if hold is None or hold.call or hold.action not in (None, call.action):
                return None
            hold.left -= 1
            if hold.left:
                return None
            hold.call = call
            return hold

    def calls(self, reset: bool) -> list[Call]:
        """The calls since the last reset, oldest first."""
        with self._lock:
            found = list(self._calls)
            if reset:
                self._calls.clear()
            return found

    def hold(self, nth: int, when: str, action: str | None) -> Hold:
        """Hold a call to come, in place of an earlier wish; one that is held now is let go and dropped."""
        if when not in (BEFORE, AFTER):
            raise ValueError(f"a call is held before or after its work, not {when}")
        if nth < 1:
            raise ValueError("nth counts calls from 1")
        self.release(drop=True)
        with self._lock:
            self._hold = Hold(nth, when, action, left=nth)
            return self._hold

    def held(self) -> dict[str, Any]:
        """Whether a call is being held, and which."""
        hold = self._hold
        if hold is None or not hold.waiting or hold.call is None:
            return {"held": False}
        return {"held": True, "when": hold.when, **hold.call._asdict()}

    def release(self, drop: bool | None = None) -> bool:
        """Let the held call go on, and hold none; False if none was held.

        One held before its work is dropped unless `drop` is False, as a packet that never arrived; one held after it
        has happened in any case, and `drop` loses its answer.
        """
        with self._lock:
            hold, self._hold = self._hold, None
        if hold is None:
            return False
        hold.drop = hold.when == BEFORE if drop is None else drop
        hold.opened.set()
        return hold.waiting
