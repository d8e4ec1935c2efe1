"""All training jobs and pipelines of the sandbox. Its methods expect the world's lock held, where they say no other."""

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from spotbox.sandbox import trainchecks
from spotbox.sandbox.pipelines import Pipelines
from spotbox.sandbox.process import ACCESS_KEY, SECRET_KEY
from spotbox.sandbox.refusals import Refusal
from spotbox.sandbox.trainbucket import Bucket
from spotbox.sandbox.trainer import INTERRUPT, QUIT, STOP, Trainer
from spotbox.sandbox.trainlogs import Stream, Writer
from spotbox.sandbox.trainrecords import TrainJob
from spotbox.sandbox.trainwork import clear
from spotbox.sandbox.world import World

RUNS = ("Downloading", "Training")  # secondary statuses in which there is a machine to take back
LEAVING = 5.0  # seconds for all jobs to end when the sandbox does
_FOLDER = re.compile(r"[0-9a-f]{16}")
OUT_OF_SANDBOX = "InternalServerError: the sandbox was stopped while the job ran; only managed Spot training goes on"


class Training:
    """The sandbox's SageMaker. `endpoint` gives the URL of the sandbox once it serves."""

    def __init__(self, world: World, home: Path, endpoint: Callable[[], str]):
        self.world = world
        self.bucket = Bucket(world)
        self.pipelines = Pipelines(self)
        self.jobs: dict[tuple[str, str], TrainJob] = {}  # (region, name)
        self.streams: dict[tuple[str, str], Stream] = {}  # (region, name)
        self._trainers: dict[str, Trainer] = {}  # by the job's folder
        self._home = home / "jobs"
        self._endpoint = endpoint

    # Jobs

    def create(self, region: str, body: dict[str, Any]) -> TrainJob:
        """A new job, begun at once. Raises Refusal."""
        trainchecks.check_request(body)
        name = body["TrainingJobName"]
        taken = self.jobs.get((region, name))
        if taken:
            raise Refusal(
                "ResourceInUse",
                "Training job names must be unique within an AWS account and region, and a training job with this "
                f"name already exists ({taken.arn})",
            )
        ml_type, spot = body["ResourceConfig"]["InstanceType"], bool(body.get("EnableManagedSpotTraining"))
        trainchecks.check_inputs(body, region, self.bucket)
        trainchecks.check_quota(body, self.used(region, ml_type, spot), self.world.market.limits, region)
        tags = {row["Key"]: row["Value"] for row in body.get("Tags") or ()}
        job = TrainJob(name, region, secrets.token_hex(8), body, self.world.timeline.clock(), tags)
        job.enter("Starting", job.created)
        self.jobs[(region, name)] = job
        self._begin(job)
        return job

    def _begin(self, job: TrainJob) -> None:
        trainer = self._trainers[job.folder] = Trainer(job, self)
        trainer.start()

    def find(self, region: str, name: str) -> TrainJob:
        """The job of that name. Raises Refusal ValidationException, as AWS does for one that does not exist."""
        job = self.jobs.get((region, name))
        if job is None:
            raise Refusal("ValidationException", "Requested resource not found.")
        return job

    def stop(self, job: TrainJob) -> None:
        """Stop a job. Raises Refusal for one that is over."""
        if job.over:
            text = f"The request was rejected because the training job is in status {job.status}."
            raise Refusal("ValidationException", text)
        if job.status == "InProgress":
            job.status = "Stopping"
            job.enter("Stopping", self.world.timeline.clock())
        trainer = self._trainers.get(job.folder)
        if trainer:
            trainer.wish(STOP)

    def used(self, region: str, ml_type: str, spot: bool) -> int:
        """How many instances of the type live jobs have, of one market."""
        live = [job for (where, _), job in self.jobs.items() if where == region and not job.over]
        return sum(job.count for job in live if (job.ml_type, job.spot) == (ml_type, spot))

    def named(self, name: str) -> list[TrainJob]:
        """The live jobs of this name, in all regions."""
        return [job for (_, known), job in self.jobs.items() if known == name and not job.over]

    def interrupt(self, name: str, notice: float | None) -> dict[str, Any]:
        """AWS takes the machines of a job back, `notice` seconds from now. Raises ValueError with a sentence."""
        found = self.named(name)
        if len(found) > 1:
            raise ValueError(f"{len(found)} jobs are named {name}, in {', '.join(job.region for job in found)}")
        if not found[0].spot:
            raise ValueError(f"{name} is an on-demand training job; AWS interrupts managed Spot training only")
        if found[0].status != "InProgress" or found[0].secondary not in RUNS:
            raise ValueError(f"{name} has no machines to take back: it is {found[0].secondary}")
        seconds = self.world.pace.notice if notice is None else notice
        self._trainers[found[0].folder].wish(INTERRUPT, seconds)
        return {"id": name, "kind": "job", "region": found[0].region, "notice": seconds}

    def interrupt_pool(self, ec2_type: str, zone: str) -> None:
        """AWS takes back what managed Spot training has of a pool."""
        for job in self.jobs.values():
            if job.spot and (job.ec2_type, job.zone) == (ec2_type, zone) and job.secondary in RUNS and not job.over:
                self._trainers[job.folder].wish(INTERRUPT)

    def status(self) -> list[dict[str, Any]]:
        """Every job in a few words, the newest last."""
        return [
            {"name": j.name, "region": j.region, "type": j.ml_type, "count": j.count, "zone": j.zone}
            | {"status": j.status, "secondary": j.secondary, "interruptions": j.interruptions}
            for j in sorted(self.jobs.values(), key=lambda job: job.created)
        ]

    def advance(self) -> None:
        """Let executions of pipelines go on."""
        self.pipelines.advance()

    @property
    def busy(self) -> bool:
        """Whether a job is under way. Needs no lock."""
        return bool(self._trainers)

    # What trainers ask

    def ended(self, trainer: Trainer) -> None:
        """A trainer has come to its end. Called without the lock."""
        clear(self.folder(trainer.job), trainer.job.hosts)
        with self.world.lock:
            self._trainers.pop(trainer.job.folder, None)

    def folder(self, job: TrainJob) -> Path:
        """Where the files of a job are. Needs no lock."""
        return self._home / job.folder

    def free_zone(self, job: TrainJob) -> str | None:
        """A zone of the region that has machines for the job now."""
        market = self.world.market
        sold = market.spot_zones if job.spot else market.zones
        return next((z for z in sold(job.ec2_type, job.region) if market.has_capacity(job.ec2_type, z)), None)

    def share(self, job: TrainJob, now: datetime) -> float:
        """What part of a Spot instance's time is billed: what it costs of the on-demand price where it is."""
        if job.zone is None:
            return 1.0
        price = self.world.market.price(job.ec2_type, job.zone, now)
        return float(price / self.world.market.on_demand(job.ec2_type, job.region))

    def open_log(self, job: TrainJob, host: str) -> Writer:
        """A log stream of the instance's own, new at each start. Called without the lock."""
        with self.world.lock:
            now = time.time()
            epoch = int(now)
            while (job.region, f"{job.name}/{host}-{epoch}") in self.streams:
                epoch += 1  # the sandbox restarts faster than AWS
            name = f"{job.name}/{host}-{epoch}"
            path = self.folder(job) / "logs" / f"{host}-{epoch}"
            self.streams[(job.region, name)] = Stream(job.region, name, path, int(now * 1000))
            return Writer(path)

    def aws_variables(self, job: TrainJob) -> dict[str, str]:
        """What lets a job's program reach the sandbox, and nothing else of AWS. Needs no lock."""
        return {
            "AWS_ENDPOINT_URL": self._endpoint(),
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": job.region,
            "AWS_DEFAULT_REGION": job.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    # Over a stop of the sandbox

    def state(self) -> dict[str, Any]:
        """What is kept."""
        return {"jobs": self.jobs, "streams": self.streams, **self.pipelines.state()}

    def take_up(self, state: dict[str, Any], saved: datetime) -> None:
        """Take up what was kept: managed Spot training goes on from its checkpoint, other jobs have failed.

        `saved` is the last that is known of a sandbox that was killed.
        """
        self.jobs.update(state["jobs"])
        self.streams.update(state["streams"])
        self.pipelines.take_up(state)
        now = self.world.timeline.clock()
        for job in self.jobs.values():
            job.release(saved, self.share(job, saved))
            if job.status == "Stopping":
                job.end("Stopped", "Stopped", now)
            elif not job.over and not job.spot:
                job.end("Failed", "Failed", now, OUT_OF_SANDBOX)

    def resume(self) -> None:
        """Begin again what is not over; what no job owns on this machine is removed."""
        known = {job.folder for job in self.jobs.values()}
        with contextlib.suppress(OSError):
            for path in self._home.iterdir():
                if path.name not in known and _FOLDER.fullmatch(path.name):
                    shutil.rmtree(path, ignore_errors=True)
        for job in self.jobs.values():
            if job.over:
                continue
            if job.secondary != "Starting":
                job.enter("Interrupted", self.world.timeline.clock())
            self._begin(job)

    def close(self) -> None:
        """End every program; the jobs stay as they are. Called without the lock."""
        trainers = list(self._trainers.values())
        for trainer in trainers:
            trainer.wish(QUIT)
        until = time.monotonic() + LEAVING
        for trainer in trainers:
            trainer.join(max(0.0, until - time.monotonic()))
