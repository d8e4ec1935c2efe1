"""What a config file means: `[defaults]` and `[pool.NAME]`, whose keys are the long flag names."""

from collections.abc import Collection, Mapping
from typing import Any

from spotbox.core.errors import UsageError
from spotbox.core.text import did_you_mean, safe

# Consent and destruction are said each time, never kept in a variable; nor in a file, with what makes no sense there.
NO_VARIABLE = frozenset({"yes", "all", "fix", "help", "version", "stdio"})
NEVER_KEPT = NO_VARIABLE | {"dry-run", "config", "print", "document"}
Value = str | bool | list[str]


def read_settings(data: Mapping[str, Any], flags: Collection[str], pool: str | None, origin: str) -> dict[str, Value]:
    """The settings in force: the pool's over the defaults. `flags` are the long flag names that exist.

    UsageError names the file (`origin`), the place and the nearest right word.
    """
    known = set(flags) - NEVER_KEPT
    for section in data:
        if section not in ("defaults", "pool"):
            raise UsageError(
                f"{origin}: unknown section [{safe(section)}]{did_you_mean(section, ['defaults', 'pool'])}",
                "Use [defaults] and [pool.NAME].",
            )
    pools = _table(data.get("pool", {}), "pool", origin)
    merged = _section(_table(data.get("defaults", {}), "defaults", origin), "defaults", known, origin)
    sections = {
        name: _section(_table(t, f"pool.{name}", origin), f"pool.{name}", known, origin) for name, t in pools.items()
    }
    chosen = pool or merged.get("pool")
    if chosen:
        if str(chosen) not in sections:
            have = f"It has: {', '.join(map(safe, sections))}." if sections else f"Add [pool.{safe(chosen)}] to it."
            raise UsageError(f"{origin} has no pool {str(chosen)!r}{did_you_mean(str(chosen), sections)}", have)
        merged |= sections[str(chosen)]
        merged["pool"] = str(chosen)
    return merged


def _table(value: Any, name: str, origin: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{origin}: {name} must be a table", f"Write [{name}] on a line of its own, keys below it.")
    return value


def _section(table: Mapping[str, Any], name: str, known: Collection[str], origin: str) -> dict[str, Value]:
    for key in table:
        if key not in known:
            raise UsageError(
                f"{origin}: [{safe(name)}] has no setting {safe(key)!r}{did_you_mean(key, known)}",
                "Keys are the long flag names without dashes in front, such as max-price.",
            )
    return {key: _value(value, f"[{safe(name)}] {key}", origin) for key, value in table.items()}


def _value(value: Any, place: str, origin: str) -> Value:
    """A TOML value as the flag's parser takes it: text, a switch, or a list of texts."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(v, str | int | float) and not isinstance(v, bool) for v in value):
        return [str(v) for v in value]
    raise UsageError(f"{origin}: {place} is neither text, number, true/false nor a list of these", "See the README.")
