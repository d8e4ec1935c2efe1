"""Control verbs for time and what AWS has written down: a box's past, what was billed, a moment that lasts."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from spotbox.sandbox.cloudtrail import relive
from spotbox.sandbox.costexplorer import NAME_TAG, OWNER_TAG
from spotbox.sandbox.records import Box
from spotbox.sandbox.timeline import utc_now
from spotbox.sandbox.world import World


class Books:
    """Verbs of Control: `relive`, `bill` and `still`."""

    world: World
    backends: Callable[[], Any]
    _box: Callable[[str], Box]
    _shown: Callable[[Box], dict[str, Any]]

    def relive(self, box: str, hours: list[list[Any]]) -> dict[str, Any]:
        """Give a box a past, [hours ago, event] each, oldest first; see cloudtrail.relive."""
        found = self._box(box)
        volumes = self.backends()[found.region].volumes.values()
        held = [v for v in volumes if v.attachment and v.attachment.instance.id == found.id]
        relive(self.world, found, held, [(float(ago), str(what)) for ago, what in hours])
        return self._shown(found)

    def bill(self, name: str, owner: str, usd: str) -> dict[str, Any]:
        """What Cost Explorer says a box was billed, USD; the tags that it goes by are activated with it."""
        self.world.bills.usd[(name, owner)] = Decimal(usd)
        self.world.bills.active |= {NAME_TAG, OWNER_TAG}
        return {"name": name, "owner": owner, "usd": usd}

    def still(self, on: bool) -> dict[str, Any]:
        """Let the sandbox's time stand still, or catch up with the clock: what lasts a moment can be looked at."""
        now = self.world.now
        self.world.timeline.clock = (lambda: now) if on else utc_now
        return {"still": on}
