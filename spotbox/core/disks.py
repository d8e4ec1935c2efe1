"""The data volume of a box: which one it is, and what a running box still lacks of it. Pure."""

from spotbox.core.boxes import Box, data_volumes
from spotbox.core.copytag import copied_from, copy_mark, is_whole
from spotbox.core.names import COPY_TAG, DATA_SIZE_TAG, DATA_TAG, KEEP_TAG, ROLE_TAG, box_tags, without_parts
from spotbox.core.records import Tags, Volume
from spotbox.core.states import State
from spotbox.core.steps import GiveData, GrowDisk, Plan, Step, TagAgain

# For data volumes EC2 recommends /dev/sd[f-p] (EC2 User Guide, "Device names for volumes on Amazon EC2 instances").
DEVICES = tuple(f"/dev/sd{letter}" for letter in "fghijklmnop")


def data_size(tags: Tags) -> int | None:
    """GiB of the data volume that the box was made with; None where it was made without one."""
    text = tags.get(DATA_SIZE_TAG, "")
    return int(text) if text.isascii() and text.isdecimal() and 1 <= int(text) <= 65536 else None


def data_volume(box: Box) -> Volume | None:
    """The data volume of a box: the one that its instance has, else one in its zone, else the oldest.

    The original of a copy that was in use, or kept, comes last: the copy has the newer content.
    """
    every = [v for v in data_volumes(box) if is_whole(v) or _copied_for(box, v)]
    done = {copied_from(v.tags) for v in every}

    def rank(volume: Volume) -> tuple[bool, bool, bool, float, str]:
        elsewhere = box.instance is None or volume.instance_id != box.instance.id
        born = volume.created.timestamp() if volume.created else 0.0
        return elsewhere, volume.id in done, volume.zone != box.zone, born, volume.id

    return min(every, key=rank, default=None)


def _copied_for(box: Box, volume: Volume) -> bool:
    """Whether this copy was made for the instance that the box has now."""
    original = copied_from(volume.tags)
    if original is None or box.instance is None:
        return False
    return volume.tags[COPY_TAG] == copy_mark(original, box.instance.id)


def plan_data(box: Box) -> Plan:
    """What gives a running box its data volume; nothing where it has it, or is to have none.

    All of it is told by the box's own tags and volumes, so that a command which was killed, a relaunch by AWS and a
    standing request that was fulfilled are brought on alike. A volume that another instance holds is waited for.
    """
    instance, volume, size = box.instance, data_volume(box), data_size(box.tags)
    if box.state is not State.RUNNING or instance is None or (volume is None and size is None):
        return ()
    tags = box_tags(box.name, box.owner, {**without_parts(box.tags), ROLE_TAG: "data"})
    if volume is None:
        if box.moved_from:  # it has one, of the image, whose role the end of the move tells
            return ()
        return (GiveData(box.region, instance.zone, instance.id, size or 0, tags),)
    if volume.zone != instance.zone:  # a kept one, and the box was launched in another zone on purpose
        moving = GiveData(box.region, instance.zone, instance.id, volume.size_gib, tags, None, volume.id)
        return () if volume.instance_id else (moving,)  # never while another instance writes to it
    away = next((v.id for v in data_volumes(box) if v.id == copied_from(volume.tags)), None)
    given = volume.instance_id == instance.id and instance.tags.get(DATA_TAG) == volume.id
    if given and not away and KEEP_TAG not in volume.tags:
        return ()
    return (GiveData(box.region, instance.zone, instance.id, volume.size_gib, tags, volume.id, away),)


def resize_data(box: Box, size_gib: int | None, remarks: list[str]) -> list[Step]:
    """What `--data-size` in GiB does to a box that exists: its volume grows, or the box is tagged to be given one."""
    if size_gib is None or box.state is State.ORPHANED:
        return []
    volume = data_volume(box)
    if volume is None:
        ids = tuple(part.id for part in (box.request, box.instance) if part)
        same = all(part.tags.get(DATA_SIZE_TAG) == str(size_gib) for part in (box.request, box.instance) if part)
        return [] if same else [TagAgain(box.region, ids, {DATA_SIZE_TAG: str(size_gib)})]
    if size_gib < volume.size_gib:
        remarks.append(f"the data volume of {box.name} is {volume.size_gib} GiB; EBS cannot make it smaller")
        return []
    return [GrowDisk(box.region, volume.id, size_gib)] if size_gib > volume.size_gib else []
