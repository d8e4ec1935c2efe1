"""Make a box where there is none: check, ask, show, ask once, then carry the plan out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from spotbox.app import App
from spotbox.aws.errors import unknown_outcome
from spotbox.commands import _choose as choose
from spotbox.commands._arrive import Died, arrive
from spotbox.commands._connect import remember_key
from spotbox.commands._find import again, look
from spotbox.commands._inputs import Asked, admitted, read_key, read_user_data
from spotbox.commands._limits import NewLimits, idle_tag
from spotbox.core.boxes import Box, gather
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.images import login_user
from spotbox.core.names import group_name, key_fingerprint, key_name
from spotbox.core.plans import plan_down, plan_new
from spotbox.core.prices import savings_pct
from spotbox.core.states import LIVE, State
from spotbox.core.steps import Launch, Plan, Wish
from spotbox.core.units import Bid, show_usd


@dataclass(frozen=True)
class Made:
    """What came of it: the box (None for a dry run), the plan, and the flags with the answers filled in."""

    box: Box | None
    plan: Plan
    asked: Asked


def make_new(app: App, owner: str, asked: Asked, ask: bool) -> Made:
    """Make the box, or with --dry-run only its plan. SpotboxError where the user said no."""
    user_data = read_user_data(asked)
    app.system.need_ssh()
    rules = admitted(app, asked)
    market, asked = preflight(app, asked, ask)
    if ask:
        asked, market = questions(app, asked, market)
    wish = decide(app, owner, asked, market, user_data)
    key = read_key(asked, app)
    wish = replace(wish, key_name=key_name(owner, key_fingerprint(key.public) if key.public else "new"))
    plan = plan_new(wish, key.public, rules, generation(app, wish), app.cloud.spot_role_exists() is False)
    limits = NewLimits(app, asked)
    show_summary(app, wish, market, plan)
    limits.announce()
    if asked.dry_run:
        return Made(None, plan, asked)
    if ask and not app.prompts.confirm("Go ahead?", True, "-y"):
        raise SpotboxError("nothing was made, as you said")
    if asked.key and key.private:
        remember_key(app, key.public, key.private)
    return Made(limits.set(carry_out(app, plan, asked.wait, limits)), plan, asked)


def preflight(app: App, asked: Asked, ask: bool) -> tuple[choose.Market, Asked]:
    """All that can be checked before the first question: network, image, types, quota."""
    market = choose.survey(app, asked.region, asked.ami, asked.types, asked.subnet)
    choose.check_fit(market, asked.types)
    for remark in market.remarks:
        app.remark(remark)
    if asked.disk is not None and asked.disk < market.image.size_gib:
        raise UsageError(
            f"the image needs a disk of at least {market.image.size_gib} GiB, not {asked.disk}",
            f"Give --disk-size {market.image.size_gib} or more.",
        )
    if asked.subnet and asked.zones and not set(asked.zones) & set(market.subnets):
        raise UsageError(f"subnet {asked.subnet} is not in {', '.join(asked.zones)}", "Leave out -z or --subnet.")
    names = asked.types or choose.suitable(market, asked.gpu, asked.min_vram)
    named = asked.types or ([*names] if asked.gpu or asked.min_vram else [choose.default_type(market, names)])
    choose.pools(market, named, asked.zones, by_price=not asked.types)
    # Who will be asked may still choose any type: it is too early to refuse while one of them fits the quota.
    open_to = names if ask and not asked.types else named
    choose.check_quota(app, asked.region, [market.types[name] for name in open_to])
    if app.cloud.spot_role_exists() is False:
        app.remark("the account has no Spot service-linked role yet; it will be made (free, once per account)")
    return market, asked


def questions(app: App, asked: Asked, market: choose.Market) -> tuple[Asked, choose.Market]:
    """Ask what no flag answered."""
    if "region" not in asked.given:
        rows = [(name, name) for name in app.enabled_regions]
        region = app.prompts.choose("Region", rows, asked.region, "-r")
        if region != asked.region:
            market, asked = preflight(app, replace(asked, region=region), True)
    if not asked.types:
        names = choose.suitable(market, asked.gpu, asked.min_vram)
        asked = replace(asked, types=(choose.ask_type(app, market, names),))
        choose.check_quota(app, asked.region, [market.types[asked.types[0]]])
    if not asked.zones and not asked.subnet and len(asked.types) == 1:
        asked = replace(asked, zones=tuple(choose.ask_zone(app, market, asked.types[0])))
    if asked.bid is None:
        asked = replace(asked, bid=choose.ask_bid(app))
    if asked.disk is None:
        asked = replace(asked, disk=choose.ask_disk(app, market.image.size_gib))
    return asked, market


def decide(app: App, owner: str, asked: Asked, market: choose.Market, user_data: str) -> Wish:
    """The wish with every default decided."""
    if asked.types:
        types: Sequence[str] = asked.types
    else:
        names = choose.suitable(market, asked.gpu, asked.min_vram)
        types = names if asked.gpu or asked.min_vram else [choose.default_type(market, names)]
    offers = choose.pools(market, types, asked.zones, by_price=not asked.types)
    bid = asked.bid or Bid()
    user = asked.user or login_user(market.image)
    if not user:
        raise UsageError(f"the login of image {market.image.id} is unknown", "Give it with --ssh-user.")
    return Wish(
        name=asked.name,
        owner=owner,
        region=asked.region,
        image=market.image,
        user=user,
        disk_gib=asked.disk or max(choose.DEFAULT_DISK, market.image.size_gib),
        disk_type=asked.disk_type,
        key_name="",
        vpc_id=market.vpc_id,
        group_name=group_name(asked.name, owner),
        offers=offers,
        subnets=market.subnets,
        bids={offer.type.name: bid.against(offer.on_demand) for offer in offers},
        tags=dict(asked.tags) | idle_tag(asked),
        user_data=user_data,
        profile=asked.profile,
    )


def generation(app: App, wish: Wish) -> int:
    """How many launches of this name AWS still lists as ended: the next token after theirs.

    A repeat after a crash counts the same, and so asks with the same token.
    """
    seen = app.cloud.observe([wish.region], wish.owner, wish.name)
    if seen.failed:
        raise seen.failed[wish.region]
    parts = gather(seen.sights[0]).get((wish.owner, wish.name))
    return sum(r.state not in LIVE for r in parts.requests) if parts else 0


def show_summary(app: App, wish: Wish, market: choose.Market, plan: Plan) -> None:
    """What will be made, $/h now, at most, $/day and the disk's $/month, before anything is asked or made."""
    best = wish.offers[0]
    kind = best.type
    bid = wish.bids[kind.name]
    most = bid if bid is not None else best.on_demand
    saved = savings_pct(best.on_demand, best.spot)
    gib_month = app.cloud.disk_price(wish.region, wish.disk_type)
    disk_month = gib_month * wish.disk_gib if gib_month is not None else None
    gpu = f"{kind.gpu_count.normalize():f}x {kind.gpu}, {kind.gpu_memory_gib:.0f} GiB; " if kind.gpu else ""
    zones = list(dict.fromkeys(offer.zone for offer in wish.offers))
    rows = [
        ("box", f"{wish.name} (owner {wish.owner})"),
        ("type", f"{kind.name} ({gpu}{kind.vcpus} vCPU, {kind.memory_gib.normalize():f} GiB)"),
        ("where", f"{zones[0]}" + (f", else {', '.join(zones[1:])}" if zones[1:] else "")),
        ("image", f"{wish.image.name} ({wish.image.id}), login {wish.user}"),
        ("disk", f"{wish.disk_gib} GiB {wish.disk_type}, encrypted: {_month(disk_month)} while it exists"),
        (
            "price now",
            f"{show_usd(best.spot)}/h Spot, {show_usd(best.on_demand)}/h on-demand"
            + (f", savings {saved:.2f} %" if saved is not None else ""),
        ),
        (
            "at most",
            f"{show_usd(most)}/h "
            + ("(your maximum)" if bid is not None else "(no cap of your own: AWS caps Spot at on-demand)"),
        ),
        ("per day", f"{show_usd(best.spot * 24 if best.spot else None, 2)} at the price now"),
    ]
    for label, text in rows:
        app.remark(f"  {label:<10} {text}")
    if bid is not None and best.spot is not None and bid < best.spot:
        app.remark(
            f"  note       your maximum is below the Spot price ({show_usd(best.spot)}): AWS will refuse until it falls"
        )
    app.remark("This will:")
    for step in plan:
        app.remark(f"  - {step}")


