"""What is judged of what AWS told: each check a pure function, with the command that mends it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from spotbox.core.doctor import Check, fail, not_known, ok, warn
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.images import ALIASES, fits, suggested_type
from spotbox.core.names import join_names, key_fingerprint
from spotbox.core.quotas import Quota, QuotaValue, is_enough, quota_of
from spotbox.core.records import Identity, Image, InstanceType, Subnet
from spotbox.core.regions import check_region
from spotbox.core.remedies import Remedies
from spotbox.core.text import plural, shell

# Seconds. What is signed a quarter of an hour off is refused (EC2 API Reference, RequestExpired; IAM, SigV4).
SKEW_TOLD, SKEW_REFUSED = 60.0, 900.0


def credentials(who: Identity | SpotboxError, source: str, login: str, with_: Remedies) -> Check:
    """Whose credentials these are, and where they come from; `login` is the kind of login that the profile uses."""
    if isinstance(who, SpotboxError):
        if who.exit_code is not Exit.DENIED:  # no network
            return fail("credentials", who.message, with_.aws("sts", "get-caller-identity"), who.exit_code)
        return fail("credentials", who.message, with_.log_in(login), Exit.DENIED)
    return ok("credentials", f"{who.arn}{f', from {source}' if source else ''}")


def clock(now: datetime, told: datetime | None, platform: str) -> Check:
    """This machine's clock beside AWS's, which has whole seconds."""
    if told is None:
        return warn("clock", "not known: AWS told no time", "date -u")
    off = (now - told).total_seconds()
    words = f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} AWS's"
    remedy = "sudo sntp -sS time.apple.com" if platform == "darwin" else "sudo timedatectl set-ntp true"
    if abs(off) >= SKEW_REFUSED:
        return fail("clock", f"this machine's clock is {words}, which refuses calls signed so", remedy, Exit.DENIED)
    if abs(off) >= SKEW_TOLD:
        return warn("clock", f"this machine's clock is {words}", remedy)
    return ok("clock", "agrees with AWS's")


def region(name: str, known: Mapping[str, str], with_: Remedies) -> Check:
    """Whether the account can use the region. UsageError where AWS has none of that name."""
    try:
        check_region(name, known)
    except UsageError:
        raise
    except SpotboxError as error:
        enable = with_.aws("account", "enable-region", "--region-name", name, region=False)
        return fail("region", error.message, enable, error.exit_code)
    opted = " (opted in)" if known[name] == "opted-in" else ""
    return ok("region", f"{name} is enabled{opted}")


def on_spot(kind: InstanceType, zones: Iterable[str], with_: Remedies) -> Check:
    """Whether Spot sells the type in the region."""
    if kind.spot and (found := sorted(zones)):
        return ok("type", f"{kind.name} is sold on Spot in {join_names(found)}")
    why = "has no Spot price" if kind.spot else "is not to be had on Spot"
    return fail("type", f"{kind.name} {why} in {with_.region}", with_.spotbox("prices", "-r", "all", "-t", kind.name))


def role(there: bool | SpotboxError | None, with_: Remedies) -> Check:
    """The service-linked role that Spot acts under."""
    name = "AWSServiceRoleForEC2Spot"
    if isinstance(there, SpotboxError):
        return not_known("spot-role", there, with_)
    if there is None:
        return warn("spot-role", "not known: these credentials may not look (iam:GetRole)", with_.allow())
    if not there:
        return warn("spot-role", f"{name} is missing; the first `up` makes it, if it is allowed to", with_.role())
    return ok("spot-role", name)


@dataclass(frozen=True)
class Room:
    """A Spot quota in one region, and how many vCPU of it are in use; None is unknown."""

    quota: Quota
    value: QuotaValue
    used: int | None = None


def spot_quota(kind: InstanceType, room: Room | None, with_: Remedies) -> Check:
    """Whether the Spot quota of the type's family has room for one, in vCPU."""
    if room is None:
        listing = with_.aws("service-quotas", "list-service-quotas", "--service-code", "ec2")
        return warn("quota", f"not known: AWS names no Spot quota that counts {kind.name}", listing)
    quota, value = room.quota, room.value.value
    if value is None:
        return warn("quota", f"not known: {room.value.remark} ({quota.name})", with_.allow())
    shown, used = f"{value.normalize():f}", room.used or 0
    told = "use not known" if room.used is None else f"{used} in use"
    remedy = with_.quota(quota.code, kind.vcpus + (used if value >= kind.vcpus else 0))
    if not is_enough(value, kind.vcpus):
        return fail("quota", short(kind, quota.name, value, with_.region), remedy, Exit.QUOTA)
    detail = f"{shown} vCPU ({quota.code}, {quota.name}), {told}; {kind.name} needs {kind.vcpus}"
    if not is_enough(value, kind.vcpus, used):
        return warn("quota", f"{detail}: no room beside what runs", remedy)
    return ok("quota", detail)


