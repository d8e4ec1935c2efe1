"""The Spot service: what AWS does by itself, and what a request makes of the fate of its instance.

Interruption and restart: EC2 User Guide, interruption-behavior. Where AWS tells nothing, the choice is marked
UNCONFIRMED.
"""

from datetime import timedelta

from spotbox.sandbox.life import SPOT_END, SPOT_STOP
from spotbox.sandbox.records import LIVE_REQUEST, Box, Request
from spotbox.sandbox.spot_requests import ALWAYS, STOPPED_BY_USER
from spotbox.sandbox.spot_user import UserActs

# What the timeline brings to a request, or to the Spot side of an instance; all else is the instance's own.
EVENTS = frozenset(
    (
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
    )
)


class Spot(UserActs):
    """All of the Spot service."""

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
        box.reclaimed_at = self.timeline.now + timedelta(seconds=seconds)
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
