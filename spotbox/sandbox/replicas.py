"""Eventual consistency: EC2 answers what is asked from one of two replicas, each some seconds behind the truth.

"If you run a command to modify or describe a resource that you just created, its ID might not have propagated" (EC2 API
Reference, "Eventual consistency"). What was made or changed is noted here with the moment from which each replica knows
it. A call that only reads is answered from the past of its replica; one that names what its replica does not know yet
is refused with the NotFound code of AWS. The answer of the call that made it comes from the truth.
"""

from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from spotbox.sandbox.refusals import refusal
from spotbox.sandbox.weather import CALM, Call, Weather, draw
from spotbox.sandbox.world import World

Backends = Callable[[], dict[str, Any]]  # moto's EC2 of each region that was used, by region
_NOT_FOUND = {
    "boxes": "InvalidInstanceID.NotFound",
    "requests": "InvalidSpotInstanceRequestID.NotFound",
    "volumes": "InvalidVolume.NotFound",
    "groups": "InvalidGroup.NotFound",
    "keys": "InvalidKeyPair.NotFound",
    "snapshots": "InvalidSnapshot.NotFound",
    "images": "InvalidAMIID.NotFound",
}


@dataclass(frozen=True)
class Version:
    """How a thing was from `at` on; `fields` is None while it did not exist. Replica n shows it from `known[n]` on."""

    known: tuple[datetime, datetime]
    fields: dict[str, Any] | None


@dataclass(eq=False)
class Thing:
    """Something that is shown: where it is kept, what it is, and how it was, oldest version first."""

    shelf: str
    region: str
    key: str
    home: MutableMapping[str, Any]
    body: Any
    versions: list[Version] = field(default_factory=list)
    number: int = 0

    def shown(self, replica: int, now: datetime) -> Version:
        """The newest version that the replica knows; never older than what it showed before."""
        return next((v for v in reversed(self.versions) if v.known[replica] <= now), self.versions[0])

    @property
    def settled(self) -> datetime:
        """From when on both replicas show the newest version."""
        return max(self.versions[-1].known)


