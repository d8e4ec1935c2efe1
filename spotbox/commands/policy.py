"""spotbox policy: the least IAM policy for a use, as JSON. Asks nothing of AWS and needs no credentials."""

import json

import click

from spotbox.app import get_app
from spotbox.core import policies
from spotbox.core.errors import UsageError
from spotbox.options import Command, Parsed, flag, typed
from spotbox.resources import template_path

ACCOUNT = Parsed("number", policies.parse_account)
ROLE = Parsed("role", policies.parse_role)
PLACE = Parsed("bucket/prefix", policies.parse_place)
DISK_KEY = Parsed("ARN", policies.parse_disk_key)
ONLY_FOR = {"iam_profile": "box", "disk_keys": "box", "role": "train"}


@click.command(cls=Command)
@click.argument("use", type=click.Choice(policies.USES))
@flag("--strict", is_flag=True, help="Allow changes only of what carries spotbox's tags; says what that gives up.")
@flag(
    "--document",
    type=click.Choice(policies.DOCUMENTS),
    default="user",
    show_default=True,
    help="Whose policy: yours, that of the role which the box or job takes, or who may take that role.",
)
@flag("--account", type=ACCOUNT, metavar="NUMBER", help="Limit it to this AWS account, 12 digits.")
@flag(
    "--bucket",
    "places",
    type=PLACE,
    multiple=True,
    metavar="BUCKET[/PREFIX]",
    help="Where in S3 checkpoints, code and results lie; repeatable.",
)
@flag(
    "--iam-profile",
    type=ROLE,
    metavar="NAME",
    help="For `box`: the role that boxes may be given; an instance profile usually has its role's name.",
)
@flag(
    "--disk-key",
    "disk_keys",
    type=DISK_KEY,
    multiple=True,
    metavar="ARN",
    help="For `box`: your own KMS key that the account encrypts EBS with; repeatable. AWS's own key takes none.",
)
@flag("--role", type=ROLE, metavar="NAME|ARN", help="For `train`: the role that jobs may be given.")
@click.pass_context
def policy(
    ctx: click.Context,
    use: str,
    strict: bool,
    document: str,
    account: str | None,
    places: tuple[tuple[str, str], ...],
    iam_profile: str | None,
    disk_keys: tuple[str, ...],
    role: str | None,
) -> None:
    """Print the least IAM policy for USE: looking at prices, boxes, or training jobs.

    It is taken as it stands by `aws iam create-policy --policy-document file://...`; remarks go to stderr.

    \b
    spotbox policy prices
    spotbox policy box --account 123456789012
    spotbox policy box --document role --bucket my-checkpoints/dev
    """
    for name, other in ONLY_FOR.items():
        if name in typed(ctx) and other != use:
            flag_name = name.rstrip("s").replace("_", "-")
            raise UsageError(f"--{flag_name} is for `spotbox policy {other}`", "Leave it out.")
    given = policies.Given(account, {"box": iam_profile, "train": role}.get(use), places, disk_keys)
    path = template_path("policy") / policies.template(use, document, strict)
    filled = policies.fill(json.loads(path.read_text()), use, given)
    click.echo(json.dumps(filled, indent=2))
    app = get_app(ctx)
    for remark in policies.remarks(use, document, strict, given, filled):
        app.remark(remark)
