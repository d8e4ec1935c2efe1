"""EC2's calls about snapshots.

Parameters and states: API reference, CreateSnapshot and DescribeSnapshots; codes: "Error codes for the Amazon EC2 API".
"""

import re
from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from spotbox.sandbox import describe, launch, regions, render, render_ebs
from spotbox.sandbox.ebs import Snapshot
from spotbox.sandbox.ec2_base import Ec2Base
from spotbox.sandbox.refusals import refusal


class SnapshotCalls(Ec2Base):
    """CreateSnapshot, CreateSnapshots, CopySnapshot, DescribeSnapshots, DeleteSnapshot."""

    def known_snapshot(self, snapshot_id: str | None) -> Snapshot:
        """The account's snapshot of that id. Raises Refusal for one that is malformed or not there."""
        if not re.fullmatch(r"snap-[0-9a-f]{8,17}", snapshot_id or ""):
            text = f"Value ({snapshot_id}) for parameter snapshotId is invalid. Expected: 'snap-...'."
            raise refusal("InvalidParameterValue", text)
        found: Snapshot | None = self.ec2_backend.snapshots.get(snapshot_id)
        if found is None:
            raise refusal("InvalidSnapshot.NotFound", id=snapshot_id)
        return found

    def _snapshot_row(self, found: Snapshot) -> dict[str, Any]:
        backend = self.ec2_backend
        return render_ebs.snapshot(found, backend.tags.get(found.id, {}), backend.default_kms_key_id, self.world.now)

    def _snapshot_tags(self) -> dict[str, str]:
        return launch.tags(self.params.get("TagSpecifications") or [], ("snapshot",)).get("snapshot", {})

    def describe_snapshots(self) -> ActionResult:
        """Those of the account: public ones of others, which AWS lists where no owner is named, are not here."""
        p = self.params
        self.error_on_dryrun()
        ids = p.get("SnapshotIds") or []
        found = [self.known_snapshot(i) for i in ids] if ids else list(self.ec2_backend.snapshots.values())
        owners = p.get("OwnerIds") or ["self"]
        rows = [self._snapshot_row(one) for one in found] if {"self", self.current_account} & set(owners) else []
        kept = describe.keep(rows, p.get("Filters"), render_ebs.SNAPSHOT_FILTERS)
        page, token = describe.page(kept, p.get("MaxResults"), p.get("NextToken"))
        return ActionResult({"Snapshots": page, "NextToken": token})

    def create_snapshot(self) -> ActionResult:
        volume_id = self.params.get("VolumeId")
        volume = self.ec2_backend.volumes.get(volume_id)
        if volume is None:
            raise refusal("InvalidVolume.NotFound", id=volume_id)
        if self.ebs.state(volume) == "creating":
            raise refusal("IncorrectState", f"Volume '{volume.id}' is in the 'creating' state.")
        tags = self._snapshot_tags()
        self.error_on_dryrun()
        made = self.ebs.take(volume, self.params.get("Description") or "", tags)
        return ActionResult(
            {**self._snapshot_row(made), "Progress": ""}
        )  # so in the first answer (AWS CLI, create-snapshot)

    def create_snapshots(self) -> ActionResult:
        """Of all volumes of an instance, at one moment."""
        p = self.params
        asked = p.get("InstanceSpecification") or {}
        instance = self.ec2_backend.get_instance(self.known_box(asked.get("InstanceId")).id)
        left_out = set(asked.get("ExcludeDataVolumeIds") or [])
        volumes = [
            self.ec2_backend.volumes[mapping.volume_id]
            for device, mapping in instance.block_device_mapping.items()
            if mapping.volume_id not in left_out
            and not (device == instance.root_device_name and asked.get("ExcludeBootVolume"))
        ]
        tags = self._snapshot_tags()
        self.error_on_dryrun()
        rows = []
        for volume in volumes:
            copied = {t["Key"]: t["Value"] for t in render.tag_list(volume)} if p.get("CopyTagsFromSource") else {}
            made = self.ebs.take(volume, p.get("Description") or "", copied | tags)
            rows.append({**self._snapshot_row(made), "Progress": ""})
        return ActionResult({"Snapshots": rows})

    def copy_snapshot(self) -> ActionResult:
        """A copy of a snapshot of another region, or of this one."""
        p = self.params
        region = p.get("SourceRegion")
        if region not in regions.ENABLED:
            raise refusal("InvalidParameterValue", f"Value ({region}) for parameter sourceRegion is invalid.")
        source = self.ebs.source(region, p.get("SourceSnapshotId"))
        if source is None:
            raise refusal("InvalidSnapshot.NotFound", id=p.get("SourceSnapshotId"))
        if source.state_at(self.world.now) != "completed":
            raise refusal("IncorrectState", f"Snapshot is in invalid state - {source.state_at(self.world.now)}")
        tags = self._snapshot_tags()
        self.error_on_dryrun()
        text = p.get("Description") or f"[Copied {source.id} from {region}]"
        made = self.ebs.copy(source, source.size, self.region, bool(p.get("Encrypted")), text)
        self.ec2_backend.create_tags([made.id], tags)
        return ActionResult({"SnapshotId": made.id, "Tags": self._snapshot_row(made).get("Tags")})

    def delete_snapshot(self) -> EmptyResult:
        found = self.known_snapshot(self.params.get("SnapshotId"))
        users = self.ebs.users(found)
        if users:
            raise refusal("InvalidSnapshot.InUse", id=found.id, image=users[0])
        self.error_on_dryrun()
        self.ebs.forget(found)
        return EmptyResult()
