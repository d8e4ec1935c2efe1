"""What the sandbox's SageMaker keeps: training jobs, pipelines and their executions. Plain, so that it can be pickled.

Statuses and their order: API reference, DescribeTrainingJob (SecondaryStatus, SecondaryStatusTransitions); the messages
are those that replies of AWS have shown, and AWS says that they may change.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from spotbox.sandbox.mltypes import ec2_type

ACCOUNT = "123456789012"
OVER = ("Completed", "Failed", "Stopped")
MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Interrupted": "Managed Spot Training interrupted the job: its instances were reclaimed",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Resource released due to MaxRuntimeInSeconds exceeded",
    "MaxWaitTimeExceeded": "Training job stopped: MaxWaitTimeInSeconds exceeded",
}
NO_CAPACITY = "Insufficient capacity error from EC2 while launching instances, retrying!"
DEFAULT_MAX_RUN = 86400  # seconds (API reference, StoppingCondition)
CHECKPOINTS = "/opt/ml/checkpoints"
# What CreateTrainingJob is given and DescribeTrainingJob tells again.
TOLD = (
    *("HyperParameters", "AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig"),
    *("ResourceConfig", "VpcConfig", "CheckpointConfig", "Environment", "RetryStrategy", "ExperimentConfig"),
)


@dataclass
class TrainJob:
    """A training job. `held` is for how many seconds instances were held, `billed` what of it is billed.

    `folder` is the name of its folder on this machine, `zone` where its instances are or were last.
    """

    name: str
    region: str
    folder: str
    request: dict[str, Any]
    created: datetime
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "InProgress"
    secondary: str = ""
    transitions: list[dict[str, Any]] = field(default_factory=list)
    modified: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    held: float = 0.0
    billed: float = 0.0
    reason: str = ""
    model: str | None = None
    zone: str | None = None
    holds_since: datetime | None = None  # instances are held now, since then
    interruptions: int = 0

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:sagemaker:{self.region}:{ACCOUNT}:training-job/{self.name}"

    @property
    def over(self) -> bool:
        """Whether nothing of it changes any more."""
        return self.status in OVER

    @property
    def spot(self) -> bool:
        """Whether it is managed Spot training."""
        return bool(self.request.get("EnableManagedSpotTraining"))

    @property
    def ml_type(self) -> str:
        """The type of its instances, with `ml.`."""
        return str(self.request["ResourceConfig"]["InstanceType"])

    @property
    def ec2_type(self) -> str:
        """The EC2 type under it."""
        return ec2_type(self.ml_type)

    @property
    def count(self) -> int:
        """How many instances it has."""
        return int(self.request["ResourceConfig"]["InstanceCount"])

    @property
    def hosts(self) -> list[str]:
        """The names of its instances, as SageMaker gives them."""
        return [f"algo-{number}" for number in range(1, self.count + 1)]

    @property
    def max_run(self) -> float:
        """Seconds it may hold instances."""
        return float(self.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds") or DEFAULT_MAX_RUN)

    @property
    def wait_until(self) -> datetime | None:
        """When its waiting and running must end; None for on-demand."""
        seconds = self.request.get("StoppingCondition", {}).get("MaxWaitTimeInSeconds")
        return self.created + timedelta(seconds=int(seconds)) if seconds and self.spot else None

    @property
    def checkpoint(self) -> tuple[str, str] | None:
        """S3 prefix and local path of its checkpoints."""
        config = self.request.get("CheckpointConfig")
        return (config["S3Uri"], config.get("LocalPath") or CHECKPOINTS) if config else None

    @property
    def output(self) -> str:
        """The S3 prefix that its results go to."""
        return f"{self.request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.name}/output"

    def enter(self, secondary: str, now: datetime, message: str | None = None) -> None:
        """Go on to a secondary status, or say something else of the one it is in."""
        text = MESSAGES[secondary] if message is None else message
        self.modified = now
        if self.secondary == secondary:
            self.transitions[-1]["StatusMessage"] = text
            return
        if self.transitions:
            self.transitions[-1]["EndTime"] = now
        self.secondary = secondary
        self.transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": text})

    def end(self, status: str, secondary: str, now: datetime, reason: str = "") -> None:
        """Be over. FailureReason is at most 1024 characters (API reference, DescribeTrainingJob)."""
        self.status, self.reason = status, reason[:1024]
        self.enter(secondary, now, reason[:1024] or None)
        self.transitions[-1]["EndTime"] = now
        if self.started:
            self.ended = now

    def release(self, until: datetime, share: float) -> None:
        """Count the time for which instances were held, if they were; `share` of it is billed."""
        if self.holds_since is not None:
            held = max(0.0, (until - self.holds_since).total_seconds())
            self.held += held
            self.billed += held * (share if self.spot else 1.0)
            self.holds_since = None


@dataclass
class Pipeline:
    """A pipeline: `definition` is its JSON as given."""

    name: str
    region: str
    definition: str
    role: str
    created: datetime
    display: str = ""
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    modified: datetime | None = None
    run_at: datetime | None = None

    @property
    def arn(self) -> str:
        """Its ARN; AWS writes the name in small letters there."""
        return f"arn:aws:sagemaker:{self.region}:{ACCOUNT}:pipeline/{self.name.lower()}"


@dataclass
class Step:
    """A step of an execution: `arguments` of its training job, `after` the steps that must have succeeded."""

    name: str
    arguments: dict[str, Any]
    after: tuple[str, ...] = ()
    job: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    status: str = ""
    reason: str = ""


@dataclass
class Execution:
    """One run of a pipeline."""

    id: str
    pipeline: str
    region: str
    role: str
    started: datetime
    parameters: dict[str, Any]
    steps: list[Step]
    display: str = ""
    status: str = "Executing"
    reason: str = ""
    modified: datetime | None = None

    @property
    def pipeline_arn(self) -> str:
        """The ARN of the pipeline that it is a run of."""
        return f"arn:aws:sagemaker:{self.region}:{ACCOUNT}:pipeline/{self.pipeline.lower()}"

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"{self.pipeline_arn}/execution/{self.id}"


def seconds(moment: datetime) -> float:
    """A time as SageMaker's JSON has it: seconds since 1970, to the millisecond."""
    return round(moment.timestamp(), 3)


