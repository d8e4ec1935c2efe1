"""EC2's Spot calls: requests and price history."""

import base64
import re
from datetime import timedelta
from typing import Any

from moto.core.responses import ActionResult

from spotbox.sandbox import describe, launch, render
from spotbox.sandbox.catalogue import TYPES
from spotbox.sandbox.ec2_instances import Instances
from spotbox.sandbox.launch import aware
from spotbox.sandbox.market import HISTORY
from spotbox.sandbox.records import Request
from spotbox.sandbox.refusals import refusal

PRODUCT = "Linux/UNIX"
_PRICE_FILTERS = {
    "availability-zone": "AvailabilityZone",
    "availability-zone-id": "AvailabilityZoneId",
    "instance-type": "InstanceType",
    "product-description": "ProductDescription",
    "spot-price": "SpotPrice",
    "timestamp": "Timestamp",
}
# What RequestSpotInstances has no field for (API reference, RequestSpotLaunchSpecification).
_UNKNOWN_FIELDS = ("MetadataOptions", "LaunchTemplate", "HibernationOptions", "InstanceInitiatedShutdownBehavior")


class SpotCalls(Instances):
    """RequestSpotInstances, DescribeSpotInstanceRequests, CancelSpotInstanceRequests, DescribeSpotPriceHistory."""

    def request_spot_instances(self) -> ActionResult:
        p = self.params
        token = p.get("ClientToken") or ""
        again = self.replay("RequestSpotInstances", token)
        if again is not None:
            return ActionResult({"SpotInstanceRequests": [self._row(self.world.spot.get(i)) for i in again]})
        given = {"SpotInstanceType": p.get("Type"), **{k: p.get(k) for k in ("ValidFrom", "ValidUntil")}}
        given["InstanceInterruptionBehavior"] = p.get("InstanceInterruptionBehavior")
        options = launch.spot_options(given, p.get("SpotPrice"), self.world.now)
        tags = launch.tags(p.get("TagSpecifications") or [], ("spot-instances-request",))
        specification = p.get("LaunchSpecification") or {}
        for name in _UNKNOWN_FIELDS:
            if name in specification:
                raise refusal("UnknownParameter", f"The parameter {name} is not recognized")
        encoded = self._base64(specification.get("UserData"))
        asked = self.parse_launch(specification, launch.user_data(encoded), {})
        count = int(p.get("InstanceCount") or 1)
        self.error_on_dryrun()
        self.world.check_quota(asked.instance_type, self.region, True, count)
        self.ensure_role()
        made = []
        for _ in range(count):
            request = self.world.new_request(asked, self.region, asked.zone, options)
            self.world.spot.submit(request)
            self.ec2_backend.create_tags([request.id], tags.get("spot-instances-request", {}))
            made.append(request)
        self.remember("RequestSpotInstances", token, [request.id for request in made])
        return ActionResult({"SpotInstanceRequests": [self._row(request) for request in made]})

    def _base64(self, text: Any) -> str | None:
        """User data of this call is base64 already; what is not is refused."""
        if text is None:
            return None
        try:
            base64.b64decode(text, validate=True)
        except ValueError as error:
            raise launch.invalid("Invalid BASE64 encoding of user data.") from error
        return text if isinstance(text, str) else text.decode()

    def _row(self, request: Request) -> dict[str, Any]:
        on_demand = self.world.market.on_demand(request.instance_type, request.region)
        return render.request(request, self.ec2_backend.tags.get(request.id, {}), on_demand)

    def _known(self, request_id: str) -> Request:
        if not re.fullmatch(r"sir-[0-9a-z]{8}", request_id):
            raise refusal("InvalidSpotInstanceRequestID.Malformed", id=request_id)
        request = self.world.spot.get(request_id)
        if request.region != self.region:
            raise refusal("InvalidSpotInstanceRequestID.NotFound", id=request_id)
        return request

    def describe_spot_instance_requests(self) -> ActionResult:
        self.error_on_dryrun()
        ids = self.params.get("SpotInstanceRequestIds") or []
        here = [r for r in self.world.spot.requests.values() if r.region == self.region]
        rows = [self._row(r) for r in ([self._known(i) for i in ids] if ids else here)]
        kept = describe.keep(rows, self.params.get("Filters"), render.REQUEST_FILTERS)
        page, token = describe.page(kept, self.params.get("MaxResults"), self.params.get("NextToken"))
        return ActionResult({"SpotInstanceRequests": page, "NextToken": token})

    def cancel_spot_instance_requests(self) -> ActionResult:
        ids = self.params.get("SpotInstanceRequestIds") or []
        requests = [self._known(i) for i in ids]
        self.error_on_dryrun()
        done = [{"SpotInstanceRequestId": r.id, "State": self.world.spot.cancel(r)} for r in requests]
        return ActionResult({"CancelledSpotInstanceRequests": done})

    def describe_spot_price_history(self) -> ActionResult:
        p = self.params
        self.error_on_dryrun()
        now = self.world.now
        end = min(aware(p.get("EndTime")) or now, now)
        start = max(aware(p.get("StartTime")) or now - HISTORY, now - HISTORY)
        filters = p.get("Filters") or []
        products = p.get("ProductDescriptions") or [PRODUCT]
        rows = [
            row
            for name in self._priced_types(filters)
            for zone in self._priced_zones(name, filters)
            for row in self._prices(name, zone, start, max(start, end))
            if PRODUCT in products or f"{PRODUCT} (Amazon VPC)" in products
        ]
        kept = describe.keep(rows, filters, _PRICE_FILTERS)
        page, token = describe.page(kept, p.get("MaxResults"), p.get("NextToken"))
        # The token is empty, not absent, at the end (API reference, DescribeSpotPriceHistory).
        return ActionResult({"SpotPriceHistory": page, "NextToken": token or ""})

    def _priced_types(self, filters: list[dict[str, Any]]) -> list[str]:
        """The types asked for, narrowed before any history is worked out."""
        names = self.params.get("InstanceTypes") or sorted(TYPES)
        for name in names:
            if not re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+", name):
                raise launch.invalid(f"Invalid instance type: {name}")
        rows = [{"InstanceType": name} for name in names if name in TYPES]
        mine = [f for f in filters if f.get("Name") == "instance-type"]
        return [row["InstanceType"] for row in describe.keep(rows, mine, _PRICE_FILTERS)]

    def _priced_zones(self, name: str, filters: list[dict[str, Any]]) -> list[str]:
        zones = self.world.market.zones(name, self.region)
        asked = self.params.get("AvailabilityZone")
        asked_id = self.params.get("AvailabilityZoneId")
        rows = [{"AvailabilityZone": z, "AvailabilityZoneId": self.zone_id(z)} for z in zones]
        if asked or asked_id:
            rows = [r for r in rows if asked in (None, r["AvailabilityZone"])]
            rows = [r for r in rows if asked_id in (None, r["AvailabilityZoneId"])]
        mine = [f for f in filters if str(f.get("Name")).startswith("availability-zone")]
        return [row["AvailabilityZone"] for row in describe.keep(rows, mine, _PRICE_FILTERS)]

    def _prices(self, name: str, zone: str, start: Any, end: Any) -> list[dict[str, Any]]:
        return [
            {
                "InstanceType": name,
                "AvailabilityZone": zone,
                "AvailabilityZoneId": self.zone_id(zone),
                "ProductDescription": PRODUCT,
                "SpotPrice": f"{price:.6f}",
                "Timestamp": at - timedelta(microseconds=at.microsecond),
            }
            for at, price in self.world.market.history(name, zone, start, end)
        ]
