"""What `doctor` asks of AWS: two rounds of calls side by side, the second for what the first made known."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from spotbox.aws import diskkeys, identity, images, network, offered, prices, quotas, trial
from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.identity import owner_from
from spotbox.core.judge import DiskKey, Permissions, Room, counted
from spotbox.core.names import key_fingerprint, key_name
from spotbox.core.quotas import QuotaValue, quota_of
from spotbox.core.records import Identity, Image, InstanceType, Subnet
from spotbox.store import Store

SIDE_BY_SIDE = 32
USUAL = "g4dn.xlarge"  # whose quota is asked for at once where no type is named, and whose launch is tried
_GRAVITON = re.compile(r"[a-z]+\d+[a-z]*g[a-z]*\.|p6e")  # by the name, where the type itself is still being asked for
Answer = Any  # a value, or the SpotboxError in its place
Calls = dict[str, Callable[[], Answer]]


@dataclass(frozen=True)
class Want:
    """What a box would be made of: as `up` would take it from flags, environment and config file."""

    region: str
    types: tuple[str, ...]  # empty: the default one
    ami: str
    subnet: str | None
    public: str  # the public key; empty: there is none yet


@dataclass(frozen=True)
class Found:
    """What AWS said; a SpotboxError stands where it refused. `types` are those named, else all that Spot offers."""

    who: Identity | SpotboxError
    told: datetime | None  # AWS's time, and this machine's when it was heard
    heard: datetime | None
    source: str = ""
    login: str = ""
    regions: Mapping[str, str] | SpotboxError = field(default_factory=dict)
    role: bool | SpotboxError | None = None
    subnets: tuple[Subnet, ...] | SpotboxError = ()
    types: Mapping[str, InstanceType] | SpotboxError = field(default_factory=dict)
    spot: Mapping[tuple[str, str], Decimal] | SpotboxError = field(default_factory=dict)
    image: Image | SpotboxError | None = None
    rooms: Mapping[str, Room] = field(default_factory=dict)  # by quota code
    keys: Mapping[str, str] | SpotboxError = field(default_factory=dict)  # pairs of that key by name -> public half
    disk_key: DiskKey | SpotboxError | None = None
    permissions: Permissions = Permissions()  # noqa: RUF009 - frozen and empty


def examine(aws: Aws, store: Store, want: Want) -> Found:
    """Ask all that a box in that region hangs on. Never raises for what AWS says; UsageError for an unknown type."""
    aws.client("ec2", want.region)  # SpotboxError for a broken profile, before thirty threads find out
    source, login = aws.credentials()
    first = _first_round(aws, store, want)
    who, heard = first["who"]
    first["who"] = who
    told = identity.told_by(who) if isinstance(who, SpotboxError) else who.told
    if isinstance(who, SpotboxError) or _not_enabled(first["regions"], want.region):
        return Found(who, told, heard, source, login, regions=first["regions"])
    second = _asked(aws, _second(aws, store, want, first))
    seen = first | second
    return Found(
        who,
        told,
        heard,
        source,
        login,
        seen["regions"],
        seen["role"],
        seen["subnets"],
        seen["types"],
        seen["spot"],
        seen["image"],
        _rooms(aws, store, want, seen),
        seen["keys"],
        seen["disk_key"],
        _permissions(seen),
    )


def _first_round(aws: Aws, store: Store, want: Want) -> dict[str, Answer]:
    """All that needs nothing else; of a region that was not there within a day first whether it is one at all."""
    calls = _first(aws, store, want)
    if (kept := identity.kept_regions(aws, store)) and _not_enabled(kept, want.region):
        known = _asked(aws, {name: calls[name] for name in ("who", "regions")})
        if isinstance(known["who"][0], SpotboxError) or _not_enabled(known["regions"], want.region):
            return known
    return _asked(aws, calls)


def _asked(aws: Aws, calls: Calls) -> dict[str, Answer]:
    return dict(zip(calls, aws.parallel(list(calls.values()), SIDE_BY_SIDE), strict=True))


def _who(aws: Aws, store: Store) -> tuple[Identity | SpotboxError, datetime]:
    """Who we are, or why AWS does not say so, and the time when it had answered."""
    (answer,) = aws.parallel([lambda: identity.identity(aws)], 1)
    return answer, store.now()


def _not_enabled(regions: Answer, region: str) -> bool:
    return not isinstance(regions, SpotboxError) and regions.get(region) in (None, "not-opted-in")


def _first(aws: Aws, store: Store, want: Want) -> Calls:
    region, codes = want.region, [quota.code for quota in counted(want.types or [USUAL])]
    nets = partial(network.default_vpc_subnets, aws, region)
    pattern = key_name("*", key_fingerprint(want.public)) if want.public else ""  # the owner is not known yet
    arm = all(_GRAVITON.match(name) for name in want.types) if want.types else False
    calls: Calls = {
        "who": lambda: _who(aws, store),
        "regions": lambda: identity.regions(aws),
        "role": lambda: identity.spot_role_exists(aws),
        "subnets": (lambda: (network.subnet(aws, region, str(want.subnet)),)) if want.subnet else nets,
        "image id": lambda: images.image_id(aws, region, want.ami, "arm64" if arm else "x86_64"),
        "used": lambda: _in_use(aws, region),
        "asked for": lambda: _open_requests(aws, region),
        "keys": lambda: network.public_keys(aws, region, pattern) if pattern else {},
        "disk key": lambda: diskkeys.default_key(aws, region),
    }
    if want.types:
        calls["types"] = lambda: offered.instance_types(aws, store, region, want.types)
        calls["spot"] = lambda: prices.spot_prices(aws, region, want.types)
    else:
        calls["types"] = lambda: {kind.name: kind for kind in offered.gpu_types(aws, store, region)}
    calls |= {f"quota {code}": partial(quotas.spot_quota, aws, region, code) for code in codes}
    return calls | {f"try {action}": call for action, call in trial.without_resources(aws, region).items()}


def _second(aws: Aws, store: Store, want: Want, first: Mapping[str, Answer]) -> Calls:
    region, image_id, nets = want.region, first["image id"], first["subnets"]
    kinds = {} if isinstance(first["types"], SpotboxError) else first["types"]
    calls: Calls = {"image": lambda: _image(aws, want, kinds, image_id)}
    if not want.types:
        calls["spot"] = lambda: prices.spot_prices(aws, region, sorted(kinds))
    key = first["disk key"]
    calls["disk_key"] = lambda: key if isinstance(key, SpotboxError) else diskkeys.disk_key(aws, region, key)
    actions = [*trial.LIFE, "ec2:RunInstances", "ec2:CreateSecurityGroup", "ec2:ImportKeyPair"]
    owner = owner_from(first["who"])
    calls["simulated"] = lambda: trial.simulated(aws, region, first["who"], actions, owner)
    calls["simulated untagged"] = lambda: trial.simulated(aws, region, first["who"], actions)
    if isinstance(image_id, str) and not isinstance(nets, SpotboxError) and nets:
        net, name = _ground(first, nets, want)
        tries = trial.launching(aws, region, owner, image_id, name, net.id, net.vpc_id)
        calls |= {f"try {action}": call for action, call in tries.items()}
    return calls


def _image(aws: Aws, want: Want, kinds: Mapping[str, InstanceType], image_id: Answer) -> Image:
    """The image itself; looked for anew where the type turned out to be of another architecture than its name says."""
    named = [kinds[name] for name in want.types if name in kinds]
    arm = bool(named) and all("x86_64" not in kind.architectures for kind in named)
    if isinstance(image_id, str):
        found = images.find_image(aws, want.region, image_id)
        if want.ami == image_id or not named or found.architecture in named[0].architectures:
            return found
    return images.find_image(aws, want.region, want.ami, "arm64" if arm else "x86_64")


def _ground(first: Mapping[str, Answer], nets: Sequence[Subnet], want: Want) -> tuple[Subnet, str]:
    """A subnet and a type to try a launch with; the type is sold in the subnet's zone, where that is told."""
    name = want.types[0] if want.types else USUAL
    sold = first.get("spot")
    zones = {zone for type_, zone in sold if type_ == name} if isinstance(sold, Mapping) else set()
    return next((net for net in nets if net.zone in zones), nets[0]), name


