"""A recorded Spot market as the sandbox plays it: capacity comes and goes as it did, some thousand times as fast."""

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spotbox.aws.observe import observe
from spotbox.aws.session import Aws
from spotbox.core.boxes import Box, assemble
from tests.life.drive import Drive

DATA = Path(__file__).parents[3] / "shared" / "data" / "spot-availability-v100-2023.csv"
TYPE = "g4dn.xlarge"  # stands in for the p3.2xlarge of the trace, which these zones do not offer any more
OWNER = "sandbox"
DAY = 86400.0
PATIENCE = 60.0  # seconds in which the sandbox takes the box, or brings it back

# What may be said of a request and its instance as the independent client finds them: (instance state, request state)
# -> the words. Written from the contract's table of states and the EC2 User Guide, not from spotbox's code.
WORDS = {
    ("pending", "active"): {"starting"},
    ("pending", "open"): {"starting"},
    ("running", "active"): {"running"},
    ("stopping", "active"): {"stopping"},
    ("stopped", "active"): {"stopping", "interrupted"},  # the request follows a moment later
    ("stopped", "disabled"): {"interrupted"},
    ("stopped", "open"): {"interrupted"},  # AWS is about to restart it
}


@dataclass
class Voyage:
    """What was seen on the way."""

    interruptions: int = 0
    looks: int = 0
    wrong: list[str] = field(default_factory=list)
    volumes: set[str] = field(default_factory=set)
    instances: set[str] = field(default_factory=set)


def recorded(zone: str, days: float) -> Iterator[tuple[float, bool]]:
    """(seconds, whether there was capacity) of the first `days` days of the zone's trace."""
    with DATA.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["zone"] == zone and float(row["offset_seconds"]) < days * DAY:
                yield float(row["duration_seconds"]), int(row["available_or_running_nodes"]) > 0


class Market:
    """One box in one zone whose capacity follows the trace."""

    def __init__(self, drive: Drive, zone: str, day: float):
        """`day` is how many seconds a day takes."""
        self.drive, self.zone, self.region, self.scale = drive, zone, zone[:-1], day / DAY
        assert drive.endpoint
        keys = (drive.endpoint.access_key, drive.endpoint.secret_key)
        self.aws = Aws(endpoint=drive.endpoint.url, keys=keys, region=self.region)
        self.seen = Voyage()

    def sail(self, days: float) -> Voyage:
        """Through the trace; `status` is asked all the way.

        However fast time runs, AWS gets as long as it needs to take the box and to bring it back.
        """
        was = True  # `up` found capacity
        for seconds, there in recorded(self.zone, days):
            if there and not was:
                self._capacity("open")
            goal = "running" if there else "stopped"
            begun, state = time.monotonic(), ""
            while time.monotonic() < begun + seconds * self.scale or state != goal:
                if time.monotonic() > begun + seconds * self.scale + PATIENCE:
                    raise AssertionError(f"the box is {state} and not {goal}: {self.seen}")
                if not there:  # AWS also takes back what came up a moment before
                    self._capacity("closed")
                state = self.look()
                time.sleep(0.03)
            self.seen.interruptions += was and not there
            was = there
        self._capacity("open")
        return self.seen

    def _capacity(self, state: str) -> None:
        taken = {"interrupt": True} if state == "closed" else {}
        self.drive.control("capacity", type=TYPE, zone=self.zone, state=state, **taken)

    def look(self) -> str:
        """Ask spotbox and, before and after, the independent client; note where they do not agree.

        Gives the instance's state, or `between` where something happened while it was asked.
        """
        before = self._truth()
        box = self._status()
        after = self._truth()
        self.seen.looks += 1
        if before != after:
            return "between"
        instance, request, volumes = after
        word = str(box.state) if box else "none"
        told = tuple(volume.id for volume in box.volumes) if box else ()
        if word not in WORDS.get((instance, request), set()) or told != volumes or len(volumes) != 1:
            self.seen.wrong.append(f"{word} {told}, but instance {instance}, request {request}, volumes {volumes}")
        self.seen.volumes.update(volumes)
        return str(instance)

    def _status(self) -> Box | None:
        seen = observe(self.aws, [self.region], OWNER, "dev", full=False)
        assert not seen.failed, seen.failed
        boxes = [box for sight in seen.sights for box in assemble(sight)]
        return boxes[0] if len(boxes) == 1 else None

    def _truth(self) -> tuple[Any, ...]:
        client = self.drive.independent
        instances, requests = client.instances(self.region), client.requests(self.region)
        self.seen.instances.update(row["InstanceId"] for row in instances)
        volumes = client.client("ec2", self.region).describe_volumes()["Volumes"]
        states = [row["State"]["Name"] for row in instances], [row["State"] for row in requests]
        one = states[0][0] if len(instances) == 1 else str(states[0])
        two = states[1][0] if len(requests) == 1 else str(states[1])
        return one, two, tuple(row["VolumeId"] for row in volumes)
