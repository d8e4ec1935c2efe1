"""The price of an instance in a training job among SageMaker's products in AWS's price list."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from spotbox.core.prices import believable, parse_price


def training_price(rows: Iterable[str], ml_type: str, region: str) -> Decimal | None:
    """USD per hour of `ml_type` in a training job, from GetProducts rows (JSON); None where not exactly one says so.

    A row counts by its usage type, `USE1-Train:ml.g5.xlarge` (public cost reports name it so; the prefix is the
    region's): hosting, processing and notebooks have others, warm pools theirs.
    """
    found = {
        usd
        for row in rows
        for product in [_parsed(row)]
        if _is_training(_map(_map(product.get("product")).get("attributes")), ml_type, region)
        for usd in _hourly(product)
    }
    return found.pop() if len(found) == 1 else None


def _is_training(attributes: Mapping[str, Any], ml_type: str, region: str) -> bool:
    usage = str(attributes.get("usagetype", ""))
    ours = usage == f"Train:{ml_type}" or usage.endswith(f"-Train:{ml_type}")
    return ours and attributes.get("regionCode", region) == region


def _hourly(product: Mapping[str, Any]) -> Iterable[Decimal]:
    for term in _map(_map(product.get("terms")).get("OnDemand")).values():
        for dimension in _map(_map(term).get("priceDimensions")).values():
            usd = parse_price(_map(_map(dimension).get("pricePerUnit")).get("USD"))
            hours = str(_map(dimension).get("unit", "")).lower() in ("hrs", "hours", "hour")
            if usd is not None and hours and believable(usd):  # free tiers are rows at 0
                yield usd


def _parsed(row: str) -> Mapping[str, Any]:
    try:
        return _map(json.loads(row))
    except ValueError:
        return {}


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
