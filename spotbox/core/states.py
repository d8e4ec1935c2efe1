"""The state of a box: one word derived from its Spot request and its instance, never stored.

Codes and their meaning: EC2 User Guide, "Get the status of a Spot Instance request".
"""

from dataclasses import dataclass
from enum import StrEnum

from spotbox.core.records import Instance, Request, Volume


class State(StrEnum):
    """The ten words of the contract."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    TERMINATING = "terminating"
    ORPHANED = "orphaned"
    KEPT = "kept"
    FAILED = "failed"


BILLS_COMPUTE = {State.STARTING, State.RUNNING, State.STOPPING, State.ORPHANED}
LIVE = ("open", "active", "disabled")  # the states in which a request can be cancelled, and may launch
GONE = ("terminated",)

STOPPED_BY_USER = "instance-stopped-by-user"
RUNS_ON = "request-canceled-and-instance-running"
# Requests that ended by themselves, without an instance, and are worth telling of.
_FAILED_CODES = {"bad-parameters", "system-error", "schedule-expired", "limit-exceeded"}
_BY_AWS = "Server.Spot"  # StateReason codes Server.SpotInstanceShutdown and Server.SpotInstanceTermination

MEANING = {  # status code -> what it means for the user
    "pending-evaluation": "AWS is looking at the request",
    "pending-fulfillment": "AWS is preparing the instance",
    "not-scheduled-yet": "the request is for a later time",
    "capacity-not-available": "AWS has no Spot capacity of this type in this zone",
    "capacity-oversubscribed": "AWS has no Spot capacity of this type in this zone",
    "price-too-low": "the Spot price is above your maximum price",
    "launch-group-constraint": "AWS cannot launch the whole launch group at once",
    "az-group-constraint": "AWS cannot launch the whole zone group together",
    "placement-group-constraint": "AWS cannot add to the placement group now",
    "constraint-not-fulfillable": "a constraint of the request cannot be met",
    "bad-parameters": "AWS refused the request's parameters",
    "schedule-expired": "the request expired before it was fulfilled",
    "canceled-before-fulfillment": "the request was cancelled before it was fulfilled",
    "system-error": "AWS had an error of its own",
    "limit-exceeded": "a limit on EBS volumes is reached",
    "fulfilled": "the Spot request is fulfilled",
    "marked-for-stop": "AWS is about to stop it: save your work now",
    "marked-for-termination": "AWS is about to terminate it: save your work now",
    STOPPED_BY_USER: "it was stopped from the box or by you",
    "instance-stopped-no-capacity": "AWS took the capacity back; only AWS can restart it",
    "instance-stopped-capacity-oversubscribed": "AWS took the capacity back; only AWS can restart it",
    "instance-stopped-by-price": "the Spot price rose above your maximum price; only AWS can restart it",
    "instance-terminated-by-user": "the instance was terminated",
    "spot-instance-terminated-by-user": "the instance was terminated",
    "instance-terminated-no-capacity": "AWS took the capacity back and terminated the instance",
    "instance-terminated-capacity-oversubscribed": "AWS took the capacity back and terminated the instance",
    "instance-terminated-by-price": "the Spot price rose above your maximum price and AWS terminated the instance",
    "instance-terminated-by-schedule": "the Spot block ended",
    "instance-terminated-by-service": "AWS terminated it because its request was cancelled while it was stopped",
    "instance-terminated-launch-group-constraint": "the launch group was broken",
    RUNS_ON: "the request is cancelled, but the instance runs on and bills",
}


@dataclass(frozen=True)
class Derived:
    """A state with the reason in words."""

    state: State
    reason: str


def stopped_by_aws(request: Request | None, instance: Instance) -> bool:
    """Whether AWS, not the user, stopped this instance. The instance's own reason decides while the request is open."""
    if request is not None and request.state == "disabled":
        return request.code != STOPPED_BY_USER
    return instance.reason_code.startswith(_BY_AWS)


