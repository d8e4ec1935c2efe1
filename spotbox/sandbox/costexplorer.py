"""Cost Explorer: what was billed by the tag spotbox:name, once a test or a user has said so. Nothing is charged here.

As in a new account no tag is activated for cost allocation; UpdateCostAllocationTagsStatus does that. AWS takes up to a
day to show what it billed; here the figures are those that were set (control verb `bill`).
"""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from spotbox.sandbox.refusals import refusal

Body = dict[str, Any]
REGION = "us-east-1"  # the only one with an endpoint
NAME_TAG, OWNER_TAG = "spotbox:name", "spotbox:owner"


class Bills:
    """The activated tags, and USD by (box name, owner)."""

    def __init__(self) -> None:
        self.active: set[str] = set()
        self.usd: dict[tuple[str, str], Decimal] = {}


def list_cost_allocation_tags(world: Any, region: str, body: Body) -> Body:
    """The tags that are asked for and have the status asked for."""
    _here(region)
    keys, wanted = body.get("TagKeys") or sorted({NAME_TAG, OWNER_TAG}), body.get("Status")
    rows = [
        {"TagKey": key, "Type": "UserDefined", "Status": "Active" if key in world.bills.active else "Inactive"}
        for key in keys
    ]
    return {"CostAllocationTags": [row for row in rows if wanted in (None, row["Status"])]}


def update_cost_allocation_tags_status(world: Any, region: str, body: Body) -> Body:
    """Activate tags, or take that back."""
    _here(region)
    for entry in body.get("CostAllocationTagsStatus") or []:
        (world.bills.active.add if entry.get("Status") == "Active" else world.bills.active.discard)(entry["TagKey"])
    return {"Errors": []}


def get_cost_and_usage(world: Any, region: str, body: Body) -> Body:
    """What was billed, grouped by the name tag (API reference, GetCostAndUsage)."""
    _here(region)
    period = body["TimePeriod"]
    start, end = date.fromisoformat(period["Start"]), date.fromisoformat(period["End"])
    if not start < end <= world.now.date() + timedelta(days=2):
        raise refusal("ValidationException", "Start date (and hour) should be before end date (and hour)")
    if body.get("GroupBy") != [{"Type": "TAG", "Key": NAME_TAG}] or NAME_TAG not in world.bills.active:
        rows: dict[str, Decimal] = {"": sum(world.bills.usd.values(), Decimal(0))}
    else:
        rows = {}
        for (name, owner), usd in world.bills.usd.items():
            if _owner(body.get("Filter") or {}) in (None, owner):
                rows[name] = rows.get(name, Decimal(0)) + usd
    groups = [
        {"Keys": [f"{NAME_TAG}${name}"], "Metrics": {"UnblendedCost": {"Amount": str(usd), "Unit": "USD"}}}
        for name, usd in rows.items()
    ]
    return {"ResultsByTime": [{"TimePeriod": period, "Total": {}, "Groups": groups, "Estimated": True}]}


def _owner(given: Body) -> str | None:
    """The owner that the filter names, whatever else it says."""
    for part in (given, *(given.get("And") or ())):
        tags = part.get("Tags") or {}
        if tags.get("Key") == OWNER_TAG:
            return str(tags["Values"][0])
    return None


def _here(region: str) -> None:
    if region != REGION:
        raise refusal("UnrecognizedClientException", f"Cost Explorer has no endpoint in {region}.")


ACTIONS: dict[str, Callable[[Any, str, Body], Body | None]] = {
    "ListCostAllocationTags": list_cost_allocation_tags,
    "UpdateCostAllocationTagsStatus": update_cost_allocation_tags_status,
    "GetCostAndUsage": get_cost_and_usage,
}
