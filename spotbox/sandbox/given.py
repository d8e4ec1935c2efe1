"""What a control call is given: sentences about wrong words, and amounts of money."""

import difflib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation


class NoSuchBox(ValueError):
    """No instance and no job has that name."""


def nearest(wrong: str, right: Iterable[str]) -> str:
    """A remark that names the nearest right word, or the words there are."""
    words = sorted(right)
    close = difflib.get_close_matches(wrong, words, 1, 0.5)
    if close:
        return f"did you mean {close[0]}?"
    return f"there are: {', '.join(words[:12])}{', ...' if len(words) > 12 else ''}" if words else "there are none"


def amount(usd: object) -> Decimal:
    """A price in USD/h to the millionth, as AWS's are; 0 for what is not finite. Raises ValueError."""
    try:
        price = Decimal(str(usd))
    except InvalidOperation:
        raise ValueError(f"{usd} is no price; give USD per hour, such as 0.42") from None
    if not price.is_finite():
        return Decimal(0)
    if abs(price) < 10**9 and price != round(price, 6):
        raise ValueError(f"{usd} is no price; give USD per hour with at most six places, such as 0.42")
    return price
