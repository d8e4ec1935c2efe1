"""Of a data volume and of the copy that a move has made of it: which one `down --keep-data` keeps. Pure.

The copy of a move that was cut off counts once what was launched of it has been proven (then it bears the role `data`),
and only while the original cannot hold more: its instance has not run since (its LaunchTime would have moved). Until
then the original counts. Where that cannot be told both are kept, and said so.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from spotbox.core.boxes import Sight, gather
from spotbox.core.moved import made_of, origin
from spotbox.core.names import KEEP_TAG, MOVED_TAG, MOVING_TAG, ROLE_TAG
from spotbox.core.records import Instance, Volume
from spotbox.core.states import LEAVING, LIVE

_BY_USER = (
    "instance-stopped-by-user"  # AWS restarts what it has stopped, and no other (EC2 User Guide, spot-request-status)
)


@dataclass(frozen=True)
class Keeping:
    """Ids of data volumes that are not kept, as a newer copy is; of volumes that are, though they lack the role; and
    what the user is told of it."""

    outdated: frozenset[str] = frozenset()
    besides: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()


def keeping(sights: Sequence[Sight], owner: str, names: Sequence[str] | None) -> Keeping:
    """What `--keep-data` makes of the data volumes of these boxes (names None: all), where a move has doubled them."""
    outdated: set[str] = set()
    besides: set[str] = set()
    remarks: list[str] = []
    found = [gather(sight) for sight in sights]
    for name in sorted({name for parts in found for whose, name in parts if whose == owner}):
        if names is not None and name not in names:
            continue
        own = [parts[owner, name] for parts in found if (owner, name) in parts]
        volumes = [v for each in own for v in each.volumes if _stays(v)]
        pairs = _pairs(volumes)
        instances = [i for each in own for i in each.instances]
        # What AWS has interrupted it may restart at any moment, until its request is cancelled.
        wakes = {r.id for each in own for r in each.requests if r.state in LIVE and r.code != _BY_USER}
        for copy, original in pairs:
            rested = original is not None and _rested(copy, original, instances, wakes)
            text = _judged(copy, original, pairs, rested, outdated, besides)
            remarks += [f"{text}: {name} was being moved"] if text else []
    return Keeping(frozenset(outdated), frozenset(besides), tuple(remarks))


def _judged(
    copy: Volume, original: Volume | None, pairs: Sequence[tuple[Volume, Volume | None]],
    rested: bool, outdated: set[str], besides: set[str],
) -> str:  # fmt: skip
    proven = copy.tags.get(ROLE_TAG) == "data"
    if original is None:
        better = any(other.tags.get(ROLE_TAG) == "data" and other.size_gib >= copy.size_gib for other, _ in pairs)
        if proven or better:
            return ""
        besides.add(copy.id)
        return f"{copy.id} is kept, as no other volume holds what is on it"
    if not proven:
        return f"{original.id} is kept, and not {copy.id}, a copy of it that was never in use"
    if KEEP_TAG not in original.tags and rested:
        outdated.add(original.id)
        return f"{copy.id} is kept, and not {original.id}, of which it is the newer copy"
    return f"{original.id} and its copy {copy.id} are both kept, and bill, as it cannot be told which one is newer"


def _stays(volume: Volume) -> bool:
    """Whether it outlives its instance, and is there."""
    return not volume.delete_on_termination and volume.state in ("in-use", "available")


def _pairs(volumes: Sequence[Volume]) -> list[tuple[Volume, Volume | None]]:
    """Each copy with its original; a proven copy chooses first, and of several originals that at the same device."""
    copies = [v for v in volumes if MOVED_TAG in v.tags and MOVING_TAG not in v.tags]
    copies.sort(key=lambda v: (v.tags.get(ROLE_TAG) != "data", v.id))
    originals = [v for v in volumes if v.tags.get(ROLE_TAG) == "data" and v not in copies]
    free, found = list(originals), []
    for copy in copies:
        mine = [v for v in originals if _may_be_of(copy, v)]
        best = min(mine, key=lambda v: (v not in free, v.device != copy.device, v.id), default=None)
        if best in free and copy.tags.get(ROLE_TAG) == "data":
            free.remove(best)
        found.append((copy, best))
    return found


def _may_be_of(copy: Volume, original: Volume) -> bool:
    at = original.instance_id or ""
    ours = at == made_of(copy.tags) or MOVING_TAG in original.tags
    return ours and original.size_gib <= copy.size_gib


def _rested(copy: Volume, original: Volume, instances: Sequence[Instance], wakes: Collection[str]) -> bool:
    """Whether nothing was written to the original after the copy was made of it, as far as AWS shows, nor can be."""
    source = next((i for i in instances if i.id == made_of(copy.tags)), None)
    if source is None or source.state not in ("stopped", *LEAVING) or origin(source) != copy.tags[MOVED_TAG]:
        return False
    if source.state == "stopped" and source.request_id in wakes:
        return False
    made = {i.id for i in instances if i.tags.get(MOVED_TAG) == copy.tags[MOVED_TAG]}
    others = {i.id for i in instances} - made - {source.id}  # AWS launched it anew, and that one may have had it
    return original.instance_id in (None, source.id) and not others
