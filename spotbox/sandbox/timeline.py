"""Events that lie ahead, played in order whenever someone looks: time passes in the sandbox without a thread."""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple


def utc_now() -> datetime:
    """The wall clock, aware UTC."""
    return datetime.now(UTC)


class Event(NamedTuple):
    """At `at`, `what` happens to `who`, if `who` has not changed since (`epoch`)."""

    at: datetime
    order: int
    what: str
    who: str
    epoch: int


class Timeline:
    """A queue of events and a clock. While an event is handled, `now` is the event's own time."""

    def __init__(self, clock: Callable[[], datetime] = utc_now):
        self.clock = clock
        self.now = clock()
        self._heap: list[Event] = []
        self._order = 0

    def after(self, seconds: float, what: str, who: str, epoch: int = 0) -> None:
        """Let `what` happen to `who` in `seconds` seconds from `now`."""
        self.at(self.now + timedelta(seconds=seconds), what, who, epoch)

    def at(self, moment: datetime, what: str, who: str, epoch: int = 0) -> None:
        """Let `what` happen to `who` at `moment`."""
        self._order += 1
        heapq.heappush(self._heap, Event(moment, self._order, what, who, epoch))

    def advance(self, handle: Callable[[Event], None]) -> bool:
        """Play all that is due, in order; what a handler adds is played too when due. True if anything was."""
        played = False
        until = self.clock()
        while self._heap and self._heap[0].at <= until:
            event = heapq.heappop(self._heap)
            self.now = max(self.now, event.at)
            handle(event)
            played = True
        self.now = until
        return played

    def __getstate__(self) -> dict[str, Any]:
        """The queue alone: a clock cannot be saved."""
        return {"heap": self._heap, "order": self._order, "now": self.now}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._heap, self._order, self.now = state["heap"], state["order"], state["now"]
        self.clock = utc_now
