"""Volumes and snapshots as EC2 shows them, and the filters that their Describe calls know."""

from datetime import datetime
from typing import Any

from spotbox.sandbox.bodies import aware
from spotbox.sandbox.ebs import Ebs, Snapshot
from spotbox.sandbox.render import tag_list
from spotbox.sandbox.world import ACCOUNT

VOLUME_FILTERS = {
    "attachment.attach-time": "Attachments.AttachTime",
    "attachment.delete-on-termination": "Attachments.DeleteOnTermination",
    "attachment.device": "Attachments.Device",
    "attachment.instance-id": "Attachments.InstanceId",
    "attachment.status": "Attachments.State",
    "availability-zone": "AvailabilityZone",
    "availability-zone-id": "AvailabilityZoneId",
    "create-time": "CreateTime",
    "encrypted": "Encrypted",
    "multi-attach-enabled": "MultiAttachEnabled",
    "size": "Size",
    "snapshot-id": "SnapshotId",
    "status": "State",
    "volume-id": "VolumeId",
    "volume-type": "VolumeType",
}
SNAPSHOT_FILTERS = {
    "description": "Description",
    "encrypted": "Encrypted",
    "owner-id": "OwnerId",
    "progress": "Progress",
    "snapshot-id": "SnapshotId",
    "start-time": "StartTime",
    "status": "State",
    "storage-tier": "StorageTier",
    "volume-id": "VolumeId",
    "volume-size": "VolumeSize",
}


def attachment(volume: Any) -> dict[str, Any]:
    """What a volume is to the instance that has it."""
    held = volume.attachment
    mapping = held.instance.block_device_mapping.get(held.device)
    return {
        "VolumeId": volume.id,
        "InstanceId": held.instance.id,
        "Device": held.device,
        "State": held.status,
        "AttachTime": aware(held.attach_time),
        "DeleteOnTermination": bool(mapping and mapping.delete_on_termination),
    }


def volume(ebs: Ebs, found: Any) -> dict[str, Any]:
    """One volume as DescribeVolumes shows it; what is absent at AWS is absent here."""
    row = {
        "VolumeId": found.id,
        "Size": int(found.size),
        "VolumeType": found.volume_type,
        "State": ebs.state(found),
        "AvailabilityZone": found.zone.name,
        "AvailabilityZoneId": found.zone.zone_id,
        "CreateTime": aware(found.create_time),
        "Encrypted": bool(found.encrypted),
        "KmsKeyId": found.ec2_backend.default_kms_key_id if found.encrypted else None,
        "Iops": found.iops,
        "Throughput": found.throughput,
        "SnapshotId": found.snapshot_id or "",
        "MultiAttachEnabled": False,
        "Attachments": [attachment(found)] if found.attachment else [],
        "Tags": tag_list(found) or None,
    }
    return {name: value for name, value in row.items() if value is not None}


def snapshot(found: Snapshot, tags: dict[str, str], key: str, now: datetime) -> dict[str, Any]:
    """One snapshot as DescribeSnapshots shows it. `key` is the region's default KMS key."""
    row = {
        "SnapshotId": found.id,
        "VolumeId": found.volume_id,
        "VolumeSize": found.size,
        "State": found.state_at(now),
        "Progress": f"{found.progress_at(now)}%",
        "StartTime": found.started,
        "CompletionTime": found.completes if now >= found.completes else None,
        "OwnerId": ACCOUNT,
        "Description": found.description,
        "Encrypted": found.encrypted,
        "KmsKeyId": key if found.encrypted else None,
        "StorageTier": "standard",
        "Tags": [{"Key": name, "Value": value} for name, value in tags.items()] or None,
    }
    return {name: value for name, value in row.items() if value is not None}
