"""Volumes of a healthy box that nothing uses, and that bill: why they are there, and the command that ends it. Pure."""

import shlex
from collections.abc import Iterator, Sequence

from spotbox.core.boxes import Box
from spotbox.core.copytag import copied_from
from spotbox.core.disks import data_volume
from spotbox.core.names import KEEP_TAG, MOVING_TAG
from spotbox.core.records import Volume


def idle_volumes(
    box: Box | None, volumes: Sequence[Volume], whose: Sequence[str]
) -> Iterator[tuple[Volume, str, str]]:  # fmt: skip
    """(volume, why, remedy) of each that is attached to nothing; no remedy means `down`, as for all of the box.

    One that its box takes at the next `up` is none of them. `whose` are the words that name the owner in a command.
    """
    used = data_volume(box) if box else None
    for volume in volumes:
        if volume.instance_id or volume.state != "available":
            continue
        if box and KEEP_TAG in volume.tags:
            yield volume, f"kept, as asked by `down --keep-data`, and not attached to {box.name}", ""
        elif box and used and used.id != volume.id and used.instance_id:
            yield volume, *_left(box, volume, used, whose)


def _left(box: Box, volume: Volume, used: Volume, whose: Sequence[str]) -> tuple[str, str]:
    if box.moving or box.moved_from or MOVING_TAG in volume.tags:
        why = f"a move of {box.name} that is not complete has left it; the data volume of {box.name} is {used.id}"
        return why, shlex.join(["spotbox", "move", box.name, *whose])
    if copied_from(used.tags) == volume.id:
        why = f"{box.name} uses {used.id} by now, which is the copy of it; the next `up` removes it"
        return why, shlex.join(["spotbox", "up", box.name, *whose])
    why = f"attached to nothing; the data volume of {box.name} is {used.id}, and nobody asked to keep this one"
    return why, shlex.join(["aws", "ec2", "delete-volume", "--region", volume.region, "--volume-id", volume.id])
