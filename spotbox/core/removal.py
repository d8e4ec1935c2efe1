"""What a removal concerns: the ids in a step, what goes with an instance, and how young it all is."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from spotbox.core.boxes import Belongings, Sight, gather
from spotbox.core.moved import parse_target
from spotbox.core.names import MOVING_TAG, OWNER_TAG
from spotbox.core.states import LIVE
from spotbox.core.steps import (
    Cancel,
    DeleteGroup,
    DeleteKey,
    DeleteSnapshot,
    DeleteVolume,
    DeregisterImage,
    KeepVolume,
    Step,
    Terminate,
)


def parts_of(step: Step) -> list[dict[str, str]]:
    """The things that a step of `down` removes or keeps: kind, id and region of each."""
    match step:
        case Cancel(region, ids):
            return [{"kind": "spot-request", "id": id_, "region": region} for id_ in ids]
        case Terminate(region, ids):
            return [{"kind": "instance", "id": id_, "region": region} for id_ in ids]
        case DeleteVolume(region, id_) | KeepVolume(region, id_):
            return [{"kind": "volume", "id": id_, "region": region}]
        case DeleteSnapshot(region, id_):
            return [{"kind": "snapshot", "id": id_, "region": region}]
        case DeregisterImage(region, id_):
            return [{"kind": "image", "id": id_, "region": region}]
        case DeleteGroup(region, id_):
            return [{"kind": "security-group", "id": id_, "region": region}]
        case DeleteKey(region, id_):
            return [{"kind": "key-pair", "id": id_, "region": region}]
        case _:
            return []


def _chosen(sights: Sequence[Sight], owner: str, names: Sequence[str] | None) -> Iterable[tuple[str, Belongings]]:
    for sight in sights:
        for (whose, name), parts in gather(sight).items():
            if whose == owner and (names is None or name in names):
                yield sight.region, parts


def going_with_instances(sights: Sequence[Sight], owner: str, names: Sequence[str] | None) -> list[tuple[str, str]]:
    """(region, volume id) of the volumes that AWS deletes with their instance."""
    return [
        (region, volume.id)
        for region, parts in _chosen(sights, owner, names)
        for volume in parts.volumes
        if volume.delete_on_termination and volume.instance_id in {i.id for i in parts.instances}
    ]


def outline(plan: Sequence[Step], going: Sequence[tuple[str, str]]) -> list[str]:
    """What a removal does, in words; `going` are the volumes that go with an instance."""
    with_it = [f"delete volume {id_} ({region}) and all that is on it, with its instance" for region, id_ in going]
    return [*map(str, plan), *with_it]


def youngest(sights: Sequence[Sight], owner: str, names: Sequence[str] | None) -> datetime | None:
    """When the newest thing of these boxes was made; ages come from AWS."""
    times = [
        when
        for _, parts in _chosen(sights, owner, names)
        for when in (
            *(r.created for r in parts.requests),
            *(i.launched for i in parts.instances),
            *(v.created for v in parts.volumes),
            *(i.created for i in parts.images),
        )
        if when
    ]
    return max(times, default=None)


def concerned(sights: Sequence[Sight], owner: str, names: Sequence[str] | None) -> list[str]:
    """The regions that have anything of these boxes, or a key of their owner's, or where one of them moves to: what
    comes late comes there."""
    regions = {region for region, _ in _chosen(sights, owner, names)}
    notes = {r.tags.get(MOVING_TAG, "") for _, parts in _chosen(sights, owner, names) for r in parts.requests}
    notes |= {i.tags.get(MOVING_TAG, "") for _, parts in _chosen(sights, owner, names) for i in parts.instances}
    # The note is outside input: only what was looked at already is looked at again.
    regions |= {sight.region for sight in sights} & {target.region for note in notes if (target := parse_target(note))}
    regions |= {sight.region for sight in sights if any(k.tags.get(OWNER_TAG) == owner for k in sight.keys)}
    return sorted(regions)


def doubt(
    sights: Sequence[Sight], plan: Sequence[Step], owner: str, names: Sequence[str] | None, now: datetime, settle: float
) -> float:
    """For how many seconds from `now` AWS may still bring to light what belongs to these boxes.

    Nothing is in doubt that is older than `settle` seconds by AWS's own times. A request that is open when it is
    cancelled may be fulfilled at that moment; a security group (it has no time) that is all there is of a box was
    made for a launch; and a key pair just imported is followed by one.
    """
    if opened(sights, plan):
        return settle
    chosen = [parts for _, parts in _chosen(sights, owner, names)]
    if any(parts.groups and not (parts.requests or parts.instances or parts.volumes) for parts in chosen):
        return settle
    marks = [r.tags for parts in chosen for r in parts.requests] + [i.tags for parts in chosen for i in parts.instances]
    if plan and any(MOVING_TAG in tags for tags in marks):
        return settle  # a move was under way: an image that was asked for may not be shown yet, nor a launch
    # Where there is nothing left to do, what has ended is no reason to wait: `down` twice is quick.
    newest = youngest(sights, owner, names) if plan else None
    keys = [k.created for sight in sights for k in sight.keys if k.created and k.tags.get(OWNER_TAG) == owner]
    times = [*([newest] if newest else []), *keys]
    return max((max(0.0, min(settle, settle - (now - when).total_seconds())) for when in times), default=0.0)


def opened(sights: Sequence[Sight], plan: Sequence[Step]) -> bool:
    """Whether a request that the plan cancels was open: it may be fulfilled at that moment."""
    ids = {id_ for step in plan if isinstance(step, Cancel) for id_ in step.request_ids}
    return any(r.state == "open" and r.id in ids for sight in sights for r in sight.requests)


def ended(sights: Sequence[Sight]) -> set[str]:
    """Ids of the requests and instances that AWS itself shows as cancelled and terminated. Absence is no proof."""
    over = {r.id for sight in sights for r in sight.requests if r.state not in LIVE}
    return over | {i.id for sight in sights for i in sight.instances if i.state == "terminated"}
