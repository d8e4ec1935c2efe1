"""What AWS says a GPU costs, and where: the records that a survey of the market comes back with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from spotbox.core.errors import SpotboxError
from spotbox.core.records import InstanceType, SpotPrice


@dataclass(frozen=True)
class Age:
    """A kind of figure that was not asked just now: what it is, and when the oldest of it was asked."""

    what: str  # "on-demand prices"
    asked: datetime


@dataclass(frozen=True)
class Quotes:
    """Spot prices as they are now with all that is told beside them. What is in no mapping is unknown."""

    regions: tuple[str, ...]  # those that answered
    prices: tuple[SpotPrice, ...]
    types: Mapping[str, InstanceType]
    on_demand: Mapping[tuple[str, str], Decimal]  # (region, instance type) -> USD/h
    interruption: Mapping[tuple[str, str], str]  # (region, instance type) -> "<5%"
    failed: Mapping[str, SpotboxError] = field(default_factory=dict)  # region -> why it has no prices here
    remarks: tuple[str, ...] = ()  # why something is unknown
    ages: tuple[Age, ...] = ()


@dataclass(frozen=True)
class Scores:
    """Placement scores, 1 to 10, of a set of types by zone id; a zone that is not there was not among AWS's top ten."""

    by_zone_id: Mapping[str, int] = field(default_factory=dict)
    remark: str = ""
    asked: datetime | None = None  # set where they come from the cache


class Change(NamedTuple):
    """The Spot price of a pool from `at` on, USD per hour; None for a figure that cannot be a price."""

    instance_type: str
    zone: str
    at: datetime
    usd: Decimal | None
