"""The market of a World as the Cloud's survey and history tell it."""

from datetime import timedelta
from decimal import Decimal

from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.market import Age, Change, Quotes
from spotbox.core.offers import is_named
from spotbox.core.records import SpotPrice
from spotbox.core.text import did_you_mean

PAST = "DescribeSpotPriceHistory of the past"  # for tests that refuse one and not the other


def _check(world, wanted):
    for name in wanted:
        if not any(is_named(known, [name]) for known in world.types):
            raise UsageError(f"there is no instance type {name}{did_you_mean(name, world.types)}", "Look at the names.")


def _asked(world, regions, action="DescribeSpotPriceHistory"):
    """The regions that answer, and why the others do not."""
    answered, failed = [], {}
    for region in regions:
        try:
            world.meets(action, region)
            answered.append(region)
        except SpotboxError as error:
            failed[region] = error
    if not answered:
        denied = all(error.exit_code is Exit.DENIED for error in failed.values())
        why = "; ".join(f"{region}: {error.message}" for region, error in failed.items())
        raise SpotboxError(f"no region could be asked: {why}", "", Exit.DENIED if denied else Exit.FAILED)
    return answered, failed


def survey(world, regions, wanted, refresh, show):
    """Spot prices now of the wanted types, with what the World knows beside them."""
    _check(world, wanted)
    answered, failed = _asked(world, regions)
    show(f"prices: {len(answered)} of {len(regions)} regions")
    prices = [
        SpotPrice(name, region, zone, f"id-{zone}", usd, world.now() - timedelta(hours=1))
        for region in answered
        for (name, zone), usd in world.market.get(region, {}).items()
        if (is_named(name, wanted) if wanted else world.types[name].gpu)
    ]
    kept = () if refresh else ((("on-demand prices", world.demand_asked), ("interruption rates", world.feed_asked)))
    pairs = {(region, name) for region in answered for name in world.types}
    return Quotes(
        tuple(answered),
        tuple(prices),
        dict(world.types),
        {pair: world.demand[pair[1]] for pair in pairs if pair[1] in world.demand},
        {pair: world.interruption[pair[1]] for pair in pairs if pair[1] in world.interruption},
        failed,
        (world.feed_remark,) if world.feed_remark else (),
        tuple(Age(what, asked) for what, asked in kept if asked),
    )


def past(world, regions, wanted, start, keep):
    """The changes of the wanted pools a page at a time, the price in force at `start` included, the newest first."""
    _check(world, wanted)
    answered, failed = _asked(world, regions, PAST)
    for region in answered:
        pools = [p for p in world.market.get(region, {}) if not wanted or is_named(p[0], wanted)]
        for pool in pools:
            told = [
                Change(*pool, world.now() - timedelta(hours=ago), None if usd is None else Decimal(usd))
                for ago, usd in world.changes.get(pool, [(24 * 365, str(world.market[region][pool]))])
            ]
            before = [change for change in told if change.at <= start]
            inside = [change for change in told if change.at > start]
            keep(region, [*reversed(inside)])
            keep(region, before[-1:])
    return failed
