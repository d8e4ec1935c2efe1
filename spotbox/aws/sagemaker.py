"""Training jobs at SageMaker: made once, described, listed, stopped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from spotbox.aws.calls import passing
from spotbox.aws.errors import translating, unknown_outcome
from spotbox.aws.hands import Hands
from spotbox.aws.session import Aws
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.jobs import Job, JobQuota, Pairs, TrainingJob, Transition, quota_name
from spotbox.core.names import OWNER_TAG
from spotbox.core.text import safe
from spotbox.core.training import is_told, more_quota, training_request

ATTEMPTS = 6  # of CreateTrainingJob
AT_ONCE = 8  # calls side by side: SageMaker throttles early
_QUOTA = re.compile(r"'(ml\.[\w.-]+ for (?:spot )?training job usage)'")
# "Requested resource not found.", as a ValidationException; ResourceNotFound is what the API reference names.
_ABSENT = re.compile(r"not found|could not find|does not exist", re.IGNORECASE)
_OVER = re.compile(r"in status\W*(Completed|Failed|Stopp|Deleting)|already", re.IGNORECASE)


@contextmanager
def asking(action: str, region: str) -> Iterator[None]:
    """As `translating`, for calls of training: the policy that a hint names is `train`'s, a refused value is exit 2."""
    try:
        with translating(action, region):
            yield
    except SpotboxError as error:
        error.hint = error.hint.replace("spotbox policy box", "spotbox policy train")
        if error.code == "ValidationException":
            error.message = error.message.replace(f"{action} failed: ValidationException", "SageMaker refuses it", 1)
            error.hint, error.exit_code = "Correct what it names and run the command again.", Exit.USAGE
        raise


def ml_types(aws: Aws, region: str) -> tuple[str, ...]:
    """The types that SageMaker trains on, as botocore's model has them (TrainingInstanceType)."""
    model = aws.client("sagemaker", region).meta.service_model
    return tuple(model.shape_for("TrainingInstanceType").enum)


def create_job(hands: Hands, job: Job, quota: Callable[[], JobQuota]) -> str:
    """Make the job, once, and give its ARN.

    CreateTrainingJob takes no token, but a name is taken only once per region and account: where the outcome of a
    call is not known, a job of that name with these very parameters is ours. `quota` is asked where AWS refuses by
    one. UsageError where the name is taken; exit 4 for a quota; exit 6 where the outcome stays unknown: it may bill.
    """
    client = hands.aws.client("sagemaker", job.region, once=True)
    request, doubt, pause = training_request(job), False, 1.0
    for left in reversed(range(ATTEMPTS)):
        try:
            with asking("sagemaker:CreateTrainingJob", job.region):
                return str(client.create_training_job(**request)["TrainingJobArn"])
        except SpotboxError as error:
            doubt = doubt or unknown_outcome(error)
            if (doubt or error.code == "ResourceInUse") and (arn := _ours(hands, job, request, doubt)):
                return arn
            # A name that is taken by a job which AWS does not show yet may be ours: look again until it is shown.
            again = passing(error) or (doubt and error.code == "ResourceInUse")
            if doubt and not (again and left):
                raise _unknown(job, None if again else error) from error
            if error.code == "ResourceLimitExceeded":
                raise _limit(error, job, quota) from error
            if not (again and left):
                raise
            hands.show(f"{error.message}; asking again")
        hands.sleep(pause)
        pause = min(pause * 2, 8.0)
    raise AssertionError("unreachable")


def job(aws: Aws, region: str, name: str, tags: bool = False) -> TrainingJob:
    """The job of that name as it is now; exit 7 where there is none. `tags`: with its tags, one more call."""
    told = _described(aws, region, name)
    if told is None:
        raise SpotboxError(
            f"there is no training job {safe(name)} in {region}",
            "`spotbox train list` shows them; another region is named with -r.",
            Exit.NO_SUCH_BOX,
        )
    found = parsed(told, region)
    return with_tags(found, _tags(aws, region, found.arn)) if tags else found


