"""spotbox prices: what every GPU type costs in every zone, now or over the past days. Changes nothing."""

from typing import Any

import click

from spotbox.app import App, get_app
from spotbox.commands._regions import chosen
from spotbox.commands._survey import Query, surveyed, tell_ages
from spotbox.commands._table import show_table
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.filters import Wanted
from spotbox.core.history import MOST_DAYS
from spotbox.core.market import Age
from spotbox.core.offers import (
    KEYS,
    QUOTA_KEYS,
    SORTS,
    Row,
    listed_types,
    quota_pairs,
    record,
    sort_rows,
    with_quotas,
    with_scores,
)
from spotbox.core.text import plural
from spotbox.options import BID, MEMORY, Command, flag, output_option, regions_option, typed, types_option
from spotbox.output import to_csv, to_json

LEAST_SET = 3  # types; of fewer AWS scores low whatever there is (EC2 User Guide, spot-placement-score)


@click.command(cls=Command)
@regions_option
@types_option(
    "Instance type, or a glob such as 'g5.*'; repeatable. Default: every type with a GPU or other accelerator."
)
@flag("--gpu", metavar="NAME", help="Types with this GPU only, such as A10G, or a glob such as 'L4*'.")
@flag("--min-vram", type=MEMORY, help="Types with at least this much GPU memory only, in GiB, of all GPUs together.")
@flag("--max-price", "bid", type=BID, help="Up to this Spot price only: USD per hour, NN% of on-demand, or on-demand.")
@flag(
    "--sort",
    type=click.Choice(SORTS),
    default="price",
    show_default=True,
    help="Cheapest, largest savings, least interruption, or least USD per GiB of GPU memory and hour first.",
)
@flag("--limit", type=click.IntRange(min=1), metavar="N", help="So many rows only; with --history so many pools.")
@flag("--score", is_flag=True, help="Add AWS's placement score, 1 to 10, of the listed set of types in each zone.")
@flag("--quota", is_flag=True, help="Add your Spot quota in vCPU, and whether it suffices for the type.")
@flag("--refresh", is_flag=True, help="Ask anew for what is otherwise kept for a while: all but Spot prices.")
@flag(
    "--history",
    "days",
    type=click.IntRange(1, MOST_DAYS),
    metavar="DAYS",
    help="The past 1 to 90 days instead: a chart for each zone on a terminal, rows elsewhere. --max-price is then the "
    "bid that is weighed; --sort, --score and --quota do not go with it.",
)
@output_option("table", "json", "csv")
@click.pass_context
def prices(ctx: click.Context, /, region: tuple[str, ...], output: str, **flags: Any) -> None:
    """Show Spot and on-demand prices, savings and interruption rates, one row for each type and zone.

    \b
    spotbox prices -t g5.xlarge -r all
    spotbox prices --gpu L4 --sort vram --limit 10 -o json
    spotbox prices -t p4d.24xlarge --history 30 --max-price 60%

    Spot prices are always asked now. On-demand prices (7 days), interruption rates (24 hours) and placement scores
    (15 minutes) are kept for so long, and their age is told.
    """
    app = get_app(ctx)
    query = Query(
        chosen(app, ctx, region, flags["refresh"]),
        Wanted(flags["types"], flags["gpu"], flags["min_vram"], flags["bid"]),
        flags["limit"],
        flags["refresh"],
    )
    if flags["days"]:
        for name in sorted({"sort", "score", "quota"} & typed(ctx)):
            raise UsageError(f"--{name} does not go with --history", "Leave one of them out.")
        from spotbox.commands._history import show_history  # charts are for this alone

        show_history(app, query, flags["days"], output)
        return
    rows, ages = _rows(app, query, flags["sort"])
    rows, ages = _asked_for(app, query, rows, ages, flags["score"], flags["quota"] or flags["score"])
    tell_ages(app, ages)
    if output == "table":
        if rows:
            show_table(app, rows, flags["score"], flags["quota"] or flags["score"])
        return
    records = [record(row, flags["quota"]) for row in rows]
    keys = (*KEYS, *QUOTA_KEYS) if flags["quota"] else KEYS
    click.echo(to_json(records) if output == "json" else to_csv(records, keys))


def _rows(app: App, query: Query, sort: str) -> tuple[tuple[Row, ...], tuple[Age, ...]]:
    """The rows that were asked for, in order, and the ages of their figures; remarks go to stderr."""
    quotes, found = surveyed(app, query)
    if found.emptied:
        app.remark(found.emptied)
    return sort_rows(found.rows, sort)[: query.limit], quotes.ages if found.rows else ()


def _asked_for(
    app: App, query: Query, rows: tuple[Row, ...], ages: tuple[Age, ...], score: bool, quota: bool
) -> tuple[tuple[Row, ...], tuple[Age, ...]]:
    """The rows with score and quota where these are asked for: both of the listed set, side by side."""
    if not rows or not (score or quota):
        return rows, ages
    types, regions = listed_types(rows), sorted({row.region for row in rows})
    scored = score and len(types) >= LEAST_SET
    app.progress.glance("asking for quotas" + " and placement scores" * scored)
    calls = [lambda: app.cloud.spot_quotas(quota_pairs(rows) if quota else [])]
    calls += [lambda: app.cloud.placement_scores(regions, types, query.refresh)] if scored else []
    quotas, *scores = app.cloud.together(calls)
    app.progress.done()
    if isinstance(quotas, SpotboxError):
        app.remark(f"quotas are unknown: {quotas.message}")
    else:
        rows = with_quotas(rows, quotas)
        for remark in dict.fromkeys(value.remark for value in quotas.values() if value.remark):
            app.remark(remark)
    if score and not scored:
        app.remark(
            f"no placement score: AWS scores sets of {LEAST_SET} types and more, and {plural(len(types), 'type')} "
            f"{'is' if len(types) == 1 else 'are'} listed"
        )
    for told in scores:
        if isinstance(told, SpotboxError):
            app.remark(f"placement scores are unknown: {told.message}")
            continue
        rows = with_scores(rows, told)
        ages += (Age("placement scores", told.asked),) if told.asked else ()
        if told.remark:
            app.remark(told.remark)
    return rows, ages
