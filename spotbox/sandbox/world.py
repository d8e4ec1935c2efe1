"""All that lives in the sandbox: instances, Spot requests, the market, and what is remembered between calls."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from spotbox.sandbox.catalogue import TYPES
from spotbox.sandbox.cloudtrail import Log
from spotbox.sandbox.costexplorer import Bills
from spotbox.sandbox.life import Bodies, Life
from spotbox.sandbox.market import SEED, Market, Offered
from spotbox.sandbox.pace import Pace
from spotbox.sandbox.quotas import Quota, quota_of
from spotbox.sandbox.records import Box, Request
from spotbox.sandbox.refusals import no_capacity, refusal
from spotbox.sandbox.spot import EVENTS, Spot
from spotbox.sandbox.timeline import Event, Timeline, utc_now

ACCOUNT = "123456789012"
EBS_EVENTS = ("attached", "detached")  # what the timeline brings to a volume
COUNTED = ("pending", "running", "stopping")  # states in which an instance's vCPUs are in use


@dataclass(frozen=True)
class SpotOptions:
    """What a caller says about Spot. `max_price` in USD/h; None is a cap at on-demand."""

    type: str = "one-time"
    behavior: str = "terminate"
    max_price: Decimal | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None


class Maker(Bodies, Protocol):
    """Bodies that can also be made. `plain` leaves out what only RunInstances can give: tags and IMDS options."""

    def make(self, region: str, zone: str, launch: Any, plain: bool) -> str:
        """A new instance of the launch specification in the zone; gives its id. Raises Refusal."""

    def instance(self, box: Box) -> Any:
        """moto's instance of a box."""

    def host_keys(self, box: Box) -> tuple[str, ...]:
        """The public lines of the box's SSH host keys."""

    def role(self, box: Box) -> str | None:
        """The name of the role of its instance profile."""


