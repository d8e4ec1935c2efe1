"""What a removal concerns: the ids in a step, what goes with an instance, and how young it all is."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from spotbox.core.boxes import Belongings, Sight, gather
from spotbox.core.steps import (
    Cancel,
    DeleteGroup,
    DeleteKey,
    DeleteSnapshot,
    DeleteVolume,
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


def youngest(sights: Sequence[Sight], owner: str, names: Sequence[str] | None) -> datetime | None:
    """When the newest thing of these boxes was made; ages come from AWS."""
    times = [
        when
        for _, parts in _chosen(sights, owner, names)
        for when in (
            *(r.created for r in parts.requests),
            *(i.launched for i in parts.instances),
            *(v.created for v in parts.volumes),
        )
        if when
    ]
    return max(times, default=None)
