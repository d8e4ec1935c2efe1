"""A new training job: check, pack, ask, show, ask once, then upload, create and follow."""

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from spotbox.app import App
from spotbox.commands._pools import admit, pool_tag, yield_job
from spotbox.commands._train_asked import Asked
from spotbox.commands._train_facts import Facts, find_facts
from spotbox.commands._train_follow import how
from spotbox.commands._train_over import finish, follow_to_end
from spotbox.commands._train_send import (
    Sending,
    create,
    job_of_step,
    nothing_sent,
    send_code,
    sending_safely,
    start_pipeline,
)
from spotbox.commands._train_summary import show_summary
from spotbox.commands._train_words import KEYS, record
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.frameworks import has_torchrun, image_uri
from spotbox.core.jobs import Job, TrainingJob
from spotbox.core.names import box_tags
from spotbox.core.packing import Contents, code_uri, show_size
from spotbox.core.pipelines import definition
from spotbox.core.scriptmode import check_torchrun, script_hyperparameters
from spotbox.core.text import plural, safe
from spotbox.core.training import check_job, default_name, role_arn, s3_parts, training_request
from spotbox.output import to_json
from spotbox.packing import look, pack


@dataclass(frozen=True)
class Ready:
    """A job that is checked, packed, shown and agreed to."""

    sending: Sending
    facts: Facts
    packed: Path


def train_new(app: App, asked: Asked) -> None:
    """Train. SpotboxError with the contract's code for every end that is no success."""
    with TemporaryDirectory(prefix="spotbox-train-") as folder:
        with nothing_sent(app):
            ready = _ready(app, asked, Path(folder))
        if ready is None:
            return
        sending = ready.sending
        with sending_safely(app, sending):
            for uri in ready.facts.missing:
                app.cloud.make_bucket(asked.region, uri)
            send_code(app, sending, ready.packed)
            if asked.as_step:
                click.echo(to_json(definition(sending.job)))
            else:
                _see_to_end(app, asked, _begin(app, asked, sending), ready.facts)


def _ready(app: App, asked: Asked, folder: Path) -> Ready | None:
    """All that comes before the first byte is sent; None of a dry run."""
    contents = look(asked.path)
    for remark in contents.remarks():
        app.remark(remark)
    if asked.torchrun:
        check_torchrun(contents.program, contents.top)
    packed = pack(contents, folder)
    sending = prepare(app, asked, contents.program, packed.sha256)
    facts = find_facts(app, asked, sending.job)
    if not asked.as_step:
        admit(app, asked.pool, asked.owner, wanted=asked.count, jobs=True)
    show_summary(app, asked, sending.job, facts, _code(asked, contents, packed.size))
    plan = [*_buckets(facts), *_plan(asked, sending)]
    if asked.dry_run:
        _show_plan(app, asked, sending.job, plan)
        return None
    _confirm(app, asked, plan)
    return Ready(sending, facts, packed.path)


def prepare(app: App, asked: Asked, program: str, sha256: str) -> Sending:
    """The job that is asked for, and where its code is to lie (s3://...). UsageError where it breaks a known rule."""
    name = asked.name or _name(app, asked)
    image = image_uri(asked.image, asked.region, asked.type)
    if asked.torchrun and has_torchrun(image) is False:
        raise UsageError(f"{image} starts no script with torchrun", "AWS's PyTorch images for GPUs do.")
    code = code_uri(asked.output_path, sha256)
    sent = script_hyperparameters(name, asked.region, program, code, asked.hyperparameters, asked.torchrun)
    job = Job(
        name=name,
        region=asked.region,
        image=image,
        role=role_arn(asked.role, app.identity.account, asked.region),
        instance_type=asked.type,
        output=asked.output_path,
        max_run=asked.max_run,
        max_wait=asked.max_wait,
        count=asked.count,
        volume_gib=asked.volume,
        checkpoint=asked.checkpoint,
        inputs=asked.inputs,
        hyperparameters=sent,
        environment=asked.environment,
        tags=tuple(sorted(box_tags(name, asked.owner, pool_tag(asked.pool)).items())),
    )
    check_job(job, app.cloud.ml_types(asked.region), asked.volume is not None)
    return Sending(job, code, pipeline=asked.pipeline or "")


