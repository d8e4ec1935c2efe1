"""What the user of a sandbox can do that no customer of AWS can: take machines back, close pools, set prices."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from spotbox.sandbox import mltypes, quotas, regions
from spotbox.sandbox.books import Books
from spotbox.sandbox.catalogue import TYPES
from spotbox.sandbox.faults import Faults
from spotbox.sandbox.given import NoSuchBox, amount, nearest
from spotbox.sandbox.records import GONE, Box
from spotbox.sandbox.replicas import Backends, Replicas
from spotbox.sandbox.watch import BEFORE, Watch
from spotbox.sandbox.weather import CALM, Sky, told
from spotbox.sandbox.world import World

# fault, doom and what follows are for tests and harnesses; the command line has the rest.
VERBS = (
    *("status", "interrupt", "rebalance", "capacity", "price", "prices", "on_demand", "quota", "identity", "region"),
    *("deny", "fault", "doom", "weather", "calls", "hold", "held", "release", "relive", "bill", "still"),
)
NAME_TAG = "spotbox:name"


class Control(Books):
    """The verbs of /_sandbox/. Every refusal is a ValueError with a sentence for the user."""

    def __init__(
        self,
        world: World,
        tags: Callable[[Box], dict[str, str]],
        zones: Callable[[str], list[str]],
        backends: Backends = dict,
    ):
        self.world = world
        self.zones = zones  # of a region
        self.tags = tags  # of an instance, or of its request where the instance has none
        self.faults = Faults()
        self.sky = Sky()
        self.replicas = Replicas(world, backends)
        self.backends = backends
        self.watch = Watch()

    def do(self, verb: str, given: dict[str, Any]) -> dict[str, Any]:
        """Carry out one verb with its arguments."""
        if verb not in VERBS:
            raise ValueError(f"unknown verb {verb!r}; {nearest(verb, VERBS)}")
        try:
            reply: dict[str, Any] = getattr(self, verb)(**given)
            return reply
        except TypeError as error:
            raise ValueError(f"{verb}: {str(error).split(') ', 1)[-1]}") from error

    # Looking

    def status(self) -> dict[str, Any]:
        """What there is: instances that are not gone, requests that live, pools that were touched."""
        market = self.world.market
        return {
            "boxes": [self._shown(box) for box in self.world.life.boxes.values() if box.state != "terminated"],
            "requests": [
                {"id": r.id, "region": r.region, "state": r.state, "code": r.code, "instance_id": r.instance_id}
                for r in self.world.spot.requests.values()
            ],
            "closed": [{"type": name, "zone": zone} for name, zone in sorted(market.closed)],
            "prices": [
                {"type": name, "zone": zone, "usd": str(rows[-1][1])}
                for (name, zone), rows in market.set_prices.items()
            ],
            "on_demand": [
                {"type": name, "region": region, "usd": str(usd)}
                for (name, region), usd in market.set_on_demand.items()
            ],
            "faults": [vars(fault) for fault in self.faults.waiting],
            "jobs": self._jobs(),
        }

    def _jobs(self) -> list[dict[str, Any]]:
        return self.world.training.status() if self.world.training else []

    def _shown(self, box: Box) -> dict[str, Any]:
        return {
            "id": box.id,
            "name": self.tags(box).get(NAME_TAG),
            "region": box.region,
            "zone": box.zone,
            "type": box.instance_type,
            "state": box.state,
        }

    def _box(self, name: str) -> Box:
        """The instance of that id, or the live one of that spotbox name."""
        alive = [box for box in self.world.life.boxes.values() if box.state not in GONE]
        found = [box for box in alive if name in (box.id, self.tags(box).get(NAME_TAG))]
        if len(found) > 1:
            raise ValueError(f"{len(found)} boxes are named {name}: {', '.join(b.id for b in found)}; give the id")
        if not found:
            names = {self.tags(box).get(NAME_TAG) or box.id for box in alive}
            names |= {job["name"] for job in self._jobs() if job["status"] == "InProgress"}
            raise NoSuchBox(f"no box {name} in the sandbox, nor a training job; {nearest(name, names)}")
        return found[0]

    def _known(self, instance_type: str) -> None:
        if instance_type not in TYPES:
            raise ValueError(f"unknown instance type {instance_type}; {nearest(instance_type, TYPES)}")

    def _pool(self, instance_type: str, zone: str) -> tuple[str, str]:
        self._known(instance_type)
        region = regions.of_zone(zone)
        zones = self.world.market.zones(instance_type, region) if region in regions.ENABLED else []
        if zone not in zones:
            every = [z for name in regions.ENABLED for z in self.world.market.zones(instance_type, name)]
            raise ValueError(f"{instance_type} is not offered in {zone}; {nearest(zone, zones or every)}")
        return instance_type, zone

    # Acting

    def interrupt(self, box: str, notice: float | None = None) -> dict[str, Any]:
        """AWS takes the machine back, `notice` seconds from now (5 of the sandbox's; AWS gives 120).

        The box stops as its request says, and comes back once its capacity is there again: some 20 s later, or at
        once when its pool is opened by hand. A pool closed by hand keeps it away until then. `box` may also name a
        training job, which starts again from its checkpoint.
        """
        seconds = self.world.pace.notice if notice is None else float(notice)
        if seconds < 0:
            raise ValueError("the notice is in seconds, 0 or more")
        boxes = [b for b in self.world.life.boxes.values() if box in (b.id, self.tags(b).get(NAME_TAG))]
        if self.world.training and self.world.training.named(box) and all(b.state in GONE for b in boxes):
            return self.world.training.interrupt(box, seconds)
        found = self._box(box)
        if not found.spot:
            raise ValueError(f"{box} is an on-demand instance; AWS interrupts Spot instances only")
        if found.state != "running" or found.interruption:
            raise ValueError(f"{box} is {'being interrupted already' if found.interruption else found.state}")
        self.world.spot.interrupt(found, seconds)
        return {**self._shown(found), "notice": seconds}

    def rebalance(self, box: str) -> dict[str, Any]:
        """AWS recommends to leave the machine: its metadata says so from now on; most are not taken back after it."""
        found = self._box(box)
        if not found.spot or found.state != "running":
            raise ValueError(f"{box} is {found.state if found.spot else 'an on-demand instance'}")
        found.rebalance_at = self.world.now
        return self._shown(found)

    def capacity(self, type: str, zone: str, state: str, interrupt: bool = False) -> dict[str, Any]:
        """Open or close a pool. Closed: no launch, start or restart there; what runs, runs on.

        With `interrupt` AWS also takes back what runs there on Spot, after the usual notice.
        """
        if state not in ("open", "closed"):
            raise ValueError(f"capacity is open or closed, not {state}")
        pool = self._pool(type, zone)
        if state == "closed":
            self.world.market.closed.add(pool)
            taken = (
                [b for b in self.world.life.boxes.values() if (b.instance_type, b.zone) == pool] if interrupt else []
            )
            for box in taken:
                if box.spot and box.state == "running" and not box.interruption:
                    self.world.spot.interrupt(box)
            if interrupt and self.world.training:
                self.world.training.interrupt_pool(*pool)
        else:
            self.world.market.closed.discard(pool)
            for box in self.world.life.boxes.values():
                if (box.instance_type, box.zone) == pool:
                    box.away_until = None
        return {"type": type, "zone": zone, "state": state}

    def price(self, type: str, zone: str, usd: str) -> dict[str, Any]:
        """Set a pool's Spot price in USD/h, up to the on-demand price, which it never exceeds at AWS."""
        pool = self._pool(type, zone)
        price = self._usd(type, zone, usd)
        self.world.market.set_price(*pool, price, self.world.now)
        self.world.spot.watch_prices()
        return {"type": type, "zone": zone, "usd": str(price)}

    def _usd(self, instance_type: str, zone: str, usd: object) -> Decimal:
        price = amount(usd)
        ceiling = self.world.market.on_demand(instance_type, regions.of_zone(zone))
        if not 0 < price <= ceiling:
            what = f"a Spot price of {instance_type} lies above 0 and at or below on-demand"
            raise ValueError(f"{what}, {ceiling.normalize():f}")
        return price

    def prices(self, rows: list[list[Any]]) -> dict[str, Any]:
        """Set the Spot prices of many pools, each [type, zone, USD/h]; all of them or, where one is wrong, none.

        A recorded price tells that the pool was sold: one that is not on offer here is from now on, if the type and
        the zone are known.
        """
        found = []
        for row in rows:
            if not isinstance(row, list) or len(row) != 3:
                raise ValueError(f"a row is [type, zone, USD per hour], not {row!r}")
            name, zone, usd = str(row[0]), str(row[1]), row[2]
            self._known(name)
            region = regions.of_zone(zone)
            zones = self.zones(region) if region in regions.ENABLED else []
            if zone not in zones:
                raise ValueError(f"unknown zone {zone}; {nearest(zone, zones or regions.ENABLED)}")
            found.append((name, zone, self._usd(name, zone, usd)))
        for name, zone, price in found:
            self.world.market.set_price(name, zone, price, self.world.now)
        self.world.spot.watch_prices()
        return {"prices": len(found)}

    def on_demand(self, type: str, region: str, usd: str) -> dict[str, Any]:
        """Set the on-demand price of a type in a region, USD/h, in the price list and as the cap of its Spot prices."""
        self._known(type)
        if region not in regions.ENABLED:
            raise ValueError(f"unknown region {region}; {nearest(region, regions.ENABLED)}")
        price = amount(usd)
        if not 0 < price < 10_000:
            raise ValueError("an on-demand price lies above 0 and below 10000 USD per hour")
        self.world.market.set_on_demand[(type, region)] = price
        self.world.spot.watch_prices()
        return {"type": type, "region": region, "usd": str(price)}

    def quota(self, code: str, value: float, region: str = "*") -> dict[str, Any]:
        """Set a quota of the account, in vCPU, in one region or all; those of SageMaker, by name too, in instances."""
        ml = mltypes.named(code)
        if code not in quotas.BY_CODE and ml is None:
            names = [quota.name for quota in mltypes.QUOTAS if quota.kind]
            raise ValueError(f"unknown quota {code}; {nearest(code, names if ' ' in code else quotas.BY_CODE)}")
        if region != "*" and region not in regions.ENABLED:
            raise ValueError(f"unknown region {region}; {nearest(region, regions.ENABLED)}")
        for name in regions.ENABLED if region == "*" else (region,):
            self.world.market.limits[(name, ml.code if ml else code)] = float(value)
        return {"code": ml.code if ml else code, "value": float(value), "region": region}

    def fault(self, **given: Any) -> dict[str, Any]:
        """Fail the next calls that match, see faults.py; `clear` forgets those still to come."""
        if given.get("clear"):
            self.faults.waiting.clear()
            return {"cleared": True}
        return vars(self.faults.add(given))

    def doom(self, code: str = "Client.InternalError", message: str = "", times: int = 1) -> dict[str, Any]:
        """Let the next launches be accepted and then die before they run, with this StateReason."""
        text = message or f"{code}: Client error on launch"
        self.world.market.doomed += [(code, text)] * int(times)
        return {"code": code, "message": text, "times": int(times)}

    def identity(self, arn: str) -> dict[str, Any]:
        """Who GetCallerIdentity says the caller is."""
        if not arn.startswith("arn:aws:"):
            raise ValueError(f"{arn} is no ARN")
        self.world.identity = arn
        return {"arn": arn}

    def region(self, name: str, enabled: bool) -> dict[str, Any]:
        """Switch a region of the account off (calls to it fail with AuthFailure, DescribeRegions says so), or on."""
        if name not in regions.ENABLED:
            raise ValueError(f"unknown region {name}; {nearest(name, regions.ENABLED)}")
        (self.world.disabled.discard if enabled else self.world.disabled.add)(name)
        return {"region": name, "enabled": enabled}

    def deny(self, actions: list[str]) -> dict[str, Any]:
        """Deny the caller these actions (`ec2:RunInstances`), and those alone, until a policy of his allows them."""
        self.world.denied = frozenset(actions)
        return {"denied": sorted(actions)}

    # The way between the program and AWS

    def weather(self, clear: bool = False, **given: Any) -> dict[str, Any]:
        """Set the weather, see weather.py: what is not given is calm, and so is all with `clear`."""
        for name in given.get("regions") or ():
            if name not in regions.ENABLED:
                raise ValueError(f"unknown region {name}; {nearest(name, regions.ENABLED)}")
        weather = self.sky.change({} if clear else given)
        if weather == CALM:
            weather = self.sky.weather = CALM
        self.replicas.change(weather)
        return told(weather)

    def calls(self, reset: bool = False) -> dict[str, Any]:
        """The calls that came in since the last reset: service, action and region of each, oldest first."""
        return {"calls": [list(call) for call in self.watch.calls(reset)]}

    def hold(self, nth: int = 1, when: str = BEFORE, action: str | None = None) -> dict[str, Any]:
        """Hold the nth call from now, of `action` where one is named, before its work or after it; see watch.py."""
        made = self.watch.hold(int(nth), when, action)
        return {"nth": made.nth, "when": made.when, "action": made.action}

    def held(self) -> dict[str, Any]:
        """Whether a call is being held, and which."""
        return self.watch.held()

    def release(self, drop: bool | None = None) -> dict[str, Any]:
        """Let the held call go on; `drop` says whether it, or its answer, is lost."""
        return {"released": self.watch.release(drop)}
