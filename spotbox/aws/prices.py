"""Spot prices as they are now."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.core.prices import believable, parse_price

# VPC-only accounts are told the first, some the second; either is the price of a Linux instance.
LINUX = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")
_TYPES = 100  # in one call


def spot_prices(
    aws: Aws, region: str, types: Sequence[str], now: datetime | None = None
) -> dict[tuple[str, str], Decimal]:
    """The Spot price in force, USD per hour by (type, zone). A pair that is not there has no Spot price.

    With StartTime = now DescribeSpotPriceHistory gives the last change before it, "the effective price as of the start
    time" (EC2 API Reference). Of several rows the newest counts, the plain Linux/UNIX one of two as new; what is no
    price is left out.
    """
    newest: dict[tuple[str, str], tuple[datetime, bool, Decimal]] = {}
    paginator = aws.client("ec2", region).get_paginator("describe_spot_price_history")
    start = now or datetime.now(UTC)
    for at in range(0, len(types), _TYPES):
        with translating("ec2:DescribeSpotPriceHistory", region):
            pages = paginator.paginate(
                InstanceTypes=list(types[at : at + _TYPES]), ProductDescriptions=list(LINUX), StartTime=start
            )
            rows = [row for page in pages for row in page.get("SpotPriceHistory", ())]
        for row in rows:
            price = parse_price(row.get("SpotPrice"))
            if price is None or not believable(price) or row.get("ProductDescription", LINUX[0]) not in LINUX:
                continue
            pool = (row["InstanceType"], row["AvailabilityZone"])
            seen = (row["Timestamp"], row.get("ProductDescription") == LINUX[0], price)
            newest[pool] = max(newest.get(pool, seen), seen)
    return {pool: price for pool, (_, _, price) in newest.items()}
