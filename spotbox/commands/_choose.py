"""What to launch: the market of one region, the questions, and the wish that comes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from spotbox.app import App
from spotbox.commands._checks import check_disk_key, remedies
from spotbox.core import judge
from spotbox.core.doctor import fail
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.filters import only_in_gb
from spotbox.core.hunt import in_order
from spotbox.core.images import fits
from spotbox.core.market import Age
from spotbox.core.offers import is_gpu
from spotbox.core.quotas import counted_by, is_enough
from spotbox.core.records import Image, InstanceType, Offer
from spotbox.core.text import did_you_mean, safe

LEAST_MEMORY = 16  # GiB of GPU memory that the default type has at least
DEFAULT_DISK = 100  # GiB


@dataclass(frozen=True)
class Market:
    """What one region offers now."""

    region: str
    image: Image
    types: dict[str, InstanceType]
    offers: tuple[Offer, ...]  # cheapest first; unknown prices last
    subnets: dict[str, str]  # zone -> subnet id
    vpc_id: str
    remarks: tuple[str, ...] = ()
    quotas: Mapping[str, Decimal | None] = field(default_factory=dict)  # quota code -> vCPU; None is unknown
    interruption: Mapping[str, str] = field(default_factory=dict)  # instance type -> "<5%"
    ages: tuple[Age, ...] = ()
    spot: bool = True  # False: what is on demand alone

    def counted_by(self, name: str) -> str | None:
        """The code of the quota that counts the type on this market, or None."""
        quota = counted_by(name, self.spot)
        return quota[0] if quota else None

    def quota(self, name: str) -> Decimal | None:
        """The quota in vCPU that counts the type, or None."""
        return self.quotas.get(self.counted_by(name) or "")

    def suffices(self, name: str) -> bool | None:
        """Whether that admits one of it; None where it is unknown."""
        return is_enough(self.quota(name), self.types[name].vcpus)

    def of(self, name: str) -> list[Offer]:
        """The offers of one type, cheapest first."""
        return [offer for offer in self.offers if offer.type.name == name]


def survey(app: App, region: str, ami: str, types: Sequence[str], subnet: str | None, on_spot: bool = True) -> Market:
    """Read what the region offers: types (those named, or every GPU type), zones, prices, image, subnets.

    UsageError for an unknown type or image; SpotboxError where there is no default VPC.
    """
    app.progress.glance(f"reading prices of {region}")
    cloud = app.cloud
    wanted = (lambda: cloud.instance_types(region, types)) if types else (lambda: cloud.gpu_types(region))
    nets = (lambda: (cloud.subnet(region, subnet),)) if subnet else (lambda: cloud.subnets(region))
    found, subnets = [_value(a) for a in cloud.together([wanted, nets])]
    if not subnets:
        judge.network(subnets, {}, subnet, remedies(app, region)).refuse("; or name a subnet with --subnet.")
    known: dict[str, InstanceType] = found if isinstance(found, dict) else {t.name: t for t in found}
    arm = types and all("x86_64" not in known[name].architectures for name in types)
    names = sorted(known)
    image, offered, spot, demand, rates, disk_key = cloud.together(
        [
            lambda: cloud.image(region, ami, "arm64" if arm else "x86_64"),
            lambda: cloud.offerings(region, names),
            lambda: cloud.spot_prices(region, names),
            lambda: cloud.on_demand(region, names),
            cloud.interruptions,
            lambda: cloud.disk_key(region),
        ]
    )
    app.progress.done()
    check_disk_key(app, region, disk_key)
    image, offered, spot, demand = map(_value, (image, offered, spot, demand))
    zones = {net.zone: net.id for net in reversed(subnets)}
    offers = offers_of(region, known, offered, spot, demand.usd, set(zones), on_spot)
    return _with_rates(Market(region, image, known, offers, zones, subnets[0].vpc_id, spot=on_spot), demand, rates)


def _with_rates(market: Market, demand: Any, rates: Any) -> Market:
    """With what is told beside the prices. What of it cannot be had is unknown; no launch hangs on it."""
    unknown = isinstance(rates, SpotboxError)
    labels = {} if unknown else {t: x for (r, t), x in rates.labels.items() if r == market.region}
    remarks = [demand.remark, rates.message if unknown else rates.remark]
    ages = [("on-demand prices", demand.asked), ("interruption rates", getattr(rates, "asked", None))]
    return replace(
        market,
        remarks=tuple(remark for remark in remarks if remark),
        interruption=labels,
        ages=tuple(Age(what, asked) for what, asked in ages if asked),
    )


def with_quotas(app: App, market: Market, names: Sequence[str], every: bool = True) -> Market:
    """The market with the Spot quotas that count these types, each asked for once.

    Without `every` no more of them than it takes to find one that is not too small.
    """
    codes = list(dict.fromkeys(code for name in names if (code := market.counted_by(name))))
    if every:
        return _ask_quotas(app, market, [code for code in codes if code not in market.quotas])
    for code in codes:
        market = market if code in market.quotas else _ask_quotas(app, market, [code])
        counted = [name for name in names if market.counted_by(name) == code]
        if any(market.suffices(name) is not False for name in counted):
            break
    return market


def _ask_quotas(app: App, market: Market, codes: Sequence[str]) -> Market:
    if not codes:
        return market
    found = app.cloud.spot_quotas([(market.region, code) for code in codes])
    return replace(market, quotas={**market.quotas, **{code: each.value for (_, code), each in found.items()}})


def _value(answer: Any) -> Any:
    if isinstance(answer, SpotboxError):
        raise answer
    return answer


def offers_of(
    region: str,
    types: dict[str, InstanceType],
    offered: dict[str, frozenset[str]],
    spot: dict[tuple[str, str], Decimal],
    demand: dict[str, Decimal],
    zones: set[str],
    on_spot: bool = True,
) -> tuple[Offer, ...]:
    """Every pool that has a Spot price, cheapest first: a zone without a price has no Spot offering there. On demand
    every zone that offers the type, whether it has a Spot price or not."""
    if on_spot:
        pools = [(n, z) for n, z in spot if n in types and z in zones and z in offered.get(n, frozenset([z]))]
    else:
        pools = [(n, z) for n in types for z in zones & offered.get(n, frozenset())]
    found = [Offer(types[name], region, zone, spot.get((name, zone)), demand.get(name)) for name, zone in pools]
    return in_order(found, spot=on_spot)


def check_fit(market: Market, names: Sequence[str]) -> None:
    """UsageError where an image and a named type do not go together, or the type is not for Spot."""
    for name in names:
        kind = market.types[name]
        if not kind.spot and market.spot:
            raise UsageError(f"{name} is not to be had on Spot", "Choose another type with -t.")
        if why := fits(market.image, kind):
            raise UsageError(
                f"{name} and image {market.image.id} do not fit: {why}", "Choose another with -t or --ami."
            )


def bootable(market: Market) -> list[InstanceType]:
    """Types with a price that a workstation can be made of, cheapest first: NVIDIA, whole GPUs, that the image fits."""
    kinds = [market.types[name] for name in dict.fromkeys(offer.type.name for offer in market.offers)]
    kinds = [kind for kind in kinds if fits(market.image, kind) is None]
    return [kind for kind in kinds if (kind.gpu_maker or "").upper() == "NVIDIA" and kind.gpu_count >= 1]


def suitable(market: Market, gpu: str | None, min_vram: int | None) -> list[str]:
    """Of the market's types the names of those that the flags admit; `min_vram` in GiB.

    UsageError where none has such a GPU or so much memory, SpotboxError 3 where none has a price.
    """
    kinds = bootable(market)
    if gpu:
        have = sorted({k.gpu for k in kinds if k.gpu})
        kinds = [k for k in kinds if is_gpu(k, gpu)]
        if not kinds:
            raise UsageError(
                f"no type with GPU {gpu!r} here{did_you_mean(gpu, have)}", f"GPUs here: {', '.join(have)}."
            )
    if min_vram:
        kinds = [k for k in kinds if (k.gpu_memory_gib or 0) >= min_vram]
        if not kinds:
            raise UsageError(f"no type here has {min_vram} GiB of GPU memory", "Ask for less with --min-vram.")
    if not kinds:
        raise SpotboxError(
            f"no GPU type that fits the image has a {'Spot' if market.spot else 'known'} price in {market.region}",
            "Try another region.",
            Exit.NO_CAPACITY,
        )
    return [k.name for k in kinds]


def in_gb(market: Market, gpu: str | None, min_vram: int | None) -> list[str]:
    """The remark on types that --min-vram leaves out and that are sold, in GB, as large enough."""
    return only_in_gb((kind for kind in bootable(market) if not gpu or is_gpu(kind, gpu)), min_vram)


def default_type(market: Market, names: Sequence[str]) -> str:
    """The cheapest x86_64 type with one whole GPU of at least 16 GiB; else the cheapest of the names."""
    fitting = (market.types[name] for name in names)
    return next((k.name for k in fitting if k.gpu_count == 1 and (k.gpu_memory_gib or 0) >= LEAST_MEMORY), names[0])


def pools(
    market: Market, types: Sequence[str], zones: Sequence[str], by_price: bool, regions: Sequence[str] = ()
) -> tuple[Offer, ...]:
    """The pools to try: regions, types and zones each in their order; `by_price`: types are not ordered.

    UsageError for a zone that is none here, and where no zone asked for offers one of the types.
    """
    for zone in zones:
        if zone not in market.subnets:
            raise UsageError(
                f"{safe(zone)!r} is no zone of {market.region} to launch in{did_you_mean(zone, market.subnets)}",
                f"Zones with a subnet: {', '.join(sorted(market.subnets))}.",
            )
    found = [o for o in market.offers if o.type.name in types and (not zones or o.zone in zones)]
    if not found:
        where = sorted({o.zone for o in market.offers if o.type.name in types})
        raise UsageError(
            f"{', '.join(types)} is not offered on {'Spot' if market.spot else 'demand'} in "
            f"{', '.join(zones or regions) or market.region}",
            f"It is offered in {', '.join(where)}."
            if where
            else "Try another region with -r, or another type with -t.",
        )
    return in_order(found, regions, () if by_price else types, zones, market.spot)


def with_room(markets: Mapping[str, Market], offers: Sequence[Offer]) -> tuple[Offer, ...]:
    """The pools that the Spot quotas of their regions admit, as far as is known."""
    return tuple(offer for offer in offers if markets[offer.region].suffices(offer.type.name) is not False)


def check_quota(app: App, market: Market, names: Sequence[str]) -> None:
    """SpotboxError 4 where the quotas of the market leave none of these types any room.

    Unknown ones are left to the launch. A type whose quota AWS does not name (p6) counts only where it is all there is.
    """
    known = [(market.types[name], quota) for name in names if (quota := counted_by(name, market.spot))]
    if not known or any(market.suffices(kind.name) is not False for kind, _ in known):
        return
    kind, (code, name) = known[0]
    value = market.quotas[code] or Decimal(0)
    word = "Spot" if market.spot else "on-demand"
    told = judge.short(kind, name, value, market.region, word)
    remedy = remedies(app, market.region).quota(code, kind.vcpus)
    fail("quota", told, remedy, Exit.QUOTA).refuse("; or take another type or region.")
