"""Images as DescribeImages shows them: the Deep Learning AMIs, and what the user has made."""

from datetime import datetime
from typing import Any

from spotbox.sandbox.images import IMAGES, OWNER, DeepLearningImage

FILTERS = {
    "architecture": "Architecture",
    "block-device-mapping.device-name": "BlockDeviceMappings.DeviceName",
    "block-device-mapping.volume-size": "BlockDeviceMappings.Ebs.VolumeSize",
    "creation-date": "CreationDate",
    "description": "Description",
    "image-id": "ImageId",
    "image-type": "ImageType",
    "is-public": "Public",
    "name": "Name",
    "owner-alias": "ImageOwnerAlias",
    "owner-id": "OwnerId",
    "platform-details": "PlatformDetails",
    "root-device-name": "RootDeviceName",
    "root-device-type": "RootDeviceType",
    "state": "State",
    "virtualization-type": "VirtualizationType",
    "hypervisor": "Hypervisor",
    "ena-support": "EnaSupport",
}


def _deep_learning(image: DeepLearningImage, region: str) -> dict[str, Any]:
    image_id = image.id_in(region)
    return {
        "ImageId": image_id,
        "Name": image.name,
        "Description": image.description,
        "ImageLocation": f"amazon/{image.name}",
        "ImageOwnerAlias": "amazon",
        "OwnerId": OWNER,
        "Public": True,
        "Architecture": image.arch,
        "CreationDate": datetime.fromisoformat(image.created),
        "DeprecationTime": f"{int(image.created[:4]) + 2}{image.created[4:]}",
        "State": "available",
        "ImageType": "machine",
        "Hypervisor": "xen",
        "VirtualizationType": "hvm",
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "EnaSupport": True,
        "BootMode": "uefi-preferred" if image.arch == "x86_64" else "uefi",
        "RootDeviceType": "ebs",
        "RootDeviceName": image.root,
        "BlockDeviceMappings": [_root(image.root, "snap-0" + image_id[5:], image.size_gib)],
    }


def _root(device: str, snapshot: str, size: int) -> dict[str, Any]:
    ebs = {"SnapshotId": snapshot, "VolumeSize": size, "VolumeType": "gp3", "DeleteOnTermination": True}
    return {"DeviceName": device, "Ebs": {**ebs, "Encrypted": False, "Iops": 3000, "Throughput": 125}}


def _own(ami: Any) -> dict[str, Any]:
    return {
        "ImageId": ami.id,
        "Name": ami.name,
        "Description": ami.description,
        "ImageLocation": f"{ami.owner_id}/{ami.name}",
        "OwnerId": ami.owner_id,
        "Public": ami.is_public,
        "Architecture": ami.architecture or "x86_64",
        "CreationDate": ami.creation_date,
        "State": ami.state,
        "ImageType": "machine",
        "Hypervisor": "xen",
        "VirtualizationType": "hvm",
        "PlatformDetails": "Linux/UNIX",
        "EnaSupport": True,
        "RootDeviceType": "ebs",
        "RootDeviceName": ami.root_device_name,
        "BlockDeviceMappings": [_root(ami.root_device_name, ami.ebs_snapshot.id, ami.ebs_snapshot.volume.size)],
        "Tags": [{"Key": t["key"], "Value": t["value"]} for t in ami.get_tags()],
    }


def rows(backend: Any) -> list[dict[str, Any]]:
    """Every image that the region's account can see."""
    own = [_own(ami) for ami in backend.amis.values() if ami.id not in backend.deleted_amis]
    return [_deep_learning(image, backend.region_name) for image in IMAGES] + own


def find(backend: Any, image_id: str) -> dict[str, Any] | None:
    """The image of that id, or None."""
    return next((row for row in rows(backend) if row["ImageId"] == image_id), None)
