"""A box: what belongs together under one name, found from tags and from the request itself."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from spotbox.core import meanings as m
from spotbox.core.copytag import copied_from
from spotbox.core.meanings import Meaning
from spotbox.core.names import (
    KEEP_TAG,
    MAX_PRICE_TAG,
    MOVE_ROLE,
    MOVED_TAG,
    MOVING_TAG,
    NAME_TAG,
    OWNER_TAG,
    ROLE_TAG,
    USER_TAG,
    is_login,
)
from spotbox.core.records import Group, Instance, KeyPair, OwnImage, Request, Snapshot, Tags, Volume
from spotbox.core.sides import sides
from spotbox.core.states import LEAVING, LIVE, RUNS_ON, Derived, State, derive


@dataclass(frozen=True)
class Sight:
    """Everything of spotbox's that was seen in one region, whoever owns it."""

    region: str
    requests: tuple[Request, ...] = ()
    instances: tuple[Instance, ...] = ()
    volumes: tuple[Volume, ...] = ()
    groups: tuple[Group, ...] = ()
    keys: tuple[KeyPair, ...] = ()
    images: tuple[OwnImage, ...] = ()  # and snapshots: only where they were asked for
    snapshots: tuple[Snapshot, ...] = ()


@dataclass(frozen=True)
class Box:
    """One named workstation and all that belongs to it. `request` and `instance` are the ones that matter now."""

    name: str
    owner: str
    region: str
    state: State
    reason: str
    request: Request | None
    instance: Instance | None
    requests: tuple[Request, ...] = ()
    instances: tuple[Instance, ...] = ()
    volumes: tuple[Volume, ...] = ()
    groups: tuple[Group, ...] = ()
    # Prices are filled in by whoever looked them up; USD per hour, None is unknown.
    spot: Decimal | None = None
    on_demand: Decimal | None = None
    meaning: Meaning | None = None  # what the state comes from, for `explain`

    @property
    def market(self) -> str:
        """`spot`, or `on-demand` for a box that fell back, which its instance alone can tell."""
        return "on-demand" if self.instance and self.instance.lifecycle != "spot" else "spot"

    @property
    def zone(self) -> str | None:
        """The zone of its instance, else of its request or of a disk; None where none has one."""
        return (
            (self.instance and self.instance.zone)
            or (self.request and self.request.zone)
            or _first(v.zone for v in self.volumes)
        )

    @property
    def instance_type(self) -> str | None:
        """The type of its instance, else of its request; None where only a disk is left."""
        return (self.instance and self.instance.instance_type) or (self.request and self.request.instance_type) or None

    @property
    def tags(self) -> Tags:
        """The tags as the request carries them (a relaunched instance has none); where it lost them, and the instance
        has none, as an earlier instance does: else a limit that was removed would come back with that one."""
        parts: list[Instance | Request | None] = [self.instance, self.request]
        if not any(part and NAME_TAG in part.tags for part in parts):
            parts = [*self.instances, *parts]
        return {key: value for part in parts if part for key, value in part.tags.items()}

    @property
    def own_tags(self) -> Tags:
        """The tags of its request, on demand of its instance, and of nothing else under its name."""
        return self.request.tags if self.request else self.instance.tags if self.instance else {}

    @property
    def moving(self) -> str:
        """Where a move that is under way takes it (`spotbox:moving`); empty where none was begun."""
        return self.own_tags.get(MOVING_TAG, "")

    @property
    def moved_from(self) -> str:
        """What a move made it of (`spotbox:moved-from`): instance id and launch time; empty for any other box."""
        return self.own_tags.get(MOVED_TAG, "")

    @property
    def user(self) -> str | None:
        """The login on the box, from its tag; None where the tag holds what is no login."""
        login = self.tags.get(USER_TAG, "")
        return login if is_login(login) else None

    @property
    def created(self) -> datetime | None:
        """When it was made, as AWS tells it; None where nothing does."""
        if self.request:
            return self.request.created
        # Without a request the root volume tells it: an instance's own time moves on every start.
        born = min((v.created for v in self.volumes if v.created and v.delete_on_termination), default=None)
        return born or (self.instance.launched if self.instance else None)

    @property
    def max_price(self) -> Decimal | None:
        """The cap that was sent in USD/h, else None (AWS then reports the on-demand price, which is no cap)."""
        text = self.tags.get(MAX_PRICE_TAG)
        return Decimal(text) if text and text.replace(".", "", 1).isdecimal() else None

    @property
    def untagged(self) -> tuple[str, ...]:
        """Ids that belong to the box but carry no tag of it: a relaunched instance and its volumes, a request that
        lost its tags."""
        parts: list[Request | Instance | Volume] = [r for r in self.requests if r.state in LIVE]
        parts += [i for i in self.instances if i.state != "terminated"]
        parts += self.volumes
        return tuple(part.id for part in parts if NAME_TAG not in part.tags)


