"""A cost as the user and a script read it: the keys of the contract, and the words beside the figures."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from spotbox.core.cost import Cost, Life, total_of
from spotbox.core.names import join_names
from spotbox.core.report import number
from spotbox.core.text import safe
from spotbox.core.units import show_duration, show_usd

KEYS = (
    "name", "running_hours", "stopped_hours", "compute_usd", "disk_usd", "on_demand_usd", "savings_pct", "complete",
)  # fmt: skip
ACTUAL = "actual_usd"  # at the end, where --actual asked for it
_CENTS = Decimal("0.0001")  # an hour of a small disk costs less than a cent
_HUNDREDTH = Decimal("0.01")
_TENTH = Decimal("0.1")


def record(name: str | None, cost: Cost) -> dict[str, Any]:
    """The cost of a box as the contract has it; `name` is None for the sum of several."""
    made = (
        name,
        number(cost.running.quantize(_HUNDREDTH, ROUND_HALF_UP)),
        number(cost.stopped.quantize(_HUNDREDTH, ROUND_HALF_UP)),
        number(rounded(cost.compute)),
        number(rounded(cost.disk)),
        number(rounded(cost.on_demand)),
        number(cost.savings),
        cost.complete,
    )
    return dict(zip(KEYS, made, strict=True))


def rounded(usd: Decimal | None) -> Decimal | None:
    """USD to four places."""
    return None if usd is None else usd.quantize(_CENTS, ROUND_HALF_UP)


def hours(value: Decimal) -> str:
    """`312.4`; two places below an hour, and what has hardly begun is not zero."""
    if 0 < value < _HUNDREDTH:
        return f"<{_HUNDREDTH}"
    return f"{value.quantize(_HUNDREDTH if 0 < value < 1 else _TENTH, ROUND_HALF_UP):f}"


def percent(value: Decimal | None) -> str:
    """`62.9%`, or `unknown`. What is not quite 100 % is not rounded to it."""
    if value is None:
        return "unknown"
    shown = value.quantize(_TENTH, ROUND_HALF_UP)
    return f"{min(shown, Decimal('99.9')) if value < 100 else shown:f}%"


def money(usd: Decimal | None) -> str:
    """`$12.34`; four places where it is less than a cent."""
    if usd is not None and 0 < usd < _CENTS:
        return f"<{show_usd(_CENTS)}"
    return show_usd(usd, 2 if usd is None or usd >= _HUNDREDTH or not usd else 4)


def remarks(named: Iterable[tuple[Life, Cost]], since: datetime | None = None) -> list[str]:
    """What the figures leave out, each once, with the boxes that it concerns; a line each."""
    found: dict[str, list[str]] = {}
    for life, cost in named:
        for text in _left_out(life, cost, since):
            boxes = found.setdefault(text, [])
            if safe(life.name) not in boxes:
                boxes.append(safe(life.name))
    told = (f"{join_names(names)}: {text}" for text, names in found.items())
    return [line for text in told for line in text.split("\n")]


_NO_PRICE = {
    "on-demand": "the on-demand price is not known, so savings are not either",
    "disk": "the price of a volume is not known, and not counted",
    "address": "the price of the public IPv4 address is not known, and not counted",
}


def _left_out(life: Life, cost: Cost, since: datetime | None) -> Sequence[str]:
    found = list(life.gaps)
    if cost.unknown:
        spans = [f"{a:%Y-%m-%d %H:%M} to {b:%Y-%m-%d %H:%M} UTC" for a, b in life.unknown if not since or b > since]
        few = spans if len(spans) <= 3 else [*spans[:2], f"and {len(spans) - 2} times more"]
        lines = "".join(f"\n  {span}" for span in few)
        found.append(f"whether it ran is not known for {hours(cost.unknown)} h, not counted:{lines}")
    if cost.unpriced:
        found.append(f"{hours(cost.unpriced)} h ran at a price that AWS no longer tells, and are not counted")
    found += [_NO_PRICE[what] for what in sorted(cost.lacking)]
    return found


def summary(costs: Sequence[tuple[Life, Cost]]) -> dict[str, Any] | None:
    """The record of one box, or the sum of several; None for none."""
    if not costs:
        return None
    names = {life.name for life, _ in costs}
    return record(names.pop() if len(names) == 1 else None, total_of(cost for _, cost in costs))


def sentences(costs: Sequence[tuple[Life, Cost]]) -> list[str]:
    """What `down` says of each box that it removed."""
    return [line for life, cost in costs for line in _sentences(life.name, cost)]


def _sentences(name: str, cost: Cost) -> list[str]:
    known = "about" if cost.complete else "at least"
    parts = [f"compute {money(cost.compute)}", f"disk {money(cost.disk)}"]
    parts += [f"public IPv4 {money(cost.address)}"] if cost.address else []
    ran, stopped = (show_duration(int(hours * 3600)) for hours in (cost.running, cost.stopped))
    return [
        f"{name} cost {known} {money(cost.total)} (estimate): {', '.join(parts)}",
        f"it ran {ran}, stood stopped {stopped}; on demand its compute would have cost {money(cost.on_demand)}",
        f"savings: {percent(cost.savings)}",
    ]
