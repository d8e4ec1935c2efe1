"""Records as JSON, CSV and tables: whole or line by line, within a width, and safe to show."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.core.text import safe
from spotbox.output import Column, aligned, csv_lines, json_lines, plain_lines, to_csv, to_fitted, to_json

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
ROWS = st.lists(st.fixed_dictionaries({"a": TEXTS, "b": st.one_of(st.none(), st.integers(), st.booleans())}))


@given(ROWS)
def test_lines_of_json_are_the_same_data(rows):
    """Streamed or whole, JSON reads back as it was, and holds nothing that a terminal obeys."""
    streamed, whole = "".join(json_lines(rows)), to_json(rows)
    assert json.loads(streamed) == json.loads(whole) == rows
    assert all(safe(line) == line for line in (*streamed.split("\n"), *whole.split("\n")))
    assert streamed.endswith("]\n")


@given(ROWS)
def test_lines_of_csv_are_the_whole_csv(rows):
    """Streamed or whole, CSV is the same text, a line for each row."""
    streamed = "".join(csv_lines(rows, ["a", "b"]))
    assert streamed == to_csv(rows, ["a", "b"]) + "\n"
    assert len(list(csv.reader(io.StringIO(streamed)))) == len(rows) + 1


def test_streams_ask_for_a_row_at_a_time():
    """Nothing is read before it is written: an endless source gives its first lines."""

    def endless():
        while True:
            yield {"a": 1}

    for lines in (json_lines(endless()), csv_lines(endless(), ["a"]), plain_lines(endless(), ["a"], [3])):
        next(lines)
        next(lines)


def test_plain_lines():
    """Columns as wide as was said, unknown as unknown."""
    rows = [{"a": "x", "b": 0.5}, {"a": "long\n", "b": None}]
    assert "".join(plain_lines(rows, ["a", "b"], [6, 0])) == "a       b\nx       0.5\nlong\\n  unknown\n"


COLUMNS = [Column("name", "name"), Column("two\nlines", "lines", right=True, rank=1), Column("much", "much", rank=2)]


@pytest.mark.parametrize(
    ("width", "gone", "text"),
    [
        (None, [], "        two\nname  lines  much\n----  -----  ----\nx      1.50  y"),
        (17, [], "        two\nname  lines  much\n----  -----  ----\nx      1.50  y"),
        (16, ["much"], "        two\nname  lines\n----  -----\nx      1.50"),
        (10, ["much", "lines"], "\nname\n----\nx"),
        (1, ["much", "lines"], "\nname\n----\nx"),
    ],
)
def test_a_table_fits(width, gone, text):
    """The columns of the highest rank go first, those without one never; nothing is wrapped."""
    shown, dropped = to_fitted([["x", "1.50", "y"]], COLUMNS, width)
    assert (dropped, shown) == (gone, text)


def test_cells_are_safe():
    """Nothing in a cell can move the cursor or start a line."""
    shown, _ = to_fitted([["a\x1b[2J", "b\nc", None]], COLUMNS, None)
    assert "\x1b" not in shown
    assert len(shown.split("\n")) == 4
    assert aligned([["a\n", "1"], ["b", "22"]], right=[1]) == ["a\\n   1", "b    22"]


SEEN = (
    Column("name", "name"),
    Column("type", "type", rank=1),
    Column("$/h", "price", right=True),
    Column("reason", "reason", words=True),
)


@pytest.mark.parametrize("width", range(40, 130, 5))
def test_words_break_and_figures_do_not(width):
    """A narrow terminal breaks a reason between its words; nothing is wider than it, and every figure stays whole."""
    reason = "AWS took the capacity back; only AWS can restart it, or take the box elsewhere with its disk"
    text, gone = to_fitted([["dev", "g5.xlarge", "$0.1951", reason]], SEEN, width)
    assert max(map(len, text.split("\n"))) <= width
    assert "$0.1951" in text
    column = text.split("\n")[0].index("reason")
    assert " ".join(line[column:].strip() for line in text.split("\n")[2:]) == reason
    assert (gone == ["type"]) == (width < 3 + 9 + 7 + 24 + 6)


def test_wide_characters_stand_in_line():
    """What takes two columns on the screen is counted as two: the column after it stands in line."""
    text, _ = to_fitted([["東京", "1"], ["ab", "22"]], (Column("name", "name"), Column("n", "n", right=True)), None)
    head, rule, wide, narrow = text.split("\n")
    assert wide == "東京   1"
    assert narrow == "ab    22"
    assert rule == "----  --"
    assert head == "name   n"