def _first(values: Iterable[str]) -> str | None:
    return next(iter(values), None)


@dataclass
class Belongings:
    """All that carries one box's name and owner, or is reached through its request; living or not."""

    requests: list[Request] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    volumes: list[Volume] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    images: list[OwnImage] = field(default_factory=list)  # those of a move, and no others that bear its tags
    snapshots: list[Snapshot] = field(default_factory=list)


def unshown(parts: Belongings) -> tuple[str, ...]:
    """Ids of instances that a request names as running or stopped, while AWS does not show the instance itself (yet).

    A request that is fulfilled while it is being cancelled tells its instance's id before DescribeInstances does.
    """
    shown = {i.id for i in parts.instances}
    return tuple(
        dict.fromkeys(
            r.instance_id
            for r in parts.requests
            if r.instance_id and r.instance_id not in shown and (r.state in ("active", "disabled") or r.code == RUNS_ON)
        )
    )


def assemble(sight: Sight) -> tuple[Box, ...]:
    """The boxes in what was seen, by owner and name. What ended and left nothing is no box and does not appear.

    While a move is under way within a region there are two of one name: the one that moves, and what is to replace it.
    """
    boxes = (
        _box(sight.region, owner, name, side)
        for (owner, name), found in sorted(gather(sight).items())
        for side in sides(found)
    )
    return tuple(box for box in boxes if box)


def gather(sight: Sight) -> dict[tuple[str, str], Belongings]:
    """What was seen, sorted by (owner, box name). What carries no such tags and no such request is left out.

    A request without tags, which lost them or whose tags AWS does not show, is that of the tagged instance that names
    it; one with somebody's tags is theirs.
    """
    parts: defaultdict[tuple[str, str], Belongings] = defaultdict(Belongings)
    owner_of: dict[str, tuple[str, str]] = {}

    def key(tags: Tags) -> tuple[str, str] | None:
        return (tags.get(OWNER_TAG, ""), tags[NAME_TAG]) if NAME_TAG in tags else None

    named = {i.request_id: whose for i in sight.instances if i.request_id and (whose := key(i.tags))}
    for request in sight.requests:
        bare = NAME_TAG not in request.tags and OWNER_TAG not in request.tags
        if whose := named.get(request.id) if bare else key(request.tags):
            parts[whose].requests.append(request)
            owner_of[request.id] = whose
    for instance in sight.instances:
        # The request speaks first: a relaunched instance has no tags of its own.
        if whose := owner_of.get(instance.request_id or "") or key(instance.tags):
            parts[whose].instances.append(instance)
            owner_of[instance.id] = whose
    for volume in sight.volumes:
        # Here its tags speak first: another box's volume may be attached to this one. An untagged volume is the box's
        # where the launch made it, which deletes it with the instance; else the user attached a disk of his own.
        reached = owner_of.get(volume.instance_id or "") if volume.delete_on_termination else None
        if whose := key(volume.tags) or reached:
            parts[whose].volumes.append(volume)
    for group in sight.groups:
        if whose := key(group.tags):
            parts[whose].groups.append(group)
    for image in sight.images:
        if (whose := key(image.tags)) and _of_a_move(image):
            parts[whose].images.append(image)
    for snapshot in sight.snapshots:
        copies = bool(snapshot.volume_id) and copied_from(snapshot.tags) == snapshot.volume_id
        if (whose := key(snapshot.tags)) and (copies or _of_a_move(snapshot)):
            parts[whose].snapshots.append(snapshot)
    return dict(parts)