def described(job: TrainJob) -> dict[str, Any]:
    """The job as DescribeTrainingJob tells it; what AWS does not know yet is left out."""
    told: dict[str, Any] = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "TrainingJobStatus": job.status,
        "SecondaryStatus": job.secondary,
        "CreationTime": seconds(job.created),
        "LastModifiedTime": seconds(job.modified or job.created),
        "SecondaryStatusTransitions": [
            {key: seconds(value) if isinstance(value, datetime) else value for key, value in row.items()}
            for row in job.transitions
        ],
        "StoppingCondition": {"MaxRuntimeInSeconds": DEFAULT_MAX_RUN} | job.request.get("StoppingCondition", {}),
        "EnableNetworkIsolation": bool(job.request.get("EnableNetworkIsolation")),
        "EnableInterContainerTrafficEncryption": bool(job.request.get("EnableInterContainerTrafficEncryption")),
        "EnableManagedSpotTraining": job.spot,
        "ProfilingStatus": "Disabled",
    }
    told |= {key: job.request[key] for key in TOLD if key in job.request}
    told["AlgorithmSpecification"] = {"EnableSageMakerMetricsTimeSeries": False} | told["AlgorithmSpecification"]
    told |= {"TrainingStartTime": seconds(job.started)} if job.started else {}
    told |= {"TrainingEndTime": seconds(job.ended)} if job.ended else {}
    told |= {"FailureReason": job.reason} if job.status == "Failed" else {}
    told |= {"ModelArtifacts": {"S3ModelArtifacts": job.model}} if job.model else {}
    if job.over and job.started:
        # The job that was read whole has 37026 s: from TrainingStartTime to TrainingEndTime. How AWS counts the time
        # between an interruption and the restart is UNCONFIRMED; nothing is held then, and it is left out here.
        held = max(1, round(job.held))
        told |= {"TrainingTimeInSeconds": held, "BillableTimeInSeconds": min(held, max(1, round(job.billed)))}
    return told
