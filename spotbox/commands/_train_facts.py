"""What AWS tells before a job is sent: quota, prices, what the checkpoint's prefix holds, whether the name is taken."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from spotbox.app import App
from spotbox.commands._train_asked import Asked
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.jobs import Job, TrainingJob
from spotbox.core.text import safe
from spotbox.core.training import box_type, check_quota, s3_parts


@dataclass(frozen=True)
class Facts:
    """What the summary shows; None is unknown. Prices in USD per hour."""

    price: Decimal | None = None  # of one instance of the ml type, on demand
    box_spot: Decimal | None = None  # of the same EC2 type, in its cheapest zone
    box_zone: str = ""
    box_on_demand: Decimal | None = None
    holds: bool | None = False  # whether something lies under the checkpoint's prefix
    quota: Decimal | None = None  # instances
    missing: tuple[str, ...] = ()  # s3 URIs whose buckets are to be made; of the sandbox alone


def find_facts(app: App, asked: Asked, job: Job) -> Facts:
    """All that is to be known of `job` before it is sent, asked side by side.

    Raises what forbids it: UsageError for a taken name and for a checkpoint that nobody spoke of, exit 4 for a quota
    that is too small. What AWS does not tell of prices is unknown.
    """
    box = box_type(job.instance_type)
    calls: dict[str, Callable[[], Any]] = {
        "quota": partial(app.cloud.job_quota, job.region, job.instance_type, job.spot),
        "price": partial(app.cloud.job_price, job.region, job.instance_type),
        "spot": partial(app.cloud.spot_prices, job.region, [box]),
        "on_demand": partial(app.cloud.on_demand, job.region, [box]),
    }
    places = [job.output, *([job.checkpoint] if job.checkpoint else []), *(uri for _, uri in job.inputs)]
    buckets = {s3_parts(uri)[0]: uri for uri in reversed(places)}
    calls |= {f"bucket {name}": partial(app.cloud.check_bucket, job.region, uri) for name, uri in buckets.items()}
    if asked.name:
        calls["taken"] = partial(app.cloud.job, job.region, job.name)
    if job.checkpoint:
        calls["holds"] = partial(app.cloud.prefix_holds, job.region, job.checkpoint)
    app.progress.glance("asking for quota and prices")
    found = dict(zip(calls, app.cloud.together(list(calls.values())), strict=True))
    app.progress.done()
    missing = _missing(app, {uri: found[f"bucket {name}"] for name, uri in buckets.items()}, job)
    if any(s3_parts(uri)[0] == s3_parts(job.checkpoint or "")[0] for uri in missing):
        found["holds"] = False
    _check_name(found.get("taken"), job)
    _check_checkpoint(found.get("holds", False), asked)
    quota = _quota(app, found["quota"], job)
    for kind in ("price", "spot", "on_demand"):
        if isinstance(found[kind], SpotboxError):
            app.debug(f"a price is unknown: {found[kind].message}")
            found[kind] = None
    usd, zone = min(((usd, zone) for (_, zone), usd in (found["spot"] or {}).items()), default=(None, ""))
    demand = found["on_demand"].usd.get(box) if found["on_demand"] else None
    return Facts(found["price"], usd, zone, demand, found.get("holds", False), quota, missing)


def _missing(app: App, answers: Mapping[str, Any], job: Job) -> tuple[str, ...]:
    """Raise where a bucket cannot be used. In the sandbox those that it has not yet are made, but for data."""
    missing = []
    for uri, answer in answers.items():
        if not isinstance(answer, SpotboxError):
            continue
        if not (app.sandbox and answer.code == "NoSuchBucket" and uri in (job.output, job.checkpoint)):
            raise answer
        missing.append(uri)
    return tuple(missing)


def _check_name(taken: Any, job: Job) -> None:
    """A name is a job's for ever, also of one that is over (CreateTrainingJob: unique within a region and account)."""
    if isinstance(taken, TrainingJob):
        raise UsageError(
            f"there is a training job {safe(job.name)} in {job.region} already ({taken.status})",
            "Give another --name, or none: a name is never free again.",
        )
    if isinstance(taken, SpotboxError) and taken.exit_code != Exit.NO_SUCH_BOX:
        raise taken


def _check_checkpoint(holds: Any, asked: Asked) -> None:
    """A job that starts from what another has left is a wrong result, unless that is meant."""
    if isinstance(holds, SpotboxError):
        raise holds
    if holds and not asked.resume:
        raise UsageError(
            f"{safe(asked.checkpoint)} holds a checkpoint already, and the job would go on from it",
            "Give --resume to mean that, or another prefix with --checkpoint.",
        )


def _quota(app: App, answer: Any, job: Job) -> Decimal | None:
    """The quota in instances; None where AWS does not tell. SpotboxError 4 where the job does not fit."""
    if isinstance(answer, SpotboxError):
        app.debug(f"the quota is unknown: {answer.message}")
        return None
    check_quota(job, answer)
    value: Decimal | None = answer.value
    if value is None:
        app.debug(f"the quota is unknown: {answer.remark}")
    return value
