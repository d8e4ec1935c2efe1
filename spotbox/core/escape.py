"""Text from outside (AWS, tags, files) made safe to print: one line, no control characters."""

import unicodedata

_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}  # controls, bidi and other format marks, surrogates, line separators


def printable(text: str, limit: int = 500) -> str:
    """`text` on one line: white space runs become one blank, every other unsafe character its escape (`\\x1b`).

    A terminal obeys escape sequences in whatever is printed; AWS's messages repeat names and tags that others chose.
    Longer than `limit` characters is cut with an ellipsis.
    """
    shown = " ".join(text.split())
    shown = "".join(_escaped(c) if unicodedata.category(c) in _UNSAFE else c for c in shown)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
