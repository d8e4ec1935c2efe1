"""Images as DescribeImages shows them: the Deep Learning AMIs, and what the user has made."""

from datetime import datetime
from typing import Any

from spotbox.sandbox import images
from spotbox.sandbox.ebs import Image, mapped
from spotbox.sandbox.images import IMAGES, OWNER, DeepLearningImage
from spotbox.sandbox.world import ACCOUNT

FILTERS = {
    "architecture": "Architecture",
    "block-device-mapping.delete-on-termination": "BlockDeviceMappings.Ebs.DeleteOnTermination",
    "block-device-mapping.device-name": "BlockDeviceMappings.DeviceName",
    "block-device-mapping.encrypted": "BlockDeviceMappings.Ebs.Encrypted",
    "block-device-mapping.snapshot-id": "BlockDeviceMappings.Ebs.SnapshotId",
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
    "source-image-id": "SourceImageId",
    "source-image-region": "SourceImageRegion",
    "source-instance-id": "SourceInstanceId",
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
        "BlockDeviceMappings": [_root(image.root, image.snapshot_in(region), image.size_gib)],
    }


def _root(device: str, snapshot: str, size: int) -> dict[str, Any]:
    ebs = {"SnapshotId": snapshot, "VolumeSize": size, "VolumeType": "gp3", "DeleteOnTermination": True}
    return {"DeviceName": device, "Ebs": {**ebs, "Encrypted": False, "Iops": 3000, "Throughput": 125}}


def _own(image: Image, tags: dict[str, str], now: datetime) -> dict[str, Any]:
    return {
        **image.facts,
        "ImageId": image.id,
        "Name": image.name,
        "Description": image.description,
        "ImageLocation": f"{ACCOUNT}/{image.name}",
        "OwnerId": ACCOUNT,
        "Public": False,
        "CreationDate": image.created,
        "State": image.state_at(now),
        "BlockDeviceMappings": mapped(image.disks),
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


# What an image has of the instance or image it was made of (EC2 User Guide, creating-an-ami-ebs and CopyingAMIs).
INHERITED = (
    *("Architecture", "BootMode", "EnaSupport", "Hypervisor", "ImageType", "ImdsSupport", "PlatformDetails"),
    *("RootDeviceName", "RootDeviceType", "UsageOperation", "VirtualizationType"),
)

COMMON = {
    "Architecture": "x86_64",
    "EnaSupport": True,
    "Hypervisor": "xen",
    "ImageType": "machine",
    "PlatformDetails": "Linux/UNIX",
    "RootDeviceType": "ebs",
    "UsageOperation": "RunInstances",
    "VirtualizationType": "hvm",
}


def rows(backend: Any, now: datetime) -> list[dict[str, Any]]:
    """Every image that the region's account can see."""
    own = [_own(image, backend.tags.get(image.id, {}), now) for image in backend.amis.values()]
    return [_deep_learning(image, backend.region_name) for image in IMAGES] + own


def find(backend: Any, image_id: str, now: datetime) -> dict[str, Any] | None:
    """The image of that id, or None."""
    return next((row for row in rows(backend, now) if row["ImageId"] == image_id), None)


def login(backend: Any, image_id: str) -> str:
    """The user that an image lets in."""
    own = backend.amis.get(image_id)
    return own.login if own else images.login(image_id, backend.region_name)
