"""A training job before it is sent: every rule that can be held against it here, and the request that it becomes.

Rules: SageMaker API Reference, CreateTrainingJob and the types it names, where nothing else is said.
"""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.frameworks import is_builtin_algorithm
from spotbox.core.jobs import Job, JobQuota, Pairs
from spotbox.core.text import did_you_mean, safe
from spotbox.core.units import exact_duration

DAY = 86400
MOST_RUN = 28 * DAY  # StoppingCondition, MaxRuntimeInSeconds
MOST_WAIT_ALGORITHM = 3600  # SageMaker Developer Guide, "Managed Spot Training in Amazon SageMaker"
VOLUME_GIB = 30  # what the SDK sends; EBS-only types need a size
CHECKPOINTS = "/opt/ml/checkpoints"
_NAME = re.compile(r"[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}")
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/[a-zA-Z_0-9+=,.@/-]+")
_ROLE_NAME = re.compile(r"(?:[a-zA-Z_0-9+=,.@-]+/)*[a-zA-Z_0-9+=,.@-]{1,64}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ML_TYPE = re.compile(r"ml\.[a-z0-9-]+\.(?:\d*x)?(?:large|medium|small)")
_CHANNEL = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ENV_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,511}")
_TAG = re.compile(r"[\w\s.:/=+\-@]*")  # \p{L}\p{Z}\p{N}_.:/=+-@: a comma is none
# Local NVMe drives in the place of a volume (ResourceConfig, VolumeSizeInGB).
_NVME = re.compile(r"ml\.(?:g\d|p[4-9]|p3dn|trn|[a-z]\d+[a-z]*d\.).*")
MOST = {"hyperparameters": 100, "environment": 100, "inputs": 20, "tags": 50}


def check_job(job: Job, ml_types: Collection[str] = (), volume_given: bool = False) -> None:
    """UsageError with the rule for whatever AWS would refuse of `job`, before anything is sent.

    `ml_types` are the types that SageMaker trains on, where they are known; `volume_given`: its size was asked for.
    """
    check_job_name(job.name)
    check_role(job.role)
    check_ml_type(job.instance_type, ml_types)
    if job.count < 1:
        raise UsageError(f"{job.count} instances cannot train", "Give --count 1 or more.")
    _check_times(job)
    for name, uri in (("--output-path", job.output), ("--checkpoint", job.checkpoint), *job.inputs):
        if uri is not None:
            check_s3(uri, name)
    if job.checkpoint is not None and not s3_parts(job.checkpoint)[1]:
        raise UsageError(
            f"{job.checkpoint} is a whole bucket", f"Give the checkpoint a prefix of its own: {job.checkpoint}/NAME."
        )
    if job.checkpoint is not None and f"{job.output.rstrip('/')}/".startswith(f"{job.checkpoint.rstrip('/')}/"):
        raise UsageError(
            f"the output {safe(job.output)} lies within the checkpoint, which every start loads whole",
            "Give the checkpoint a prefix of its own, such as one below the output's.",
        )
    if volume_given and has_nvme(job.instance_type):
        raise UsageError(
            f"{job.instance_type} has no volume to size: its storage is its own NVMe drives", "Leave the size out."
        )
    _check_pairs(job)


def check_job_name(name: str) -> str:
    """The name itself. UsageError for one that is not [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}."""
    if not _NAME.fullmatch(name) or len(name) > 63:
        raise UsageError(
            f"{safe(name)!r} is not a job's name",
            "Use up to 63 letters, digits and hyphens (no underscore), a letter or digit first and last.",
        )
    return name


def default_name(source: str, now: datetime) -> str:
    """A name of its own for a job of script or folder `source`: `train-20261122-134501-042`; `now` in UTC."""
    base = re.sub(r"[^a-zA-Z0-9]+", "-", re.sub(r"\.(py|sh)$", "", source)).strip("-")
    stamp = now.strftime("%Y%m%d-%H%M%S-") + f"{now.microsecond // 1000:03d}"
    return f"{(base or 'job')[: 62 - len(stamp)].rstrip('-')}-{stamp}"


