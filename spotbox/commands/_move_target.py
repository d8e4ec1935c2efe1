"""Where a box goes, by the flags, by the note of an earlier run or by price; and the wish to launch it there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from spotbox.app import App
from spotbox.commands import _choose as choose
from spotbox.commands._connect import machine_rule
from spotbox.core.boxes import Box
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.hunt import in_order
from spotbox.core.moved import Scene, Target, moved_tags, own_volumes, parse_target
from spotbox.core.names import key_fingerprint
from spotbox.core.plans import new_group, new_key
from spotbox.core.records import Image, ImageDisk, InstanceType, Offer, OwnImage, Subnet, Volume
from spotbox.core.text import safe
from spotbox.core.units import show_usd
from spotbox.core.wishes import Ground, MakeKey, Wish


@dataclass(frozen=True)
class Asked:
    """The flags of `move` as they were given."""

    region: str | None = None
    zones: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    wait: int = 900
    ask: bool = False  # somebody is there to be asked
    dry_run: bool = False

    @property
    def any(self) -> bool:
        """Whether they say where to."""
        return bool(self.region or self.zones or self.types)


@dataclass(frozen=True)
class Way:
    """Where the box goes, with the pools to try in their order and what a launch there stands on."""

    target: Target
    offers: tuple[Offer, ...]
    market: choose.Market
    network: str = ""  # what becomes of a subnet of the user's own, in words


def find_way(app: App, old: Box, asked: Asked) -> Way:
    """Where to: by the flags, else as an earlier run noted on the box, else the cheapest other zone of its region.

    UsageError for what does not exist or cannot boot the box's disk; SpotboxError 3 or 4 where no pool may be tried.
    """
    noted = parse_target(old.moving)
    if noted and noted.region not in app.enabled_regions:
        noted = None  # no move of ours wrote that
    if noted and not asked.any:
        target = noted
    else:
        region = asked.region or _region_of(app, old, asked.zones)
        target = Target(region, asked.zones, asked.types or (old.instance_type or "",), noted.ran if noted else False)
    target = replace(target, ran=target.ran or old.state.value in ("running", "starting"))
    own = _own_subnet(app, old)
    if own and asked.types and not asked.zones and target.region == old.region:
        target = replace(target, zones=(own.zone,))  # another type has no need of another network
    stays = own is not None and target.region == old.region and set(target.zones) == {own.zone}
    market = _survey(app, target, [own] if own and stays else None)
    _check_architecture(app, old, market, target.types)
    if asked.ask and not asked.any and not noted:
        target = replace(target, zones=_ask_zone(app, old, market, target))
    offers = _pools(old, market, target)
    if not noted:  # else it was begun, and has an image: the launch waits for the price
        offers = _below_cap(old, offers)
    if old.market == "spot":
        market = choose.with_quotas(app, market, target.types)
        choose.check_quota(app, market, [offer.type.name for offer in offers])
    return Way(target, offers, market, _network(old, own, stays, target) if own else "")


def _region_of(app: App, old: Box, zones: Sequence[str]) -> str:
    """The region that the zones are in, by their names; the box's own where none is named."""
    here = [region for region in (old.region, *app.enabled_regions) if zones and zones[0].startswith(region)]
    return max(here, key=len) if here and not zones[0].startswith(old.region) else old.region


def _own_subnet(app: App, old: Box) -> Subnet | None:
    """The subnet of the box where `up --subnet` named it: none of the default VPC's, in which all others are."""
    if old.instance is None or not old.instance.subnet_id:
        return None
    subnet: Subnet = app.cloud.subnet(old.region, old.instance.subnet_id)
    return None if subnet.default_for_zone else subnet


def _network(old: Box, own: Subnet, stays: bool, target: Target) -> str:
    if stays:
        return f"{old.name} stays in its subnet {own.id} ({own.zone}); with -z or -r it would go to the default VPC"
    return (
        f"{old.name} leaves its subnet {own.id} ({own.vpc_id}) for the default VPC of {target.region}: other private "
        "addresses, routes and neighbours, a public address, and a new security group with the same rules"
    )


