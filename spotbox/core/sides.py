"""The two sides of a move within a region: what moves, and what was launched to replace it, under one name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spotbox.core.names import MOVED_TAG, Tags
from spotbox.core.states import LIVE

if TYPE_CHECKING:
    from spotbox.core.boxes import Belongings


def sides(parts: Belongings) -> list[Belongings]:
    """What a move launched, apart from what it was made of, as long as that lives; else all as one.

    `spotbox:moved-from` begins with the id of the instance that it was made of.
    """
    living = {i.id for i in parts.instances if i.state != "terminated"}
    living |= {r.instance_id for r in parts.requests if r.state in LIVE and r.instance_id}

    def moved(tags: Tags) -> bool:
        return tags.get(MOVED_TAG, "").partition("/")[0] in living

    requests = [r for r in parts.requests if moved(r.tags)]
    ids = {r.id for r in requests}
    instances = [i for i in parts.instances if i.request_id in ids or moved(i.tags)]
    if not requests and not instances:
        return [parts]
    at = {i.id for i in instances}
    volumes = [v for v in parts.volumes if v.instance_id in at or (not v.instance_id and moved(v.tags))]
    old = replace(
        parts,
        requests=[r for r in parts.requests if r not in requests],
        instances=[i for i in parts.instances if i not in instances],
        volumes=[v for v in parts.volumes if v not in volumes],
    )
    new = replace(parts, requests=requests, instances=instances, volumes=volumes, images=[], snapshots=[])
    return [old, new]
