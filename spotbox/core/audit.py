"""What exists of spotbox's and is no part of a healthy box: why, what removes it, and the plan of `audit --fix`.

A healthy box has a Spot request that may launch or has launched, or an instance on demand. Pure: what was seen and the
time go in, findings come out.
"""

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from spotbox.core.boxes import Sight, assemble, gather
from spotbox.core.corner import Corner, owner_words
from spotbox.core.errors import UsageError
from spotbox.core.findings import TRACE, Finding, Survey, trace
from spotbox.core.idle import idle_volumes
from spotbox.core.names import (
    KEEP_TAG,
    MOVE_ROLE,
    MOVED_TAG,
    NAME_TAG,
    OWNER_TAG,
    ROLE_TAG,
    check_name,
    without_aws,
)
from spotbox.core.plans import owns_key
from spotbox.core.records import Instance, Request
from spotbox.core.states import LIVE
from spotbox.core.steps import (
    Cancel,
    DeleteGroup,
    DeleteKey,
    DeleteSnapshot,
    DeleteVolume,
    DeregisterImage,
    Plan,
    Step,
    TagAgain,
    Terminate,
)


def audit(survey: Survey, owner: str | None, me: str, fresh: datetime) -> tuple[Finding, ...]:
    """The findings of one region, of one owner or (None) of all. `me` is who asks: others are named in the remedies.

    What was made after `fresh` AWS may show in part only: nothing is concluded from what is missing around it.
    """
    sight = survey.sight
    boxes = {(box.owner, box.name): box for box in reversed(assemble(sight))}  # of two, one moves: that one
    requests = {r.id: r for r in sight.requests}
    found: list[Finding] = []
    busy: set[str] = set()  # owners with a healthy box here
    for (whose, name), parts in sorted(gather(sight).items()):
        if owner not in (None, whose):
            continue
        corner = Corner(survey, whose, name, parts, boxes.get((whose, name)), requests, me, fresh)
        busy |= {whose} if corner.healthy else set()
        found += [*_instances(corner), *_requests(corner), *_volumes(corner), *_groups(corner)]
    found += _traced(survey, owner, me)
    found += _images(survey, owner, me)
    found += _snapshots(survey, owner, me)
    return (*found, *_keys(sight, owner, me, busy, fresh))


def _instances(corner: Corner) -> Iterator[Finding]:
    for instance in corner.alive:
        request = corner.requests.get(instance.request_id or "")
        bill: dict[str, Any] = {"instance": instance, "volumes": tuple(corner.parts.volumes)}
        if corner.orphaned(instance):
            why = "its Spot request is cancelled, but the instance runs on"
            if instance.state == "stopped":
                why = "its Spot request is cancelled; AWS usually terminates it soon, its disk bills until then"
            if request is None:
                why = "AWS shows no Spot request of it"
            ids = (instance.request_id,) if request is None and instance.request_id else ()
            steps: tuple[Step, ...] = (Cancel(corner.region, ids),) if ids else ()
            steps = (*steps, Terminate(corner.region, (instance.id,)))
            yield corner.finding("instance", instance.id, why, lot="instance", steps=steps, **bill)
        elif NAME_TAG not in instance.tags and request:
            yield _relaunched(corner, instance, request)
        elif request and NAME_TAG not in request.tags:
            steps = (TagAgain(corner.region, (request.id,), without_aws(instance.tags)),)
            why = f"the Spot request of {corner.name} lost its tags; `audit --fix` tags it again"
            yield corner.finding("spot-request", request.id, why, lot="tags", steps=steps)
        elif MOVED_TAG in (request.tags if request else instance.tags):
            why = f"a move of {corner.name} launched it, and is not complete"
            yield corner.finding("instance", instance.id, why, _move(corner.name, corner.owner, corner.me), **bill)
        elif corner.box and corner.box.instance and corner.box.instance.id != instance.id:
            why = f"a second instance of {corner.name}: `status` shows {corner.box.instance.id}; `down` removes both"
            yield corner.finding("instance", instance.id, why, **bill)