def _survey(app: App, target: Target, within: Sequence[Subnet] | None) -> choose.Market:
    """What the region offers of the types: zones, prices, subnets (those of the default VPC, or `within` these)."""
    region, names, cloud = target.region, list(target.types), app.cloud
    app.progress.glance(f"reading prices of {region}")
    kinds, nets, offered, spot, demand = cloud.together(
        [
            lambda: cloud.instance_types(region, names),
            lambda: within or cloud.subnets(region),
            lambda: cloud.offerings(region, names),
            lambda: cloud.spot_prices(region, names),
            lambda: cloud.on_demand(region, names),
        ]
    )
    app.progress.done()
    for answer in (kinds, nets, offered, spot, demand):
        if isinstance(answer, SpotboxError):
            raise answer
    if not nets:
        raise SpotboxError(
            f"region {region} has no default VPC to launch in",
            f"Make one with: aws ec2 create-default-vpc --region {region}",
        )
    subnets = {net.zone: net.id for net in reversed(nets)}
    image = Image("", "", "", "", "", 1, "")  # it is made later
    offers = choose.offers_of(region, kinds, offered, spot, demand.usd, set(subnets))
    return choose.Market(region, image, kinds, offers, subnets, nets[0].vpc_id)


def _check_architecture(app: App, old: Box, market: choose.Market, types: Sequence[str]) -> None:
    """A disk boots on the architecture that it was made for, and no other."""
    others = [name for name in types if name != old.instance_type]
    if not others or not old.instance_type:
        return
    mine: InstanceType = app.cloud.instance_types(old.region, [old.instance_type])[old.instance_type]
    for name in others:
        kind = market.types[name]
        if not set(kind.architectures) & set(mine.architectures):
            raise UsageError(
                f"{name} is {', '.join(kind.architectures)}, and the disk of {old.name} is made for "
                f"{', '.join(mine.architectures)}",
                "Choose another type with -t.",
            )
        if old.market == "spot" and not kind.spot:
            raise UsageError(f"{name} is not to be had on Spot", "Choose another type with -t.")
        if (kind.gpu_maker or "") != (mine.gpu_maker or ""):
            app.remark(
                f"{name} has another maker's GPU ({kind.gpu_maker or 'none'}): the drivers on the disk may not do"
            )


def _ask_zone(app: App, old: Box, market: choose.Market, target: Target) -> tuple[str, ...]:
    offers = [o for o in market.offers if o.type.name in target.types and o.zone != old.zone]
    if not offers:
        return ()
    rows: list[tuple[str, str | None]] = [("cheapest first, the next when one has no capacity", None)]
    rows += [(f"{offer.zone:<16}{show_usd(offer.spot)}/h", offer.zone) for offer in offers]
    zone = app.prompts.choose(f"Move {old.name} from {old.zone} to", rows, None, "-z")
    return (zone,) if zone else ()


def _pools(old: Box, market: choose.Market, target: Target) -> tuple[Offer, ...]:
    """The pools to try, less the one that the box is in."""
    for zone in target.zones:
        if zone not in market.subnets:
            raise UsageError(
                f"{safe(zone)!r} is no zone of {market.region} to launch in",
                f"Zones with a subnet: {', '.join(sorted(market.subnets))}.",
            )
    here = (old.zone, old.instance_type)
    found = [
        offer
        for offer in market.offers
        if offer.type.name in target.types
        and (not target.zones or offer.zone in target.zones)
        and (offer.zone, offer.type.name) != here
    ]
    if not found:
        where = ", ".join(target.zones) or f"another zone of {market.region}"
        raise SpotboxError(
            f"{', '.join(target.types)} is not offered on Spot in {where}",
            "Name another region with -r, or another type with -t.",
            Exit.NO_CAPACITY,
        )
    return in_order(found, (), target.types, target.zones)


