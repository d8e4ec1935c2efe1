"""The two things that live in the sandbox: an instance, and the Spot request that may stand behind it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

# Instance states with their codes (API reference, InstanceState).
STATE_CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
GONE = ("shutting-down", "terminated")
LIVE_REQUEST = ("open", "active", "disabled")  # the states in which a request may be cancelled


@dataclass
class Box:
    """An instance. `epoch` counts its changes of state, so that an event meant for an earlier one is dropped."""

    id: str
    region: str
    zone: str
    instance_type: str
    vcpus: int
    spot: bool
    request_id: str | None
    launched: datetime
    shutdown_behavior: str = "stop"  # what `shutdown` inside does: stop | terminate
    state: str = "pending"
    since: datetime | None = None
    epoch: int = 0
    reason: tuple[str, str] | None = None  # StateReason Code, Message
    transition: str = ""  # StateTransitionReason
    booted: bool = False
    started: datetime | None = None  # reached `running` this time
    doom: tuple[str, str] | None = None  # the launch will fail with this StateReason
    interruption: str | None = None  # no-capacity | by-price: AWS stops it, or has stopped it
    away_until: datetime | None = None  # an interrupted box has no capacity before this
    reclaimed_at: datetime | None = None  # when AWS will stop or terminate it, as its notice says
    rebalance_at: datetime | None = None  # when AWS recommended to leave it
    next_reason: tuple[str, str] | None = None  # StateReason once stopped or terminated


@dataclass
class Request:
    """A Spot Instance request. `launch` is its launch specification, opaque here; `max_price` is USD/h."""

    id: str
    region: str
    type: str  # persistent | one-time
    behavior: str  # stop | terminate | hibernate
    max_price: Decimal | None
    instance_type: str
    zone: str | None  # where it must be launched; None leaves it to the service
    vcpus: int
    created: datetime
    launch: Any
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    state: str = "open"
    code: str = ""
    message: str = ""
    updated: datetime | None = None
    epoch: int = 0
    instance_id: str | None = None
    launched_zone: str | None = None
    failures: int = 0  # launches in a row that died before they ran
    tags: dict[str, str] = field(default_factory=dict)
