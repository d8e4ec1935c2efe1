"""Questions as questionary asks them, with keys from a pipe."""

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from spotbox.core.errors import UsageError
from spotbox.prompts import Prompts

UP, DOWN = "\x1b[A", "\x1b[B"


class Somebody(Prompts):
    """Is there to answer."""

    possible = True


def answered(keys, ask):
    """What `ask` gives when these keys are pressed."""
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        return ask(Somebody())


ROWS = [("none of them", None), ("first", "a"), ("the same text", "b"), ("the same text", "c")]


@pytest.mark.parametrize(
    ("keys", "default", "value"),
    [("\r", None, None), (f"{DOWN}\r", None, "a"), ("\r", "c", "c"), (f"{UP}\r", "c", "b"), ("\r", "no such", None)],
)
def test_a_choice_gives_its_value(keys, default, value):
    """The value of the row, None among them, even where two rows read the same; an unknown default is the first."""
    assert answered(keys, lambda prompts: prompts.choose("Which?", ROWS, default, "-x", "heading")) == value


def test_a_hint_follows_what_is_typed(capsys):
    """The text as far as it is typed is handed to the hint."""
    seen = []

    def hint(text):
        seen.append(text)
        return f"hint \x1b{text}"

    assert answered("5\r", lambda prompts: prompts.text("How much?", "0.", lambda text: None, "-x", hint)) == "0.5"
    assert seen[0] == "0."
    assert set(seen) <= {"0.", "0.5"}
    assert "hint \\x1b0." in capsys.readouterr().err  # escaped


def test_nobody_there():
    """Without a terminal the flag that answers is named."""
    with pytest.raises(UsageError, match="--max-price"):
        Prompts().text("How much?", "", lambda text: None, "--max-price")
