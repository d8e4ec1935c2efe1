"""Waiting is one function: time is passed in, each look gives a reason to show, and there is an end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
FIRST, LONGEST = 0.3, 2.0  # seconds between looks: often at first, at least every two seconds


@dataclass(frozen=True)
class Look(Generic[T]):
    """One look at the world: what was seen, whether the wait is over, and why it is not."""

    value: T
    done: bool
    reason: str = ""


@dataclass(frozen=True)
class Waited(Generic[T]):
    """The last look, and whether it was the one waited for (False: time ran out)."""

    value: T
    done: bool
    reason: str


def wait(
    look: Callable[[], Look[T]],
    timeout: float,
    sleep: Callable[[float], None],
    now: Callable[[], float],
    show: Callable[[str], None] = lambda reason: None,
) -> Waited[T]:
    """Look until done or until `timeout` seconds have passed; always looks once, and once more at the end.

    `now` is a monotonic clock in seconds; `show` gets each look's reason. Exceptions of `look` end the wait.
    """
    end = now() + timeout
    pause = FIRST
    while True:
        late = now() >= end
        seen = look()
        if seen.done or late:
            return Waited(seen.value, seen.done, seen.reason)
        show(seen.reason)
        sleep(max(0.0, min(pause, end - now())))
        pause = min(LONGEST, pause * 1.3)
