"""What the user may do to a Spot instance and its request: stop, start, cancel, and `shutdown` from inside.

What is allowed when, and what the request shows: "Manage your Spot Instances" in the EC2 User Guide.
"""

from spotbox.sandbox.life import BY_USER, FROM_INSIDE, SPOT_END
from spotbox.sandbox.records import GONE, LIVE_REQUEST, Box, Request
from spotbox.sandbox.refusals import Refusal, refusal
from spotbox.sandbox.spot_requests import STOPPED_BY_USER, Requests


class UserActs(Requests):
    """The calls of the user, on top of the requests."""

    def stop(self, box: Box) -> None:
        """StopInstances. Raises Refusal where the instance or its request forbids it."""
        self.check_stop(box)
        if box.state == "running":
            self._stop(box, BY_USER, "User initiated")

    def check_stop(self, box: Box) -> None:
        """Raise what StopInstances would answer for this box, or nothing."""
        self.life.check_stop(box)
        request = self.of(box)
        if not box.spot or box.state != "running":
            return
        if request is None or request.type == "one-time":
            text = (
                f"You can't stop the Spot Instance '{box.id}' because it is associated with a one-time Spot Instance "
                "request. You can only stop Spot Instances associated with persistent Spot Instance requests."
            )
            raise refusal("UnsupportedOperation", text)
        if request.state not in LIVE_REQUEST:
            # "you can only terminate" it then (Manage your Spot Instances); which code says so is UNCONFIRMED.
            raise self._wrong_state(request, box, "stopped")

    def _wrong_state(self, request: Request, box: Box, done: str) -> Refusal:
        return refusal(
            "IncorrectSpotRequestState",
            request=request.id,
            state=request.state,
            status=request.code,
            id=box.id,
            done=done,
        )

    def _stop(self, box: Box, reason: tuple[str, str], what: str) -> None:
        request = self.of(box)
        box.interruption = None
        if request and request.state == "active":
            self.enter(request, "active", "marked-for-stop")
        self.life.stop(box, reason, self.life.said(what))

    def shutdown_inside(self, box: Box) -> None:
        """`shutdown` ran in the box: it stops or terminates as InstanceInitiatedShutdownBehavior says."""
        request = self.of(box)
        # A one-time instance, or one whose request is cancelled, cannot be stopped; that it ends then is UNCONFIRMED.
        stoppable = not box.spot or (request and request.type == "persistent" and request.state in LIVE_REQUEST)
        if box.state != "running":
            return
        if box.shutdown_behavior == "stop" and stoppable:
            self._stop(box, FROM_INSIDE, "Instance initiated")
        else:
            self.life.terminate(box, FROM_INSIDE, self.life.said("Instance initiated"))

    def check_start(self, box: Box) -> None:
        """Raise what StartInstances would answer for this box, or nothing."""
        self.life.check_start(box)
        request = self.of(box)
        if not box.spot or box.state != "stopped":
            return
        if request is None or request.state != "disabled" or request.code != STOPPED_BY_USER:
            # "Only Amazon EC2 can restart an interrupted stopped Spot Instance" (interruption-behavior)
            if request is None:
                raise refusal("InvalidSpotInstanceRequestID.NotFound", id=box.request_id)
            raise self._wrong_state(request, box, "started")
        if request.max_price is not None:
            price = self.market.price(box.instance_type, box.zone, self.timeline.now)
            if price > request.max_price:
                raise refusal("SpotMaxPriceTooLow", bid=request.max_price, price=price)

    def start(self, box: Box) -> None:
        """StartInstances on a stopped instance; one that is pending or running is left alone."""
        self.check_start(box)
        if box.state != "stopped":
            return
        request = self.of(box)
        if request:
            self.enter(request, "open", "pending-evaluation")
            self.then(request, "resumed", self.pace.evaluate)
        self.life.begin(box)

    def resumed(self, request: Request) -> None:
        """The user's start has been looked at: the request is active again."""
        self.enter(request, "active", "fulfilled")

    def cancel(self, request: Request) -> str:
        """CancelSpotInstanceRequests; gives the state to report. A request that has ended stays as it is."""
        if request.state not in LIVE_REQUEST:
            return request.state
        box = self.box_of(request)
        if box is None:
            self.enter(request, "cancelled", "canceled-before-fulfillment")
        elif box.state in ("pending", "running"):
            self.enter(request, "cancelled", "request-canceled-and-instance-running")
        elif box.state in GONE:
            self.enter(request, "cancelled", "instance-terminated-by-user")
        else:
            # The service terminates it after "a short lag"; the code until then is UNCONFIRMED, it keeps its own.
            self.enter(request, "cancelled", request.code, request.message)
            self.then(request, "clear_up", self.pace.service)
        return request.state

    def clear_up(self, request: Request) -> None:
        """The Spot service terminates the stopped instance of a cancelled request."""
        box = self.box_of(request)
        if box and box.state == "stopped":
            self.life.terminate(box, SPOT_END, self.life.said("Server.SpotInstanceTermination"))

    def expire(self, request: Request) -> None:
        """ValidUntil has come. What becomes of an instance that runs or is stopped is not documented: UNCONFIRMED,
        here it lives on as after a cancel of a running one, and a stopped one stays stopped."""
        box = self.box_of(request)
        if request.state not in LIVE_REQUEST:
            return
        if box is None:
            self.enter(request, "cancelled", "schedule-expired")
        elif box.state in ("pending", "running"):
            self.enter(request, "cancelled", "request-canceled-and-instance-running")
        else:
            self.enter(request, "cancelled", request.code, request.message)
