"""What apply works with: the clients, a clock that tests can turn, and a place to say what goes on."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from spotbox.aws.session import Aws
from spotbox.core.waiting import Look, T, Waited, wait


def silent(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Hands:
    """`now` is a monotonic clock in seconds, `show` the live line, `chance` a random number in [0, 1)."""

    aws: Aws
    sleep: Callable[[float], None]
    now: Callable[[], float]
    show: Callable[[str], None] = silent
    chance: Callable[[], float] = random.random
    # Ids of the security groups that this process made, by region, VPC and name; one dict for all copies.
    groups: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def wait(self, look: Callable[[], Look[T]], timeout: float) -> Waited[T]:
        """Look until done; see core.waiting."""
        return wait(look, timeout, self.sleep, self.now, self.show)

    def rest(self, seconds: float, say: Callable[[float], str]) -> None:
        """Sleep, telling how many seconds are left."""
        end = self.now() + seconds
        while (left := end - self.now()) > 0:
            self.show(say(left))
            self.sleep(min(1.0, left))
