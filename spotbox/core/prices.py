"""Prices: which of AWS's figures to believe, what a Spot price saves, and the one on-demand row among many."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from spotbox.core.shapes import as_dict

# Neither is AWS's: below or above lies no price it charges (t4g.nano Spot about 0.001, p6e-gb200 UltraServers 761).
LEAST, MOST = Decimal("0.0001"), Decimal(2000)
_CENT = Decimal("0.01")
_ABSURD = Decimal(10**9)  # USD: of nothing a price, and sums of what is far above could not be rounded
Pair = tuple[str, str]  # (region, instance type)
# Of the dozens of products of one instance type exactly one is the Linux on-demand line (AWS Price List Query API,
# GetProducts). `capacitystatus` and `marketoption` are spelt so; without them reservations and Capacity Blocks match.
_EC2_FIELDS = {
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "licenseModel": "No License required",
    "marketoption": "OnDemand",
}


@dataclass(frozen=True)
class OnDemandPrices:
    """USD per hour by instance type; a type that is not there is unknown. `remark` says why, where AWS refused."""

    usd: Mapping[str, Decimal] = field(default_factory=dict)
    remark: str = ""
    asked: datetime | None = None  # when the oldest of them was asked of AWS; None where all were asked just now


def parse_price(text: object) -> Decimal | None:
    """A price as AWS writes it (`"0.5260000000"`), or None for what is no number."""
    try:
        value = Decimal(str(text))
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def believable(price: Decimal | None) -> bool:
    """Whether `price` (USD per hour) can be a price of an instance: 0.0000000000 and nonsense are not."""
    return price is not None and price.is_finite() and LEAST <= price <= MOST


def savings_pct(on_demand: Decimal | None, spot: Decimal | None) -> Decimal | None:
    """(1 - spot / on_demand) * 100, half-up to two decimals; negative where Spot costs more; None where unknown.

    Multiplied before it is divided, so that a half is rounded as the half that it is.
    """
    if on_demand is None or spot is None or not (on_demand.is_finite() and spot.is_finite()) or on_demand <= 0:
        return None
    return ((on_demand - spot) * 100 / on_demand).quantize(_CENT, ROUND_HALF_UP)


def product_filters(
    region: str | None,
    instance_type: str | None = None,
    *,
    family: str | None = None,
    market: bool = True,
) -> list[dict[str, str]]:
    """The GetProducts filters for the Linux on-demand line of a type, of an `instanceFamily`, or of all.

    Without `region` every region is meant. `marketoption` is in use but in no AWS page we know of: ask again without
    it (`market=False`) where nothing is found.
    """
    asked = {"instanceType": instance_type, "regionCode": region, "instanceFamily": family, **_EC2_FIELDS}
    if not market:
        del asked["marketoption"]
    return [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in asked.items() if value]


def on_demand_prices(rows: Iterable[str | Mapping[str, Any]], region: str | None = None) -> dict[Pair, Decimal]:
    """USD per hour by (region, instance type) from GetProducts rows (JSON texts, or parsed); `region`: of that alone.

    A pair has a price only where exactly one row is its on-demand line and carries exactly one believable price: of
    two candidates neither is believed, and never the first hit is taken. A row that tells no region is of `region`.
    """
    found: dict[Pair, list[Decimal]] = {}
    for row in rows:
        product = product_of(row)
        attributes = attributes_of(product)
        here = attributes.get("regionCode", region)
        if here and region in (None, here) and _is_on_demand_line(attributes):
            found.setdefault((str(here), str(attributes.get("instanceType"))), []).extend(_hourly(product))
    return {pair: prices[0] for pair, prices in found.items() if len(prices) == 1 and believable(prices[0])}


def disk_price(rows: Iterable[str | Mapping[str, Any]], volume_type: str, region: str) -> Decimal | None:
    """USD per GiB-month of EBS storage of `volume_type`, where the GetProducts rows hold exactly one; else None."""

    def ours(attributes: Mapping[str, Any], usage: str) -> bool:
        # Snapshots, IOPS and throughput are products of their own (EBS:SnapshotUsage, EBS:VolumeP-IOPS.gp3).
        return attributes.get("volumeApiName") == volume_type and "EBS:VolumeUsage" in usage

    return _only_price(rows, region, ours, _monthly)


def snapshot_price(rows: Iterable[str | Mapping[str, Any]], region: str) -> Decimal | None:
    """USD per GiB-month of standard EBS snapshots, where the GetProducts rows hold exactly one; else None."""
    # Archived snapshots and fast restore are products of their own (EBS:SnapshotArchiveStorage).
    return _only_price(rows, region, lambda _, usage: usage.endswith("EBS:SnapshotUsage"), _monthly)


def address_price(rows: Iterable[str | Mapping[str, Any]], region: str) -> Decimal | None:
    """USD per hour of a public IPv4 address in use, where the GetProducts rows hold exactly one; else None."""
    # An address that is held and not used (IdleAddress) is a product of its own.
    return _only_price(rows, region, lambda _, usage: usage.endswith("PublicIPv4:InUseAddress"), _hourly)


def _only_price(
    rows: Iterable[str | Mapping[str, Any]],
    region: str,
    ours: Callable[[Mapping[str, Any], str], bool],
    prices: Callable[[Mapping[str, Any]], list[Decimal]],
) -> Decimal | None:
    """The one price of the products of the region that are `ours` by attributes and usage type; None of none or more.

    A row that tells no region is of `region`.
    """
    found = []
    for row in rows:
        product = product_of(row)
        attributes = attributes_of(product)
        here = attributes.get("regionCode", region) == region
        if here and ours(attributes, str(attributes.get("usagetype", ""))):
            found += prices(product)
    return found[0] if len(found) == 1 else None


def _is_on_demand_line(attributes: Mapping[str, Any]) -> bool:
    usage = str(attributes.get("usagetype", ""))
    if not (usage.startswith("BoxUsage:") or "-BoxUsage:" in usage) or attributes.get("operation") != "RunInstances":
        return False
    wanted = {**_EC2_FIELDS, "locationType": "AWS Region"}
    return all(attributes.get(name, value) == value for name, value in wanted.items())


def attributes_of(product: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attributes of a product, as AWS's price list names them."""
    return as_dict(as_dict(product.get("product")).get("attributes"))


def _monthly(product: Mapping[str, Any]) -> list[Decimal]:
    """The product's prices by GiB-month above 0."""
    return [usd for usd, unit in usd_by_unit(product) if unit.startswith("GB") and usd > 0]


def _hourly(product: Mapping[str, Any]) -> list[Decimal]:
    """The product's prices above 0; AWS lists rows at 0.0000000000 beside the one that is charged."""
    return [usd for usd, unit in usd_by_unit(product) if unit in ("Hrs", "Hours") and usd > 0]


def usd_by_unit(product: Mapping[str, Any]) -> list[tuple[Decimal, str]]:
    """Every on-demand price of a product in USD, with its unit. Products in CNY (China) and without terms give none."""
    prices = []
    for term in as_dict(as_dict(product.get("terms")).get("OnDemand")).values():
        for dimension in as_dict(as_dict(term).get("priceDimensions")).values():
            usd = parse_price(as_dict(as_dict(dimension).get("pricePerUnit")).get("USD"))
            if usd is not None and abs(usd) < _ABSURD:
                prices.append((usd, str(as_dict(dimension).get("unit", ""))))
    return prices


def product_of(row: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of GetProducts, which comes as a text of JSON or is parsed already; empty where it is damaged."""
    try:
        return as_dict(json.loads(row) if isinstance(row, str) else row)
    except (ValueError, RecursionError):
        return {}