def jobs(aws: Aws, region: str, owner: str | None, since: datetime, limit: int) -> tuple[TrainingJob, ...]:
    """The newest `limit` jobs made since then that carry spotbox's tags, of `owner` or of all; the newest first.

    ListTrainingJobs does not know tags: it is read to the end or until enough are found, and each job's are asked.
    """
    found: list[TrainingJob] = []
    chunk: list[tuple[str, str]] = []
    for summary in _summaries(aws, region, since):
        chunk.append((str(summary["TrainingJobName"]), str(summary["TrainingJobArn"])))
        if len(chunk) == 2 * AT_ONCE:
            found += _ours_of(aws, region, owner, chunk)
            chunk = []
        if len(found) >= limit:
            break
    else:
        found += _ours_of(aws, region, owner, chunk)
    return tuple(found[:limit])


def stop_job(aws: Aws, region: str, name: str) -> None:
    """Ask for the job's stop: SIGTERM, 120 s, then its end (StopTrainingJob). Fine for one that is over; exit 7."""
    client = aws.client("sagemaker", region)
    try:
        with asking("sagemaker:StopTrainingJob", region):
            client.stop_training_job(TrainingJobName=name)
    except SpotboxError as error:
        if not _refused(error):
            raise
        if not _OVER.search(error.message):
            found = job(aws, region, name)
            if not (found.over or found.status == "Stopping"):
                raise


def parsed(told: Mapping[str, Any], region: str) -> TrainingJob:
    """DescribeTrainingJob's answer as a record; the tags are not in it."""
    resources, stop = told.get("ResourceConfig") or {}, told.get("StoppingCondition") or {}
    changes = told.get("SecondaryStatusTransitions") or ()
    return TrainingJob(
        name=str(told["TrainingJobName"]),
        arn=str(told["TrainingJobArn"]),
        region=region,
        status=str(told["TrainingJobStatus"]),
        secondary=str(told.get("SecondaryStatus") or told["TrainingJobStatus"]),
        created=_utc(told["CreationTime"]) or datetime.fromtimestamp(0, UTC),
        instance_type=str(resources.get("InstanceType") or resources.get("SelectedInstanceType") or ""),
        count=int(resources.get("InstanceCount") or resources.get("SelectedInstanceCount") or 1),
        spot=bool(told.get("EnableManagedSpotTraining")),
        max_run=stop.get("MaxRuntimeInSeconds"),
        max_wait=stop.get("MaxWaitTimeInSeconds"),
        started=_utc(told.get("TrainingStartTime")),
        ended=_utc(told.get("TrainingEndTime")),
        training_seconds=told.get("TrainingTimeInSeconds"),
        billable_seconds=told.get("BillableTimeInSeconds"),
        transitions=tuple(_transition(change) for change in changes),
        reason=str(told.get("FailureReason") or ""),
        model=(told.get("ModelArtifacts") or {}).get("S3ModelArtifacts"),
        output=(told.get("OutputDataConfig") or {}).get("S3OutputPath"),
        checkpoint=(told.get("CheckpointConfig") or {}).get("S3Uri"),
    )


def with_tags(found: TrainingJob, tags: Pairs) -> TrainingJob:
    """The job with its tags."""
    from dataclasses import replace

    return replace(found, tags=tags)


def tags_of(aws: Aws, region: str, arn: str) -> Pairs:
    """The tags of a job or pipeline, sorted (ListTags)."""
    return _tags(aws, region, arn)


def _transition(change: Mapping[str, Any]) -> Transition:
    start = _utc(change["StartTime"]) or datetime.fromtimestamp(0, UTC)
    return Transition(str(change["Status"]), start, _utc(change.get("EndTime")), str(change.get("StatusMessage") or ""))


def _utc(time: Any) -> datetime | None:
    return time.astimezone(UTC) if isinstance(time, datetime) else None


def _described(aws: Aws, region: str, name: str) -> Mapping[str, Any] | None:
    client = aws.client("sagemaker", region)
    try:
        with asking("sagemaker:DescribeTrainingJob", region):
            told: Mapping[str, Any] = client.describe_training_job(TrainingJobName=name)
            return told
    except SpotboxError as error:
        if error.code == "ResourceNotFound" or (_refused(error) and _ABSENT.search(error.message)):
            return None
        raise


def _refused(error: SpotboxError) -> bool:
    return error.code in ("ValidationException", "ResourceNotFound")


