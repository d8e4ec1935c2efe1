"""Charts of prices: whole, at two widths, in ASCII and in colour."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from spotbox.charts import HEIGHT, Bar, Look, draw, draw_bars
from spotbox.commands.doctor import COLOURS
from spotbox.core.history import Step

END = datetime(2026, 11, 22, 12, tzinfo=UTC)
START = END - timedelta(days=30)
TITLE = "g5.xlarge us-east-1a, 30 days, USD/h"


def steps(*prices):
    """Prices of equal length over the window."""
    first, length = int(START.timestamp()), int((END - START).total_seconds()) // len(prices)
    return [
        Step(first + i * length, first + (i + 1) * length, usd and Decimal(usd))  # type: ignore[arg-type]
        for i, usd in enumerate(prices)
    ]


SERIES = steps("0.40", "0.42", "0.55", "0.50", None, "0.45")


def chart(look, series=SERIES, line="1.006"):
    """The chart of the series."""
    return draw(TITLE, series, START, END, line and Decimal(line), look)


def test_the_chart_at_80_columns():
    """Price as steps, on-demand as a line, a gap where the price is unknown; plain ASCII, not one escape."""
    assert (
        chart(Look(80))
        == """\
                       g5.xlarge us-east-1a, 30 days, USD/h
     +-------------------------------------------------------------------------+
1.067+                                                                         |
     |---------------------------- on-demand 1.0060 ---------------------------|
0.885+                                                                         |
     |                                                                         |
0.703+                                                                         |
     |                                                                         |
0.521+                        *************************                        |
     |*************************                                   *************|
0.339+                                                                         |
     +-------------+----------------+----------------+----------------+--------+
                 29 Oct           05 Nov           12 Nov           19 Nov"""
    )


def test_the_chart_at_120_columns():
    """The same with block characters."""
    assert (
        chart(Look(120, ascii=False))
        == """\
                                           g5.xlarge us-east-1a, 30 days, USD/h
     ┌─────────────────────────────────────────────────────────────────────────────────────────────────────────────────┐
1.067┤                                                                                                                 │
     │──────────────────────────────────────────────── on-demand 1.0060 ───────────────────────────────────────────────│
0.885┤                                                                                                                 │
     │                                                                                                                 │
0.703┤                                                                                                                 │
     │                                                                                                                 │
0.521┤                                     ▐▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▜▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▖                                     │
     │▗▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▟                                                       ▝▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▘│
0.339┤                                                                                                                 │
     └──┬──────────────────┬─────────────────┬──────────────────┬──────────────────┬─────────────────┬─────────────────┘
      24 Oct             29 Oct            03 Nov             08 Nov             13 Nov            18 Nov"""
    )


@pytest.mark.parametrize("width", [40, 57, 80, 100, 173])
@pytest.mark.parametrize("line", [None, "1.006", "0.41", "50"])
def test_widths_are_obeyed(width, line):
    """No line is longer than asked, whatever the prices; ASCII is ASCII."""
    text = chart(Look(width), line=line)
    assert text.isascii()
    assert "\x1b" not in text
    assert max(map(len, text.split("\n"))) <= width
    assert len(text.split("\n")) == HEIGHT


def test_colour_only_where_it_is_wanted():
    """Escapes in colour, none without; and the same characters."""
    assert "\x1b[" in chart(Look(80, colour=True, ascii=False))
    assert "\x1b" not in chart(Look(80, ascii=False))


def test_nothing_known_is_an_empty_frame():
    """No price at all, and one that never moves, are drawn too."""
    assert "*" not in chart(Look(80), [], None)
    assert "*" not in chart(Look(80), steps(None), None)
    assert "0.400+****" in chart(Look(80), steps("0.4"), None)


def test_a_title_from_outside_is_escaped():
    """Nothing in a name can move the cursor."""
    assert "\x1b" not in draw("g5\x1b[2J", SERIES, START, END, None, Look(80))


def test_a_day_is_marked_by_the_hour():
    """Short windows have hours on their axis."""
    text = draw("t", [Step(int(END.timestamp()) - 9, int(END.timestamp()), Decimal(1))], END - timedelta(days=1), END,
                None, Look(100))  # fmt: skip
    assert "21 Nov 18:00" in text


DAYS = [Bar(f"{n:02d} Nov", Decimal(usd), Decimal("0.3")) for n, usd in enumerate(["3.2", "4", "0", "5", "1"], 1)]
COSTS = "dev, USD a day (estimate)"


def test_bars_at_60_columns():
    """A bar for each day, disk upon compute; a day without compute has its disk; what is below half a line is none."""
    assert (
        draw_bars(COSTS, DAYS, ("compute", "disk"), Look(60))
        == """\
         dev, USD a day (estimate): # compute, = disk
    +------------------------------------------------------+
