"""The two sides of a move within a region: what moves, and what was launched to replace it, under one name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spotbox.core.names import MOVED_TAG, Tags
from spotbox.core.states import LIVE

if TYPE_CHECKING:
    from spotbox.core.boxes import Belongings
    from spotbox.core.records import Instance


def sides(parts: Belongings) -> list[Belongings]:
    """What a move launched, apart from what it is to replace, as long as both live; else all as one.

    `spotbox:moved-from` begins with the id of the instance that it was made of.
    """
    asked = {request.id: _source(request.tags) for request in parts.requests}

    def source(instance: Instance) -> str:  # the request speaks first: a relaunched instance has no tags of its own
        return asked.get(instance.request_id or "", _source(instance.tags))

    living = {asked[request.id] for request in parts.requests if request.state in LIVE}
    living |= {source(instance) for instance in parts.instances if instance.state != "terminated"}
    if len(living) < 2:
        return [parts]
    # Of two that moves launched the later one was made of the other.
    others = {instance.id: source(instance) for instance in parts.instances}
    new = next((each for each in sorted(living) if each and others.get(each, each) != each), max(living))
    requests = [r for r in parts.requests if asked[r.id] == new]
    instances = [i for i in parts.instances if source(i) == new]
    at = {i.id for i in instances}
    volumes = [v for v in parts.volumes if v.instance_id in at or (not v.instance_id and _source(v.tags) == new)]
    old = replace(
        parts,
        requests=[r for r in parts.requests if r not in requests],
        instances=[i for i in parts.instances if i not in instances],
        volumes=[v for v in parts.volumes if v not in volumes],
    )
    return [old, replace(parts, requests=requests, instances=instances, volumes=volumes, images=[], snapshots=[])]


def _source(tags: Tags) -> str:
    return tags.get(MOVED_TAG, "").partition("/")[0]
