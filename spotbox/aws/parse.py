"""EC2's answers -> records. Every field that AWS may leave out is read with a default."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from spotbox.core.records import Group, ImageDisk, Instance, KeyPair, OwnImage, Request, Rule, Snapshot, Volume

Wire = dict[str, Any]


def tags(item: Wire) -> dict[str, str]:
    """The Tags list as a mapping."""
    return {tag["Key"]: tag.get("Value", "") for tag in item.get("Tags") or ()}


def price(text: str | None) -> Decimal | None:
    """A price as AWS writes it, or None."""
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return None


def request(region: str, item: Wire) -> Request:
    """One of SpotInstanceRequests."""
    status = item.get("Status") or {}
    spec = item.get("LaunchSpecification") or {}
    zone = item.get("LaunchedAvailabilityZone") or (spec.get("Placement") or {}).get("AvailabilityZone")
    return Request(
        id=item["SpotInstanceRequestId"],
        region=region,
        state=item.get("State", ""),
        code=status.get("Code", ""),
        message=status.get("Message", ""),
        type=item.get("Type", "one-time"),
        instance_id=item.get("InstanceId"),
        instance_type=spec.get("InstanceType"),
        zone=zone,
        max_price=price(item.get("SpotPrice")),
        created=item.get("CreateTime"),
        updated=status.get("UpdateTime"),
        tags=tags(item),
    )


def instance(region: str, item: Wire) -> Instance:
    """One of Reservations[].Instances."""
    reason = item.get("StateReason") or {}
    disks = [mapping.get("Ebs") or {} for mapping in item.get("BlockDeviceMappings") or ()]
    return Instance(
        id=item["InstanceId"],
        region=region,
        state=(item.get("State") or {}).get("Name", ""),
        instance_type=item.get("InstanceType", ""),
        zone=(item.get("Placement") or {}).get("AvailabilityZone", ""),
        lifecycle=item.get("InstanceLifecycle"),
        request_id=item.get("SpotInstanceRequestId") or None,
        public_ip=item.get("PublicIpAddress") or None,
        image_id=item.get("ImageId"),
        key_name=item.get("KeyName") or None,
        launched=item.get("LaunchTime"),
        reason_code=reason.get("Code", ""),
        reason_message=reason.get("Message", ""),
        group_ids=tuple(group["GroupId"] for group in item.get("SecurityGroups") or ()),
        volume_ids=tuple(disk["VolumeId"] for disk in disks if disk.get("VolumeId")),
        root_device=item.get("RootDeviceName"),
        http_tokens=(item.get("MetadataOptions") or {}).get("HttpTokens"),
        metadata_tags=(item.get("MetadataOptions") or {}).get("InstanceMetadataTags"),
        tags=tags(item),
        profile=(item.get("IamInstanceProfile") or {}).get("Arn", "").rsplit("/", 1)[-1] or None,
        subnet_id=item.get("SubnetId") or None,
        transition=item.get("StateTransitionReason") or "",
    )


def volume(region: str, item: Wire) -> Volume:
    """One of Volumes."""
    attachment: Wire = next(iter(item.get("Attachments") or ()), {})
    return Volume(
        id=item["VolumeId"],
        region=region,
        zone=item.get("AvailabilityZone", ""),
        size_gib=int(item.get("Size", 0)),
        type=item.get("VolumeType", ""),
        state=item.get("State", ""),
        instance_id=attachment.get("InstanceId"),
        device=attachment.get("Device"),
        delete_on_termination=bool(attachment.get("DeleteOnTermination")),
        encrypted=bool(item.get("Encrypted")),
        created=item.get("CreateTime"),
        tags=tags(item),
    )


def group(region: str, item: Wire) -> Group:
    """One of SecurityGroups, with its rules that let port 22 in."""
    rules = []
    for permission in item.get("IpPermissions") or ():
        protocol = permission.get("IpProtocol")  # -1 is every protocol on every port, whatever ports are shown
        ports = permission.get("FromPort", 0), permission.get("ToPort", 65535)
        if protocol != "-1" and not (protocol == "tcp" and ports[0] <= 22 <= ports[1]):
            continue
        rules += [Rule(r["CidrIp"], r.get("Description", "")) for r in permission.get("IpRanges") or ()]
        rules += [Rule(r["CidrIpv6"], r.get("Description", "")) for r in permission.get("Ipv6Ranges") or ()]
    return Group(item["GroupId"], region, item.get("GroupName", ""), item.get("VpcId", ""), tuple(rules), tags(item))


def key_pair(region: str, item: Wire) -> KeyPair:
    """One of KeyPairs."""
    return KeyPair(
        id=item.get("KeyPairId", ""),
        region=region,
        name=item.get("KeyName", ""),
        fingerprint=item.get("KeyFingerprint", ""),
        tags=tags(item),
        created=item.get("CreateTime"),
    )


def snapshot(region: str, item: Wire) -> Snapshot:
    """One of Snapshots."""
    return Snapshot(
        id=item["SnapshotId"],
        region=region,
        state=item.get("State", ""),
        size_gib=int(item.get("VolumeSize", 0)),
        created=item.get("StartTime"),
        tags=tags(item),
        progress=_percent(item.get("Progress")),
        volume_id=item.get("VolumeId") or "",
    )


def _percent(text: str | None) -> int | None:
    """`45%`; None where AWS gives none, as it does at first."""
    digits = (text or "").strip().rstrip("%")
    return int(digits) if digits.isascii() and digits.isdecimal() else None


def own_image(region: str, item: Wire) -> OwnImage:
    """One of Images, made of an instance of our own. A pending one names its disks late."""
    disks = [(m.get("DeviceName", ""), m["Ebs"]) for m in item.get("BlockDeviceMappings") or () if m.get("Ebs")]
    return OwnImage(
        id=item["ImageId"],
        region=region,
        state=item.get("State", ""),
        architecture=item.get("Architecture", ""),
        root_device=item.get("RootDeviceName", ""),
        disks=tuple(
            ImageDisk(
                device,
                disk.get("SnapshotId"),
                int(disk.get("VolumeSize") or 0),
                disk.get("VolumeType", "gp3"),
                bool(disk.get("DeleteOnTermination", True)),
            )
            for device, disk in disks
        ),
        created=_time(item.get("CreationDate")),
        reason=(item.get("StateReason") or {}).get("Message", ""),
        tags=tags(item),
    )


def _time(text: str | None) -> datetime | None:
    """An image's time, which AWS gives as text; None where it is none."""
    try:
        when = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return when if when.tzinfo else None
