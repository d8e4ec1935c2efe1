"""What AWS told us, as plain frozen records. Nothing here is derived; see states.py and boxes.py for that."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from spotbox.core.names import Tags as Tags


@dataclass(frozen=True)
class Request:
    """A Spot Instance request. `state` open|active|disabled|closed|cancelled|failed; `code` its Status.Code."""

    id: str
    region: str
    state: str
    code: str
    message: str
    type: str  # persistent | one-time
    instance_id: str | None
    instance_type: str | None
    zone: str | None
    max_price: Decimal | None  # USD/h; AWS reports the on-demand price where none was sent
    created: datetime | None
    updated: datetime | None = None
    tags: Tags = field(default_factory=dict)


@dataclass(frozen=True)
class Instance:
    """An EC2 instance. `launched` moves on every start (DescribeInstances LaunchTime)."""

    id: str
    region: str
    state: str  # pending | running | stopping | stopped | shutting-down | terminated
    instance_type: str
    zone: str
    lifecycle: str | None  # "spot", else None
    request_id: str | None
    public_ip: str | None
    image_id: str | None
    key_name: str | None
    launched: datetime | None
    reason_code: str = ""  # StateReason.Code
    reason_message: str = ""
    group_ids: tuple[str, ...] = ()
    volume_ids: tuple[str, ...] = ()
    root_device: str | None = None
    http_tokens: str | None = None
    metadata_tags: str | None = None  # enabled | disabled: whether the guard on the box can read the tags
    tags: Tags = field(default_factory=dict)
    profile: str | None = None  # name of its IAM instance profile
    subnet_id: str | None = None
    transition: str = ""  # StateTransitionReason: what last stopped or ended it, and when


@dataclass(frozen=True)
class Volume:
    """An EBS volume; `instance_id` and `device` are None while it is detached."""

    id: str
    region: str
    zone: str
    size_gib: int
    type: str
    state: str
    instance_id: str | None
    device: str | None
    delete_on_termination: bool
    encrypted: bool = True
    created: datetime | None = None
    tags: Tags = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """One ingress rule for port 22: a CIDR in canonical form and its description."""

    cidr: str
    description: str = ""


@dataclass(frozen=True)
class Group:
    """A security group with its ingress rules for port 22."""

    id: str
    region: str
    name: str
    vpc_id: str
    rules: tuple[Rule, ...] = ()
    tags: Tags = field(default_factory=dict)


@dataclass(frozen=True)
class KeyPair:
    """A key pair as EC2 knows it: the public half, under a name that carries the fingerprint."""

    id: str
    region: str
    name: str
    fingerprint: str
    tags: Tags = field(default_factory=dict)
    created: datetime | None = None


@dataclass(frozen=True)
class Snapshot:
    """An EBS snapshot. `size_gib` is the volume's; what is billed is the blocks it holds, which AWS tells nowhere."""

    id: str
    region: str
    state: str  # pending | completed | error
    size_gib: int
    created: datetime | None = None
    tags: Tags = field(default_factory=dict)
    progress: int | None = None  # percent
    volume_id: str = ""  # of which it was made


@dataclass(frozen=True)
class ImageDisk:
    """A disk of an image: the snapshot that a launch makes a volume of, under a device name."""

    device: str
    snapshot_id: str | None
    size_gib: int
    type: str
    delete_on_termination: bool


@dataclass(frozen=True)
class OwnImage:
    """An image that spotbox made of a box, to launch it elsewhere. What it bills is its snapshots."""

    id: str
    region: str
    state: str  # pending | available | failed | error | invalid | transient | deregistered | disabled
    architecture: str
    root_device: str
    disks: tuple[ImageDisk, ...] = ()
    created: datetime | None = None
    reason: str = ""  # StateReason.Message
    tags: Tags = field(default_factory=dict)


@dataclass(frozen=True)
class Image:
    """A machine image. `size_gib` is the least root volume that it accepts."""

    id: str
    name: str
    description: str
    architecture: str  # x86_64 | arm64
    root_device: str
    size_gib: int
    created: str  # ISO 8601 as AWS gives it
    deprecated: str | None = None


@dataclass(frozen=True)
class InstanceType:
    """An instance type. Accelerator fields are of the first accelerator kind; memory is the total in GiB."""

    name: str
    vcpus: int
    memory_gib: Decimal
    architectures: tuple[str, ...]
    spot: bool
    gpu: str | None = None
    gpu_maker: str | None = None
    gpu_count: Decimal = Decimal(0)  # fractional types (g6f, gr6f) hold less than one
    gpu_memory_gib: Decimal | None = None


@dataclass(frozen=True)
class SpotPrice:
    """The Spot price of one pool. `usd` (per hour) is None where AWS's figure cannot be a price."""

    instance_type: str
    region: str
    zone: str
    zone_id: str | None  # use1-az4: the same zone in every account, which its name is not
    usd: Decimal | None
    since: datetime  # when it came into force


@dataclass(frozen=True)
class Offer:
    """One instance type in one zone with its prices in USD/h; None is unknown."""

    type: InstanceType
    region: str
    zone: str
    spot: Decimal | None
    on_demand: Decimal | None


@dataclass(frozen=True)
class Subnet:
    """A subnet; one of the default VPC lies in each zone."""

    id: str
    vpc_id: str
    zone: str
    default_for_zone: bool
    public: bool  # maps public addresses on launch


@dataclass(frozen=True)
class Identity:
    """Who the credentials belong to (sts:GetCallerIdentity)."""

    account: str
    arn: str
    user_id: str
    told: datetime | None = None  # AWS's time of that answer, in whole seconds
