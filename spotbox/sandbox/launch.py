"""A launch as the caller wrote it, checked in the order and with the words of EC2.

Parameters and their limits: API reference, RunInstances and RequestSpotInstances.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from spotbox.sandbox.catalogue import STORAGE, TYPES
from spotbox.sandbox.refusals import refusal
from spotbox.sandbox.world import SpotOptions

USER_DATA_LIMIT = 16384  # bytes, before base64
SIZES = {"gp3": 65536, "gp2": 16384, "io1": 16384, "io2": 65536, "st1": 16384, "sc1": 16384, "standard": 1024}  # GiB
LAUNCH_TAGS = ("instance", "volume", "network-interface", "spot-instances-request")
_METADATA_KEY = re.compile(r"[0-9a-zA-Z\-_+=,.@:]{1,255}")  # what InstanceMetadataTags=enabled can serve
_UNUSABLE_KEY = ("Client.InternalError", "Client.InternalError: Client error on launch")


@dataclass(frozen=True)
class Disk:
    """One block device of a launch. Sizes in GiB, throughput in MiB/s."""

    device: str
    size: int
    type: str = "gp2"
    encrypted: bool = False
    delete: bool = True
    iops: int | None = None
    throughput: int | None = None
    snapshot: str | None = None


@dataclass(frozen=True)
class Launch:
    """All that an instance is made from."""

    image_id: str
    instance_type: str
    key_name: str | None
    groups: tuple[str, ...]
    subnet_id: str | None
    zone: str | None
    public: bool | None  # None: as the subnet says
    root_device: str
    architecture: str
    disks: tuple[Disk, ...]
    user_data: str | None  # base64
    profile: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    shutdown_behavior: str = "stop"
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    monitoring: bool = False
    private_ip: str | None = None
    client_token: str = ""
    login: str = "ubuntu"  # the user that the image lets in
    doom: tuple[str, str] | None = None


def invalid(text: str) -> Exception:
    """InvalidParameterValue with this text."""
    return refusal("InvalidParameterValue", text)


def combination(text: str) -> Exception:
    """InvalidParameterCombination with this text."""
    return refusal("InvalidParameterCombination", text)


def aware(moment: datetime | None) -> datetime | None:
    """A time of the request as aware UTC; the wire parser gives naive UTC."""
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def spot_options(given: Mapping[str, Any], price: str | None, now: datetime) -> SpotOptions:
    """The Spot part of a launch, checked. `given` holds SpotInstanceType, InstanceInterruptionBehavior, Valid*."""
    kind = given.get("SpotInstanceType") or "one-time"
    behavior = given.get("InstanceInterruptionBehavior") or "terminate"
    if kind not in ("one-time", "persistent"):
        raise invalid(f"Invalid value '{kind}' for SpotInstanceType.")
    if behavior not in ("stop", "terminate", "hibernate"):
        raise invalid(f"Invalid value '{behavior}' for InstanceInterruptionBehavior.")
    if kind == "persistent" and behavior == "terminate":
        raise combination(
            "The terminate InstanceInterruptionBehavior is not supported when requestType is set to persistent."
        )
    if kind == "one-time" and behavior != "terminate":
        raise combination(
            "The request with type 'one-time' is not supported when instanceInterruptionBehavior is set to "
            f"'{behavior}'."
        )
    until, start = aware(given.get("ValidUntil")), aware(given.get("ValidFrom"))
    if until and until <= now:
        raise invalid("The value of ValidUntil is in the past.")
    return SpotOptions(kind, behavior, max_price(price), start, until)


def max_price(text: str | None) -> Decimal | None:
    """A maximum price in USD/h; it must be above 0.001 (API reference, SpotMarketOptions)."""
    if text is None:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation as error:
        raise invalid(f"Invalid value '{text}' for parameter SpotPrice.") from error
    if not price.is_finite() or price <= Decimal("0.001"):
        raise invalid(f"The max price '{text}' must be greater than 0.001 USD.")
    return price


def user_data(text: str | bytes | None) -> str | None:
    """User data as base64; at most 16 KB once decoded."""
    if text is None:
        return None
    encoded = base64.b64encode(text).decode() if isinstance(text, bytes) else text
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid("Invalid BASE64 encoding of user data.") from error
    if len(raw) > USER_DATA_LIMIT:
        raise invalid(f"User data is limited to {USER_DATA_LIMIT} bytes")
    return encoded


_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # XML 1.0, production Char


def tags(specifications: Sequence[Mapping[str, Any]], allowed: Sequence[str]) -> dict[str, dict[str, str]]:
    """Tags by resource type, checked."""
    out: dict[str, dict[str, str]] = {}
    for spec in specifications:
        kind = str(spec.get("ResourceType"))
        if kind not in allowed:
            raise invalid(f"'{kind}' is not a valid taggable resource type for this operation.")
        out.setdefault(kind, {}).update(plain_tags(spec.get("Tags") or []))
    return out


def plain_tags(pairs: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Tags as a mapping. At most 50, keys to 128 and values to 256 characters, none of AWS's own (Using_Tags).

    EC2 "generally" allows letters, digits, spaces and + - = . _ : / @ (Using_Tags), and does not say what it does with
    others: the sandbox takes all that a reply can carry, and refuses the rest as AWS must, whatever its words are.
    """
    found = {pair["Key"]: pair.get("Value") or "" for pair in pairs}
    for key, value in found.items():
        if key.lower().startswith("aws:"):
            raise invalid("Tag keys starting with 'aws:' are reserved for internal use")
        if not 0 < len(key) <= 128:
            raise invalid("Tag key exceeds the maximum length of 128 characters" if key else "Tag key cannot be null")
        if _NOT_XML.search(key + value):
            raise invalid("Tag contains a character that is not allowed")
        if len(value) > 256:
            raise invalid("Tag value exceeds the maximum length of 256 characters")
    if len(found) > 50:
        raise refusal("TagLimitExceeded", "More than 50 tags specified")
    return found


