"""Leaving early: Ctrl-C, SIGTERM, a closed terminal. What this `up` made goes, or stays as the user says; what was
there before stays; and the last line names what exists and the command that goes on with it or removes it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from spotbox.app import App
from spotbox.commands._find import again, look
from spotbox.core.boxes import Box, assemble
from spotbox.core.errors import Ended, Exit, SpotboxError
from spotbox.core.hunt import InFlight
from spotbox.core.names import join_names
from spotbox.core.removal import parts_of
from spotbox.core.states import BILLS_COMPUTE, State
from spotbox.core.steps import Plan
from spotbox.core.waiting import Look, wait

INTERRUPTED = Exit.INTERRUPTED
REMOVE, LEAVE, PARK = "remove", "leave", "park"
AGAIN = "Ctrl-C again leaves at once"


@dataclass
class Mine:
    """A box that was not there before this `up`: `box` names it, `regions` are those in which something was made."""

    box: Box
    regions: Sequence[str]
    ask: bool = False  # somebody is there who was asked before
    instance_id: str | None = None  # what AWS launched for this run
    adopted: bool = False  # another run's launch stands under the name: it is not this one's to remove
    keep: bool = False  # it took a kept data volume back, which stays
    asked_aws: bool = False  # cut off before AWS answered: a launch may come of it
    left: dict[str, None] = field(default_factory=dict)  # ids that a removal has found and not yet removed

    def answered(self, region: str, instance_id: str | None) -> None:
        """AWS accepted the launch in that region; None where an earlier launch of the box stands instead.

        The id comes last: a Ctrl-C in here is told as one before AWS answered, and all regions are looked at.
        """
        self.box = replace(self.box, region=region)
        self.instance_id, self.adopted = instance_id, instance_id is None

    def note(self, plan: Plan) -> None:
        """Remember what a removal is about to take away."""
        self.left |= dict.fromkeys(part["id"] for step in plan for part in parts_of(step))


def leave_new(app: App, mine: Mine, cut: KeyboardInterrupt, park: Callable[[], Box] | None) -> SpotboxError:
    """End an `up` that made a box: ask on a terminal, else remove it; a second Ctrl-C leaves at once. Exit 130.

    `park` leaves a standing request in its place; None where something may have been launched already.
    """
    mine.asked_aws = isinstance(cut, InFlight)
    try:
        app.progress.done()
        ours = bool(mine.instance_id) or mine.asked_aws
        answer = _choice(app, mine, cut, None if ours else park)
        if answer == PARK and park:
            return _parked(app, mine, park)
        if answer == LEAVE or mine.adopted:
            return SpotboxError("interrupted; left as it is", what_is_there(app, mine.box, mine.regions), INTERRUPTED)
        return _removed(app, mine, ours)
    except KeyboardInterrupt:
        app.progress.done()
        return _at_once(mine)


def _choice(app: App, mine: Mine, cut: KeyboardInterrupt, park: Callable[[], Box] | None) -> str:
    if mine.adopted:
        return LEAVE
    if not mine.ask or not app.prompts.possible or isinstance(cut, Ended) or isinstance(cut.__cause__, Ended):
        return REMOVE
    name = mine.box.name
    if mine.instance_id:
        what, leave = f"AWS has launched {name}", "leave it as it is: it bills"
    elif mine.asked_aws:
        what, leave = f"AWS may launch {name} still", "leave it as it is: it bills if AWS launches it"
    else:
        what, leave = f"no {name} is launched yet", "leave things as they are: nothing bills"
    rows = [(f"remove what this `up` made of {name}", REMOVE), (leave, LEAVE)]
    if park:
        rows.insert(1, ("leave a standing request with AWS, which launches it as soon as it can", PARK))
    try:
        return str(app.prompts.choose(f"Interrupted; {what}. What now?", rows, REMOVE, "-y"))
    except EOFError:
        return LEAVE


def _parked(app: App, mine: Mine, park: Callable[[], Box]) -> SpotboxError:
    from spotbox.commands._carry import clean_up

    try:
        box = park()
    except SpotboxError as error:
        app.progress.done()
        app.remark(f"AWS does not take a standing request: {error.message}")
        return _removed(app, mine, False)
    clean_up(app, box, [region for region in mine.regions if region != box.region], mine.keep)
    return SpotboxError(
        "interrupted; a standing request is left with AWS, which launches it as soon as it can, also while this "
        "machine is off; it bills from then on",
        stays(box, f"spotbox up {box.name}"),
        INTERRUPTED,
    )


def _removed(app: App, mine: Mine, ours: bool) -> SpotboxError:
    """Remove what this `up` made by the plan of `down`; nothing that lives, where this run launched nothing."""
    from spotbox.commands._carry import clean_up
    from spotbox.commands._take_away import take_away

    name = mine.box.name
    app.remark(f"interrupted: removing what this `up` made of {name} ({AGAIN})")
    done: list[str] = []
    try:
        if ours:
            if not _await_launch(app, mine) and mine.instance_id:
                told = f"interrupted; AWS does not show {mine.instance_id} yet, so it could not be removed"
                return SpotboxError(told, _still(mine), INTERRUPTED)
            regions = mine.regions if mine.asked_aws else [mine.box.region]
            tally = take_away(app, regions, mine.box.owner, name, mine.note, mine.keep)
            done = [item["id"] for item in tally.removed]
            for id_ in done:
                mine.left.pop(id_, None)
            if tally.unresolved:
                told = f"interrupted; could not remove or confirm {tally.reasons}"
                return SpotboxError(told, _still(mine), INTERRUPTED)
        clean_up(app, mine.box, mine.regions, mine.keep)
        there = _launches(app, mine)
    except SpotboxError as error:
        app.progress.done()
        return SpotboxError(
            f"interrupted; what was made could not be removed: {error.message}", _still(mine), INTERRUPTED
        )
    if there:
        return SpotboxError("interrupted; another `up` made it, so it stays", _all_stay(there), INTERRUPTED)
    told = f"interrupted; removed {join_names(done)}" if done else "interrupted; nothing was launched"
    left = f"Its data volume is kept; make {name}" if mine.keep else f"Nothing of {name} exists any more; make it"
    return SpotboxError(told, f"{left} anew with `spotbox up {name}`", INTERRUPTED)


def _await_launch(app: App, mine: Mine) -> bool:
    """Look for what was launched, or asked for and not answered, as long as AWS may show it late; whether it does.

    Only then is it clear that nothing came of it, and a group that is still to be used cannot be removed.
    """

    def seen() -> Look[bool]:
        there = bool(_launches(app, mine))
        return Look(there, there, f"AWS does not show yet what came of the launch; looking again ({AGAIN})")

    found = wait(seen, app.settle, app.system.sleep, app.system.monotonic, app.progress.show)
    app.progress.done()
    return found.done


def _still(mine: Mine) -> str:
    name = mine.box.name
    ids = [*mine.left] or ([mine.instance_id] if mine.instance_id else [])
    what = f"{join_names(ids)} may still exist and bill" if ids else f"something of {name} may exist and bill"
    return f"{what}; remove with `spotbox down {name}`"


def _at_once(mine: Mine) -> SpotboxError:
    """The second Ctrl-C: what is known, without another look."""
    name = mine.box.name
    ids = [*mine.left] or ([mine.instance_id] if mine.instance_id else [])
    if not ids and not mine.asked_aws:
        hint = f"nothing of {name} was launched; its key and security group may exist, which bill nothing"
    else:
        hint = f"{join_names(ids)} may exist and bill" if ids else f"AWS may launch {name} all the same, and bill it"
    return SpotboxError(
        "interrupted twice; left at once",
        f"{hint}; go on with `spotbox up {name}`, remove with `spotbox down {name}`",
        INTERRUPTED,
    )


def what_is_there(app: App, box: Box, regions: Sequence[str]) -> str:
    """A sentence on what AWS shows of a box whose `up` was cut off, and the commands that go on or remove it."""
    try:
        there = _boxes(app, box, regions)
    except SpotboxError as error:
        app.progress.done()
        return f"that could not be seen ({error.message}): run `spotbox status`, something may bill"
    if not there:
        return f"no Spot request of {box.name} is shown yet; to be sure nothing bills, run: spotbox down {box.name}"
    return _all_stay(there)


def _boxes(app: App, box: Box, regions: Sequence[str]) -> list[Box]:
    sights = look(app, regions, box.owner, box.name).sights
    found = [b for sight in sights for b in assemble(sight) if (b.name, b.owner) == (box.name, box.owner)]
    return [b for b in found if b.state is not State.FAILED]


def _launches(app: App, mine: Mine) -> list[Box]:
    """The boxes of the name, less what is only a data volume that was kept."""
    return [box for box in _boxes(app, mine.box, mine.regions) if box.state is not State.KEPT]


def _all_stay(boxes: Sequence[Box]) -> str:
    return "; ".join(stays(box, f"spotbox up {box.name}") for box in boxes)


def stays(box: Box, go_on: str) -> str:
    """What exists of a box, whether it bills, and the commands that go on with it or remove it."""
    ids = [part.id for part in (box.request, box.instance) if part] or [volume.id for volume in box.volumes]
    if box.state in BILLS_COMPUTE:
        bills = " and bill" if len(ids) > 1 else " and bills"
    elif box.volumes:
        bills = "; only the disk bills"
    else:
        bills = "; nothing bills"
    verb = "exist" if len(ids) > 1 else "exists"
    name = box.name
    return f"{join_names(ids)} {verb}{bills}; go on with `{go_on}`, remove with `spotbox down {name}`"


def _only(name: str, kept: str) -> str:
    return f"only {kept} of {name} exists, as before" if kept else f"nothing of {name} exists"


@contextmanager
def asking(nothing: str) -> Iterator[None]:
    """Ctrl-C at a question before any change: SpotboxError 130 that says so; `nothing` as in `nothing was removed`."""
    try:
        yield
    except (KeyboardInterrupt, EOFError):
        raise SpotboxError(f"interrupted; {nothing}", "", INTERRUPTED) from None


@contextmanager
def making(name: str, kept: str = "") -> Iterator[None]:
    """Ctrl-C inside comes before anything was made: SpotboxError 130 that says so; `kept` is its data volume."""
    try:
        yield
    except (KeyboardInterrupt, EOFError):
        hint = f"{_only(name, kept)}; begin anew with `spotbox up {name}`"
        raise SpotboxError("interrupted; nothing was made", hint, INTERRUPTED) from None


@contextmanager
def staying(app: App, box: Box, go_on: str, because: str = "") -> Iterator[None]:
    """Ctrl-C inside leaves the box as it is: SpotboxError 130 with its state and the command that goes on."""
    try:
        yield
    except KeyboardInterrupt:
        app.progress.done()
        raise _left(app, box, go_on, because) from None


def _left(app: App, box: Box, go_on: str, because: str) -> SpotboxError:
    seen: Box | None = box
    known = ""
    try:
        seen = again(app, box)
    except (SpotboxError, KeyboardInterrupt):  # the network is gone, or the user has no patience for a look
        app.progress.done()
        known = " (as last seen)"
    why = f"{because}: " if because else ""
    if seen is None:
        return SpotboxError(
            f"interrupted; {why}AWS does not show {box.name} now",
            f"{stays(box, go_on)} (as last seen)",
            INTERRUPTED,
        )
    what = f"{box.name} is {seen.state}{known}" if not because else f"it is {seen.state}{known}"
    reason = f" ({seen.reason})" if seen.reason else ""
    return SpotboxError(f"interrupted; {why}{what}{reason}", stays(seen, go_on), INTERRUPTED)