def derive(
    request: Request | None, instance: Instance | None, volumes: tuple[Volume, ...] = (), kept: bool = False
) -> Derived | None:
    """The state of what these records show, or None where nothing is left that deserves the name of a box.

    `instance` is the request's instance (or an on-demand one), `volumes` those that still exist,
    `kept` whether they were left on purpose. Unknown codes are shown as they are and the request's State decides.
    """
    dead = instance is not None and instance.state in GONE
    if dead:
        instance = None
    if request is None and instance is not None and instance.lifecycle != "spot":
        return _without_request(instance)
    if request is not None and request.state in LIVE:
        return _live(request, instance, dead)
    return _ended(request, instance, volumes, kept)


def _words(request: Request) -> str:
    known = MEANING.get(request.code)
    return known if known else f"{request.code}: {request.message}".rstrip(": ")


def _without_request(instance: Instance) -> Derived:
    """An on-demand instance: its own state says it all."""
    state = {
        "pending": State.STARTING,
        "running": State.RUNNING,
        "stopping": State.STOPPING,
        "stopped": State.STOPPED,
    }.get(instance.state, State.TERMINATING)
    return Derived(state, instance.reason_message or "on demand")


def _live(request: Request, instance: Instance | None, dead: bool) -> Derived:
    if instance is None:
        if request.state == "active" and not dead:  # AWS shows the request a moment before its instance
            return Derived(State.STARTING, "the instance is being launched")
        reason = _words(request)
        if dead or "terminated" in request.code:
            reason = (
                "the instance was terminated, but its request was not cancelled: AWS launches another as soon as it can"
            )
        return Derived(State.WAITING, reason)
    match instance.state:
        case "pending":
            return Derived(State.STARTING, "the instance is being launched")
        case "running":
            return Derived(State.RUNNING, _words(request) if request.code != "fulfilled" else "")
        case "stopping":
            return Derived(
                State.STOPPING, "it is being stopped" + (" by AWS" if stopped_by_aws(request, instance) else "")
            )
        case "stopped":
            return _stopped(request, instance)
        case _:
            return Derived(State.TERMINATING, "its request is not cancelled, so AWS will launch another")


def _stopped(request: Request, instance: Instance) -> Derived:
    if stopped_by_aws(request, instance):
        reason = (
            MEANING["instance-stopped-no-capacity"]
            if request.code in ("fulfilled", "marked-for-stop")
            else _words(request)
        )
        if request.state == "open":
            reason = f"AWS is trying to restart it: {_words(request)}"
        return Derived(State.INTERRUPTED, reason)
    if request.state == "open":
        return Derived(State.STARTING, _words(request))
    if request.code == "marked-for-stop":
        return Derived(State.STOPPING, "the Spot request has not settled yet")
    by_box = instance.reason_code == "Client.InstanceInitiatedShutdown"
    return Derived(State.STOPPED, "it shut itself down (idle guard, TTL or `shutdown`)" if by_box else "you stopped it")


def _ended(
    request: Request | None, instance: Instance | None, volumes: tuple[Volume, ...], kept: bool
) -> Derived | None:
    """No request that may launch: what is left is on its way out, lost, kept or nothing."""
    if instance is not None:
        if instance.state == "shutting-down":
            return Derived(State.TERMINATING, "it is being terminated")
        if instance.state == "stopped":
            return Derived(
                State.ORPHANED, "its request is cancelled; AWS usually terminates it soon, its disk bills until then"
            )
        return Derived(State.ORPHANED, "its request is cancelled, but the instance runs on and bills")
    if volumes:
        if kept:
            return Derived(State.KEPT, "only the data volume is left, as asked")
        return Derived(State.ORPHANED, "its instance is gone, but a volume is left and bills")
    if request is not None and (request.state in ("failed", "closed") or request.code in _FAILED_CODES):
        if "terminated" in request.code:  # a one-time request that ran its course
            return None
        told = f": {request.message}" if request.code in MEANING and request.message else ""
        return Derived(State.FAILED, _words(request) + told)
    return None
