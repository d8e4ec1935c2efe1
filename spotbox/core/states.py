"""The state of a box: one word derived from its Spot request and its instance, never stored.

Codes and their meaning: EC2 User Guide, "Get the status of a Spot Instance request".
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from spotbox.core import meanings as m
from spotbox.core.meanings import CODES, REASONS, Meaning, Who
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
_OVER = ("closed", "cancelled", "failed", "completed")  # any other State is taken to be one that may launch
LEAVING = ("shutting-down", "terminated")  # the states of an instance that is not coming back

STOPPED_BY_USER = m.STOPPED_BY_USER
RUNS_ON = "request-canceled-and-instance-running"
# Requests that ended by themselves, without an instance, and are worth telling of.
_FAILED_CODES = {"bad-parameters", "system-error", "schedule-expired", "limit-exceeded"}
# StateReason codes of a stop that is AWS's own. Server.InsufficientInstanceCapacity is none: a start found no room.
_BY_AWS = ("Server.Spot", "Server.ScheduledStop")
_BY_USER, _BY_BOX = "Client.UserInitiatedShutdown", "Client.InstanceInitiatedShutdown"
_NOTICE = ("marked-for-stop", "marked-for-termination")


@dataclass(frozen=True)
class Derived:
    """A state with what it comes from."""

    state: State
    meaning: Meaning

    @property
    def reason(self) -> str:
        """The reason in one line; a healthy box needs none."""
        return "" if self.meaning in (m.HEALTHY, m.ON_DEMAND) else self.meaning.what


def stopped_by_aws(request: Request | None, instance: Instance) -> bool:
    """Whether AWS, not the user, stopped this instance. The instance's own reason decides while the request is open."""
    if request is not None and request.state == "disabled":
        return request.code != STOPPED_BY_USER
    return instance.reason_code.startswith(_BY_AWS)


def derive(
    request: Request | None, instance: Instance | None, volumes: tuple[Volume, ...] = (), kept: bool = False
) -> Derived | None:
    """The state of what these records show, or None where nothing is left that deserves the name of a box.

    `instance` is the request's instance (or an on-demand one, or the last one, terminated), `volumes` those that
    still exist, `kept` whether they were left on purpose. Unknown codes are shown as they are and State decides.
    """
    dead = instance if instance is not None and instance.state == "terminated" else None
    alive = None if dead else instance
    standing = request is not None and request.state not in _OVER
    if alive is not None and alive.lifecycle != "spot":
        return _on_demand(alive, standing)
    if alive is not None and request is None and alive.state == "pending":
        return Derived(State.STARTING, m.UNSHOWN)  # AWS may show an instance a moment before its request
    if request is not None and standing:
        return _live(request, alive, dead)
    return _ended(request, alive, volumes, kept)


def meaning_of(request: Request) -> Meaning:
    """What the request's code means; a code that spotbox does not know is shown as it is, with AWS's message."""
    if known := CODES.get(request.code):
        return known
    of_state = m.STATES.get(request.state) or Meaning(f"the Spot request is {request.state}", Who.UNKNOWN)
    told = f"{request.code}: {request.message}".strip(": ")
    return replace(of_state, what=told) if told else of_state


def meaning_of_reason(instance: Instance) -> Meaning:
    """What the instance's StateReason means; one that spotbox does not know is shown as AWS gives it."""
    code, message = instance.reason_code, instance.reason_message
    if known := REASONS.get(code):
        return _with_message(known, message) if known.detail else known
    told = message if message.startswith(code) else f"{code}: {message}".strip(": ")  # AWS repeats the code in it
    return Meaning(told or "AWS gives no reason", Who.UNKNOWN)


def _with_message(meaning: Meaning, message: str) -> Meaning:
    return replace(meaning, what=f"{meaning.what}: {message}") if message else meaning


def _on_demand(instance: Instance, standing: bool) -> Derived:
    """An on-demand instance: its own state says it all, but for a Spot request that stands beside it."""
    match instance.state:
        case "pending":
            return Derived(State.STARTING, m.LAUNCHING)
        case "running":
            return Derived(State.RUNNING, m.SECOND if standing else m.ON_DEMAND)
        case "stopping":
            return Derived(State.STOPPING, _stops(instance, None))
        case "stopped":
            told = m.STOPPED if instance.reason_code == _BY_USER else meaning_of_reason(instance)
            return Derived(State.STOPPED, m.SECOND if standing else told)
        case _:
            return Derived(State.TERMINATING, _dies(instance))


