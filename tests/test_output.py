"""Records as JSON, CSV and tables: whole or line by line, within a width, and safe to show."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.core.text import safe
from spotbox.output import (
    Column,
    csv_lines,
    fitted,
    json_lines,
    plain_lines,
    to_csv,
    to_fitted,
    to_json,
    to_pairs,
    to_wrapped,
)
from spotbox.width import columns_of

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
        (10, ["lines"], "\nname  much\n----  ----\nx     y"),
        (9, ["much", "lines"], "\nname\n----\nx"),
        (1, ["much", "lines"], "\nname\n----\nx"),
    ],
)
def test_a_table_fits(width, gone, text):
    """The columns of the highest rank go first, one stays where the next that went left it room, those without a rank
    never go; nothing is wrapped."""
    shown, dropped = to_fitted([["x", "1.50", "y"]], COLUMNS, width)
    assert (dropped, shown) == (gone, text)


def test_cells_are_safe():
    """Nothing in a cell can move the cursor or start a line."""
    shown, _ = to_fitted([["a\x1b[2J", "b\nc", None]], COLUMNS, None)
    assert "\x1b" not in shown
    assert len(shown.split("\n")) == 4


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


def test_columns_that_say_nothing_go_first():
    """Where the table is too wide, a column that is empty in every row goes before any other, and is not missed."""
    rows = [["dev", "g5.xlarge", "$0.1951", ""], ["two", "g4dn.xlarge", "$0.1578", None]]
    text, gone = to_fitted(rows, SEEN, 33)
    assert (gone, text.split("\n")[0]) == ([], "name  type             $/h")
    assert "reason" in to_fitted(rows, SEEN, 34)[0]


def test_a_value_as_long_as_tags_may_be():
    """Names of 128 characters, of one column or two, go on below themselves, and the figures beside them stay whole."""
    name = Column("name", "name", words=True)
    columns = (name, Column("owner", "owner", words=True), Column("$/month", "price", right=True))
    text, gone = to_fitted([["x" * 128, "東" * 128, "$1234.56"], ["dev", "alice", "$8.00"]], columns, 80)
    assert not gone
    assert all(columns_of(line) <= 80 for line in text.split("\n"))
    assert (text.count("x"), text.count("東"), text.count("$1234.56")) == (128, 128, 1)


def test_rows_of_several_lines():
    """The lines of each row are its own: what stands out on a screen does so whole."""
    reason = "AWS took the capacity back; only AWS can restart it"
    table = fitted([["dev", "g5", "$1.0", ""], ["two", "g5", "$2.0", reason]], SEEN, 50)
    assert [len(row) for row in table.rows] == [1, 2]
    assert table.rows[1][0].startswith("two ")


def test_pairs_go_on_below_themselves():
    """Within the width a value is broken between words; one that is to be copied is not."""
    rows = [("what", "it runs until you stop it"), ("ssh", "ssh -o A=b -p 22 ubuntu@198.51.100.7")]
    assert to_pairs(rows, 24, whole=("ssh",)) == (
        "what  it runs until you\n      stop it\nssh   ssh -o A=b -p 22 ubuntu@198.51.100.7"
    )
    assert to_pairs(rows).split("\n")[0] == "what  it runs until you stop it"


@pytest.mark.parametrize("width", [50, 80])
def test_a_value_of_one_long_word_breaks_no_table(monkeypatch, width):
    """A tag of 256 characters goes on below itself; where it comes from stays on its first line, in its column."""
    monkeypatch.setattr("spotbox.output.screen", lambda: width)
    lines = to_wrapped([("tag", "x" * 256, "[defaults]"), ("ami", "東京 " * 30, "flag")], ("setting", "value", "from"))
    head, _, first, second, *_ = lines.split("\n")
    assert max(map(columns_of, lines.split("\n"))) <= width
    assert head.index("from") == first.index("[defaults]")
    assert set(second) == {" ", "x"}


@pytest.mark.parametrize(("width", "gone", "high"), [(80, [], 1), (50, ["type"], 1), (40, ["type"], 2)])
def test_a_name_is_broken_late(width, gone, high):
    """A long name stays whole as long as another column can go for it; after that it goes on below itself."""
    columns = [
        Column("name", "name", words=True, late=True),
        Column("type", "type", rank=1),
        Column("$", "$", right=True),
    ]
    table = fitted([["pipelines-98eee93b22c3-Train-vYv3ne2S7b", "ml.g5.xlarge", "1.50"]], columns, width)
    assert (table.gone, len(table.rows[0])) == (gone, high)
    assert max(map(columns_of, [*table.head, *table.rows[0]])) <= width
    assert table.rows[0][0].endswith("1.50")
