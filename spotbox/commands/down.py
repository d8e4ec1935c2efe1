"""spotbox down: cancel, prove it, terminate, clean the last of it, look again, and tell what was removed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import click

from spotbox.app import App, get_app
from spotbox.commands._confirm import confirm
from spotbox.commands._farewell import Eve, farewell
from spotbox.commands._find import others
from spotbox.commands._leave import asking
from spotbox.commands._remove import Tally, kept_lines, priced
from spotbox.commands._table import put_plan
from spotbox.commands._take_away import TRACED, Wanted, leave_traces, look, remove
from spotbox.core.boxes import Sight
from spotbox.core.copies import keeping
from spotbox.core.cost import Cost, Life
from spotbox.core.cost_report import remarks, sentences, summary
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.findings import Survey
from spotbox.core.removal import doubt, going_with_instances, outline, parts_of
from spotbox.core.steps import Plan
from spotbox.core.text import safe, shell
from spotbox.core.units import show_usd
from spotbox.options import (
    Command,
    dry_run_option,
    flag,
    name_argument,
    output_option,
    owner_option,
    region_option,
    yes_option,
)
from spotbox.output import to_json


@click.command(cls=Command)
@name_argument
@flag("--all", "every", is_flag=True, help="Every box of this owner, in every region.")
@flag("--keep-data", is_flag=True, help="Leave the data volume; it bills until `down` without this flag.")
@region_option
@owner_option
@yes_option
@dry_run_option
@output_option("text", "json")
@click.pass_context
def down(
    ctx: click.Context, /, name: str, every: bool, keep_data: bool, yes: bool, dry_run: bool, **flags: Any
) -> None:
    """Remove NAME (default dev): Spot request, instance, disks, security group and, with the last box, the key pair.

    Asks first. What AWS may bring to light late (a box made a moment ago, a request that was open) is looked for again.
    Exit code 6, with each id and what it costs, where something could not be removed or confirmed.

    \b
    spotbox down
    spotbox down --all -y
    """
    app = get_app(ctx)
    owner = app.owner(flags["owner"])
    place = app.named_region(ctx, flags["region"])
    regions = [place] if place else app.enabled_regions
    again = _again("--all" if every else name, place, owner if flags["owner"] else None, keep_data)
    wanted = Wanted(owner, None if every else [name], keep_data, again)
    seen, looked = look(app, regions, owner), app.system.now()
    plan, tally = wanted.plan(seen.sights), Tally()
    settling = doubt(seen.sights, plan, owner, wanted.names, looked, app.settle)
    for region, error in seen.failed.items():
        if every or not plan:
            tally.unseen(region, error)
    if not plan and not settling:
        who = f"{safe(owner)}'s" if every else name
        app.remark(f"nothing of {who} to remove{'' if every else f'. {others(app, regions, owner)}'}")
        _nothing(app, tally, dry_run, flags["output"])
        return
    plan, surveys = leave_traces(app, seen.sights, plan, owner, tally)
    texts = outline(plan, going_with_instances(seen.sights, owner, wanted.names))
    for text in () if dry_run else texts:
        app.remark(f"  - {text}", hang=4)
    for text in keeping(seen.sights, owner, wanted.names).remarks if keep_data else ():
        app.remark(safe(text))
    if dry_run:
        put_plan(app, texts, flags["output"])
        return
    if plan:
        with asking("nothing was removed"):
            confirm(app, yes, "Remove all this?", "nothing was removed, as you said")
    with _interruptible(app, wanted, plan, tally):
        last = remove(app, seen.sights, plan, wanted, settling, tally)
    told = farewell(app, Eve(looked, seen.sights, owner, wanted.names), last, tally.held)
    _finish(app, tally, flags["output"], [*seen.sights, *last], surveys, told)


def _again(what: str, region: str | None, owner: str | None, keep_data: bool) -> str:
    """The command that goes on with it."""
    words = [what, *(["-r", region] if region else []), *(["--owner", owner] if owner else [])]
    return shell(["spotbox", "down", *words, *(["--keep-data"] if keep_data else [])])


def _nothing(app: App, tally: Tally, dry_run: bool, output: str) -> None:
    """The end where nothing is there to be removed; a dry run has an empty plan then."""
    if dry_run and not tally.unresolved:
        put_plan(app, (), output)
        return
    _finish(app, tally, output)


@contextmanager
def _interruptible(app: App, wanted: Wanted, plan: Plan, tally: Tally) -> Iterator[None]:
    """Ctrl-C ends it at once; what is left is named, and the command that goes on."""
    try:
        yield
    except KeyboardInterrupt:
        app.progress.done()
        told = tally.told
        parts = [part for step in plan for part in parts_of(step) if part["id"] not in told]
        left = ", ".join(f"{part['kind']} {part['id']} ({part['region']})" for part in parts)
        what = f"interrupted; not removed, or not proved: {left}" if left else "interrupted before the last look"
        raise SpotboxError(what, f"Go on with: {wanted.again}", Exit.INTERRUPTED) from None


def _finish(
    app: App, tally: Tally, output: str, sights: Sequence[Sight] = (), surveys: Sequence[Survey] = (),
    costs: Sequence[tuple[Life, Cost]] = (),
) -> None:  # fmt: skip
    """Print what became of it all, and what it cost; exit 6 while something may still bill."""
    unresolved = priced(app, tally, sights, surveys)
    if output == "json":
        click.echo(
            to_json({"removed": tally.removed, "kept": tally.kept, "unresolved": unresolved, "cost": summary(costs)})
        )
    else:
        for item in tally.removed:
            app.echo(safe(f"removed {item['kind']} {item['id']} ({item['region']})"), hang=2)
        for line in kept_lines(app, tally, sights):
            app.echo(safe(line), hang=2)
        for item in unresolved:
            cost = item["usd_per_month"]
            price = "cost unknown" if cost is None else f"{show_usd(Decimal(str(cost)), 2)}/month"
            where = f"{item['kind']} {item['id']} ({item['region']}, {price})"
            app.echo(safe(f"NOT removed {where}: {item['why']}"), hang=2)
        for line in sentences(costs):
            app.echo(safe(line), hang=2)
    for text in remarks(costs):
        app.remark(text)
    if unresolved:
        traced = any(item["why"] == TRACED for item in unresolved)
        hint = "What bears only spotbox's traces, `spotbox audit --fix` removes after asking. " if traced else ""
        raise SpotboxError(
            "not all could be removed or confirmed", f"{hint}Run the same command again.", Exit.STILL_BILLS
        )