def _live(request: Request, instance: Instance | None, dead: Instance | None) -> Derived:
    if instance is None:
        return _without_instance(request, dead)
    match instance.state:
        case "pending":
            return Derived(State.STARTING, m.LAUNCHING)
        case "running":
            return Derived(State.RUNNING, _runs(request))
        case "stopping":
            return Derived(State.STOPPING, _stops(instance, request))
        case "stopped":
            return _stopped(request, instance)
        case _:
            by_aws = instance.reason_code.startswith(_BY_AWS) or _taken(request)
            return Derived(State.TERMINATING, replace(m.DYING_ALONE, who=Who.AWS) if by_aws else m.DYING_ALONE)


def _without_instance(request: Request, dead: Instance | None) -> Derived:
    """A request that may launch, and no instance: it waits, unless AWS is only late in showing the instance."""
    if dead is None and "terminated" not in request.code:
        if request.state == "active":  # AWS shows the request a moment before its instance
            return Derived(State.STARTING, m.LAUNCHING)
        if request.state == "disabled" and request.instance_id:  # it is stopped, though AWS does not show it now
            by_user = request.code == STOPPED_BY_USER
            return Derived(State.STOPPED if by_user else State.INTERRUPTED, meaning_of(request))
        told = meaning_of(request)
        return Derived(State.WAITING, _with_message(told, request.message) if told.detail else told)
    by_aws = _taken(request) or (dead is not None and dead.reason_code.startswith(_BY_AWS))
    return Derived(State.WAITING, m.RELAUNCH_BY_AWS if by_aws else m.RELAUNCH)


def _taken(request: Request) -> bool:
    """Whether the request's code says that AWS terminated the instance."""
    return "instance-terminated-" in request.code and not request.code.endswith("-by-user")


def _runs(request: Request) -> Meaning:
    """A running instance: only what threatens it is worth a word, or what spotbox does not know."""
    if _taken(request):  # with behaviour `terminate` the code comes two minutes before the end
        return CODES["marked-for-termination"]
    if request.code in _NOTICE or (request.code and request.code not in CODES):
        return meaning_of(request)
    return m.HEALTHY


def _stops(instance: Instance, request: Request | None) -> Meaning:
    """Who is stopping it: the instance's reason tells, `marked-for-stop` alone does not."""
    if instance.reason_code.startswith(_BY_AWS):
        return m.STOPS_BY_AWS
    if instance.reason_code in (_BY_USER, _BY_BOX):
        return m.STOPS_BY_BOX if instance.reason_code == _BY_BOX else m.STOPS_BY_USER
    if request is not None and stopped_by_aws(request, instance):
        return m.STOPS_BY_AWS
    return m.STOPS


def _stopped(request: Request, instance: Instance) -> Derived:
    if stopped_by_aws(request, instance):
        settled = request.code not in ("fulfilled", "marked-for-stop")
        told = meaning_of(request) if settled else CODES["instance-stopped-no-capacity"]
        if request.state == "open":
            ended = "-terminated-" in request.code or "-stopped-" in request.code  # why it stopped, not why it waits
            told = replace(told, what="AWS is trying to restart it" + ("" if ended else f": {told.what}"))
        return Derived(State.INTERRUPTED, told)
    if request.state == "open":
        return Derived(State.STARTING, meaning_of(request))
    if request.code == "marked-for-stop":
        return Derived(State.STOPPING, m.UNSETTLED)
    if instance.reason_code == _BY_BOX:
        return Derived(State.STOPPED, REASONS[_BY_BOX])
    if instance.reason_code.startswith(_BY_AWS):
        return Derived(State.STOPPED, m.TAKEN_OVER)
    return Derived(State.STOPPED, m.STOPPED if instance.reason_code == _BY_USER else CODES[STOPPED_BY_USER])


def _dies(instance: Instance) -> Meaning:
    known = REASONS.get(instance.reason_code)
    return replace(m.DYING, who=known.who) if known else m.DYING


def _ended(
    request: Request | None, instance: Instance | None, volumes: tuple[Volume, ...], kept: bool
) -> Derived | None:
    """No request that may launch: what is left is on its way out, lost, kept or nothing."""
    if instance is not None:
        if instance.state == "shutting-down":
            return Derived(State.TERMINATING, _dies(instance))
        if request is None:
            return Derived(State.ORPHANED, m.LOST)
        stopped = instance.state == "stopped"
        told = m.CANCELLED_STOPPED if stopped else CODES[RUNS_ON]
        return Derived(State.ORPHANED, told)
    if volumes:
        return Derived(State.KEPT, m.KEPT) if kept else Derived(State.ORPHANED, m.LEFT)
    if request is not None and (request.state in ("failed", "closed") or request.code in _FAILED_CODES):
        if "terminated" in request.code:  # a one-time request that ran its course
            return None
        told = meaning_of(request)
        return Derived(State.FAILED, _with_message(told, request.message) if request.code in CODES else told)
    return None
