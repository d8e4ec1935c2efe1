"""The hunt for capacity: in which order pools are tried, what AWS's refusal of one means, and when the next round is.

Meanings of the codes: "Error codes for the Amazon EC2 API" (EC2 API Reference).
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum

from spotbox.core.errors import SpotboxError
from spotbox.core.quotas import counted_by
from spotbox.core.records import Offer

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0  # seconds between rounds
LAG = 60.0  # seconds in which EC2 may not yet know what it has just made (EC2 API Reference, "Eventual consistency")
UNCLEAR_LEAST = 60.0  # seconds for which an unclear launch is asked about, however short --wait is
_UNKNOWN_PRICE = Decimal("Infinity")


class Means(StrEnum):
    """What a refusal of one pool says about what to do next."""

    NEXT = "next"  # nothing here for now: the next pool may do, and this one in the next round
    QUOTA = "quota"  # nothing of this quota in this region, however long we wait
    AGAIN = "again"  # AWS is too busy, or does not know yet what it has just made: the same pool, the same token
    USED = "used"  # the token was used before: take what is there, else the next token
    END = "end"  # permission, parameters, the unknown: it does not heal


class Unclear(SpotboxError):
    """AWS has not said whether it launched, for as long as it was asked. Nothing else may be tried then."""


class InFlight(KeyboardInterrupt):
    """The user left while AWS was asked to launch and had not answered: it may launch all the same."""


_MEANS = {
    Means.NEXT: (
        "InsufficientInstanceCapacity", "InsufficientCapacityOnHost", "InsufficientHostCapacity",
        "InsufficientCapacity", "Unsupported", "SpotMaxPriceTooLow", "InsufficientFreeAddressesInSubnet",
        "InsufficientVolumeCapacity", "UnfulfillableCapacity",
    ),
    Means.QUOTA: ("MaxSpotInstanceCountExceeded", "VcpuLimitExceeded", "InstanceLimitExceeded"),
    Means.AGAIN: (
        "RequestLimitExceeded", "EC2ThrottledException", "Throttling", "ThrottlingException", "ThrottledException",
        "RequestThrottled", "RequestThrottledException", "TooManyRequestsException", "BandwidthLimitExceeded",
        "LimitExceededException", "SlowDown",
    ),
    Means.USED: ("IdempotentInstanceTerminated", "IdempotentParameterMismatch"),
}  # fmt: skip
_BY_CODE = {code: means for means, codes in _MEANS.items() for code in codes}
# Made, or looked up, a moment ago: a refusal only once the lag has passed.
_YOUNG = {
    "InvalidGroup.NotFound", "InvalidGroupId.NotFound", "InvalidSecurityGroupID.NotFound", "InvalidKeyPair.NotFound",
    "InvalidSubnetID.NotFound",
}  # fmt: skip


def meaning(code: str | None, age: float = LAG) -> Means:
    """What the refusal `code` means, `age` seconds after the key and the group were made."""
    if code in _YOUNG and age < LAG:
        return Means.AGAIN
    return _BY_CODE.get(code or "", Means.END)


def in_order(
    offers: Iterable[Offer],
    regions: Sequence[str] = (),
    types: Sequence[str] = (),
    zones: Sequence[str] = (),
    spot: bool = True,
) -> tuple[Offer, ...]:
    """The candidates in the order to try them: regions before types before zones, each as given; the rest by price,
    that of Spot, or without `spot` that on demand.

    An empty sequence, and one region alone, orders nothing. What a non-empty one does not name is left out. An unknown
    price comes last; of the same price the names decide, so that two runs have the same order.
    """
    ranks = [{name: rank for rank, name in enumerate(names)} for names in (regions, types, zones)]

    def names(offer: Offer) -> tuple[str, str, str]:
        return offer.region, offer.type.name, offer.zone

    def key(offer: Offer) -> tuple[object, ...]:
        given = [rank.get(name, 0) for rank, name in zip(ranks, names(offer), strict=True)]
        usd = offer.spot if spot else offer.on_demand
        return (*given, _UNKNOWN_PRICE if usd is None else usd, offer.type.name, offer.zone)

    wanted = [o for o in offers if all(not r or n in r for r, n in zip(ranks, names(o), strict=True))]
    return tuple(sorted(wanted, key=key))


def without_quota(pools: Sequence[Offer], refused: Offer, spot: bool = True) -> list[Offer]:
    """The pools left after `refused` was refused for quota: the same quota in the same region has no room for as many
    vCPUs or more."""
    return [pool for pool in pools if not _short_too(pool, refused, spot)]


def _short_too(pool: Offer, refused: Offer, spot: bool) -> bool:
    if pool.region != refused.region:
        return False
    if pool.type.name == refused.type.name:
        return True
    quota = counted_by(refused.type.name, spot)
    same = quota is not None and quota == counted_by(pool.type.name, spot)
    return same and pool.type.vcpus >= refused.type.vcpus


def pause(rounds: int, chance: float) -> float:
    """Seconds after the `rounds`-th round (from 1): 5 s doubling to 60 s, spread by a quarter either way.

    `chance` is a random number in [0, 1): two terminals that hunt do not ask in step.
    """
    base = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(rounds - 1, 10))
    return min(LONGEST_PAUSE, base * (0.75 + 0.5 * chance))


def pool_words(pool: Offer) -> str:
    """`g5.xlarge in us-east-1a`."""
    return f"{pool.type.name} in {pool.zone}"
