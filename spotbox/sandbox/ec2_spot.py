"""EC2's calls about Spot requests."""

import base64
import re
from typing import Any

from moto.core.responses import ActionResult

from spotbox.sandbox import describe, launch, render
from spotbox.sandbox.ec2_instances import Instances
from spotbox.sandbox.records import Request
from spotbox.sandbox.refusals import refusal

# What RequestSpotInstances has no field for (API reference, RequestSpotLaunchSpecification).
_UNKNOWN_FIELDS = ("MetadataOptions", "LaunchTemplate", "HibernationOptions", "InstanceInitiatedShutdownBehavior")


class SpotCalls(Instances):
    """RequestSpotInstances, DescribeSpotInstanceRequests, CancelSpotInstanceRequests."""

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
