"""Rows of the price table: quotes made into rows, narrowed, sorted, and told as the contract's records."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from spotbox.core.market import Quotes, Scores
from spotbox.core.prices import savings_pct
from spotbox.core.quotas import QuotaValue, is_enough, quota_of
from spotbox.core.records import InstanceType

KEYS = (
    "instance_type", "gpu", "gpu_count", "gpu_memory_gib", "vcpus", "memory_gib", "region", "zone", "on_demand", "spot",
    "savings_pct", "interruption", "score", "updated_at",
)  # fmt: skip
QUOTA_KEYS = ("quota_vcpus", "quota_suffices")
SORTS = ("price", "savings", "interruption", "vram")


@dataclass(frozen=True)
class Row:
    """One instance type in one zone, with all that is known of it; None is unknown. Prices are USD per hour."""

    name: str
    type: InstanceType | None
    region: str
    zone: str
    zone_id: str | None
    on_demand: Decimal | None
    spot: Decimal | None
    interruption: str | None  # "<5%", of the last month and the whole region
    updated_at: datetime  # when this Spot price came into force
    score: int | None = None  # placement score of the listed set in this zone, 1 to 10
    quota: Decimal | None = None  # the Spot quota that counts this type, vCPU

    @property
    def savings_pct(self) -> Decimal | None:
        """What Spot saves against on-demand in percent; negative where it costs more."""
        return savings_pct(self.on_demand, self.spot)

    @property
    def memory(self) -> Decimal | None:
        """GPU memory in GiB, of all its GPUs."""
        return self.type.gpu_memory_gib if self.type else None

    @property
    def usd_per_gib(self) -> Decimal | None:
        """Spot price by GiB of GPU memory and hour."""
        return self.spot / self.memory if self.spot is not None and self.memory else None

    @property
    def quota_suffices(self) -> bool | None:
        """Whether the quota admits one instance of this type beside nothing else; None where either is unknown."""
        return is_enough(self.quota, self.type.vcpus) if self.type and self.type.vcpus else None


def rows_of(quotes: Quotes) -> tuple[Row, ...]:
    """A row for each pool that has a quote, cheapest first."""
    found = [
        Row(
            price.instance_type,
            quotes.types.get(price.instance_type),
            price.region,
            price.zone,
            price.zone_id,
            quotes.on_demand.get((price.region, price.instance_type)),
            price.usd,
            quotes.interruption.get((price.region, price.instance_type)),
            price.since,
        )
        for price in quotes.prices
    ]
    return sort_rows(found, "price")


def glob(pattern: str) -> re.Pattern[str]:
    """EC2's own wildcards: * and ?, the whole word, upper and lower case the same."""
    words = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.compile("".join(words), re.IGNORECASE | re.DOTALL)