class Replicas:
    """What each replica knows, and when. Every method expects the world's lock held."""

    def __init__(self, world: World, backends: Backends):
        self.world = world
        self.backends = backends
        self.weather: Weather = CALM
        self._things: dict[tuple[str, str, str], Thing] = {}
        self._fresh: list[Thing] = []
        self._changed: Counter[str] = Counter()

    def change(self, weather: Weather) -> None:
        """Take up the lag of the weather; what is there now is known everywhere."""
        self.weather = weather
        self._things.clear()
        self._fresh.clear()
        self._changed.clear()
        self.world.after = self.note if weather.lag else None
        if weather.lag:
            self._note(0)

    def note(self) -> None:
        """Look what has changed since the last time; each change gets its own delay for each replica."""
        self._note(self.weather.lag)

    def _note(self, lag: float) -> None:
        now, seen = self.world.now, set[tuple[str, str, str]]()
        for thing, fields in self._all():
            mark = (thing.shelf, thing.region, thing.key)
            seen.add(mark)
            known = self._things.get(mark)
            if known is None:
                self._things[mark] = thing
                before = Version((now, now), None if lag else fields)
                thing.versions.append(before)
                known = thing
            known.body, known.home = thing.body, thing.home
            if known.versions[-1].fields != fields:
                self._add(known, fields, now, lag)
        for mark, known in self._things.items():
            if mark not in seen and known.versions[-1].fields is not None:
                self._add(known, None, now, lag)
        self._fresh = [thing for thing in self._fresh if thing.settled > now]

    def _add(self, thing: Thing, fields: dict[str, Any] | None, now: datetime, lag: float) -> None:
        if not thing.number:  # by the order in which things changed: their ids differ from run to run
            self._changed[thing.shelf] += 1
            thing.number = self._changed[thing.shelf]
        lot = (self.weather.seed, thing.shelf, thing.number, len(thing.versions))
        first, second = (now + timedelta(seconds=lag * draw(*lot, replica)) for replica in (0, 1))
        thing.versions.append(Version((first, second), fields))
        if thing not in self._fresh:
            self._fresh.append(thing)

    def _all(self) -> Iterator[tuple[Thing, dict[str, Any]]]:
        """Everything there is now, with what of it is shown."""
        world = self.world
        for box in world.life.boxes.values():
            instance = world.maker.instance(box)
            fields = {"box": dict(vars(box)), "ip": instance.nics[0].public_ip, "groups": [*instance.security_groups]}
            yield Thing("boxes", box.region, box.id, world.life.boxes, (box, instance)), fields
        for request in world.spot.requests.values():
            yield Thing("requests", request.region, request.id, world.spot.requests, request), _copied(request)
        for region, backend in self.backends().items():
            for volume in backend.volumes.values():
                yield Thing("volumes", region, volume.id, backend.volumes, volume), _copied(volume)
            for home in backend.groups.values():
                for group in home.values():
                    yield Thing("groups", region, group.id, home, group), _copied(group)
            for name, pair in backend.key_pairs.items():
                yield Thing("keys", region, name, backend.key_pairs, pair), {}
            for snapshot in backend.snapshots.values():
                yield Thing("snapshots", region, snapshot.id, backend.snapshots, snapshot), {}
            for image in backend.amis.values():
                yield Thing("images", region, image.id, backend.amis, image), {}
            for resource, tags in backend.tags.items():
                if tags:
                    yield Thing("tags", region, resource, backend.tags, None), dict(tags)

    # Answering

    @contextmanager
    def answering(self, call: Call, body: bytes, replica: int) -> Iterator[None]:
        """The world as the replica shows it, for a call that reads; as it is for any other, which may be refused."""
        if not self.weather.lag:
            yield
            return
        behind = self._behind(call.region, replica) if self.weather.covers(call) else []
        if call.action.startswith(("Describe", "Get")):
            undo = [_show(thing, version) for thing, version in behind]
            try:
                yield
            finally:
                for back in reversed(undo):
                    back()
            return
        self._check_named(behind, body)
        try:
            yield
        finally:
            self.note()

    def _behind(self, region: str, replica: int) -> list[tuple[Thing, Version]]:
        here = [thing for thing in self._fresh if thing.region == region]
        shown = [(thing, thing.shown(replica, self.world.now)) for thing in here]
        return [(thing, version) for thing, version in shown if version is not thing.versions[-1]]

    def _check_named(self, behind: list[tuple[Thing, Version]], body: bytes) -> None:
        """Refuse a call that names what is not known yet."""
        asked = parse_qsl(body.decode("utf-8", "replace"))
        named = {value for name, value in asked if not name.startswith(("Filter", "TagSpecification", "UserData"))}
        for thing, version in behind:
            if version.fields is not None or thing.shelf not in _NOT_FOUND:
                continue
            names = {thing.key, thing.body.id} if thing.shelf == "keys" else {thing.key}
            # A key pair that is being imported, or a group being made, is named by the call that makes it.
            if names & named and not ({"ImportKeyPair", "CreateKeyPair", "CreateSecurityGroup"} & named):
                raise refusal(_NOT_FOUND[thing.shelf], id=thing.key)


def _copied(body: Any) -> dict[str, Any]:
    """What a record holds, its lists as they are now."""
    return {k: list(v) if isinstance(v, list) else dict(v) if type(v) is dict else v for k, v in vars(body).items()}


def _show(thing: Thing, version: Version) -> Callable[[], None]:
    """Make the thing what it was; gives what undoes it."""
    home, key, body = thing.home, thing.key, thing.body
    there = key in home
    if thing.shelf == "tags":
        now = home.get(key)
        _place(home, key, None if version.fields is None else dict(version.fields))
        return lambda: _place(home, key, now)
    undress = _dress(thing, version.fields) if version.fields else None
    value = body[0] if thing.shelf == "boxes" else body
    _place(home, key, None if version.fields is None else value)

    def back() -> None:
        if undress:
            undress()
        _place(home, key, value if there else None)

    return back


def _place(home: MutableMapping[str, Any], key: str, value: Any) -> None:
    if value is None:
        home.pop(key, None)
    else:
        home[key] = value


def _dress(thing: Thing, fields: dict[str, Any]) -> Callable[[], None]:
    """Give the thing the values of another moment; gives what gives it its own back."""
    if thing.shelf != "boxes":
        now = dict(vars(thing.body))
        vars(thing.body).update(fields)
        return lambda: vars(thing.body).update(now)
    box, instance = thing.body
    own, address, groups = dict(vars(box)), instance.nics[0].public_ip, instance.security_groups
    vars(box).update(fields["box"])
    instance.nics[0].public_ip, instance.security_groups = fields["ip"], list(fields["groups"])

    def back() -> None:
        vars(box).update(own)
        instance.nics[0].public_ip, instance.security_groups = address, groups

    return back
