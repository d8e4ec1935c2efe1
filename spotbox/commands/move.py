"""spotbox move: the box in another zone, region or type, its disks included."""

from collections.abc import Sequence

import click

from spotbox.app import App, get_app
from spotbox.commands._confirm import confirm
from spotbox.commands._data import try_data
from spotbox.commands._find import others, priced
from spotbox.commands._leave import asking
from spotbox.commands._move_carry import Mover, lost, see
from spotbox.commands._move_target import Asked, Way, find_way
from spotbox.commands._move_user_data import user_data
from spotbox.core.boxes import Box
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.hunt import pool_words
from spotbox.core.moved import Scene, Target, apart, parse_target
from spotbox.core.moving import Phase, retirement, whats_next
from spotbox.core.names import KEEP_TAG, check_name, join_names
from spotbox.core.prices import savings_pct
from spotbox.core.records import Offer
from spotbox.core.states import State
from spotbox.core.text import safe
from spotbox.core.units import show_usd
from spotbox.options import (
    DURATION,
    Command,
    dry_run_option,
    flag,
    name_argument,
    owner_option,
    typed,
    unsay_region,
    yes_option,
)

_MOVABLE = (State.RUNNING, State.STARTING, State.STOPPING, State.STOPPED, State.INTERRUPTED)


@click.command(cls=Command)
@name_argument
@flag("-r", "--region", metavar="REGION", help="Region to move to; default: the one that the box is in.")
@flag("-z", "--zone", "zones", multiple=True, metavar="ZONE", help="Zone to move to; repeat for more, in your order.")
@flag("-t", "--instance-type", "types", multiple=True, metavar="TYPE", help="Type to become; repeat for more.")
@owner_option
@flag("--wait", type=DURATION, default="900s", help="How long to try for capacity (default 15m; 0: one round).")
@yes_option
@dry_run_option
@click.pass_context
def move(ctx: click.Context, /, name: str, region: str | None, owner: str | None, wait: int, **flags: object) -> None:
    """Move NAME (default dev) to another zone, region or type, with all that is on its disks.

    Without -z, -r and -t to the cheapest other zone of its region. A running box is stopped first. An image of it is
    launched there; once that answers, and not before, the old one goes. Cut off, `spotbox move` again goes on. Where
    there is no capacity within --wait, the box stays as it was (exit code 3). An interrupted box moves without running.

    \b
    spotbox move
    spotbox move dev -z us-east-1b
    spotbox move dev -r us-west-2 -t g5.2xlarge -y
    """
    app = get_app(ctx)
    check_name(name)
    whose = app.owner(owner)
    # Where to is said here: what the environment and the config file say of regions, zones and types is for `up`.
    said = typed(ctx)
    zones, types = (_names(flags[key]) if key in said else () for key in ("zones", "types"))
    place = app.check_region(region) if region and "region" in said else None
    ask = not flags["yes"] and app.prompts.possible
    asked = Asked(place, zones, types, wait, ask, bool(flags["dry_run"]))
    scene = see(app, app.enabled_regions, whose, name, whole=False)
    if scene.old is None and scene.new is not None:
        scene = see(app, app.enabled_regions, whose, name)  # nothing is taken for gone that was only not seen
        scene = _cleaned(app, scene, asked)
        if not asked.any or asked.dry_run:
            return
    if scene.old is None:
        if scene.images or scene.snapshots:
            raise lost(scene)
        hint = others(app, app.enabled_regions, whose)
        raise SpotboxError(f"there is no box named {name}", hint, Exit.NO_SUCH_BOX)
    _move(app, scene, scene.old, asked, bool(flags["yes"]))


def _names(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, (tuple, list)) else ()


def _cleaned(app: App, scene: Scene, asked: Asked) -> Scene:
    """Finish a move whose old box is gone already: what is left of it goes."""
    new = scene.new
    assert new  # noqa: S101
    if whats_next(scene, Target("", (), ())).phase is Phase.LOST:
        raise lost(scene)
    if asked.dry_run:
        for step in retirement(scene):
            app.echo(safe(f"would {step}"), hang=2)
        return scene
    app.remark(f"{new.name} has moved to {safe(new.zone)}; removing what is left of the move")
    Mover(app, None, [s.region for s in scene.sights], new.owner, new.name, asked.wait, b"").run()
    app.echo(f"the move of {new.name} to {safe(new.zone)} is complete", hang=2)
    return see(app, app.enabled_regions, new.owner, new.name, whole=False)


def _move(app: App, scene: Scene, old: Box, asked: Asked, yes: bool) -> None:
    name = old.name
    _check(scene, old)
    if scene.new is None and not old.moving and _there(old, asked):
        app.echo(f"nothing to do: {name} is a {safe(old.instance_type)} in {safe(old.zone)} already", hang=2)
        return
    if scene.new is not None and asked.any:
        app.remark(f"a move of {name} to {safe(scene.new.zone)} is under way: going on with that one")
        unsay_region(click.get_current_context())
        get_app(click.get_current_context())  # it says its remarks with what is typed
        asked = Asked(wait=asked.wait, ask=asked.ask, dry_run=asked.dry_run)
    way = find_way(app, old, asked) if scene.new is None or old.moving else None
    if way and scene.new is None:
        _check_apart(old, way)
    if way and way.network and scene.new is None:
        app.remark(safe(way.network))
    outline = _outline(scene, old, way)
    if asked.dry_run:
        for line in outline:
            app.echo(safe(f"would {line}"), hang=2)
        return
    if way:
        _tell_price(app, old, way.offers[0])
    app.remark("This will:")
    for line in outline:
        app.remark(f"  - {line}", hang=4)
    with asking("nothing was changed"):
        confirm(app, yes, "Move it?", "nothing was changed, as you said")
    regions = list(dict.fromkeys([old.region, way.target.region if way else old.region, *_regions(app, scene)]))
    box = _moved(app, Mover(app, way, regions, old.owner, name, asked.wait, user_data(app, old)))
    if any(KEEP_TAG not in volume.tags for volume in apart(box)):  # one that is kept waits for the next `up`
        box = try_data(app, box)
    (box,) = priced(app, [box])
    price = show_usd(box.spot if box.market == "spot" else box.on_demand)
    app.echo(f"{name} has moved: {safe(box.instance_type)} in {safe(box.zone)}, {price}/h. A shell: spotbox ssh {name}")


