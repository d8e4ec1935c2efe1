"""What the user gives `train`: its flags as one record, what is missing, and what does not go together."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from spotbox.app import App
from spotbox.commands._train_where import job_region
from spotbox.core.errors import UsageError
from spotbox.core.jobs import Job, Pairs
from spotbox.core.pipelines import check_pipeline_name
from spotbox.core.pools import check_types
from spotbox.core.scriptmode import check_not_ours
from spotbox.core.settings import Pool
from spotbox.core.text import nearest, safe
from spotbox.core.training import check_job
from spotbox.core.units import exact_duration
from spotbox.options import chosen_pool

COMMANDS = ("status", "list", "stop")
WAITING = 86400  # seconds that a job may wait for capacity, beside its own time, where --max-wait is not given
_NEEDED = {
    "role": "the role that SageMaker takes to read the data and write the results: its name or ARN",
    "image": "pytorch, tensorflow, huggingface, or the URI of an image",
    "output-path": "where code and results go, such as s3://mine/out",
}


@dataclass(frozen=True)
class Asked:
    """The flags of `train` as the user gave them; None or empty where he did not. Times in seconds."""

    path: Path
    region: str
    owner: str
    role: str
    image: str
    output_path: str
    type: str
    count: int
    max_run: int
    max_wait: int | None  # None: on demand
    checkpoint: str | None
    resume: bool
    inputs: Pairs
    hyperparameters: Pairs
    environment: Pairs
    torchrun: bool
    volume: int | None  # GiB
    name: str | None
    pool: Pool | None
    as_step: bool
    pipeline: str | None
    follow: bool
    yes: bool
    dry_run: bool
    output: str

    @property
    def spot(self) -> bool:
        """Whether it is managed Spot training."""
        return self.max_wait is not None

    @property
    def step(self) -> bool:
        """Whether it becomes a step of a pipeline, whose jobs SageMaker names."""
        return self.as_step or bool(self.pipeline)


def asked_for(ctx: click.Context, app: App, flags: dict[str, Any]) -> Asked:
    """The flags, checked for what is missing and what excludes each other. UsageError; nothing is sent."""
    _check_together(flags)
    _check_path(flags["path"])
    for name, what in _NEEDED.items():
        if not flags[name.replace("-", "_")]:
            raise missing(name, what)
    pool = chosen_pool(ctx)
    check_types(flags["types"], pool, jobs=True)
    kind = _check_type(flags["types"])
    max_wait = _max_wait(app, flags, pool)
    _check_early(flags, kind, max_wait)
    return Asked(
        path=Path(flags["path"]),
        region=job_region(ctx, app, flags["region"]),
        owner=app.owner(flags["owner"]),
        role=flags["role"],
        image=flags["image"],
        output_path=flags["output_path"].rstrip("/"),
        type=kind,
        count=flags["count"],
        max_run=flags["max_run"],
        max_wait=max_wait,
        checkpoint=flags["checkpoint"],
        resume=flags["resume"],
        inputs=flags["inputs"],
        hyperparameters=flags["hyperparameters"],
        environment=flags["environment"],
        torchrun=flags["torchrun"],
        volume=flags["volume"],
        name=flags["name"],
        pool=pool,
        as_step=flags["as_step"],
        pipeline=flags["pipeline"],
        follow=not flags["no_wait"],
        yes=flags["yes"],
        dry_run=flags["dry_run"],
        output=flags["output"],
    )


def _check_path(path: str) -> None:
    """UsageError where nothing is there, with the command that was perhaps meant."""
    if not path:  # an empty variable, which would be the folder one is in
        raise UsageError("there is no script or folder of no name", "Name one; this folder itself is: .")
    if not Path(path).exists():
        meant = nearest(path, COMMANDS)
        hint = f"Did you mean: spotbox train {meant}" if meant else "Check the path."
        raise UsageError(f"there is no script or folder {safe(path)}", hint)


def _check_early(flags: dict[str, Any], type_: str, max_wait: int | None) -> None:
    """All that can be held against the job without asking AWS anything, not even where it is to run."""
    same = ("image", "role", "max_run", "count", "checkpoint", "inputs", "hyperparameters", "environment")
    draft = Job(
        name=flags["name"] or "job",
        region="",
        instance_type=type_,
        output=flags["output_path"],
        max_wait=max_wait,
        volume_gib=flags["volume"],
        **{name: flags[name] for name in same},
    )
    check_job(draft, volume_given=flags["volume"] is not None)
    check_not_ours([key for key, _ in flags["hyperparameters"]])
    if flags["pipeline"]:
        check_pipeline_name(flags["pipeline"])


def missing(name: str, what: str) -> UsageError:
    """The error for what flag, pool and config file all leave open."""
    variable = f"SPOTBOX_{name.upper().replace('-', '_')}"
    return UsageError(
        f"--{name} is missing: {what}",
        f"Give --{name}; or set {variable}; or {name} in [pool.NAME] (with --pool NAME) or [defaults] of the "
        "config file.",
    )


def _check_together(flags: dict[str, Any]) -> None:
    """UsageError for flags that do not go together."""
    if flags["as_step"] and flags["pipeline"]:
        raise UsageError(
            "--as-step and --pipeline exclude each other",
            "--as-step writes the definition and starts nothing; --pipeline NAME makes the pipeline and starts it.",
        )
    if flags["name"] and (flags["as_step"] or flags["pipeline"]):
        raise UsageError("--name is not for a pipeline: SageMaker names the jobs of its steps itself", "Leave it out.")
    if flags["resume"] and not flags["checkpoint"]:
        raise UsageError("--resume needs --checkpoint: where to go on from", "Give --checkpoint s3://bucket/prefix.")


def _check_type(types: tuple[str, ...]) -> str:
    """The one type of the job."""
    if not types:
        raise UsageError(
            "-t is missing: the type to train on", "Give -t with a type of SageMaker's, such as ml.g5.xlarge."
        )
    if len(types) > 1:
        raise UsageError(f"a job runs on one type, not on {safe(' and '.join(types))}", "Give -t once.")
    return types[0]


def _max_wait(app: App, flags: dict[str, Any], pool: Pool | None) -> int | None:
    """The longest time in all, in seconds; None on demand, where a given one is ignored, which is told."""
    why = "--on-demand" if flags["on_demand"] else f"pool {pool.name} is on demand" if pool and pool.on_demand else ""
    if not why:
        wanted: int | None = flags["max_wait"]
        return flags["max_run"] + WAITING if wanted is None else wanted
    if flags["max_wait"] is not None:
        app.remark(f"--max-wait {exact_duration(flags['max_wait'])} is ignored: only Spot waits ({why})")
    return None