class World:
    """The sandbox's AWS without its wires. One lock guards it; every public method expects it held."""

    def __init__(
        self,
        pace: Pace,
        maker: Maker,
        offered: Offered,
        clock: Callable[[], datetime] = utc_now,
        seed: str = SEED,
    ):
        self.lock = threading.RLock()
        self.pace = pace
        self.maker = maker
        self.timeline = Timeline(clock)
        self.market = Market(offered, seed)
        self.life = Life(self.timeline, pace, maker)
        self.spot = Spot(self.life, self.market, self._relaunch)
        self.life.watcher = self.spot
        self.tokens: dict[tuple[str, str, str], tuple[str, list[str]]] = {}  # (action, region, token) -> what it made
        self.pushed: list[tuple[datetime, str, str, str]] = []  # until, instance, user, key
        self.denied: frozenset[str] = frozenset()  # `service:Action` that the caller may not do
        self.identity = f"arn:aws:iam::{ACCOUNT}:user/sandbox"
        self.disabled: set[str] = set()  # regions that the account has switched off
        self.trail, self.bills = Log(), Bills()
        self.ebs: Any = None  # ebs.Ebs, where there are disks
        self.training: Any = None  # training.Training, where there is SageMaker
        self.after: Callable[[], None] | None = None  # told when time has changed something
        self.changes = 0  # counts what was done, so that it is known when to save
        self._looked = self.timeline.now

    @property
    def now(self) -> datetime:
        """The sandbox's time, aware UTC."""
        return self.timeline.now

    def advance(self) -> bool:
        """Let time pass up to now; True if anything happened."""
        played = self.timeline.advance(self._handle)
        self.changes += played
        if self.now - self._looked >= timedelta(seconds=0.5):
            self._looked = self.now
            self.spot.watch_prices()
        if self.training:
            self.training.advance()
        if played and self.after:
            self.after()
        return played

    def _handle(self, event: Event) -> None:
        if event.what in EBS_EVENTS:
            self.ebs.handle(event)
            return
        (self.spot if event.what in EVENTS else self.life).handle(event)
        box = self.life.boxes.get(event.who) if event.what == "reclaim" else None
        if box and box.interruption and box.since == self.now:  # AWS has just begun to take it
            self.trail.evicted(box.region, box.id, self.now)

    # Launches

    def box(self, launch: Any, region: str, zone: str, spot: bool, request_id: str | None, plain: bool) -> Box:
        """A new instance, pending. `launch` tells `instance_type` and `shutdown_behavior`. Raises Refusal."""
        hardware = TYPES[launch.instance_type]
        doom = launch.doom or (self.market.doomed.pop(0) if self.market.doomed else None)
        box_id = self.maker.make(region, zone, launch, plain)
        box = Box(
            box_id, region, zone, hardware.name, hardware.vcpus, spot, request_id, self.now, launch.shutdown_behavior
        )
        box.doom = doom
        self.life.begin(box)
        return box

    def _relaunch(self, request: Request, zone: str) -> Box:
        # An instance that the Spot service launches by itself carries no tags (EC2 User Guide, spot-requests).
        return self.box(request.launch, request.region, zone, True, request.id, plain=True)

    def new_request(self, launch: Any, region: str, zone: str | None, options: SpotOptions) -> Request:
        """A Spot request record with a fresh id; not yet submitted."""
        return Request(
            id=f"sir-{secrets.token_hex(4)}",
            region=region,
            type=options.type,
            behavior=options.behavior,
            max_price=options.max_price,
            instance_type=launch.instance_type,
            zone=zone,
            vcpus=TYPES[launch.instance_type].vcpus,
            created=self.now,
            launch=launch,
            valid_from=options.valid_from,
            valid_until=options.valid_until,
        )

    def place(self, instance_type: str, region: str, zone: str | None, options: SpotOptions | None) -> str:
        """The zone that takes a launch now. Raises Refusal Unsupported, quota, price or capacity, in that order."""
        sold = self.market.spot_zones if options else self.market.zones
        offered = sold(instance_type, region)
        if zone and zone not in offered:
            raise refusal("Unsupported", type=instance_type, zone=zone, others=", ".join(offered) or "another region")
        if not offered:
            text = f"The requested configuration is currently not supported in {region}."
            if options and self.market.zones(instance_type, region):
                text = f"The instance type '{instance_type}' is not supported for Spot Instances."
            raise refusal("Unsupported", text)
        candidates = [zone] if zone else offered
        self.check_quota(instance_type, region, options is not None)
        if options and options.max_price is not None:
            price = min(self.market.price(instance_type, z, self.now) for z in candidates)
            if options.max_price < price:
                raise refusal("SpotMaxPriceTooLow", bid=options.max_price, price=price)
        for candidate in candidates:
            if self.market.has_capacity(instance_type, candidate):
                return candidate
        others = [z for z in offered if self.market.has_capacity(instance_type, z)]
        raise no_capacity(instance_type, candidates[0], others, options is not None)

    # Quotas

    def usage(self, region: str, quota: Quota) -> int:
        """vCPUs that the quota counts: instances in use and, for Spot, open requests (using-spot-limits)."""
        boxes = [b for b in self.life.boxes.values() if b.region == region and b.spot is quota.spot]
        used = sum(b.vcpus for b in boxes if b.state in COUNTED and quota_of(b.instance_type, b.spot) is quota)
        if quota.spot:
            waiting = [r for r in self.spot.requests.values() if r.region == region and r.state == "open"]
            for request in waiting:
                box = self.spot.box_of(request)
                if (box is None or box.state not in COUNTED) and quota_of(request.instance_type, True) is quota:
                    used += request.vcpus
        return used

    def check_quota(self, instance_type: str, region: str, spot: bool, count: int = 1) -> None:
        """Raise Refusal MaxSpotInstanceCountExceeded, or VcpuLimitExceeded for On-Demand."""
        quota = quota_of(instance_type, spot)
        limit = self.market.limit(region, quota)
        if self.usage(region, quota) + TYPES[instance_type].vcpus * count > limit:
            if spot:
                raise refusal("MaxSpotInstanceCountExceeded")
            raise refusal("VcpuLimitExceeded", limit=f"{limit:g}")

    def check_capacity(self, box: Box) -> None:
        """Raise Refusal InsufficientInstanceCapacity where the pool of a stopped box is closed."""
        if not self.market.has_capacity(box.instance_type, box.zone):
            others = [z for z in self.market.zones(box.instance_type, box.region) if z != box.zone]
            raise no_capacity(box.instance_type, box.zone, others, box.spot)

    # Instance profiles

    def role_of(self, box_id: str) -> str | None:
        """The name of the role that a program on this instance acts as; None without an instance profile."""
        box = self.life.boxes.get(box_id)
        return self.maker.role(box) if box else None

    # EC2 Instance Connect

    def push_key(self, box_id: str, user: str, key: str) -> None:
        """Keep a public key for one login to the box, for 60 seconds."""
        until = self.now + timedelta(seconds=self.pace.pushed_key)
        self.pushed = [entry for entry in self.pushed if entry[0] > self.now] + [(until, box_id, user, key)]

    def pushed_keys(self, box_id: str, user: str) -> tuple[str, ...]:
        """The keys pushed for this user of the box that are still valid."""
        now = self.timeline.clock()
        return tuple(key for until, box, name, key in self.pushed if until > now and (box, name) == (box_id, user))
