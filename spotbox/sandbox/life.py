"""The life of an instance: pending, running, stopping, stopped, shutting-down, terminated, with time between them.

States and what may be done in each: EC2 User Guide, ec2-instance-lifecycle. What a Spot request makes of it is in
spot.py, which is told of every stop and end.
"""

from typing import Protocol

from spotbox.sandbox.pace import Pace
from spotbox.sandbox.records import GONE, Box
from spotbox.sandbox.refusals import refusal
from spotbox.sandbox.timeline import Event, Timeline

BY_USER = ("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")
FROM_INSIDE = ("Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown")
# What a start without a root volume ends with; which of AWS's reasons it is, is UNCONFIRMED.
NO_ROOT = ("Client.InternalError", "Client.InternalError: Client error on launch")
# The codes are those of StateReason in the API reference; AWS's sentences for the two are UNCONFIRMED.
SPOT_STOP = ("Server.SpotInstanceShutdown", "Server.SpotInstanceShutdown: Instance was stopped by the Spot service")
SPOT_END = (
    "Server.SpotInstanceTermination",
    "Server.SpotInstanceTermination: Instance was terminated by the Spot service",
)


class Bodies(Protocol):
    """What an instance is made of: disks, addresses, a computer one can log in to."""

    def changed(self, box: Box) -> None:
        """The box entered `box.state`."""

    def bootable(self, box: Box) -> bool:
        """Whether there is a root volume to boot from."""

    def booted(self, box: Box) -> None:
        """The box answers from now on."""

    def forgotten(self, box: Box) -> None:
        """AWS lists the terminated box no longer."""


class Watcher(Protocol):
    """Who is told of what becomes of an instance."""

    def box_ran(self, box: Box) -> None:
        """It runs."""

    def box_stopped(self, box: Box) -> None:
        """It has stopped."""

    def box_ends(self, box: Box) -> None:
        """It is shutting down for good."""

    def box_ended(self, box: Box) -> None:
        """It is terminated."""


class Life:
    """All instances, and the changes of their state."""

    def __init__(self, timeline: Timeline, pace: Pace, bodies: Bodies):
        self.timeline = timeline
        self.pace = pace
        self.bodies = bodies
        self.boxes: dict[str, Box] = {}
        self.watcher: Watcher

    def get(self, box_id: str) -> Box:
        """The instance of that id. Raises Refusal InvalidInstanceID.NotFound."""
        if box_id not in self.boxes:
            raise refusal("InvalidInstanceID.NotFound", id=box_id)
        return self.boxes[box_id]

    def enter(self, box: Box, state: str, then: str | None = None, seconds: float = 0) -> None:
        """Put the box into `state`; after `seconds`, `then` happens to it unless it has changed again."""
        box.state = state
        box.epoch += 1
        box.since = self.timeline.now
        if then:
            self.timeline.after(seconds, then, box.id, box.epoch)
        self.bodies.changed(box)

    def handle(self, event: Event) -> None:
        """Play one event of this instance; one meant for an earlier state of it is dropped."""
        box = self.boxes.get(event.who)
        if box and box.epoch == event.epoch:
            getattr(self, event.what)(box)

    # What is asked for

    def begin(self, box: Box) -> None:
        """A new or stopped instance goes to `pending`; its launch time is now (API reference, Instance.LaunchTime).

        Without a root volume EC2 fails the start and terminates the instance (EC2 User Guide, interruption-behavior).
        """
        self.boxes[box.id] = box
        if not self.bodies.bootable(box):
            box.doom = NO_ROOT
        box.launched = self.timeline.now
        box.reason, box.next_reason, box.transition = None, None, ""
        box.interruption, box.away_until = None, None
        box.reclaimed_at, box.rebalance_at = None, None
        self.enter(box, "pending", "dies" if box.doom else "runs", self.pace.pending)

    def check_stop(self, box: Box) -> None:
        """Raise Refusal IncorrectInstanceState where the instance's own state forbids a stop."""
        if box.state == "pending":
            text = f"Instance '{box.id}' cannot be stopped as it has never reached the 'running' state."
            raise refusal("IncorrectInstanceState", text)
        if box.state in GONE:
            raise refusal("IncorrectInstanceState", id=box.id, done="stopped")

    def stop(self, box: Box, reason: tuple[str, str], transition: str) -> None:
        """Begin to stop a running instance; nothing happens to one that stops or is stopped."""
        if box.state != "running":
            return
        box.next_reason, box.transition = reason, transition
        self.enter(box, "stopping", "stopped", self.pace.stopping)

    def check_start(self, box: Box) -> None:
        """Raise Refusal IncorrectInstanceState where the instance's own state forbids a start."""
        if box.state in ("stopping", *GONE):
            raise refusal("IncorrectInstanceState", id=box.id, done="started")

    def terminate(self, box: Box, reason: tuple[str, str], transition: str = "") -> None:
        """Begin to terminate; nothing happens to an instance that is on its way out or gone."""
        if box.state in GONE:
            return
        box.next_reason, box.reason, box.transition = reason, reason, transition
        self.enter(box, "shutting-down", "ended", self.pace.shutting_down)
        self.watcher.box_ends(box)

    def reboot(self, box: Box) -> None:
        """Restart the operating system: the instance stays `running`, and answers again after a while."""
        box.booted = False
        self.enter(box, "running", "boots", self.pace.boot)

    def said(self, what: str) -> str:
        """A StateTransitionReason: what happened and when, as AWS words it."""
        return f"{what} ({self.timeline.now:%Y-%m-%d %H:%M:%S} GMT)"

    # What time brings

    def runs(self, box: Box) -> None:
        """pending -> running."""
        box.booted, box.started = False, self.timeline.now
        self.enter(box, "running", "boots", self.pace.boot)
        self.watcher.box_ran(box)

    def boots(self, box: Box) -> None:
        """The operating system is up: SSH answers."""
        box.booted = True
        self.bodies.booted(box)

    def stopped(self, box: Box) -> None:
        """stopping -> stopped; the public address is gone (EC2 User Guide, ec2-instance-lifecycle)."""
        box.booted, box.reason = False, box.next_reason
        self.enter(box, "stopped")
        self.watcher.box_stopped(box)

    def dies(self, box: Box) -> None:
        """A launch that AWS accepted and then could not carry out: pending -> terminated."""
        box.reason = box.next_reason = box.doom
        self._end(box)

    def ended(self, box: Box) -> None:
        """shutting-down -> terminated."""
        self._end(box)

    def _end(self, box: Box) -> None:
        box.booted = False
        self.enter(box, "terminated", "forget", self.pace.forget_instance)
        self.watcher.box_ended(box)

    def forget(self, box: Box) -> None:
        """A terminated instance is listed for about an hour (API reference, TerminateInstances)."""
        del self.boxes[box.id]
        self.bodies.forgotten(box)
