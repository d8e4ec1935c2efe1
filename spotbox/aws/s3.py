"""S3 for a training job: its code uploaded once, and whether a checkpoint lies where one is to be written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spotbox.aws.sagemaker import asking
from spotbox.aws.session import Aws
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.packing import show_size
from spotbox.core.text import safe
from spotbox.core.training import s3_parts

_ABSENT = ("404", "NoSuchKey", "NotFound")
_HIDDEN = ("403", "AccessDenied", "Forbidden")


def upload(aws: Aws, region: str, uri: str, path: Path, show: Callable[[str], None]) -> bool:
    """Put the file to `uri` where nothing is there yet; whether it was sent. The key names the contents by their hash.

    Encryption is left to the bucket. UsageError where the bucket does not exist or is not in `region`: SageMaker
    takes S3 places of the job's own region only (API Reference, CreateTrainingJob, S3OutputPath).
    """
    bucket, key = s3_parts(uri)
    check_bucket(aws, region, bucket)
    if _is_there(aws, region, bucket, key):
        return False
    show(f"uploading {show_size(path.stat().st_size)} to {safe(uri)}")
    client = aws.client("s3", region)
    with path.open("rb") as body, asking("s3:PutObject", region):
        client.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/gzip")
    return True


def prefix_holds(aws: Aws, region: str, uri: str) -> bool | None:
    """Whether anything lies under the prefix, the marker of an empty folder aside; None where we may not look.

    UsageError where there is no such bucket.
    """
    bucket, key = s3_parts(uri)
    prefix = f"{key}/" if key else ""
    client = aws.client("s3", region)
    try:
        with asking("s3:ListBucket", region):
            page = client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=2)
    except SpotboxError as error:
        if error.code == "NoSuchBucket":
            raise _no_bucket(bucket) from error
        if error.code in _HIDDEN:
            return None
        raise
    return any(one.get("Key") != prefix for one in page.get("Contents") or ())


def check_bucket(aws: Aws, region: str, bucket: str) -> None:
    """UsageError where the bucket does not exist or is of another region; silent where S3 does not tell.

    HeadBucket names the region also where it refuses (S3 API Reference, HeadBucket, x-amz-bucket-region).
    """
    from botocore.exceptions import ClientError

    client = aws.client("s3", region)
    try:
        with asking("s3:ListBucket", region):
            answer = client.head_bucket(Bucket=bucket)
    except SpotboxError as error:
        if error.code in (*_ABSENT, "NoSuchBucket"):
            raise _no_bucket(bucket) from error
        if error.code not in (*_HIDDEN, "301", "400", "PermanentRedirect") or not isinstance(
            error.__cause__, ClientError
        ):
            raise
        answer = error.__cause__.response
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    there = answer.get("BucketRegion") or headers.get("x-amz-bucket-region")
    if there and there != region:
        raise UsageError(
            f"the bucket {safe(bucket)} is in {safe(there)}, the job runs in {region}",
            f"SageMaker takes S3 places of its own region only: use a bucket of {region}, or -r {safe(there)}.",
        )


def _is_there(aws: Aws, region: str, bucket: str, key: str) -> bool:
    """Whether the object is there; where we may not look it is sent again, which changes nothing."""
    client = aws.client("s3", region)
    try:
        with asking("s3:GetObject", region):
            client.head_object(Bucket=bucket, Key=key)
            return True
    except SpotboxError as error:
        if error.code in _ABSENT or error.code in _HIDDEN or error.exit_code == Exit.DENIED:
            return False
        raise


def make_bucket(aws: Aws, region: str, bucket: str) -> None:
    """Make a bucket in `region`. CreateBucket takes no LocationConstraint for us-east-1 (S3 API Reference)."""
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with asking("s3:CreateBucket", region):
        aws.client("s3", region).create_bucket(Bucket=bucket, **place)


def _no_bucket(bucket: str) -> UsageError:
    error = UsageError(f"there is no bucket {safe(bucket)}", f"Make it: aws s3 mb s3://{bucket}; or name another.")
    error.code = "NoSuchBucket"
    return error
