"""Records -> table, JSON or CSV text. The only place that uses tabulate."""

import csv
import io
import json
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from spotbox.core.text import safe
from spotbox.width import broken, columns_of, hung

Record = Mapping[str, Any]


def to_json(data: Record | Sequence[Record] | Sequence[str]) -> str:
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


def screen_lines() -> int | None:
    """Lines of the terminal that stdout is; None where it is none."""
    return shutil.get_terminal_size().lines if sys.stdout.isatty() else None


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


NARROWEST = 24  # columns that a cell of words is left with, before others have to go
CRAMPED = 8  # and where no other can go any more


@dataclass(frozen=True)
class Column:
    """A column of `to_fitted`. `title` may have two lines; of the columns with a `rank` the highest goes first.

    `words` says that its cells may be broken, between words where that does, over as many lines as it takes; `late`
    that this is done only where no other column can go any more.
    """

    title: str
    name: str
    right: bool = False
    rank: int = 0
    words: bool = False
    late: bool = False


@dataclass(frozen=True)
class Fitted:
    """A table as lines: its head with the rule below it, each row's lines, and the columns that had to go for it."""

    head: list[str]
    rows: list[list[str]]
    gone: list[str]


def to_fitted(rows: Sequence[Sequence[Any]], columns: Sequence[Column], width: int | None) -> tuple[str, list[str]]:
    """A table no wider than `width` (None: as wide as it is), and the names of the columns that had to go for it."""
    table = fitted(rows, columns, width)
    return "\n".join(chain(table.head, *table.rows)), table.gone


def fitted(rows: Sequence[Sequence[Any]], columns: Sequence[Column], width: int | None) -> Fitted:
    """As `to_fitted`, row by row: one whose words are broken has several lines."""
    from tabulate import tabulate

    heads = [column.title.split("\n") for column in columns]
    tall = max(len(head) for head in heads)
    parts = [[""] * (tall - len(head)) + head for head in heads]
    for row in rows:
        for part, cell in zip(parts, row, strict=True):
            part.append("" if cell is None else safe(cell))
    widths = [max(map(columns_of, part)) for part in parts]
    empty = {i for i, part in enumerate(parts) if rows and not any(part[tall:])}
    kept, gone, rooms = _fitting(columns, widths, width, empty)
    for i in kept:
        if rooms[i] < widths[i]:
            parts[i] = ["\n".join(broken(cell, rooms[i])) for cell in parts[i]]
    shown = [[*parts[i][:tall], "-" * rooms[i], *parts[i][tall:]] for i in kept]
    align = ["right" if columns[i].right else "left" for i in kept]
    text = tabulate(list(zip(*shown, strict=True)), tablefmt="plain", colalign=align, disable_numparse=True)
    lines = iter([line.rstrip() for line in text.split("\n")])
    heights = [max(parts[i][tall + n].count("\n") + 1 for i in kept) for n in range(len(rows))]
    head = list(islice(lines, tall + 1))
    return Fitted(head, [list(islice(lines, high)) for high in heights], [columns[i].name for i in gone])


def _fitting(
    columns: Sequence[Column], widths: Sequence[int], width: int | None, empty: Collection[int]
) -> tuple[list[int], list[int], dict[int, int]]:
    """The columns that stay, those that go, and how wide each of the first is to be.

    Where not all fit, those that say nothing in any row go first, and are not missed. A column that went stays after
    all where the one that went after it has left room for it.
    """
    kept, rooms = list(range(len(columns))), dict(enumerate(widths))
    if width is None:
        return kept, [], rooms
    least = [
        min(wide, NARROWEST) if column.words and not column.late else wide
        for column, wide in zip(columns, widths, strict=True)
    ]

    def fit(those: Collection[int]) -> bool:
        return sum(least[i] + 2 for i in those) - 2 <= width

    if not fit(kept):
        kept = [i for i in kept if i not in empty] or kept
    gone = list[int]()
    while not fit(kept):
        last = max(kept, key=lambda i: columns[i].rank)
        if not columns[last].rank:
            break
        kept.remove(last)
        gone.append(last)
    for i in reversed(gone[:-1]):
        if fit([*kept, i]):
            kept.append(i)
    kept.sort()
    gone = [i for i in gone if i not in kept]
    over = sum(widths[i] + 2 for i in kept) - 2 - width
    for i in sorted(kept, key=lambda i: -widths[i]):
        if over > 0 and columns[i].words:
            rooms[i] = max(least[i] if fit(kept) else min(least[i], CRAMPED), widths[i] - over)
            over -= widths[i] - rooms[i]
    return kept, gone, rooms


def to_pairs(rows: Sequence[tuple[str, str]], width: int | None = None, whole: Collection[str] = ()) -> str:
    """Label and value per line, values aligned; within `width` (None: any) a value goes on below itself.

    `whole` are the labels of values that are to be copied, and so stay on one line whatever its length.
    """
    indent = max((columns_of(safe(label)) for label, _ in rows), default=0) + 2
    lines = []
    for label, value in rows:
        line = f"{_padded(safe(label), indent)}{safe(value)}".rstrip()
        lines.append(line if label in whole else hung(line, width, indent))
    return "\n".join(lines)


def _padded(text: str, wide: int) -> str:
    return text + " " * (wide - columns_of(text))


def to_wrapped(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    """A table of texts whose values go on below where the terminal is too narrow, between words unless one is wider."""
    width, wide = screen(), len(headers) - (1 if headers[-1] == "value" else 2)
    cells = [[safe(cell) for cell in row] for row in rows]
    # tabulate leaves a heading two columns more than it has letters.
    widths = [max(len(h) + 2, *(columns_of(row[i]) for row in cells)) for i, h in enumerate(headers)]
    others = sum(widths) - widths[wide] + 2 * (len(headers) - 1)
    room = max(20, width - others) if width else None
    lines = []
    for row in cells:
        first, *more = broken(row[wide], room) if room else [row[wide]]
        lines.append([*row[:wide], first, *row[wide + 1 :]])
        lines += [["" if i != wide else part for i in range(len(row))] for part in more]
    return to_table(lines, headers)