def is_named(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the names or globs is the type's."""
    return any(glob(pattern).fullmatch(name) for pattern in patterns)


def is_gpu(kind: InstanceType | None, wanted: str) -> bool:
    """Whether the type has that GPU: `a10g`, `NVIDIA A10G`, `rtx-pro*`; L4 is not L40S. Spaces and hyphens aside."""
    if kind is None or not kind.gpu:
        return False
    pattern = glob(_plain(wanted))
    return any(pattern.fullmatch(_plain(name)) for name in (kind.gpu, f"{kind.gpu_maker or ''}{kind.gpu}"))


def _plain(text: str) -> str:
    return re.sub(r"[\s_-]", "", text).lower()


def sort_rows(rows: Iterable[Row], by: str) -> tuple[Row, ...]:
    """Sorted `by` price, savings (largest first), interruption (least first) or vram (USD per GiB of GPU memory).

    What is unknown comes last; ties go by price, type and zone.
    """
    measure = _MEASURES[by]
    return tuple(sorted(rows, key=lambda row: (_last(measure(row)), _last(row.spot), row.name, row.zone)))


def _last(value: Decimal | None) -> tuple[bool, Decimal]:
    return (value is None, value if value is not None else Decimal(0))


def interruption_rank(label: str | None) -> Decimal | None:
    """The least share that a label of AWS's Spot Instance Advisor means, in percent: `<5%` 0, `5-10%` 5, `>20%` 20."""
    match = re.match(r"\s*([<>]?)\s*(\d+(?:\.\d+)?)", label or "")
    if not match:
        return None
    return Decimal(0) if match[1] == "<" else Decimal(match[2])


def _savings(row: Row) -> Decimal | None:
    return None if row.savings_pct is None else -row.savings_pct


_MEASURES: Mapping[str, Callable[[Row], Decimal | None]] = {
    "price": lambda row: row.spot,
    "savings": _savings,
    "interruption": lambda row: interruption_rank(row.interruption),
    "vram": lambda row: row.usd_per_gib,
}


def listed_types(rows: Iterable[Row]) -> list[str]:
    """The types of the rows, each once, by name."""
    return sorted({row.name for row in rows})


def quota_pairs(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """(region, quota code) of the Spot quotas that count the rows' types, each once."""
    return sorted({(row.region, quota.code) for row in rows if (quota := quota_of(row.name))})


def with_quotas(rows: Iterable[Row], values: Mapping[tuple[str, str], QuotaValue]) -> tuple[Row, ...]:
    """The rows with the quotas that AWS told."""
    told: list[Row] = []
    for row in rows:
        quota = quota_of(row.name)
        value = values.get((row.region, quota.code)) if quota else None
        told.append(replace(row, quota=value.value) if value else row)
    return tuple(told)


def with_scores(rows: Iterable[Row], scores: Scores) -> tuple[Row, ...]:
    """The rows with the score of their zone."""
    return tuple(replace(row, score=scores.by_zone_id.get(row.zone_id) if row.zone_id else None) for row in rows)


def gpu_text(kind: InstanceType | None) -> str:
    """`1x A10G`, `1/8 L4`, `4x AMD Radeon Pro V520`, `16x AWS Trainium`; empty for a type without, or unknown."""
    if kind is None or not kind.gpu:
        return "" if kind else "unknown"
    maker = kind.gpu_maker or ""
    name = kind.gpu if maker in ("", "NVIDIA") or kind.gpu.startswith(maker) else f"{maker} {kind.gpu}"
    share = Fraction(kind.gpu_count).limit_denominator(64)
    return f"{share}{'x' if share.denominator == 1 else ''} {name}" if share else name


def record(row: Row, quota: bool = False) -> dict[str, Any]:
    """The row with the contract's keys in their order; `quota` adds the two of the quota."""
    kind = row.type
    told: dict[str, Any] = {
        "instance_type": row.name,
        "gpu": kind.gpu if kind else None,
        "gpu_count": plain(kind.gpu_count) if kind else None,
        "gpu_memory_gib": plain(row.memory),
        "vcpus": kind.vcpus if kind else None,
        "memory_gib": plain(kind.memory_gib) if kind else None,
        "region": row.region,
        "zone": row.zone,
        "on_demand": usd(row.on_demand),
        "spot": usd(row.spot),
        "savings_pct": usd(row.savings_pct),
        "interruption": row.interruption,
        "score": row.score,
        "updated_at": iso(row.updated_at),
    }
    assert tuple(told) == KEYS  # noqa: S101 - the contract's order, checked where it is made
    if quota:
        told |= {"quota_vcpus": plain(row.quota), "quota_suffices": row.quota_suffices}
    return told


def usd(value: Decimal | None) -> float | None:
    """A Decimal as JSON has it. Prices have at most 15 digits, which a float gives back as they were written."""
    return None if value is None else float(value)


def plain(value: Decimal | None) -> int | float | None:
    """A count or size as JSON has it: whole where it is whole."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def iso(at: datetime) -> str:
    """`2026-11-22T05:00:00Z`."""
    return at.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"


def missing(patterns: Sequence[str], rows: Iterable[Row]) -> list[str]:
    """The names and globs that no row bears."""
    names = {row.name for row in rows}
    return [pattern for pattern in patterns if not any(glob(pattern).fullmatch(name) for name in names)]
