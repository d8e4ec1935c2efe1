"""Make a box where there is none: check, ask, show, ask once, then carry the plan out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from spotbox.app import App
from spotbox.commands import _ask
from spotbox.commands import _choose as choose
from spotbox.commands._bid import Held, held_by
from spotbox.commands._carry import Carried, carry_out
from spotbox.commands._checks import check_here
from spotbox.commands._connect import remember_key
from spotbox.commands._data import data_of, data_tag, grown
from spotbox.commands._inputs import Asked, admitted, read_key, read_user_data
from spotbox.commands._limits import NewLimits, idle_tag
from spotbox.commands._markets import grounds, leave_out, merged, survey_regions
from spotbox.commands._pools import admit, pool_tag, yield_place
from spotbox.commands._regions import enabled
from spotbox.commands._summary import show_summary
from spotbox.commands._survey import tell_ages
from spotbox.commands._userdata import box_user_data
from spotbox.core.boxes import Box
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.images import login_user
from spotbox.core.plans import plan_new, plan_park
from spotbox.core.records import Offer
from spotbox.core.units import Bid
from spotbox.core.wishes import Ground, Wish


@dataclass(frozen=True)
class Made:
    """What came of it: the box (None for a dry run), what was to be done, and the flags with the answers filled in."""

    box: Box | None
    told: tuple[str, ...]  # a sentence for each step
    asked: Asked
    gpus: Mapping[str, str] = field(default_factory=dict)  # type -> its accelerator, where it is known already


def make_new(app: App, owner: str, asked: Asked, ask: bool, ended: Mapping[str, int]) -> Made:
    """Make the box, or with --dry-run only its plan. SpotboxError where the user said no.

    `ended`: how many launches of this name AWS still lists as ended, by region. The next token follows theirs; a
    repeat after a crash counts the same, and so asks with the same token.
    """
    user_data = read_user_data(asked)
    check_here(app)
    admit(app, asked.pool, owner, asked.name)
    rules = admitted(app, asked)
    role = app.cloud.spot_role_exists()
    markets, asked = preflight(app, asked, ask)
    held = None
    if ask:
        asked, markets, held = questions(app, asked, markets)
    market = merged(markets)
    offers, spot = within_room(app, asked, markets, candidates(app, asked, market, markets))
    if role is False and spot:
        app.remark("the account has no Spot service-linked role yet; it will be made (free, once per account)")
    key = read_key(asked, app)
    regions = list(dict.fromkeys(offer.region for offer in offers))
    wish = decide(owner, asked, market, offers, user_data, grounds(markets, regions, asked, owner, key.public, rules,
                                                                   ended))  # fmt: skip
    new = plan_park(wish, role is False) if asked.park else plan_new(wish, role is False, asked.fallback, spot)
    plan = (*grown(asked), *new)
    limits = NewLimits(app, asked)
    show_summary(app, wish, market, asked, held, spot)
    told = (*map(str, plan), *limits.sentences)
    _announce(app, told)
    if asked.dry_run:
        return Made(None, told, asked)
    if ask and not app.prompts.confirm("Go ahead?", True, "-y"):
        raise SpotboxError("nothing was made, as you said")
    if asked.key and key.private:
        remember_key(app, key.public, key.private)
    carried = carry_out(
        app, plan, asked.wait, limits, ask, partial(yield_place, app, asked.pool, asked.kept is not None)
    )
    return Made(_priced(carried), told, asked, {name: kind.gpu for name, kind in market.types.items() if kind.gpu})


def _announce(app: App, told: Sequence[str]) -> None:
    app.remark("This will:")
    for sentence in told:
        app.remark(f"  - {sentence}", hang=4)


def _priced(carried: Carried) -> Box:
    """With the prices of the summary, where they were read a moment ago; not where another launch's box stands."""
    box, pool = carried.box, carried.pool
    if pool is None or (box.instance_type, box.zone) != (pool.type.name, pool.zone):
        return box
    return replace(box, spot=pool.spot, on_demand=pool.on_demand)


def preflight(app: App, asked: Asked, ask: bool) -> tuple[dict[str, choose.Market], Asked]:
    """All that can be checked before the first question: network, image, types, quota; by region."""
    markets = survey_regions(app, asked)
    market = merged(markets)
    for each in markets.values():
        choose.check_fit(each, asked.types)
    for remark in (*market.remarks, *choose.in_gb(market, asked.gpu, asked.min_vram)):
        app.remark(remark)
    tell_ages(app, market.ages, "; `spotbox prices --refresh` asks anew")
    if asked.disk is not None and asked.disk < market.image.size_gib:
        raise UsageError(
            f"the image needs a disk of at least {market.image.size_gib} GiB, not {asked.disk}",
            f"Give --disk-size {market.image.size_gib} or more.",
        )
    if asked.subnet and asked.zones and not set(asked.zones) & set(market.subnets):
        raise UsageError(f"subnet {asked.subnet} is not in {', '.join(asked.zones)}", "Leave out -z or --subnet.")
    names = asked.types or choose.suitable(market, asked.gpu, asked.min_vram)
    named = wanted_types(asked, market)
    choose.pools(market, named, asked.zones, not asked.types, tuple(markets))
    # Who will be asked may still choose any type: it is too early to refuse while one of them fits the quota.
    open_to = names if ask and not asked.types else named
    return within_quota(app, markets, open_to, asked, ask), asked