def short(kind: InstanceType, quota: str, value: Decimal, region: str, market: str = "Spot") -> str:
    """The sentence for a quota that does not admit one of the type."""
    vcpus = f"{value.normalize():f} vCPU"
    return f"your {market} quota in {region} is {vcpus} ({quota}), but {kind.name} needs {kind.vcpus}"


def network(
    subnets: Sequence[Subnet] | SpotboxError, offered: Mapping[str, Iterable[str]], named: str | None, with_: Remedies
) -> Check:
    """Where a box can stand: the default VPC's subnets, and whether each zone that sells the types has one."""
    if isinstance(subnets, SpotboxError):
        if subnets.exit_code is Exit.USAGE:  # --subnet names one that is not there
            return fail("network", subnets.message, with_.default_subnet(), Exit.FAILED)
        return not_known("network", subnets, with_)
    if not subnets:
        return fail(
            "network", f"region {with_.region} has no default VPC to launch in", with_.aws("ec2", "create-default-vpc")
        )
    have = {net.zone for net in subnets}
    if named:
        return ok("network", f"subnet {named} in {join_names(sorted(have))}")
    sold = {zone for zones in offered.values() for zone in zones}
    detail = f"default VPC {subnets[0].vpc_id} with a subnet in {plural(len(have), 'zone')}"
    if lacking := sorted(sold - have):
        remedy = " && ".join(with_.aws("ec2", "create-default-subnet", "--availability-zone", z) for z in lacking)
        return warn("network", f"{detail}, none in {join_names(lacking)}, which sell the type too", remedy)
    return ok("network", detail)


def image(found: Image | SpotboxError, wanted: str, kinds: Sequence[InstanceType], now: datetime,
          with_: Remedies) -> Check:  # fmt: skip
    """The image that `wanted` (an id or alias) stands for, and whether the types can run it."""
    another = with_.setting("ami", "dlami" if wanted != "dlami" else "dlami-al2023")
    if isinstance(found, SpotboxError):
        if found.exit_code is not Exit.USAGE:
            return not_known("image", found, with_)
        return fail("image", found.message, another)
    for kind in kinds:
        if why := fits(found, kind):
            fitting = suggested_type(found) if wanted in ALIASES else None  # the image is right: the type is not
            remedy = with_.spotbox("doctor", "-r", with_.region, "-t", fitting) if fitting else another
            return fail("image", f"{kind.name} and image {found.id} do not fit: {why}", remedy)
    detail = f"{wanted} is {found.id} ({found.name}), of {found.created[:10] or 'an unknown day'}"
    if found.deprecated and found.deprecated < now.strftime("%Y-%m-%dT%H:%M:%S"):
        return warn("image", f"{detail}, deprecated since {found.deprecated[:10]}", another)
    return ok("image", detail)


@dataclass(frozen=True)
class Key:
    """The key that a box would get: its name in EC2, the public line, and where the private half should lie.

    An empty `public` is a key that the first `up` makes. `held`: the private half is there, or the agent has it.
    `elsewhere`: `private` is where a new pair may be made, for the named file is there and is something else.
    """

    name: str
    public: str
    private: str
    held: bool = True
    trouble: SpotboxError | None = None  # --key names a file that cannot be used
    elsewhere: bool = False


