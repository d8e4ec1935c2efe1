"""How long something takes where it may not take longer than is promised."""

import time
from collections.abc import Callable


def seconds_of(act: Callable[[], object]) -> float:
    """Seconds on the clock that one call takes."""
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def quickest(took: Callable[[], float], promised: float, tries: int = 4) -> float:
    """The least of the times (seconds) that `took` gives, asked again while it is not below what is promised.

    A machine that stands still for a moment, or has others to serve, is not slow for it.
    """
    times = [took()]
    while min(times) >= promised and len(times) < tries:
        times.append(took())
    return min(times)
