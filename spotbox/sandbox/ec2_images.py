"""EC2's calls about images.

Parameters and states: API reference, CreateImage, CopyImage and DescribeImages; codes: "Error codes for the Amazon EC2
API".
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from moto.core.responses import ActionResult

from spotbox.sandbox import describe, launch, regions, render_images
from spotbox.sandbox.ebs import Image, mapped, new_image_id
from spotbox.sandbox.ec2_base import Ec2Base
from spotbox.sandbox.launch import Disk
from spotbox.sandbox.records import GONE, Box
from spotbox.sandbox.refusals import refusal

_NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")  # API reference, CreateImage


class ImageCalls(Ec2Base):
    """DescribeImages, CreateImage, RegisterImage, CopyImage, DeregisterImage."""

    def describe_images(self) -> ActionResult:
        p = self.params
        self.error_on_dryrun()
        rows = render_images.rows(self.ec2_backend, self.world.now)
        ids = p.get("ImageIds") or []
        for image_id in ids:
            self._check_known(image_id, {row["ImageId"] for row in rows})
        if ids:
            rows = [row for row in rows if row["ImageId"] in ids]
        owners = [self.current_account if o == "self" else o for o in p.get("Owners") or []]
        if owners:
            rows = [row for row in rows if row["OwnerId"] in owners or row.get("ImageOwnerAlias") in owners]
        kept = describe.keep(rows, p.get("Filters"), render_images.FILTERS)
        page, token = describe.page(kept, p.get("MaxResults"), p.get("NextToken"))
        return ActionResult({"Images": page, "NextToken": token})

    def _check_known(self, image_id: str, known: set[str]) -> None:
        """A deregistered image gives no row, and an error once no instance refers to it (DescribeImages)."""
        if not re.fullmatch(r"ami-[0-9a-f]{8,17}", image_id):
            raise refusal("InvalidAMIID.Malformed", id=image_id)
        used = {self.ec2_backend.get_instance(b.id).image_id for b in self.boxes_here() if b.state not in GONE}
        if image_id not in known and not (image_id in self.ec2_backend.deleted_amis and image_id in used):
            raise refusal("InvalidAMIID.NotFound", id=image_id)

    # Making

    def _new(self, disks: tuple[Disk, ...], facts: Mapping[str, Any], login: str) -> Image:
        p, now = self.params, self.world.now
        text = p.get("Description") or ""
        return Image(new_image_id(), self.region, p["Name"], text, now, now, disks, dict(facts), login)

    def _check_name(self) -> None:
        name = str(self.params.get("Name") or "")
        if not _NAME.fullmatch(name):
            text = (
                "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', "
                "'.', '-', '/' and '_'"
            )
            raise refusal("InvalidAMIName.Malformed", text)
        for image in self.ec2_backend.amis.values():
            if image.name == name:
                raise refusal("InvalidAMIName.Duplicate", name=name, id=image.id)

    def _image_tags(self) -> dict[str, dict[str, str]]:
        return launch.tags(self.params.get("TagSpecifications") or [], ("image", "snapshot"))

    def create_image(self) -> ActionResult:
        """An image of an instance with all its volumes; a running one is shut down for it unless NoReboot is set."""
        p = self.params
        box = self.known_box(p.get("InstanceId"))
        if box.state not in ("running", "stopped"):
            text = f"Instance '{box.id}' is not in a state from which an image can be created: {box.state}"
            raise refusal("IncorrectInstanceState", text)
        self._check_name()
        tags, instance = self._image_tags(), self.ec2_backend.get_instance(box.id)
        volumes = {device: m.volume_id for device, m in instance.block_device_mapping.items()}
        if instance.root_device_name not in volumes:
            raise launch.invalid(f"Instance '{box.id}' does not have a volume attached at root")
        image = {"BlockDeviceMappings": mapped([self._disk(instance, device) for device in volumes])}
        disks = launch.disks(p.get("BlockDeviceMappings") or [], image, self.snapshot_size)
        self.error_on_dryrun()
        if box.state == "running" and not p.get("NoReboot"):
            self.world.life.reboot(box)
        made = self._new((), self._facts(box, instance), instance.login)
        made.disks = tuple(
            replace(disk, snapshot=self._take(volumes[disk.device], made, box, tags))
            if disk.device in volumes
            else disk
            for disk in disks
        )
        self.ebs.register(made, tags.get("image", {}))
        return ActionResult({"ImageId": made.id})

    def _disk(self, instance: Any, device: str) -> Disk:
        mapping = instance.block_device_mapping[device]
        volume = self.ec2_backend.volumes[mapping.volume_id]
        kind, delete = volume.volume_type, bool(mapping.delete_on_termination)
        return Disk(device, volume.size, kind, bool(volume.encrypted), delete, volume.iops, volume.throughput)

    def _take(self, volume_id: str, image: Image, box: Box, tags: Mapping[str, Mapping[str, str]]) -> str:
        text = f"Created by CreateImage({box.id}) for {image.id}"
        return self.ebs.take(self.ec2_backend.volumes[volume_id], text, tags.get("snapshot", {})).id

    def _facts(self, box: Box, instance: Any) -> dict[str, Any]:
        """What the image has of its instance; of one whose own image is gone, what every such image has."""
        source = render_images.find(self.ec2_backend, instance.image_id, self.world.now) or {}
        facts = render_images.COMMON | {k: source[k] for k in render_images.INHERITED if k in source}
        facts |= {"Architecture": instance.architecture, "RootDeviceName": instance.root_device_name}
        return facts | {"SourceInstanceId": box.id}

    def register_image(self) -> ActionResult:
        """An image of snapshots that are there."""
        p = self.params
        self._check_name()
        asked = p.get("BlockDeviceMappings") or []
        root = p.get("RootDeviceName") or "/dev/sda1"
        if not any(m.get("DeviceName") == root and (m.get("Ebs") or {}).get("SnapshotId") for m in asked):
            raise refusal("MissingParameter", "The request must contain a snapshot for the root device")
        disks = launch.disks(asked, {"BlockDeviceMappings": []}, self.snapshot_size)
        facts = render_images.COMMON | {k: p[k] for k in render_images.INHERITED if p.get(k) is not None}
        self.error_on_dryrun()
        made = self._new(disks, facts | {"RootDeviceName": root}, "ubuntu")
        self.ebs.register(made, self._image_tags().get("image", {}))
        return ActionResult({"ImageId": made.id})

    def copy_image(self) -> ActionResult:
        """A copy of an image of another region, or of this one, with snapshots of its own here."""
        p = self.params
        token = p.get("ClientToken") or ""
        again = self.replay("CopyImage", token)
        if again is not None:
            return ActionResult({"ImageId": again[0]})
        region = p.get("SourceRegion")
        if region not in regions.ENABLED:
            raise refusal("InvalidParameterValue", f"Value ({region}) for parameter sourceRegion is invalid.")
        source = self.image(p.get("SourceImageId"), region)
        if source["State"] != "available":
            raise refusal("InvalidAMIID.Unavailable", id=source["ImageId"])
        tags = self._image_tags()
        self.error_on_dryrun()
        there = self.ebs.backend(region)
        facts = {k: source[k] for k in render_images.INHERITED if k in source}
        facts |= {"SourceImageId": source["ImageId"], "SourceImageRegion": region}
        made = self._new((), facts, render_images.login(there, source["ImageId"]))
        made.description = p.get("Description", source.get("Description")) or ""
        made.disks = tuple(
            self._copied(disk, made, source, region, tags) for disk in launch.disks([], source, _any_size)
        )
        copied = {t["Key"]: t["Value"] for t in source.get("Tags") or []} if p.get("CopyImageTags") else {}
        self.ebs.register(made, copied | tags.get("image", {}))
        self.remember("CopyImage", token, [made.id])
        return ActionResult({"ImageId": made.id})

    def _copied(self, disk: Disk, made: Image, source: Mapping[str, Any], region: str, tags: Mapping[str, Any]) -> Disk:
        if disk.snapshot is None:
            return disk
        text = (
            f"Copied for DestinationAmi {made.id} from SourceAmi {source['ImageId']} for SourceSnapshot "
            f"{disk.snapshot}. Task created on {int(self.world.now.timestamp() * 1000)}."
        )
        encrypted = disk.encrypted or bool(self.params.get("Encrypted"))
        snapshot = self.ebs.copy(self.ebs.source(region, disk.snapshot), disk.size, self.region, encrypted, text)
        self.ec2_backend.create_tags([snapshot.id], dict(tags.get("snapshot", {})))
        return replace(disk, snapshot=snapshot.id, encrypted=snapshot.encrypted)

    # Ending

    def deregister_image(self) -> ActionResult:
        p = self.params
        row = self.image(p.get("ImageId"))
        if row["OwnerId"] != self.current_account:
            raise refusal("AuthFailure", f"Not authorized for image:{row['ImageId']}")
        self.error_on_dryrun()
        image = self.ec2_backend.amis[row["ImageId"]]
        self.ebs.deregister(image)
        if not p.get("DeleteAssociatedSnapshots"):
            return ActionResult({"Return": True})
        return ActionResult({"Return": True, "DeleteSnapshotResults": [self._drop(i) for i in image.snapshots]})

    def _drop(self, snapshot_id: str) -> dict[str, str]:
        """Delete a snapshot with its image; one that another image needs stays (API reference, DeregisterImage)."""
        snapshot = self.ec2_backend.snapshots.get(snapshot_id)
        if snapshot is None:
            return {"SnapshotId": snapshot_id, "ReturnCode": "client-error"}
        if self.ebs.users(snapshot):
            return {"SnapshotId": snapshot_id, "ReturnCode": "skipped"}
        self.ebs.forget(snapshot)
        return {"SnapshotId": snapshot_id, "ReturnCode": "success"}


def _any_size(snapshot_id: str) -> int | None:
    """The sizes of an image that there is are right."""
    return None
