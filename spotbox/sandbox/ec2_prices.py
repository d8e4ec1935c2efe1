"""EC2's calls about the Spot market: price history and placement scores."""

import re
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.instance_types import INSTANCE_TYPES

from spotbox.sandbox import describe, launch, placement, pricehistory, regions
from spotbox.sandbox.catalogue import TYPES
from spotbox.sandbox.ec2_base import Ec2Base
from spotbox.sandbox.launch import aware
from spotbox.sandbox.market import Pool
from spotbox.sandbox.pricehistory import PRODUCT, Row
from spotbox.sandbox.refusals import refusal

_FILTERS = {
    "availability-zone": "AvailabilityZone",
    "availability-zone-id": "AvailabilityZoneId",
    "instance-type": "InstanceType",
    "product-description": "ProductDescription",
    "spot-price": "SpotPrice",
    "timestamp": "Timestamp",
}
# Accounts without EC2-Classic are told the first; both names ask for it.
_PRODUCTS = (PRODUCT, f"{PRODUCT} (Amazon VPC)")


class PriceCalls(Ec2Base):
    """DescribeSpotPriceHistory and GetSpotPlacementScores."""

    def get_spot_placement_scores(self) -> ActionResult:
        self.error_on_dryrun()
        here = self.ec2_backend.zones
        zone_ids = {region: {zone.name: zone.zone_id for zone in here.get(region, [])} for region in regions.ENABLED}
        return ActionResult(placement.scores(self.world.market, zone_ids, self.params, self.world.now))

    def describe_spot_price_history(self) -> str:
        p = self.params
        self.error_on_dryrun()
        filters = p.get("Filters") or []
        describe.keep((), filters, _FILTERS)  # refuses a name that is no filter
        size = int(p.get("MaxResults") or pricehistory.PAGE)
        if size < 1:
            raise launch.invalid(f"Invalid value '{size}' for maxResults.")
        begin = pricehistory.place(p.get("NextToken"), self.world.now)
        asked = pricehistory.span(aware(p.get("StartTime")), aware(p.get("EndTime")), begin.now)
        zone_ids = {zone.name: zone.zone_id for zone in self.ec2_backend.describe_availability_zones()}
        pools = self._pools(filters, zone_ids) if asked and self._of_linux(filters) else []
        market = self.world.market
        rows = pricehistory.listing(market, pools, *asked, begin) if asked else iter(())
        by_row = [f for f in filters if f["Name"] in ("spot-price", "timestamp")]

        def wanted(row: Row) -> bool:
            shown = {"SpotPrice": f"{row.usd:.6f}", "Timestamp": row.timestamp}
            return not by_row or bool(describe.keep([shown], by_row, _FILTERS))

        page, token = pricehistory.page(rows, begin.now, min(size, pricehistory.PAGE), wanted)
        return pricehistory.xml(page, token, zone_ids)

    def _of_linux(self, filters: list[dict[str, Any]]) -> bool:
        """Whether Linux is among the products asked for; the sandbox has prices of no other."""
        named = self.params.get("ProductDescriptions")
        if named and not set(named) & set(_PRODUCTS):
            return False
        mine = [f for f in filters if f["Name"] == "product-description"]
        return bool(describe.keep([{"ProductDescription": _PRODUCTS}], mine, _FILTERS))

    def _pools(self, filters: list[dict[str, Any]], zone_ids: dict[str, str]) -> list[Pool]:
        """The pools asked for that have a Spot price, narrowed before any price is worked out."""
        zones = {zone for zone in zone_ids if self._zone_asked(zone, zone_ids, filters)}
        market = self.world.market
        return [
            (name, zone)
            for name in self._types(filters)
            for zone in market.spot_zones(name, self.region)
            if zone in zones
        ]

    def _zone_asked(self, zone: str, zone_ids: dict[str, str], filters: list[dict[str, Any]]) -> bool:
        name, zone_id = self.params.get("AvailabilityZone"), self.params.get("AvailabilityZoneId")
        if name and zone_id:
            text = "The parameters AvailabilityZone and AvailabilityZoneId may not both be given."
            raise refusal("InvalidParameterCombination", text)
        if name and name not in zone_ids:
            raise launch.invalid(f"Invalid availability zone: [{name}]")
        if zone_id and zone_id not in zone_ids.values():
            raise launch.invalid(f"Invalid availability zone-id: [{zone_id}]")
        row = {"AvailabilityZone": zone, "AvailabilityZoneId": zone_ids[zone]}
        mine = [f for f in filters if f["Name"].startswith("availability-zone")]
        return name in (None, zone) and zone_id in (None, zone_ids[zone]) and bool(describe.keep([row], mine, _FILTERS))

    def _types(self, filters: list[dict[str, Any]]) -> list[str]:
        """The types asked for. A parameter that names a type nobody knows is refused, a filter is not."""
        names = self.params.get("InstanceTypes") or list(TYPES)
        for name in names:
            known = name in TYPES or name in INSTANCE_TYPES
            if not known or not re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+", name):
                raise launch.invalid(f"Invalid instance type: {name}")
        rows = [{"InstanceType": name} for name in names if name in TYPES]
        mine = [f for f in filters if f["Name"] == "instance-type"]
        return list(dict.fromkeys(row["InstanceType"] for row in describe.keep(rows, mine, _FILTERS)))
