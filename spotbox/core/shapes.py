"""What comes from outside may have any shape."""

from typing import Any


def as_dict(value: object) -> dict[str, Any]:
    """`value` where it is a dict, else an empty one."""
    return value if isinstance(value, dict) else {}