def _of_a_move(made: OwnImage | Snapshot) -> bool:
    """Backup services copy the tags of a volume to what they make of it: only what a move made is the box's, and what
    was made to copy a data volume to another zone, which bears the id of the very volume that it is of."""
    return made.tags.get(ROLE_TAG) == MOVE_ROLE


_NOTHING = KeyPair("", "", "", "")


def _box(region: str, owner: str, name: str, parts: Belongings) -> Box | None:
    request = _main_request(parts)
    instance = _main_instance(parts.instances, request)
    if request and request.state not in LIVE and instance and instance.lifecycle != "spot" and not instance.request_id:
        request = None  # a Spot hunt that ended, before the same box came on demand
    doomed = {i.id for i in parts.instances if i.state in LEAVING}
    volumes = tuple(
        v
        for v in parts.volumes
        if not (v.instance_id in doomed and v.delete_on_termination) and v.state not in ("deleting", "deleted")
    )
    kept = bool(volumes) and all(KEEP_TAG in v.tags for v in volumes)
    if instance and instance.lifecycle != "spot" and request and request.state not in LIVE:
        request = None  # the hunt's, which ended before the box fell back to on-demand: not this instance's
    derived: Derived | None = derive(request, instance or _last(parts.instances, request), volumes, kept)
    if derived is None:
        return None
    if derived.state is State.STOPPED and MOVING_TAG in (request or instance or _NOTHING).tags:
        derived = replace(derived, meaning=m.MOVING)
    return Box(
        name,
        owner,
        region,
        derived.state,
        derived.reason,
        request,
        instance,
        tuple(parts.requests),
        tuple(parts.instances),
        volumes,
        tuple(parts.groups),
        meaning=derived.meaning,
    )


def _main_request(parts: Belongings) -> Request | None:
    """The one whose instance lives, as far as AWS shows it; else the one that may launch, else the newest."""
    alive = [i for i in parts.instances if i.state in ("pending", "running", "stopping", "stopped")]
    living = {i.id for i in alive} | {i.request_id for i in alive} | set(unshown(parts))

    def rank(request: Request) -> tuple[bool, bool, float]:
        born = request.created.timestamp() if request.created else 0.0
        return bool({request.id, request.instance_id} & living - {None}), request.state in LIVE, born

    return max(parts.requests, key=rank, default=None)


def _main_instance(instances: list[Instance], request: Request | None) -> Instance | None:
    """The request's own instance if it lives, else the liveliest of the rest."""
    order = ("running", "pending", "stopping", "stopped", "shutting-down")
    alive = [i for i in instances if i.state in order]

    def rank(instance: Instance) -> tuple[bool, int]:
        return request is None or instance.id != request.instance_id, order.index(instance.state)

    return min(alive, key=rank, default=None)


def _last(instances: list[Instance], request: Request | None) -> Instance | None:
    """The newest of the request's instances that AWS terminated and still lists (for about an hour)."""
    mine = [i for i in instances if request and i.request_id == request.id and i.state == "terminated"]
    return max(mine, key=lambda i: i.launched.timestamp() if i.launched else 0.0, default=None)


def data_volumes(box: Box) -> tuple[Volume, ...]:
    """The volumes that carry `spotbox:role=data`."""
    return tuple(v for v in box.volumes if v.tags.get(ROLE_TAG) == "data")