def _name(app: App, asked: Asked) -> str:
    """The job's name by its source and the time; a step's without the time, so that its definition stays the same."""
    name = default_name(asked.path.resolve().name, app.system.now())
    return asked.pipeline or name.rsplit("-", 3)[0] if asked.step else name


def _code(asked: Asked, contents: Contents, size: int) -> str:
    files = plural(len(contents.files), "file")
    return f"{asked.path}: {files}, {show_size(size)} packed; runs {contents.program}"


def _buckets(facts: Facts) -> list[str]:
    return [f"make the bucket {s3_parts(uri)[0]}, which the sandbox has not yet" for uri in facts.missing]


def _plan(asked: Asked, sending: Sending) -> list[str]:
    """What will be done, a sentence each."""
    upload = f"upload the code below {asked.output_path}/spotbox-code/, unless it is there"
    if asked.as_step:
        return [upload, "write the pipeline definition of the job to stdout; nothing is started"]
    if asked.pipeline:
        return [upload, f"make or update the pipeline {asked.pipeline} of this one step, and start it"]
    return [upload, f"create the training job {sending.job.name}"]


def _show_plan(app: App, asked: Asked, job: Job, plan: list[str]) -> None:
    """The plan on stdout, with the request whose secrets are left out; as JSON the request alone."""
    shown = without_secrets(definition(job) if asked.step else training_request(job), job)
    if asked.output == "json":
        click.echo(to_json(shown))
        return
    for step in plan:
        app.echo(safe(f"would {step}"), hang=2)
    click.echo(to_json(shown))


def without_secrets(request: dict[str, Any], job: Job) -> dict[str, Any]:
    """The request with `***` in place of every value of --env: whoever reads a plan needs none of them."""
    text = json.loads(json.dumps(request))
    for one in (text, *(step["Arguments"] for step in text.get("Steps", ()))):
        if one.get("Environment"):
            one["Environment"] = {key: "***" for key, _ in job.environment}
    return dict(text)


def _confirm(app: App, asked: Asked, plan: list[str]) -> None:
    """Show the plan, and ask once. In the sandbox nothing is at stake: without a terminal it goes on."""
    app.remark("This will:")
    for step in plan:
        app.remark(f"  - {step}", hang=4)
    if asked.yes or asked.as_step:
        return
    if app.prompts.possible:
        if not app.prompts.confirm("Go ahead?", True, "-y"):
            raise SpotboxError("nothing was sent, as you said")
    elif app.sandbox:
        app.remark("no terminal to ask on: going on, as this is the sandbox")
    else:
        raise app.prompts.refuse("-y")


def _begin(app: App, asked: Asked, sending: Sending) -> TrainingJob | None:
    """The job as AWS shows it first; None of a pipeline that nobody waits for."""
    if not asked.pipeline:
        made = create(app, sending)
        yield_job(app, asked.pool, asked.owner, made)
        return made
    start_pipeline(app, sending)
    return job_of_step(app, sending) if asked.follow else None


def _see_to_end(app: App, asked: Asked, made: TrainingJob | None, facts: Facts) -> None:
    if made is None:  # of a pipeline whose job nobody waits for
        if asked.output == "json":
            click.echo(to_json({**dict.fromkeys(KEYS), "status": "Executing"}))
        return
    if asked.follow:
        finish(app, follow_to_end(app, made, facts.price, asked.output), facts.price, asked.output)
        return
    if asked.output == "json":
        click.echo(to_json(record(made, facts.price)))
    else:
        app.echo(f"{safe(made.name)}: {made.secondary}")
    app.remark(how(made.name))
