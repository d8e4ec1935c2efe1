"""Moving a box to another zone, region or type, its disks included: what comes next, whatever was cut off. Pure.

Laws, each with a test: what moves is retired only once what replaces it is proven, and only while that holds all of it;
its request is cancelled before its instance is terminated; at every moment one of the two is whole.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from spotbox.core.boxes import Box, Sight, assemble
from spotbox.core.moved import (
    Scene,
    Target,
    doomed,
    gone,
    image_name,
    image_tags,
    instance_in,
    made_of,
    own_volumes,
    pair,
)
from spotbox.core.names import DATA_TAG, KEEP_TAG, MOVED_TAG, MOVING_TAG, ROLE_TAG, Tags
from spotbox.core.plans import plan_down
from spotbox.core.records import Instance, Snapshot, Volume
from spotbox.core.states import LEAVING, LIVE, State
from spotbox.core.steps import (
    Cancel,
    DeleteGroup,
    DeleteKey,
    DeleteSnapshot,
    DeleteVolume,
    DeregisterImage,
    Plan,
    SetLimit,
    Step,
    TagAgain,
    Terminate,
)


def behold(sights: Sequence[Sight], owner: str, name: str) -> tuple[Scene, tuple[Box, ...]]:
    """The scene, and boxes of that name that have no part in it (there should be none)."""
    boxes = [box for sight in sights for box in assemble(sight) if (box.owner, box.name) == (owner, name)]
    old, new = pair(boxes)
    if new is None and len(boxes) == 1:
        (box,) = boxes
        # One that still says what it was made of has moved, but not all is gone of what it replaced.
        old, new = (None, box) if box.moved_from and box.state is not State.KEPT else (box, None)
    return Scene(owner, name, old, new, tuple(sights)), tuple(box for box in boxes if box not in (old, new))


class Phase(StrEnum):
    """What comes next."""

    MARK = "mark"  # note on the box where it goes
    STOP = "stop"
    TIDY = "tidy"  # take away what is of no use any more
    IMAGE = "image"
    COPY = "copy"
    LAUNCH = "launch"
    PROVE = "prove"  # and then retire
    CLEAN = "clean"  # the old one is gone
    LOST = "lost"  # it can be neither moved nor replaced


@dataclass(frozen=True)
class MakeImage:
    """Make an image of a stopped box with all its volumes, or take the one that is being made, and wait for it."""

    region: str
    instance_id: str
    name: str
    tags: Tags
    size_gib: int

    def __str__(self) -> str:
        return f"make an image of {self.instance_id} with all its volumes ({self.size_gib} GiB)"


@dataclass(frozen=True)
class CopyImage:
    """Copy the image to another region, encrypted, or take the copy that is being made, and wait for it."""

    region: str
    source_region: str
    image_id: str
    name: str
    tags: Tags

    def __str__(self) -> str:
        return f"copy image {self.image_id} to {self.region}, encrypted"


@dataclass(frozen=True)
class Next:
    """The phase, and the steps of it that need nothing else; launch, proof and the wait to stop are the command's."""

    phase: Phase
    steps: Plan = ()
    make: MakeImage | CopyImage | None = None


def whats_next(scene: Scene, target: Target) -> Next:
    """The next thing to do. Doing it and looking again ends in DONE; from wherever it was cut off."""
    old, new = scene.old, scene.new
    if new is not None:
        if old is None or gone(old):
            if _dead(new):  # then what the move has made is all that there is of the box
                return Next(Phase.LOST)
            return Next(Phase.CLEAN, (*settle(new), *retirement(scene), *arrived(new)))
        if _dead(new) or (scene.stale and not doomed(old)):
            return Next(Phase.TIDY, discard(scene))
        return Next(Phase.PROVE)
    if old is None or old.instance is None or old.instance.state in LEAVING or doomed(old):
        return Next(Phase.LOST)
    if marks := mark(old, target):
        return Next(Phase.MARK, marks)
    if old.instance.state != "stopped":
        return Next(Phase.STOP)
    if steps := _waste(scene):
        return Next(Phase.TIDY, steps)
    return _imaging(scene, old, old.instance, target)


def _imaging(scene: Scene, old: Box, instance: Instance, target: Target) -> Next:
    tags = image_tags(old)
    image = scene.image(old.region)
    if image is None or image.state == "pending":
        size = sum(volume.size_gib for volume in old.volumes)
        return Next(Phase.IMAGE, make=MakeImage(old.region, instance.id, image_name(tags), tags, size))
    copy = scene.image(target.region)
    if copy is None or copy.state == "pending":
        made = CopyImage(target.region, old.region, image.id, image_name(tags), tags)
        return Next(Phase.COPY, make=made)
    return Next(Phase.LAUNCH)


