"""Text on a terminal: how wide it stands, cut, and broken between words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.core.text import safe
from spotbox.width import broken, columns_of, cut, hung

TEXTS = st.text(st.characters(codec="utf-8"), max_size=60).map(safe)


@pytest.mark.parametrize(
    ("text", "wide"), [("", 0), ("abc", 3), ("東京", 4), ("🚀 x", 4), ("مرحبا", 5), ("e\u0301", 1)]
)
def test_columns(text, wide):
    """East Asian characters and emoji take two columns, a combining accent none."""
    assert columns_of(text) == wide


@given(TEXTS, st.integers(0, 80))
def test_a_cut_fits(text, width):
    """What is left is a beginning, no wider than asked, and the whole where that fits."""
    short = cut(text, width)
    assert text.startswith(short)
    assert columns_of(short) <= width
    assert (short == text) == (columns_of(text) <= width)


def test_no_half_character():
    """A wide character that does not fit whole is not begun."""
    assert cut("東京都", 5) == "東京"
    assert cut("⠙     3s  東京", 13) == "⠙     3s  東"


@given(TEXTS, st.integers(2, 40))
def test_broken_lines_fit_and_lose_nothing(text, room):
    """No line is wider than the room, and but for spaces nothing is lost."""
    lines = broken(text, room)
    assert all(columns_of(line) <= room for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_what_hangs():
    """A value goes on below itself; a word, and a command that is to be typed, stay whole."""
    text = "you can  a shell: spotbox ssh dev; pause: spotbox stop dev; an-id-that-is-longer-than-there-is-room-for"
    assert hung(text, 36, 9) == (
        "you can  a shell: spotbox ssh dev;\n"
        "         pause: spotbox stop dev;\n"
        "         an-id-that-is-longer-than-there-is-room-for"
    )
    assert hung(text, None, 9) == hung(text, 200, 9) == text
    assert hung(text, 20, 9) == text  # so narrow that the terminal does it better


def test_an_indent_may_end_before_a_space():
    """The space between two words stays where the indent ends just before it."""
    assert hung("no word of it is lost here", 20, 2) == "no word of it is\n  lost here"


@pytest.mark.parametrize("command", [
    "aws service-quotas request-service-quota-increase --region us-east-1 --service-code ec2 --quota-code L-3819A6DF",
    '(eval "$(spotbox sandbox env)"; aws iam create-service-linked-role --aws-service-name spot.amazonaws.com)',
    'Include "/home/somebody/a long path/.spotbox/ssh_config"',
])  # fmt: skip
def test_what_is_pasted_stays_one_line(command):
    """A command of the AWS CLI, however long, and the Include line are not broken: a line feed would be typed too."""
    lines = hung(f"Ask for more, which may take a day: {command}; or take another type", 50, 2).split("\n")
    assert [line for line in lines if command in line]
    assert all(columns_of(line) <= 50 for line in lines if command not in line)
