"""A survey of the market: Spot prices of many regions and what is told beside them, asked side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from spotbox.aws import advisor
from spotbox.aws.facts import Facts
from spotbox.aws.prices import PAGE, changes, in_force, pages
from spotbox.aws.pricing import PriceList
from spotbox.aws.session import Aws
from spotbox.aws.wanted import Wanted
from spotbox.core.advisor import Feed
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.market import Age, Change, Quotes
from spotbox.core.records import SpotPrice
from spotbox.store import Store

SIDE_BY_SIDE = 64  # calls at once: each waits for the network, and there is one for each region and a few more
STREAMS = 4  # regions whose histories are read at once; each holds one page in memory
Show = Callable[[str], None]


def survey(
    aws: Aws,
    store: Store,
    regions: Sequence[str],
    given: Sequence[str] = (),
    *,
    refresh: bool = False,
    url: str = "",
    show: Show,
) -> Quotes:
    """The Spot prices in force in `regions` of the types `given` (names, wildcards; none: every accelerated type).

    Everything is asked at once, and then only what is missing. One region that fails is in `failed`; what is told
    beside prices and cannot be had is absent, with a remark. UsageError for what names no type, SpotboxError where no
    region has prices to tell (exit 5 where all refused).
    """
    facts, listed = Facts(aws, store, refresh), PriceList(aws, store, refresh)
    wanted = Wanted(given, _known(aws, regions[0], facts))
    tally = _Tally(len(regions), "prices", show)
    # us-east-1 has nearly every type; what it lacks is asked where it has a price.
    home = "us-east-1" if "us-east-1" in regions else regions[0]
    calls: list[Callable[[], Any]] = [lambda r=r: _now(aws, r, wanted, store.now(), tally) for r in regions]  # type: ignore[misc]
    calls += [lambda: advisor.rates(aws, store, url, refresh)]
    calls += facts.calls(home, wanted.given if wanted.everything or wanted.values() is None else wanted.values() or ())
    calls += listed.listing(dict.fromkeys(regions, wanted.names))
    answers: list[Any] = aws.parallel(calls, SIDE_BY_SIDE)
    failed = {r: a for r, a in zip(regions, answers, strict=False) if isinstance(a, SpotboxError)}
    if len(failed) == len(regions):
        raise _all_failed(failed)
    found: list[SpotPrice] = [
        price for answer in answers[: len(regions)] if isinstance(answer, list) for price in answer
    ]
    aws.parallel([*facts.missing(_places(found)), *listed.missing(_pairs(found))], SIDE_BY_SIDE)
    facts.save()
    listed.save()
    wanted.check([*facts.names, *(price.instance_type for price in found)])
    return _told(regions, failed, wanted, found, facts, listed, feed=answers[len(regions)])


def history(
    aws: Aws,
    store: Store,
    regions: Sequence[str],
    given: Sequence[str],
    start: datetime,
    keep: Callable[[str, Sequence[Change]], None],
    show: Show,
) -> dict[str, SpotboxError]:
    """Every price change from `start` to now, page by page to `keep`, never two calls of it at once.

    The regions that failed, and why. UsageError for what names no type.
    """
    wanted = Wanted(given, _known(aws, regions[0], Facts(aws, store)))
    tally, turn, seen = _Tally(len(regions), "price history", show), threading.Lock(), set[str]()

    def read(region: str) -> None:
        client = aws.client("ec2", region, brisk=True)
        for rows in pages(client, region, start, MaxResults=PAGE, **_filters(wanted)):
            page = changes(rows, wanted.matches)
            with turn:
                seen.update(change.instance_type for change in page)
                keep(region, page)
        tally.one_more()

    answers = aws.parallel([lambda r=r: read(r) for r in regions], STREAMS)  # type: ignore[misc]
    failed = {r: a for r, a in zip(regions, answers, strict=True) if isinstance(a, SpotboxError)}
    if len(failed) < len(regions):
        wanted.check(seen)
    return failed


class _Tally:
    """The live line: how many regions have answered."""

    def __init__(self, total: int, what: str, show: Show):
        self._total, self._what, self._show = total, what, show
        self._count, self._lock = 0, threading.Lock()

    def one_more(self) -> None:
        with self._lock:
            self._count += 1
            self._show(f"{self._what}: {self._count} of {self._total} region{'s' if self._total > 1 else ''}")


def _known(aws: Aws, region: str, facts: Facts) -> set[str]:
    """The names of types that need no call: botocore's list and the store's."""
    enum = aws.client("ec2", region, brisk=True).meta.service_model.shape_for("InstanceType").enum
    return {*enum, *facts.names}


def _filters(wanted: Wanted) -> dict[str, Any]:
    values = wanted.values()
    return {} if values is None else {"Filters": [{"Name": "instance-type", "Values": values}]}


def _now(aws: Aws, region: str, wanted: Wanted, now: datetime, tally: _Tally) -> list[SpotPrice]:
    """The prices in force in one region."""
    client = aws.client("ec2", region, brisk=True)
    rows = [row for page in pages(client, region, now, **_filters(wanted)) for row in page]
    tally.one_more()
    return in_force(region, (row for row in rows if wanted.matches(row["InstanceType"])))


def _places(prices: Iterable[SpotPrice]) -> dict[str, str]:
    """Type -> a region that has a price of it, as few regions as a glance finds."""
    found: dict[str, str] = {}
    for price in prices:
        found.setdefault(price.instance_type, price.region)
    return found


def _pairs(prices: Iterable[SpotPrice]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((price.region, price.instance_type) for price in prices))


def _all_failed(failed: Mapping[str, SpotboxError]) -> SpotboxError:
    """The error of a survey that no region answered: the first one's, which is mostly everyone's."""
    errors = list(failed.values())
    denied = all(error.exit_code == Exit.DENIED for error in errors)
    first = errors[0] if denied else next(error for error in errors if error.exit_code != Exit.DENIED)
    said = first.message if len(errors) == 1 else f"no region gave its prices: {first.message}"
    return SpotboxError(said, first.hint, Exit.DENIED if denied else Exit.FAILED, first.code)


def _told(
    regions: Sequence[str],
    failed: Mapping[str, SpotboxError],
    wanted: Wanted,
    found: Sequence[SpotPrice],
    facts: Facts,
    listed: PriceList,
    feed: Feed,
) -> Quotes:
    types = facts.known({price.instance_type for price in found} | set(wanted.names))
    # A family's wildcard may catch a type without an accelerator; what is not known is shown, not judged.
    plain = {name for name, one in types.items() if wanted.everything and one.gpu is None}
    prices = tuple(price for price in found if price.instance_type not in plain)
    types = {name: one for name, one in types.items() if name not in plain and wanted.matches(name)}
    pairs = _pairs(prices)
    on_demand, asked = listed.prices(pairs)
    interruption = {pair: rate[0] for pair in pairs if (rate := feed.rate(*pair))}
    remarks = [feed.remark] if feed.remark else []
    if listed.remark and any(pair not in on_demand for pair in pairs):
        remarks.append(f"on-demand prices are unknown: {listed.remark}")
    if facts.remark and any(name not in types for _, name in pairs):
        remarks.append(f"what instance types have is unknown: {facts.remark}")
    ages = [
        Age("on-demand prices", asked) if asked else None,
        Age("interruption rates", feed.asked) if feed.asked and interruption else None,
        Age("instance types", since) if (since := facts.asked({name for _, name in pairs})) else None,
    ]
    return Quotes(
        tuple(region for region in regions if region not in failed),
        prices,
        types,
        on_demand,
        interruption,
        failed,
        tuple(remarks),
        tuple(age for age in ages if age),
    )