def _month(usd: Decimal | None) -> str:
    return f"{show_usd(usd, 2)}/month" if usd is not None else "price unknown"


def carry_out(app: App, plan: Plan, wait: float, limits: NewLimits) -> Box:
    """Apply the plan and wait until the box answers. A refusal leaves nothing behind; Ctrl-C says what is there."""
    wish = next(step.wish for step in plan if isinstance(step, Launch))
    here = Box(wish.name, wish.owner, wish.region, State.STARTING, "", None, None)
    launched = None
    try:
        launched = _launch(app, plan, wait)
        where = launched.offer.zone if launched.offer else wish.region
        app.progress.done(f"AWS accepted: {launched.instance_id or 'an earlier launch of this box'} in {where}")
        seen = _with_instance(app, here, launched.instance_id)
        limits.try_set(seen)
        return arrive(app, seen)
    except SpotboxError as error:
        app.progress.done()
        if isinstance(error, Died) or (launched is None and error.code and not unknown_outcome(error)):
            clean_up(app, here)  # AWS refused, so it is certain that nothing is to come
        elif launched is None:
            tell_what_is_there(app, here)  # no refusal, perhaps no answer at all: the launch may have happened
        raise
    except KeyboardInterrupt:
        app.progress.done()
        tell_what_is_there(app, here)
        raise


