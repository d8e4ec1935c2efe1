"""In which region a job is: as for boxes, and on an instance that works as its own role, the instance's."""

from collections.abc import Mapping

import click

from spotbox.app import DEFAULT_REGION, App
from spotbox.core.errors import SpotboxError
from spotbox.core.regions import NOT_ENABLED, check_region, enabled_regions
from spotbox.options import OWNER, chosen_region, flag

_MAY_NOT = ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException")
whose_job_option = flag(
    "--owner", type=OWNER, metavar="NAME", help="Whose job it is; default: the name of your AWS identity."
)


def job_region(ctx: click.Context, app: App, value: str | None) -> str:
    """The region in force: flag, environment, pool or config file, AWS profile, the instance we run on, us-east-1.

    UsageError for one that does not exist, exit 5 for one that is not enabled.
    """
    chosen = chosen_region(ctx, value, app.sandbox)
    name = chosen or app.cloud.default_region() or app.cloud.instance_region() or DEFAULT_REGION
    known = _known(app)
    if known and known.get(name, NOT_ENABLED) == NOT_ENABLED:
        known = _known(app, refresh=True)  # what was kept may be older than the region, or than its being enabled
    return check_region(name, known) if known else name


def every_region(app: App) -> list[str]:
    """The regions that this account can use; none where that may not be asked."""
    return enabled_regions(_known(app))


def _known(app: App, refresh: bool = False) -> Mapping[str, str]:
    """Every region with its opt-in status; empty where EC2 may not be asked, as by a policy that is for jobs alone."""
    try:
        found: Mapping[str, str] = app.cloud.known_regions(refresh)
    except SpotboxError as error:
        if error.code not in _MAY_NOT:
            raise
        return {}
    return found
