"""Text from outside, made safe to show: nothing AWS or a user sends may move the cursor or start a new line."""

import re
import shlex
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def safe(text: object) -> str:
    """`text` on one line, with control, format and surrogate characters shown as escapes (\\x1b, \\n, \\u202e).

    Category C of Unicode covers terminal escapes, newlines, bidirectional overrides and lone surrogates.
    """
    shown = str(text)
    if shown.isprintable():  # which nothing of these is; and much faster to ask
        return shown
    return "".join(
        char if not unicodedata.category(char).startswith(("C", "Zl", "Zp")) else ascii(char)[1:-1] for char in shown
    )


def shell(words: Iterable[str]) -> str:
    """A command line that a POSIX shell reads back as exactly these words."""
    return shlex.join(words)


def as_typed(text: str, words: Sequence[str]) -> str:
    """`text` whose `spotbox COMMAND` hints carry these global options, so that they can be typed as they stand."""
    if not words:
        return text
    given = shlex.join(words)
    return re.sub(
        r"\bspotbox (?=(?:up|ssh|prices|status|stop|start|down|audit)\b)", lambda _: f"spotbox {given} ", text
    )


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be, or None."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean X?)`, or nothing when no known word is near."""
    near = nearest(word, known)
    return f" (did you mean {near}?)" if near else ""


def plural(count: int, noun: str) -> str:
    """`1 box`, `2 boxes`, `3 volumes`."""
    ending = "" if count == 1 else "es" if noun.endswith(("x", "s", "ch")) else "s"
    return f"{count} {noun}{ending}"
