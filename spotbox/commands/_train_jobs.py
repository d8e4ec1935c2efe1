"""The jobs that exist: `train status`, `train list` and `train stop`."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial

import click

from spotbox.app import App, get_app
from spotbox.commands._table import put_table
from spotbox.commands._train_follow import how
from spotbox.commands._train_over import finish, follow_to_end
from spotbox.commands._train_where import every_region, job_region, whose_job_option
from spotbox.commands._train_words import KEYS, STATUS_HANG, bill, record, rows, short_row, status_line
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.jobs import TrainingJob
from spotbox.core.names import NAME_TAG, OWNER_TAG
from spotbox.core.text import plural, safe, shell
from spotbox.core.training import check_job_name
from spotbox.core.units import exact_duration
from spotbox.core.waiting import Look, wait
from spotbox.options import DURATION, Command, Parsed, flag, output_option, region_option
from spotbox.output import Column, screen, to_csv, to_json, to_pairs
from spotbox.width import hung

JOB = Parsed("name", check_job_name)
STOP_WAIT = 30 * 60  # seconds: SIGTERM, 120 s, and the upload of what there is (API reference, StopTrainingJob)
SINCE, LIMIT = 30 * 86400, 20  # no job runs longer than 28 days
_COLUMNS = (
    Column("name", "name", words=True, late=True),
    Column("status", "status"),
    Column("type", "type", rank=2),
    Column("region", "region", rank=5),
    Column("made", "made", rank=3),
    Column("training\ns", "training seconds", right=True, rank=4),
    Column("billable\ns", "billable seconds", right=True, rank=6),
    Column("savings\n%", "savings", right=True, rank=1),
    Column("cost\n$", "cost", right=True),
)


def find_job(app: App, ctx: click.Context, name: str, region: str | None, tags: bool = False) -> TrainingJob:
    """The job of that name: in the region that is named, else in the one in force, else in any other.

    `tags`: with its tags, which need a permission of their own. SpotboxError 7 where there is none.
    """
    named, first = app.named(ctx), job_region(ctx, app, region)
    try:
        return _job(app, name, first, tags)
    except SpotboxError as error:
        others = [] if named else [one for one in every_region(app) if one != first]
        if not others or error.exit_code != Exit.NO_SUCH_BOX:
            raise
    app.progress.glance(f"looking for {name} in {plural(len(others), 'other region')}")
    answers = app.cloud.together([partial(_job, app, name, one, tags) for one in others])
    app.progress.done()
    found = [answer for answer in answers if isinstance(answer, TrainingJob)]
    if len(found) == 1:
        return found[0]
    if found:
        where = ", ".join(job.region for job in found)
        raise SpotboxError(f"{len(found)} regions have a job {name}: {where}", "Say which one with -r REGION.")
    for one, answer in zip(others, answers, strict=True):
        if answer.exit_code != Exit.NO_SUCH_BOX:
            app.remark(f"could not look in {one}, so a job there would not be seen: {answer.message}")
    raise SpotboxError(
        f"there is no training job {safe(name)} in any region", "See: spotbox train list", Exit.NO_SUCH_BOX
    )


def _job(app: App, name: str, region: str, tags: bool) -> TrainingJob:
    job = app.cloud.job(region, name, tags=tags)
    assert isinstance(job, TrainingJob)  # noqa: S101
    return job


def price_of(app: App, job: TrainingJob) -> Decimal | None:
    """USD per instance-hour on demand of its type; None, with a remark, where AWS does not tell."""
    try:
        price: Decimal | None = app.cloud.job_price(job.region, job.instance_type)
    except SpotboxError as error:
        app.debug(f"the price of {job.instance_type} is unknown: {error.message}")
        return None
    return price


@click.command(cls=Command, short_help="How a job stands, what it billed, what happened; --follow.")
@click.argument("name", type=JOB)
@flag("--follow", is_flag=True, help="Follow it with its log until it is over; of one that is over: its whole log.")
@region_option
@whose_job_option
@output_option("text", "json")
@click.pass_context
def status(ctx: click.Context, name: str, follow: bool, region: str | None, owner: str | None, output: str) -> None:
    """Show how the training job NAME stands, what it has billed, and what happened; it changes nothing.

    \b
    spotbox train status mnist-1
    spotbox train status mnist-1 --follow
    """
    app = get_app(ctx)
    job = find_job(app, ctx, name, region)
    price = price_of(app, job)
    if follow:
        finish(app, follow_to_end(app, job, price, output), price, output)
        return
    if output == "json":
        click.echo(to_json(record(job, price)))
        return
    width = screen()
    app.echo(to_pairs(rows(job, app.system.now(), price), width, whole=("checkpoint", "model")))
    for one in job.transitions:
        click.echo(hung(f"  {safe(status_line(one))}", width, 2 + STATUS_HANG))
    if not job.over:
        app.remark(how(job.name))


@click.command(cls=Command, name="list", short_help="The jobs that spotbox made, newest first.")
@region_option
@flag("--owner", metavar="NAME", help="Whose jobs, or all; default: the name of your AWS identity.")
@flag("--since", type=DURATION, default=f"{SINCE}s", help="Jobs made within this time (default 30d).")
@flag("--limit", type=click.IntRange(1, 1000), default=LIMIT, show_default=True, help="At most so many, newest first.")
@output_option("table", "json", "csv")
@click.pass_context
def list_(ctx: click.Context, region: str | None, owner: str | None, since: int, limit: int, output: str) -> None:
    """List the training jobs that spotbox made, newest first, in every enabled region or the one named.

    \b
    spotbox train list
    spotbox train list --owner all --since 30d -o json
    """
    app = get_app(ctx)
    whose = None if owner == "all" else app.owner(owner)
    here = job_region(ctx, app, region)
    regions = [here] if app.named(ctx) else every_region(app) or [here]
    jobs, whole = _all_jobs(app, regions, whose, since, limit)
    prices = _prices(app, jobs)
    records = [record(job, prices.get((job.region, job.instance_type))) for job in jobs]
    if output == "json":
        click.echo(to_json(records))
    elif output == "csv":
        click.echo(to_csv(records, KEYS))
    elif jobs:
        now = app.system.now()
        if len(jobs) == limit:
            app.remark(f"the {limit} newest; there may be more, which --limit {2 * limit} shows")
        put_table(app, [short_row(job, one, now) for job, one in zip(jobs, records, strict=True)], _COLUMNS)
    else:
        who = "nobody has made a" if whose is None else f"{safe(whose)} has made no"
        where = "" if whole else " where AWS could be asked"
        app.remark(f"{who} training job within {exact_duration(since)}{where}")


def _all_jobs(
    app: App, regions: Sequence[str], owner: str | None, since: int, limit: int
) -> tuple[list[TrainingJob], bool]:
    """The newest of all regions, and whether all could be asked; one that could not costs a remark; all, the error."""
    after = app.system.now() - timedelta(seconds=since)
    app.progress.glance(f"looking for jobs in {plural(len(regions), 'region')}")
    answers = app.cloud.together([partial(app.cloud.jobs, one, owner, after, limit) for one in regions])
    app.progress.done()
    failed = {one: a for one, a in zip(regions, answers, strict=True) if isinstance(a, SpotboxError)}
    if failed and len(failed) == len(regions):
        raise next(iter(failed.values()))
    for one, error in failed.items():
        app.remark(f"could not look in {one}, so a job there would not be seen: {error.message}")
    found = [job for answer in answers if not isinstance(answer, SpotboxError) for job in answer]
    return sorted(found, key=lambda job: job.created, reverse=True)[:limit], not failed


def _prices(app: App, jobs: Sequence[TrainingJob]) -> dict[tuple[str, str], Decimal]:
    """USD per instance-hour by (region, type), of the jobs that have billed something."""
    wanted = sorted({(job.region, job.instance_type) for job in jobs if job.billable_seconds is not None})
    answers = app.cloud.together([partial(app.cloud.job_price, *pair) for pair in wanted])
    return {pair: usd for pair, usd in zip(wanted, answers, strict=True) if isinstance(usd, Decimal)}


@click.command(cls=Command, short_help="Stop a job; checkpoint and model stay.")
@click.argument("name", type=JOB)
@region_option
@whose_job_option
@output_option("text", "json")
@click.pass_context
def stop(ctx: click.Context, name: str, region: str | None, owner: str | None, output: str) -> None:
    """Stop the training job NAME: AWS sends SIGTERM, kills after 120 s, and keeps checkpoint and model.

    Only a job that spotbox made, of your own (or of --owner). Fine twice.

    \b
    spotbox train stop mnist-1
    spotbox train stop mnist-1 -o json
    """
    app = get_app(ctx)
    job = find_job(app, ctx, name, region, tags=True)
    if not job.over:
        _check_own(job, app.owner(owner))
        job = _stopped(app, job)
        app.progress.done()
    else:
        app.remark(f"{safe(name)} is {job.status} already: there is nothing to stop")
    price = price_of(app, job)
    if output == "json":
        click.echo(to_json(record(job, price)))
    else:
        for line in (f"{safe(name)}: {job.status}", *bill(job, price)):
            app.echo(line, hang=2)


def _check_own(job: TrainingJob, owner: str) -> None:
    """SpotboxError for a job that spotbox did not make, or made for somebody else."""
    tags = dict(job.tags or ())
    if NAME_TAG not in tags and OWNER_TAG not in tags:
        raise SpotboxError(
            f"{safe(job.name)} was not made by spotbox, which stops its own jobs only",
            f"Stop it with: aws sagemaker stop-training-job --region {job.region} "
            + shell(["--training-job-name", job.name]),
        )
    if tags.get(OWNER_TAG) != owner:
        whose = safe(tags.get(OWNER_TAG, "nobody"))
        raise SpotboxError(f"{safe(job.name)} is {whose}'s, not {safe(owner)}'s", f"If you mean it: --owner {whose}")


def _stopped(app: App, job: TrainingJob) -> TrainingJob:
    """Ask AWS to stop it and wait until it is over. Ctrl-C leaves it stopping."""
    app.progress.show(f"stopping {job.name}")
    asked = False

    def look() -> Look[TrainingJob]:
        now = app.cloud.job(job.region, job.name)
        return Look(now, now.over, f"{job.name} is {now.secondary}")

    try:
        app.cloud.stop_job(job.region, job.name)
        asked = True
        waited = wait(look, STOP_WAIT, app.system.sleep, app.system.monotonic, app.progress.show)
    except KeyboardInterrupt:
        app.progress.done()
        what = f"AWS was asked to stop {job.name}, and goes on with that"
        raise SpotboxError(
            f"interrupted; {what if asked else f'whether {job.name} stops is not known'}",
            f"Look: spotbox train status {job.name}",
            Exit.INTERRUPTED,
        ) from None
    except SpotboxError as error:
        if not asked:
            raise
        why = f"AWS was asked to stop {job.name}, and whether it has is not known: {error.message}"
        hint = f"{error.hint} Look: spotbox train status {job.name}".strip()
        raise SpotboxError(why, hint, error.exit_code, error.code) from error
    if not waited.done:
        why = f"{job.name} is still {waited.value.secondary}, and what it runs bills"
        raise SpotboxError(why, f"Look: spotbox train status {job.name}", Exit.STILL_BILLS)
    return waited.value
