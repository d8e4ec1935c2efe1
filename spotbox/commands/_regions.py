"""Which regions a command asks: those named, all, or the one in force; checked against what AWS has."""

from collections.abc import Sequence

import click

from spotbox.app import DEFAULT_REGION, App
from spotbox.core.names import join_names
from spotbox.core.regions import NOT_ENABLED, check_region, enabled_regions
from spotbox.options import chosen_regions

ALL = "all"


def chosen(
    app: App, ctx: click.Context, values: Sequence[str], refresh: bool = False, words: Sequence[str] = (ALL,)
) -> tuple[str, ...]:
    """The regions to ask. UsageError for one that does not exist, exit 5 for one that is not enabled.

    `words` are what the command takes in place of a region.
    """
    names = chosen_regions(ctx, values, app.sandbox) or (app.cloud.default_region() or DEFAULT_REGION,)
    known = app.cloud.known_regions(refresh)
    if ALL in names:
        return tuple(enabled_regions(known))
    if not refresh and any(known.get(name, NOT_ENABLED) == NOT_ENABLED for name in names):
        known = app.cloud.known_regions(True)  # what was kept may be older than the region, or than its being enabled
    for name in names:
        check_region(name, known, words)
    return tuple(dict.fromkeys(names))


def enabled(app: App) -> list[str]:
    """The regions that this account can use, as AWS told within the last day."""
    return enabled_regions(app.cloud.known_regions(False))


def in_words(regions: Sequence[str]) -> str:
    """`us-east-1`, `us-east-1 and eu-west-1`, `17 regions`."""
    return join_names(list(regions)) if len(regions) <= 3 else f"{len(regions)} regions"
