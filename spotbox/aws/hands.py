"""What apply works with: the clients, a clock that tests can turn, and a place to say what goes on."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from spotbox.aws.session import Aws
from spotbox.core.waiting import Look, T, Waited, wait


def silent(text: str) -> None:
    """Say nothing."""


def unheard(region: str, launched: object) -> None:
    """Keep nothing of what AWS accepted."""


@dataclass(frozen=True)
class Hands:
    """`now` is a monotonic clock in seconds, `show` the live line, `chance` a random number in [0, 1).

    `answered` hears what AWS accepted, in which region (None: an earlier launch stands instead), before anything else
    can happen: a Ctrl-C comes either before it, as InFlight, or when the caller knows.
    """

    aws: Aws
    sleep: Callable[[float], None]
    now: Callable[[], float]
    show: Callable[[str], None] = silent
    chance: Callable[[], float] = random.random
    answered: Callable[[str, Any], None] = unheard
    # Ids of the security groups that this process made, by region, VPC and name; one dict for all copies.
    groups: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def wait(self, look: Callable[[], Look[T]], timeout: float) -> Waited[T]:
        """Look until done, for `timeout` seconds at most; see core.waiting."""
        return wait(look, timeout, self.sleep, self.now, self.show)

    def rest(self, seconds: float, say: Callable[[float], str]) -> None:
        """Sleep, telling how many seconds are left."""
        end = self.now() + seconds
        while (left := end - self.now()) > 0:
            self.show(say(left))
            self.sleep(min(1.0, left))
