"""A Spot request from its submission to its instance: evaluated, placed, fulfilled.

States and codes: EC2 User Guide, spot-request-status. Where AWS tells nothing, the choice is marked UNCONFIRMED.
"""

from collections.abc import Callable
from datetime import datetime

from spotbox.sandbox.life import Life
from spotbox.sandbox.market import Market
from spotbox.sandbox.records import LIVE_REQUEST, Box, Request
from spotbox.sandbox.refusals import NO_SPOT_CAPACITY, Refusal, message, refusal
from spotbox.sandbox.timeline import Event

ALWAYS = -1  # the epoch of an event that no change of state calls off
STOPPED_BY_USER = "instance-stopped-by-user"
MESSAGES = {
    "pending-evaluation": "Your Spot request has been submitted for review, and is pending evaluation.",
    "pending-fulfillment": "Your Spot request is pending fulfillment.",
    "not-scheduled-yet": "Your Spot request will not be evaluated until the scheduled date.",
    "capacity-not-available": NO_SPOT_CAPACITY,
    "constraint-not-fulfillable": "Your Spot request cannot be fulfilled because a constraint is not valid.",
    "fulfilled": "Your Spot request is fulfilled.",
    "marked-for-stop": "The Spot Instance is marked for stopping.",
    STOPPED_BY_USER: "Your instance was stopped by the user.",
    "instance-stopped-no-capacity": "Your instance was stopped because there was no longer enough Spot capacity.",
    "instance-stopped-by-price": "Your instance was stopped because the Spot price exceeded your maximum price.",
    "instance-terminated-no-capacity": "Your Spot Instance was terminated because there is no Spot capacity available.",
    "instance-terminated-by-price": "Your Spot Instance was terminated because the Spot price exceeded your price.",
    "instance-terminated-by-user": "Spot Instance terminated due to user-initiated termination.",
    "instance-terminated-by-service": "Your instance was terminated from a stopped state.",
    "request-canceled-and-instance-running": "Your Spot request is canceled, but your instance is still running.",
    "canceled-before-fulfillment": "Your Spot request was canceled before it was fulfilled.",
    "schedule-expired": "Your Spot request expired before it was fulfilled.",
    "limit-exceeded": "The limit on the number of EBS volumes or total volume storage was exceeded.",
}


class Requests:
    """All Spot requests. `launch(request, zone)` makes an instance for one, or raises Refusal."""

    def __init__(self, life: Life, market: Market, launch: Callable[[Request, str], Box]):
        self.life = life
        self.timeline = life.timeline
        self.pace = life.pace
        self.market = market
        self.launch = launch
        self.requests: dict[str, Request] = {}

    def get(self, request_id: str) -> Request:
        """The request of that id. Raises Refusal InvalidSpotInstanceRequestID.NotFound."""
        if request_id not in self.requests:
            raise refusal("InvalidSpotInstanceRequestID.NotFound", id=request_id)
        return self.requests[request_id]

    def of(self, box: Box) -> Request | None:
        """The request behind an instance, if it is Spot and the request is still known."""
        return self.requests.get(box.request_id or "")

    def box_of(self, request: Request) -> Box | None:
        """The instance of a request, if it has one that is still listed."""
        return self.life.boxes.get(request.instance_id or "")

    def enter(self, request: Request, state: str, code: str, text: str | None = None) -> None:
        """Give the request a State and a Status; a request that has ended is forgotten four hours later."""
        if state not in LIVE_REQUEST and request.state in LIVE_REQUEST:
            self.timeline.after(self.pace.forget_request, "forget_request", request.id, ALWAYS)
        request.state, request.code = state, code
        request.message = MESSAGES.get(code, "") if text is None else text
        request.updated = self.timeline.now
        request.epoch += 1

    def then(self, request: Request, what: str, seconds: float) -> None:
        """After `seconds`, `what` happens to the request unless its state has changed."""
        self.timeline.after(seconds, what, request.id, request.epoch)

    def handle(self, event: Event) -> None:
        """Play one event of a request, or of the instance of one."""
        record = self.requests.get(event.who) or self.life.boxes.get(event.who)
        if record and event.epoch in (record.epoch, ALWAYS):
            getattr(self, event.what)(record)

    # A request from the beginning

    def submit(self, request: Request) -> None:
        """RequestSpotInstances: the request is open, and looked at a moment later."""
        self._take_in(request)
        self.reopen(request)

    def adopt(self, request: Request, box: Box) -> None:
        """RunInstances: the request comes with its instance, fulfilled."""
        self._take_in(request)
        self._attach(request, box)

    def _take_in(self, request: Request) -> None:
        self.requests[request.id] = request
        if request.valid_until:
            self.timeline.at(request.valid_until, "expire", request.id, ALWAYS)

    def _attach(self, request: Request, box: Box) -> None:
        request.instance_id, request.launched_zone = box.id, box.zone
        box.request_id = request.id
        self.enter(request, "active", "fulfilled")

    def reopen(self, request: Request) -> None:
        """The request is (again) open and will be evaluated."""
        self.enter(request, "open", "pending-evaluation")
        self.then(request, "evaluate", self.pace.evaluate)

    def evaluate(self, request: Request) -> None:
        """Look whether the request can be fulfilled now; if not, say why and look again later."""
        now = self.timeline.now
        if request.valid_from and request.valid_from > now:
            self.enter(request, "open", "not-scheduled-yet")
            self.timeline.at(request.valid_from, "evaluate", request.id, request.epoch)
            return
        zone, code, text = self._place(request, now)
        if zone:
            self.enter(request, "open", "pending-fulfillment")
            self.then(request, "fulfil", self.pace.evaluate)
            return
        if request.code != code:
            self.enter(request, "open", code, text)
        self.then(request, "evaluate", self.pace.retry)

    def _place(self, request: Request, now: datetime) -> tuple[str | None, str, str | None]:
        """A zone that takes the request, or the code and message that say why none does."""
        box = self.box_of(request)
        zone = box.zone if box else request.zone  # a stopped instance stays where its disk is
        offered = self.market.spot_zones(request.instance_type, request.region)
        zones = [z for z in offered if zone in (None, z)]
        if not zones:
            return None, "constraint-not-fulfillable", None
        for candidate in zones:
            if request.max_price is not None:
                price = self.market.price(request.instance_type, candidate, now)
                if price > request.max_price:
                    text = message("SpotMaxPriceTooLow").format(bid=request.max_price, price=price)
                    return None, "price-too-low", text
            if self.market.has_capacity(request.instance_type, candidate):
                return candidate, "", None
        return None, "capacity-not-available", None

    def fulfil(self, request: Request) -> None:
        """Give the request its instance: the stopped one that it has, or a new one, without tags."""
        zone, _, _ = self._place(request, self.timeline.now)
        if zone is None:
            self.evaluate(request)
            return
        box = self.box_of(request)
        if box:
            self.enter(request, "active", "fulfilled")
            self.life.begin(box)
            return
        try:
            box = self.launch(request, zone)
        except Refusal as refused:
            # "closed (initial) / failed (later)" (spot-request-status, bad-parameters)
            state = "failed" if request.launched_zone else "closed"
            self.enter(request, state, "bad-parameters", refused.message)
            return
        self._attach(request, box)
