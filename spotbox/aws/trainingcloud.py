"""What commands may ask of AWS about training jobs: the part of `Cloud` that only `train` needs.

SageMaker's model is large: every module that makes its client is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from spotbox.aws.hands import Hands, silent
from spotbox.aws.session import Aws
from spotbox.store import Store

if TYPE_CHECKING:
    from spotbox.aws.joblogs import Seen
    from spotbox.core.jobs import Job, JobQuota, LogLine, Pairs, TrainingJob


class TrainingCloud:
    """Training jobs as spotbox sees them. Every method raises SpotboxError; money is Decimal USD, times aware UTC."""

    _hands: Hands
    _aws: Aws
    _store: Store

    def ml_types(self, region: str) -> tuple[str, ...]:
        """The types that SageMaker trains on."""
        from spotbox.aws import sagemaker

        return sagemaker.ml_types(self._aws, region)

    def create_job(self, job: Job, show: Callable[[str], None] = silent) -> str:
        """Make a training job, once; its ARN."""
        from spotbox.aws import sagemaker

        hands = replace(self._hands, show=show)
        return sagemaker.create_job(hands, job, lambda: self.job_quota(job.region, job.instance_type, job.spot))

    def job(self, region: str, name: str, tags: bool = False) -> TrainingJob:
        """The training job of that name; exit 7 where there is none."""
        from spotbox.aws import sagemaker

        return sagemaker.job(self._aws, region, name, tags)

    def jobs(self, region: str, owner: str | None, since: datetime, limit: int) -> tuple[TrainingJob, ...]:
        """The newest training jobs with spotbox's tags, of one owner or of all."""
        from spotbox.aws import sagemaker

        return sagemaker.jobs(self._aws, region, owner, since, limit)

    def stop_job(self, region: str, name: str) -> None:
        """Ask for a training job's stop; the caller has seen spotbox's tags on it."""
        from spotbox.aws import sagemaker

        sagemaker.stop_job(self._aws, region, name)

    def job_log(self, region: str, name: str, seen: Seen | None = None) -> tuple[tuple[LogLine, ...], Seen]:
        """The lines of a training job's log since `seen`."""
        from spotbox.aws import joblogs

        return joblogs.job_log(self._aws, region, name, seen)

    def job_quota(self, region: str, ml_type: str, spot: bool) -> JobQuota:
        """How many instances may train at once."""
        from spotbox.aws import jobprices

        return jobprices.job_quota(self._aws, region, ml_type, spot, self._store)

    def job_price(self, region: str, ml_type: str) -> Decimal | None:
        """USD per hour of one instance in a training job, on demand, or None."""
        from spotbox.aws import jobprices

        return jobprices.job_price(self._aws, region, ml_type, self._store)

    def check_bucket(self, region: str, uri: str) -> None:
        """UsageError where the bucket of an s3 URI does not exist, or is of another region."""
        from spotbox.aws import s3
        from spotbox.core.training import s3_parts

        s3.check_bucket(self._aws, region, s3_parts(uri)[0])

    def make_bucket(self, region: str, uri: str) -> None:
        """Make the bucket of an s3 URI."""
        from spotbox.aws import s3
        from spotbox.core.training import s3_parts

        s3.make_bucket(self._aws, region, s3_parts(uri)[0])

    def upload(self, region: str, uri: str, path: Path, show: Callable[[str], None] = silent) -> bool:
        """Put a file to S3 where nothing is there yet; whether it was sent."""
        from spotbox.aws import s3

        return s3.upload(self._aws, region, uri, path, show)

    def prefix_holds(self, region: str, uri: str) -> bool | None:
        """Whether anything lies under an S3 prefix; None where we may not look."""
        from spotbox.aws import s3

        return s3.prefix_holds(self._aws, region, uri)

    def upsert_pipeline(self, region: str, name: str, definition: str, role: str, tags: Pairs = ()) -> str:
        """Make or change a pipeline; its ARN."""
        from spotbox.aws import pipelines

        return pipelines.upsert_pipeline(self._aws, region, name, definition, role, tags)

    def start_pipeline(self, region: str, name: str) -> str:
        """Start a pipeline; the execution's ARN."""
        from spotbox.aws import pipelines

        return pipelines.start_pipeline(self._aws, region, name)

    def pipeline_execution(self, region: str, arn: str) -> tuple[str, tuple[str, ...]]:
        """An execution's status and the names of its training jobs."""
        from spotbox.aws import pipelines

        return pipelines.pipeline_execution(self._aws, region, arn)
