"""The text of a config file: settings written into [defaults] with every other line left as it is."""

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from spotbox.core.errors import UsageError
from spotbox.core.settings import Value

_HEADER = re.compile(r"\s*\[\s*defaults\s*\]\s*(#.*)?")
_SECTION = re.compile(r"\s*\[")


def quote(text: str) -> str:
    """A TOML basic string (TOML 1.0, "String"). JSON escapes alike, but for U+007F, which TOML wants escaped too.

    UsageError for a lone surrogate, which is in no TOML file.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{text!r} cannot be written to a file of UTF-8", "Give it in UTF-8.") from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def literal(value: Value) -> str:
    """A setting as TOML has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"[{', '.join(map(quote, value))}]" if isinstance(value, list) else quote(value)


def set_defaults(text: str, values: Mapping[str, Value | None], origin: str) -> str:
    """`text` with these keys of [defaults] set, or taken out where the value is None; comments and pools stay.

    What says the same already stays as it is written. A line that is commented out is where its key goes. UsageError
    where the file is written in a way that cannot be changed line by line.
    """
    now = {key.replace("_", "-"): value for key, value in _meaning(text, origin).get("defaults", {}).items()}
    values = {key: value for key, value in values.items() if not _same(now.get(key), value)}
    if not values:
        return text
    lines = text.split("\n")
    start = next((i for i, line in enumerate(lines) if _HEADER.fullmatch(line)), None)
    if start is None:
        start = len(lines)
        lines += ["[defaults]", ""]
    for key, value in values.items():
        end = next((i for i in range(start + 1, len(lines)) if _SECTION.match(lines[i])), len(lines))
        _set(lines, start, end, key, value)
    new = "\n".join(lines)
    if _meaning(new, origin) != _wanted(_meaning(text, origin), values):
        wanted = "; ".join(f"{key} = {literal(value)}" for key, value in values.items() if value is not None)
        raise UsageError(f"{origin} is written in a way that spotbox cannot change", f"Write by hand: {wanted}")
    return new


def _set(lines: list[str], start: int, end: int, key: str, value: Value | None) -> None:
    name = re.escape(key).replace(r"\-", "[-_]")
    there = re.compile(rf"""\s*["']?{name}["']?\s*=""")
    noted = re.compile(rf"#\s*{name}\s*=")
    at = next((i for i in range(start + 1, end) if there.match(lines[i])), None)
    if value is None:
        if at is not None:
            del lines[at]
        return
    line = f"{key} = {literal(value)}"
    if at is None:
        at = next((i for i in range(start + 1, end) if noted.match(lines[i])), None)
    if at is None:
        lines.insert(start + 1, line)
    else:
        lines[at] = line


def _same(now: Any, value: Value | None) -> bool:
    """Whether the file says so already: a number may stand there bare."""
    return now == value or (type(now) in (int, float) and str(now) == value)


def _meaning(text: str, origin: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError:
        raise UsageError(f"{origin} would be no valid TOML", "Write the settings by hand.") from None


def _wanted(data: dict[str, Any], values: Mapping[str, Value | None]) -> dict[str, Any]:
    own = {k: v for k, v in data.get("defaults", {}).items() if k.replace("_", "-") not in values}
    return {**data, "defaults": {**own, **{key: value for key, value in values.items() if value is not None}}}
