"""spotbox status: all boxes of this owner in all enabled regions, or one in full. Changes nothing."""

from decimal import Decimal

import click

from spotbox.app import App, get_app
from spotbox.commands._find import described, find_boxes, need_box, others, priced, records
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.explain import explain
from spotbox.core.names import IDLE_TAG
from spotbox.core.report import KEYS, full_lines
from spotbox.core.units import show_usd
from spotbox.options import NAME, Command, flag, output_option, region_option
from spotbox.output import to_csv, to_json, to_pairs, to_table

COLUMNS = ("name", "state", "type", "zone", "market", "$/h now", "savings", "address", "reason")


@click.command(cls=Command)
@click.argument("name", type=NAME, required=False)
@region_option
@flag("--owner", metavar="NAME", help="Whose boxes; `all` for everyone's. Default: the name of your AWS identity.")
@output_option("table", "json", "csv")
@click.pass_context
def status(ctx: click.Context, name: str | None, region: str | None, owner: str | None, output: str) -> None:
    """Show every box of yours, or NAME in full.

    \b
    spotbox status
    spotbox status dev -o json
    """
    app = get_app(ctx)
    whose = None if owner == "all" else app.owner(owner)
    place = app.named_region(ctx, region)
    if name is None:
        regions = [place] if place else app.enabled_regions
        _all(app, records(app, find_boxes(app, regions, whose, full=False)), output)
        return
    if whose is None:
        _all_named(app, name, place, output)
        return
    (box,) = priced(app, [need_box(app, place, whose, name, full=False)])
    (record,) = described(app, [box])
    if output == "table":
        app.echo(to_pairs(full_lines(record, explain(box), box.tags.get(IDLE_TAG))))
    else:
        click.echo(to_json(record) if output == "json" else to_csv([record], KEYS))


def _all_named(app: App, name: str, place: str | None, output: str) -> None:
    regions = [place] if place else app.enabled_regions
    found = find_boxes(app, regions, None, name, full=False)
    if not found:
        raise SpotboxError(f"there is no box named {name}", others(app, regions, app.owner(None)), Exit.NO_SUCH_BOX)
    _all(app, records(app, found), output)


def _all(app: App, found: list[dict[str, object]], output: str) -> None:
    if output == "json":
        click.echo(to_json(found))
    elif output == "csv":
        click.echo(to_csv(found, KEYS))
    elif not found:
        app.remark("no boxes. Make one with: spotbox up")
    else:
        click.echo(to_table([_row(record) for record in found], COLUMNS, right=(5, 6)))


def _row(record: dict[str, object]) -> list[object]:
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
