"""The table of `prices`: its columns, how each cell reads, and which go first where the terminal is narrow."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

import click

from spotbox.app import App
from spotbox.core.offers import Row, gpu_text
from spotbox.core.text import safe
from spotbox.output import Column, screen, screen_lines, to_fitted, to_json

_WHOLE = (
    Column("type", "type"),
    Column("GPU", "GPU", rank=1),
    Column("GPU\nGiB", "GPU memory", right=True, rank=5),
    Column("vCPU", "vCPU", right=True, rank=6),
    Column("RAM\nGiB", "memory", right=True, rank=7),
    Column("zone", "zone"),
    Column("on-demand\n$/h", "on-demand", right=True, rank=4),
    Column("Spot\n$/h", "Spot", right=True),
    Column("savings\n%", "savings", right=True, rank=2),
    Column("interruption", "interruption", right=True, rank=3),
)
_SCORE = Column("score", "score", right=True)
_QUOTA = Column("Spot\nquota", "quota", words=True)


def show_table(app: App, rows: Sequence[Row], score: bool, quota: bool) -> None:
    """The rows on stdout, within the terminal's columns where it is one; what had to go for that is said."""
    columns = [*_WHOLE, *([_SCORE] if score else []), *([_QUOTA] if quota else [])]
    cells = [
        [*_cells(row), *([str(row.score or "unknown")] if score else []), *([quota_text(row)] if quota else [])]
        for row in rows
    ]
    put_table(app, cells, columns)
    room = (screen_lines() or 0) - 6  # less the head, what is said below, and the next prompt
    if 0 < room < len(rows):
        app.remark(f"{len(rows)} rows, the best of them first, at the top: --limit {room} shows what fits this window")


def put_table(app: App, cells: Sequence[Sequence[object]], columns: Sequence[Column]) -> list[str]:
    """A table that fits the terminal; gives the columns that had to go, which a remark names."""
    width = screen()
    text, gone = to_fitted(cells, columns, width)
    click.echo(text)
    if gone:
        app.remark(left_out(width, gone))
    return gone


def put_plan(app: App, steps: Iterable[object], output: str) -> None:
    """What --dry-run prints: a sentence for each step, a line each; as `json` an array of the sentences."""
    texts = [str(step) for step in steps]
    if output == "json":
        click.echo(to_json(texts))
        return
    for text in texts:
        app.echo(safe(f"would {text}"), hang=2)


def left_out(width: int | None, gone: Sequence[str]) -> str:
    """The remark that names the columns of a table for which there was no room."""
    return f"the terminal has {width} columns, so left out: {', '.join(gone)}"


def quota_text(row: Row) -> str:
    """`8 vCPU: ok`, `0 of 4 vCPU: too small`, `unknown`."""
    if row.quota is None or row.quota_suffices is None:
        return "unknown" if row.quota is None else f"{number(row.quota)} vCPU"
    if row.quota_suffices:
        return f"{number(row.quota)} vCPU: ok"
    return f"{number(row.quota)} of {row.type.vcpus if row.type else 0} vCPU: too small"


def money(usd: Decimal | None) -> str:
    """USD to four places, without the sign that stands in the column's title."""
    return "unknown" if usd is None else f"{usd.quantize(Decimal('0.0001'), ROUND_HALF_UP):f}"


def number(value: Decimal | None) -> str:
    """As many places as it has, at most two."""
    return "unknown" if value is None else f"{round(value, 2).normalize():f}"


def _cells(row: Row) -> list[str]:
    kind = row.type
    return [
        row.name,
        gpu_text(kind),
        ("none" if kind and not kind.gpu else "unknown") if row.memory is None else number(row.memory),
        str(kind.vcpus) if kind else "unknown",
        number(kind.memory_gib if kind else None),
        row.zone,
        money(row.on_demand),
        money(row.spot),
        "unknown" if row.savings_pct is None else f"{row.savings_pct:.2f}",
        row.interruption or "unknown",
    ]
