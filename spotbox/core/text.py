"""Text from outside, made safe to show: nothing AWS or a user sends may move the cursor or start a new line."""

import re
import shlex
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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


OF_A_BOX = frozenset({"up", "ssh", "status", "stop", "start", "down", "audit", "train", "cost"})  # with --owner and -r
_HINT = re.compile(
    rf"\bspotbox ({'|'.join(sorted(OF_A_BOX | {'prices', 'move', 'doctor'}))})\b(?=((?:(?!\bspotbox )[^`;,\n])*))"
)


@dataclass(frozen=True)
class Own:
    """A flag that was typed with its value, and the commands whose hints need it to be about the same boxes."""

    flag: str
    value: str
    commands: frozenset[str]


def as_typed(text: str, words: Sequence[str], own: Sequence[Own] = ()) -> str:
    """`text` whose `spotbox COMMAND` hints carry these global options and, where they do not name them themselves, the
    command's own flags, so that they can be typed as they stand."""
    if not words and not own:
        return text

    def typed(hint: re.Match[str]) -> str:
        command, rest = hint[1], hint[2].split()
        flags = [flag for flag in own if command in flag.commands and flag.flag not in rest]
        return shlex.join(["spotbox", *words, command, *(word for flag in flags for word in (flag.flag, flag.value))])

    return _HINT.sub(typed, text)


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