def _in_use(aws: Aws, region: str) -> list[tuple[str, int | None]]:
    """Type and vCPU of each Spot instance that counts now (EC2 User Guide, "Spot Instance limits")."""
    filters = [
        {"Name": "instance-lifecycle", "Values": ["spot"]},
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopping"]},
    ]
    with translating("ec2:DescribeInstances", region):
        pages = aws.client("ec2", region).get_paginator("describe_instances").paginate(Filters=filters)
        found = [i for page in pages for r in page.get("Reservations", ()) for i in r.get("Instances", ())]
    return [(i.get("InstanceType", ""), _vcpus(i.get("CpuOptions") or {})) for i in found]


def _vcpus(options: Mapping[str, int]) -> int | None:
    return (options.get("CoreCount") or 0) * (options.get("ThreadsPerCore") or 0) or None


def _open_requests(aws: Aws, region: str) -> list[tuple[str, int | None]]:
    """The type of each Spot request that waits: it counts as if it ran."""
    filters = [{"Name": "state", "Values": ["open"]}]
    with translating("ec2:DescribeSpotInstanceRequests", region):
        pages = aws.client("ec2", region).get_paginator("describe_spot_instance_requests").paginate(Filters=filters)
        found = [r for page in pages for r in page.get("SpotInstanceRequests", ())]
    return [((r.get("LaunchSpecification") or {}).get("InstanceType", ""), None) for r in found]


