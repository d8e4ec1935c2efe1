"""`prices --history`: charts and a summary for each zone on a terminal, rows elsewhere."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import click

from spotbox.app import App
from spotbox.charts import Look, draw
from spotbox.commands._regions import in_words
from spotbox.commands._survey import Query, surveyed, tell_ages, tell_failed, types_only
from spotbox.commands._table import money, put_table
from spotbox.core.history import KEYS, History, Pool, records
from spotbox.core.market import Quotes
from spotbox.core.offers import listed_types
from spotbox.core.text import plural
from spotbox.core.units import Bid
from spotbox.output import Column, csv_lines, json_lines, plain_lines, screen, write

CHARTS = 8  # where --limit says nothing else


@dataclass(frozen=True)
class Past:
    """What is to be shown: the changes, the window they are looked at through, and what they are weighed against."""

    history: History
    start: datetime
    end: datetime
    on_demand: Mapping[tuple[str, str], Decimal]  # (region, type) -> USD/h
    bid: Bid

    def cheapest(self) -> list[Pool]:
        """The pools by their price now, the unknown last."""
        now = {pool: self.history.series(pool).at(self.end) for pool in self.history.pools()}
        return sorted(now, key=lambda pool: (now[pool] is None, now[pool] or Decimal(0), pool))


def show_history(app: App, query: Query, days: int, output: str) -> None:
    """The Spot prices of the last `days`; what is shown where, and of what, as the flags say."""
    end = app.system.now()
    start = end - timedelta(days=days)
    seen = output == "table" and screen() is not None
    quotes, types = None, query.wanted.types
    if seen or query.wanted.gpu or query.wanted.min_vram:
        quotes, found = surveyed(app, types_only(query))
        if found.emptied:
            app.remark(found.emptied)
            _rows(History(), [], output)
            return
        types = tuple(listed_types(found.rows)) if query.wanted.gpu or query.wanted.min_vram else types
    history = _fetched(app, query.regions, types, start, quotes)
    past = Past(history, start, end, quotes.on_demand if quotes else {}, query.wanted.bid or Bid())
    if not len(history):
        app.remark(f"no Spot price of the last {plural(days, 'day')} in {in_words(query.regions)}")
    if seen:
        _look(app, past, query, days)
        if quotes and len(history):
            tell_ages(app, [age for age in quotes.ages if age.what.startswith("on-demand")])
        return
    pools = history.pools()
    if query.limit and query.limit < len(pools):
        app.remark(f"the cheapest {query.limit} of {len(pools)} pools; --limit shows more")
        pools = sorted(past.cheapest()[: query.limit])
    _rows(history, pools, output)


def _fetched(app: App, regions: Sequence[str], types: Sequence[str], start: datetime, quotes: Quotes | None) -> History:
    """The changes of all regions, page by page; a region that failed is told once."""
    history = History()
    app.progress.glance(f"reading the history of {in_words(regions)}")
    failed = app.cloud.spot_history(regions, types, start, history.add, app.progress.glance)
    app.progress.done()
    tell_failed(app, {region: error for region, error in failed.items() if not quotes or region not in quotes.failed})
    return history


def _rows(history: History, pools: Sequence[Pool], output: str) -> None:
    """Rows on stdout as they are made, sorted by type, zone and time."""
    pools = sorted(pools, key=lambda pool: (pool.instance_type, pool.zone))
    rows = records(history, pools)
    if output == "json":
        write(json_lines(rows))
    elif output == "csv":
        write(csv_lines(rows, KEYS))
    elif pools:
        widths = [max(len(KEYS[0]), *(len(p.instance_type) for p in pools)), max(len(p.zone) for p in pools), 20, 0]
        write(plain_lines(rows, KEYS, widths))


def _look(app: App, past: Past, query: Query, days: int) -> None:
    """Charts of the cheapest pools, and one table of them."""
    pools = past.cheapest()
    shown = pools[: query.limit or CHARTS]
    if not shown:
        return
    look = how(app.env, screen() or 80)
    for pool in shown:
        title = f"{pool.instance_type} {pool.zone}, {plural(days, 'day')} in UTC, USD/h"
        steps = past.history.series(pool).steps(past.start, past.end)
        line = past.on_demand.get((pool.region, pool.instance_type))
        click.echo(draw(title, steps, past.start, past.end, line, look) + "\n", color=look.colour)
    ranks = {"min\n$/h": 2, "median\n$/h": 1, "max\n$/h": 3, "now\n$/h": 0, "on-demand\n$/h": 4}
    columns = [Column("type", "type"), Column("zone", "zone")]
    columns += [Column(title, title.split("\n")[0], right=True, rank=rank) for title, rank in ranks.items()]
    columns += [Column(f"held at\n{past.bid}", "held", right=True)]
    put_table(app, [_summary(past, pool) for pool in shown], columns)
    app.remark(f"held: share of the hours in which the Spot price was at most the bid ({past.bid})")
    if len(shown) < len(pools):
        app.remark(
            f"left out: {len(pools) - len(shown)} of {len(pools)} pools, which cost more now; --limit shows more"
        )


def _summary(past: Past, pool: Pool) -> list[str]:
    series = past.history.series(pool)
    told = series.summary(past.start, past.end)
    demand = past.on_demand.get((pool.region, pool.instance_type))
    held = series.held(past.bid.most(demand), past.start, past.end)
    prices = (told.least, told.median, told.most, told.now, demand)
    return [pool.instance_type, pool.zone, *map(money, prices), "unknown" if held is None else f"{held} %"]


def how(env: Mapping[str, str], width: int) -> Look:
    """Colour and block characters unless NO_COLOR, a dumb terminal or its encoding speak against them."""
    plain = bool(env.get("NO_COLOR")) or env.get("TERM") == "dumb"
    return Look(width, colour=not plain, ascii=plain or "utf" not in (sys.stdout.encoding or "").lower())
