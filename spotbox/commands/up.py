"""spotbox up: create the box, or bring the one of that name up from wherever it is."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import click

from spotbox.app import App, get_app
from spotbox.commands._arrive import arrive, begin, not_coming
from spotbox.commands._carry import report_lines
from spotbox.commands._connect import admit_caller, offer_include, write_entry
from spotbox.commands._equivalent import equivalent
from spotbox.commands._find import again, described, priced, search_box
from spotbox.commands._inputs import Asked, canonical_cidrs
from spotbox.commands._leave import making, staying
from spotbox.commands._limits import tell_cost, tell_expired, wanted_limits
from spotbox.commands._new import make_new
from spotbox.commands._regions import ALL, chosen, enabled
from spotbox.core.boxes import Box
from spotbox.core.changes import differences
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.names import check_name
from spotbox.core.plans import plan_start, plan_tags
from spotbox.core.states import State
from spotbox.core.steps import SetLimit, Step
from spotbox.core.text import safe
from spotbox.core.waiting import Look, wait
from spotbox.options import (
    BID,
    CIDR,
    DURATION,
    LOGIN,
    MEMORY,
    SIZE,
    TAG,
    Command,
    dry_run_option,
    flag,
    given,
    idle_stop_option,
    name_argument,
    output_option,
    owner_option,
    ttl_option,
    typed,
    yes_option,
)
from spotbox.output import to_json

WAIT = 15 * 60


@click.command(cls=Command)
@name_argument
@flag("-r", "--region", multiple=True, metavar="REGION", help="AWS region; repeat for more, in your order.")
@flag("-z", "--zone", "zones", multiple=True, metavar="ZONE", help="Availability Zone; repeat for more, in your order.")
@flag(
    "-t",
    "--instance-type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="Instance type; repeat for more, in your order.",
)
@flag("--gpu", metavar="NAME", help="Any type with this GPU, such as A10G, or a glob; cheapest first.")
@flag("--min-vram", type=MEMORY, help="Any type with at least this much GPU memory in GiB, cheapest first.")
@flag("--max-price", "bid", type=BID, help="Most to pay: on-demand (default), NN% of it, or USD per hour.")
@flag(
    "--ami", default="dlami", show_default=True, metavar="ID|ALIAS", help="Image id, or dlami, dlami-al2023, pytorch."
)
@flag("--disk-size", "disk", type=SIZE, help="Root disk in GiB; default 100, or the image's size if larger.")
@flag(
    "--disk-type", default="gp3", show_default=True, type=click.Choice(["gp3", "gp2", "io1", "io2"]), help="EBS type."
)
@flag("--key", metavar="PATH", help="Public key file; default: a key of spotbox's own.")
@flag("--allow-cidr", "cidrs", type=CIDR, multiple=True, help="Who may reach port 22; default: your own address.")
@flag("--subnet", metavar="ID", help="Subnet to launch in; default: the zone's subnet of the default VPC.")
@flag("--iam-profile", "profile_name", metavar="NAME", help="IAM instance profile of the box.")
@flag("--user-data", metavar="FILE", help="cloud-init script or config for the first boot, at most 16 KB.")
@flag("--tag", "tags", type=TAG, multiple=True, help="Tag of your own on everything; repeatable.")
@flag("--ssh-user", "user", type=LOGIN, metavar="NAME", help="Login on an image of your own.")
@owner_option
@flag(
    "--wait", type=DURATION, default=str(WAIT) + "s", help="How long to try for capacity (default 15m; 0: one round)."
)
@flag("--park", is_flag=True, help="Leave a standing request with AWS, and return at once.")
@flag(
    "--fallback",
    type=click.Choice(["none", "on-demand"]),
    default="none",
    show_default=True,
    help="What to launch where Spot has nothing within --wait.",
)
@ttl_option
@idle_stop_option
@flag("--pool", metavar="NAME", expose_value=False, help="Take the settings of [pool.NAME] of the config file.")
@yes_option
@dry_run_option
@output_option("text", "json")
@click.pass_context
def up(ctx: click.Context, /, name: str, region: tuple[str, ...], output: str, owner: str | None, **flags: Any) -> None:
    """Create the box NAME (default dev), or bring the one of that name up.

    \b
    spotbox up                              asks, shows prices, asks once more
    spotbox up train -t g5.xlarge -y        no questions, all defaults

    Shows on-demand and Spot price with the savings before it asks, submits a persistent Spot request, and waits until
    the box's SSH server answers. A box of that name is reported, waited for, or started.
    """
    app = get_app(ctx)
    check_name(name)
    if flags["park"] and flags["fallback"] != "none":
        raise UsageError("--park and --fallback exclude each other", "A standing request waits for Spot alone.")
    whose = app.owner(owner)
    if ALL in region:
        raise UsageError("up takes no `-r all`", "Name the regions to try, each with -r.")
    places = chosen(app, ctx, region)
    asked = _asked(ctx, app, name, places, flags)
    found = search_box(app, enabled(app), whose, name, places if app.named(ctx) else ())
    told = flags["yes"] or asked.dry_run
    if found.box is not None and found.box.state is State.TERMINATING and not asked.dry_run:
        with _staying(app, found.box):
            _settle(app, found.box, asked.wait)
        found = search_box(app, enabled(app), whose, name, places if app.named(ctx) else ())
    if found.box is None or found.box.state is State.FAILED:
        found.check(asked.regions)
        ask = _may_ask(app, told)
        with making(name):
            made = make_new(app, whose, asked, ask, found.ended)
        if made.box is None:
            for step in made.plan:
                click.echo(safe(f"would {step}"))
            return
        with staying(app, made.box, f"spotbox up {name}"):
            _report(app, made.box, made.asked, output, ask, made.gpus)
        return
    with _staying(app, found.box):
        box = _bring_up(app, found.box, asked)
        # It leaves nothing to ask for but the Include.
        _report(app, box, asked, output, not told and app.prompts.possible)


def _staying(app: App, box: Box) -> AbstractContextManager[None]:
    """Ctrl-C while a box comes up that was there before: it stays."""
    return staying(app, box, f"spotbox up {box.name}", f"{box.name} was there before this `up` and stays")


def _asked(ctx: click.Context, app: App, name: str, regions: tuple[str, ...], flags: dict[str, Any]) -> Asked:
    cidrs = canonical_cidrs(app, [text for text, _ in flags["cidrs"]])
    return Asked(
        name=name,
        regions=regions,
        zones=flags["zones"],
        types=flags["types"],
        gpu=flags["gpu"],
        min_vram=flags["min_vram"],
        bid=flags["bid"],
        ami=flags["ami"],
        disk=flags["disk"],
        disk_type=flags["disk_type"],
        key=flags["key"],
        cidrs=cidrs,
        subnet=flags["subnet"],
        profile=flags["profile_name"],
        user_data=flags["user_data"],
        tags=flags["tags"],
        user=flags["user"],
        wait=flags["wait"],
        park=flags["park"],
        fallback=flags["fallback"] == "on-demand",
        ttl=flags["ttl"],
        idle_stop=flags["idle_stop"],
        dry_run=flags["dry_run"],
        given=given(ctx),
        typed=typed(ctx),
    )


def _may_ask(app: App, told: bool) -> bool:
    """Whether questions are put. In the sandbox nothing is at stake: without a terminal it takes the defaults."""
    if told:
        return False
    if app.prompts.possible:
        return True
    if app.sandbox:
        app.remark("no terminal to ask on: taking every default, as this is the sandbox")
        return False
    raise app.prompts.refuse("-y")


def _bring_up(app: App, box: Box, asked: Asked) -> Box:
    """From whatever state to running; changes nothing with --dry-run."""
    changed = differences(box, _wanted(box, asked) | wanted_limits(app, asked))
    for line in changed.remarks:
        app.remark(line)
    if asked.dry_run:
        for step in (*changed.steps, *plan_start(box)):
            click.echo(safe(f"would {step}"))
        return box
    limits = [step for step in changed.steps if isinstance(step, SetLimit)]  # now: AWS may let us wait for long
    _carry_out(app, limits)
    if not limits:
        tell_expired(app, box)
    if asked.park and box.state is State.WAITING:  # it stands with AWS already
        return box
    return _to_running(app, box, asked.wait, [step for step in changed.steps if step not in limits])


def _adapt(app: App, box: Box, steps: Sequence[Step]) -> None:
    """Carry out the differences and admit the caller: both before its SSH server is waited for, which may need them."""
    _carry_out(app, steps)
    admit_caller(app, again(app, box) or box)


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
        "cidrs": asked.cidrs,
        "tags": asked.tags,
        "ami": asked.ami,
        "key": asked.key,
        "subnet": asked.subnet,
        "profile_name": asked.profile,
        "user_data": asked.user_data,
        "disk_type": asked.disk_type,
        "user": asked.user,
        "gpu": asked.gpu,
        "min_vram": asked.min_vram,
    }
    return {key: value for key, value in values.items() if key in asked.typed}


def _to_running(app: App, box: Box, patience: float, changes: Sequence[Step]) -> Box:
    match box.state:
        case State.ORPHANED | State.KEPT:
            raise SpotboxError(
                f"{box.name} is {box.state}: {box.reason}", f"Remove it first with: spotbox down {box.name}"
            )
        case State.RUNNING:
            app.remark(f"{box.name} runs already")
            for step in plan_tags(box):
                app.cloud.apply(step, app.progress.show)
            _adapt(app, box, changes)
            return arrive(app, box)
    settled = _settle(app, box, patience)
    if settled is None:
        raise SpotboxError(f"{box.name} is gone now", f"Make it anew with: spotbox up {box.name}")
    if settled.state is State.INTERRUPTED or settled.state is State.WAITING:
        raise not_coming(settled)
    begin(app, settled)
    _adapt(app, settled, changes)
    arrived = arrive(app, settled, room_wait=patience)
    for step in plan_tags(arrived):  # what a standing request launched was not there to be tagged before
        app.cloud.apply(step, app.progress.show)
    return arrived


_PASSING = (State.STOPPING, State.TERMINATING, State.WAITING, State.INTERRUPTED)


def _settle(app: App, box: Box, patience: float) -> Box | None:
    """Wait while the box is on its way somewhere, or AWS has it; at most `patience` seconds for AWS."""
    longest = patience if box.state in (State.WAITING, State.INTERRUPTED) else max(patience, 300)

    def look_once() -> Look[Box | None]:
        seen = again(app, box)
        done = seen is None or seen.state not in _PASSING
        return Look(seen, done, f"{seen.state}: {seen.reason}" if seen else "")

    found = wait(look_once, longest, app.system.sleep, app.system.monotonic, app.progress.show)
    app.progress.done()
    return found.value


def _report(app: App, box: Box, asked: Asked, output: str, ask: bool, gpus: Mapping[str, str] | None = None) -> None:
    """What a finished `up` prints; `gpus` and the box's prices are asked for where they are not known already."""
    if asked.dry_run:
        return
    if box.on_demand is None and box.spot is None:
        (box,) = priced(app, [box])
    (record,) = described(app, [box], gpus)
    if box.state is not State.WAITING:
        write_entry(app, box)
        offer_include(app, ask)
    if output == "json":
        click.echo(to_json(record))
    else:
        app.echo("\n".join(map(safe, report_lines(app, box, record))))
        click.echo(safe(f"  the same again      {equivalent(app, box, asked)}"))
    if box.state is State.WAITING:
        app.remark("AWS launches it as soon as it can, also while this machine is off; it bills from then on.")
    else:
        tell_cost(app, box)
