"""spotbox up: create the box, or bring the one of that name up from wherever it is."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import click

from spotbox.app import App, get_app
from spotbox.commands._carry import report_lines
from spotbox.commands._connect import write_entry
from spotbox.commands._data import or_elsewhere, taking_back
from spotbox.commands._equivalent import as_it_is, equivalent
from spotbox.commands._find import described, note_box, priced, search_box
from spotbox.commands._image import by_image
from spotbox.commands._include import offer_include
from spotbox.commands._inputs import Asked, canonical_cidrs, on_the_box
from spotbox.commands._leave import making, staying
from spotbox.commands._limits import tell_cost
from spotbox.commands._new import make_new
from spotbox.commands._pools import check_pool
from spotbox.commands._regions import ALL, chosen, enabled
from spotbox.commands._resume import bring_up, settle
from spotbox.commands._table import put_plan
from spotbox.core.boxes import Box
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.names import check_name
from spotbox.core.states import State
from spotbox.core.text import safe
from spotbox.core.upward import once_gone
from spotbox.options import (
    BID,
    CHECKPOINT,
    CIDR,
    DURATION,
    LOGIN,
    MEMORY,
    SIZE,
    TAG,
    Command,
    chosen_pool,
    dry_run_option,
    flag,
    given,
    idle_stop_option,
    name_argument,
    output_option,
    owner_option,
    ttl_option,
    typed,
    types_option,
    yes_option,
)
from spotbox.output import to_json

WAIT = 15 * 60


@click.command(cls=Command)
@name_argument
@flag("-r", "--region", multiple=True, metavar="REGION", help="AWS region; repeat for more, in your order.")
@flag("-z", "--zone", "zones", multiple=True, metavar="ZONE", help="Availability Zone; repeat for more, in your order.")
@types_option("Instance type; repeat for more, in your order.")
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
@flag("--data-size", "data", type=SIZE, help="A data volume of so many GiB at /data, which outlives the instance.")
@flag("--key", metavar="PATH", help="Public key file; default: a key of spotbox's own.")
@flag("--allow-cidr", "cidrs", type=CIDR, multiple=True, help="Who may reach port 22; default: your own address.")
@flag("--subnet", metavar="ID", help="Subnet to launch in; default: the zone's subnet of the default VPC.")
@flag("--iam-profile", "profile_name", metavar="NAME", help="IAM instance profile of the box.")
@flag("--user-data", metavar="FILE", help="cloud-init script or config for the first boot.")
@flag(
    "--checkpoint",
    "checkpoints",
    type=CHECKPOINT,
    multiple=True,
    help="Folder of the box kept in S3, such as ~/ckpt=s3://mine/dev; needs --iam-profile; repeatable.",
)
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
@flag("--pool", metavar="NAME", help="Take the settings of [pool.NAME] of the config file.")
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
    pool = chosen_pool(ctx)
    _check_together(region, flags)
    check_pool(pool, flags)
    whose = app.owner(owner)
    places = chosen(app, ctx, region, words=())
    asked = replace(_asked(ctx, app, name, places, flags), pool=pool)
    found = search_box(app, enabled(app), whose, name, places if app.named(ctx) else ())
    told = flags["yes"] or asked.dry_run
    first: tuple[str, ...] = ()
    if (leaving := found.box) is not None and leaving.state is State.TERMINATING:
        if asked.dry_run:
            found, first = replace(found, box=_once_gone(leaving)), ("wait until it is gone",)
        else:
            with _staying(app, leaving):
                settle(app, leaving, asked.wait)
            found = search_box(app, enabled(app), whose, name, places if app.named(ctx) else ())
    if found.box is not None and found.box.state is State.KEPT:
        asked = taking_back(app, found.box, asked)
    if found.box is None or found.box.state in (State.FAILED, State.KEPT):
        found.check(asked.regions)
        _make(app, whose, asked, found.ended, output, _may_ask(app, told), first)
        return
    with _staying(app, found.box):
        asked = by_image(app, found.box, asked)
        box = bring_up(app, found.box, asked, output)
        # It leaves nothing to ask for but the Include.
        _report(app, box, as_it_is(box, asked), output, not told and app.prompts.possible)


def _once_gone(box: Box) -> Box | None:
    """What a box on its way out leaves to take back. SpotboxError for what `up` will refuse then."""
    left = once_gone(box)
    if left is not None and left.state is State.ORPHANED:
        told = f"{box.name} is {box.state}, and once that is over, {left.reason}"
        raise SpotboxError(told, f"Remove it first with: spotbox down {box.name}")
    return left


def _check_together(region: tuple[str, ...], flags: dict[str, Any]) -> None:
    """UsageError for flags that do not go together."""
    if ALL in region:
        raise UsageError("up takes no `-r all`", "Name the regions to try, each with -r.")
    if flags["park"] and flags["fallback"] != "none":
        raise UsageError("--park and --fallback exclude each other", "A standing request waits for Spot alone.")
    if flags["checkpoints"] and not flags["profile_name"]:
        raise UsageError(
            "--checkpoint needs --iam-profile: the box writes to S3 with its instance profile alone",
            "Give the name of a profile whose role may read and write there.",
        )


def _make(
    app: App, owner: str, asked: Asked, ended: Mapping[str, int], output: str, ask: bool, first: tuple[str, ...]
) -> None:
    """A new box, or the plan of one, with what comes `first`."""
    with making(asked.name, asked.kept.id if asked.kept else ""):
        try:
            made = make_new(app, owner, asked, ask, ended)
        except SpotboxError as error:
            made = make_new(app, owner, or_elsewhere(app, asked, error, ask), ask, ended)
    if made.box is None:
        put_plan(app, (*first, *made.told), output)
        return
    with staying(app, made.box, f"spotbox up {asked.name}"):
        _report(app, made.box, made.asked, output, ask, made.gpus)


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
        data=flags["data"],
        checkpoints=on_the_box(app, flags["checkpoints"]),
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


def _report(app: App, box: Box, asked: Asked, output: str, ask: bool, gpus: Mapping[str, str] | None = None) -> None:
    """What a finished `up` prints; `gpus` and the box's prices are asked for where they are not known already."""
    if asked.dry_run:
        return
    note_box(app, box)
    if box.on_demand is None and box.spot is None:
        (box,) = priced(app, [box])
    (record,) = described(app, [box], gpus)
    if box.state is not State.WAITING:
        write_entry(app, box)
        offer_include(app, ask)
    if output == "json":
        click.echo(to_json(record))
    else:
        for line in report_lines(app, box, record):
            app.echo(safe(line), hang=2)
        click.echo(safe(f"  the same again      {equivalent(app, box, asked)}"))
    tell_cost(app, box)