def _rooms(aws: Aws, store: Store, want: Want, seen: Mapping[str, Answer]) -> dict[str, Room]:
    """The quotas that were asked for, each with the vCPU in use where every type that counts is known."""
    uses: list[tuple[str, int | None]] | None = None
    if not isinstance(seen["used"], SpotboxError) and not isinstance(seen["asked for"], SpotboxError):
        uses = [*seen["used"], *seen["asked for"]]
    names = sorted({name for name, vcpus in uses or () if vcpus is None})
    sizes = _sizes(aws, store, want.region, names, seen["types"])
    rooms = {}
    for quota in counted(want.types or [USUAL]):
        mine = [u for u in uses or () if (counts := quota_of(u[0])) and counts.code == quota.code]
        vcpus = [own or sizes.get(name) for name, own in mine]
        used = None if uses is None or None in vcpus else sum(each or 0 for each in vcpus)
        value = seen[f"quota {quota.code}"]
        known = QuotaValue(None, value.message) if isinstance(value, SpotboxError) else value
        rooms[quota.code] = Room(quota, known, used)
    return rooms


def _sizes(aws: Aws, store: Store, region: str, names: Sequence[str], known: Answer) -> dict[str, int]:
    """vCPU by type; asked for where something waits for a type that is not among those known. Empty where it fails."""
    kinds = {} if isinstance(known, SpotboxError) else dict(known)
    if missing := [name for name in names if name not in kinds]:
        (more,) = aws.parallel([lambda: offered.instance_types(aws, store, region, missing)])
        kinds |= {} if isinstance(more, SpotboxError) else more
    return {name: kind.vcpus for name, kind in kinds.items()}


_ACTIONS = {  # what a refused look was about
    "regions": "ec2:DescribeRegions",
    "role": "iam:GetRole",
    "subnets": "ec2:DescribeSubnets",
    "types": "ec2:DescribeInstanceTypes",
    "spot": "ec2:DescribeSpotPriceHistory",
    "image": "ec2:DescribeImages",
    "used": "ec2:DescribeInstances",
    "asked for": "ec2:DescribeSpotInstanceRequests",
    "keys": "ec2:DescribeKeyPairs",
}


def _permissions(seen: Mapping[str, Answer]) -> Permissions:
    """Looks that were refused, dry runs, and what IAM's simulator says of the rest.

    A policy may allow an action on what bears spotbox's tags alone (`spotbox policy box --strict`). Nothing that a dry
    run names bears them: neither what is not there, nor the VPC's own group in a launch. Of such an action a refusal
    tells nothing, and the simulator is believed, but not of a launch, which takes more than it is asked about.
    """
    allowed, refused, unknown = set[str](), set[str](), set[str]()
    for name, action in _ACTIONS.items():
        answer = seen.get(name)
        if isinstance(answer, SpotboxError) and not isinstance(answer, UsageError):
            (refused if trial.denied(answer) else unknown).add(action)
        else:
            allowed.add(action)
    tries = {name[4:]: answer for name, answer in seen.items() if name.startswith("try ")}
    told = [seen[name] for name in ("simulated", "simulated untagged")]
    simulated, untagged = (frozenset[str]() if isinstance(each, SpotboxError) else each for each in told)
    by_tags = frozenset[str]() if isinstance(told[1], SpotboxError) else simulated - untagged
    for action in dict.fromkeys([*tries, *trial.LIFE, "ec2:RunInstances", "ec2:CreateSecurityGroup"]):
        answer = tries.get(action)
        if answer is False:
            (refused if action not in by_tags else allowed if action in trial.LIFE else unknown).add(action)
        else:
            (allowed if answer is True or action in simulated else unknown).add(action)
    return Permissions(frozenset(allowed - refused), frozenset(refused), frozenset(unknown - refused))
