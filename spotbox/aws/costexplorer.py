"""What AWS billed, from Cost Explorer: by tag, where the account has activated the tag. Each call costs 0.01 USD.

The price is that of the "AWS Cost Explorer API" (Cost Management pricing page). It answers in us-east-1,
for every region.
"""

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Any

from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.core.names import NAME_TAG, OWNER_TAG
from spotbox.core.prices import parse_price

REGION = "us-east-1"
PAGES = 5  # each is a call that costs


def active_tags(aws: Aws) -> frozenset[str]:
    """Which of spotbox's name and owner tags are activated for cost allocation. SpotboxError."""
    with translating("ce:ListCostAllocationTags"):
        answer = aws.client("ce", REGION).list_cost_allocation_tags(
            Status="Active", Type="UserDefined", TagKeys=[NAME_TAG, OWNER_TAG]
        )
    return frozenset(tag["TagKey"] for tag in answer.get("CostAllocationTags") or () if tag.get("Status") == "Active")


def billed(aws: Aws, owner: str, tags: Collection[str], start: date, end: date) -> dict[str, Decimal]:
    """Unblended USD by box name, before credits and refunds; of one owner's, where the owner's tag is among the
    activated `tags`, else of everyone's.

    `start` is counted, `end` is not (Cost Explorer API Reference, GetCostAndUsage). SpotboxError.
    """
    asked: dict[str, Any] = {
        "TimePeriod": {"Start": start.isoformat(), "End": end.isoformat()},
        "Granularity": "MONTHLY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": [{"Type": "TAG", "Key": NAME_TAG}],
    }
    given: dict[str, Any] = {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Credit", "Refund"]}}}
    mine: dict[str, Any] = {"Tags": {"Key": OWNER_TAG, "Values": [owner], "MatchOptions": ["EQUALS"]}}
    asked["Filter"] = {"And": [mine, given]} if OWNER_TAG in tags else given
    client, found = aws.client("ce", REGION), dict[str, Decimal]()
    for _ in range(PAGES):
        with translating("ce:GetCostAndUsage"):
            page = client.get_cost_and_usage(**asked)
        for row in page.get("ResultsByTime") or ():
            for group in row.get("Groups") or ():
                name = group["Keys"][0].removeprefix(f"{NAME_TAG}$")  # "spotbox:name$dev"; "spotbox:name$" has none
                amount = parse_price(group["Metrics"]["UnblendedCost"].get("Amount"))
                if name and amount is not None:
                    found[name] = found.get(name, Decimal(0)) + amount
        if not page.get("NextPageToken"):
            break
        asked["NextPageToken"] = page["NextPageToken"]
    return found
