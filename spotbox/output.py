"""Records -> table, JSON or CSV text. The only place that uses tabulate."""

import csv
import io
import json
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from spotbox.core.text import safe

Record = Mapping[str, Any]


def to_json(data: Record | Sequence[Record]) -> str:
    """JSON text, keys in their order; non-ASCII stays readable.

    JSON itself escapes the control characters below U+0020 only: C1 controls (U+009B is CSI), bidirectional overrides
    and the like are escaped here, and stay the same data.
    """
    return "\n".join(_shown(line) for line in json.dumps(data, indent=2, ensure_ascii=False).split("\n"))


def _shown(line: str) -> str:
    """A line of JSON with what a terminal obeys escaped as JSON escapes it."""
    return line if line.isprintable() else "".join(c if safe(c) == c else json.dumps(c)[1:-1] for c in line)


def json_lines(rows: Iterable[Record]) -> Iterator[str]:
    """A JSON array line by line, an object on each: for more rows than should be in memory at once."""
    before = "[\n"
    for row in rows:
        yield f"{before}  {_shown(json.dumps(row, ensure_ascii=False))}"
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def csv_lines(rows: Iterable[Record], keys: Sequence[str]) -> Iterator[str]:
    """CSV as `to_csv` writes it, a line at a time."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for cells in chain([keys], ([_cell(row.get(key)) for key in keys] for row in rows)):
        writer.writerow(cells)
        yield out.getvalue()
        out.seek(0)
        out.truncate()


def plain_lines(rows: Iterable[Record], keys: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """A table for a pipe, a line at a time: as its rows are not known beforehand, so many columns are set aside."""
    shown = ([_cell(row.get(key)) if row.get(key) is not None else "unknown" for key in keys] for row in rows)
    for cells in chain([keys], shown):
        padded = (f"{safe(cell):<{width}}" for cell, width in zip(cells, widths, strict=True))
        yield "  ".join(padded).rstrip() + "\n"


def write(chunks: Iterable[str]) -> None:
    """To stdout as they come. BrokenPipeError where the reader has gone."""
    sys.stdout.writelines(chunks)
    sys.stdout.flush()


def screen() -> int | None:
    """Columns of the terminal that stdout is; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def to_json_line(data: Record | Sequence[Record] | None) -> str:
    """The same data on one line, for a reader that takes line after line."""
    return _shown(json.dumps(data, separators=(",", ":"), ensure_ascii=False))


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


@dataclass(frozen=True)
class Column:
    """A column of `to_fitted`. `title` may have two lines; of the columns with a `rank` the highest goes first."""

    title: str
    name: str
    right: bool = False
    rank: int = 0


def to_fitted(rows: Sequence[Sequence[Any]], columns: Sequence[Column], width: int | None) -> tuple[str, list[str]]:
    """A table no wider than `width` (None: as wide as it is), and the names of the columns that had to go for it."""
    from tabulate import tabulate

    heads = [column.title.split("\n") for column in columns]
    tall = max(len(head) for head in heads)
    lines = [[""] * (tall - len(head)) + head for head in heads]
    cells = [["" if cell is None else safe(cell) for cell in row] for row in rows]
    parts = [[*line, *column] for line, column in zip(lines, zip(*cells, strict=True), strict=True)]
    widths = [max(map(len, part)) for part in parts]
    kept, gone = list(range(len(columns))), list[str]()
    while width is not None and sum(widths[i] + 2 for i in kept) - 2 > width:
        last = max(kept, key=lambda i: columns[i].rank)
        if not columns[last].rank:
            break
        kept.remove(last)
        gone.append(columns[last].name)
    shown = [[*parts[i][:tall], "-" * widths[i], *parts[i][tall:]] for i in kept]
    align = ["right" if columns[i].right else "left" for i in kept]
    text = tabulate(list(zip(*shown, strict=True)), tablefmt="plain", colalign=align, disable_numparse=True)
    return "\n".join(line.rstrip() for line in text.split("\n")), gone


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """The rows as lines of equal columns, two spaces between them."""
    from tabulate import tabulate

    cells = [[safe(cell) for cell in row] for row in rows]
    sides = ["right" if i in right else "left" for i in range(len(cells[0]))]
    return tabulate(cells, tablefmt="plain", colalign=sides, disable_numparse=True).split("\n")


def to_pairs(rows: Sequence[tuple[str, str]]) -> str:
    """Label and value per line, values aligned."""
    width = max((len(label) for label, _ in rows), default=0)
    return "\n".join(f"{safe(label):<{width}}  {safe(value)}".rstrip() for label, value in rows)


def to_wrapped(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    """A table of texts whose last long column goes on below where the terminal is too narrow; never within a word."""
    import textwrap

    width, wide = screen(), len(headers) - (1 if headers[-1] == "value" else 2)
    cells = [[safe(cell) for cell in row] for row in rows]
    others = sum(max(len(h), *(len(row[i]) for row in cells)) + 2 for i, h in enumerate(headers) if i != wide)
    room = max(20, width - others) if width else None
    lines = []
    for row in cells:
        parts = textwrap.wrap(row[wide], room, break_long_words=False, break_on_hyphens=False) if room else []
        first, *more = parts or [row[wide]]
        lines.append([*row[:wide], first, *row[wide + 1 :]])
        lines += [["" if i != wide else part for i in range(len(row))] for part in more]
    return to_table(lines, headers)
