"""Which regions a command asks: those named, all, or the one in force; checked against what AWS has."""

from collections.abc import Mapping, Sequence

import click

from spotbox.app import DEFAULT_REGION, App
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.names import join_names
from spotbox.core.text import did_you_mean, safe
from spotbox.options import chosen_regions

ALL = "all"


def chosen(app: App, ctx: click.Context, values: Sequence[str], refresh: bool = False) -> tuple[str, ...]:
    """The regions to ask. UsageError for one that does not exist, exit 5 for one that is not enabled."""
    names = chosen_regions(ctx, values, app.sandbox) or (app.cloud.default_region() or DEFAULT_REGION,)
    known = app.cloud.known_regions(refresh)
    if ALL in names:
        return tuple(sorted(name for name, status in known.items() if status != "not-opted-in"))
    if not refresh and any(known.get(name, "not-opted-in") == "not-opted-in" for name in names):
        known = app.cloud.known_regions(True)  # what was kept may be older than the region, or than its being enabled
    for name in names:
        _check(name, known)
    return tuple(dict.fromkeys(names))


def _check(name: str, known: Mapping[str, str]) -> None:
    if name not in known:
        raise UsageError(
            f"{safe(name)!r} is not an AWS region{did_you_mean(name, [*known, ALL])}",
            f"Regions here: {', '.join(sorted(n for n, s in known.items() if s != 'not-opted-in'))}; or all.",
        )
    if known[name] == "not-opted-in":
        raise SpotboxError(
            f"region {name} is not enabled for this account",
            f"Enable it with: aws account enable-region --region-name {name}; or use another with -r.",
            Exit.DENIED,
        )


def enabled(app: App) -> list[str]:
    """The regions that this account can use, as AWS told within the last day."""
    return sorted(name for name, status in app.cloud.known_regions(False).items() if status != "not-opted-in")


def in_words(regions: Sequence[str]) -> str:
    """`us-east-1`, `us-east-1 and eu-west-1`, `17 regions`."""
    return join_names(list(regions)) if len(regions) <= 3 else f"{len(regions)} regions"
