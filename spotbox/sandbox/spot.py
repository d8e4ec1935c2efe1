"""The Spot service: what a request goes through, and what it does to its instance.

States and codes: EC2 User Guide, spot-request-status; stop, start and cancel: "Manage your Spot Instances"; what AWS
does by itself: interruption-behavior. Where AWS tells nothing, the choice is marked UNCONFIRMED.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from spotbox.sandbox.life import BY_USER, FROM_INSIDE, SPOT_END, SPOT_STOP, Life
from spotbox.sandbox.market import Market
from spotbox.sandbox.records import GONE, LIVE_REQUEST, Box, Request
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


class Spot:
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
        offered = self.market.zones(request.instance_type, request.region)
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

    # What the user does

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

    # What AWS does

    def interrupt(self, box: Box, notice: float | None = None, why: str = "no-capacity") -> None:
        """AWS wants the machine back in `notice` seconds. `why` is no-capacity or by-price.

        Hibernation starts at once, without the notice (EC2 User Guide, hibernate-spot-instances).
        """
        request = self.of(box)
        box.interruption = why
        seconds = self.pace.notice if notice is None else notice
        if request and request.state in LIVE_REQUEST:
            if request.behavior == "terminate":
                # The request ends at once, the instance runs on for the notice (spot-request-status).
                self.enter(request, "closed", f"instance-terminated-{why}")
            else:
                self.enter(request, "active", "marked-for-stop")
                seconds = 0 if request.behavior == "hibernate" else seconds
        self.timeline.after(seconds, "reclaim", box.id, box.epoch)

    def reclaim(self, box: Box) -> None:
        """The notice is over: the instance stops, or ends where nothing could start it again."""
        request = self.of(box)
        if request and request.state in LIVE_REQUEST and request.behavior != "terminate":
            if box.interruption == "no-capacity":
                box.away_until = self.timeline.now + timedelta(seconds=self.pace.away)
            self.life.stop(box, SPOT_STOP, self.life.said("Server.SpotInstanceShutdown"))
        else:
            self.life.terminate(box, SPOT_END, self.life.said("Server.SpotInstanceTermination"))

    def comeback(self, box: Box) -> None:
        """Restart an interrupted instance once there is capacity at its price; look again later if not."""
        request = self.of(box)
        if not request or request.state != "disabled" or box.state != "stopped" or not box.interruption:
            return
        zone, _, _ = self._place(request, self.timeline.now)
        if zone is None or (box.away_until and box.away_until > self.timeline.now):
            self.timeline.after(self.pace.retry, "comeback", box.id, box.epoch)
            return
        self.reopen(request)

    def watch_prices(self) -> None:
        """Interrupt what runs below the Spot price of its pool."""
        for box in self.life.boxes.values():
            request = self.of(box)
            if box.state != "running" or box.interruption or not request or request.max_price is None:
                continue
            if self.market.price(box.instance_type, box.zone, self.timeline.now) > request.max_price:
                self.interrupt(box, why="by-price")

    # What is heard of instances

    def box_ran(self, box: Box) -> None:
        """The launch went well: a later failure is the first again."""
        request = self.of(box)
        if request:
            request.failures = 0

    def box_stopped(self, box: Box) -> None:
        """An instance has stopped; its request shows it, at once or a moment later."""
        request = self.of(box)
        if request is None:
            return
        if request.state == "cancelled":
            self.then(request, "clear_up", self.pace.service)
        elif box.interruption:
            self.enter(request, "disabled", f"instance-stopped-{box.interruption}")
            self.timeline.after(self.pace.retry, "comeback", box.id, box.epoch)
        else:
            # Until then a start is refused: the request still says marked-for-stop, as seen in the field.
            self.then(request, "stop_seen", self.pace.detection)

    def stop_seen(self, request: Request) -> None:
        """The request shows that the user stopped its instance."""
        self.enter(request, "disabled", STOPPED_BY_USER)

    def box_ends(self, box: Box) -> None:
        """An instance is being terminated; the request notices a moment later."""
        request = self.of(box)
        if request and request.instance_id == box.id and request.state in LIVE_REQUEST:
            self.then(request, "end_seen", self.pace.detection)

    def end_seen(self, request: Request) -> None:
        """Terminated but not cancelled: a persistent request opens again and will launch a replacement.

        The code between the two is UNCONFIRMED: instance-terminated-by-user here.
        """
        if request.type != "persistent":
            self.enter(request, "closed", "instance-terminated-by-user")
            return
        request.instance_id = None
        self.enter(request, "open", "instance-terminated-by-user")
        self.then(request, "reopen", self.pace.relaunch)

    def box_ended(self, box: Box) -> None:
        """An instance is gone: a cancelled request says by whom, a launch that died is tried again."""
        request = self.of(box)
        if request is None or request.instance_id != box.id:
            return
        if request.state == "cancelled":
            who = "service" if box.next_reason == SPOT_END else "user"
            self.enter(request, "cancelled", f"instance-terminated-by-{who}")
        elif box.doom and request.type == "persistent":
            # The persistent request tries for ever, ever more slowly; the code it shows meanwhile is UNCONFIRMED.
            request.instance_id, request.failures = None, request.failures + 1
            self.enter(request, "open", "limit-exceeded" if "Limit" in box.doom[0] else "pending-evaluation")
            self.then(request, "reopen", self.pace.relaunch * min(2**request.failures, 32))
        elif box.doom:
            self.enter(request, "closed", "system-error", box.doom[1])

    def forget_request(self, request: Request) -> None:
        """Requests are deleted four hours after they are cancelled and their instances are terminated."""
        box = self.box_of(request)
        if box and box.state != "terminated":
            self.timeline.after(self.pace.forget_request, "forget_request", request.id, ALWAYS)
        else:
            self.requests.pop(request.id, None)


EVENTS = frozenset(
    [
        "evaluate",
        "fulfil",
        "reopen",
        "resumed",
        "clear_up",
        "expire",
        "reclaim",
        "comeback",
        "stop_seen",
        "end_seen",
        "forget_request",
    ]
)
