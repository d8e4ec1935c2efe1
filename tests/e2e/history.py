"""The price history as an independent client tells it, and the share of it that a bid would have held."""

from datetime import UTC, datetime
from decimal import Decimal

LINUX = ["Linux/UNIX", "Linux/UNIX (Amazon VPC)"]


def told_by_aws(here, start, region="us-east-1", name="g5.xlarge"):
    """(zone, time, price) of each change, from an independent client."""
    pages = here.client("ec2", region).get_paginator("describe_spot_price_history")
    asked = {"InstanceTypes": [name], "ProductDescriptions": LINUX, "StartTime": start}
    return sorted(
        (row["AvailabilityZone"], row["Timestamp"].astimezone(UTC), Decimal(row["SpotPrice"]))
        for page in pages.paginate(**asked)
        for row in page["SpotPriceHistory"]
    )


def held(changes, zone, bid, start):
    """The percentage of the time since `start` in which the zone's price was at or below the bid."""
    mine = [(max(at, start), usd) for name, at, usd in changes if name == zone]
    ends = [at for at, _ in mine[1:]] + [datetime.now(UTC)]
    spans = [((end - at).total_seconds(), usd) for (at, usd), end in zip(mine, ends, strict=True)]
    return Decimal(100 * sum(took for took, usd in spans if usd <= bid) / sum(took for took, _ in spans))
