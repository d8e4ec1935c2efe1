"""What each step of a plan does to a World, as AWS would do it."""

from dataclasses import replace

from spotbox.core import steps as s
from spotbox.core.copytag import copy_mark
from spotbox.core.errors import SpotboxError
from spotbox.core.names import COPY_TAG, DATA_TAG, KEEP_TAG, MAX_PRICE_TAG, ROLE_TAG, USER_TAG, box_tags
from spotbox.core.records import Group, Request, Snapshot, Volume
from tests.commands.imaging import add_data


def launched(world, wish, offer, spot=True):
    """AWS accepts a launch: a request (none on demand), its instance and its volume, tagged in the call."""
    request = _request(world, wish, offer, spot)
    tags = request.tags
    at = world.launched(request, tags, tags | {ROLE_TAG: "root"}, _key(wish, offer), _groups(world, wish, offer),
                        wish.disk_gib)  # fmt: skip
    add_data(world, wish, at)
    world.user_data[at] = wish.user_data
    world.instances[at] = replace(world.instances[at], subnet_id=wish.grounds[offer.region].subnets[offer.zone])
    if not spot:
        del world.requests[request.id]
        world.instances[at] = replace(world.instances[at], lifecycle=None, request_id=None)
    return at


def parked(world, wish, offer):
    """AWS takes a standing request; the test says when it is fulfilled (World.relaunch)."""
    request = _request(world, wish, offer, True)
    world.requests[request.id] = replace(request, state="open", code="capacity-not-available")
    world.user_data[request.id] = wish.user_data
    world.grounds[request.id] = (_key(wish, offer), _groups(world, wish, offer))
    return world.requests[request.id]


def _request(world, wish, offer, spot):
    bid = wish.bid(offer) if spot else None
    tags = box_tags(wish.name, wish.owner, {**wish.tags, USER_TAG: wish.user})
    tags |= {MAX_PRICE_TAG: f"{bid:f}"} if bid is not None else {}
    return Request(f"sir-{world.number()}", offer.region, "active", "fulfilled", "", "persistent", None,
                   offer.type.name, offer.zone, bid or offer.on_demand, world.now(), tags=tags)  # fmt: skip


def _key(wish, offer):
    return wish.grounds[offer.region].key.name


def _groups(world, wish, offer):
    group = wish.grounds[offer.region].group
    return [g.id for g in world.groups.values() if _is(g, group)]


def _is(group, made):
    """Whether a group is that of the step: EC2 knows them by name within a VPC."""
    return (group.name, group.region, group.vpc_id) == (made.name, made.region, made.vpc_id)


def make_ground(world, ground):
    """Key and group of a region, as a hunt makes them there."""
    world.key(ground.region, ground.key.name, dict(ground.key.tags))
    _make_group(world, ground.group)


def _make_group(world, step):
    have = [g for g in world.groups.values() if _is(g, step)]
    group = have[0] if have else Group(f"sg-{world.number()}", step.region, step.name, step.vpc_id, (), dict(step.tags))
    new = tuple(rule for rule in step.rules if rule.cidr not in {old.cidr for old in group.rules})
    world.groups[group.id] = replace(group, rules=group.rules + new)


def _admit(world, step):
    group = world.groups[step.group_id]
    kept = tuple(rule for rule in group.rules if rule != step.replaces)
    world.groups[group.id] = replace(group, rules=(*kept, step.rule))


def _tag(world, step):
    for things in (world.requests, world.instances, world.volumes, world.groups):
        for id_ in step.ids:
            if id_ in things:
                things[id_] = replace(things[id_], tags={**things[id_].tags, **step.tags})


def _require_imds_v2(world, step):
    world.instances[step.instance_id] = replace(
        world.instances[step.instance_id], http_tokens="required", metadata_tags="enabled"
    )


def _set_limit(world, step):
    _tag(world, step)
    for things in (world.requests, world.instances, world.volumes):
        for id_ in step.ids:
            if id_ in things:
                kept = {key: value for key, value in things[id_].tags.items() if key not in step.remove}
                things[id_] = replace(things[id_], tags=kept)


def _start(world, step):
    if world.start_waits:
        world.request_of(step.instance_id, state="open", code="capacity-not-available")
        return
    if world.start_shown:
        world.later(world.start_shown, lambda: world.restart(step.instance_id))
    else:
        world.restart(step.instance_id)


def _stop(world, step):
    if world.instances[step.instance_id].state in ("pending", "running"):
        world.instances[step.instance_id] = replace(world.instances[step.instance_id], state="stopping")
        world.request_of(step.instance_id, code="marked-for-stop")
        world.later(world.boot, lambda: world.stopped(step.instance_id))


