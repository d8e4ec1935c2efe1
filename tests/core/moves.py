"""What a move sees: the box, what is to replace it, and the images between them."""

from dataclasses import replace
from datetime import timedelta

from spotbox.core.boxes import Sight
from spotbox.core.moved import Target, origin
from spotbox.core.moving import (
    behold,
)
from spotbox.core.names import MOVED_TAG, MOVING_TAG, ROLE_TAG, box_tags
from spotbox.core.records import Group, ImageDisk, Instance, KeyPair, OwnImage, Request, Snapshot, Volume
from tests.core.worlds import WHEN as NOON

HERE, THERE = "us-east-1", "us-west-2"
TAGS = box_tags("dev", "alice", {"team": "a"})
OLD = Instance(
    "i-old", HERE, "stopped", "g5.xlarge", f"{HERE}a", "spot", "sir-old", None, "ami-0",
    "spotbox-alice-0123456789abcdef",
    NOON, "Client.UserInitiatedShutdown", group_ids=("sg-1",), volume_ids=("vol-old", "vol-data"), tags=TAGS,
)  # fmt: skip
REQUEST = Request(
    "sir-old", HERE, "disabled", "instance-stopped-by-user", "", "persistent", "i-old", "g5.xlarge", f"{HERE}a", None,
    NOON, tags=TAGS,
)  # fmt: skip
FROM = {MOVED_TAG: origin(OLD)}
TARGETS = {
    "zone": Target(HERE, (f"{HERE}b",), ("g5.xlarge",), True),
    "region": Target(THERE, (), ("g5.xlarge", "g6.xlarge")),
}


def disk(id_, instance, device="/dev/sda1", dies=True, **tags):
    region = instance.region
    return Volume(
        id_, region, instance.zone, 100, "gp3", "in-use", instance.id, device, dies, tags={**TAGS, **tags}, created=NOON
    )


def image(region=HERE, state="available", made_of=None, id_="ami-move"):
    tags = {**TAGS, **(made_of or FROM), ROLE_TAG: "move"}
    return OwnImage(
        id_, region, state, "x86_64", "/dev/sda1", (ImageDisk("/dev/sda1", f"snap-{id_}", 100, "gp3", True),), NOON,
        tags=tags,
    )  # fmt: skip


def snapshot(of):
    return Snapshot(f"snap-{of.id}", of.region, "completed", 100, NOON, of.tags, 100)


def new_parts(region=HERE, state="running", request_state="active", made_of=None, data=True):
    tags = {**TAGS, **(made_of or FROM)}
    zone = f"{region}b"
    instance = replace(
        OLD, id="i-new", region=region, state=state, zone=zone, request_id="sir-new", tags=tags, group_ids=("sg-1",),
        launched=NOON + timedelta(hours=1), reason_code="",
    )  # fmt: skip
    if region != HERE:
        instance = replace(instance, group_ids=("sg-2",))
    request = replace(
        REQUEST, id="sir-new", region=region, zone=zone, state=request_state, code="fulfilled", instance_id="i-new",
        tags=tags,
    )  # fmt: skip
    volumes = (disk("vol-new", instance, **FROM),)
    volumes += (disk("vol-copy", instance, "/dev/sdf", False, **FROM),) if data else ()
    return request, instance, volumes


def sights(old=OLD, request=REQUEST, new=None, images=(), marked=True, old_volumes=True):
    """What is seen: the box, what a move launched (request, instance, volumes), and images with their snapshots."""
    if marked and old:
        target = {MOVING_TAG: TARGETS["zone"].text()}
        old = replace(old, tags={**old.tags, **target})
        request = replace(request, tags={**request.tags, **target}) if request else None
    mark_ = {MOVING_TAG: TARGETS["zone"].text()} if marked else {}
    volumes = []
    if old and old_volumes and old.state != "terminated":
        volumes = [
            disk("vol-old", old, **mark_),
            disk("vol-data", old, "/dev/sdf", False, **mark_, **{ROLE_TAG: "data"}),
        ]
    if old and old.state == "terminated":
        gone = replace(disk("vol-data", old, "/dev/sdf", False, **mark_), instance_id=None, device=None)
        volumes = [replace(gone, state="available")]
    found = {}
    for region in (HERE, THERE):
        mine = [image for image in images if image.region == region]
        found[region] = Sight(region, images=tuple(mine), snapshots=tuple(map(snapshot, mine)))
    key = KeyPair("key-1", HERE, "spotbox-alice-0123456789abcdef", "", {"spotbox:owner": "alice"})
    group = Group("sg-1", HERE, "spotbox-dev-alice", "vpc-1", tags=TAGS)
    found[HERE] = replace(
        found[HERE],
        requests=(request,) if request else (),
        instances=(old,) if old else (),
        volumes=tuple(volumes),
        groups=(group,),
        keys=(key,),
    )
    if new:
        request, instance, more = new
        sight = found[instance.region]
        found[instance.region] = replace(
            sight,
            requests=(*sight.requests, request),
            instances=(*sight.instances, instance),
            volumes=(*sight.volumes, *more),
        )
    return tuple(found.values())


def scene(*args, **more):
    found, others = behold(sights(*args, **more), "alice", "dev")
    assert not others
    return found
