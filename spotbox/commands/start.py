"""spotbox start: bring a stopped box back."""

import click

from spotbox.app import App, get_app
from spotbox.commands._arrive import arrive, begin, tell_moving
from spotbox.commands._connect import admit_caller
from spotbox.commands._data import try_data
from spotbox.commands._find import again, need_box, priced
from spotbox.commands._leave import staying
from spotbox.core.boxes import Box
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.states import State
from spotbox.core.text import safe
from spotbox.core.units import show_usd
from spotbox.core.waiting import Look, wait
from spotbox.options import Command, name_argument, owner_option, region_option

SETTLE_WAIT = 300  # seconds for stopping -> stopped


@click.command(cls=Command)
@name_argument
@region_option
@owner_option
@click.pass_context
def start(ctx: click.Context, name: str, region: str | None, owner: str | None) -> None:
    """Start NAME (default dev) again, with its disk as it was and a new address.

    \b
    spotbox start
    spotbox start train
    """
    app = get_app(ctx)
    box = need_box(app, app.named_region(ctx, region), app.owner(owner), name)
    with staying(app, box, f"spotbox start {name}"):
        box = try_data(app, _started(app, box))
        (box,) = priced(app, [box])
    price = show_usd(box.spot if box.market == "spot" else box.on_demand)
    app.echo(f"{name} runs in {safe(box.zone)}, {price}/h. A shell on it: spotbox ssh {name}", hang=2)


def _started(app: App, box: Box) -> Box:
    """The box, once it runs and answers."""

    def look() -> Look[Box | None]:
        seen = again(app, box)
        done = seen is None or seen.state is not State.STOPPING
        return Look(seen, done, f"{seen.state}: {seen.reason}" if seen else "")

    if box.state is State.STOPPING:
        box = wait(look, SETTLE_WAIT, app.system.sleep, app.system.monotonic, app.progress.show).value or box
        app.progress.done()
    check_startable(box)
    tell_moving(app, box)
    begin(app, box)
    admit_caller(app, box)  # first: an address that is not admitted would wait in vain for the box's SSH server
    return arrive(app, box)


def check_startable(box: Box) -> None:
    """SpotboxError where the user cannot start it: 3 where AWS has it, else 1."""
    if box.state in (State.STOPPED, State.RUNNING, State.STARTING):
        return
    if box.state in (State.INTERRUPTED, State.WAITING):
        move = f"take it elsewhere: spotbox move {box.name}; " if box.state is State.INTERRUPTED else ""
        raise SpotboxError(
            f"{box.name} is {box.state}: {box.reason}",
            f"Only AWS can bring it up. Wait for it with: spotbox up {box.name}; {move}"
            f"or remove it: spotbox down {box.name}",
            Exit.NO_CAPACITY,
        )
    if box.state is State.KEPT:
        raise SpotboxError(f"{box.name} is {box.state}: {box.reason}", f"Take it back with: spotbox up {box.name}")
    raise SpotboxError(f"{box.name} is {box.state}: {box.reason}", f"Look with: spotbox status {box.name}")