def _dead(new: Box) -> bool:
    """Nothing of it lives, or AWS took it before it was proven: only AWS could bring it back."""
    alive = any(i.state not in LEAVING for i in new.instances)
    waits = any(r.state in LIVE for r in new.requests)
    return not alive and not waits


def mark(old: Box, target: Target) -> tuple[SetLimit, ...]:
    """Note on request, instance and volumes where the box goes, and on no other volume; nothing where all say so."""
    parts = [(part.id, part.tags) for part in (old.request, old.instance) if part]
    parts += [(volume.id, volume.tags) for volume in own_volumes(old)]
    text = target.text()
    stale = tuple(id_ for id_, tags in parts if tags.get(MOVING_TAG) != text)
    steps = [SetLimit(old.region, stale, {MOVING_TAG: text})] if stale else []
    # What an earlier instance had, and this one has not, is in no image of it: it must not be retired as if it were.
    own = {id_ for id_, _ in parts}
    if apart := tuple(v.id for v in old.volumes if v.id not in own and MOVING_TAG in v.tags):
        steps.append(SetLimit(old.region, apart, {}, (MOVING_TAG,)))
    return tuple(steps)


def unmark(old: Box) -> tuple[SetLimit, ...]:
    """Take the note away again."""
    parts = [(part.id, part.tags) for part in (old.request, old.instance) if part]
    parts += [(volume.id, volume.tags) for volume in old.volumes]
    ids = tuple(id_ for id_, tags in parts if MOVING_TAG in tags)
    return (SetLimit(old.region, ids, {}, (MOVING_TAG,)),) if ids else ()


def arrived(new: Box) -> tuple[SetLimit, ...]:
    """The last step of all: a box that has moved, and left nothing behind, is one like any other."""
    parts = [(part.id, part.tags) for part in (new.request, new.instance) if part]
    parts += [(volume.id, volume.tags) for volume in own_volumes(new)]
    ids = tuple(id_ for id_, tags in parts if MOVED_TAG in tags)
    return (SetLimit(new.region, ids, {}, (MOVED_TAG,)),) if ids else ()


def settle(new: Box, old: Box | None = None) -> Plan:
    """What a launch cannot say: which volume is which, for all volumes of a launch get the same tags.

    The data volume is the one in the place of the old box's; a disk that the user attached may be there besides.
    """
    instance = new.instance
    if instance is None:
        return ()
    places = {v.device for v in (own_volumes(old) if old else []) if v.tags.get(ROLE_TAG) == "data"}
    data = [v for v in new.volumes if v.instance_id == instance.id and not v.delete_on_termination]
    data.sort(key=lambda volume: (volume.device not in places, volume.id))
    steps: list[Step] = []
    if stale := tuple(v.id for v in data if v.tags.get(ROLE_TAG) != "data"):
        steps.append(TagAgain(new.region, stale, {ROLE_TAG: "data"}))
    if data and new.own_tags.get(DATA_TAG) not in {v.id for v in (data if old is None else data[:1])}:
        ids = tuple(part.id for part in (new.request, instance) if part)
        steps.append(TagAgain(new.region, ids, {DATA_TAG: data[0].id}))
    return tuple(steps)


def lacking(scene: Scene) -> tuple[str, ...]:
    """Devices of the box that moves for which what replaces it has no attached volume."""
    old, new = scene.old, scene.new
    if new is None or new.instance is None:
        return ("the root disk",)
    have = {v.device for v in new.volumes if v.instance_id == new.instance.id and v.state == "in-use"}
    wanted = [v.device for v in (own_volumes(old) if old else [])]
    return tuple(device for device in wanted if device and device not in have)


def retirement(scene: Scene) -> Plan:
    """Steps that remove all that the new box replaces, once it is proven: by the laws of `down`, and nothing of it.

    A volume goes only if it bears the mark of the move, or where the move was launched twice and the other one has it.
    """
    new = scene.new
    assert new is not None  # noqa: S101
    steps = plan_down([_without(sight, new) for sight in scene.sights], scene.owner, [scene.name])
    return tuple(step for step in steps if not _needed(step, scene, new))


