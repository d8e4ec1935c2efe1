"""The life of one training job, in a thread: Starting, Downloading, Training, perhaps Interrupted, Uploading.

The waits are the sandbox's (pace.py), the script's time is real. The order of statuses: SageMaker guide,
model-managed-spot-training; SIGTERM and 120 s before an end by force: API reference, StopTrainingJob.
"""

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from spotbox.sandbox import trainfolder, trainprocess, trainwork
from spotbox.sandbox.trainbucket import files
from spotbox.sandbox.trainenv import Place, Script, Unfit, script_of
from spotbox.sandbox.trainfolder import Checkpoints
from spotbox.sandbox.trainlogs import Writer
from spotbox.sandbox.trainprocess import Program
from spotbox.sandbox.trainrecords import NO_CAPACITY, TrainJob

if TYPE_CHECKING:
    from spotbox.sandbox.training import Training

log = logging.getLogger("spotbox.sandbox")
STOP, INTERRUPT, QUIT = "stop", "interrupt", "quit"  # what is wished of a job; a later one in this list outdoes others
_RANK = ("", INTERRUPT, STOP, QUIT)
DONE, FAILED, MAX_RUN, MAX_WAIT = "done", "failed", "max-run", "max-wait"
ENDS = {
    DONE: ("Completed", "Completed"),
    FAILED: ("Failed", "Failed"),
    STOP: ("Stopped", "Stopped"),
    MAX_RUN: ("Stopped", "MaxRuntimeExceeded"),
    MAX_WAIT: ("Stopped", "MaxWaitTimeExceeded"),
}
INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
NO_MACHINES = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
)
LONGEST_LOOK = 1.0  # seconds between two looks at the clock