def role_arn(role: str, account: str, region: str) -> str:
    """The role's ARN: as it was given, or of a bare name (with its path, if it has one) in `account`."""
    check_role(role)
    return role if role.startswith("arn:") else f"arn:{partition(region)}:iam::{account}:role/{role}"


def check_role(role: str) -> str:
    """The role itself. UsageError for what is neither a role's ARN nor a role's name."""
    if _ROLE_ARN.fullmatch(role) or (not role.startswith("arn:") and _ROLE_NAME.fullmatch(role)):
        return role
    raise UsageError(
        f"{safe(role)!r} is no role that SageMaker could take",
        "Give --role the ARN (arn:aws:iam::123456789012:role/NAME) or the NAME of a role that trusts SageMaker.",
    )


def partition(region: str) -> str:
    """The partition that a region's ARNs begin with."""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def check_ml_type(name: str, known: Collection[str] = ()) -> str:
    """The type itself. UsageError for one that is no ml type, or none of `known`."""
    if f"ml.{name}" in known or (not name.startswith("ml.") and _ML_TYPE.fullmatch(f"ml.{name}")):
        raise UsageError(f"{safe(name)} is a box's type (did you mean ml.{name}?)", "SageMaker's begin with ml.")
    if not _ML_TYPE.fullmatch(name) or (known and name not in known):
        raise UsageError(
            f"SageMaker trains on no type {safe(name)!r}{did_you_mean(name, known)}",
            "Types look like ml.g5.xlarge; for one that AWS has newly, upgrade spotbox's botocore.",
        )
    return name


def box_type(ml_type: str) -> str:
    """The EC2 type of the same name: ml.g5.xlarge -> g5.xlarge."""
    return ml_type.removeprefix("ml.")


def has_nvme(ml_type: str) -> bool:
    """Whether a type stores on NVMe drives of its own, so that no volume is made for it."""
    return _NVME.fullmatch(ml_type) is not None


def s3_parts(uri: str) -> tuple[str, str]:
    """Bucket and key of an s3 URI; the key has no slash at its ends."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key.strip("/")


def check_s3(uri: str, name: str) -> str:
    """The URI itself. UsageError for what is no s3://BUCKET[/PREFIX] of at most 1024 characters; `name` needs it."""
    bucket, _ = s3_parts(uri)
    if not uri.startswith("s3://") or not _BUCKET.fullmatch(bucket) or not uri.isprintable() or len(uri) > 1024:
        raise UsageError(f"{safe(name)}: {safe(uri)!r} is no place in S3", "Give it as s3://BUCKET/PREFIX.")
    return uri


def parse_pair(text: str, what: str, example: str) -> tuple[str, str]:
    """Key and value of `K=V`; UsageError names `what` it should be. An input's, a hyperparameter's, a variable's."""
    key, equals, value = text.partition("=")
    if not equals or not key or key.startswith("-"):
        raise UsageError(f"{safe(text)!r} is no {what}", f"Give it as KEY=VALUE, such as {example}.")
    return key, value


def training_request(job: Job) -> dict[str, Any]:
    """CreateTrainingJob's parameters for `job`; what is not asked for is not sent."""
    stop = {"MaxRuntimeInSeconds": job.max_run}
    request: dict[str, Any] = {
        "TrainingJobName": job.name,
        "AlgorithmSpecification": {"TrainingImage": job.image, "TrainingInputMode": "File"},
        "RoleArn": job.role,
        "OutputDataConfig": {"S3OutputPath": job.output},
        "ResourceConfig": {
            "InstanceType": job.instance_type,
            "InstanceCount": job.count,
            "VolumeSizeInGB": job.volume_gib or VOLUME_GIB,
        },
        "StoppingCondition": stop,
    }
    if job.max_wait is not None:
        request["EnableManagedSpotTraining"] = True
        stop["MaxWaitTimeInSeconds"] = job.max_wait
    if job.checkpoint is not None:
        request["CheckpointConfig"] = {"S3Uri": job.checkpoint, "LocalPath": CHECKPOINTS}
    if job.inputs:
        request["InputDataConfig"] = [_channel(name, uri) for name, uri in job.inputs]
    if job.hyperparameters:
        request["HyperParameters"] = dict(job.hyperparameters)
    if job.environment:
        request["Environment"] = dict(job.environment)
    if job.tags:
        request["Tags"] = [{"Key": key, "Value": value} for key, value in job.tags]
    return request