def _needed(step: Step, scene: Scene, new: Box) -> bool:
    match step:
        case DeleteGroup(_, id_):
            return bool(new.instance and id_ in new.instance.group_ids)
        case DeleteKey(region):
            return region == new.region
        case DeleteVolume(_, id_):
            volumes = {v.id: v for sight in scene.sights for v in sight.volumes}
            rivals = {i.id for i in new.instances if new.instance and i.id != new.instance.id}
            goes = MOVING_TAG in volumes[id_].tags or volumes[id_].instance_id in rivals
            return not (goes or _doubled(volumes[id_], new)) or KEEP_TAG in volumes[id_].tags
        case DeregisterImage(_, id_):
            return id_ not in {image.id for image in scene.images if made_of(image.tags) == instance_in(new.moved_from)}
        case DeleteSnapshot(_, id_):
            return id_ not in {s.id for s in scene.snapshots if made_of(s.tags) == instance_in(new.moved_from)}
    return False


def _doubled(volume: Volume, new: Box) -> bool:
    """Whether a volume is left of a second launch of the same move, whose instance is gone: the new box has its own."""
    at = new.instance.id if new.instance else ""
    own = [v for v in new.volumes if v.instance_id == at and not v.delete_on_termination]
    same = bool(new.moved_from) and volume.tags.get(MOVED_TAG) == new.moved_from and volume.instance_id is None
    return same and any(v.size_gib >= volume.size_gib and v.tags.get(MOVED_TAG) == new.moved_from for v in own)


def _without(sight: Sight, new: Box) -> Sight:
    """The sight without what is the new box's own."""
    requests, instances = {r.id for r in new.requests}, {i.id for i in new.instances}
    if new.request and new.instance:  # what it replaced may be merged with it, once that is gone
        requests, instances = {new.request.id}, {new.instance.id}
    volumes = {v.id for v in new.volumes if v.instance_id in instances}
    return replace(
        sight,
        requests=tuple(r for r in sight.requests if r.id not in requests),
        instances=tuple(i for i in sight.instances if i.id not in instances),
        volumes=tuple(v for v in sight.volumes if v.id not in volumes),
    )


def discard(scene: Scene) -> Plan:
    """Steps that take away what a move launched and must not replace the box; the box itself is not touched."""
    new, old = scene.new, scene.old
    assert new is not None and old is not None  # noqa: S101, PT018
    requests = tuple(r.id for r in new.requests if r.state in LIVE)
    instances = tuple(i.id for i in new.instances if i.state != "terminated")
    made = [v for v in new.volumes if KEEP_TAG not in v.tags]
    volumes = [v for v in made if not (v.delete_on_termination and v.instance_id in instances)]
    steps: list[Step] = [Cancel(new.region, requests)] if requests else []
    steps += [Terminate(new.region, instances)] if instances else []
    steps += [DeleteVolume(new.region, v.id, v.size_gib) for v in volumes]
    return tuple(steps)


def _waste(scene: Scene) -> Plan:
    """Steps that remove images of no use, and snapshots that no useful image has."""
    useless = scene.useless
    steps: list[Step] = [DeregisterImage(image.region, image.id) for image in useless]
    mine = [s for s in scene.snapshots if made_of(s.tags) == instance_in(scene.origin)]
    steps += _delete(s for s in mine if s.tags.get(MOVED_TAG) != scene.origin)
    dropped = {disk.snapshot_id for image in useless for disk in image.disks}
    steps += _delete(s for s in mine if s.id in dropped and s.tags.get(MOVED_TAG) == scene.origin)
    return tuple(steps)


def _delete(snapshots: Iterable[Snapshot]) -> list[Step]:
    return [DeleteSnapshot(s.region, s.id, s.size_gib) for s in snapshots]


def surrender(scene: Scene) -> Plan:
    """Steps that give the move up: all that was made for it goes, the box stays as it is, without the mark."""
    old = scene.old
    assert old is not None  # noqa: S101
    steps: list[Step] = [*discard(scene)] if scene.new else []
    mine = instance_in(scene.origin)
    steps += [DeregisterImage(image.region, image.id) for image in scene.images if made_of(image.tags) == mine]
    steps += _delete(s for s in scene.snapshots if made_of(s.tags) == mine)
    away = [sight for sight in scene.sights if sight.region != old.region]
    grounds = [s for s in plan_down(away, scene.owner, [scene.name]) if isinstance(s, DeleteGroup | DeleteKey)]
    return (*steps, *grounds, *unmark(old))
