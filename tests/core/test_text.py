import shlex
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spotbox.core.text import OF_A_BOX, Own, as_typed, did_you_mean, nearest, plural, safe, shell

WILD = st.text(st.characters(codec=None), max_size=30)


@given(WILD)
@example("\x1b[2J\x9b31m")
@example("a\r\nb\x00\x7f")
@example("\u202e\u2066\u200b\ufeff")
@example("\u2028\u2029\x85\ud800")
def test_safe_text_is_one_line_that_no_terminal_obeys(text):
    """No control, format, surrogate or line character is left, and the rest is untouched."""
    shown = safe(text)
    assert not [c for c in shown if unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp")]
    assert len(shown.splitlines()) <= 1
    shown.encode()  # and any terminal can be given it
    assert safe(shown) == shown


@given(st.text("abc äöü漢字🚀_-.,:;<>&'\"\\", max_size=20))
def test_ordinary_text_stays_as_it_is(text):
    """Letters of any script, marks and spaces are shown as they are."""
    assert safe(text) == text


def test_what_it_looks_like():
    """An escape is shown by its number."""
    assert safe("\x1b[1mhi\n\u202e") == "\\x1b[1mhi\\n\\u202e"


@given(st.lists(WILD.map(lambda t: t.replace("\0", "")), max_size=5))
def test_a_shell_reads_back_the_same_words(words):
    """Quoting survives POSIX splitting."""
    assert shlex.split(shell(words)) == words


def test_the_nearest_word():
    """A near word is offered, a far one is not."""
    words = ["region", "zone", "max-price"]
    assert nearest("regoin", words) == "region"
    assert nearest("xyzzy", words) is None
    assert did_you_mean("maxprice", words) == " (did you mean max-price?)"
    assert did_you_mean("xyzzy", words) == ""


def test_plurals():
    """1 box, 2 boxes, 0 volumes."""
    assert [plural(1, "box"), plural(2, "box"), plural(0, "volume")] == ["1 box", "2 boxes", "0 volumes"]


BOB = Own("--owner", "bob", OF_A_BOX)
HERE = Own("-r", "eu-west-1", OF_A_BOX)


@pytest.mark.parametrize(
    ("text", "own", "typed"),
    [
        ("Look with: spotbox status dev", (), "Look with: spotbox --sandbox status dev"),
        ("run `spotbox down dev`", (BOB,), "run `spotbox --sandbox down --owner bob dev`"),
        ("spotbox up dev; spotbox prices", (HERE, BOB),
         "spotbox --sandbox up -r eu-west-1 --owner bob dev; spotbox --sandbox prices"),
        ("spotbox down dev -r us-east-1 --owner al", (HERE, BOB), "spotbox --sandbox down dev -r us-east-1 --owner al"),
        ("spotbox stop dev, or spotbox down dev -r x", (HERE,),
         "spotbox --sandbox stop -r eu-west-1 dev, or spotbox --sandbox down dev -r x"),
        ("spotbox upward, spotbox sandbox stop", (BOB,), "spotbox upward, spotbox sandbox stop"),
    ],
)  # fmt: skip
def test_a_hint_can_be_typed_as_it_stands(text, own, typed):
    """Global options stand before the command, its own flags after it; what a hint says itself is not said twice."""
    assert as_typed(text, ["--sandbox"], own) == typed


def test_a_hint_is_quoted():
    """What was typed reaches the shell as it was typed."""
    assert as_typed("spotbox stop", [], [Own("-r", "a b", OF_A_BOX)]) == "spotbox stop -r 'a b'"