def _relaunched(corner: Corner, instance: Instance, request: Request) -> Finding:
    bare = [v.id for v in corner.parts.volumes if v.instance_id == instance.id and NAME_TAG not in v.tags]
    known: Mapping[str, str] = request.tags
    if NAME_TAG not in known:  # it lost them too: the instance before this one has them
        known = corner.box.tags if corner.box else {}
        bare.append(request.id)
    tags = TagAgain(corner.region, (instance.id, *bare), without_aws(known))
    why = "launched again by AWS, without tags; `spotbox audit --fix` tags it again"
    volumes = tuple(corner.parts.volumes)
    return corner.finding(
        "instance", instance.id, why, lot="tags", steps=(tags,), instance=instance, volumes=volumes
    )  # fmt: skip


def _requests(corner: Corner) -> Iterator[Finding]:
    """Requests that stand without an instance: the box's own waits, another one is a stray."""
    launched = {i.request_id for i in corner.alive}
    for request in corner.parts.requests:
        launching = request.state == "active" and request.instance_id  # its instance is not shown yet
        if request.state not in LIVE or request.id in launched or launching:
            continue
        box = corner.box
        if box and not corner.stray(request):
            why = f"a standing request ({box.reason}); AWS may fulfil it at any time, `spotbox up` waits on it"
            yield corner.finding("spot-request", request.id, why, volumes=box.volumes)
        else:
            words = ["aws", "ec2", "cancel-spot-instance-requests", "--region", corner.region]
            remedy = shlex.join([*words, "--spot-instance-request-ids", request.id])
            why = f"a second request of {corner.name} that AWS may fulfil at any time"
            steps = (Cancel(corner.region, (request.id,)),)
            yield corner.finding("spot-request", request.id, why, remedy, lot="spot-request", steps=steps)


def _volumes(corner: Corner) -> Iterator[Finding]:
    """Volumes that no healthy box has and that do not go with an instance by themselves; and such as are kept beside a
    box that does not use them."""
    if corner.healthy:
        whose = owner_words(corner.owner, corner.me)
        for volume, why, remedy in idle_volumes(corner.box, corner.parts.volumes, whose):
            yield corner.finding("volume", volume.id, why, remedy, volumes=(volume,), kept=KEEP_TAG in volume.tags)
        return
    own = {i.id for i in corner.parts.instances}
    leaving = {i.id for i in corner.parts.instances if i.state == "shutting-down"}
    for volume in corner.parts.volumes:
        if volume.state in ("deleting", "deleted") or (volume.delete_on_termination and volume.instance_id in own):
            continue
        if KEEP_TAG in volume.tags:
            why = "kept, as asked by `down --keep-data`; the next `up` takes it back"
            yield corner.finding("volume", volume.id, why, volumes=(volume,), kept=True)
        elif volume.instance_id in leaving:
            why = "its instance is being terminated; nobody asked to keep it: look again in a minute"
            yield corner.finding("volume", volume.id, why, volumes=(volume,))
        elif volume.instance_id and volume.instance_id not in own:
            why = f"its box is gone, and it is attached to {volume.instance_id}, which is no part of one"
            yield corner.finding("volume", volume.id, why, volumes=(volume,))
        else:
            steps = (DeleteVolume(corner.region, volume.id, volume.size_gib),)
            why = "its box is gone, and nobody asked to keep it"
            yield corner.finding("volume", volume.id, why, lot="volume", steps=steps, volumes=(volume,))


def _groups(corner: Corner) -> Iterator[Finding]:
    if corner.healthy:
        return
    for group in corner.parts.groups:
        steps = (DeleteGroup(corner.region, group.id, group.name),)
        why = "no healthy box is in it; an `up` under way makes one first"
        yield corner.finding("security-group", group.id, why, lot="security-group", steps=steps)


def _traced(survey: Survey, owner: str | None, me: str) -> Iterator[Finding]:
    region, requests = survey.sight.region, {r.id: r for r in survey.sight.requests}
    for instance in survey.traced:
        whose, bears = trace(instance, survey.sight, owner) or (None, "its key pair or group")
        request = requests.get(instance.request_id or "")
        ids = (instance.request_id,) if instance.request_id and (not request or request.state in LIVE) else ()
        steps: tuple[Step, ...] = (Cancel(region, ids),) if ids else ()
        steps = (*steps, Terminate(region, (instance.id,)))
        why = f"bears only spotbox's traces ({bears}), no tags: perhaps not spotbox's at all"
        yield Finding(
            "instance", instance.id, region, None, whose, why, _fix(region, whose, me), TRACE, steps,
            instance=instance, volumes=survey.disks,
        )  # fmt: skip


