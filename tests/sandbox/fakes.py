"""A clock that moves when told, and bodies that only remember: the sandbox's world without moto or HTTP."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from spotbox.sandbox.pace import Pace
from spotbox.sandbox.records import Box, Request
from spotbox.sandbox.refusals import Refusal
from spotbox.sandbox.world import SpotOptions, World

ZONES = {"us-east-1": ["us-east-1a", "us-east-1b"], "eu-west-1": ["eu-west-1a"]}
ZONE = "us-east-1a"
G5 = "g5.xlarge"
POOL = (G5, ZONE)


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Wish:
    """The part of a launch that the world reads."""

    instance_type: str = G5
    shutdown_behavior: str = "stop"
    doom: tuple[str, str] | None = None
    refused: str | None = None


class Bodies:
    """Remembers what it made, and through which states each went."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str, bool]] = []
        self.states: dict[str, list[str]] = {}
        self.answering: set[str] = set()
        self.rootless: set[str] = set()

    def make(self, region: str, zone: str, launch: Wish, plain: bool) -> str:
        if launch.refused:
            raise Refusal(launch.refused, "no")
        self.made.append((region, zone, plain))
        return f"i-{len(self.made):017x}"

    def changed(self, box: Box) -> None:
        self.states.setdefault(box.id, []).append(box.state)
        if box.state != "running":
            self.answering.discard(box.id)

    def bootable(self, box: Box) -> bool:
        return box.id not in self.rootless

    def booted(self, box: Box) -> None:
        self.answering.add(box.id)

    def forgotten(self, box: Box) -> None:
        self.states.pop(box.id)

    def instance(self, box: Box) -> SimpleNamespace:
        return SimpleNamespace(nics=[SimpleNamespace(public_ip=None)], security_groups=[])

    def host_keys(self, box: Box) -> tuple[str, ...]:
        return ()


class Stage:
    """A world with its clock: `after(seconds)` lets time pass, tenth by tenth."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.clock = Clock()
        self.bodies = Bodies()
        self.world = World(pace or Pace(), self.bodies, lambda name, region: ZONES.get(region, []), self.clock)
        self.spot, self.life, self.market, self.pace = (
            self.world.spot,
            self.world.life,
            self.world.market,
            self.world.pace,
        )

    def after(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.clock.now += timedelta(seconds=0.1)
            self.world.advance()

    def run(
        self, kind: str = "persistent", behavior: str = "stop", bid: str | None = None, wish: Wish = Wish()
    ) -> tuple[Box, Request]:
        """RunInstances with Spot options."""
        options = SpotOptions(kind, behavior, Decimal(bid) if bid else None)
        box = self.world.box(wish, "us-east-1", ZONE, True, None, plain=False)
        request = self.world.new_request(wish, "us-east-1", ZONE, options)
        self.spot.adopt(request, box)
        return box, request

    def running(self, **how: str) -> tuple[Box, Request]:
        """A Spot instance that runs and answers."""
        box, request = self.run(**how)
        self.after(3)
        assert box.state == "running"
        return box, request

    def stopped(self, **how: str) -> tuple[Box, Request]:
        """One that the user has stopped."""
        box, request = self.running(**how)
        self.spot.stop(box)
        self.after(3)
        assert box.state == "stopped"
        return box, request

    def interrupted(self, **how: str) -> tuple[Box, Request]:
        """One that AWS has stopped."""
        box, request = self.running(**how)
        self.spot.interrupt(box, 1)
        self.after(3)
        assert box.state == "stopped"
        return box, request

    def submit(self, kind: str = "persistent", behavior: str = "stop", bid: str | None = None, **more) -> Request:
        """RequestSpotInstances."""
        wish = more.pop("wish", Wish())
        options = SpotOptions(kind, behavior, Decimal(bid) if bid else None, **more)
        request = self.world.new_request(wish, "us-east-1", ZONE, options)
        self.spot.submit(request)
        return request

    def on_demand(self, wish: Wish = Wish()) -> Box:
        """RunInstances without Spot options."""
        return self.world.box(wish, "us-east-1", ZONE, False, None, plain=False)


def shown(request: Request) -> tuple[str, str]:
    """State and Status.Code, as DescribeSpotInstanceRequests shows them."""
    return request.state, request.code


def code(call, *args):
    """The code of the refusal that a call ends with."""
    with pytest.raises(Refusal) as refused:
        call(*args)
    return refused.value.code
