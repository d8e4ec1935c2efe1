"""What CreateTrainingJob refuses, beyond what its model says: rules between members, quotas, and what is not there.

Rules: API reference, CreateTrainingJob and StoppingCondition; SageMaker guide, model-managed-spot-training. Sentences
follow replies that users have posted, those about MaxWaitTimeInSeconds are UNCONFIRMED.
"""

from typing import Any

from spotbox.sandbox.mltypes import quota_of
from spotbox.sandbox.modelchecks import check
from spotbox.sandbox.refusals import Refusal
from spotbox.sandbox.trainbucket import Bucket
from spotbox.sandbox.trainrecords import DEFAULT_MAX_RUN

Body = dict[str, Any]
NOT_ALLOWED = ("InstancePreferences", "InstanceGroups", "InstancePlacementConfig", "TrainingPlanArn")


def invalid(text: str) -> Refusal:
    """A ValidationException."""
    return Refusal("ValidationException", text)


def check_request(body: Body) -> None:
    """Raise Refusal ValidationException for a request that AWS takes for none, or that the sandbox cannot carry out."""
    check("sagemaker", "CreateTrainingJob", body)
    for name in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
        if not body.get(name):
            raise invalid(f"{name} is required to create a training job")
    algorithm, resources = body["AlgorithmSpecification"], body["ResourceConfig"]
    if bool(algorithm.get("TrainingImage")) == bool(algorithm.get("AlgorithmName")):
        raise invalid("You must specify exactly one of TrainingImage and AlgorithmName.")
    _check_resources(resources)
    _check_time(body)
    seen: set[str] = set()
    for channel in body.get("InputDataConfig") or ():
        name = channel["ChannelName"]
        if name in seen or not name.strip("."):
            raise invalid(f"Channel names must be unique and more than dots: {name}")
        seen.add(name)


def _check_resources(resources: Body) -> None:
    for name in NOT_ALLOWED:
        if resources.get(name):
            raise invalid(f"The sandbox does not have ResourceConfig.{name}.")
    if not resources.get("InstanceType") or not resources.get("InstanceCount"):
        raise invalid("ResourceConfig needs InstanceType and InstanceCount")
    if resources.get("VolumeKmsKeyId") and resources["InstanceType"].startswith(("ml.p4d", "ml.g4dn", "ml.g5")):
        raise invalid("VolumeKmsKeyId cannot be set for an instance type with NVMe storage")
    if resources.get("VolumeSizeInGB") is None and not resources["InstanceType"].startswith(("ml.p", "ml.g", "ml.t")):
        resources["VolumeSizeInGB"] = 30  # what AWS takes by itself is UNCONFIRMED


def _check_time(body: Body) -> None:
    """MaxWaitTimeInSeconds is there with managed Spot training, and not shorter than the run; elsewhere it is not."""
    condition = body["StoppingCondition"]
    run, wait = condition.get("MaxRuntimeInSeconds") or DEFAULT_MAX_RUN, condition.get("MaxWaitTimeInSeconds")
    if body.get("EnableManagedSpotTraining"):
        if not wait or wait < run:
            raise invalid(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
            )
        if body["ResourceConfig"].get("KeepAlivePeriodInSeconds"):
            raise invalid("KeepAlivePeriodInSeconds is not supported with EnableManagedSpotTraining")
    elif wait:
        raise invalid("MaxWaitTimeInSeconds is supported only when EnableManagedSpotTraining is set to true")


def check_inputs(body: Body, region: str, bucket: Bucket) -> None:
    """Raise Refusal where a channel's objects do not exist: AWS looks when the job is created."""
    for channel in body.get("InputDataConfig") or ():
        uri = channel["DataSource"].get("S3DataSource", {}).get("S3Uri", "")
        if not bucket.exists(uri):
            where = uri.removeprefix("s3://").partition("/")[0]
            raise invalid(
                f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket '
                f"exists in the selected region ({region}), that objects exist under that S3 prefix, and that the role "
                f'"{body["RoleArn"]}" has "s3:ListBucket" permissions on bucket "{where}".'
            )


def check_quota(body: Body, used: int, limits: dict[tuple[str, str], float], region: str) -> None:
    """Raise Refusal ResourceLimitExceeded where the account may not have so many instances of the type at a time."""
    ml_type, spot = body["ResourceConfig"]["InstanceType"], bool(body.get("EnableManagedSpotTraining"))
    quota = quota_of(ml_type, spot)
    limit = limits.get((region, quota.code), quota.value) if quota else 0.0  # a type that the sandbox has none of
    asked = body["ResourceConfig"]["InstanceCount"]
    if used + asked > limit:
        name = f"{ml_type} for {'spot ' if spot else ''}training job usage"
        raise Refusal(
            "ResourceLimitExceeded",
            f"The account-level service limit '{name}' is {limit:g} Instances, with current utilization of {used} "
            f"Instances and a request delta of {asked} Instances. Please use AWS Service Quotas to request an increase "
            "for this quota. If AWS Service Quotas is not available, contact AWS support to request an increase for "
            "this quota.",
        )
