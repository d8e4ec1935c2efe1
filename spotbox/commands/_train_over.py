"""From the moment a job exists to its end: follow it, print what it came to, and leave with the right exit code."""

from decimal import Decimal

import click

from spotbox.app import App
from spotbox.commands._train_follow import Follower, detaching
from spotbox.commands._train_words import bill, record
from spotbox.core.errors import SpotboxError
from spotbox.core.jobs import TrainingJob
from spotbox.core.outcomes import outcome
from spotbox.core.text import safe
from spotbox.output import to_json


def follow_to_end(app: App, job: TrainingJob, price: Decimal | None, output: str) -> TrainingJob:
    """Follow it until it is over; its log goes to stdout, or to stderr where stdout is for JSON. Ctrl-C detaches: a
    script then gets the job as it was seen last, for it goes on and bills."""
    follower = Follower(app, job, price, data=output != "json")
    try:
        with detaching(app, job.name, follower):
            return follower.until_over()
    except SpotboxError:
        if output == "json":
            click.echo(to_json(record(follower.job, price)))
        raise


def finish(app: App, job: TrainingJob, price: Decimal | None, output: str) -> None:
    """What the job came to, on stdout. SpotboxError where it is no success, each end with its own words and code."""
    if output == "json":
        click.echo(to_json(record(job, price)))
    else:
        for line in (f"{safe(job.name)}: {job.status}", *bill(job, price)):
            app.echo(line, hang=2)
    end = outcome(job)
    if end.exit_code:
        raise SpotboxError(end.message, end.hint, end.exit_code)
