"""Questions on a terminal. The only place that uses questionary; refuses where there is no terminal."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.text import safe
from spotbox.width import broken, columns_of, cut

Hint = Callable[[str], str]  # the text as far as it is typed -> what to show below it
Check = Callable[[str], str | None]  # the answer -> what is wrong with it, or None
# No colour that fades on a light terminal or on a dark one: weight, and the terminal's own red.
_STYLE = [("qmark", "noinherit bold"), ("answer", "noinherit bold"), ("search_success", "noinherit bold"),
          ("search_none", "noinherit fg:ansired bold"), ("validation-toolbar", "noinherit reverse")]  # fmt: skip
MARGIN = 4  # columns before and after a row of a list: its pointer, and the last, in which terminals may wrap


class Prompts:
    """Asks on the terminal; questions and answers go to stderr, so that stdout carries data only."""

    @property
    def possible(self) -> bool:
        """Whether somebody is there to answer."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def refuse(self, flag: str) -> UsageError:
        """The error for an answer that is missing where nobody can be asked."""
        every = "" if flag == "-y" else ", or -y for every default"
        return UsageError(f"no terminal to ask on, and {flag} is missing", f"Give {flag}{every}.")

    @property
    def room(self) -> int | None:
        """Columns that a row of a list may have; None where there is no terminal."""
        return _columns() - MARGIN if self.possible else None

    def choose(self, question: str, rows: Sequence[tuple[str, Any]], default: Any, flag: str, heading: str = "") -> Any:
        """One of the rows (shown text, value); arrow keys, or type to filter. What was chosen stays to be read: the
        value where that is a word, else its text."""
        import questionary

        room = self.room or max(columns_of(text) for text in (heading, *(text for text, _ in rows)))
        # By their numbers: questionary gives the text of a choice whose value is None.
        choices = [questionary.Choice(title=cut(text, room), value=str(i)) for i, (text, _) in enumerate(rows)]
        how = "(arrow keys, Enter)" if len(rows) <= 12 else "(arrow keys, or type to filter)"
        # The heading belongs to the question, not to the list: what is typed would filter it away, or find it, and
        # Enter chooses what the pointer is on, a heading too.
        above = "".join(f"\n   {cut(line, room)}" for line in heading.split("\n") if heading)
        known = [value for _, value in rows]
        answer = self._ask(
            "select",
            flag,
            question,
            choices=choices,
            default=str(known.index(default)) if default in known else None,
            use_search_filter=len(rows) > 12,
            use_jk_keys=False,
            instruction=how + above,
            erase_when_done=True,
        )
        text, value = rows[int(answer)]
        _tell(question, value if isinstance(value, str) else text)
        return value

    def text(self, question: str, default: str, check: Check, flag: str, hint: Hint | None = None) -> str:
        """A line of text that passes `check`; `hint` is shown at the bottom of the screen while one types."""
        options: dict[str, Any] = {"default": default, "validate": lambda text: check(text) or True}
        if hint is not None:
            options["bottom_toolbar"] = lambda: "\n".join(broken(safe(hint(_typed())), _columns()))
        return str(self._ask("text", flag, question, **options))

    def confirm(self, question: str, default: bool, flag: str) -> bool:
        """Yes or no."""
        return bool(self._ask("confirm", flag, question, default=default))

    def _ask(self, kind: str, flag: str, question: str, **options: Any) -> Any:
        if not self.possible:
            raise self.refuse(flag)
        import questionary

        ask = getattr(questionary, kind)
        style = questionary.Style(_STYLE)
        answer = ask(question, output=_output(), style=style, **options).unsafe_ask()
        if answer is None:
            raise SpotboxError("nothing was chosen", "", exit_code=_interrupted())
        return answer


def _output() -> Any:
    from prompt_toolkit.output import create_output

    return create_output(stdout=sys.stderr)


def _columns() -> int:
    columns: int = _output().get_size().columns
    return columns


def _tell(question: str, answer: str) -> None:
    """The line that stays of a question, as the other questions leave it."""
    from prompt_toolkit.formatted_text import FormattedText
    from prompt_toolkit.shortcuts import print_formatted_text
    from questionary import Style

    parts = [("class:qmark", "?"), ("class:question", f" {safe(question)} "), ("class:answer", safe(answer))]
    print_formatted_text(FormattedText(parts), output=_output(), style=Style([*_STYLE, ("question", "bold")]))


def _typed() -> str:
    from prompt_toolkit.application import get_app

    return str(get_app().current_buffer.text)


def _interrupted() -> Any:
    from spotbox.core.errors import Exit

    return Exit.INTERRUPTED
