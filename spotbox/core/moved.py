"""What a move knows of a box: where it is to go, what was made of it, and which of two boxes replaces the other. Pure.

Nothing is remembered but at AWS. The box that moves bears `spotbox:moving` (where to); the image, its snapshots and
all that is launched of it bear `spotbox:moved-from`: the instance they were made of and when that had last been
launched (DescribeInstances, LaunchTime: it changes with every start). What was made of an older launch is stale: the
box has run since, and what it wrote then is not in it. That tag goes at the end of a move; `spotbox:since` stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from spotbox.core.boxes import Box, Sight, data_volumes, gather
from spotbox.core.errors import UsageError
from spotbox.core.names import (
    DATA_TAG,
    KEEP_TAG,
    MAX_PRICE_TAG,
    MOVE_ROLE,
    MOVED_TAG,
    MOVING_TAG,
    ROLE_TAG,
    SINCE_TAG,
    Tags,
    box_tags,
    without_aws,
)
from spotbox.core.records import Instance, OwnImage, Snapshot, Volume
from spotbox.core.states import LEAVING, LIVE, State
from spotbox.core.units import show_duration

_LONGEST = 256  # characters of a tag's value (EC2 User Guide, "Tag restrictions")


@dataclass(frozen=True)
class Target:
    """Where a box is to go. No zones: any but the one that it is in. `ran`: it ran when the move began."""

    region: str
    zones: tuple[str, ...]
    types: tuple[str, ...]
    ran: bool = False

    def text(self) -> str:
        """As the tag holds it. UsageError where that is too long for a tag."""
        text = "/".join((self.region, "+".join(self.zones), "+".join(self.types), "ran" if self.ran else "stopped"))
        if len(text) > _LONGEST:
            raise UsageError("so many zones and types cannot be noted on the box", "Name fewer with -z and -t.")
        return text


def parse_target(text: str) -> Target | None:
    """What the tag says; None where it says nothing that a move wrote."""
    parts = text.split("/")
    if len(parts) != 4 or not parts[0] or not parts[2]:
        return None
    return Target(parts[0], _names(parts[1]), _names(parts[2]), parts[3] == "ran")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split("+") if name)


def origin(instance: Instance) -> str:
    """What the instance is now: its id and when it was last launched, to the millisecond that AWS may give."""
    return f"{instance.id}/{_moment(instance.launched)}"


def _moment(when: datetime | None) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03}Z" if when else ""


def instance_in(text: str) -> str:
    """The instance id in what `origin` gave."""
    return text.partition("/")[0]


def made_of(tags: Tags) -> str:
    """Id of the instance that something was made of; empty where it says none."""
    return instance_in(tags.get(MOVED_TAG, ""))


@dataclass(frozen=True)
class Scene:
    """All that there is of a box and of its move. `old` moves, `new` was launched to replace it.

    Where the old one is gone, `old` is None; where no move has launched anything, `new` is. `sights` hold all of the
    owner's, with images and snapshots.
    """

    owner: str
    name: str
    old: Box | None
    new: Box | None
    sights: tuple[Sight, ...]

    @property
    def images(self) -> tuple[OwnImage, ...]:
        """The images of this box's moves, in all regions."""
        found = (gather(sight).get((self.owner, self.name)) for sight in self.sights)
        return tuple(image for parts in found if parts for image in parts.images if image.state != "deregistered")

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """The snapshots of this box's moves, in all regions."""
        found = (gather(sight).get((self.owner, self.name)) for sight in self.sights)
        return tuple(snapshot for parts in found if parts for snapshot in parts.snapshots)

    @property
    def origin(self) -> str:
        """What the box that moves is now; empty where it has no instance."""
        return origin(self.old.instance) if self.old and self.old.instance else ""

    def image(self, region: str) -> OwnImage | None:
        """The image there of the box as it is now; one that AWS failed to make is none."""
        mine = [i for i in self.images if i.region == region and i.tags.get(MOVED_TAG) == self.origin]
        useful = [i for i in mine if i.state in ("pending", "available")]
        return min(useful, key=lambda i: (i.state != "available", i.id), default=None)

    @property
    def useless(self) -> tuple[OwnImage, ...]:
        """Images of the box as it was before it ran again, and such as AWS failed to make.

        One of another instance may be all that is left of that: it is left to `audit` and `down`.
        """
        kept = {image.id for r in {i.region for i in self.images} if (image := self.image(r))}
        mine = instance_in(self.origin)
        return tuple(i for i in self.images if i.id not in kept and made_of(i.tags) == mine)

    @property
    def stale(self) -> bool:
        """Whether the box ran after what is to replace it was made of it.

        Where another instance stands in its place (somebody terminated it, and AWS launched the next with an empty
        disk), what was made of it is all that there is of it.
        """
        instance = self.old.instance if self.old else None
        if instance is None or self.new is None or instance.id != instance_in(self.new.moved_from):
            return False
        return instance.state not in LEAVING and (self.new.moved_from != self.origin or instance.state != "stopped")