def _below_cap(old: Box, offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
    """Those whose price is not above the box's maximum: AWS refuses the others, when the box has been stopped for it.

    SpotboxError 3 where that leaves none.
    """
    cap = _cap(old)
    if cap is None:
        return offers
    fit = tuple(offer for offer in offers if offer.spot is None or offer.spot <= cap)
    if not fit:
        least = min(offers, key=lambda offer: offer.spot or cap)
        raise SpotboxError(
            f"{old.name}'s maximum price of {show_usd(cap)}/h is below the Spot price wherever it could go: "
            f"{show_usd(least.spot)}/h in {least.zone}",
            "It keeps its maximum: name another region with -r or type with -t, or wait until the price has fallen.",
            Exit.NO_CAPACITY,
        )
    return fit


def make_wish(app: App, scene: Scene, way: Way, image: OwnImage, user_data: bytes) -> Wish:
    """The launch that replaces the box: the same but for where it is; nothing in it changes from run to run."""
    old, region = scene.old, way.target.region
    assert old and old.instance  # noqa: S101, PT018 - an image was made of it
    disks = {volume.device: volume for volume in own_volumes(old)}
    root = next((disk for disk in image.disks if disk.device == image.root_device), None)
    data = tuple(_as_was(disk, disks) for disk in image.disks if disk.device != image.root_device)
    size = root.size_gib if root else 0
    was = disks.get(image.root_device) or next((v for v in disks.values() if v.delete_on_termination), None)
    image_record = Image(image.id, "", "", image.architecture, image.root_device, size, "")
    rules = old.groups[0].rules if old.groups else (machine_rule(app, app.own_address()),)
    tags = moved_tags(old)
    return Wish(
        name=old.name,
        owner=old.owner,
        user=old.user or "ubuntu",
        disk_gib=max(size, was.size_gib if was else 1),
        disk_type=was.type if was else "gp3",
        offers=way.offers,
        grounds={
            region: Ground(
                region,
                image_record,
                way.market.subnets,
                _key(app, scene, old, region),
                new_group(region, way.market.vpc_id, old.name, old.owner, rules, tags),
            )
        },
        bids={(offer.region, offer.type.name): _cap(old) for offer in way.offers},
        tags=tags,
        user_data=user_data,
        profile=old.instance.profile,
        disks=data,
        besides=frozenset(part.id for part in (old.request, old.instance) if part),
    )


def _cap(old: Box) -> Decimal | None:
    return old.max_price if old.market == "spot" else None


def _as_was(disk: ImageDisk, disks: dict[str | None, Volume]) -> ImageDisk:
    """A disk of the image with the size and type that its volume has now."""
    was = disks.get(disk.device)
    return replace(disk, size_gib=max(disk.size_gib, was.size_gib), type=was.type) if was else disk


def _key(app: App, scene: Scene, old: Box, region: str) -> MakeKey:
    """The box's key pair: the one that is in the region already, else its public half from this machine or from EC2."""
    assert old.instance  # noqa: S101
    name = old.instance.key_name or ""
    here = [key for sight in scene.sights if sight.region == region for key in sight.keys if key.name == name]
    if here:
        return MakeKey(region, name, "", here[0].tags)
    for path in sorted(app.places.keys.glob("*.pub")):
        try:
            line = path.read_text(encoding="utf-8").strip()
            if key_fingerprint(line) == name.rsplit("-", 1)[-1]:
                return new_key(region, old.owner, line)
        except (OSError, UnicodeDecodeError, UsageError):
            continue
    line = app.cloud.public_key(old.region, name)
    if not line:
        raise SpotboxError(
            f"the public half of key pair {safe(name)} is neither on this machine nor shown by AWS",
            f"Put it into {app.places.keys} as a .pub file, and run the same command again.",
        )
    return replace(new_key(region, old.owner, line), name=name)
