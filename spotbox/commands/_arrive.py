"""From accepted to usable: through pending and boot until the box's SSH server answers."""

from collections.abc import Callable

from spotbox.app import App
from spotbox.commands._connect import CONSOLE_WAIT, learn_host, target, write_entry
from spotbox.commands._find import again
from spotbox.core.boxes import Box
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.explain import why_ended
from spotbox.core.plans import plan_start
from spotbox.core.states import LEAVING, LIVE, State
from spotbox.core.steps import Cancel, Start, Terminate
from spotbox.core.text import safe
from spotbox.core.waiting import Look, wait

RUN_WAIT = 600  # seconds for pending -> running; AWS takes well under a minute
SHOWN_WAIT = 90  # seconds in which AWS shows what was launched; it asks for patience of about a minute
START_SHOWN = 30  # seconds in which AWS may show a box as stopped whose start it took
ROOM_WAIT = 20  # seconds in which a start that AWS took may find capacity, where the user set no time
SSH_WAIT = 300  # seconds for boot -> ssh answers (the contract's 5 minutes)


class Died(SpotboxError):
    """AWS accepted the launch and terminated it before it ran."""


def tell_moving(app: App, box: Box) -> None:
    """Of a box that is started where it is, although a move of it was begun."""
    if box.moving:
        app.remark(
            f"a move of {box.name} was cut off: `spotbox move {box.name}` goes on with it (and stops the box for it); "
            "what it has made bills until then, see `spotbox audit`"
        )


def begin(app: App, box: Box) -> None:
    """Start a stopped box, and tag what AWS launched by itself; nothing more where it runs or is about to.

    SpotboxError 3 where AWS has no capacity, where the price is above the maximum, or where AWS has taken the box back.
    """
    for step in plan_start(box):
        app.progress.show(str(step))
        try:
            app.cloud.apply(step, app.progress.show)
        except SpotboxError as error:
            app.progress.done()
            if isinstance(step, Start) and not _runs_after_all(app, box, error):
                raise
            if not isinstance(step, Start):
                raise


def _runs_after_all(app: App, box: Box, error: SpotboxError) -> bool:
    """After a refused start: whether it is under way all the same. SpotboxError 3 where the refusal has a reason."""
    seen = again(app, box) or box
    if seen.state is State.RUNNING or (seen.state is State.STARTING and not left_open(seen)):
        return True  # another terminal's start, or an earlier one of ours
    if seen.state in (State.WAITING, State.INTERRUPTED) or left_open(seen):
        raise not_coming(seen) from error
    if error.exit_code is Exit.NO_CAPACITY:
        raise SpotboxError(
            f"{error.message}: {box.name} stays stopped, and only its disk bills",
            f"A stopped Spot box keeps its zone and its type. Try again later: spotbox start {box.name}; "
            f"or take it where there is capacity: spotbox move {box.name}",
            Exit.NO_CAPACITY,
            error.code,
        ) from error
    return False


def left_open(box: Box) -> bool:
    """Whether AWS took a start and has not carried it out: it does so by itself, whenever it can."""
    stopped = box.instance is not None and box.instance.state == "stopped"
    return box.state is State.STARTING and stopped and box.request is not None and box.request.code in NO_ROOM


def arrive(
    app: App,
    box: Box,
    run_wait: float = RUN_WAIT,
    room_wait: float = ROOM_WAIT,
    launched: str | None = None,
    booting: Callable[[Box], None] = lambda box: None,
) -> Box:
    """Wait until the box runs and its SSH banner answers; then its host key is known and its ssh_config entry written.

    `box` is as it was seen before it was launched or started; AWS may show it so for a while. `room_wait` is for how
    many seconds AWS may have no capacity for a start that it took, `launched` the instance of a launch a moment ago,
    which AWS may not show yet. `booting` gets the box as soon as it runs, and may raise to end the wait.
    SpotboxError 1 where it died before it ran (its request is cancelled first) or does not answer in time,
    3 where AWS interrupts it or has no capacity.
    """
    running = _until_running(app, box, run_wait, room_wait, launched or (box.instance.id if box.instance else None))
    booting(running)
    _until_answers(app, running)
    if not learn_host(app, running, CONSOLE_WAIT):
        app.remark("AWS does not show the box's host key; the first key seen will be kept (unproven)")
    write_entry(app, running)
    app.progress.done(f"{box.name} runs and answers")
    return running