class Trainer:
    """Runs one job to its end, or until the sandbox ends. `wish` may be called from any thread."""

    def __init__(self, job: TrainJob, training: "Training"):
        self.job = job
        self.notice = training.world.pace.notice
        self._shop = training
        self._world = training.world
        self._pace = training.world.pace
        self._wish = ""
        self._guard = threading.Lock()  # of the wish
        self._bell = threading.Event()
        self._thread = threading.Thread(target=self._live, name="training job", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wish(self, what: str, notice: float | None = None) -> None:
        """Have the job stopped, interrupted, or left because the sandbox ends; `notice` in seconds."""
        with self._guard:
            if notice is not None:
                self.notice = notice
            self._wish = max(self._wish, what, key=_RANK.index)
        self._bell.set()

    def join(self, timeout: float) -> None:
        """Wait for its end."""
        self._thread.join(timeout)

    # Small things

    def _now(self) -> datetime:
        return self._world.timeline.clock()

    @contextlib.contextmanager
    def _change(self) -> Iterator[datetime]:
        """The world held while the job is changed; what was done is saved."""
        with self._world.lock:
            yield self._now()
            self._world.changes += 1

    def _enter(self, secondary: str, message: str | None = None) -> None:
        with self._change() as now:
            if self.job.status == "InProgress" or secondary == "Uploading":
                self.job.enter(secondary, now, message)

    def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until something is wished."""
        until = time.monotonic() + seconds
        while self._wish in ("", INTERRUPT) and (left := until - time.monotonic()) > 0:
            self._bell.wait(left)
            self._bell.clear()

    def _late(self) -> bool:
        until = self.job.wait_until
        return until is not None and self._now() >= until

    # The life

    def _live(self) -> None:
        try:
            while (zone := self._capacity()) and self._run(zone):
                pass
        except Exception:
            log.exception("a training job failed inside the sandbox")
            with self._change() as now:
                self.job.end("Failed", "Failed", now, INTERNAL)
        finally:
            self._shop.ended(self)

    def _capacity(self) -> str | None:
        """Wait for machines; their zone, or None where the job is over or left."""
        began = time.monotonic()
        self._enter("Starting")
        while self._wish not in (STOP, QUIT):
            with self._world.lock:
                zone = self._shop.free_zone(self.job)
            if zone:
                self._pause(self._pace.train_start)
                if self._wish not in (STOP, QUIT):
                    return zone
                continue
            self._enter("Starting", NO_CAPACITY)
            if self._late():
                self._enter("Stopping")
                self._end(MAX_WAIT)
                return None
            if not self.job.spot and time.monotonic() - began > self._pace.away:
                self._end(FAILED, NO_MACHINES)
                return None
            left = (self.job.wait_until - self._now()).total_seconds() if self.job.wait_until else self._pace.retry
            self._pause(min(self._pace.retry, max(left, 0.05)))
        if self._wish == STOP:
            self._end(STOP)
        return None

    def _end(self, how: str, reason: str = "") -> None:
        status, secondary = ENDS[how]
        with self._change() as now:
            self.job.end(status, secondary, now, reason)

    def _run(self, zone: str) -> bool:
        """Hold machines once; whether the job was interrupted and is to start again."""
        with self._change() as began:
            self.job.zone, self.job.holds_since = zone, began
            self.job.started = self.job.started or began
        self._enter("Downloading")
        places = [Place(self._shop.folder(self.job) / host, trainprocess.literal()) for host in self.job.hosts]
        outcome, reason = FAILED, ""
        try:
            outcome, reason = self._work(places, began)
            if outcome not in (INTERRUPT, QUIT):
                self._upload(outcome, places)
        except Unfit as unfit:
            outcome, reason = FAILED, str(unfit)
        with self._change() as now:
            self.job.release(now, self._shop.share(self.job, now))
            if outcome not in (INTERRUPT, QUIT):
                self.job.end(*ENDS[outcome], now, reason)
        if outcome in (INTERRUPT, QUIT):
            self._interrupted()
        return outcome == INTERRUPT

    def _interrupted(self) -> None:
        with self._change() as now:
            self.job.interruptions += 1
            if self.job.status == "InProgress":
                self.job.enter("Interrupted", now)
        with self._guard:
            self._wish = "" if self._wish == INTERRUPT else self._wish
            self.notice = self._pace.notice
        self._pause(self._pace.train_again)

    def _upload(self, outcome: str, places: list[Place]) -> None:
        """Send what there is: the model of a job that did not fail, and other output where there is some."""
        bucket, uri = self._shop.bucket, self.job.output
        outputs = [place.ml / "output" / "data" for place in places]
        if outcome != FAILED:
            self._enter("Uploading")
            trainfolder.pack([place.ml / "model" for place in places], f"{uri}/model.tar.gz", bucket)
            self._pause(self._pace.train_upload)
            with self._change():
                self.job.model = f"{uri}/model.tar.gz"
        if any(True for folder in outputs for _ in files(folder)):
            trainfolder.pack(outputs, f"{uri}/output.tar.gz", bucket)

    # The work

    def _work(self, places: list[Place], began: datetime) -> tuple[str, str]:
        """Bring the files and run the script; how that ended, and a reason. Raises Unfit."""
        script = script_of(self.job)
        logs = [self._shop.open_log(self.job, host) for host in self.job.hosts]
        try:
            kept = self._bring(script, places, logs)
            self._pause(self._pace.train_download)
            if self._wish:
                return self._wish, ""
            self._enter("Training")
            return self._train(script, places, logs, kept, began)
        except Unfit as unfit:
            logs[0].say(str(unfit))
            raise
        finally:
            for writer in logs:
                writer.close()

    def _bring(self, script: Script, places: list[Place], logs: list[Writer]) -> list[Checkpoints]:
        bucket, kept = self._shop.bucket, []
        for number, (host, place, writer) in enumerate(zip(self.job.hosts, places, logs, strict=True)):
            trainfolder.prepare(self.job, host, place)
            trainfolder.fetch_code(script, place, bucket)
            remarks = trainfolder.fetch_channels(self.job, number, place, bucket)
            if self.job.checkpoint:
                kept.append(Checkpoints(self.job, place, bucket))
                remarks += kept[-1].down()
            trainwork.introduce(self.job, script, place, writer)
            for text in remarks:
                writer.say(text)
        return kept

    def _train(
        self, script: Script, places: list[Place], logs: list[Writer], kept: list[Checkpoints], began: datetime
    ) -> tuple[str, str]:
        programs: list[Program] = []
        try:
            aws = self._shop.aws_variables(self.job)
            for program in trainwork.begin(self.job, script, places, logs, aws, self._bell.set):
                programs.append(program)
            outcome = self._watch(programs, kept, began)
            if outcome not in (DONE, FAILED):
                self._let_end(programs)
        finally:
            for program in programs:
                program.end()
            for program in programs:
                program.kill()
        for one in kept:
            one.up()
        return outcome, trainwork.failure(script, places, programs) if outcome == FAILED else ""

    def _watch(self, programs: list[Program], kept: list[Checkpoints], began: datetime) -> str:
        """Wait for the end of the programs, or for a reason to end them; checkpoints are sent meanwhile."""
        run_out = time.monotonic() + self.job.max_run - self.job.held - (self._now() - began).total_seconds()
        sync = time.monotonic() + self._pace.train_sync
        while True:
            if any(program.over.is_set() and program.code for program in programs):
                return FAILED
            if all(program.over.is_set() for program in programs):
                return DONE
            now = time.monotonic()
            if self._wish or now >= run_out or self._late():
                return self._wish or (MAX_RUN if now >= run_out else MAX_WAIT)
            if now >= sync:
                for one in kept:
                    one.up()
                sync = time.monotonic() + self._pace.train_sync
            self._bell.wait(max(0.01, min(sync - now, run_out - now, LONGEST_LOOK)))
            self._bell.clear()

    def _let_end(self, programs: list[Program]) -> None:
        """SIGTERM, and time to end: the notice, which is 120 s at AWS. When the sandbox itself ends there is none."""
        for program in programs:
            program.signal(signal.SIGTERM)
        until = time.monotonic() + self.notice
        while self._wish != QUIT and not all(p.over.is_set() for p in programs) and time.monotonic() < until:
            self._bell.wait(min(0.5, max(0.01, until - time.monotonic())))
            self._bell.clear()