def _launch(app: App, plan: Plan, wait: float) -> Any:
    """Apply the steps; what AWS accepted (aws.launch.Launched)."""
    launched = None
    for step in plan:
        app.progress.show(str(step))
        if isinstance(step, Launch):
            launched = app.cloud.launch(step, wait, app.progress.show)
        else:
            app.cloud.apply(step, app.progress.show)
    return launched


def _with_instance(app: App, box: Box, instance_id: str | None) -> Box:
    seen = again(app, box)
    if seen is None or instance_id is None:
        return seen or box
    launched = next((i for i in seen.instances if i.id == instance_id), None)
    return replace(seen, instance=launched or seen.instance)


def clean_up(app: App, box: Box) -> None:
    """After a refusal: cancel stray open requests, and take away the group, and the key if nothing else needs it."""
    try:
        seen = look(app, [box.region], box.owner)
        found = {name: parts for (whose, name), parts in gather(seen.sights[0]).items() if whose == box.owner}
        mine = found.get(box.name)
        if mine and any(i.state in ("pending", "running", "stopping", "stopped") for i in mine.instances):
            return
        # Where this box is all there is, the key goes too, even if not so much as a group was made.
        only = set(found) <= {box.name}
        for step in plan_down(seen.sights, box.owner, None if only else [box.name]):
            app.cloud.apply(step, app.progress.show)
    except SpotboxError as error:
        app.remark(f"could not clean up: {error.message}; run: spotbox down {box.name}")
    app.progress.done()


def tell_what_is_there(app: App, box: Box) -> None:
    """What an `up` that was cut off leaves behind, as AWS shows it now."""
    app.remark("cut off; looking at what AWS has of it")
    try:
        seen = again(app, box)
    except SpotboxError as error:
        app.remark(f"that could not be seen ({error.message}): run `spotbox status`, something may bill")
        return
    request = seen.request if seen else None
    if seen is None or (request is None and seen.instance is None):
        app.remark(
            f"no Spot request of {box.name} is shown yet; to be sure nothing bills, run: spotbox down {box.name}"
        )
        return
    ids = " and ".join(part.id for part in (seen.request, seen.instance) if part)
    app.remark(f"{ids} exist and bill; go on with `spotbox up {box.name}`, remove with `spotbox down {box.name}`")


def report_lines(app: App, box: Box, record: dict[str, Any]) -> list[str]:
    """What a finished `up` prints."""
    price = show_usd(box.spot)
    saved = f", {record['savings_pct']:.2f} % under on-demand" if record["savings_pct"] is not None else ""
    return [
        f"{box.name} is up: {box.instance_type} in {box.zone}, {price}/h on Spot{saved}",
        f"  a shell on it       spotbox ssh {box.name}",
        f"  pause, keep disk    spotbox stop {box.name}",
        f"  remove it           spotbox down {box.name}",
    ]
