"""What `up` does about a box that exists, told before it is done: changes, waits, and what follows them. Pure.

`--dry-run` prints it. The real run looks again after each wait, so what it does there is planned of what it then sees.
"""

from collections.abc import Sequence
from dataclasses import replace

from spotbox.core.boxes import Box
from spotbox.core.disks import data_size, data_volume, plan_data
from spotbox.core.meanings import KEPT, LEFT
from spotbox.core.names import KEEP_TAG
from spotbox.core.plans import plan_start
from spotbox.core.states import State
from spotbox.core.steps import Admit, GrowDisk, Start, Step, TagAgain
from spotbox.core.units import show_duration
from spotbox.core.wishes import Data


def changed(box: Box, steps: Sequence[Step]) -> Box:
    """The box as it is once these changes are made: what comes after them is planned of it."""
    for step in steps:
        if isinstance(step, Admit):
            groups = [replace(g, rules=(*g.rules, step.rule)) if g.id == step.group_id else g for g in box.groups]
            box = replace(box, groups=tuple(groups))
        elif isinstance(step, GrowDisk):
            disks = [replace(v, size_gib=step.size_gib) if v.id == step.volume_id else v for v in box.volumes]
            box = replace(box, volumes=tuple(disks))
        elif isinstance(step, TagAgain):
            request, instance = box.request, box.instance
            if request and request.id in step.ids:
                request = replace(request, tags={**request.tags, **step.tags})
            if instance and instance.id in step.ids:
                instance = replace(instance, tags={**instance.tags, **step.tags})
            box = replace(box, request=request, instance=instance)
    return box


def once_gone(box: Box) -> Box | None:
    """What is left of a box that is on its way out, once it is gone: a data volume is (it outlives its instance), which
    the next `up` takes back where it was kept, and else refuses."""
    left = tuple(volume for volume in box.volumes if not volume.delete_on_termination)
    if not left:
        return None
    kept = any(KEEP_TAG in volume.tags for volume in left)
    state, told = (State.KEPT, KEPT) if kept else (State.ORPHANED, LEFT)
    return replace(box, state=state, reason=told.what, meaning=told, request=None, instance=None, volumes=left)


def plan_up(box: Box, admits: Sequence[Step], patience: int) -> tuple[object, ...]:
    """What brings this box to running: steps, and sentences for what is waited for or has no id yet.

    `box` with its changes made (see `changed`), `admits` what lets the caller in, `patience` the seconds that AWS has.
    """
    return (*_waits(box, patience), *plan_start(box), *admits, *_data(box))


def _waits(box: Box, patience: int) -> list[object]:
    """What is waited for in the box's state, and what can follow only then."""
    match box.state:
        case State.WAITING:
            # A request's tags do not reach its instance (EC2 User Guide, "Tag Spot Instance requests").
            then = "tag what AWS launches, and see that it requires IMDSv2"
            return [f"wait for AWS to launch it, at most {show_duration(patience)}", then]
        case State.INTERRUPTED:
            return [f"wait for AWS to restart it, at most {show_duration(patience)}"]
        case State.STARTING:
            return ["wait until it runs and answers"]
        case State.STOPPING:
            start = [Start(box.region, box.instance.id)] if box.instance else []
            return ["wait until it is stopped", *start]
        case _:
            return []


def _data(box: Box) -> tuple[object, ...]:
    """What gives it its data volume once it runs."""
    if box.instance is not None and box.instance.state != "terminated":
        return plan_data(replace(box, state=State.RUNNING))
    volume, size = data_volume(box), data_size(box.tags)
    if volume is not None:
        moves = volume.zone != box.zone
        return (str(Data(volume.size_gib, volume.id, moves)),)
    return (str(Data(size)),) if size is not None and not box.moved_from else ()
