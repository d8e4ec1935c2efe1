"""spotbox status: all boxes of this owner in all enabled regions, or one in full. Changes nothing."""

from collections.abc import Sequence
from decimal import Decimal

import click

from spotbox.app import App, get_app
from spotbox.commands._find import described, find_boxes, need_box, others, priced, records
from spotbox.commands._table import put_table
from spotbox.core.boxes import Box
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.explain import explain
from spotbox.core.names import IDLE_TAG, POOL_TAG
from spotbox.core.report import KEYS, full_lines
from spotbox.core.text import as_typed
from spotbox.core.units import show_usd
from spotbox.options import NAME, Command, flag, output_option, region_option
from spotbox.output import Column, screen, to_csv, to_json, to_pairs

# Which of them give way on a narrow terminal, the highest rank first; the reason is broken between words.
_COLUMNS = (
    Column("name", "name", words=True),
    Column("owner", "owner", words=True),
    Column("state", "state"),
    Column("type", "type", rank=2),
    Column("zone", "zone", rank=1),
    Column("market", "market", rank=5),
    Column("$/h now", "price", right=True),
    Column("savings", "savings", right=True, rank=4),
    Column("address", "address", rank=3),
    Column("reason", "reason", words=True),
)


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
        _all(app, records(app, find_boxes(app, _regions(app, place), whose, full=False)), output, whose is None)
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
        click.echo(in_full(app, box, record))
    else:
        click.echo(to_json(record) if output == "json" else to_csv([record], KEYS))


def in_full(app: App, box: Box, record: dict[str, object]) -> str:
    """The box label by label, within the terminal's columns; the ssh command stays one line, to be copied."""
    lines = full_lines(record, explain(box), box.tags.get(IDLE_TAG), box.tags.get(POOL_TAG))
    words, own = app.options.words, app.options.own
    return to_pairs([(label, as_typed(text, words, own)) for label, text in lines], screen(), whole=("ssh",))


def _all_named(app: App, name: str, place: str | None, output: str) -> None:
    found = find_boxes(app, _regions(app, place), None, name, full=False)
    if not found:
        raise _none_of(app, name, place, None)
    _all(app, records(app, found), output, True)


def _none_of(app: App, name: str, place: str | None, whose: str | None) -> SpotboxError:
    where = f" in {place}" if place and whose else ""
    hint = others(app, _regions(app, place), whose or app.owner(None))
    return SpotboxError(f"there is no box named {name}{where}", hint, Exit.NO_SUCH_BOX)


def _all(app: App, found: list[dict[str, object]], output: str, everyone: bool) -> None:
    if output == "json":
        click.echo(to_json(found))
    elif output == "csv":
        click.echo(to_csv(found, KEYS))
    elif not found:
        app.remark("no boxes. Make one with: spotbox up")
    else:
        put_table(app, [row(record, everyone) for record in found], columns(everyone))


def columns(everyone: bool) -> list[Column]:
    """The columns of the table; `everyone`: with the owner, as two may have boxes of one name."""
    return [column for column in _COLUMNS if everyone or column.title != "owner"]


def row(record: dict[str, object], everyone: bool = False) -> list[object]:
    """The cells of `columns`."""
    saved = record["savings_pct"]
    price = record["spot"] if record["market"] == "spot" else record["on_demand"]
    return [
        record["name"],
        *([record["owner"]] if everyone else []),
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
