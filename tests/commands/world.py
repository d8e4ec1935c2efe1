"""An AWS in memory, with verbs: what there is, what AWS does by itself as time passes, and what it refuses."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address, ip_network

from botocore.exceptions import ClientError

from spotbox.aws.errors import translate
from spotbox.core.hunt import InFlight
from spotbox.core.judge import DiskKey
from spotbox.core.market import Scores
from spotbox.core.names import KEEP_TAG, NAME_TAG, ROLE_TAG, box_tags, group_name, key_fingerprint, key_name
from spotbox.core.records import (
    Group,
    Image,
    Instance,
    InstanceType,
    KeyPair,
    OwnImage,
    Request,
    Rule,
    Snapshot,
    Subnet,
    Volume,
)
from spotbox.core.states import LIVE
from tests.commands.costs import Books
from tests.commands.course import Course
from tests.commands.training import Training

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OWNER = "alice"
HOME = "198.51.100.7"  # where the user sits (RFC 5737)


def public_key(letter: str = "k") -> str:
    """A well-formed ed25519 public key line (RFC 8709), another one for each letter."""
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + letter.encode() * 32
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


IMAGE = Image("ami-1", "Deep Learning Base OSS (Ubuntu 24.04)", "", "x86_64", "/dev/sda1", 75, "2026-02-01T00:00:00Z")
T4 = InstanceType("g4dn.xlarge", 4, Decimal(16), ("x86_64",), True, "T4", "NVIDIA", Decimal(1), Decimal(16))
A10G = InstanceType("g5.xlarge", 4, Decimal(16), ("x86_64",), True, "A10G", "NVIDIA", Decimal(1), Decimal(24))


@dataclass
class Will:
    """What AWS does with a call to come: raise `error` before its effect, or after it (then the effect stays)."""

    action: str
    error: BaseException
    after: bool = False
    region: str | None = None
    zone: str | None = None
    times: int = 10**6
    then: Callable[[], None] = lambda: None  # what happens at the same time


@dataclass
class World(Course):
    """All that exists in the account, and a clock that moves when somebody sleeps."""

    clock: float = 0.0
    boot: float = 4.0  # seconds from pending to running, and again to an SSH banner
    address: str = HOME
    role: bool | None = True
    quota: Decimal | None = Decimal(64)
    start_waits: bool = False  # AWS takes a start and has no capacity for it
    start_shown: float = 0.0  # seconds after which AWS shows a start that it took
    hidden: set[str] = field(default_factory=set)  # ids that AWS does not show yet
    dies: str = ""  # why AWS terminates every launch before it runs
    requests: dict[str, Request] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    keys: dict[str, KeyPair] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    images: dict[str, OwnImage] = field(default_factory=dict)
    snapshot_usd: Decimal | None = Decimal("0.05")  # per GiB-month
    consoles: dict[str, str] = field(default_factory=dict)  # instance -> console output other than the usual
    shown_keys: tuple[str, ...] = ()  # what ssh-keyscan sees
    cut: bool = False  # a signal ends the ssh that `ssh` runs
    deaf: bool = False  # no SSH server answers
    lets_in: bool = True  # and who has the key may log in
    user_data: dict[str, bytes] = field(default_factory=dict)  # instance or standing request -> what it was given
    pushed: list[tuple[str, str]] = field(default_factory=list)  # (instance, user) of Instance Connect
    image: Image = IMAGE
    published: dict[str, Image] = field(  # alias or id -> an image beside that one
        default_factory=lambda: {"pytorch": replace(IMAGE, id="ami-9", name="Deep Learning PyTorch (Ubuntu 24.04)")}
    )
    regions: dict[str, str] = field(
        default_factory=lambda: {
            "us-east-1": "opt-in-not-required",
            "eu-west-1": "opt-in-not-required",
            "ap-east-1": "not-opted-in",
        }
    )
    market: dict[str, dict[tuple[str, str], Decimal]] = field(default_factory=dict)  # region -> (type, zone) -> USD/h
    types: dict[str, InstanceType] = field(default_factory=lambda: {t.name: t for t in (T4, A10G)})
    demand: dict[str, Decimal] = field(
        default_factory=lambda: {"g4dn.xlarge": Decimal("0.526"), "g5.xlarge": Decimal("1.006")}
    )
    cached_regions: dict[str, str] = field(default_factory=dict)  # what was kept of the regions; empty: nothing
    demand_asked: datetime | None = None  # set where on-demand prices come from the cache
    interruption: dict[str, str] = field(default_factory=lambda: {"g4dn.xlarge": "5-10%", "g5.xlarge": ">20%"})
    feed_asked: datetime | None = None
    feed_remark: str = ""
    scores: Scores = field(default_factory=Scores)
    changes: dict[tuple[str, str], list[tuple[float, str | None]]] = field(default_factory=dict)  # hours ago, USD
    asked: list[tuple] = field(default_factory=list)  # what was asked of the market
    applied: list = field(default_factory=list)  # the steps that AWS carried out
    wills: list[Will] = field(default_factory=list)
    grounds: dict[str, tuple[str, list[str]]] = field(default_factory=dict)  # standing request -> its key and groups
    disk_key: DiskKey = field(default_factory=lambda: DiskKey("alias/aws/ebs"))
    told: datetime | None = None  # AWS's time where it is not this machine's
    login: str = ""  # the kind of login that the AWS profile is set up for
    used: int | None = 0  # vCPU in use of each Spot quota
    denied: tuple[str, ...] = ()  # IAM actions, as doctor finds them
    doubted: tuple[str, ...] = ()
    other_key: str = ""  # the public half that key pairs hold instead of the user's
    ssh_version: str = "OpenSSH_9.6p1, OpenSSL 3.0.13"
    agent_keys: tuple[str, ...] = ()  # public keys that the ssh-agent holds
    folder_trouble: tuple[str, str] = ("", "")
    events: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    books: Books = field(default_factory=Books)
    made: int = 0
    own_subnet: Subnet | None = None
    training: Training = field(default_factory=Training)

    def __post_init__(self):
        for region in ("us-east-1", "eu-west-1"):
            self.offers(region, "g4dn.xlarge", a="0.1578", b="0.1650")
            self.offers(region, "g5.xlarge", a="0.4024")

    # What the test says.

    def offers(self, region: str, type_: str, **zones: str) -> None:
        """Spot prices in USD per hour by the letter of the zone; none at all closes the type there."""
        here = self.market.setdefault(region, {})
        for pool in [pool for pool in here if pool[0] == type_]:
            del here[pool]
        here |= {(type_, f"{region}{letter}"): Decimal(usd) for letter, usd in zones.items()}

    def refuses(self, action: str, code: str, message: str = "said the test", http: int = 400, **where) -> None:
        """The next calls of an action fail as AWS would make them (where: region, zone, times, after)."""
        meta = {"ResponseMetadata": {"HTTPStatusCode": http}, "Error": {"Code": code, "Message": message}}
        self.wills.append(Will(action, translate(ClientError(meta, action), f"ec2:{action}"), **where))

    def interrupts(self, action: str, after: bool = False, then: Callable[[], None] = lambda: None) -> None:
        """The user presses Ctrl-C while that call is under way."""
        launches = action in ("RunInstances", "RequestSpotInstances")
        error = InFlight() if launches else KeyboardInterrupt()  # as spotbox.aws.asking says it
        self.wills.append(Will(action, error, after=after, times=1, then=then))

    def later(self, seconds: float, happens: Callable[[], None]) -> None:
        """Something that happens by itself."""
        self.events.append((self.clock + seconds, happens))

    def has_box(self, name: str = "dev", state: str = "running", owner: str = OWNER, region: str = "us-east-1",
                age: float = 86400, key: str | None = None, rules: tuple[Rule, ...] | None = None,
                tags: dict[str, str] | None = None) -> str:  # fmt: skip
        """A g4dn.xlarge made `age` seconds ago, in a state of the contract; gives the number in its ids."""
        number, all_tags = self.number(), box_tags(name, owner, {"spotbox:user": "ubuntu", **(tags or {})})
        born = self.now() - timedelta(seconds=age)
        if rules is None:
            rules = (Rule(f"{HOME}/32", "spotbox auto thismachine"),)
        self.groups[f"sg-{number}"] = Group(f"sg-{number}", region, group_name(name, owner), "vpc-1", rules, all_tags)
        pair = key_name(owner, key_fingerprint(key or public_key()))
        self.key(region, pair, all_tags)
        volume = Volume(f"vol-{number}", region, f"{region}a", 100, "gp3", "in-use", f"i-{number}", "/dev/sda1", True,
                        created=born, tags=all_tags | {ROLE_TAG: "root"})  # fmt: skip
        if state == "kept":
            self.volumes[volume.id] = replace(
                volume, instance_id=None, device=None, delete_on_termination=False, state="available",
                tags=all_tags | {ROLE_TAG: "data", KEEP_TAG: "true"},
            )  # fmt: skip
            return number
        request_state, code, instance_state, reason = RAW[state]
        at = f"i-{number}" if instance_state else None
        request = Request(f"sir-{number}", region, request_state, code, "", "persistent", at, "g4dn.xlarge",
                          f"{region}a", Decimal("0.526"), born, tags=all_tags)  # fmt: skip
        self.requests[request.id] = request
        if instance_state:
            self.volumes[volume.id] = volume
            self.instances[str(at)] = Instance(
                str(at), region, instance_state, "g4dn.xlarge", f"{region}a", "spot", request.id,
                self.new_address() if instance_state == "running" else None, "ami-1", pair, born, reason,
                group_ids=(f"sg-{number}",), volume_ids=(volume.id,), tags=all_tags,
            )  # fmt: skip
            self.moves_on(str(at), instance_state)
        return number

    # What the fakes ask.

    def number(self) -> str:
        """The number of the next thing made."""
        self.made += 1
        return str(self.made)

    def now(self) -> datetime:
        """The time at AWS."""
        return NOON + timedelta(seconds=self.clock)

    def sleep(self, seconds: float) -> None:
        """Time passes, and what was due happens."""
        end = self.clock + seconds
        while due := sorted((e for e in self.events if e[0] <= end), key=lambda e: e[0]):
            self.events.remove(due[0])
            self.clock = max(self.clock, due[0][0])
            due[0][1]()
        self.clock = end

    def meets(self, action: str, region: str | None = None, zone: str | None = None, after: bool = False) -> None:
        """Raise what the test laid ready for this call."""
        for will in self.wills:
            same = will.action == action and will.after == after and will.times > 0
            if same and will.region in (None, region) and will.zone in (None, zone):
                will.times -= 1
                will.then()
                raise will.error

    def new_address(self) -> str:
        """AWS gives another public address at every start."""
        return f"203.0.113.{self.number()}"

    def key(self, region: str, name: str, tags: dict[str, str]) -> None:
        """The owner's key pair of that region, once."""
        if not any(k.name == name and k.region == region for k in self.keys.values()):
            own = {k: v for k, v in tags.items() if k not in (NAME_TAG, "Name")}
            id_ = f"key-{self.number()}"
            self.keys[id_] = KeyPair(id_, region, name, "", own)

    def request_of(self, at: str, **changes) -> None:
        """Change the request of an instance, unless it has ended."""
        request = self.requests.get(self.instances[at].request_id or "")
        if request and request.state in LIVE:
            self.requests[request.id] = replace(request, **changes)

    def ssh_answers(self, host: str) -> bool:
        """Whether an SSH server shows its banner to the user: it runs, has booted, and the group lets the user in."""
        for box in self.instances.values():
            if box.public_ip == host and box.state == "running" and not self.deaf:
                booted = box.launched is None or self.now() >= box.launched + timedelta(seconds=self.boot)
                rules = [rule.cidr for g in box.group_ids if g in self.groups for rule in self.groups[g].rules]
                return booted and any(ip_address(self.address) in ip_network(cidr) for cidr in rules)
        return False

    def left(self) -> list[str]:
        """Ids of everything that bills or bears spotbox's traces."""
        found = [r.id for r in self.requests.values() if r.state in LIVE]
        found += [i.id for i in self.instances.values() if i.state != "terminated"]
        return sorted([*found, *self.volumes, *self.snapshots, *self.images, *self.groups, *self.keys])

    def subnets(self, region: str) -> tuple[Subnet, ...]:
        """A default subnet in every zone that has an offer."""
        zones = sorted({zone for _, zone in self.market.get(region, {})})
        return tuple(Subnet(f"subnet-{zone}", "vpc-1", zone, True, True) for zone in zones)

    def has_subnet(self, at: str, vpc: str = "vpc-own") -> str:
        """That instance, and its group, are in a subnet of the user's own, beside the default VPC."""
        box = self.instances[at]
        self.own_subnet = Subnet("subnet-own", vpc, box.zone, False, False)
        self.instances[at] = replace(box, subnet_id="subnet-own")
        for id_ in box.group_ids:
            self.groups[id_] = replace(self.groups[id_], vpc_id=vpc)
        return "subnet-own"


RAW = {  # state -> request state and code, instance state, StateReason code (EC2 User Guide, spot-request-status)
    "waiting": ("open", "capacity-not-available", None, ""),
    "starting": ("active", "fulfilled", "pending", ""),
    "running": ("active", "fulfilled", "running", ""),
    "stopping": ("active", "marked-for-stop", "stopping", "Client.UserInitiatedShutdown"),
    "stopped": ("disabled", "instance-stopped-by-user", "stopped", "Client.UserInitiatedShutdown"),
    "interrupted": ("disabled", "instance-stopped-no-capacity", "stopped", "Server.SpotInstanceShutdown"),
    "terminating": ("cancelled", "request-canceled-and-instance-running", "shutting-down", ""),
    "orphaned": ("cancelled", "request-canceled-and-instance-running", "running", ""),
    "failed": ("failed", "bad-parameters", None, ""),
}
