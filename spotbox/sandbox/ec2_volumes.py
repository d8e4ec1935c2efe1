"""EC2's calls about volumes.

Parameters and states: API reference, CreateVolume and AttachVolume; codes: "Error codes for the Amazon EC2 API". The
wording of what no user has posted is the sandbox's.
"""

import re
from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from spotbox.sandbox import describe, launch, render_ebs
from spotbox.sandbox.ec2_base import Ec2Base
from spotbox.sandbox.records import Box
from spotbox.sandbox.refusals import refusal

# EC2 User Guide, device_naming: what Linux instances of HVM images may call a volume.
_DEVICE = re.compile(r"/dev/(sd[a-z]\d{0,2}|xvd[a-z]|xvd[b-d][a-z]|hd[a-z]\d{0,2}|nvme\d{1,2}n1)")


class VolumeCalls(Ec2Base):
    """CreateVolume, DescribeVolumes, AttachVolume, DetachVolume, DeleteVolume; ModifyVolume is moto's."""

    def _volume(self) -> Any:
        """The volume that the call names. Raises Refusal for an id that is malformed or not there."""
        return self.known_volume(self.params.get("VolumeId"))

    def known_volume(self, volume_id: str | None) -> Any:
        """The volume of that id. Raises Refusal for one that is malformed or not there."""
        if not re.fullmatch(r"vol-[0-9a-f]{8,17}", volume_id or ""):
            text = f"Value ({volume_id}) for parameter volume is invalid. Expected: 'vol-...'."
            raise refusal("InvalidParameterValue", text)
        if volume_id not in self.ec2_backend.volumes:
            raise refusal("InvalidVolume.NotFound", id=volume_id)
        return self.ec2_backend.volumes[volume_id]

    def describe_volumes(self) -> ActionResult:
        p = self.params
        self.error_on_dryrun()
        ids = p.get("VolumeIds") or []
        found = [self.known_volume(i) for i in ids] if ids else self.ec2_backend.volumes.values()
        rows = [render_ebs.volume(self.ebs, volume) for volume in found]
        kept = describe.keep(rows, p.get("Filters"), render_ebs.VOLUME_FILTERS)
        page, token = describe.page(kept, p.get("MaxResults"), p.get("NextToken"))
        return ActionResult({"Volumes": page, "NextToken": token})

    def create_volume(self) -> ActionResult:
        p = self.params
        token = p.get("ClientToken") or ""
        again = self.replay("CreateVolume", token)
        if again is not None:  # what a token gives whose volume was deleted is UNCONFIRMED: that it is not there
            return ActionResult(render_ebs.volume(self.ebs, self.known_volume(again[0])))
        zone = self._zone()
        disk = launch.disk_of(
            "", self._encryption(), p.get("SnapshotId"), None, self.snapshot_size, "InvalidParameterValue"
        )
        source = self.ebs.source(self.region, disk.snapshot)
        if source and source.state_at(self.world.now) != "completed":
            raise refusal("IncorrectState", f"Snapshot is in invalid state - {source.state_at(self.world.now)}")
        tags = launch.tags(p.get("TagSpecifications") or [], ("volume",))
        if self.over_storage([disk]):
            raise refusal("VolumeLimitExceeded", "You have exceeded your maximum volume storage limit of this type.")
        self.error_on_dryrun()
        made = self.ebs.make(self.region, zone, disk, self.world.pace.volume)
        made.add_tags(tags.get("volume", {}))
        self.remember("CreateVolume", token, [made.id])
        return ActionResult(render_ebs.volume(self.ebs, made))

    def _zone(self) -> str:
        zones = {zone.name: zone.zone_id for zone in self.ec2_backend.describe_availability_zones()}
        name, zone_id = self.params.get("AvailabilityZone"), self.params.get("AvailabilityZoneId")
        if not name and not zone_id:
            raise refusal("MissingParameter", "The request must contain the parameter zone")
        for zone, its_id in zones.items():
            if zone == name or its_id == zone_id:
                return zone
        raise refusal("InvalidZone.NotFound", f"The zone '{name or zone_id}' does not exist.")

    def _encryption(self) -> dict[str, Any]:
        """The volume as asked for; sizes go by another name than in a launch."""
        p = self.params
        if p.get("KmsKeyId") and not p.get("Encrypted"):
            text = "The parameter KmsKeyId requires the parameter Encrypted to be set."
            raise refusal("InvalidParameterDependency", text)
        return {**p, "VolumeSize": p.get("Size")}

    # Attaching

    def attach_volume(self) -> ActionResult:
        volume, device = self._volume(), self.params.get("Device") or ""
        box = self.known_box(self.params.get("InstanceId"))
        if not _DEVICE.fullmatch(device):
            text = f"Value ({device}) for parameter device is invalid. {device} is not a valid EBS device name."
            raise refusal("InvalidParameterValue", text)
        self._check_attach(volume, box)
        instance = self.ec2_backend.get_instance(box.id)
        if device in instance.block_device_mapping:
            text = f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
            raise refusal("InvalidParameterValue", text)
        self.error_on_dryrun()
        # One attached later is not deleted with the instance (EC2 User Guide, terminating-instances).
        self.ebs.attach(volume, instance, device, False, self.world.pace.attach)
        return ActionResult(render_ebs.attachment(volume))

    def _check_attach(self, volume: Any, box: Box) -> None:
        if volume.attachment:
            raise refusal("VolumeInUse", f"{volume.id} is already attached to an instance")
        if self.ebs.state(volume) != "available":
            raise refusal("IncorrectState", f"{volume.id} is not 'available'.")
        if volume.zone.name != box.zone:
            text = f"The volume '{volume.id}' is not in the same availability zone as instance '{box.id}'"
            raise refusal("InvalidVolume.ZoneMismatch", text)
        if box.state not in ("running", "stopped"):
            raise refusal("IncorrectState", f"Instance '{box.id}' is not 'running'.")

    def detach_volume(self) -> ActionResult:
        volume, p = self._volume(), self.params
        held = volume.attachment
        if not held:
            raise refusal("IncorrectState", f"Volume '{volume.id}' is in the 'available' state.")
        if p.get("InstanceId", held.instance.id) != held.instance.id or p.get("Device", held.device) != held.device:
            text = f"The volume '{volume.id}' is not attached to instance '{p.get('InstanceId')}' as {p.get('Device')}"
            raise refusal("InvalidAttachment.NotFound", text)
        box = self.known_box(held.instance.id)
        if held.device == held.instance.root_device_name and box.state != "stopped":
            text = f"Unable to detach root volume '{held.device}' from instance '{box.id}'"
            raise refusal("OperationNotPermitted", text)
        self.error_on_dryrun()
        self.ebs.begin_detach(volume)
        return ActionResult(render_ebs.attachment(volume))

    def delete_volume(self) -> EmptyResult:
        volume = self._volume()
        if volume.attachment:
            text = f"Volume {volume.id} is currently attached to {volume.attachment.instance.id}"
            raise refusal("VolumeInUse", text)
        self.error_on_dryrun()
        self.ebs.delete(volume)
        return EmptyResult()