def within_quota(
    app: App, markets: Mapping[str, choose.Market], names: Sequence[str], asked: Asked, every: bool
) -> dict[str, choose.Market]:
    """The regions whose quota leaves one of these types room, with their quotas; `every`: of all these types.

    SpotboxError 4 where none has; all of them where the box may come on demand instead.
    """
    fitting = {region: [name for name in names if name in market.types] for region, market in markets.items()}
    known = {
        region: choose.with_quotas(app, market, fitting[region], every or asked.park)
        for region, market in markets.items()
    }

    def checked(region: str) -> choose.Market | SpotboxError:
        try:
            choose.check_quota(app, known[region], fitting[region])
        except SpotboxError as error:
            return error
        return known[region]

    answers = {region: checked(region) for region in markets}
    if asked.fallback and all(isinstance(answer, SpotboxError) for answer in answers.values()):
        return known
    return leave_out(app, answers)


def within_room(
    app: App, asked: Asked, markets: Mapping[str, choose.Market], offers: tuple[Offer, ...]
) -> tuple[tuple[Offer, ...], bool]:
    """The pools to try, and whether on Spot: a standing request takes those alone that the Spot quotas admit, a hunt
    finds out by asking. Where they admit none, on demand if that was asked for, else SpotboxError 4."""
    if not asked.spot:
        choose.check_quota(app, markets[offers[0].region], [offer.type.name for offer in offers])
        return offers, False
    room = choose.with_room(markets, offers)
    if room:
        return (room if asked.park else offers), True
    try:
        best = offers[0]
        choose.check_quota(app, markets[best.region], [best.type.name])
    except SpotboxError as error:
        if not asked.fallback:
            raise
        app.remark(f"{error.message}: Spot is not tried, and the box comes on demand, as asked")
    return offers, False


def wanted_types(asked: Asked, market: choose.Market) -> Sequence[str]:
    """The types to try: those named, those that --gpu and --min-vram admit, or the default one."""
    if asked.types:
        return asked.types
    names = choose.suitable(market, asked.gpu, asked.min_vram)
    return names if asked.gpu or asked.min_vram else [choose.default_type(market, names)]


def candidates(
    app: App, asked: Asked, market: choose.Market, markets: Mapping[str, choose.Market]
) -> tuple[Offer, ...]:
    """The pools to try, in their order; a remark for a region that has none."""
    offers = choose.pools(market, wanted_types(asked, market), asked.zones, not asked.types, tuple(markets))
    have = {offer.region for offer in offers}
    for region in markets:
        if region not in have:
            app.remark(f"{region} is left out: it has no pool of {', '.join(asked.types) or 'that type'} to try")
    return offers


def questions(
    app: App, asked: Asked, markets: dict[str, choose.Market]
) -> tuple[Asked, dict[str, choose.Market], Held | None]:
    """Ask what no flag answered; with the past of the pools where the maximum price was asked."""
    held = None
    if "region" not in asked.given:
        rows = [(name, name) for name in enabled(app)]
        region = app.prompts.choose("Region", rows, asked.region, "-r")
        if region != asked.region:
            markets, asked = preflight(app, replace(asked, regions=(region,)), True)
    market = merged(markets)
    if not asked.types:
        names = choose.suitable(market, asked.gpu, asked.min_vram)
        asked = replace(asked, types=(_ask.ask_type(app, market, names),))
        markets = within_quota(app, markets, asked.types, asked, True)
    if not asked.zones and not asked.subnet and len(asked.types) == 1 and len(markets) == 1:
        asked = replace(asked, zones=tuple(_ask.ask_zone(app, market, asked.types[0])))
    if asked.bid is None and asked.spot:
        tried = choose.pools(market, asked.types, asked.zones, False, tuple(markets))
        held = held_by(app, tried)
        asked = replace(asked, bid=_ask.ask_bid(app, held))
    if asked.disk is None:
        asked = replace(asked, disk=_ask.ask_disk(app, market.image.size_gib))
    if asked.idle_stop is None:
        asked = replace(asked, idle_stop=_ask.ask_idle(app))
    return asked, markets, held


def decide(
    owner: str,
    asked: Asked,
    market: choose.Market,
    offers: tuple[Offer, ...],
    user_data: bytes,
    stands: Mapping[str, Ground],
) -> Wish:
    """The wish with every default decided."""
    bid = asked.bid or Bid()
    user = asked.user or login_user(market.image)
    if not user:
        raise UsageError(f"the login of image {market.image.id} is unknown", "Give it with --ssh-user.")
    data = data_of(asked)
    return Wish(
        name=asked.name,
        owner=owner,
        user=user,
        disk_gib=asked.disk or max(choose.DEFAULT_DISK, market.image.size_gib),
        disk_type=asked.disk_type,
        offers=offers,
        grounds=stands,
        bids={(offer.region, offer.type.name): bid.against(offer.on_demand) for offer in offers},
        tags=dict(asked.tags) | idle_tag(asked) | data_tag(data) | pool_tag(asked.pool),
        pool=asked.pool.name if asked.pool else None,
        user_data=box_user_data(user, user_data, asked.checkpoints, data is not None),
        profile=asked.profile,
        data=data,
    )