def gone(box: Box) -> bool:
    """Whether nothing of it lives or may be launched."""
    alive = any(i.state not in LEAVING for i in box.instances)
    return not alive and not any(r.state in LIVE for r in box.requests)


def doomed(box: Box) -> bool:
    """Whether its Spot request is cancelled: then it can neither be stopped nor started any more."""
    return box.market == "spot" and not any(r.state in LIVE for r in box.requests)


def own_volumes(box: Box) -> list[Volume]:
    """The volumes that move: those attached to it."""
    at = box.instance.id if box.instance else None
    return [volume for volume in box.volumes if at and volume.instance_id == at and KEEP_TAG not in volume.tags]


def apart(box: Box) -> list[Volume]:
    """Its data volumes that do not move with it: its instance has not got them, or not for good yet."""
    own = own_volumes(box)
    return [volume for volume in data_volumes(box) if volume not in own]


def pair(boxes: Sequence[Box]) -> tuple[Box | None, Box | None]:
    """Of boxes of one name the one that moves and the one that was launched to replace it."""
    for new in boxes:
        for old in boxes:
            launched = new.moved_from and new.state is not State.KEPT  # else its disk is all that is left of it
            if new is not old and launched and (_stems_from(new, old) or _marked(old)):
                return old, new
    return None, None


def _stems_from(new: Box, old: Box) -> bool:
    return any(i.id == instance_in(new.moved_from) for i in old.instances)


def _marked(box: Box) -> bool:
    return bool(box.moving) or any(MOVING_TAG in volume.tags for volume in box.volumes)


def image_tags(box: Box) -> dict[str, str]:
    """The tags of the image and its snapshots, by which a later run knows them."""
    assert box.instance  # noqa: S101 - an image is made of an instance
    return box_tags(box.name, box.owner, {ROLE_TAG: MOVE_ROLE, MOVED_TAG: origin(box.instance)})


def image_name(tags: Tags) -> str:
    """The same for the same launch of the same instance: EC2 refuses a second image of one name (CreateImage, Name)."""
    digest = sha256(tags[MOVED_TAG].encode()).hexdigest()[:12]
    return f"{tags['Name']}-{tags[MOVED_TAG].partition('/')[0]}-{digest}"


def moved_tags(box: Box) -> dict[str, str]:
    """The tags that a box takes with it: the user's own, its limits, since when it is there, what it was made of."""
    assert box.instance  # noqa: S101
    fresh = {ROLE_TAG, KEEP_TAG, MOVING_TAG, MAX_PRICE_TAG, DATA_TAG}
    kept = {key: value for key, value in without_aws(box.own_tags).items() if key not in fresh}
    since = _moment(_born(box, box.instance))
    return {**({SINCE_TAG: since} if since else {}), **kept, MOVED_TAG: origin(box.instance)}


def _born(box: Box, instance: Instance) -> datetime | None:
    """When it was first launched, which made its root volume: no time of this run's, that every run finds the same."""
    roots = [v.created for v in box.volumes if v.created and v.instance_id == instance.id and v.delete_on_termination]
    return min(roots, default=instance.launched)


def progress_words(snapshots: Sequence[Snapshot], seconds: float) -> str:
    """`snapshots 42 %, about 3m left (estimate)`: of all bytes, after so many seconds of waiting.

    AWS tells per cent alone, in leaps; what remains is a guess from them.
    """
    sizes = [(s.size_gib or 1, 100 if s.state == "completed" else s.progress or 0) for s in snapshots]
    if not sizes:
        return "waiting for AWS to begin the snapshots"
    done = sum(size * percent for size, percent in sizes) // sum(size for size, _ in sizes)
    told = f"snapshot{'s' if len(sizes) > 1 else ''} {done} %"
    if done >= 100:
        return f"{told}, AWS is finishing the image"
    left = seconds * (100 - done) / done if done else None
    return told if left is None or seconds < 5 else f"{told}, about {show_duration(left)} left (estimate)"
