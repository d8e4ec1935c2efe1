"""Upload the code and make the job. Ctrl-C at any moment ends with the truth about what exists."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spotbox.app import App
from spotbox.commands._train_follow import detaching, how
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.jobs import Job, TrainingJob
from spotbox.core.pipelines import definition_text
from spotbox.core.text import safe, shell
from spotbox.core.waiting import Look, wait

SHOWN = 60  # seconds that AWS may take to show the job that it has just accepted
STEP_WAIT = 15 * 60  # seconds until the pipeline's step has a job


@dataclass
class Sending:
    """What has been done so far, for the one who breaks it off."""

    job: Job
    code: str  # s3://... of the packed code
    uploading: bool = False
    asked: bool = False  # AWS was asked to make the job, or to start the pipeline
    pipeline: str = ""
    execution: str = ""  # ARN of what was started of it


def send_code(app: App, sending: Sending, path: Path) -> None:
    """Upload the packed code, unless it is there already."""
    sending.uploading = True
    app.progress.show("uploading the code")
    new = app.cloud.upload(sending.job.region, sending.code, path, app.progress.show)
    app.progress.done("the code is uploaded" if new else "the code was there already: nothing uploaded")


def create(app: App, sending: Sending) -> TrainingJob:
    """Make the job; what AWS shows of it first."""
    job = sending.job
    sending.asked = True
    app.cloud.create_job(job, app.progress.show)
    with detaching(app, job.name):
        return shown(app, job.region, job.name)


def start_pipeline(app: App, sending: Sending) -> None:
    """Make or update the pipeline of this one step, and start it."""
    job = sending.job
    app.progress.show(f"making the pipeline {sending.pipeline}")
    app.cloud.upsert_pipeline(job.region, sending.pipeline, definition_text(job), job.role, job.tags)
    sending.asked = True
    sending.execution = app.cloud.start_pipeline(job.region, sending.pipeline)
    app.progress.done(f"the pipeline {sending.pipeline} is started")
    app.remark(f"its execution is {sending.execution}")


def job_of_step(app: App, sending: Sending) -> TrainingJob:
    """The job that the pipeline's step has made. SpotboxError where the pipeline ends without one."""
    region = sending.job.region

    def look() -> Look[tuple[str, tuple[str, ...]]]:
        status, names = app.cloud.pipeline_execution(region, sending.execution)
        done = bool(names) or status not in ("Executing",)
        return Look((status, tuple(names)), done, f"the pipeline is {status}; its step has no job yet")

    try:
        waited = wait(look, STEP_WAIT, app.system.sleep, app.system.monotonic, app.progress.show)
        app.progress.done()
        status, names = waited.value
        if names:
            return shown(app, region, names[0])
    except SpotboxError as error:
        why = f"{error.message}; the pipeline {safe(sending.pipeline)} goes on, and its job bills what it runs"
        raise SpotboxError(why, f"{error.hint} {_pipeline(sending)}".strip(), error.exit_code, error.code) from error
    raise SpotboxError(
        f"the pipeline {safe(sending.pipeline)} is {safe(status)}, and its step has no job", _pipeline(sending)
    )


def shown(app: App, region: str, name: str) -> TrainingJob:
    """The job, once AWS shows it, a moment after it was accepted. SpotboxError 7 where it never does."""

    def look() -> Look[TrainingJob | SpotboxError]:
        try:
            return Look(app.cloud.job(region, name), True)
        except SpotboxError as error:
            if error.exit_code != Exit.NO_SUCH_BOX:
                raise
            return Look(error, False, f"AWS has accepted {name} and does not show it yet")

    waited = wait(look, SHOWN, app.system.sleep, app.system.monotonic, app.progress.show)
    if isinstance(waited.value, SpotboxError):
        raise waited.value
    return waited.value


@contextmanager
def nothing_sent(app: App) -> Iterator[None]:
    """Ctrl-C in here: exit 130, and that nothing was sent."""
    try:
        yield
    except KeyboardInterrupt:
        app.progress.done()
        raise SpotboxError("interrupted; nothing was sent, and nothing computes", "", Exit.INTERRUPTED) from None


@contextmanager
def sending_safely(app: App, sending: Sending) -> Iterator[None]:
    """Ctrl-C in here: exit 130, and the last lines say what there is and what it bills."""
    try:
        yield
    except KeyboardInterrupt:
        app.progress.done()
        try:
            what, hint = _truth(app, sending)
        except KeyboardInterrupt:
            what, hint = _not_known(sending)
        raise SpotboxError(f"interrupted; {what}", hint, Exit.INTERRUPTED) from None


def _truth(app: App, sending: Sending) -> tuple[str, str]:
    name = sending.job.name
    if not sending.asked:
        code = f"The packed code may lie at {sending.code}; the next job of the same code uses it."
        return "no job was made, and nothing computes", code if sending.uploading else ""
    if sending.pipeline:
        if not sending.execution:
            return _not_known(sending)
        return f"the pipeline {sending.pipeline} goes on, and its job bills once it runs", _pipeline(sending)
    app.remark("looking whether AWS has made the job; Ctrl-C again leaves at once")
    try:
        job = app.cloud.job(sending.job.region, name)
    except SpotboxError as error:
        if error.exit_code != Exit.NO_SUCH_BOX:
            return _not_known(sending)
        return (
            f"AWS was being asked to make {name}, and shows no such job so far",
            f"Look again in a minute: spotbox train status {name}",
        )
    if job.over:
        return f"{name} is {job.status}", f"Look: spotbox train status {name}"
    return f"AWS has made {name}; it goes on, and bills what it runs", how(name)


def _not_known(sending: Sending) -> tuple[str, str]:
    if sending.pipeline:
        return f"whether the pipeline {sending.pipeline} was started is not known", _pipeline(sending)
    name = sending.job.name
    return f"whether AWS has made {name} is not known", f"Look: spotbox train status {name}"


def _pipeline(sending: Sending) -> str:
    words = ["--region", sending.job.region, "--pipeline-name", sending.pipeline]
    return f"Look: aws sagemaker list-pipeline-executions {shell(words)}"