def _images(survey: Survey, owner: str | None, me: str) -> Iterator[Finding]:
    """Images that moves made: a move that is complete leaves none. What they bill is their snapshots."""
    for image in survey.images:
        whose, name = image.tags.get(OWNER_TAG), image.tags.get(NAME_TAG, "")
        if owner not in (None, whose):
            continue
        why = f"a move of {name} made it, which is under way or was cut off; it bills its snapshots"
        steps = (DeregisterImage(image.region, image.id),)
        yield Finding("image", image.id, image.region, name, whose, why, _move(name, whose, me), "image", steps)


def _move(name: str, owner: str | None, me: str) -> str:
    """The command that goes on with a move; for a name that no command takes, the one that removes what it made."""
    try:
        return shlex.join(["spotbox", "move", check_name(name), *owner_words(owner, me)])
    except UsageError:
        return shlex.join(["spotbox", "audit", "--fix", *owner_words(owner, me)])


def _snapshots(survey: Survey, owner: str | None, me: str) -> Iterator[Finding]:
    for snapshot in survey.snapshots:
        whose, region = snapshot.tags.get(OWNER_TAG), snapshot.region
        if owner not in (None, whose):
            continue
        done = snapshot.state != "pending"
        moves = snapshot.tags.get(ROLE_TAG) == MOVE_ROLE
        of = f" of a move of {snapshot.tags.get(NAME_TAG, '')}" if moves else ""
        remedy = _move(snapshot.tags.get(NAME_TAG, ""), whose, me) if moves else _fix(region, whose, me)
        yield Finding(
            "snapshot", snapshot.id, region, snapshot.tags.get(NAME_TAG), whose,
            f"a snapshot{of} is {'left' if done else 'being made'}; it bills at most this",
            remedy, "snapshot" if done else "",
            (DeleteSnapshot(region, snapshot.id, snapshot.size_gib),) if done else (), snapshot=snapshot,
        )  # fmt: skip


def _keys(sight: Sight, owner: str | None, me: str, busy: Collection[str], fresh: datetime) -> Iterator[Finding]:
    for key in sight.keys:
        whose = key.tags.get(OWNER_TAG, "")
        young = key.created and key.created > fresh
        if owner in (None, whose) and whose not in busy and owns_key(key, whose) and not young:
            yield Finding(
                "key-pair", key.id, sight.region, None, whose, f"{whose} has no box in this region",
                _fix(sight.region, whose, me), "key-pair", (DeleteKey(sight.region, key.id, key.name),),
            )  # fmt: skip


def _fix(region: str, owner: str | None, me: str) -> str:
    return shlex.join(["spotbox", "audit", "--fix", "-r", region, *owner_words(owner, me)])


def plan_fix(findings: Sequence[Finding], surveys: Sequence[Survey]) -> Plan:
    """The steps of these findings: tags first, cancel before terminate, then what was held by what is gone.

    What an instance that stays still uses (its group, a volume of somebody's box attached to it) is left.
    """
    steps = [step for finding in findings for step in finding.steps]
    ending = {id_ for step in steps if isinstance(step, Terminate) for id_ in step.instance_ids}
    staying = [
        i
        for survey in surveys
        for i in (*survey.sight.instances, *survey.traced)
        if i.id not in ending and i.state != "terminated"
    ]
    held = {id_ for i in staying for id_ in (*i.group_ids, *i.volume_ids)}
    order: dict[type, int] = {
        TagAgain: 0, Cancel: 1, Terminate: 2, DeleteVolume: 3, DeregisterImage: 4, DeleteSnapshot: 5, DeleteGroup: 6,
        DeleteKey: 7,
    }  # fmt: skip
    free = [step for step in steps if not (isinstance(step, DeleteGroup) and step.group_id in held)]
    free = [step for step in free if not (isinstance(step, DeleteVolume) and step.volume_id in held)]
    return tuple(sorted(free, key=lambda step: order[type(step)]))
