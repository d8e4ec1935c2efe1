"""What a thing that is left goes on costing by the month, from prices as they are now. Unknown stays unknown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from spotbox.core.records import Instance, Snapshot, Volume
from spotbox.core.units import HOURS_PER_MONTH

COMPUTE = ("pending", "running", "stopping")  # the states in which an instance's hours are counted here
# Their IOPS are billed apart and are most of the price (EBS pricing), so that GiB alone would tell too little.
_PROVISIONED = ("io1", "io2")


@dataclass(frozen=True)
class Rates:
    """Prices that were looked up; what is not there is unknown."""

    spot: Mapping[tuple[str, str, str], Decimal] = field(default_factory=dict)  # (region, type, zone): USD per hour
    on_demand: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)  # (region, type): USD per hour
    disk: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)  # (region, volume type): USD per GiB-month
    snapshots: Mapping[str, Decimal] = field(default_factory=dict)  # region: USD per GiB-month

    def volume(self, volume: Volume) -> Decimal | None:
        """USD per month of a volume by its size and type."""
        price = None if volume.type in _PROVISIONED else self.disk.get((volume.region, volume.type))
        return None if price is None else price * volume.size_gib

    def volumes(self, volumes: Iterable[Volume]) -> Decimal | None:
        """USD per month of them all; one unknown makes the sum unknown."""
        prices = [self.volume(volume) for volume in volumes]
        known = [price for price in prices if price is not None]
        return sum(known, Decimal(0)) if len(known) == len(prices) else None

    def compute(self, instance: Instance) -> Decimal | None:
        """USD per month of an instance's hours, were it to go on as now; 0 for one that has stopped."""
        if instance.state not in COMPUTE:
            return Decimal(0)
        if instance.lifecycle == "spot":
            price = self.spot.get((instance.region, instance.instance_type, instance.zone))
        else:
            price = self.on_demand.get((instance.region, instance.instance_type))
        return None if price is None else price * HOURS_PER_MONTH

    def instance(self, instance: Instance, volumes: Iterable[Volume]) -> Decimal | None:
        """USD per month of an instance with the volumes that go with it (those of `volumes` that AWS deletes then)."""
        disks = self.volumes(v for v in volumes if v.instance_id == instance.id and v.delete_on_termination)
        hours = self.compute(instance)
        return None if hours is None or disks is None else hours + disks

    def snapshot(self, snapshot: Snapshot) -> Decimal | None:
        """USD per month at most: AWS bills the blocks that a snapshot holds, up to the size of its volume."""
        price = self.snapshots.get(snapshot.region)
        return None if price is None else price * snapshot.size_gib
