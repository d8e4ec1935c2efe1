"""The cost of boxes on a screen: a bar for each day, a table, and what the figures leave out."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import click

from spotbox.app import App
from spotbox.charts import Bar, Look, draw_bars
from spotbox.commands._cost import Costs
from spotbox.commands._history import how
from spotbox.commands._table import put_table
from spotbox.core.cost import Cost, Life, total_of
from spotbox.core.cost_days import by_day
from spotbox.core.cost_report import hours, money, percent, remarks
from spotbox.core.cost_since import midnight
from spotbox.core.text import plural
from spotbox.output import Column, screen

Billed = Mapping[str, Decimal]
SIDES = 10  # columns beside the bars: the frame and the figures
LEAST = ">"  # before a figure of which not all is known
_COLUMNS = (
    Column("box", "box", words=True),
    Column("ran\nh", "hours run", right=True),
    Column("stopped\nh", "hours stopped", right=True, rank=3),
    Column("compute", "compute", right=True),
    Column("disk", "disk", right=True, rank=1),
    Column("IPv4", "public IPv4", right=True, rank=4),
    Column("total", "total", right=True),
    Column("on-demand\ncompute", "on-demand", right=True, rank=2),
    Column("savings", "savings", right=True),
)
_BILLED = Column("billed", "billed", right=True)


def show(app: App, costs: Costs, since: datetime | None, billed: Billed | None) -> None:
    """All of it, within the terminal's columns where stdout is one; bars only there."""
    if screen() is not None and costs.start < costs.end:
        _bars(app, costs, how(app.env, screen() or 80))
    rows = [_row(_label(life), cost, _of(billed, life)) for life, cost in costs.found]
    whole = total_of(cost for _, cost in costs.found)
    if len(rows) > 1:
        rows.append(_row("total", whole, None if billed is None else money(sum(billed.values(), Decimal(0)))))
    put_table(app, rows, [*_COLUMNS, *([_BILLED] if billed is not None else [])])
    least = "" if whole.complete else "at least "
    app.echo(f"estimate: {least}{money(whole.total)}, savings: {percent(whole.savings)}", hang=2)
    asked = f"since {costs.start.astimezone():%Y-%m-%d %H:%M %Z}" if since else "since each box was made"
    app.remark(f"estimates {asked}: Spot prices as they were then, the others of this week; savings are of compute")
    app.remark("not counted: data transfer, snapshots, IOPS and taxes")
    if not whole.complete:
        app.remark(f"{LEAST} at least: not all of it is known.")
    for text in (*costs.remarks, *remarks(costs.found, since)):
        app.remark(text)


def _bars(app: App, costs: Costs, look: Look) -> None:
    room = look.width - SIDES
    count = (costs.end.astimezone().date() - costs.start.astimezone().date()).days + 1
    start = max(costs.start, midnight(costs.end.astimezone().date() - timedelta(days=room - 1), None))
    days = by_day([life for life, _ in costs.found], costs.tariff, start, costs.end, None)
    bars = [
        Bar(
            f"{d.day:%d %b}", d.cost.compute or Decimal(0), (d.cost.disk or Decimal(0)) + (d.cost.address or Decimal(0))
        )
        for d in days
    ]
    if count > room:
        app.remark(f"bars of the last {room} of {plural(count, 'day')}; --since shows fewer")
    names = dict.fromkeys(life.name for life, _ in costs.found)
    what = next(iter(names)) if len(names) == 1 else plural(len(names), "box")
    text = draw_bars(f"{what}, USD a day (estimate)", bars, ("compute", "disk and address"), look)
    click.echo(text + "\n", color=look.colour)


def _label(life: Life) -> str:
    return f"{life.name} (removed {life.end.astimezone():%d %b})" if life.removed else life.name


def _of(billed: Billed | None, life: Life) -> str | None:
    """What was billed for the box; AWS bills by name, so a removed one of that name is in the same figure."""
    if billed is None:
        return None
    return "" if life.removed else money(billed[life.name]) if life.name in billed else "none yet"


def _row(name: str, cost: Cost, billed: str | None) -> list[str]:
    least = "" if cost.complete else LEAST
    cells = [name, f"{least}{hours(cost.running)}", hours(cost.stopped)]
    cells += [f"{least}{money(cost.compute)}" if cost.compute is not None else "unknown", money(cost.disk)]
    cells += [money(cost.address), f"{least}{money(cost.total)}", money(cost.on_demand), percent(cost.savings)]
    return [*cells, *([billed] if billed is not None else [])]
