"""EBS: volumes, snapshots of them and the images made of instances, with the files that each holds.

States: API reference, VolumeState, SnapshotState and ImageState. Volumes are moto's own records; of snapshots and
images moto knows too little, so those are ours, kept where moto keeps its own.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from spotbox.sandbox.disks import Disks
from spotbox.sandbox.images import IMAGES
from spotbox.sandbox.launch import Disk
from spotbox.sandbox.pace import Pace
from spotbox.sandbox.refusals import refusal
from spotbox.sandbox.timeline import Event, Timeline

ANY_VOLUME = "vol-ffffffff"  # what a copied snapshot names as its volume (API reference, Snapshot.VolumeId)


def _fresh(kind: str) -> str:
    return f"{kind}-0{secrets.token_hex(8)}"


@dataclass
class Snapshot:
    """A snapshot of a volume of `size` GiB, begun at `started` and whole at `completes`."""

    id: str
    region: str
    volume_id: str
    size: int
    started: datetime
    completes: datetime
    encrypted: bool = False
    description: str = ""

    def state_at(self, now: datetime) -> str:
        """pending until it is whole."""
        return "completed" if now >= self.completes else "pending"

    def progress_at(self, now: datetime) -> int:
        """How much of it is done, in per cent."""
        if now >= self.completes:
            return 100
        return int((now - self.started) / (self.completes - self.started) * 100)


@dataclass
class Image:
    """An image of the account's own. `facts` is what DescribeImages shows of its source, `login` the source's user."""

    id: str
    region: str
    name: str
    description: str
    created: datetime
    ready: datetime
    disks: tuple[Disk, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    login: str = "ubuntu"

    def state_at(self, now: datetime) -> str:
        """pending until every snapshot of it is whole."""
        return "available" if now >= self.ready else "pending"

    @property
    def snapshots(self) -> list[str]:
        """The ids of its snapshots."""
        return [disk.snapshot for disk in self.disks if disk.snapshot]


class Ebs:
    """All of EBS. `backend(region)` is moto's EC2 of a region. Its methods expect the world's lock held."""

    def __init__(self, timeline: Timeline, pace: Pace, backend: Callable[[str], Any], disks: Disks):
        self.timeline = timeline
        self.pace = pace
        self.backend = backend
        self.disks = disks

    # Volumes

    def make(self, region: str, zone: str, disk: Disk, seconds: float = 0) -> Any:
        """A new volume in the zone, available after `seconds`. Raises Refusal InvalidSnapshot.NotFound."""
        backend, source = self.backend(region), self.source(region, disk.snapshot)
        encrypted = disk.encrypted or bool(source and source.encrypted)
        volume = backend.create_volume(
            size=disk.size,
            zone_name=zone,
            encrypted=encrypted,
            volume_type=disk.type,
            iops=disk.iops if disk.type in ("gp3", "io1", "io2") else None,
            throughput=disk.throughput,
        )
        volume.snapshot_id, volume.encrypted = disk.snapshot, encrypted
        volume.ready, volume.epoch = self.timeline.now + timedelta(seconds=seconds), 0
        if source:
            self.disks.restore(source.id, volume.id)
        return volume

    def state(self, volume: Any) -> str:
        """A volume's state: creating, available or in-use."""
        return "creating" if self.timeline.now < volume.ready else str(volume.status)

    def attach(self, volume: Any, instance: Any, device: str, delete: bool, seconds: float = 0) -> None:
        """Give the volume to an instance as `device`; it is `attaching` for so many seconds."""
        backend = instance.ec2_backend
        backend.attach_volume(volume.id, instance.id, device, delete)
        self.disks.attach(volume.id, instance.id, device, device == instance.root_device_name)
        if seconds:
            self._settle(volume, "attaching", "attached", seconds)

    def begin_detach(self, volume: Any) -> None:
        """Take the volume from its instance; it is `detaching` for a while, and again where it is so already."""
        self._settle(volume, "detaching", "detached", self.pace.attach)

    def _settle(self, volume: Any, status: str, then: str, seconds: float) -> None:
        volume.attachment.status = status
        volume.epoch += 1
        who = f"{volume.ec2_backend.region_name}/{volume.id}"
        self.timeline.after(seconds, then, who, volume.epoch)

    def handle(self, event: Event) -> None:
        """Play one event of a volume; one meant for an earlier attachment of it is dropped."""
        region, volume_id = event.who.split("/")
        volume = self.backend(region).volumes.get(volume_id)
        if volume is None or volume.attachment is None or volume.epoch != event.epoch:
            return
        if event.what == "attached":
            volume.attachment.status = "attached"
        else:
            self.detach(volume)

    def detach(self, volume: Any) -> None:
        """The volume is free again, at once; its files leave the box."""
        held = volume.attachment
        volume.epoch += 1
        volume.ec2_backend.detach_volume(volume.id, held.instance.id, held.device)
        self.disks.detach(volume.id)

    def delete(self, volume: Any) -> None:
        """The volume, its files and its tags are gone."""
        backend = volume.ec2_backend
        backend.delete_volume(volume.id)
        backend.tags.pop(volume.id, None)
        self.disks.delete(volume.id)

    def release(self, instance: Any) -> None:
        """The instance is terminated: its volumes go or stay, as DeleteOnTermination says of each."""
        for mapping in list(instance.block_device_mapping.values()):
            volume = instance.ec2_backend.volumes[mapping.volume_id]
            self.detach(volume)
            if mapping.delete_on_termination:
                self.delete(volume)

    # Snapshots

    def source(self, region: str, snapshot_id: str | None) -> Snapshot | None:
        """The snapshot of that id; None for none, and for those of AWS's images, whose content is not here.

        Raises Refusal InvalidSnapshot.NotFound.
        """
        if snapshot_id is None or snapshot_id in {image.snapshot_in(region) for image in IMAGES}:
            return None
        found: Snapshot | None = self.backend(region).snapshots.get(snapshot_id)
        if found is None:
            raise refusal("InvalidSnapshot.NotFound", id=snapshot_id)
        return found

    def _begin(self, region: str, volume_id: str, size: int, encrypted: bool, description: str) -> Snapshot:
        now = self.timeline.now
        completes = now + timedelta(seconds=self.pace.snapshot + self.pace.snapshot_gib * size)
        made = Snapshot(_fresh("snap"), region, volume_id, size, now, completes, encrypted, description)
        self.backend(region).snapshots[made.id] = made
        return made

    def take(self, volume: Any, description: str, tags: Mapping[str, str]) -> Snapshot:
        """Begin a snapshot of what the volume holds at this moment."""
        region = volume.ec2_backend.region_name
        made = self._begin(region, volume.id, volume.size, volume.encrypted, description)
        self.disks.take(volume.id, made.id)
        volume.ec2_backend.create_tags([made.id], dict(tags))
        return made

    def copy(self, source: Snapshot | None, size: int, region: str, encrypted: bool, description: str) -> Snapshot:
        """Begin a copy of a snapshot in `region`; of one of AWS's own (None), whose files are not here, too."""
        whole = encrypted or bool(source and source.encrypted)
        made = self._begin(region, ANY_VOLUME, size, whole, description)
        if source:
            self.disks.copy(source.id, made.id)
        return made

    def forget(self, snapshot: Snapshot) -> None:
        """The snapshot, its files and its tags are gone; volumes that were made of it stay."""
        backend = self.backend(snapshot.region)
        del backend.snapshots[snapshot.id]
        backend.tags.pop(snapshot.id, None)
        self.disks.forget(snapshot.id)

    def users(self, snapshot: Snapshot) -> list[str]:
        """The images that need the snapshot."""
        images = self.backend(snapshot.region).amis.values()
        return [image.id for image in images if snapshot.id in getattr(image, "snapshots", ())]

    # Images

    def register(self, image: Image, tags: Mapping[str, str]) -> None:
        """Take in a new image; it is available once its snapshots are whole."""
        backend = self.backend(image.region)
        known = [backend.snapshots[i] for i in image.snapshots if i in backend.snapshots]
        image.ready = max([image.ready, *(snapshot.completes for snapshot in known)])
        backend.amis[image.id] = image
        backend.create_tags([image.id], dict(tags))

    def deregister(self, image: Any) -> None:
        """The image can be launched no more; its snapshots stay."""
        backend = self.backend(image.region)
        del backend.amis[image.id]
        backend.tags.pop(image.id, None)
        backend.deleted_amis.append(image.id)


def new_image_id() -> str:
    """A fresh id for an image."""
    return _fresh("ami")


def mapped(disks: Sequence[Disk]) -> list[dict[str, Any]]:
    """Disks as the BlockDeviceMappings of an image."""
    return [
        {
            "DeviceName": disk.device,
            "Ebs": {
                "SnapshotId": disk.snapshot,
                "VolumeSize": disk.size,
                "VolumeType": disk.type,
                "DeleteOnTermination": disk.delete,
                "Encrypted": disk.encrypted,
                "Iops": disk.iops,
                "Throughput": disk.throughput,
            },
        }
        for disk in disks
    ]
