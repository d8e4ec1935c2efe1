"""The filters of `prices`, one after the other, and what to say when one of them leaves nothing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from spotbox.core.names import join_names
from spotbox.core.offers import Row, gpu_text, is_gpu, is_named, missing
from spotbox.core.records import InstanceType
from spotbox.core.text import nearest, plural, safe
from spotbox.core.units import Bid, show_usd

GB = Decimal("1.073741824")  # of a GiB


@dataclass(frozen=True)
class Wanted:
    """What the filters ask for; empty or None: nothing."""

    types: tuple[str, ...] = ()
    gpu: str | None = None
    min_vram: int | None = None  # GiB of GPU memory, of all GPUs of the type
    bid: Bid | None = None


@dataclass(frozen=True)
class Narrowed:
    """The rows that passed; `emptied` says which filter removed the last one and what would have passed."""

    rows: tuple[Row, ...]
    emptied: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Filter:
    """One flag: which rows pass; of the rows it was given, why none does, and what to say besides."""

    passes: Callable[[Row], bool]
    why: Callable[[Sequence[Row]], str]
    remarks: Callable[[Sequence[Row]], list[str]] = lambda left: []


def narrow(rows: Sequence[Row], wanted: Wanted, where: str) -> Narrowed:
    """The rows that pass -t, --gpu, --min-vram and --max-price. `where` names the regions asked."""
    if not rows:
        names = " or ".join(safe(name) for name in wanted.types)
        return Narrowed((), f"{f'no type named {names}' if names else 'no GPU type'} has a Spot price in {where}")
    left, remarks = tuple(rows), [f"{safe(name)} has no Spot price in {where}" for name in missing(wanted.types, rows)]
    for each in _filters(wanted):
        passed = tuple(row for row in left if each.passes(row))
        remarks += each.remarks(left)
        if not passed:
            return Narrowed((), each.why(left), tuple(remarks))
        left = passed
    return Narrowed(left, "", tuple(remarks))


def _filters(wanted: Wanted) -> Iterator[_Filter]:
    """Those that are asked for, in their order."""
    types, gpu, least, bid = wanted.types, wanted.gpu, wanted.min_vram, wanted.bid
    if types:
        yield _Filter(lambda row: is_named(row.name, types), lambda left: f"-t removed the last row: {_named(left)}")
    if gpu:
        yield _Filter(
            lambda row: is_gpu(row.type, gpu),
            lambda left: f"--gpu removed the last row: {no_such_gpu(gpu, gpus_of(left))}",
        )
    if least:
        yield _Filter(
            lambda row: (row.memory or 0) >= least,
            lambda left: _too_small(least, left),
            lambda left: only_in_gb((row.type for row in left), least),
        )
    if bid is not None:
        yield _Filter(lambda row: _under(row, bid), lambda left: _too_dear(bid, left), lambda left: _unknown(left, bid))


def _named(left: Sequence[Row]) -> str:
    return f"the types here are {join_names(sorted({safe(row.name) for row in left}))}"


def only_in_gb(kinds: Iterable[InstanceType | None], least: int | None) -> list[str]:
    """The remark on types that reach `least` only when their memory is counted in GB, as they are sold.

    The A10G is sold with 24 GB, and DescribeInstanceTypes tells 22888 MiB, which is 22.35 GiB.
    """
    if not least:
        return []
    found: dict[Decimal, set[str]] = {}
    for kind in kinds:
        memory = kind.gpu_memory_gib if kind else None
        # Whole GiB are sold as such: a T4 of 16 GiB is no GPU of 17 GB.
        if kind is None or memory is None or memory >= least or memory == memory.to_integral_value():
            continue
        if round(memory * GB) >= least:
            found.setdefault(memory, set()).add(gpu_text(kind).removeprefix("1x "))
    if not found:
        return []
    parts = [
        f"{join_names(sorted(names))} {'has' if len(names) == 1 else 'have'} {memory:.2f} GiB ({round(memory * GB)} GB)"
        for memory, names in sorted(found.items())
    ]
    return [f"{'; '.join(parts)}: --min-vram {int(min(found))} lists {'it' if _one(found) else 'them'}"]


def _one(found: dict[Decimal, set[str]]) -> bool:
    return sum(map(len, found.values())) == 1


def gpus_of(rows: Iterable[Row]) -> list[str]:
    """The GPUs of the rows by name."""
    return sorted({row.type.gpu for row in rows if row.type and row.type.gpu})


def no_such_gpu(wanted: str, have: Sequence[str]) -> str:
    """`no GPU here is called 'L9' (did you mean L4?); here: A10G, L4`."""
    names = {name.lower(): name for name in have}
    near = names.get(nearest(wanted.lower(), names) or "")
    near = f" (did you mean {safe(near)}?)" if near else ""
    return f"no GPU here is called '{safe(wanted)}'{near}; here: {', '.join(map(safe, have)) or 'none'}"


def _too_small(least: int, left: Sequence[Row]) -> str:
    most = max((row for row in left if row.memory is not None), key=lambda row: row.memory or 0, default=None)
    told = f"the most here is {most.memory:.2f} GiB ({safe(most.name)})" if most else "no type here has GPU memory"
    return f"--min-vram {least} removed the last row: {told}"


def _under(row: Row, bid: Bid) -> bool:
    most = bid.most(row.on_demand)
    return row.spot is not None and most is not None and row.spot <= most


def _too_dear(bid: Bid, left: Sequence[Row]) -> str:
    known = [row for row in left if row.spot is not None]
    least = min(known, key=lambda row: (row.spot, row.name, row.zone), default=None)
    told = "no Spot price here is known"
    if least:
        told = f"the cheapest here is {show_usd(least.spot)} ({safe(least.name)} in {safe(least.zone)})"
    if bid.usd is None:
        shares = [(100 - row.savings_pct, row) for row in known if row.savings_pct is not None]
        if not shares:
            told = "no on-demand price here is known"
        else:
            share, row = min(shares, key=lambda pair: (pair[0], pair[1].name, pair[1].zone))
            told = f"the least here is {share:.2f} % of on-demand ({safe(row.name)} in {safe(row.zone)})"
    return f"--max-price {bid} removed the last row: {told}"


def _unknown(left: Sequence[Row], bid: Bid) -> list[str]:
    """How many rows cannot be held against the bid."""
    spot = sum(row.spot is None for row in left)
    demand = sum(bid.most(row.on_demand) is None and row.spot is not None for row in left)
    return [
        f"--max-price left out {plural(count, 'row')} whose {what} price is unknown"
        for count, what in ((spot, "Spot"), (demand, "on-demand"))
        if count
    ]
