"""What every Describe call of EC2 does alike: filters with wildcards, and pages."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from spotbox.sandbox.refusals import refusal

Row = Mapping[str, Any]
Filters = Sequence[Mapping[str, Any]]


@lru_cache(maxsize=512)
def _pattern(value: str) -> re.Pattern[str]:
    """A filter value as EC2 reads it: * and ? are wildcards, a backslash takes their meaning away."""
    out, escaped = "", False
    for char in value:
        if escaped or char not in "\\*?":
            out, escaped = out + re.escape(char), False
        elif char == "\\":
            escaped = True
        else:
            out += ".*" if char == "*" else "."
    return re.compile(out, re.DOTALL)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return str(value)


def values(row: Any, path: str) -> list[str]:
    """All values under a dotted path; lists on the way are entered."""
    found = [row]
    for part in path.split("."):
        step: list[Any] = []
        for item in found:
            here = item.get(part) if isinstance(item, Mapping) else None
            step += here if isinstance(here, list | tuple) else [] if here is None else [here]
        found = step
    return [_text(item) for item in found]


def _found(row: Row, name: str, paths: Mapping[str, str]) -> list[str]:
    if name.startswith("tag:"):
        return [t["Value"] for t in row.get("Tags") or [] if t["Key"] == name[4:]]
    if name == "tag-key":
        return values(row, "Tags.Key")
    return values(row, paths[name])


def keep(rows: Iterable[Row], filters: Filters | None, paths: Mapping[str, str]) -> list[Any]:
    """The rows that pass every filter; within one filter any value will do.

    `paths` maps each filter name to a dotted path of the row; `tag:KEY` and `tag-key` are known everywhere. Raises
    Refusal InvalidParameterValue for a name that the action does not have.
    """
    for f in filters or ():
        name = f.get("Name")
        if name not in paths and name != "tag-key" and not str(name).startswith("tag:"):
            raise refusal("InvalidParameterValue", f"The filter '{name or 'null'}' is invalid")
    kept = []
    for row in rows:
        for f in filters or ():
            wanted = [_pattern(str(v)) for v in f.get("Values") or []]
            if not any(p.fullmatch(v) for v in _found(row, f["Name"], paths) for p in wanted):
                break
        else:
            kept.append(row)
    return kept


def page(rows: Sequence[Any], limit: Any, token: str | None, default: int = 1000) -> tuple[list[Any], str | None]:
    """One page of rows and the token of the next; None at the end. Raises Refusal InvalidNextToken."""
    start = 0
    if token:
        try:
            start = int(urlsafe_b64decode(token.encode()).decode().removeprefix("page:"))
        except ValueError as error:
            raise refusal("InvalidNextToken", "The specified pagination token is not valid.") from error
    size = int(limit) if limit else default
    end = start + size
    more = urlsafe_b64encode(f"page:{end}".encode()).decode() if end < len(rows) else None
    return list(rows[start:end]), more
