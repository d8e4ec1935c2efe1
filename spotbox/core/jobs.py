"""SageMaker training jobs as plain records: what is asked for, and what AWS tells of one."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Job:
    """A training job as it is asked for; `region` is where it runs. Times in seconds, sizes in GiB.

    `max_wait` is None for an on-demand job: only managed Spot training has it (API reference, StoppingCondition).
    """

    name: str
    region: str
    image: str  # URI of the container image
    role: str  # ARN of the role that SageMaker takes
    instance_type: str  # ml.*
    output: str  # s3://bucket/prefix
    max_run: int
    max_wait: int | None = None
    count: int = 1  # instances
    volume_gib: int | None = None  # None: AWS's own
    checkpoint: str | None = None  # s3://bucket/prefix
    inputs: Pairs = ()  # (channel, s3://...)
    hyperparameters: Pairs = ()  # all that is sent, those of script mode included
    environment: Pairs = ()
    tags: Pairs = ()

    @property
    def spot(self) -> bool:
        """Whether it is managed Spot training."""
        return self.max_wait is not None


@dataclass(frozen=True)
class Transition:
    """One secondary status that a job has gone through; `message` is AWS's own words, which may change."""

    status: str
    start: datetime
    end: datetime | None = None
    message: str = ""


@dataclass(frozen=True)
class TrainingJob:
    """A training job as AWS describes it (DescribeTrainingJob). What AWS does not tell yet is None."""

    name: str
    arn: str
    region: str
    status: str  # InProgress, Completed, Failed, Stopping, Stopped, Deleting
    secondary: str
    created: datetime
    instance_type: str
    count: int
    spot: bool
    max_run: int | None = None
    max_wait: int | None = None
    started: datetime | None = None  # TrainingStartTime
    ended: datetime | None = None  # TrainingEndTime
    training_seconds: int | None = None
    billable_seconds: int | None = None
    transitions: tuple[Transition, ...] = ()
    reason: str = ""  # FailureReason
    model: str | None = None  # s3://.../model.tar.gz
    output: str | None = None
    checkpoint: str | None = None
    tags: Pairs | None = None  # None: not asked for

    @property
    def over(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.status in ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class LogLine:
    """One line of a job's log: aware UTC, the stream without the job's name (algo-1-...), the text as it came."""

    at: datetime
    stream: str
    text: str


@dataclass(frozen=True)
class JobQuota:
    """How many instances of one ml type may train at once; None is unknown, and `remark` then says why.

    `name` is the quota's in Service Quotas (service code `sagemaker`), `code` its code where it was found.
    """

    value: Decimal | None
    name: str
    code: str | None = None
    remark: str = ""


def quota_name(ml_type: str, spot: bool) -> str:
    """The name of the quota that counts instances of `ml_type` in training jobs, per region."""
    return f"{ml_type} for {'spot ' if spot else ''}training job usage"
