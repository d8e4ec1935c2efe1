"""Whether a request fits botocore's model of its service: patterns, lengths, enums and required members.

Refusals have AWS's words: `1 validation error detected: Value 'x' at 'y' failed to satisfy constraint: ...`.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from moto.core.utils import get_service_model

from spotbox.sandbox.refusals import Refusal

LONGEST = 8192  # characters: a pattern is not tried on longer texts, which some patterns take for ever on


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    """A pattern of the model, which is written for Java: letters, spaces and digits of Unicode are \\p{..} there."""
    for java, python in ((r"\p{L}", r"\w"), (r"\p{Z}", r"\s"), (r"\p{N}", r"\d"), (r"\p{Alnum}", "0-9A-Za-z")):
        text = text.replace(java, python)
    return re.compile(text)


def _path(place: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{place}.{name}" if place else name


def _faults(shape: Any, value: Any, place: str) -> Iterator[str]:
    """Every constraint that a value breaks, as AWS says it."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        for name in shape.required_members:
            if value.get(name) is None:
                yield f"Value null at '{_path(place, name)}' failed to satisfy constraint: Member must not be null"
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _faults(member, value[name], _path(place, name))
    elif kind == "list" and isinstance(value, list):
        yield from _sized(shape, value, place, "length")
        for number, item in enumerate(value, 1):
            yield from _faults(shape.member, item, f"{place}.{number}.member")
    elif kind == "map" and isinstance(value, dict):
        yield from _sized(shape, value, place, "length")
        for key, item in value.items():
            yield from _faults(shape.key, key, place)
            yield from _faults(shape.value, item, f"{place}.{key}.member")
    elif kind == "string" and isinstance(value, str):
        yield from _text(shape, value, place)
    elif kind in ("integer", "long") and isinstance(value, int):
        yield from _sized(shape, value, place, "value")
    elif kind in ("structure", "list", "map", "string", "integer", "long"):
        yield f"Value at '{place}' failed to satisfy constraint: Member must be a {kind}"


def _text(shape: Any, value: str, place: str) -> Iterator[str]:
    shown = f"Value '{value[:200]}' at '{place}' failed to satisfy constraint"
    if shape.enum and value not in shape.enum:
        yield f"{shown}: Member must satisfy enum value set: [{', '.join(shape.enum)}]"
    pattern = shape.metadata.get("pattern")
    if pattern and len(value) <= LONGEST and not _pattern(pattern).fullmatch(value):
        yield f"{shown}: Member must satisfy regular expression pattern: {pattern}"
    yield from _sized(shape, value, place, "length")


def _sized(shape: Any, value: Any, place: str, what: str) -> Iterator[str]:
    size = value if what == "value" else len(value)
    shown = f"Value '{str(value)[:200]}' at '{place}' failed to satisfy constraint: Member must have {what}"
    if size < shape.metadata.get("min", size):
        yield f"{shown} greater than or equal to {shape.metadata['min']}"
    if size > shape.metadata.get("max", size):
        yield f"{shown} less than or equal to {shape.metadata['max']}"


def check(service: str, operation: str, body: dict[str, Any], code: str = "ValidationException") -> None:
    """Raise Refusal `code` with all that is wrong with the request of an operation."""
    shape = get_service_model(service).operation_model(operation).input_shape
    found = list(_faults(shape, body, ""))
    if found:
        errors = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected"
        raise Refusal(code, f"{errors}: {'; '.join(found)}")
