"""What is asked of the market by `prices`, and the answer with its remarks told."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from spotbox.app import App
from spotbox.commands._regions import in_words
from spotbox.core.errors import SpotboxError
from spotbox.core.filters import Narrowed, Wanted, narrow
from spotbox.core.market import Age, Quotes
from spotbox.core.names import join_names
from spotbox.core.offers import rows_of
from spotbox.core.text import safe
from spotbox.core.units import show_age


@dataclass(frozen=True)
class Query:
    """Where to ask, for what, and how much of it to show."""

    regions: tuple[str, ...]
    wanted: Wanted
    limit: int | None = None
    refresh: bool = False


def surveyed(app: App, query: Query) -> tuple[Quotes, Narrowed]:
    """The quotes and the rows of them that pass the filters. Regions that failed and whatever is unknown are told."""
    app.progress.glance(f"reading prices of {in_words(query.regions)}")
    quotes = app.cloud.market(query.regions, query.wanted.types, query.refresh, app.progress.glance)
    app.progress.done()
    tell_failed(app, quotes.failed)
    for remark in dict.fromkeys(quotes.remarks):
        app.remark(remark)
    found = narrow(rows_of(quotes), query.wanted, in_words(quotes.regions))
    for remark in found.remarks:
        app.remark(remark)
    return quotes, found


def tell_failed(app: App, failed: Mapping[str, SpotboxError]) -> None:
    """A line for each region that has no part in the answer."""
    for region, error in failed.items():
        app.remark(f"no prices of {safe(region)}: {error.message}")


def tell_ages(app: App, ages: Iterable[Age], refresh: str = "; --refresh asks anew") -> None:
    """One line with the age of every figure that was not asked just now, the oldest of each kind."""
    oldest: dict[str, Age] = {}
    for age in ages:
        seen = oldest.get(age.what)
        oldest[age.what] = age if seen is None or age.asked < seen.asked else seen
    alike: dict[str, list[str]] = {}  # what is equally old is told together
    for age in oldest.values():
        alike.setdefault(show_age(age.asked, app.system.now()), []).append(age.what)
    if alike:
        app.remark("; ".join(f"{join_names(whats)} {old}" for old, whats in alike.items()) + refresh)


def types_only(query: Query) -> Query:
    """The query less its maximum price and its limit."""
    return replace(query, wanted=replace(query.wanted, bid=None), limit=None)