def is_told(wanted: Any, told: Any) -> bool:
    """Whether what was asked for is in what AWS tells, which may say more: so a job of that name is this very one."""
    if isinstance(wanted, Mapping):
        return isinstance(told, Mapping) and all(is_told(value, told.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        same = isinstance(told, list) and len(told) == len(wanted)
        return same and all(is_told(one, other) for one, other in zip(wanted, told, strict=True))
    return bool(wanted == told)


def _channel(name: str, uri: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def _check_times(job: Job) -> None:
    if not 1 <= job.max_run <= MOST_RUN:
        raise UsageError(
            f"--max-run {exact_duration(job.max_run)} is not 1 s to 28 days", "SageMaker runs none longer."
        )
    if job.max_wait is None:
        return
    if job.max_wait < job.max_run:
        raise UsageError(
            f"--max-wait {exact_duration(job.max_wait)} is shorter than --max-run {exact_duration(job.max_run)}",
            "It counts the wait for capacity and the run together: give as much as --max-run or more.",
        )
    account = match[1] if (match := _ROLE_ARN.fullmatch(job.role)) else ""
    bare = job.checkpoint is None and is_builtin_algorithm(job.image, account)
    if bare and job.max_wait > MOST_WAIT_ALGORITHM:
        raise UsageError(
            f"--max-wait {exact_duration(job.max_wait)}: AWS's own algorithms wait at most 1h without a checkpoint",
            "Give --max-wait 1h (and no longer --max-run), or a --checkpoint where the algorithm writes one.",
        )


def _check_pairs(job: Job) -> None:
    for field, flag in (("hyperparameters", "hyperparameter"), ("environment", "env"), ("inputs", "input")):
        pairs: Pairs = getattr(job, field)
        _check_number(field, len(pairs))
        if twice := sorted({key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1}):
            raise UsageError(f"--{flag} {safe(twice[0])} is given twice", "Give each once.")
    for key, value in job.hyperparameters:
        if not 1 <= len(key) <= 256 or len(value) > 2500 or "\n" in key + value:
            raise UsageError(
                f"the hyperparameter {safe(key)[:40]!r} is too long or has lines",
                "A key has at most 256 characters, a value 2500, on one line; give more by --input or --env.",
            )
    for key, value in job.environment:
        if not _ENV_NAME.fullmatch(key) or len(value) > 512:
            raise UsageError(
                f"SageMaker takes no variable {safe(key)[:40]!r} like this",
                "A name has letters, digits and _, no digit first; a value at most 512 characters.",
            )
    for name, _ in job.inputs:
        if not _CHANNEL.fullmatch(name):
            raise UsageError(f"{safe(name)!r} is no channel's name", "Use up to 64 letters, digits and . _ -.")
    _check_number("tags", len(job.tags))
    for key, value in job.tags:
        if not _TAG.fullmatch(key) or not _TAG.fullmatch(value) or not 1 <= len(key) <= 128 or len(value) > 256:
            raise UsageError(
                f"SageMaker takes no tag {safe(key)}={safe(value)}", "Use letters, digits, spaces and _.:/=+-@ only."
            )


def _check_number(field: str, number: int) -> None:
    if number > MOST[field]:
        raise UsageError(f"{number} {field} are too many", f"SageMaker takes {MOST[field]} of a job.")


def check_quota(job: Job, quota: JobQuota) -> None:
    """SpotboxError 4 where the quota is known and lower than the instances of `job`; others that train count too."""
    if quota.value is None or quota.value >= job.count:
        return
    raise SpotboxError(
        f'the quota "{quota.name}" in {job.region} is {quota.value:f}, the job needs {job.count}',
        more_quota(job.region, quota.code, job.count),
        Exit.QUOTA,
    )


def more_quota(region: str, code: str | None, wanted: int) -> str:
    """How to ask for `wanted` instances: the AWS CLI's command, or where the code is not known the console's page."""
    if code is None:
        return f"Ask for more: https://{region}.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"
    return (
        f"Ask for more: aws service-quotas request-service-quota-increase --region {region} --service-code sagemaker"
        f" --quota-code {code} --desired-value {wanted}"
    )
