"""Records -> table, JSON or CSV text. The only place that uses tabulate."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from spotbox.core.text import safe

Record = Mapping[str, Any]


def to_json(data: Record | Sequence[Record]) -> str:
    """JSON text, keys in their order; non-ASCII stays readable.

    JSON itself escapes the control characters below U+0020 only: C1 controls (U+009B is CSI), bidirectional overrides
    and the like are escaped here, and stay the same data.
    """
    return _escaped(json.dumps(data, indent=2, ensure_ascii=False))


def to_json_line(data: Record | Sequence[Record] | None) -> str:
    """The same data on one line, for a reader that takes line after line."""
    return _escaped(json.dumps(data, separators=(",", ":"), ensure_ascii=False))


def _escaped(text: str) -> str:
    return "".join(c if c == "\n" or safe(c) == c else json.dumps(c)[1:-1] for c in text)


def to_csv(rows: Sequence[Record], keys: Sequence[str]) -> str:
    """CSV text with a header; lists and objects as JSON in their cell, absent things empty.

    A cell that a spreadsheet would run as a formula gets a quote in front.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(keys)
    for row in rows:
        writer.writerow([_cell(row.get(key)) for key in keys])
    return out.getvalue().rstrip("\n")


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, list | dict):
        return json.dumps(value)
    if isinstance(value, str):
        text = safe(value)
        return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
    return value


def to_table(rows: Sequence[Sequence[Any]], headers: Sequence[str], right: Sequence[int] = ()) -> str:
    """A plain table for a terminal; `right` are the columns of figures. Nothing in a cell can move the cursor."""
    from tabulate import tabulate

    align = ["right" if i in right else "left" for i in range(len(headers))]
    cells = [["" if cell is None else safe(cell) for cell in row] for row in rows]
    return tabulate(cells, headers=headers, tablefmt="simple", colalign=align if rows else None, disable_numparse=True)


def to_pairs(rows: Sequence[tuple[str, str]]) -> str:
    """Label and value per line, values aligned."""
    width = max((len(label) for label, _ in rows), default=0)
    return "\n".join(f"{safe(label):<{width}}  {safe(value)}".rstrip() for label, value in rows)
