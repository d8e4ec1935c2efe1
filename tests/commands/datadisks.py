"""The data volumes of a World, and a box that had one."""

from spotbox.core.names import DATA_TAG, KEEP_TAG, ROLE_TAG
from tests.commands.fakes import live

MADE = ("up", "-y", "--data-size", "200")


def data(world):
    """The data volumes."""
    return [v for v in world.volumes.values() if v.tags.get(ROLE_TAG) == "data"]


def running(world):
    """The instances that run."""
    return [i for i in world.instances.values() if i.state == "running"]


def is_whole(world, gib=200):
    """One box that runs and has its one data volume, told to the guard and not kept."""
    (box,), (disk,) = running(world), data(world)
    assert (disk.size_gib, disk.instance_id, disk.zone, KEEP_TAG in disk.tags) == (gib, box.id, box.zone, False)
    assert (disk.delete_on_termination, disk.encrypted, box.tags[DATA_TAG]) == (False, True, disk.id)
    assert len(live(world)) == 1


def kept(user):
    """A box whose data volume `down --keep-data` has left; gives the volume's id."""
    assert user.run(*MADE).code == 0
    assert user.run("down", "-y", "--keep-data").code == 0
    (disk,) = data(user.world)
    return disk.id
