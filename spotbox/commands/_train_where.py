"""In which region a job is: as for boxes, and on an instance that works as its own role, the instance's."""

import click

from spotbox.app import DEFAULT_REGION, App
from spotbox.options import OWNER, chosen_region, flag

whose_job_option = flag(
    "--owner", type=OWNER, metavar="NAME", help="Whose job it is; default: the name of your AWS identity."
)


def job_region(ctx: click.Context, app: App, value: str | None) -> str:
    """The region in force: flag, environment, pool or config file, AWS profile, the instance we run on, us-east-1.

    UsageError for one that does not exist, exit 5 for one that is not enabled.
    """
    chosen = chosen_region(ctx, value, app.sandbox)
    return app.check_region(chosen or app.cloud.default_region() or app.cloud.instance_region() or DEFAULT_REGION)