def _grow(world, step):
    world.volumes[step.volume_id] = replace(world.volumes[step.volume_id], size_gib=step.size_gib)


def _give_data(world, step):
    """CreateVolume and AttachVolume, each of which a test may refuse; then the tags."""
    volume_id, copy = step.volume_id, f"snap-{step.away_id}"
    if step.away_id:
        marked = {**step.tags, COPY_TAG: copy_mark(step.away_id, step.instance_id)}
        world.snapshots[copy] = Snapshot(copy, step.region, "completed", step.size_gib, world.now(), marked,
                                         volume_id=step.away_id)  # fmt: skip
    if volume_id is None:
        world.meets("CreateVolume", step.region)
        volume_id = f"vol-{world.number()}"
        world.volumes[volume_id] = Volume(volume_id, step.region, step.zone, step.size_gib, "gp3", "available", None,
                                          None, False, created=world.now(), tags=dict(step.tags))  # fmt: skip
        world.meets("CreateVolume", step.region, after=True)
    box, disk = world.instances[step.instance_id], world.volumes[volume_id]
    if box.state != "running" or disk.zone != box.zone or disk.instance_id not in (None, box.id):
        raise SpotboxError(f"{volume_id} cannot be attached to {box.id}", code="IncorrectState")
    kept = {key: value for key, value in disk.tags.items() if key != KEEP_TAG}
    world.volumes[volume_id] = replace(disk, instance_id=box.id, device="/dev/sdf", state="in-use", tags=kept)
    world.instances[box.id] = replace(box, volume_ids=tuple(dict.fromkeys((*box.volume_ids, volume_id))),
                                      tags={**box.tags, DATA_TAG: volume_id})  # fmt: skip
    if step.away_id:
        del world.volumes[step.away_id], world.snapshots[copy]


def _cancel(world, step):
    for id_ in step.request_ids:
        request = world.requests[id_]
        box = world.instances.get(request.instance_id or "")
        code = "request-canceled-and-instance-running" if box else "canceled-before-fulfillment"
        world.requests[id_] = replace(request, state="cancelled", code=code)
        if box and box.state == "stopped":  # the Spot service terminates what was stopped
            world.later(2, lambda at=box.id: world.gone(at))


def _terminate(world, step):
    for id_ in step.instance_ids:
        if world.instances[id_].state != "terminated":
            world.gone(id_)
    world.sleep(5)


def _delete_volume(world, step):
    held = world.volumes.get(step.volume_id)
    if held and held.instance_id:
        raise SpotboxError(f"{step.volume_id} is in use", code="VolumeInUse")
    world.volumes.pop(step.volume_id, None)


def _delete_snapshot(world, step):
    if any(disk.snapshot_id == step.snapshot_id for image in world.images.values() for disk in image.disks):
        raise SpotboxError(f"{step.snapshot_id} is in use", code="InvalidSnapshot.InUse")
    world.snapshots.pop(step.snapshot_id, None)


def _keep(world, step):
    _tag(world, s.TagAgain(step.region, (step.volume_id,), {KEEP_TAG: "true", ROLE_TAG: "data"}))


def _delete_group(world, step):
    end = world.clock + step.patience
    while any(step.group_id in i.group_ids and i.state != "terminated" for i in world.instances.values()):
        if world.clock < end:
            world.sleep(1.0)
            continue
        raise SpotboxError(f"{step.group_id} has a dependent object", code="DependencyViolation")
    world.groups.pop(step.group_id, None)


EFFECTS = {
    s.MakeSpotRole: lambda world, step: setattr(world, "role", True),
    s.MakeKey: lambda world, step: world.key(step.region, step.name, dict(step.tags)),
    s.MakeGroup: _make_group,
    s.Admit: _admit,
    s.TagAgain: _tag,
    s.RequireImdsV2: _require_imds_v2,
    s.SetLimit: _set_limit,
    s.Start: _start,
    s.Stop: _stop,
    s.GrowDisk: _grow,
    s.GiveData: _give_data,
    s.Cancel: _cancel,
    s.Terminate: _terminate,
    s.DeleteVolume: _delete_volume,
    s.DeleteSnapshot: _delete_snapshot,
    s.DeregisterImage: lambda world, step: world.images.pop(step.image_id, None),
    s.KeepVolume: _keep,
    s.DeleteGroup: _delete_group,
    s.DeleteKey: lambda world, step: world.keys.pop(step.key_id, None),
}
