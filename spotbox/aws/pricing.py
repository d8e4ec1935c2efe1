"""On-demand and disk prices from the Price List Query API, which answers for every region from us-east-1."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.core.errors import SpotboxError
from spotbox.core.prices import OnDemandPrices, on_demand_prices, product_filters
from spotbox.core.prices import disk_price as _disk_price
from spotbox.core.prices import snapshot_price as _snapshot_price

ENDPOINT_REGION = "us-east-1"  # also eu-central-1 and ap-south-1, and nowhere else (Billing User Guide, "Endpoints")
FEW = 4  # up to so many types are asked one by one; more with one listing of the region
_GPU = {"Type": "TERM_MATCH", "Field": "instanceFamily", "Value": "GPU instance"}


def on_demand(aws: Aws, region: str, types: Sequence[str]) -> OnDemandPrices:
    """USD per hour of `types` in `region`, Linux, shared tenancy. What AWS does not tell for certain is not there.

    Never raises for what AWS says: prices are then unknown, and `remark` says why. A listing by region holds what AWS
    calls "GPU instance"; what it lacks (Trainium, Inferentia) is asked for by name.
    """
    wanted = list(dict.fromkeys(types))
    usd: dict[str, Decimal] = {}
    try:
        client = aws.client("pricing", ENDPOINT_REGION)
        if len(wanted) > FEW:
            listed = on_demand_prices(_lines(client, region), region)
            usd = {name: listed[name] for name in wanted if name in listed}
    except SpotboxError as error:
        return OnDemandPrices({}, error.message)
    missing = [name for name in wanted if name not in usd]
    answers = aws.parallel([lambda name=name: _one(client, region, name) for name in missing])  # type: ignore[misc]
    remarks = []
    for name, answer in zip(missing, answers, strict=True):
        if isinstance(answer, SpotboxError):
            remarks.append(answer.message)
        elif answer is not None:
            usd[name] = answer
    return OnDemandPrices(usd, remarks[0] if remarks else "")


def disk_price(aws: Aws, region: str, volume_type: str = "gp3") -> Decimal | None:
    """USD per GiB-month of an EBS volume type in `region`; None where AWS does not tell, or may not be asked."""
    fields = {"productFamily": "Storage", "volumeApiName": volume_type, "regionCode": region}
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()]
    try:
        return _disk_price(_products(aws.client("pricing", ENDPOINT_REGION), filters), volume_type, region)
    except SpotboxError:
        return None


def snapshot_price(aws: Aws, region: str) -> Decimal | None:
    """USD per GiB-month of EBS snapshots in `region`; None where AWS does not tell, or may not be asked."""
    fields = {"productFamily": "Storage Snapshot", "regionCode": region}
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()]
    try:
        return _snapshot_price(_products(aws.client("pricing", ENDPOINT_REGION), filters), region)
    except SpotboxError:
        return None


def _one(client: Any, region: str, instance_type: str) -> Decimal | None:
    """The price of one type, or None."""
    return on_demand_prices(_lines(client, region, instance_type), region).get(instance_type)


def _lines(client: Any, region: str, instance_type: str | None = None) -> list[str]:
    """The products of one type, or of all with GPUs.

    Asked again without `marketoption`, which is no documented field, where nothing is found.
    """
    for market in (True, False):
        filters = product_filters(region, instance_type, market=market)
        rows = _products(client, filters if instance_type else [*filters, _GPU])
        if rows:
            return rows
    return []


def _products(client: Any, filters: list[dict[str, str]]) -> list[str]:
    with translating("pricing:GetProducts", ENDPOINT_REGION):
        pages = client.get_paginator("get_products").paginate(
            ServiceCode="AmazonEC2", FormatVersion="aws_v1", Filters=filters
        )
        return [row for page in pages for row in page.get("PriceList", ())]