5.83+                                                      |
    |                              #########               |
4.37+          =========           #########               |
    |========= #########           #########               |
2.92+######### #########           #########               |
    |######### #########           #########               |
1.46+######### #########           ######### =========     |
    |######### #########           ######### #########     |
0.00+######### ######### ========= ######### #########     |
    +----+---------+---------+---------+---------+---------+
       01 Nov    02 Nov    03 Nov    04 Nov    05 Nov"""
    )


@pytest.mark.parametrize(("days", "width"), [(1, 80), (90, 80), (90, 40), (400, 80), (0, 80)])
def test_bars_of_any_number(days, width):
    """However many there are, no line is wider than the terminal; where not all have room the last are shown."""
    bars = [Bar(f"day {n}", Decimal(n + 1), Decimal(0)) for n in range(days)]
    text = draw_bars("x", bars, ("compute", "disk"), Look(width, ascii=False))
    assert max(map(len, text.split("\n"))) <= width
    assert ("██" in text) is bool(days)


def test_bars_of_cents():
    """Small figures have four places, and colour is there where it is asked for."""
    text = draw_bars("x", [Bar("a", Decimal("0.01"), Decimal("0.002"))], ("b", "c"), Look(60, colour=True))
    assert "0.0132" in text
    assert "\x1b[" in text


def contrast(number, white):
    """WCAG's contrast of a colour of the 256 (its cube) against white, or against black."""
    steps = (0, 95, 135, 175, 215, 255)
    red, green, blue = (steps[(number - 16) // part % 6] / 255 for part in (36, 6, 1))
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 1.05 / (light + 0.05) if white else (light + 0.05) / 0.05


def test_no_colour_fades():
    """Every colour of the charts and of `doctor` stands 3.8 to 1 and better against white as against black."""
    day = Bar("22 Nov", Decimal("1"), Decimal("2"))
    drawn = chart(Look(80, colour=True)) + draw_bars(TITLE, [day], ("compute", "disk"), Look(80, colour=True))
    used = set(re.findall(r"\x1b\[([0-9;]+)m", drawn)) - {"0"}
    numbers = {int(code.removeprefix("38;5;")) for code in used} | set(COLOURS.values())
    assert len(numbers) == 4  # blue and orange of the charts, the same orange with green and red of `doctor`
    for number in numbers:
        assert min(contrast(number, white=True), contrast(number, white=False)) >= 3.8, number


@pytest.mark.parametrize("look", [Look(50), Look(50, ascii=False, colour=True)], ids=["ascii", "colour"])
def test_a_title_that_is_too_wide_stands_above(look):
    """plotext leaves a title out that does not fit; the reader needs it to know what the bars are."""
    day = Bar("22 Nov", Decimal("1"), Decimal("2"))
    lines = draw_bars("a-box-of-some-length, USD a day (estimate)", [day], ("compute", "disk"), look).split("\n")
    assert " ".join(lines[:2]).startswith("a-box-of-some-length, USD a day (estimate): ")
    assert "compute" in lines[1]
    assert "disk" in lines[1]
    assert all(len(line) <= 50 for line in lines[:2])