def check_metadata(metadata: Mapping[str, Any], instance_tags: Mapping[str, str]) -> None:
    """Instance metadata serves no tag whose key has a space or a slash (Work with instance tags in metadata)."""
    if metadata.get("InstanceMetadataTags") != "enabled":
        return
    for key in instance_tags:
        if not _METADATA_KEY.fullmatch(key) or key in (".", "..", "_index"):
            raise invalid(
                f"'{key}' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\-_+=,.@:]{{1,255}}), and "
                "must not be a reserved name ('.', '..', '_index')"
            )


def disks(
    mappings: Sequence[Mapping[str, Any]], image: Mapping[str, Any], size_of: Callable[[str], int | None]
) -> tuple[Disk, ...]:
    """The disks of a launch: the image's as `mappings` change them, root first, then those that only these name.

    `size_of` gives the GiB of a snapshot, None where only the image tells, and refuses one that is not there.
    """
    asked = {m.get("DeviceName"): m for m in mappings}
    own = {m["DeviceName"]: m["Ebs"] for m in image["BlockDeviceMappings"]}
    out = []
    for device in [*own, *(d for d in asked if d not in own)]:
        mapping = asked.get(device) or {}
        if not device:
            raise refusal("MissingParameter", "The request must contain the parameter deviceName")
        if "NoDevice" in mapping or mapping.get("VirtualName"):
            continue
        ebs = {name: value for name, value in (mapping.get("Ebs") or {}).items() if value is not None}
        out.append(_mapped(device, ebs, own.get(device, {}), size_of))
    return tuple(out)