def _until_running(app: App, box: Box, timeout: float, room_wait: float, launched: str | None) -> Box:
    began = app.system.monotonic()
    shown_by = began + SHOWN_WAIT

    def look() -> Look[Box]:
        nonlocal launched
        seen = again(app, box)
        if seen is None:
            if app.system.monotonic() > shown_by:
                raise SpotboxError(
                    f"AWS shows no {box.name} any more; somebody may have removed it",
                    f"Look with: spotbox status; make it anew with: spotbox up {box.name}",
                )
            return Look(box, False, "waiting for AWS to show the box")
        launched = launched or (seen.instance.id if seen.instance else None)
        _check_died(app, seen, launched)
        if seen.state in _HALF_SHOWN and app.system.monotonic() < shown_by:
            return Look(seen, False, "waiting for AWS to show all of the box")
        ready = seen.state is State.RUNNING and seen.instance is not None and bool(seen.instance.public_ip)
        waited = app.system.monotonic() - began
        if box.state is seen.state is State.STOPPED and waited < START_SHOWN:  # the answer from before the start
            return Look(seen, False, "waiting for AWS to show the start")
        ends = seen.state not in _COMING or (left_open(seen) and waited >= room_wait)
        return Look(seen, ready or ends, f"{seen.state}: {seen.reason or 'waiting for its address'}")

    found = wait(look, max(timeout, room_wait), app.system.sleep, app.system.monotonic, app.progress.show)
    if found.done and found.value.state is State.RUNNING:
        return found.value
    raise not_coming(found.value)


NO_ROOM = {"capacity-not-available", "capacity-oversubscribed", "price-too-low"}  # spot-request-status
_COMING = {State.STARTING, State.RUNNING, State.WAITING}
_NO_ROOM_NOW = "Server.InsufficientInstanceCapacity"  # StateReason of an instance whose start found no room
# What a box looks like while EC2 shows its instance or volume and not yet its request, or an older one that ended.
_HALF_SHOWN = {State.ORPHANED, State.FAILED}


def not_coming(box: Box) -> SpotboxError:
    """Why a box that should run does not: exit 3 where AWS has no capacity, else 1."""
    what = f"{box.name} is {box.state}: {box.reason or 'it did not come up in time'}"
    if left_open(box):
        return SpotboxError(
            what,
            f"AWS goes on with the start by itself as soon as it can, and bills then. Wait: spotbox up {box.name}; "
            f"end it: spotbox stop {box.name}; remove it: spotbox down {box.name}",
            Exit.NO_CAPACITY,
        )
    if box.state is State.STOPPED and box.instance and box.instance.reason_code == _NO_ROOM_NOW:
        return SpotboxError(
            f"AWS has no capacity to start {box.name} now: it stays stopped, and only its disk bills",
            f"Try again later: spotbox start {box.name}; or take it where there is capacity: spotbox move {box.name}",
            Exit.NO_CAPACITY,
        )
    # A start that AWS took may be left open for want of capacity, or refused at once: both are no capacity.
    short = box.request is not None and box.request.code in NO_ROOM
    if short or box.state in (State.WAITING, State.INTERRUPTED):
        return SpotboxError(
            what,
            f"Go on waiting with: spotbox up {box.name}; {_elsewhere(box)}or remove it with: spotbox down {box.name}",
            Exit.NO_CAPACITY,
        )
    return SpotboxError(what, f"Look with: spotbox status {box.name}; remove it with: spotbox down {box.name}")


def _elsewhere(box: Box) -> str:
    """The way out for a box that has a disk, and that only AWS can bring back."""
    held = box.state is State.INTERRUPTED
    return f"take it where there is capacity, disk included: spotbox move {box.name}; " if held else ""


def _check_died(app: App, box: Box, launched: str | None) -> None:
    """A launch that AWS accepted and then terminated before it ran: cancel at once, or it is tried for ever."""
    dead = next((i for i in box.instances if i.id == launched and i.state in LEAVING), None)
    if dead is None:
        return
    requests = tuple(r.id for r in box.requests if r.state in LIVE)
    if requests:
        app.cloud.apply(Cancel(box.region, requests), app.progress.show)
    alive = tuple(i.id for i in box.instances if i.state not in LEAVING)
    late = again(app, box)
    alive += tuple(i.id for i in (late.instances if late else ()) if i.state not in LEAVING)
    if alive:
        app.cloud.apply(Terminate(box.region, tuple(dict.fromkeys(alive))), app.progress.show)
    app.progress.done()
    why, mend = why_ended(dead, box.name)
    raise Died(
        f"AWS accepted the launch and terminated it before it ran: {safe(why)}",
        ("Its Spot request is cancelled, so nothing is tried again. " if requests else "Nothing is tried again. ")
        + (f"To mend it, {mend}" if mend else f"Mend the cause and run `spotbox up {box.name}` again."),
    )


def _until_answers(app: App, box: Box) -> None:
    where = target(app, box)
    if where is None:
        raise not_coming(box)

    def look() -> Look[bool]:
        answers = app.system.ssh_answers(where.host, where.port)
        return Look(
            answers, answers, f"running at {box.instance.public_ip if box.instance else ''}: booting, waiting for SSH"
        )

    found = wait(look, SSH_WAIT, app.system.sleep, app.system.monotonic, app.progress.show)
    if not found.done:
        app.progress.done()
        raise SpotboxError(
            f"{box.name} runs, but its SSH server does not answer within 5 minutes; the box is left as it is and bills",
            f"Likely: your address is not admitted (try `spotbox ssh {box.name}`), the image has no SSH server, "
            f"its subnet has no way to the internet, or it still boots. Remove it with: spotbox down {box.name}",
        )
