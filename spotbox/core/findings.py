"""What an audit sees in a region, and what it has to say of one thing."""

import re
from dataclasses import dataclass
from decimal import Decimal

from spotbox.core.billing import Rates
from spotbox.core.boxes import Sight
from spotbox.core.names import NAME_TAG, OWNER_TAG
from spotbox.core.records import Instance, OwnImage, Snapshot, Volume
from spotbox.core.states import LEAVING
from spotbox.core.steps import Plan

KEYS = ("kind", "id", "region", "name", "owner", "why", "usd_per_month", "remedy")
TRACE = "trace"  # the lot of what bears only spotbox's traces, which `audit --fix` asks for by itself
LOTS = {  # lot -> what `audit --fix` asks to do with it, in the order of asking
    "tags": "Tag again what lost its tags",
    "instance": "Terminate what no Spot request holds",
    "spot-request": "Cancel second Spot requests",
    "volume": "Delete volumes and all that is on them",
    "image": "Deregister images that moves made",
    "snapshot": "Delete snapshots",
    "security-group": "Delete security groups",
    "key-pair": "Delete key pairs",
    TRACE: "Terminate what bears only spotbox's traces, and may be somebody else's",
}
_OUR_KEY = re.compile(r"spotbox-(.+)-[0-9a-f]{16}")


@dataclass(frozen=True)
class Survey:
    """One region: what carries tags or is reached by a request, and what bears only traces, with its disks."""

    sight: Sight
    snapshots: tuple[Snapshot, ...] = ()
    traced: tuple[Instance, ...] = ()
    disks: tuple[Volume, ...] = ()  # volumes of `traced`
    images: tuple[OwnImage, ...] = ()  # that moves made


@dataclass(frozen=True)
class Finding:
    """One row of the audit. `lot` is what `--fix` asks for as one thing; without steps it leaves the thing alone."""

    kind: str
    id: str
    region: str
    name: str | None
    owner: str | None
    why: str
    remedy: str
    lot: str = ""
    steps: Plan = ()
    kept: bool = False  # left on purpose: shown, never removed, and no reason for exit 6
    instance: Instance | None = None
    volumes: tuple[Volume, ...] = ()  # billed in this row
    snapshot: Snapshot | None = None

    def usd(self, rates: Rates) -> Decimal | None:
        """USD per month that it bills as things are; None where a price is unknown."""
        if self.instance:
            return rates.instance(self.instance, self.volumes)
        return rates.snapshot(self.snapshot) if self.snapshot else rates.volumes(self.volumes)

    def bills(self, rates: Rates) -> bool:
        """Whether it is a reason for exit 6; what has no known price counts as billing."""
        usd = self.usd(rates)
        return not self.kept and (usd is None or usd > 0)


def bears_traces(instance: Instance, sight: Sight, owner: str | None) -> bool:
    """Whether an instance has spotbox's key pair or group of this owner (None: of anybody) and none of its tags."""
    tagged = NAME_TAG in instance.tags or OWNER_TAG in instance.tags
    return not tagged and instance.state not in LEAVING and trace(instance, sight, owner) is not None


def trace(instance: Instance, sight: Sight, owner: str | None) -> tuple[str | None, str] | None:
    """(owner, what it bears) of an instance with traces."""
    named = _OUR_KEY.fullmatch(instance.key_name or "")
    if named and owner in (None, named[1]):
        return named[1], f"key pair {instance.key_name}"
    held = next((g for g in sight.groups if g.id in instance.group_ids), None)
    return (held.tags.get(OWNER_TAG), f"security group {held.name}") if held else None
