"""What to launch: the market of one region, the questions, and the wish that comes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from spotbox.app import App
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.hunt import in_order
from spotbox.core.images import fits
from spotbox.core.prices import savings_pct
from spotbox.core.quotas import increase_command, is_enough, quota_of
from spotbox.core.records import Image, InstanceType, Offer
from spotbox.core.text import did_you_mean, safe
from spotbox.core.units import Bid, parse_bid, parse_size, show_usd

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

    def of(self, name: str) -> list[Offer]:
        """The offers of one type, cheapest first."""
        return [offer for offer in self.offers if offer.type.name == name]


def survey(app: App, region: str, ami: str, types: Sequence[str], subnet: str | None) -> Market:
    """Read what the region offers: types (those named, or every GPU type), zones, prices, image, subnets.

    UsageError for an unknown type or image; SpotboxError where there is no default VPC.
    """
    app.progress.glance(f"reading prices of {region}")
    cloud = app.cloud
    wanted = (lambda: cloud.instance_types(region, types)) if types else (lambda: cloud.gpu_types(region))
    nets = (lambda: (cloud.subnet(region, subnet),)) if subnet else (lambda: cloud.subnets(region))
    found, subnets = [_value(a) for a in cloud.together([wanted, nets])]
    if not subnets:
        raise SpotboxError(
            f"region {region} has no default VPC to launch in",
            f"Make one with: aws ec2 create-default-vpc --region {region}; or name a subnet with --subnet.",
        )
    known: dict[str, InstanceType] = found if isinstance(found, dict) else {t.name: t for t in found}
    arm = types and all("x86_64" not in known[name].architectures for name in types)
    names = sorted(known)
    image, offered, spot, demand = [
        _value(a)
        for a in cloud.together(
            [
                lambda: cloud.image(region, ami, "arm64" if arm else "x86_64"),
                lambda: cloud.offerings(region, names),
                lambda: cloud.spot_prices(region, names),
                lambda: cloud.on_demand(region, names),
            ]
        )
    ]
    app.progress.done()
    zones = {net.zone: net.id for net in reversed(subnets)}
    return Market(
        region,
        image,
        known,
        _offers(region, known, offered, spot, demand.usd, set(zones)),
        zones,
        subnets[0].vpc_id,
        (demand.remark,) if demand.remark else (),
    )


def _value(answer: Any) -> Any:
    if isinstance(answer, SpotboxError):
        raise answer
    return answer


def _offers(
    region: str,
    types: dict[str, InstanceType],
    offered: dict[str, frozenset[str]],
    spot: dict[tuple[str, str], Decimal],
    demand: dict[str, Decimal],
    zones: set[str],
) -> tuple[Offer, ...]:
    """Every pool that has a Spot price, cheapest first. A zone without a price has no Spot offering there."""
    found = [
        Offer(types[name], region, zone, price, demand.get(name))
        for (name, zone), price in spot.items()
        if name in types and zone in zones and zone in offered.get(name, frozenset([zone]))
    ]
    return tuple(sorted(found, key=lambda o: (o.spot, o.type.name, o.zone)))


def check_fit(market: Market, names: Sequence[str]) -> None:
    """UsageError where an image and a named type do not go together, or the type is not for Spot."""
    for name in names:
        kind = market.types[name]
        if not kind.spot:
            raise UsageError(f"{name} is not to be had on Spot", "Choose another type with -t.")
        if why := fits(market.image, kind):
            raise UsageError(
                f"{name} and image {market.image.id} do not fit: {why}", "Choose another with -t or --ami."
            )


def suitable(market: Market, gpu: str | None, min_vram: int | None) -> list[str]:
    """Types to choose from, cheapest first: NVIDIA, whole GPUs, that the image supports, narrowed by the flags."""
    names = list(dict.fromkeys(offer.type.name for offer in market.offers))
    kinds = [market.types[name] for name in names if fits(market.image, market.types[name]) is None]
    kinds = [k for k in kinds if (k.gpu_maker or "").upper() == "NVIDIA" and k.gpu_count >= 1]
    if gpu:
        have = sorted({k.gpu for k in kinds if k.gpu})
        kinds = [k for k in kinds if (k.gpu or "").lower() == gpu.lower()]
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
            f"no GPU type that fits the image has a Spot price in {market.region}",
            "Try another region.",
            Exit.NO_CAPACITY,
        )
    return [k.name for k in kinds]


def default_type(market: Market, names: Sequence[str]) -> str:
    """The cheapest x86_64 type with one whole GPU of at least 16 GiB; else the cheapest of the names."""
    fitting = (market.types[name] for name in names)
    return next((k.name for k in fitting if k.gpu_count == 1 and (k.gpu_memory_gib or 0) >= LEAST_MEMORY), names[0])


def pools(
    market: Market, types: Sequence[str], zones: Sequence[str], by_price: bool, regions: Sequence[str] = ()
) -> tuple[Offer, ...]:
    """The pools to try: regions, types and zones each in their order; `by_price`: types are not ordered."""
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
            f"{', '.join(types)} is not offered on Spot in {', '.join(zones or regions) or market.region}",
            f"It is offered in {', '.join(where)}."
            if where
            else "Try another region with -r, or another type with -t.",
        )
    return in_order(found, regions, () if by_price else types, zones)


def check_quota(app: App, region: str, kinds: Sequence[InstanceType]) -> None:
    """SpotboxError 4 where the Spot quotas leave none of these types any room; unknown ones are left to the launch.

    A type whose quota AWS does not name (p6) counts only where it is all there is.
    """
    known = [(kind, quota) for kind in kinds if (quota := quota_of(kind.name))]
    codes = sorted({quota.code for _, quota in known})
    answers = app.cloud.together([partial(app.cloud.spot_quota, region, code) for code in codes])
    values = {c: None if isinstance(a, SpotboxError) else a.value for c, a in zip(codes, answers, strict=True)}
    if not known or any(values[q.code] is None or is_enough(values[q.code], kind.vcpus) for kind, q in known):
        return
    kind, quota = known[0]
    value = values[quota.code] or Decimal(0)
    raise SpotboxError(
        f"your Spot quota in {region} is {value.normalize():f} vCPU ({quota.name}), but {kind.name} needs {kind.vcpus}",
        f"Ask for more with: {increase_command(quota.code, region, kind.vcpus)}; or take another type or region.",
        Exit.QUOTA,
    )


def ask_type(app: App, market: Market, names: Sequence[str]) -> str:
    """Ask for the instance type: a list with GPU, memory, prices and savings."""
    titles = ("type", "GPU", "GPU mem", "vCPU", "on-demand", "Spot", "savings", "interruption")
    heading = _line(*titles)
    rows = []
    for name in names:
        best = market.of(name)[0]
        kind = best.type
        saved = savings_pct(best.on_demand, best.spot)
        gpu = f"{kind.gpu_count.normalize():f}x {kind.gpu}"
        memory = f"{kind.gpu_memory_gib:.0f} GiB" if kind.gpu_memory_gib else "unknown"
        percent = f"{saved:.2f} %" if saved is not None else "unknown"
        prices = (show_usd(best.on_demand), show_usd(best.spot), percent, "unknown")
        rows.append((_line(name, gpu, memory, str(kind.vcpus), *prices), name))
    return str(app.prompts.choose("Instance type", rows, default_type(market, names), "-t", heading))


def _line(name: str, gpu: str, memory: str, vcpus: str, demand: str, spot: str, saved: str, cut: str) -> str:
    return f"{name:<15}{gpu:<18}{memory:>9}{vcpus:>6}{demand:>12}{spot:>10}{saved:>10}{cut:>14}"


def ask_zone(app: App, market: Market, name: str) -> list[str]:
    """Ask for the zone; none named means cheapest first."""
    offers = market.of(name)
    rows: list[tuple[str, str | None]] = [("cheapest first, the next when one has no capacity", None)]
    rows += [(f"{offer.zone:<16}{show_usd(offer.spot)}/h", offer.zone) for offer in offers]
    zone = app.prompts.choose("Availability Zone", rows, None, "-z")
    return [zone] if zone else []


def ask_bid(app: App) -> Bid:
    """Ask for the maximum price."""
    text = app.prompts.text(
        "Maximum price (on-demand, NN% of it, or USD per hour; lower only adds interruptions)",
        "on-demand",
        lambda answer: _wrong(parse_bid, answer),
        "--max-price",
    )
    return parse_bid(text)


def ask_disk(app: App, least: int) -> int:
    """Ask for the disk size in GiB, at least the image's."""

    def check(answer: str) -> str | None:
        return _wrong(parse_size, answer) or (
            f"the image needs at least {least} GiB" if parse_size(answer) < least else None
        )

    return parse_size(app.prompts.text("Disk in GiB", str(max(DEFAULT_DISK, least)), check, "--disk-size"))


def _wrong(parse: object, answer: str) -> str | None:
    try:
        parse(answer)  # type: ignore[operator]
    except UsageError as error:
        return f"{error.message}. {error.hint}"
    return None