def _ours(hands: Hands, job: Job, request: Mapping[str, Any], doubt: bool) -> str | None:
    """The ARN of the job of that name, where this very call or one before it made it; None where there is none yet.

    `doubt`: a call of ours may have come through. UsageError where the name is another job's.
    """
    told = None
    if doubt:
        try:
            told = _described(hands.aws, job.region, job.name)
        except SpotboxError as error:
            if not passing(error):
                raise _unknown(job, error) from error
        if told is None:
            return None
    asked = {key: value for key, value in request.items() if key != "Tags"}  # which DescribeTrainingJob does not tell
    if told is not None and is_told(asked, told):
        return str(told["TrainingJobArn"])
    raise UsageError(
        f"a training job {safe(job.name)} exists already in {job.region}",
        "A name is used once, also after the job is over: give another with --name, or leave it out."
        f" `spotbox train status {job.name} -r {job.region}` shows that one.",
    )


def _limit(error: SpotboxError, job: Job, quota: Callable[[], JobQuota]) -> SpotboxError:
    named = _QUOTA.search(error.message)
    name = named[1] if named else quota_name(job.instance_type, job.spot)
    code = quota().code if name == quota_name(job.instance_type, job.spot) else None
    hint = more_quota(job.region, code, job.count)
    told = error.message if named else f'{error.message} (quota "{name}"?)'
    return SpotboxError(told, hint, Exit.QUOTA, error.code)


def _unknown(job: Job, refusal: SpotboxError | None = None) -> SpotboxError:
    """That a call may have made the job: it then runs and bills. `refusal` is what AWS said after it."""
    look = f"`spotbox train status {job.name} -r {job.region}`; the same --name never makes a second one."
    what = f"whether AWS has made the training job {safe(job.name)} is not known"
    if refusal is None:
        return SpotboxError(what, f"Look with {look}", Exit.STILL_BILLS)
    return SpotboxError(
        f"{what}: an answer was lost, and then {refusal.message}",
        f"{refusal.hint} Then look with {look}".strip(),
        refusal.exit_code,
        refusal.code,
    )


def _summaries(aws: Aws, region: str, since: datetime) -> Iterator[Mapping[str, Any]]:
    client = aws.client("sagemaker", region)
    asked: dict[str, Any] = {"CreationTimeAfter": since, "SortBy": "CreationTime", "SortOrder": "Descending"}
    token: str | None = None
    while True:
        with asking("sagemaker:ListTrainingJobs", region):
            page = client.list_training_jobs(**asked, MaxResults=100, **({"NextToken": token} if token else {}))
        yield from page.get("TrainingJobSummaries") or ()
        token = page.get("NextToken")
        if not token:
            return


def _ours_of(aws: Aws, region: str, owner: str | None, chunk: list[tuple[str, str]]) -> list[TrainingJob]:
    tags = _all(aws, [lambda arn=arn: _tags(aws, region, arn) for _, arn in chunk])  # type: ignore[misc]
    ours = [
        (name, told)
        for (name, _), told in zip(chunk, tags, strict=True)
        if OWNER_TAG in dict(told) and owner in (None, dict(told)[OWNER_TAG])
    ]
    described = _all(aws, [lambda name=name: _described(aws, region, name) for name, _ in ours])  # type: ignore[misc]
    pairs = zip(described, ours, strict=True)
    return [with_tags(parsed(told, region), tags) for told, (_, tags) in pairs if told is not None]


def _all(aws: Aws, calls: list[Callable[[], Any]]) -> list[Any]:
    """What the calls gave; the first refusal is raised, for a list that lacks some would be a wrong one."""
    answers = aws.parallel(calls, AT_ONCE)
    for answer in answers:
        if isinstance(answer, SpotboxError):
            raise answer
    return answers


def _tags(aws: Aws, region: str, arn: str) -> Pairs:
    client = aws.client("sagemaker", region)
    with asking("sagemaker:ListTags", region):
        pages = client.get_paginator("list_tags").paginate(ResourceArn=arn)
        found = {str(tag["Key"]): str(tag["Value"]) for page in pages for tag in page.get("Tags") or ()}
    return tuple(sorted(found.items()))
