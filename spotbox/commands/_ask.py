"""The questions of `up`: type, zone, maximum price, disk, stop when idle."""

from collections.abc import Callable, Sequence

from spotbox.app import App
from spotbox.commands._bid import Held
from spotbox.commands._choose import DEFAULT_DISK, Market, default_type
from spotbox.commands._table import left_out, money, number
from spotbox.core.errors import UsageError
from spotbox.core.offers import gpu_text
from spotbox.core.prices import savings_pct
from spotbox.core.units import Bid, parse_bid, parse_duration, parse_size, show_usd
from spotbox.output import Column, fitted
from spotbox.prompts import MARGIN

OFF = "off"
# The list of types: what goes first where the terminal is narrow has the highest rank.
_COLUMNS = (
    Column("type", "type"),
    Column("GPU", "GPU", rank=1),
    Column("GPU\nGiB", "GPU memory", right=True, rank=3),
    Column("vCPU", "vCPU", right=True, rank=7),
    Column("on-demand\n$/h", "on-demand", right=True, rank=6),
    Column("Spot\n$/h", "Spot", right=True),
    Column("savings\n%", "savings", right=True, rank=4),
    Column("inter-\nrupted", "interruption", right=True, rank=5),
    Column("quota", "quota", rank=2),
)


def ask_type(app: App, market: Market, names: Sequence[str]) -> str:
    """Ask for the instance type: a list with GPU, memory, prices in USD per hour, savings, rate and your quota."""
    room = app.prompts.room
    table = fitted([_listed(market, name) for name in names], _COLUMNS, room)
    if table.gone and room:
        app.remark(left_out(room + MARGIN, table.gone))
    rows = [(line, name) for (line,), name in zip(table.rows, names, strict=True)]
    heading = "\n".join(table.head[:-1])  # without the rule: a line more of types
    return str(app.prompts.choose("Instance type", rows, default_type(market, names), "-t", heading))


def _listed(market: Market, name: str) -> tuple[str, ...]:
    """One line of the list: the type where it is cheapest."""
    best = market.of(name)[0]
    saved = savings_pct(best.on_demand, best.spot)
    quota, suffices = market.quota(name), market.suffices(name)
    return (
        name,
        gpu_text(best.type),
        number(best.type.gpu_memory_gib),
        str(best.type.vcpus),
        money(best.on_demand),
        money(best.spot),
        "unknown" if saved is None else f"{saved:.2f}",
        market.interruption.get(name, "unknown"),
        "unknown" if suffices is None else "ok" if suffices else f"{number(quota)} of {best.type.vcpus}",
    )


def ask_zone(app: App, market: Market, name: str) -> list[str]:
    """Ask for the zone; none named means cheapest first."""
    offers = market.of(name)
    rows: list[tuple[str, str | None]] = [("cheapest first, the next when one has no capacity", None)]
    rows += [(f"{offer.zone:<16}{show_usd(offer.spot)}/h", offer.zone) for offer in offers]
    zone = app.prompts.choose("Availability Zone", rows, None, "-z")
    return [zone] if zone else []


def ask_bid(app: App, held: Held) -> Bid:
    """Ask for the maximum price; what it would have held is shown while one types, and said once it is given."""
    text = app.prompts.text(
        "Maximum price (on-demand, NN% of it, or USD per hour)",
        "on-demand",
        lambda answer: _wrong(parse_bid, answer),
        "--max-price",
        lambda answer: "" if _wrong(parse_bid, answer) else held.told(parse_bid(answer)),
    )
    bid = parse_bid(text)
    app.remark(held.told(bid))
    return bid


def ask_disk(app: App, least: int) -> int:
    """Ask for the disk size in GiB, at least the image's."""

    def check(answer: str) -> str | None:
        return _wrong(parse_size, answer) or (
            f"the image needs at least {least} GiB" if parse_size(answer) < least else None
        )

    return parse_size(app.prompts.text("Disk in GiB", str(max(DEFAULT_DISK, least)), check, "--disk-size"))


def ask_idle(app: App) -> int | None:
    """Ask after how long without work the box is to stop itself, in seconds; None for never, which is the default."""

    def check(answer: str) -> str | None:
        return None if answer.strip() == OFF else _wrong(parse_duration, answer)

    answer = app.prompts.text("Stop when idle for (such as 1h; off: never)", OFF, check, "--idle-stop")
    return None if answer.strip() == OFF else parse_duration(answer) or None


def _wrong(parse: Callable[[str], object], answer: str) -> str | None:
    try:
        parse(answer)
    except UsageError as error:
        return f"{error.message}. {error.hint}"
    return None
