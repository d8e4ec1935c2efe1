"""spotbox stop: pause a box; its disk stays."""

import click

from spotbox.app import App, get_app
from spotbox.commands._arrive import ROOM_WAIT, RUN_WAIT, START_SHOWN, left_open
from spotbox.commands._bills import find_rates
from spotbox.commands._find import again, need_box
from spotbox.commands._leave import staying
from spotbox.core.boxes import Box
from spotbox.core.errors import SpotboxError
from spotbox.core.plans import plan_stop
from spotbox.core.states import State
from spotbox.core.units import show_usd
from spotbox.core.waiting import Look, wait
from spotbox.options import Command, name_argument, owner_option, region_option


@click.command(cls=Command)
@name_argument
@region_option
@owner_option
@click.pass_context
def stop(ctx: click.Context, name: str, region: str | None, owner: str | None) -> None:
    """Stop NAME (default dev): no more compute is billed, the disk stays and bills.

    \b
    spotbox stop
    spotbox stop train
    """
    app = get_app(ctx)
    box = need_box(app, app.named_region(ctx, region), app.owner(owner), name)
    if box.state not in (State.RUNNING, State.STARTING, State.STOPPING, State.STOPPED, State.INTERRUPTED):
        raise SpotboxError(
            f"{name} is {box.state}: {box.reason}", f"There is nothing to stop. Look: spotbox status {name}"
        )
    with staying(app, box, f"spotbox stop {name}"):
        _stopped(app, box)
    price = _disk_price(app, box)
    app.echo(f"{name} is stopped; its disk bills{price}. Bring it back with: spotbox start {name}", hang=2)


def _stopped(app: App, box: Box) -> None:
    """Stop it and wait until AWS shows it as stopped by the user."""
    interrupted = box.state is State.INTERRUPTED
    for step in plan_stop(box):
        app.progress.show(str(step))
        try:
            app.cloud.apply(step, app.progress.show)
        except SpotboxError as error:
            app.progress.done()
            if interrupted and error.code:
                raise _stays_with_aws(box, error) from error
            if left_open(box) and error.code:
                raise _starts_still(box) from error
            raise
    if interrupted:
        _check_now_ours(app, box)
    else:
        _until_stopped(app, box)


def _starts_still(box: Box) -> SpotboxError:
    return SpotboxError(
        f"{box.name} is {box.state}: AWS took its start, and does not let it be taken back ({box.reason})",
        f"AWS will start and bill it as soon as there is capacity; `spotbox down {box.name}` prevents that, and "
        f"`spotbox stop {box.name}` stops it once it runs.",
    )


def _stays_with_aws(box: Box, error: SpotboxError | None = None) -> SpotboxError:
    why = f" ({error.message})" if error else ""
    return SpotboxError(
        f"{box.name} was interrupted, and AWS does not let it be stopped by you{why}",
        f"AWS will restart and bill it as soon as there is capacity; `spotbox down {box.name}` or `spotbox move "
        f"{box.name}` prevents that.",
    )


def _check_now_ours(app: App, box: Box) -> None:
    """An interrupted box counts as stopped only if AWS now says that the user did it."""

    def look() -> Look[Box | None]:
        seen = again(app, box)
        return Look(seen, seen is not None and seen.state is State.STOPPED, "asking AWS whether the stop is yours now")

    found = wait(look, 6, app.system.sleep, app.system.monotonic, app.progress.show)
    app.progress.done()
    if not found.done:
        raise _stays_with_aws(box)


def _until_stopped(app: App, box: Box) -> None:
    began = app.system.monotonic()

    def look() -> Look[Box | None]:
        seen = again(app, box)
        waited = app.system.monotonic() - began
        if seen is None:  # gone, or AWS answers from a time before it was shown
            return Look(seen, waited >= START_SHOWN, "waiting for AWS to show the box")
        if seen.state is State.RUNNING:  # its launch or start was under way when it was asked to
            for step in plan_stop(seen):
                app.cloud.apply(step, app.progress.show)
        ends = seen.state in (State.STOPPED, State.INTERRUPTED) or (left_open(seen) and waited >= ROOM_WAIT)
        return Look(seen, ends, f"{seen.state}: {seen.reason}")

    found = wait(look, RUN_WAIT, app.system.sleep, app.system.monotonic, app.progress.show)
    app.progress.done()
    if found.value is not None and left_open(found.value):
        raise _starts_still(found.value)
    if found.value is None or found.value.state is not State.STOPPED:
        seen = f"{found.value.state}: {found.value.reason}" if found.value else "gone"
        raise SpotboxError(f"{box.name} is not stopped but {seen}", f"Look with: spotbox status {box.name}")


def _disk_price(app: App, box: Box) -> str:
    """What its volumes bill by the month, root and data; nothing where one of them is unknown."""
    usd = find_rates(app, [], box.volumes).volumes(box.volumes)
    return f" about {show_usd(usd, 2)}/month" if usd is not None else ""
