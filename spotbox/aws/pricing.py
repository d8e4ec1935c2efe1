"""On-demand and disk prices from the Price List Query API, which answers for every region from one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from spotbox.aws.errors import translating
from spotbox.aws.pricelist import Ask, Kept, asks, by_type
from spotbox.aws.session import Aws
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.prices import OnDemandPrices, Pair, on_demand_prices, product_filters
from spotbox.core.prices import address_price as _address_price
from spotbox.core.prices import disk_price as _disk_price
from spotbox.core.prices import snapshot_price as _snapshot_price
from spotbox.store import NoStore, Store

MOST = 24  # calls for what the listings lacked; what is left is unknown
_THROTTLED = ("ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded")


def endpoint_region(region: str) -> str:
    """Where the API answers for the partition of `region`: also eu-central-1 and ap-south-1, and nowhere else.

    Source: Billing User Guide, "Price List Query API: Endpoints".
    """
    return "cn-northwest-1" if region.startswith("cn-") else "us-east-1"


class PriceList:
    """On-demand prices, USD per hour, Linux, shared tenancy: what was kept, and what is asked beside it.

    Never raises for what AWS says: a price is then unknown, and `remark` says why. `calls` may run side by side.
    """

    def __init__(self, aws: Aws, store: Store, refresh: bool = False):
        self._aws = aws
        self._kept = Kept(store, refresh)
        self._refusals: dict[Ask, SpotboxError] = {}

    def listing(self, wanted: Mapping[str, Iterable[str]]) -> list[Callable[[], None]]:
        """The calls that tell of the types by region: the fewest that do."""
        stale = {region: [n for n in names if not self._kept.covers(region, n)] for region, names in wanted.items()}
        return self._calls(asks({region: names for region, names in stale.items() if names}))

    def missing(self, pairs: Iterable[Pair]) -> list[Callable[[], None]]:
        """The calls for what the listings did not tell of `pairs`, by type, and for what was throttled."""
        # Where it may not be asked, or does not answer, it is left alone; a network's trouble has no code of AWS's.
        if any(error.exit_code == Exit.DENIED or error.code is None for error in self._refusals.values()):
            return []
        again = [ask for ask, error in self._refusals.items() if error.code in _THROTTLED]
        coming = {pair for ask in again for pair in ask.pairs}
        listed = {region for ask in again for region in ask.marks}
        lacking = [p for p in pairs if not (p in coming or p[0] in listed or self._kept.has(p))]
        return self._calls([*again, *by_type(lacking)][:MOST])

    def prices(self, pairs: Iterable[Pair]) -> tuple[dict[Pair, Decimal], Any]:
        """What is known of `pairs`, and when the oldest kept figure among them was asked, if any is not live."""
        return self._kept.prices(pairs)

    def save(self) -> None:
        """Keep what was asked."""
        self._kept.save()

    @property
    def remark(self) -> str:
        """Why prices are unknown, where AWS refused; else empty."""
        if not self._refusals:
            return ""
        errors = list(self._refusals.values())
        denied = [error for error in errors if error.exit_code == Exit.DENIED]
        return (denied or errors)[0].message

    def _calls(self, wanted: Sequence[Ask]) -> list[Callable[[], None]]:
        return [lambda ask=ask: self._do(ask) for ask in wanted]  # type: ignore[misc]

    def _do(self, ask: Ask) -> None:
        try:
            found = on_demand_prices(_lines(self._aws, ask), ask.region)
        except SpotboxError as error:
            self._refusals[ask] = error
            return
        self._refusals.pop(ask, None)
        self._kept.file(ask, found)


def on_demand(aws: Aws, region: str, types: Sequence[str], store: Store | None = None) -> OnDemandPrices:
    """USD per hour of `types` in `region`, Linux, shared tenancy. What AWS does not tell for certain is not there."""
    listed = PriceList(aws, store or NoStore())
    wanted = [(region, name) for name in dict.fromkeys(types)]
    try:
        aws.parallel(listed.listing({region: [name for _, name in wanted]}))
        aws.parallel(listed.missing(wanted))
    finally:
        listed.save()
    usd, asked = listed.prices(wanted)
    return OnDemandPrices({name: price for (_, name), price in usd.items()}, listed.remark, asked)


def disk_price(aws: Aws, region: str, volume_type: str = "gp3", store: Store | None = None) -> Decimal | None:
    """USD per GiB-month of an EBS volume type in `region`; None where AWS does not tell, or may not be asked."""
    kept = Kept(store or NoStore(), name="disks")
    if kept.has((region, volume_type)):
        return kept.prices([(region, volume_type)])[0].get((region, volume_type))
    fields = {"productFamily": "Storage", "volumeApiName": volume_type, "regionCode": region}
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()]
    try:
        usd = _disk_price(_products(aws, filters, endpoint_region(region)), volume_type, region)
    except SpotboxError:
        return None
    kept.file(Ask(region, volume_type, pairs=((region, volume_type),)), {(region, volume_type): usd} if usd else {})
    kept.save()
    return usd


def snapshot_price(aws: Aws, region: str) -> Decimal | None:
    """USD per GiB-month of EBS snapshots in `region`; None where AWS does not tell, or may not be asked."""
    fields = {"productFamily": "Storage Snapshot", "regionCode": region}
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()]
    try:
        return _snapshot_price(_products(aws, filters, endpoint_region(region)), region)
    except SpotboxError:
        return None


def address_price(aws: Aws, region: str, store: Store | None = None) -> Decimal | None:
    """USD per hour of a public IPv4 address in use in `region`; None where AWS does not tell, or may not be asked."""
    kept, mark = Kept(store or NoStore(), name="addresses"), (region, "ipv4")
    if kept.has(mark):
        return kept.prices([mark])[0].get(mark)
    fields = {"group": "VPCPublicIPv4Address", "regionCode": region}
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()]
    try:
        usd = _address_price(_products(aws, filters, endpoint_region(region), "AmazonVPC"), region)
    except SpotboxError:
        return None
    kept.file(Ask(region, "ipv4", pairs=(mark,)), {mark: usd} if usd else {})
    kept.save()
    return usd


def _lines(aws: Aws, ask: Ask) -> list[str]:
    """The products that an Ask means.

    Asked again without `marketoption`, which is no documented field, where nothing is found.
    """
    endpoint = endpoint_region(ask.region or "")
    for market in (True, False):
        filters = product_filters(ask.region, ask.instance_type, family=ask.family, market=market)
        if rows := _products(aws, filters, endpoint):
            return rows
    return []


def _products(aws: Aws, filters: list[dict[str, str]], endpoint: str, service: str = "AmazonEC2") -> list[str]:
    client = aws.client("pricing", endpoint, brisk=True)
    with translating("pricing:GetProducts", endpoint):
        pages = client.get_paginator("get_products").paginate(
            ServiceCode=service, FormatVersion="aws_v1", Filters=filters
        )
        return [row for page in pages for row in page.get("PriceList", ())]
