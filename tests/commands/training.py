"""SageMaker in memory, for the fake cloud: jobs that live by the world's clock, buckets, quotas, prices, pipelines."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from spotbox.aws.hands import silent
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.jobs import Job, JobQuota, LogLine, TrainingJob, Transition, quota_name
from spotbox.core.training import s3_parts

Life = tuple[tuple[float, str, str], ...]  # seconds after creation, secondary status, AWS's message
CALM: Life = (
    (0, "Starting", "Preparing the instances for training"),
    (10, "Downloading", "Downloading input data"),
    (14, "Training", "Training image download completed. Training in progress."),
    (66, "Uploading", "Uploading generated training model"),
    (70, "Completed", "Training job completed"),
)
ENDS = {"Completed": "Completed", "Failed": "Failed", "Stopped": "Stopped", "MaxRuntimeExceeded": "Stopped",
        "MaxWaitTimeExceeded": "Stopped"}  # fmt: skip
_IDLE = ("Starting", "Pending", "Interrupted")


@dataclass
class Running:
    """A job that was asked for, and how its life goes on."""

    wanted: Job
    born: float
    life: Life
    lines: tuple[tuple[float, str, str], ...] = ()  # seconds after creation, stream, text
    reason: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    share: Decimal = Decimal("0.4")  # of the training seconds that is billed


@dataclass
class Training:
    """All of SageMaker, and the buckets it works on."""

    life: Life = CALM
    lines: tuple[tuple[float, str, str], ...] = ()
    reason: str = ""
    jobs: dict[tuple[str, str], Running] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)  # s3://... -> what was uploaded
    sent: list[str] = field(default_factory=list)  # uploads that were not there before
    prefixes: dict[str, bool | None] = field(default_factory=dict)  # s3://... -> whether something lies there
    quota: Decimal | None = Decimal(4)
    stuck: bool = False  # what is asked to stop stays Stopping
    no_buckets: set[str] = field(default_factory=set)
    prices: dict[str, Decimal] = field(default_factory=lambda: {"ml.g5.xlarge": Decimal("1.408")})
    pipelines: dict[str, str] = field(default_factory=dict)  # name -> definition
    executions: dict[str, tuple[float, str]] = field(default_factory=dict)  # arn -> (begun, name of its job)


class FakeTraining:
    """The verbs of Cloud that are about training, over `world.training`."""

    def create_job(self, job, show=silent):
        self.world.meets("CreateTrainingJob", job.region)
        t = self.world.training
        t.jobs[job.region, job.name] = Running(job, self.world.clock, t.life, t.lines, t.reason, tags=job.tags)
        self.world.meets("CreateTrainingJob", job.region, after=True)
        return f"arn:aws:sagemaker:{job.region}:123456789012:training-job/{job.name}"

    def job(self, region, name, tags=False):
        self.world.meets("DescribeTrainingJob", region)
        running = self.world.training.jobs.get((region, name))
        if running is None:
            raise SpotboxError(f"there is no training job {name} in {region}", "", Exit.NO_SUCH_BOX)
        found = self._now(region, running)
        if tags:
            self.world.meets("ListTags", region)
        return replace(found, tags=running.tags) if tags else found

    def jobs(self, region, owner, since, limit):
        self.world.meets("ListTrainingJobs", region)
        here = [j for (where, _), j in self.world.training.jobs.items() if where == region]
        owned = [(j, dict(j.tags).get("spotbox:owner")) for j in here]
        mine = [j for j, whose in owned if whose and owner in (None, whose)]
        told = [replace(self._now(region, j), tags=j.tags) for j in mine]
        found = sorted(told, key=lambda j: j.created, reverse=True)
        return tuple(job for job in found if job.created >= since)[:limit]

    def stop_job(self, region, name):
        self.world.meets("StopTrainingJob", region)
        running = self.world.training.jobs[region, name]
        at = self.world.clock - running.born
        kept = tuple(step for step in running.life if step[0] <= at)
        ends = ((at, "Stopping", "Stopping the training job"), (at + 6, "Stopped", "Training job stopped"))
        running.life = (*kept, *ends[: 1 if self.world.training.stuck else 2])
        self.world.meets("StopTrainingJob", region, after=True)

    def job_log(self, region, name, seen=None):
        self.world.meets("GetLogEvents", region)
        running = self.world.training.jobs[region, name]
        come = [line for line in running.lines if line[0] <= self.world.clock - running.born]
        new = come[seen or 0 :][:50]
        at = self.world.now() - timedelta(seconds=self.world.clock - running.born)
        lines = tuple(LogLine(at + timedelta(seconds=s), stream, text) for s, stream, text in new)
        return lines, (seen or 0) + len(new)

    def check_bucket(self, region, uri):
        bucket = s3_parts(uri)[0]
        if bucket in self.world.training.no_buckets:
            error = UsageError(f"there is no bucket {bucket}")
            error.code = "NoSuchBucket"
            raise error

    def make_bucket(self, region, uri):
        self.world.training.no_buckets.remove(s3_parts(uri)[0])

    def upload(self, region, uri, path, show=silent):
        self.world.meets("PutObject", region)
        t = self.world.training
        if uri in t.objects:
            return False
        t.objects[uri] = path.read_bytes()
        t.sent.append(uri)
        self.world.meets("PutObject", region, after=True)
        return True

    def prefix_holds(self, region, uri):
        self.world.meets("ListObjectsV2", region)
        return self.world.training.prefixes.get(uri.rstrip("/"), False)

    def job_quota(self, region, ml_type, spot):
        self.world.meets("ListServiceQuotas", region)
        return JobQuota(self.world.training.quota, quota_name(ml_type, spot), "L-12345678")

    def ml_types(self, region):
        return ("ml.m5.large", "ml.g5.xlarge", "ml.p4d.24xlarge")

    def job_price(self, region, ml_type):
        self.world.meets("GetProducts ml", region)
        return self.world.training.prices.get(ml_type)

    def upsert_pipeline(self, region, name, definition, role, tags=()):
        self.world.meets("CreatePipeline", region)
        self.world.training.pipelines[name] = definition
        return f"arn:aws:sagemaker:{region}:123456789012:pipeline/{name}"

    def start_pipeline(self, region, name):
        self.world.meets("StartPipelineExecution", region)
        arn = f"arn:aws:sagemaker:{region}:123456789012:pipeline/{name}/execution/abc"
        self.world.training.executions[arn] = (self.world.clock, f"pipelines-abc-{name}-xyz")
        return arn

    def pipeline_execution(self, region, arn):
        self.world.meets("DescribePipelineExecution", region)
        begun, name = self.world.training.executions[arn]
        if self.world.clock - begun < 3:
            return "Executing", ()
        if (region, name) not in self.world.training.jobs:
            t = self.world.training
            wanted = Job(name, region, "image", "role", "ml.g5.xlarge", "s3://out", 3600, 7200)
            t.jobs[region, name] = Running(wanted, self.world.clock, t.life, t.lines, t.reason)
        return "Executing", (name,)

    def instance_region(self):
        return None

    def _now(self, region, running: Running) -> TrainingJob:
        """The job as DescribeTrainingJob gives it at this moment."""
        past = self.world.clock - running.born
        born = self.world.now() - timedelta(seconds=past)
        come = [step for step in running.life if step[0] <= past]
        ends = [*(born + timedelta(seconds=step[0]) for step in come[1:]), None]
        transitions = tuple(
            Transition(status, born + timedelta(seconds=at), end, message)
            for (at, status, message), end in zip(come, ends, strict=True)
        )
        secondary, wanted = come[-1][1], running.wanted
        held = [step[0] for step in come if step[1] not in _IDLE and step[1] not in ENDS]
        over = secondary in ENDS
        seconds = int(come[-1][0] - held[0]) if over and held else 0
        return TrainingJob(
            wanted.name, f"arn:aws:sagemaker:{region}:123456789012:training-job/{wanted.name}", region,
            ENDS.get(secondary, "Stopping" if secondary == "Stopping" else "InProgress"), secondary, born,
            wanted.instance_type, wanted.count, wanted.spot, wanted.max_run, wanted.max_wait,
            *(born + timedelta(seconds=held[0]) if held else None, self.world.now() if over else None),
            seconds if over and held else None, int(seconds * running.share) if over and held else None, transitions,
            running.reason if secondary == "Failed" else "",
            f"{wanted.output}/{wanted.name}/output/model.tar.gz" if secondary == "Completed" else None,
            wanted.output, wanted.checkpoint,
        )  # fmt: skip
