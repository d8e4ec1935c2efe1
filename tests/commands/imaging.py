"""Images and snapshots of a World: the verbs of spotbox.aws.cloud.Cloud that make them and find them."""

from dataclasses import replace

from spotbox.aws.observe import Seen
from spotbox.core.errors import SpotboxError
from spotbox.core.moving import MakeImage
from spotbox.core.names import NAME_TAG, OWNER_TAG, ROLE_TAG
from spotbox.core.records import ImageDisk, OwnImage, Snapshot, Volume

MINUTES = 60.0  # that a snapshot takes


class FakeImaging:
    """A part of FakeCloud, which has `world`."""

    def with_images(self, seen, owner, name=None):
        failed, sights = dict(seen.failed), []
        for sight in seen.sights:
            try:
                self.world.meets("DescribeImages", sight.region)
            except SpotboxError as error:
                failed[sight.region] = error
                continue
            kinds = {
                kind: tuple(
                    x for x in things.values() if _mine(x, sight.region, owner, name) and x.id not in self.world.hidden
                )
                for kind, things in (("images", self.world.images), ("snapshots", self.world.snapshots))
            }
            sights.append(replace(sight, **kinds))
        return Seen(tuple(sights), failed)

    def make_image(self, step, show):
        """As AWS: at first pending, after a minute of looking available; a second of the same name is the first."""
        action = "CreateImage" if isinstance(step, MakeImage) else "CopyImage"
        world = self.world
        there = next((i for i in world.images.values() if i.region == step.region and i.tags == step.tags), None)
        if there is None:
            world.meets(action, step.region)
            there = _made(world, step)
            world.meets(action, step.region, after=True)
        show("snapshot 50 %")
        world.meets("Snapshots", step.region)
        world.sleep(MINUTES)
        for id_ in [disk.snapshot_id for disk in there.disks]:
            world.snapshots[id_] = replace(world.snapshots[id_], state="completed", progress=100)
        world.images[there.id] = replace(world.images[there.id], state="available")
        return world.images[there.id]

    def user_data(self, region, instance_id):
        return b""

    def public_key(self, region, name):
        return ""


def _mine(thing, region, owner, name):
    tags = thing.tags
    named = tags.get(NAME_TAG) == name if name else NAME_TAG in tags
    owned = tags.get(OWNER_TAG) == owner if owner else True
    return thing.region == region and named and owned and tags.get(ROLE_TAG) in ("move", "data")


def _made(world, step):
    if isinstance(step, MakeImage):
        box = world.instances[step.instance_id]
        if box.state != "stopped":  # EC2 reboots what runs, to make the image: that is another launch
            raise AssertionError(f"an image of {box.id}, which is {box.state}")
        disks = [
            (v.device, v.size_gib, v.type, v.delete_on_termination)
            for v in world.volumes.values()
            if v.instance_id == box.id
        ]
    else:
        disks = [(d.device, d.size_gib, d.type, d.delete_on_termination) for d in world.images[step.image_id].disks]
    made = []
    for device, size, kind, dies in disks:
        snapshot = f"snap-{world.number()}"
        world.snapshots[snapshot] = Snapshot(
            snapshot, step.region, "pending", size, world.now(), dict(step.tags), progress=50
        )
        made.append(ImageDisk(device, snapshot, size, kind, dies))
    image = OwnImage(
        f"ami-{world.number()}", step.region, "pending", "x86_64", "/dev/sda1", tuple(made), world.now(),
        tags=dict(step.tags),
    )  # fmt: skip
    world.images[image.id] = image
    return image


def add_data(world, wish, at):
    """The volumes of a launch beside its root: they get the same tags, and stay when it goes."""
    for disk in wish.disks:
        id_ = f"vol-{world.number()}"
        box = world.instances[at]
        world.volumes[id_] = Volume(
            id_, box.region, box.zone, disk.size_gib, disk.type, "in-use", at, disk.device, False,
            created=world.now(), tags=dict(box.tags) | {ROLE_TAG: "root"},
        )  # fmt: skip
        world.instances[at] = replace(box, volume_ids=(*box.volume_ids, id_))
