"""spotbox status: all boxes of this owner in all enabled regions, or one in full. Changes nothing."""

from collections.abc import Sequence
from decimal import Decimal

import click

from spotbox.app import App, get_app
from spotbox.commands._find import described, find_boxes, need_box, others, priced, records
from spotbox.core.boxes import Box
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.explain import explain
from spotbox.core.names import IDLE_TAG, POOL_TAG
from spotbox.core.report import KEYS, full_lines
from spotbox.core.units import show_usd
from spotbox.options import NAME, Command, flag, output_option, region_option
from spotbox.output import to_csv, to_json, to_pairs, to_table

COLUMNS = ("name", "state", "type", "zone", "market", "$/h now", "savings", "address", "reason")


@click.command(cls=Command)
@click.argument("name", type=NAME, required=False)
@region_option
@flag("--owner", metavar="NAME", help="Whose boxes; `all` for everyone's. Default: the name of your AWS identity.")
@flag("--watch", is_flag=True, help="Stay, and look again every 2 seconds; q leaves. With -o json a line per change.")
@output_option("table", "json", "csv")
@click.pass_context
def status(
    ctx: click.Context, name: str | None, region: str | None, owner: str | None, watch: bool, output: str
) -> None:
    """Show every box of yours, or NAME in full: what happened, who did it, what bills, what comes next.

    \b
    spotbox status
    spotbox status dev -o json
    spotbox status --watch
    """
    if watch and output == "csv":
        raise UsageError("--watch has no csv form", "Use -o json, which prints one line per change.")
    app = get_app(ctx)
    whose = None if owner == "all" else app.owner(owner)
    place = app.named_region(ctx, region)
    if watch:
        _stay(app, place, whose, name, output)
    elif name is None:
        _all(app, records(app, find_boxes(app, _regions(app, place), whose, full=False)), output)
    elif whose is None:
        _all_named(app, name, place, output)
    else:
        _one(app, need_box(app, place, whose, name, full=False), output)


def _regions(app: App, place: str | None) -> Sequence[str]:
    return [place] if place else app.enabled_regions


def _stay(app: App, place: str | None, whose: str | None, name: str | None, output: str) -> None:
    from spotbox.commands._watch import Watch, stay

    watch = Watch(app, _regions(app, place), whose, name)
    watch.look()
    if name and not watch.rows:
        raise _none_of(app, name, place, whose)
    stay(app, watch, name if whose else None, output)


def _one(app: App, box: Box, output: str) -> None:
    (box,) = priced(app, [box])
    (record,) = described(app, [box])
    if output == "table":
        app.echo(to_pairs(full_lines(record, explain(box), box.tags.get(IDLE_TAG), box.tags.get(POOL_TAG))))
    else:
        click.echo(to_json(record) if output == "json" else to_csv([record], KEYS))


def _all_named(app: App, name: str, place: str | None, output: str) -> None:
    found = find_boxes(app, _regions(app, place), None, name, full=False)
    if not found:
        raise _none_of(app, name, place, None)
    _all(app, records(app, found), output)


def _none_of(app: App, name: str, place: str | None, whose: str | None) -> SpotboxError:
    where = f" in {place}" if place and whose else ""
    hint = others(app, _regions(app, place), whose or app.owner(None))
    return SpotboxError(f"there is no box named {name}{where}", hint, Exit.NO_SUCH_BOX)


def _all(app: App, found: list[dict[str, object]], output: str) -> None:
    if output == "json":
        click.echo(to_json(found))
    elif output == "csv":
        click.echo(to_csv(found, KEYS))
    elif not found:
        app.remark("no boxes. Make one with: spotbox up")
    else:
        click.echo(to_table([row(record) for record in found], COLUMNS, right=(5, 6)))


def row(record: dict[str, object]) -> list[object]:
    """The cells of COLUMNS."""
    saved = record["savings_pct"]
    price = record["spot"] if record["market"] == "spot" else record["on_demand"]
    return [
        record["name"],
        record["state"],
        record["instance_type"],
        record["zone"] or record["region"],
        record["market"],
        show_usd(_decimal(price)),
        "unknown" if saved is None else f"{saved:.2f} %",
        record["public_ip"],
        record["reason"],
    ]


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
