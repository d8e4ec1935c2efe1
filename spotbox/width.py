"""How wide text stands on a terminal, cut or broken to that: East Asian characters and emoji take two columns."""

import re
from collections.abc import Iterator

# To be typed or pasted as it stands, so on one line: a line feed within would be typed too.
_COMMAND = re.compile(
    r"""\bspotbox\ [^;,`]{1,40}(?=[;,`]|$) | (?:\(eval\ [^;`]*;\ )?\baws\ [a-z][^;`]* | \bInclude\ "[^"]*" """,
    re.VERBOSE,
)
_BOUND = "\u00a0"  # between words that are not to be parted


def columns_of(text: str) -> int:
    """How many columns of a terminal a line takes."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    wide: int = wcswidth(text)
    return wide if wide >= 0 else len(text)


def cut(text: str, width: int) -> str:
    """As much of a line as `width` columns show; never half a character."""
    if columns_of(text) <= width:
        return text
    if text.isascii():
        return text[: max(0, width)]
    low, high = 0, len(text)  # the longest beginning that fits; what a character adds is never less than nothing
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if columns_of(text[:middle]) <= width else (low, middle - 1)
    return text[:low]


def shortened(text: str, width: int, mark: str) -> str:
    """The line, or as much of it as there is room for with a `mark` of one column that says it is not all."""
    return text if columns_of(text) <= width else cut(text, width - 1) + mark[: max(0, width)]


def broken(text: str, room: int, cut_words: bool = True) -> list[str]:
    """The text as lines of at most `room` columns, broken between words; a longer word is cut, or left whole."""
    lines, line = list[str](), ""
    for word in _words(text, room if cut_words else None):
        longer = f"{line} {word}" if line else word
        if line.strip() and columns_of(longer) > room:
            lines.append(line.rstrip(" "))
            line = word
        else:
            line = longer
    return [*lines, line.rstrip(" ")]


def _words(text: str, room: int | None) -> Iterator[str]:
    for word in text.split(" "):
        while room is not None and columns_of(word) > room:
            part = cut(word, room) or word[:1]  # a wide character where there is room for half of one
            yield part
            word = word[len(part) :]
        yield word


def hung(text: str, width: int | None, indent: int) -> str:
    """A line as it is shown in `width` columns (None: as it is), what goes on below it `indent` columns to the right.

    Words, short commands of spotbox and those of the AWS CLI stay whole, so that what is copied is what was meant.
    """
    if width is None or columns_of(text) <= width or width - indent < LEAST:
        return text
    rest, bind = text[indent:], _BOUND not in text
    if bind:
        rest = _BOUND * (len(rest) - len(rest.lstrip(" "))) + rest.lstrip(" ")  # the indent may end before a space
        rest = _COMMAND.sub(lambda found: found[0].replace(" ", _BOUND), rest)
    lines = broken(rest, width - indent, cut_words=False)
    shown = ("\n" + " " * indent).join(lines)
    return text[:indent] + (shown.replace(_BOUND, " ") if bind else shown)


LEAST = 16  # columns that a text is broken to; with less room the terminal does it better
