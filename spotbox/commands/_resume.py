"""Bring a box that exists up: from whatever state to running, with the changes that stand on the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spotbox.app import App
from spotbox.commands._arrive import arrive, begin, not_coming, tell_moving
from spotbox.commands._connect import admit_caller, caller_steps, key_of
from spotbox.commands._data import give_data
from spotbox.commands._find import again, priced
from spotbox.commands._inputs import Asked, read_public
from spotbox.commands._limits import tell_expired, wanted_limits
from spotbox.commands._table import put_plan
from spotbox.core.boxes import Box
from spotbox.core.changes import differences
from spotbox.core.errors import SpotboxError
from spotbox.core.names import POOL_TAG, key_fingerprint
from spotbox.core.offers import is_gpu
from spotbox.core.plans import plan_tags
from spotbox.core.states import State
from spotbox.core.steps import SetLimit, Step
from spotbox.core.upward import changed, plan_up
from spotbox.core.waiting import Look, wait


def bring_up(app: App, box: Box, asked: Asked, output: str = "text") -> Box:
    """From whatever state to running; with --dry-run it prints what would be done (`output` text or json), and changes
    nothing."""
    wanted = {key: value for key, value in _wanted(box, asked).items() if not _is_so(app, box, asked, key)}
    changes = differences(box, wanted | wanted_limits(app, asked))
    for line in changes.remarks:
        app.remark(line)
    _refuse_orphaned(box)
    if asked.dry_run:
        _show_plan(app, box, asked, changes.steps, output)
        return box
    # Before anything is waited for: AWS may let us wait for long, or in vain.
    _carry_out(app, changes.steps if box.state is not State.TERMINATING else ())
    if not any(isinstance(step, SetLimit) for step in changes.steps):
        tell_expired(app, box)
    if _is_left(box, asked):
        return box
    return to_running(app, box, asked.wait)


def _is_left(box: Box, asked: Asked) -> bool:
    """Whether it stands with AWS already, and is to be left there."""
    return asked.park and box.state is State.WAITING


def _show_plan(app: App, box: Box, asked: Asked, changes: Sequence[Step], output: str) -> None:
    """What `up` would do about a box that exists, waiting included."""
    after = changed(box, changes)
    admits = tuple(caller_steps(app, after)) if not _is_left(box, asked) else ()
    steps: list[object] = [*changes, *([] if _is_left(box, asked) else plan_up(after, admits, asked.wait))]
    if not steps:
        app.remark(f"nothing to do: {box.name} is {box.state}")
    put_plan(app, steps, output)


def _refuse_orphaned(box: Box) -> None:
    """SpotboxError for what only `down` can bring in order."""
    if box.state is State.ORPHANED:
        raise SpotboxError(f"{box.name} is {box.state}: {box.reason}", f"Remove it first with: spotbox down {box.name}")


def _carry_out(app: App, steps: Sequence[Step]) -> None:
    for step in steps:
        app.cloud.apply(step, app.progress.show)
        app.progress.done()
        app.remark(f"done: {step}")


def _wanted(box: Box, asked: Asked) -> dict[str, Any]:
    """What stands on this command line, by the names that `differences` knows; a config file's defaults are no wish
    to change a box that exists."""
    values = {
        "region": box.region if box.region in asked.regions else asked.region,
        "park": asked.park and box.state is not State.WAITING,
        "fallback": asked.fallback and box.market == "spot",
        "zones": asked.zones,
        "types": asked.types,
        "bid": asked.bid,
        "disk": asked.disk,
        "data": asked.data,
        "checkpoints": asked.checkpoints,
        "cidrs": asked.cidrs,
        "tags": asked.tags,
        "ami": asked.ami,
        "key": asked.key,
        "subnet": asked.subnet,
        "profile_name": asked.profile,
        "user_data": asked.user_data,
        "disk_type": asked.disk_type,
        "user": asked.user,
        "pool": asked.pool.name if asked.pool else None,
        "gpu": asked.gpu,
        "min_vram": asked.min_vram,
    }
    return {key: value for key, value in values.items() if key in asked.typed}


def _is_so(app: App, box: Box, asked: Asked, key: str) -> bool:
    """Whether the box is already what that flag asks for, where only a look elsewhere tells. UsageError for a bad key
    file."""
    match key:
        case "ami":
            return not asked.ami.startswith("ami-") and box.instance is not None  # see `by_image`
        case "key" if asked.key:
            return key_fingerprint(read_public(Path(asked.key).expanduser().absolute())) == key_of(box)
        case "bid" if asked.bid is not None and asked.bid.percent is not None:
            (there,) = priced(app, [box])
            return there.on_demand is not None and asked.bid.against(there.on_demand) == box.max_price
        case "gpu" | "min_vram" if box.instance_type and (asked.gpu or asked.min_vram):
            kind = app.cloud.instance_types(box.region, [box.instance_type]).get(box.instance_type)
            if key == "gpu":
                return is_gpu(kind, asked.gpu or "")
            return kind is not None and (kind.gpu_memory_gib or 0) >= (asked.min_vram or 0)
        case _:
            return False


def to_running(app: App, box: Box, patience: float) -> Box:
    """A box that exists, running and answering; AWS may take `patience` seconds.

    SpotboxError 3 where AWS has no capacity in that time, 1 where the box is gone or only part of it is left.
    """
    _refuse_orphaned(box)
    if box.state is State.RUNNING:
        app.remark(f"{box.name} runs already")
        # Its limits and tags may have been set a moment ago: a relaunch gets those.
        for step in plan_tags((again(app, box) or box) if box.untagged else box):
            app.cloud.apply(step, app.progress.show)
        admit_caller(app, again(app, box) or box)
        return give_data(app, arrive(app, box))
    settled = settle(app, box, patience)
    if settled is None:
        raise SpotboxError(f"{box.name} is gone now", f"Make it anew with: spotbox up {box.name}")
    if settled.state is State.INTERRUPTED or settled.state is State.WAITING:
        raise not_coming(settled)
    tell_moving(app, settled)
    begin(app, settled)
    # Before its SSH server is waited for, which an address that is not admitted would do in vain.
    admit_caller(app, again(app, settled) or settled)
    arrived = arrive(app, settled, room_wait=patience)
    for step in plan_tags(arrived):  # what a standing request launched was not there to be tagged before
        app.cloud.apply(step, app.progress.show)
    return give_data(app, arrived)


_PASSING = (State.STOPPING, State.TERMINATING, State.WAITING, State.INTERRUPTED)


def settle(app: App, box: Box, patience: float) -> Box | None:
    """Wait while the box is on its way somewhere, or AWS has it; at most `patience` seconds for AWS."""
    longest = patience if box.state in (State.WAITING, State.INTERRUPTED) else max(patience, 300)

    def look_once() -> Look[Box | None]:
        seen = again(app, box)
        done = seen is None or seen.state not in _PASSING
        pool = f"pool {seen.tags[POOL_TAG]}: " if seen and POOL_TAG in seen.tags else ""
        return Look(seen, done, f"{pool}{seen.state}: {seen.reason}" if seen else "")

    found = wait(look_once, longest, app.system.sleep, app.system.monotonic, app.progress.show)
    app.progress.done()
    return found.value