def _moved(app: App, mover: Mover) -> Box:
    """The box that replaces it. Where the move is cut off, the error says how to go on."""
    name = mover.name
    try:
        return mover.run()
    except KeyboardInterrupt:
        app.progress.done()
        raise SpotboxError(
            f"interrupted; the move of {name} is not complete, and nothing of it is lost",
            f"Go on with: spotbox move {name}; see what is there: spotbox status; remove all: spotbox down {name}",
            Exit.INTERRUPTED,
        ) from None
    except SpotboxError as error:
        if f"spotbox move {name}" in error.hint or f"spotbox down {name}" in error.hint or mover.given_up:
            raise
        hint = f"{error.hint} The move of {name} is not complete; go on with: spotbox move {name}".strip()
        raise SpotboxError(error.message, hint, error.exit_code, error.code) from error


def _regions(app: App, scene: Scene) -> list[str]:
    """Where something of it is, or may come to light: an earlier run may have begun it to another region."""
    found = [box.region for box in (scene.old, scene.new) if box]
    noted = parse_target(scene.old.moving) if scene.old else None
    found += [noted.region] if noted and noted.region in app.enabled_regions else []
    return [*found, *(image.region for image in scene.images), *(each.region for each in scene.snapshots)]


def _check(scene: Scene, old: Box) -> None:
    """SpotboxError for a box that cannot be moved; what is being retired already is left to the mover."""
    if scene.new is not None:
        return
    if old.state in _MOVABLE and old.instance is not None:
        return
    hint = {
        State.WAITING: f"It has no disk yet: spotbox down {old.name}, then spotbox up {old.name} elsewhere",
        State.KEPT: f"Take it back with: spotbox up {old.name}; remove it with: spotbox down {old.name}",
    }
    raise SpotboxError(
        f"{old.name} is {old.state}: {old.reason}; there is nothing to move",
        hint.get(old.state, f"Look with: spotbox status {old.name}"),
    )


def _check_apart(old: Box, way: Way) -> None:
    """SpotboxError where a data volume would be left behind in the old region; in its own it follows by a snapshot."""
    left = join_names([volume.id for volume in apart(old)])
    if left and way.target.region != old.region:
        raise SpotboxError(
            f"the data volume of {old.name} ({left}) is not attached to it, and would be left behind in {old.region}",
            f"Attach it with: spotbox up {old.name}; after a move within {old.region} it follows by a snapshot",
        )


def _there(old: Box, asked: Asked) -> bool:
    """Whether the box is where the flags want it."""
    region = asked.region in (None, old.region)
    zone = old.zone in asked.zones if asked.zones else True
    return asked.any and region and zone and (not asked.types or old.instance_type in asked.types)


def _outline(scene: Scene, old: Box, way: Way | None) -> Sequence[str]:
    """What will be done, in words: the order is the law of it."""
    lines: list[str] = []
    if scene.new is None and way is not None:
        instance = old.instance.id if old.instance else old.name
        size = sum(volume.size_gib for volume in old.volumes)
        runs = old.instance is not None and old.instance.state != "stopped"
        lines += [f"stop {instance}, so that nothing is written after the snapshot"] if runs else []
        lines.append(f"make an image of {instance} with all its disks ({size} GiB)")
        if way.target.region != old.region:
            lines.append(f"copy the image to {way.target.region}, encrypted")
        first, *rest = way.offers
        then = f", else {', '.join(pool_words(offer) for offer in rest)}" if rest else ""
        lines.append(f"launch it as {pool_words(first)}{then}")
    lines.append("wait until it answers over SSH and has every disk")
    steps = [str(step) for step in retirement(scene)] if scene.new else [str(s) for s in _retired(old)]
    return [*lines, *(f"then {step}" for step in steps)]


def _retired(old: Box) -> Sequence[str]:
    """What goes in the end, before it is known what replaces it."""
    lines = [f"cancel Spot request {old.request.id} in {old.region}"] if old.request else []
    lines += [f"terminate instance {old.instance.id}, its disks included"] if old.instance else []
    return [*lines, "remove the image and its snapshots"]


def _tell_price(app: App, old: Box, offer: Offer) -> None:
    saved = savings_pct(offer.on_demand, offer.spot)
    told = f", savings {saved:.2f} %" if saved is not None else ""
    app.remark(
        f"{old.name}: {safe(old.instance_type)} in {safe(old.zone)} -> {pool_words(offer)}, "
        f"{show_usd(offer.spot)}/h Spot, {show_usd(offer.on_demand)}/h on-demand{told}",
        hang=2,
    )