def _mapped(
    device: str, asked: Mapping[str, Any], own: Mapping[str, Any], size_of: Callable[[str], int | None]
) -> Disk:
    snapshot = asked.get("SnapshotId") or own.get("SnapshotId")
    if own and snapshot != own.get("SnapshotId"):
        raise refusal("InvalidBlockDeviceMapping", f"snapshotId cannot be modified on device {device}")
    kind = asked.get("VolumeType") or own.get("VolumeType")
    if kind == own.get("VolumeType"):
        asked = {k: own[k] for k in ("Iops", "Throughput") if own.get(k)} | dict(asked)
    asked = {"DeleteOnTermination": own.get("DeleteOnTermination"), **asked, "VolumeType": kind}
    asked["Encrypted"] = bool(asked.get("Encrypted") or own.get("Encrypted"))
    return disk_of(device, asked, snapshot, own.get("VolumeSize"), size_of, "InvalidBlockDeviceMapping")


def disk_of(
    device: str,
    ebs: Mapping[str, Any],
    snapshot: str | None,
    default: int | None,
    size_of: Callable[[str], int | None],
    small: str,
) -> Disk:
    """A disk of `ebs`, at least as large as its snapshot (code `small` where not); `default` GiB where none are asked.

    Without either it is as large as the snapshot. Raises Refusal for what EBS does not make.
    """
    least = (size_of(snapshot) if snapshot else None) or (default if snapshot else None) or 0
    size = ebs.get("VolumeSize") or default or least
    if not size:
        raise refusal("MissingParameter", "The request must contain the parameter size or snapshotId")
    if int(size) < least:
        text = f"Volume of size {size}GB is smaller than snapshot '{snapshot}', expect size >= {least}GB"
        raise refusal(small, text)
    kind = ebs.get("VolumeType") or "gp2"
    iops, throughput = _performance(kind, int(size), ebs.get("Iops"), ebs.get("Throughput"))
    delete = ebs.get("DeleteOnTermination") is not False  # true for what a launch makes (EC2 User Guide, terminating)
    return Disk(device, int(size), kind, bool(ebs.get("Encrypted")), delete, iops, throughput, snapshot)


def _performance(kind: str, size: int, iops: int | None, throughput: int | None) -> tuple[int | None, int | None]:
    """IOPS and MiB/s of a volume; refuses what its type does not have."""
    if kind not in STORAGE:
        raise invalid(f"Invalid value '{kind}' for VolumeType.")
    if not 1 <= size <= SIZES[kind]:
        raise invalid(f"Volume size {size} is not in the range of 1 to {SIZES[kind]} GiB for the {kind} volume type.")
    if kind == "gp3":
        iops, throughput = iops or 3000, throughput or 125
        if not 3000 <= iops <= 80000:
            raise invalid(f"Volume iops of {iops} is not in the range of 3000 to 80000 for the gp3 volume type.")
        if not 125 <= throughput <= 2000:
            raise invalid(f"Throughput of {throughput} MiB/s is not in the range of 125 to 2000 for gp3.")
    elif throughput:
        raise combination("The throughput parameter is only supported for gp3 volumes.")
    return iops, throughput


def doom(mappings: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    """A customer's KMS key is found unusable only when the disk is made: the launch is accepted, and dies.

    The sandbox has no such key, so any key but AWS's own is one that cannot be used.
    """
    keys = [(m.get("Ebs") or {}).get("KmsKeyId") for m in mappings]
    return _UNUSABLE_KEY if any(key and "alias/aws/ebs" not in key for key in keys) else None


def check_type(instance_type: str | None, image: Mapping[str, Any]) -> None:
    """Refuse a type that the sandbox does not sell, or whose architecture the image does not have."""
    hardware = TYPES.get(instance_type or "")
    if hardware is None:
        raise invalid(f"Invalid value '{instance_type}' for InstanceType.")
    if hardware.arch != image["Architecture"]:
        raise invalid(
            f"The architecture '{hardware.arch}' of the specified instance type does not match the architecture "
            f"'{image['Architecture']}' of the specified AMI. Specify an instance type and an AMI that have matching "
            "architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the "
            "architecture of the instance type or AMI."
        )
