"""Durations, sizes, money and CIDRs as the user types them, and as the user reads them."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from ipaddress import IPv4Network, IPv6Network, ip_network

from spotbox.core.errors import UsageError

HOURS_PER_MONTH = Decimal(730)  # AWS bills EBS by the month of 730 hours in its own calculator
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_CAP = Decimal("0.0001")  # a share of on-demand is sent to so many places
LEAST_PRICE = Decimal("0.001")  # EC2 API, SpotMarketOptions: MaxPrice must be more than USD 0.001


def parse_duration(text: str) -> int:
    """Seconds in `90s`, `45m`, `8h`, `2d`, `1h30m`; only `0` may stand without a unit. UsageError otherwise."""
    if text.strip() == "0":
        return 0
    parts = re.fullmatch(r"(?:\d{1,9}[smhd])+", text.strip())
    if not parts:
        raise UsageError(f"{text!r} is not a duration", "Give a number with a unit: 90s, 45m, 8h or 2d.")
    seconds = sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)([smhd])", text))
    if seconds > 366 * 86400:
        raise UsageError(f"{text!r} is more than a year", "Give a shorter duration, such as 8h or 2d.")
    return seconds


def show_duration(seconds: float) -> str:
    """`45s`, `3m 20s`, `5h 12m`, `2d 3h`: the two largest units."""
    left, parts = max(0, int(seconds)), list[str]()
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if left >= size or (unit == "s" and not parts):
            parts.append(f"{left // size}{unit}")
            left %= size
        elif parts:
            break
    return " ".join(parts[:2])


def exact_duration(seconds: int) -> str:
    """`8h`, `1h30m`, `2d`: the form that `parse_duration` reads back as exactly these seconds; `0` for none."""
    text, left = "", seconds
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        text += f"{left // size}{unit}" if left >= size else ""
        left %= size
    return text or "0"


def parse_size(text: str) -> int:
    """Whole GiB from `200`, `200G` or `200GiB`. UsageError otherwise.

    The bounds are gp3's: 1 to 65536 GiB (EC2 API, EbsBlockDevice).
    """
    match = re.fullmatch(r"(\d{1,9})\s*(?:g|gb|gib)?", text.strip(), re.IGNORECASE)
    if not match or not 1 <= int(match[1]) <= 65536:
        raise UsageError(f"{text!r} is not a disk size", "Give whole GiB from 1 to 65536, such as 200.")
    return int(match[1])


def parse_memory(text: str) -> int:
    """Whole GiB of GPU memory from `24`, `24G` or `24GiB`. UsageError otherwise."""
    match = re.fullmatch(r"(\d{1,6})\s*(?:g|gb|gib)?", text.strip(), re.IGNORECASE)
    if not match or int(match[1]) < 1:
        raise UsageError(f"{text!r} is not an amount of GPU memory", "Give whole GiB of all its GPUs, such as 24.")
    return int(match[1])


_USD = "Give USD per hour above 0.001, such as 0.50"


def parse_usd(text: str, hint: str = f"{_USD}.") -> Decimal:
    """USD per hour from `0.50` or `$0.50`; more than 0.001, as AWS wants. UsageError with this hint otherwise."""
    try:
        value = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value <= LEAST_PRICE or value > 1000:
        raise UsageError(f"{text!r} is not a price", hint)
    return value


@dataclass(frozen=True)
class Bid:
    """The most the user will pay: USD per hour, a share of on-demand, or (neither) on-demand itself."""

    usd: Decimal | None = None
    percent: Decimal | None = None

    def against(self, on_demand: Decimal | None) -> Decimal | None:
        """The cap to send in USD/h, or None for no cap below on-demand (AWS then caps at on-demand).

        UsageError when a share is asked of an on-demand price that is unknown, or comes to 0.001 or less.
        """
        if self.percent is not None:
            if on_demand is None:
                raise UsageError(
                    f"{self} of on-demand cannot be worked out: the on-demand price is unknown",
                    "Give the maximum in USD per hour with --max-price.",
                )
            cap = (on_demand * self.percent / 100).quantize(_CAP, ROUND_HALF_UP)
            if cap <= LEAST_PRICE:
                raise UsageError(f"{self} of {show_usd(on_demand)} is less than AWS takes", "Give a larger share.")
            return cap
        return self.usd

    def most(self, on_demand: Decimal | None) -> Decimal | None:
        """What the bid comes to at most, USD per hour; None where that hangs on an on-demand price that is unknown.

        Without a cap of the user's own AWS caps Spot at on-demand (EC2 User Guide, using-spot-instances-history).
        """
        if self.usd is not None or on_demand is None:
            return self.usd
        if self.percent is None:
            return on_demand
        return (on_demand * self.percent / 100).quantize(_CAP, ROUND_HALF_UP)

    def __str__(self) -> str:
        if self.percent is not None:
            return f"{self.percent:f}%"
        return f"{self.usd:f}" if self.usd is not None else "on-demand"


def parse_bid(text: str) -> Bid:
    """`on-demand`, `NN%` of on-demand (1 to 100), or USD per hour. UsageError otherwise."""
    word = text.strip().lower()
    if word == "on-demand":
        return Bid()
    if word.endswith("%"):
        try:
            percent = Decimal(word[:-1])
        except InvalidOperation:
            percent = Decimal("NaN")
        if not percent.is_finite() or not 1 <= percent <= 100:
            raise UsageError(f"{text!r} is not a share of on-demand", "Give 1% to 100%, such as 60%.")
        return Bid() if percent == 100 else Bid(percent=percent)
    return Bid(usd=parse_usd(text, f"{_USD}; or 60% of on-demand; or on-demand."))


def show_usd(value: Decimal | None, places: int = 4) -> str:
    """`$0.5260`, or `unknown`."""
    if value is None:
        return "unknown"
    return f"${value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"


def show_age(asked: datetime, now: datetime) -> str:
    """`less than a minute old`, `5 h old`, `of 2026-11-20 (2 days old)`."""
    seconds = max(0, int((now - asked).total_seconds()))
    if seconds >= 86400:
        days = seconds // 86400
        return f"of {asked.astimezone(UTC):%Y-%m-%d} ({days} day{'s' * (days > 1)} old)"
    if seconds < 60:
        return "less than a minute old"
    return f"{seconds // 3600} h old" if seconds >= 3600 else f"{seconds // 60} min old"


def parse_cidr(text: str) -> IPv4Network | IPv6Network:
    """A network in canonical form (host bits dropped). UsageError for nonsense and for the whole internet."""
    try:
        network = ip_network(text.strip(), strict=False)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a CIDR", "Give an address range such as 203.0.113.7/32 or 2001:db8::/64."
        ) from None
    if network.prefixlen == 0:
        raise UsageError(
            f"{network} would open port 22 to the whole internet",
            "Give the range you connect from, such as 203.0.113.0/24.",
        )
    return network
