"""What the user wants of a new box, and the steps that make it: ground, launch, or a standing request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from spotbox.core.records import Image, ImageDisk, Offer, Rule, Tags
from spotbox.core.text import safe


@dataclass(frozen=True)
class MakeSpotRole:
    """Create the service-linked role that EC2 Spot needs, once per account."""

    def __str__(self) -> str:
        return "make the service-linked role AWSServiceRoleForEC2Spot (once per account, free)"


@dataclass(frozen=True)
class MakeKey:
    """Import the public key; an existing pair of that name is the same key, for the name carries the fingerprint."""

    region: str
    name: str
    public_key: str
    tags: Tags

    def __str__(self) -> str:
        return safe(f"import your public key as {self.name}")


@dataclass(frozen=True)
class MakeGroup:
    """Make the box's security group, or bring its rules to what is wanted."""

    region: str
    name: str
    vpc_id: str
    rules: tuple[Rule, ...]
    tags: Tags

    def __str__(self) -> str:
        return safe(f"make security group {self.name}: port 22 from {', '.join(rule.cidr for rule in self.rules)}")


@dataclass(frozen=True)
class Ground:
    """What a launch in one region stands on; the key and the group are made when the first pool there is tried."""

    region: str
    image: Image
    subnets: Mapping[str, str]  # zone -> subnet id
    key: MakeKey
    group: MakeGroup
    generation: int = 0  # how many launches of this name ended here; part of the ClientToken


@dataclass(frozen=True)
class Data:
    """The data volume that a new box is to have: a new one, or the kept one `volume_id`, which `moves` to the zone of
    the box where it lies in another one."""

    size_gib: int
    volume_id: str | None = None
    moves: bool = False

    def __str__(self) -> str:
        if self.volume_id and self.moves:
            return f"move its kept data volume {self.volume_id} ({self.size_gib} GiB) to that zone by a snapshot"
        if self.volume_id:
            return f"attach its kept data volume {self.volume_id} ({self.size_gib} GiB)"
        return f"make and attach a data volume of {self.size_gib} GiB"


@dataclass(frozen=True)
class Wish:
    """What the user wants of a new box, with every default decided; no two runs of one wish differ."""

    name: str
    owner: str
    user: str
    disk_gib: int
    disk_type: str
    offers: tuple[Offer, ...]  # the pools to try, in this order
    grounds: Mapping[str, Ground]  # region -> ground, for every region of the offers
    bids: Mapping[tuple[str, str], Decimal | None]  # (region, type) -> cap to send in USD/h; None sends none
    tags: Tags
    pool: str | None = None  # of the config file; its name is among the tags
    user_data: bytes = b""
    profile: str | None = None  # IAM instance profile
    data: Data | None = None
    disks: tuple[ImageDisk, ...] = ()  # the image's disks beside its root, which outlive the instance
    besides: frozenset[str] = frozenset()  # ids of the request and instance that this one is to replace

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions of the pools, in the order in which they are tried first."""
        return tuple(dict.fromkeys(offer.region for offer in self.offers))

    def bid(self, offer: Offer) -> Decimal | None:
        """The cap to send with this pool in USD/h; None sends none."""
        return self.bids.get((offer.region, offer.type.name))


@dataclass(frozen=True)
class Launch:
    """Try the wish's pools in order until AWS accepts one; its refusal is the signal to try the next.

    `market` is `spot`, or `on-demand`: `after_spot` where it follows a Spot hunt without capacity, else at once.
    """

    wish: Wish
    market: str = "spot"
    after_spot: bool = True

    @property
    def spot(self) -> bool:
        """Whether this asks for Spot."""
        return self.market == "spot"

    def __str__(self) -> str:
        pools = _pools(self.wish.offers)
        data = f"; then {self.wish.data}" if self.wish.data else ""
        if not self.spot and not self.after_spot:
            return safe(f"launch on demand {pools}{data}")
        if not self.spot:
            return safe(f"where Spot has nothing within --wait: launch on demand {pools}")
        elsewhere = self.wish.regions[1:]
        more = f" (key and group are made in {', '.join(elsewhere)} only where it comes to that)" if elsewhere else ""
        return safe(f"submit a persistent Spot request for {pools}{more}{data}")


@dataclass(frozen=True)
class Park:
    """Leave a standing Spot request for one pool with AWS, which fulfils it when it has capacity."""

    wish: Wish
    offer: Offer

    def __str__(self) -> str:
        data = f"; once it is fulfilled, the next command will {self.wish.data}" if self.wish.data else ""
        return safe(f"leave a standing Spot request for {self.offer.type.name} in {self.offer.zone} with AWS{data}")


_SHOWN = 8  # pools named in a sentence


def _pools(offers: Sequence[Offer]) -> str:
    first, *rest = offers
    more = [_pool(offer, first) for offer in rest]
    left = len(more) - _SHOWN
    named = [*more[:_SHOWN], f"and {left} more"] if left > 0 else more
    return f"{first.type.name} in {first.zone}" + (f", then {', '.join(named)}" if named else "")


def _pool(offer: Offer, first: Offer) -> str:
    return offer.zone if offer.type == first.type else f"{offer.type.name} in {offer.zone}"
