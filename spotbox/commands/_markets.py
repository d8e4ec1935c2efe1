"""The markets of several regions as one: what is offered where, and the ground that a launch stands on in each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from spotbox.app import App
from spotbox.commands._choose import Market, survey
from spotbox.commands._inputs import Asked
from spotbox.commands._pools import pool_tag
from spotbox.core.errors import SpotboxError
from spotbox.core.hunt import in_order
from spotbox.core.market import Age
from spotbox.core.plans import new_group, new_key
from spotbox.core.records import Rule
from spotbox.core.wishes import Ground


def survey_regions(app: App, asked: Asked) -> dict[str, Market]:
    """The market of each region that was asked for, in that order.

    One region of several that cannot serve (no default VPC, not this type or image, no permission) is left out with a
    remark; SpotboxError where none is left.
    """
    calls = [partial(survey, app, region, asked.ami, asked.types, asked.subnet, asked.spot) for region in asked.regions]
    answers = dict(zip(asked.regions, app.cloud.together(calls), strict=True))
    return leave_out(app, answers)


def leave_out(app: App, answers: Mapping[str, Market | SpotboxError]) -> dict[str, Market]:
    """The regions that answered; a remark for each other, or the first one's error where all failed."""
    errors = {region: answer for region, answer in answers.items() if isinstance(answer, SpotboxError)}
    if errors and len(errors) == len(answers):
        raise next(iter(errors.values()))
    for region, error in errors.items():
        app.remark(f"{region} is left out: {error.message}")
    return {region: answer for region, answer in answers.items() if isinstance(answer, Market)}


def merged(markets: Mapping[str, Market]) -> Market:
    """All of them as one: offers of every region, cheapest first; image and what else is one region's are the first's.

    Zones bear their region in their name, so their subnets do not clash.
    """
    first, *rest = markets.values()
    if not rest:
        return first
    every = (first, *rest)
    return replace(
        first,
        types={name: kind for market in reversed(every) for name, kind in market.types.items()},
        offers=in_order((offer for market in every for offer in market.offers), spot=first.spot),
        subnets={zone: subnet for market in every for zone, subnet in market.subnets.items()},
        remarks=tuple(dict.fromkeys(remark for market in every for remark in market.remarks)),
        interruption={name: rate for market in reversed(every) for name, rate in market.interruption.items()},
        ages=_oldest(age for market in every for age in market.ages),
    )


def _oldest(ages: Iterable[Age]) -> tuple[Age, ...]:
    """Of each kind of figure the oldest."""
    found: dict[str, Age] = {}
    for age in ages:
        found[age.what] = min(found.get(age.what, age), age, key=lambda each: each.asked)
    return tuple(found.values())


def grounds(
    markets: Mapping[str, Market],
    regions: Sequence[str],
    asked: Asked,
    owner: str,
    public_key: str,
    rules: tuple[Rule, ...],
    ended: Mapping[str, int],
) -> dict[str, Ground]:
    """The ground of each of `regions`; an empty `public_key` stands for one that a dry run does not make."""
    tags = {**dict(asked.tags), **pool_tag(asked.pool)}
    return {
        region: Ground(
            region,
            markets[region].image,
            markets[region].subnets,
            new_key(region, owner, public_key),
            new_group(region, markets[region].vpc_id, asked.name, owner, rules, tags),
            ended.get(region, 0),
        )
        for region in regions
    }