def key(mine: Key, remote: str | SpotboxError | None, with_: Remedies) -> Check:
    """The local halves, and the pair of that name in the region, whose public half must be the same: empty where there
    is no such pair, None where AWS does not show it."""
    new = f"ssh-keygen -q -t ed25519 -N '' -f {shell([mine.private])}"
    if mine.trouble:
        if mine.elsewhere:
            new = f"{new} && {with_.spotbox('doctor', '--key', f'{mine.private}.pub')}"
        elif mine.held:  # and must not be made anew
            new = f"ssh-keygen -y -f {shell([mine.private])} > {shell([f'{mine.private}.pub'])}"
        return fail("key", mine.trouble.message, new)
    if not mine.public:
        return ok("key", "none yet: the first `up` makes one")
    if isinstance(remote, SpotboxError):
        return not_known("key", remote, with_)
    if remote is None:
        return warn(
            "key",
            f"AWS does not show what {mine.name} holds",
            with_.aws("ec2", "describe-key-pairs", "--include-public-key"),
        )
    if remote and _print(remote) != key_fingerprint(mine.public):
        remedy = with_.aws("ec2", "delete-key-pair", "--key-name", mine.name)
        return fail("key", f"key pair {mine.name} in {with_.region} holds another key than {mine.private}.pub", remedy)
    if not mine.held:
        detail = f"neither {mine.private} nor the agent holds the private half; `ssh` pushes a key each time"
        public = shell([f"{mine.private}.pub"])
        return warn("key", detail, f"mv -- {public} {shell([f'{mine.private}.pub.old'])} && {new}")
    return ok("key", f"{mine.private}; {mine.name} {'is there' if remote else 'is imported by `up`'}")


def _print(public: str) -> str:
    try:
        return key_fingerprint(public)
    except SpotboxError:
        return ""


@dataclass(frozen=True)
class DiskKey:
    """The key that EBS encrypts new volumes with; `usable` is whether the Spot role may use it, None unknown."""

    id: str
    customer: bool = False
    usable: bool | None = True
    why: str = ""


def disk_key(found: DiskKey | SpotboxError, with_: Remedies) -> Check:
    """A customer managed key needs a grant for the Spot role, or AWS cannot launch and restart the box."""
    if isinstance(found, SpotboxError):
        return not_known("disk-key", found, with_)
    if not found.customer:
        return ok("disk-key", "disks are encrypted with AWS's own key (aws/ebs)")
    detail = f"disks are encrypted with your key {found.id}"
    if found.usable is None:
        return warn("disk-key", f"{detail}; whether Spot may use it is not known: {found.why}", with_.grant(found.id))
    if not found.usable:
        return fail("disk-key", f"{detail}, which the Spot role may not use", with_.grant(found.id), Exit.DENIED)
    return ok("disk-key", f"{detail}, which the Spot role may use")


@dataclass(frozen=True)
class Permissions:
    """IAM actions by what is known of them, each `service:Action`."""

    allowed: frozenset[str] = field(default_factory=frozenset)
    denied: frozenset[str] = field(default_factory=frozenset)
    unknown: frozenset[str] = field(default_factory=frozenset)


def permissions(seen: Permissions, with_: Remedies) -> Check:
    """What AWS said to dry runs, to the looks of this very check, and in IAM's simulation of the rest."""
    if seen.denied:
        detail = f"denied: {', '.join(sorted(seen.denied))}"
        return fail("permissions", detail, with_.allow(), Exit.DENIED)
    if seen.unknown:
        names = ", ".join(sorted(seen.unknown))
        return warn("permissions", f"not known before they are used: {names}", with_.allow())
    return ok("permissions", f"{len(seen.allowed)} actions tried or simulated, all allowed")


def counted(names: Iterable[str]) -> list[Quota]:
    """The Spot quotas that count these types, each once."""
    return list({quota.code: quota for name in names if (quota := quota_of(name))}.values())
