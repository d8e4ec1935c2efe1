"""spotbox audit: what exists of spotbox's and is no part of a healthy box, what it bills, and what removes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import click

from spotbox.app import App, get_app
from spotbox.commands._bills import find_rates
from spotbox.commands._remove import Tally, carry_out, patiently
from spotbox.commands._table import put_table
from spotbox.core.audit import audit as judge
from spotbox.core.audit import plan_fix
from spotbox.core.billing import Rates
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.findings import KEYS, LOTS, TRACE, Finding, Survey
from spotbox.core.names import check_owner, join_names
from spotbox.core.report import number
from spotbox.core.text import as_typed, plural, safe
from spotbox.core.units import show_usd
from spotbox.core.waiting import Look, wait
from spotbox.options import Command, flag, output_option, region_option, typed, yes_option
from spotbox.output import Column, to_csv, to_json

COLUMNS = (
    Column("kind", "kind"),
    Column("id", "id"),
    Column("region", "region", rank=1),
    Column("name", "name", rank=2, words=True),
    Column("owner", "owner", rank=3, words=True),
    Column("$/month", "price", right=True),
    Column("why", "why", words=True),
    Column("remedy", "remedy", rank=4),
)
GONE_WAIT = 60  # seconds in which AWS stops showing what was removed


@dataclass(frozen=True)
class Seen:
    """One look: the findings, with what was surveyed, the prices, and the regions that could not be seen."""

    findings: tuple[Finding, ...]
    surveys: tuple[Survey, ...] = ()
    failed: dict[str, SpotboxError] = field(default_factory=dict)
    rates: Rates = Rates()  # noqa: RUF009 - frozen and empty

    @property
    def bills(self) -> int:
        """How many rows are a reason for exit 6."""
        return sum(f.bills(self.rates) for f in self.findings) + len(self.failed)


@click.command(cls=Command)
@flag("--fix", is_flag=True, help="Remove what is shown: asks for each kind, then looks again.")
@region_option
@flag("--owner", metavar="NAME", help="Whose; `all` for everyone's. Default: the name of your AWS identity.")
@yes_option
@output_option("table", "json", "csv")
@click.pass_context
def audit(ctx: click.Context, fix: bool, region: str | None, owner: str | None, yes: bool, output: str) -> None:
    """Show all of spotbox's that is part of no healthy box, in every region: what it bills, and what removes it.

    Exit code 6 while something of it bills, or a region could not be looked at. Volumes kept by `down --keep-data` are
    shown and never removed, and are no reason for exit code 6.

    --fix tags again what lost its tags and removes the rest, after asking for each kind; run it while no `up` is under
    way. A box's standing request is left to `up` and `down`. What bears only spotbox's key or group and no tags may be
    somebody else's: it is asked for by itself, and -y leaves it. -y with `--owner all` is refused: name the owner.

    \b
    spotbox audit
    spotbox audit --fix -y
    spotbox audit --owner all -o json
    """
    if fix and yes and owner == "all":
        raise UsageError("--fix -y removes one owner's things, not everyone's", "Name the owner: --owner NAME.")
    app = get_app(ctx)
    whose = None if owner == "all" else app.owner(check_owner(owner) if owner else None)
    me = "" if whose is None or "owner" in typed(ctx) else whose
    place = app.named_region(ctx, region)
    regions = [place] if place else app.enabled_regions

    def look() -> Seen:
        return _look(app, regions, whose, me)

    seen = look()
    if fix and any(finding.steps for finding in seen.findings):
        seen = _fix(app, seen, whose, yes, look)
    _tell(app, seen, whose, output)


def _look(app: App, regions: Sequence[str], owner: str | None, me: str) -> Seen:
    """Everything in these regions, judged. SpotboxError where no region could be looked at."""
    app.progress.glance(f"looking in {plural(len(regions), 'region')}")
    found = patiently(app, lambda: app.cloud.survey(regions, owner))
    app.progress.done()
    if found.failed and not found.surveys:
        raise next(iter(found.failed.values()))
    fresh = app.system.now() - timedelta(seconds=app.settle)
    findings = tuple(finding for survey in found.surveys for finding in judge(survey, owner, me, fresh))
    rates = find_rates(
        app,
        [f.instance for f in findings if f.instance],
        [volume for f in findings for volume in f.volumes],
        [f.snapshot for f in findings if f.snapshot],
    )
    return Seen(findings, found.surveys, found.failed, rates)


def _fix(app: App, seen: Seen, owner: str | None, yes: bool, look: Callable[[], Seen]) -> Seen:
    """Ask for each kind, carry out the plan, and look until AWS shows no more of it."""
    chosen = _chosen(app, seen, owner, yes)
    plan, tally = plan_fix(chosen, seen.surveys), Tally()
    instances = [i for survey in seen.surveys for i in (*survey.sight.instances, *survey.traced)]
    carry_out(app, plan, tally, app.settle if _young(app, chosen) else 0.0, instances)
    for item in tally.removed:
        app.remark(f"removed {item['kind']} {item['id']} ({item['region']})")
    if not plan:
        return seen
    gone = {item["id"] for item in tally.removed}

    def again() -> Look[Seen]:
        now = look()
        left = [finding.id for finding in now.findings if finding.id in gone]
        return Look(now, not left, f"waiting for AWS to show {join_names(left)} no more")

    last = wait(again, GONE_WAIT, app.system.sleep, app.system.monotonic, app.progress.show).value
    app.progress.done()
    return last


def _young(app: App, findings: Sequence[Finding]) -> bool:
    fresh = app.system.now() - timedelta(seconds=app.settle)
    return any(f.instance and f.instance.launched and f.instance.launched > fresh for f in findings)


def _chosen(app: App, seen: Seen, owner: str | None, yes: bool) -> list[Finding]:
    """What the user wants fixed, kind by kind. Without a terminal -y must say so, but in the sandbox."""
    chosen: list[Finding] = []
    if not yes and not app.prompts.possible:
        if not app.sandbox:
            raise app.prompts.refuse("-y")
        app.remark("no terminal to ask on: taking the defaults, as this is the sandbox")
    for lot, verb in LOTS.items():
        asked = [finding for finding in seen.findings if finding.lot == lot and finding.steps]
        if not asked:
            continue
        for step in plan_fix(asked, ()):
            app.remark(f"  - {step}", hang=4)
        default = lot != TRACE and owner is not None
        owners = sorted({f.owner or "nobody known" for f in asked})
        question = f"{verb} ({plural(len(asked), 'thing')} of {safe(join_names(owners))})?"
        if app.prompts.possible and not yes:
            wanted = app.prompts.confirm(question, default, "-y")
        else:
            wanted = default
        if wanted:
            chosen += asked
        else:
            app.remark(f"left as it is: {join_names([finding.id for finding in asked])}")
    return chosen


def _records(app: App, seen: Seen) -> list[dict[str, Any]]:
    """The rows of the contract; a region that could not be seen is one."""
    words = app.options.words
    rows = [
        (f.kind, f.id, f.region, f.name, f.owner, f.why, number(f.usd(seen.rates)), as_typed(f.remedy, words))
        for f in seen.findings
    ]
    rows += [
        ("region", region, region, None, None, f"not seen: {error.message}", None,
         as_typed(f"spotbox audit -r {region}", words))
        for region, error in seen.failed.items()
    ]  # fmt: skip
    return [dict(zip(KEYS, row, strict=True)) for row in rows]


def _tell(app: App, seen: Seen, owner: str | None, output: str) -> None:
    """Print the rows; exit 6 while one of them bills."""
    for region, error in seen.failed.items():
        app.remark(f"could not look in {region}: {error.message}")
    rows = _records(app, seen)
    if output == "json":
        click.echo(to_json(rows))
    elif output == "csv":
        click.echo(to_csv(rows, KEYS))
    elif rows:
        shown = [[*(row[key] for key in KEYS[:5]), _month(row), row["why"], row["remedy"]] for row in rows]
        if "remedy" in put_table(app, shown, COLUMNS):  # commands are to be copied, so they stand below, unbroken
            click.echo("\n".join(["", "what removes it:", *dict.fromkeys(f"  {safe(row[-1])}" for row in shown)]))
    else:
        has = "nobody has anything" if owner is None else f"{safe(owner)} has nothing"
        app.remark(f"nothing is left over: {has} outside of healthy boxes")
    if seen.bills:
        known = sum((f.usd(seen.rates) or Decimal(0) for f in seen.findings if f.bills(seen.rates)), Decimal(0))
        raise SpotboxError(
            f"{plural(seen.bills, 'thing')} outside of healthy boxes: {show_usd(known, 2)}/month as far as known",
            "Each row names what removes it; `spotbox audit --fix` removes what it may.",
            Exit.STILL_BILLS,
        )


def _month(row: dict[str, Any]) -> str:
    usd = row["usd_per_month"]
    return "unknown" if usd is None else show_usd(Decimal(str(usd)), 2)
