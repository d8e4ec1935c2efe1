"""The price of an instance in a training job among SageMaker's products in AWS's price list."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from spotbox.core.prices import attributes_of, believable, product_of, usd_by_unit


def training_price(rows: Iterable[str], ml_type: str, region: str) -> Decimal | None:
    """USD per hour of `ml_type` in a training job, from GetProducts rows (JSON); None where not exactly one says so.

    A row counts by its usage type, `USE1-Train:ml.g5.xlarge` (public cost reports name it so; the prefix is the
    region's): hosting, processing and notebooks have others, warm pools theirs.
    """
    found = {
        usd
        for product in map(product_of, rows)
        if _is_training(attributes_of(product), ml_type, region)
        for usd, unit in usd_by_unit(product)
        if unit.lower() in ("hrs", "hours", "hour") and believable(usd)  # free tiers are rows at 0
    }
    return found.pop() if len(found) == 1 else None


def _is_training(attributes: Mapping[str, Any], ml_type: str, region: str) -> bool:
    usage = str(attributes.get("usagetype", ""))
    ours = usage == f"Train:{ml_type}" or usage.endswith(f"-Train:{ml_type}")
    return ours and attributes.get("regionCode", region) == region
