"""Charts of prices and costs for a terminal. The only place that uses plotext."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from typing import Any

from spotbox.core.history import Step
from spotbox.core.text import safe
from spotbox.width import broken, columns_of

HEIGHT = 13  # lines: nine of them hold the price, so that the five marks at the side stand evenly
LEAST_WIDTH = 40  # columns; below it plotext has no room for its axes
_HOURS = (1, 2, 3, 6, 12, 24, 48, 72, 120, 168, 240, 360, 720)  # between the marks of the time axis
# Colours of the 256 that stand 3.8 to 1 and better against white as against black, whichever the terminal is.
_PRICE, _ACROSS = 32, 166  # blue and orange
_ASCII = str.maketrans("┌┐└┘├┤┬┴┼─│", "+++++++++-|")


@dataclass(frozen=True)
class Look:
    """How a chart is drawn: so many columns wide, in colour or not, with block characters or in plain ASCII."""

    width: int
    colour: bool = False
    ascii: bool = True


def draw(title: str, steps: Sequence[Step], start: datetime, end: datetime, line: Decimal | None, look: Look) -> str:
    """The price as steps from `start` to `end`, with a `line` across at the on-demand price; USD per hour.

    Time whose price is not known is left blank. The text ends without a line feed.
    """
    import plotext

    plotext.terminal.limit(False, False)  # the width is ours to know; there may be no terminal at all
    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")
    figure.canvas("default")
    figure.plot_size(max(LEAST_WIDTH, look.width), HEIGHT)
    above = _title(figure, safe(title), max(LEAST_WIDTH, look.width))
    if line is not None:
        across = plotext.marker("-" if look.ascii else "─", _ACROSS)
        figure.draw(figure.signal([start.timestamp(), end.timestamp()], [float(line)] * 2, marker=across).lines())
    for run in _runs(steps):
        x = [at for step in run for at in (step.start, step.end)]
        y = [float(step.price or 0) for step in run for _ in range(2)]
        marker = plotext.marker("*" if look.ascii else "hd", _PRICE)
        figure.draw(figure.signal(x, y, marker=marker).lines())
    if line is not None:  # written last: over the line and the price
        middle = (start.timestamp() + end.timestamp()) / 2
        told = plotext.colorize(f" on-demand {line:.4f} ", _ACROSS)
        figure.draw(figure.text(middle, float(line), told, alignment="center"))
    _axes(figure, steps, line, (start, end), max(LEAST_WIDTH, look.width))
    return above + _lines(figure, look)


def _title(figure: Any, title: str, width: int) -> str:
    """Give it to the figure; the lines to put above where it is wider, for plotext then leaves it out."""
    if columns_of(title) <= width - 2:
        figure.title(title)
        return ""
    return "".join(f"{line}\n" for line in broken(title, width))


def _runs(steps: Sequence[Step]) -> list[list[Step]]:
    """The steps that are known, in runs without a gap between them."""
    runs: list[list[Step]] = [[]]
    for step in steps:
        if step.price is None:
            runs.append([])
        else:
            runs[-1].append(step)
    return [run for run in runs if run]


def _axes(
    figure: Any, steps: Sequence[Step], line: Decimal | None, window: tuple[datetime, datetime], width: int
) -> None:
    """Five prices up the side, dates below; a tenth of the span is left free above and below."""
    known = [float(step.price) for step in steps if step.price is not None] + (
        [float(line)] if line is not None else []
    )
    low, high = min(known, default=0.0), max(known, default=1.0)
    free = (high - low) / 10 or max(high / 10, 0.0001)
    low, high = max(0.0, low - free), high + free
    heights = [low + (high - low) * i / 4 for i in range(5)]
    figure.ruler("y").lim(low, high)
    figure.ruler("y").ticks(heights, [f"{usd:.3f}" if high >= 0.1 else f"{usd:.4f}" for usd in heights])
    figure.ruler("x").lim(window[0].timestamp(), window[1].timestamp())
    times = _times(*window, width // 14)
    figure.ruler("x").ticks(list(times), list(times.values()))


def _times(start: datetime, end: datetime, most: int) -> Mapping[float, str]:
    """The marks of the time axis: at most so many, at whole hours or at midnight UTC."""
    hours = (end - start).total_seconds() / 3600
    apart = 3600 * next((step for step in _HOURS if hours / step <= most), _HOURS[-1])
    first = int(-(-start.timestamp() // apart) * apart)
    marks = range(first, int(end.timestamp()) + 1, apart)
    form = "%d %b" if apart >= 86400 else "%d %b %H:%M"
    return {float(at): datetime.fromtimestamp(at, UTC).strftime(form) for at in marks}


@dataclass(frozen=True)
class Bar:
    """A bar of two parts, the one on the other, with what stands below it."""

    label: str
    lower: Decimal
    upper: Decimal


def draw_bars(title: str, bars: Sequence[Bar], parts: tuple[str, str], look: Look) -> str:
    """A bar for each day, USD; `parts` names the two parts for the title. The last bars only where not all have room.

    The text ends without a line feed.
    """
    import plotext

    plotext.terminal.limit(False, False)
    figure, width = plotext.figure, max(LEAST_WIDTH, look.width)
    figure.clear()
    figure.theme("colorless")
    figure.canvas("default")
    figure.plot_size(width, HEIGHT)
    marks = ("#", "=") if look.ascii else ("█", "▒")
    above = _title(figure, safe(f"{title}: {marks[0]} {parts[0]}, {marks[1]} {parts[1]}"), width)
    top = max([float(bar.lower + bar.upper) for bar in bars] + [0.01]) * 1.1
    heights = [top * i / 4 for i in range(5)]
    labels = [f"{usd:.2f}" if top >= 0.1 else f"{usd:.4f}" for usd in heights]
    inner = width - max(map(len, labels)) - 2  # columns between the frame's two sides
    shown = bars[-inner:]
    apart, wide, places = _places(len(shown), inner)
    for mark, colour, sizes in (
        (marks[1], _ACROSS, [bar.lower + bar.upper for bar in shown]),
        (marks[0], _PRICE, [bar.lower for bar in shown]),
    ):
        columns = [(c + 0.5, float(sizes[i])) for i, c in places if sizes[i] > 0]
        if columns:
            x, y = zip(*columns, strict=True)
            figure.draw(figure.signal(list(x), list(y), marker=plotext.marker(mark, colour)).fillx())
    figure.ruler("y").lim(0, top)
    figure.ruler("y").ticks(heights, labels)
    figure.ruler("x").lim(0, inner)
    longest = max((len(bar.label) for bar in shown), default=0)
    ticks = range(0, len(shown), max(1, ceil((longest + 3) / apart)))
    figure.ruler("x").ticks([i * apart + wide / 2 for i in ticks], [safe(shown[i].label) for i in ticks])
    return above + _lines(figure, look)


def _places(bars: int, columns: int) -> tuple[float, int, list[tuple[int, int]]]:
    """How far apart the bars stand, how wide each is, both in columns, and (bar, column) of all that is part of one."""
    apart = min(10.0, columns / max(1, bars))
    if apart >= 3:  # bars with a column between them
        apart, wide = int(apart), int(apart) - 1
        return apart, wide, [(i, int(i * apart) + c) for i in range(bars) for c in range(wide)]
    # side by side, some a column wider than others
    return apart, 1, [(int(c / apart), c) for c in range(columns) if int(c / apart) < bars]


def _lines(figure: Any, look: Look) -> str:
    """What was drawn, as text."""
    text = str(figure.build().string(colorless=not look.colour)).rstrip("\n")
    lines = (text.translate(_ASCII) if look.ascii else text).split("\n")
    return "\n".join(row if look.colour else row.rstrip() for row in lines)
