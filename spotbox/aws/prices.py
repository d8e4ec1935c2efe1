"""Spot prices as EC2 tells them: the one in force in each pool, and how it came to be."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.core.history import Pool
from spotbox.core.market import Change
from spotbox.core.prices import believable, parse_price
from spotbox.core.records import SpotPrice

# VPC-only accounts are told the first, some the second; either is the price of a Linux instance.
LINUX = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")
PAGE = 1000  # rows of one answer, the most there are (EC2 API Reference, DescribeSpotPriceHistory)
_TYPES = 100  # in one call
Row = dict[str, Any]


def spot_prices(
    aws: Aws, region: str, types: Sequence[str], now: datetime | None = None
) -> dict[tuple[str, str], Decimal]:
    """The Spot price in force, USD per hour by (type, zone). A pair that is not there has no Spot price.

    See `in_force` for which row counts; what is no price is left out.
    """
    start = now or datetime.now(UTC)
    parts = [list(types[at : at + _TYPES]) for at in range(0, len(types), _TYPES)]
    client = aws.client("ec2", region)
    rows = (row for part in parts for page in pages(client, region, start, InstanceTypes=part) for row in page)
    return {(p.instance_type, p.zone): p.usd for p in in_force(region, rows) if p.usd is not None}


def pages(client: Any, region: str, start: datetime, **which: Any) -> Iterator[list[Row]]:
    """DescribeSpotPriceHistory of Linux from `start` to now, page by page; an empty NextToken ends it."""
    paginator = client.get_paginator("describe_spot_price_history")
    with translating("ec2:DescribeSpotPriceHistory", region):
        for page in paginator.paginate(ProductDescriptions=list(LINUX), StartTime=start, **which):
            yield [row for row in page.get("SpotPriceHistory", ()) if _is_linux(row)]


def in_force(region: str, rows: Iterable[Row]) -> list[SpotPrice]:
    """The Spot price in force in each pool, by type and zone, of rows that were asked with StartTime = now.

    DescribeSpotPriceHistory then gives the last change before it, "the effective price as of the start time" (EC2 API
    Reference). Of several rows the newest counts, the plain Linux/UNIX one of two as new. Where that is no price, `usd`
    is None: an older figure is not the price now.
    """
    newest: dict[tuple[str, str], tuple[datetime, bool, Row]] = {}
    for row in rows:
        pool = (row["InstanceType"], row["AvailabilityZone"])
        seen = (row["Timestamp"], row.get("ProductDescription") == LINUX[0], row)
        if pool not in newest or seen[:2] > newest[pool][:2]:
            newest[pool] = seen
    return [
        SpotPrice(name, region, zone, row.get("AvailabilityZoneId"), _usd(row), since)
        for (name, zone), (since, _, row) in sorted(newest.items(), key=lambda item: item[0])
    ]


def changes(rows: Iterable[Row], wanted: Callable[[str], bool]) -> list[Change]:
    """Rows of a history as changes of the wanted types; of two products at one moment the plain Linux/UNIX counts."""
    found: dict[tuple[str, str, datetime], tuple[bool, Change]] = {}
    for row in rows:
        if not wanted(row["InstanceType"]):
            continue
        # The same few names stand in hundreds of thousands of rows.
        name, zone, at = sys.intern(row["InstanceType"]), sys.intern(row["AvailabilityZone"]), row["Timestamp"]
        plain = row.get("ProductDescription") == LINUX[0]
        if plain or (name, zone, at) not in found:
            found[name, zone, at] = (plain, Change(name, zone, at, _usd(row)))
    return [change for _, change in found.values()]


def pool_history(aws: Aws, pool: Pool, start: datetime) -> list[Change]:
    """The price changes of one pool from `start` to now, and the one in force at `start` where AWS still tells it."""
    which = {"InstanceTypes": [pool.instance_type], "AvailabilityZone": pool.zone, "MaxResults": PAGE}
    client = aws.client("ec2", pool.region)
    return [change for rows in pages(client, pool.region, start, **which) for change in changes(rows, lambda _: True)]


def _is_linux(row: Row) -> bool:
    whole = row.get("InstanceType") and row.get("AvailabilityZone") and row.get("Timestamp")
    return bool(whole) and row.get("ProductDescription", LINUX[0]) in LINUX


def _usd(row: Row) -> Decimal | None:
    price = parse_price(row.get("SpotPrice"))
    return price if believable(price) else None
