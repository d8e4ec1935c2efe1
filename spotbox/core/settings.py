"""What a config file means: `[defaults]` and `[pool.NAME]`, whose keys are the long flag names."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spotbox.core.errors import UsageError
from spotbox.core.text import did_you_mean, safe

# Consent and destruction are said each time, never kept in a variable; nor in a file, with what makes no sense there.
NO_VARIABLE = frozenset({"yes", "all", "fix", "help", "version", "stdio"})
NEVER_KEPT = NO_VARIABLE | {"dry-run", "config", "print", "document", "name"}
POOL_ONLY = frozenset({"market", "max-boxes"})  # keys of a pool that are no flags
SPOT_ONLY = frozenset({"max-price", "park", "fallback"})  # flags that mean nothing on demand
MARKET_FLAG = "on-demand"  # the flag of `train` for what a pool's market says
MARKETS = ("spot", "on-demand")
Value = str | bool | list[str]
_POOL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")  # what a tag value, a shell word and a TOML key all take


@dataclass(frozen=True)
class Pool:
    """A named set of flags, and what only a pool has: its market, and how many boxes it holds at most (None: any)."""

    name: str
    flags: Mapping[str, Value] = field(default_factory=dict)
    market: str = "spot"
    max_boxes: int | None = None

    @property
    def on_demand(self) -> bool:
        """Whether what it launches is on demand from the start."""
        return self.market == "on-demand"


@dataclass(frozen=True)
class Settings:
    """A config file, read. `pool` is the one that was chosen, by --pool, its variable or [defaults]."""

    origin: str  # the file's name
    defaults: Mapping[str, Value] = field(default_factory=dict)
    pools: Mapping[str, Pool] = field(default_factory=dict)
    pool: Pool | None = None

    @property
    def in_force(self) -> dict[str, Value]:
        """The settings of the chosen pool over the defaults, its market over their `on-demand`; what is Spot's alone
        counts for nothing on demand."""
        if self.pool is None:
            return dict(self.defaults)
        idle = {MARKET_FLAG} | (SPOT_ONLY if self.pool.on_demand else set())
        defaults = {key: value for key, value in self.defaults.items() if key not in idle}
        return {**defaults, **self.pool.flags, "pool": self.pool.name}

    def place(self, key: str) -> str | None:
        """The section that a setting in force comes from, such as `[pool.big]`; None where none has it."""
        if self.pool and key in self.pool.flags:
            return f"[pool.{self.pool.name}]"
        return "[defaults]" if key in self.in_force else None

    def __iter__(self) -> Iterator[tuple[str, str, Value]]:
        """Every section, key and value of the file that is a flag's, in the file's order."""
        for name, flags in (("defaults", self.defaults), *((f"pool.{p.name}", p.flags) for p in self.pools.values())):
            for key, value in flags.items():
                yield f"[{name}]", key, value


def read_settings(data: Mapping[str, Any], flags: Collection[str], pool: str | None, origin: str) -> Settings:
    """What the parsed file says. `flags` are the long flag names that exist, `pool` the one that was asked for.

    Keys may be spelt with `_` in place of `-`. UsageError names the file (`origin`), the place and the nearest right
    word; also of a pool that was not chosen.
    """
    known = set(flags) - NEVER_KEPT
    for section in data:
        if section not in ("defaults", "pool"):
            raise UsageError(
                f"{origin}: unknown section [{safe(section)}]{did_you_mean(section, ['defaults', 'pool'])}",
                "Use [defaults] and [pool.NAME].",
            )
    defaults = _section(_table(data.get("defaults", {}), "defaults", origin), "defaults", known, origin)
    tables = _table(data.get("pool", {}), "pool", origin)
    pools = {name: _read_pool(name, table, known - {"pool"}, origin) for name, table in tables.items()}
    chosen = pool or defaults.get("pool")
    if chosen and str(chosen) not in pools:
        have = f"It has: {', '.join(map(safe, pools))}." if pools else f"Add [pool.{safe(chosen)}] to it."
        raise UsageError(f"{origin} has no pool {str(chosen)!r}{did_you_mean(str(chosen), pools)}", have)
    return Settings(origin, defaults, pools, pools[str(chosen)] if chosen else None)


def _read_pool(name: str, value: Any, known: Collection[str], origin: str) -> Pool:
    section = f"pool.{name}"
    table = dict(_table(value, section, origin))
    if not _POOL.fullmatch(name):
        raise UsageError(
            f"{origin}: {name!r} cannot be a pool's name", "Use letters, digits and _.- only, at most 64, such as big."
        )
    flags = _section(table, section, {*known, *POOL_ONLY}, origin)
    if MARKET_FLAG in flags:
        raise UsageError(
            f"{origin}: [{section}] has {MARKET_FLAG}, which its market says",
            'Write market = "on-demand" in its place.',
        )
    market = flags.pop("market", "spot")
    if market not in MARKETS:
        near = did_you_mean(str(market), MARKETS)
        raise UsageError(f"{origin}: [{section}] market is {safe(market)!r}{near}", 'Use "spot" or "on-demand".')
    most = flags.pop("max-boxes", None)
    if most is not None and (not isinstance(most, str) or not re.fullmatch(r"[1-9][0-9]{0,5}", most)):
        raise UsageError(f"{origin}: [{section}] max-boxes is {safe(most)!r}", "Give a whole number from 1, such as 2.")
    if market == "on-demand" and (idle := sorted(SPOT_ONLY & set(flags))):
        raise UsageError(
            f"{origin}: [{section}] is on demand, and {idle[0]} is for Spot alone", f"Leave {idle[0]} out of it."
        )
    return Pool(name, flags, str(market), int(str(most)) if most is not None else None)


def _table(value: Any, name: str, origin: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{origin}: {safe(name)} must be a table", f"Write [{safe(name)}] on a line, its keys below.")
    return value


def _section(table: Mapping[str, Any], name: str, known: Collection[str], origin: str) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for spelt, value in table.items():
        key = spelt.replace("_", "-")
        if key not in known:
            raise UsageError(
                f"{origin}: [{safe(name)}] has no setting {safe(spelt)!r}{did_you_mean(key, known)}",
                "It belongs in a [pool.NAME]."
                if key in POOL_ONLY
                else "Keys are the long flag names without dashes in front, such as max-price.",
            )
        if key in found:
            raise UsageError(f"{origin}: [{safe(name)}] has {key} twice, as {safe(spelt)!r} too", "Leave one out.")
        found[key] = _value(value, f"[{safe(name)}] {key}", origin)
    return found


def _value(value: Any, place: str, origin: str) -> Value:
    """A TOML value as the flag's parser takes it: text, a switch, or a list of texts."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(v, str | int | float) and not isinstance(v, bool) for v in value):
        return [str(v) for v in value]
    raise UsageError(f"{origin}: {place} is neither text, number, true/false nor a list of these", "See the README.")
