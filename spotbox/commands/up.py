"""spotbox up: create the box, or bring the one of that name up from wherever it is."""

from collections.abc import Sequence
from typing import Any

import click

from spotbox.app import App, get_app
from spotbox.commands._arrive import arrive, not_coming
from spotbox.commands._connect import admit_caller, offer_include, write_entry
from spotbox.commands._find import again, described, find_box, priced
from spotbox.commands._inputs import Asked, canonical_cidrs
from spotbox.commands._new import make_new, report_lines
from spotbox.core.boxes import Box
from spotbox.core.changes import differences
from spotbox.core.errors import SpotboxError
from spotbox.core.names import check_name
from spotbox.core.plans import plan_start, plan_tags
from spotbox.core.states import State
from spotbox.core.steps import Step
from spotbox.core.text import safe, shell
from spotbox.core.units import Bid, show_usd
from spotbox.core.waiting import Look, wait
from spotbox.options import (
    BID,
    CIDR,
    DURATION,
    LOGIN,
    SIZE,
    TAG,
    Command,
    dry_run_option,
    flag,
    given,
    name_argument,
    output_option,
    owner_option,
    region_option,
    typed,
    yes_option,
)
from spotbox.output import to_json

WAIT = 15 * 60


@click.command(cls=Command)
@name_argument
@region_option
@flag("-z", "--zone", "zones", multiple=True, metavar="ZONE", help="Availability Zone; repeat for more, in your order.")
@flag(
    "-t",
    "--instance-type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="Instance type; repeat for more, in your order.",
)
@flag("--gpu", metavar="NAME", help="Any type with this GPU, such as A10G, cheapest first.")
@flag("--min-vram", type=SIZE, help="Any type with at least this much GPU memory in GiB, cheapest first.")
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
@flag("--pool", metavar="NAME", expose_value=False, help="Take the settings of [pool.NAME] of the config file.")
@yes_option
@dry_run_option
@output_option("text", "json")
@click.pass_context
def up(ctx: click.Context, /, name: str, region: str | None, output: str, owner: str | None, **flags: Any) -> None:
    """Create the box NAME (default dev), or bring the one of that name up.

    \b
    spotbox up                              asks, shows prices, asks once more
    spotbox up train -t g5.xlarge -y        no questions, all defaults

    Shows on-demand and Spot price with the savings before it asks, submits a persistent Spot request, and waits until
    the box's SSH server answers. A box of that name is reported, waited for, or started.
    """
    app = get_app(ctx)
    check_name(name)
    whose = app.owner(owner)
    place = app.region(ctx, region)
    asked = _asked(ctx, app, name, place, flags)
    box = find_box(app, app.enabled_regions, whose, name, prefer=app.named_region(ctx, region))
    told = flags["yes"] or asked.dry_run
    if box is not None and box.state is State.TERMINATING and not asked.dry_run:
        box = _settle(app, box, asked.wait)
    if box is None or box.state is State.FAILED:
        ask = _may_ask(app, told)
        made = make_new(app, whose, asked, ask)
        if made.box is None:
            for step in made.plan:
                click.echo(safe(f"would {step}"))
            return
        box, asked = made.box, made.asked
    else:
        ask = not told and app.prompts.possible  # a box that exists leaves nothing to ask for
        box = _bring_up(app, box, asked)
    _report(app, box, asked, output, ask)


def _asked(ctx: click.Context, app: App, name: str, region: str, flags: dict[str, Any]) -> Asked:
    cidrs = canonical_cidrs(app, [text for text, _ in flags["cidrs"]])
    return Asked(
        name=name,
        region=region,
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
    changed = differences(box, _wanted(asked))
    for line in changed.remarks:
        app.remark(line)
    if asked.dry_run:
        for step in (*changed.steps, *plan_start(box)):
            click.echo(safe(f"would {step}"))
        return box
    return _to_running(app, box, asked.wait, changed.steps)


def _adapt(app: App, box: Box, steps: Sequence[Step]) -> None:
    """Carry out the differences and admit the caller: both before its SSH server is waited for, which may need them."""
    for step in steps:
        app.cloud.apply(step, app.progress.show)
        app.progress.done()
        app.remark(f"done: {step}")
    admit_caller(app, again(app, box) or box)


def _wanted(asked: Asked) -> dict[str, Any]:
    """What stands on this command line, by the names that `differences` knows; a config file's defaults are no wish
    to change a box that exists."""
    values = {
        "region": asked.region,
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
    for step in plan_start(settled):
        app.progress.show(str(step))
        app.cloud.apply(step, app.progress.show)
    _adapt(app, settled, changes)
    return arrive(app, settled)


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


def _report(app: App, box: Box, asked: Asked, output: str, ask: bool) -> None:
    if asked.dry_run:
        return
    (box,) = priced(app, [box])
    (record,) = described(app, [box])
    write_entry(app, box)
    offer_include(app, ask)
    if output == "json":
        click.echo(to_json(record))
    else:
        app.echo("\n".join(map(safe, report_lines(app, box, record))))
        click.echo(safe(f"  the same again      {equivalent(app, box, asked)}"))
    if box.spot is not None:
        app.remark(f"It bills until you stop or remove it: forgotten, {show_usd(box.spot * 24, 2)} a day and the disk.")


def equivalent(app: App, box: Box, asked: Asked) -> str:
    """The one-line command that makes this box without a question."""
    words: list[str] = ["spotbox", *app.options.words]
    words += ["up", box.name, "-r", box.region, "-t", box.instance_type or ""]
    words += _repeated("-z", asked.zones)
    words += ["--max-price", str(asked.bid)] if asked.bid and asked.bid != Bid() else []
    words += ["--ami", asked.ami] if asked.ami != "dlami" else []
    disk = next((v.size_gib for v in box.volumes), asked.disk)
    words += ["--disk-size", str(disk)] if disk else []
    words += ["--disk-type", asked.disk_type] if asked.disk_type != "gp3" else []
    words += ["--key", asked.key] if asked.key else []
    words += _repeated("--allow-cidr", asked.cidrs)
    words += ["--subnet", asked.subnet] if asked.subnet else []
    words += ["--iam-profile", asked.profile] if asked.profile else []
    words += ["--user-data", asked.user_data] if asked.user_data else []
    words += _repeated("--tag", [f"{key}={value}" for key, value in asked.tags])
    words += ["--ssh-user", asked.user] if asked.user else []
    words += ["--owner", box.owner] if box.owner != app.owner(None) else []
    return shell([*words, "-y"])


def _repeated(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
