"""spotbox cost: what boxes cost, rebuilt from AWS, and what that was against on-demand. Estimates, and called so."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import click

from spotbox.app import App, get_app
from spotbox.commands._actual import ask_first, billed
from spotbox.commands._cost import Costs, costs_of, parts_of_boxes
from spotbox.commands._cost_show import show
from spotbox.commands._find import find_boxes, others
from spotbox.commands._ledger import removed
from spotbox.core.cost import Cost, Life, total_of
from spotbox.core.cost_report import ACTUAL, KEYS, record, rounded
from spotbox.core.cost_since import Since, since_when
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.report import number
from spotbox.options import NAME, SINCE, Command, flag, output_option, owner_option, region_option, yes_option
from spotbox.output import to_csv, to_json

Found = Sequence[tuple[Life, Cost]]


@click.command(cls=Command)
@click.argument("name", type=NAME, required=False)
@flag("--since", type=SINCE, help="Only from then on: a time back such as 7d, or a date; with boxes removed since.")
@flag("--actual", is_flag=True, help="Beside it what AWS billed, from Cost Explorer, which charges 0.01 USD a call.")
@region_option
@owner_option
@yes_option
@output_option("table", "json", "csv")
@click.pass_context
def cost(ctx: click.Context, /, name: str | None, since: Since | None, actual: bool, yes: bool, **flags: Any) -> None:
    """Show what every box of yours, or NAME, cost: hours, compute, disk, and what on-demand would have cost.

    An estimate: Spot prices second by second as they were, the history from EC2, CloudTrail and what spotbox saw.
    What nobody tells any more is said and not counted (`complete` is false then), never guessed.

    \b
    spotbox cost
    spotbox cost dev --since 30d
    spotbox cost --since 2026-11-01 --actual
    """
    app = get_app(ctx)
    owner = app.owner(flags["owner"])
    place = app.named_region(ctx, flags["region"])
    regions = [place] if place else app.enabled_regions
    start = since_when(since, app.system.now(), None) if since is not None else None
    boxes = find_boxes(app, regions, owner, name, full=False)
    gone = [each for each in removed(app, owner, name, start) if _was_in(each[0], place)] if start else []
    if name and not boxes and not gone:
        raise _none_of(app, name, regions, owner, start is None)
    asks = actual and bool(boxes or gone) and ask_first(app, yes)
    costs = costs_of(app, parts_of_boxes(app, boxes), gone, start)
    names = {life.name for life, _ in costs.found}
    bill = billed(app, owner, names, costs.start) if asks else None
    _put(app, costs, name, flags["output"], start, bill, actual)


def _was_in(life: Life, region: str | None) -> bool:
    """Whether a box that was removed was ever in the region that is asked for."""
    return region is None or region in {run.pool.region for run in life.runs} | {disk.region for disk in life.disks}


def _none_of(app: App, name: str, regions: Sequence[str], owner: str, now: bool) -> SpotboxError:
    """Exit 7; where only boxes that are there `now` were asked for, with how to see one that was removed."""
    hint = others(app, regions, owner)
    if now:
        hint = f"Removed ones are in `spotbox cost {name} --since 30d`. {hint}"
    return SpotboxError(f"there is no box named {name}", hint, Exit.NO_SUCH_BOX)


def _put(
    app: App,
    costs: Costs,
    name: str | None,
    output: str,
    since: datetime | None,
    bill: dict[str, Decimal] | None,
    actual: bool,
) -> None:
    """The costs on stdout, in the form that was asked for."""
    if output == "table":
        if costs.found:
            show(app, costs, since, bill)
        else:
            app.remark("no boxes. Make one with: spotbox up" if since is None else "no boxes in that time")
        return
    for text in costs.remarks:
        app.remark(text)
    rows = [record(life.name, each) for life, each in costs.found]
    if name:  # one thing was asked for: a box that moves, or was removed and made again, in one
        rows = [record(name, total_of(each for _, each in costs.found))]
    if actual:
        usd = bill or {}
        rows = [{**row, ACTUAL: number(rounded(usd.get(row["name"])))} for row in rows]
    keys = [*KEYS, *([ACTUAL] if actual else [])]
    click.echo(to_csv(rows, keys) if output == "csv" else to_json(rows[0] if name else rows))
