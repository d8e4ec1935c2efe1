"""IAM policies as the tests read them: the actions allowed, and those that a call of the API needs."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from spotbox.core.policies import USES

# IAM User Guide and EC2 User Guide, "Grant permission to tag Amazon EC2 resources during creation": a call that makes
# tagged resources needs CreateTags too, and one that hands a role to an instance PassRole.
TAGS_WHAT_IT_MAKES = frozenset(
    {
        *("CopyImage", "CreateImage", "CreateSecurityGroup", "CreateSnapshot", "CreateVolume"),
        *("ImportKeyPair", "RequestSpotInstances", "RunInstances"),
    }
)
HANDS_ON_A_ROLE = frozenset({"RequestSpotInstances", "RunInstances"})
# STS API Reference, GetCallerIdentity: "No permissions are required to perform this operation".
NEEDED_BESIDES = frozenset({"sts:GetCallerIdentity"})
# Service Authorization Reference: the actions of S3 that are not named as the operations are.
S3 = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}

PLACE = ("--bucket", "mine/dev")
DISK_KEY = "arn:aws:kms:us-east-1:123456789012:key/mrk-0123456789abcdef0123456789abcdef"
# The arguments of every document that there is.
EVERY = [
    *((use, *strict) for use in USES for strict in ((), ("--strict",))),
    ("box", "--strict", "--disk-key", DISK_KEY),
    *((use, "--document", document) for use in ("box", "train") for document in ("role", "trust")),
]


def wanted(service: str, operation: str) -> set[str]:
    """The IAM actions that one call of spotbox's needs; `service` is the name that the call is signed for."""
    if service == "s3":
        return {f"s3:{S3.get(operation, operation)}"}
    found = {f"{service}:{operation}"}
    if service == "ec2" and operation in TAGS_WHAT_IT_MAKES:
        found.add("ec2:CreateTags")
    if service == "ec2" and operation in HANDS_ON_A_ROLE:
        found.add("iam:PassRole")
    if service == "sagemaker" and operation in ("CreatePipeline", "CreateTrainingJob"):
        found.add("sagemaker:AddTags")
    if service == "sagemaker" and operation in ("CreatePipeline", "CreateTrainingJob", "UpdatePipeline"):
        found.add("iam:PassRole")
    return found


def printed(user, *args):
    """The policy; stdout must hold nothing else."""
    said = user.run("policy", *args)
    assert said.code == 0, said.err
    return said.json


def items(value: Any) -> list[Any]:
    """What may stand alone or in a list, as a list."""
    return value if isinstance(value, list) else [value]


def allowed(policy: dict[str, Any]) -> set[str]:
    """The actions that a policy's statements allow."""
    return {action for statement in policy["Statement"] for action in items(statement["Action"])}


def allows(policy: dict[str, Any], action: str, resource: str, **keys: str) -> bool:
    """Whether a policy allows an action on a resource where the condition keys are `keys`."""
    return any(granting(policy, action, resource, **keys))


def granting(policy: dict[str, Any], action: str, resource: str, **keys: str) -> Iterator[tuple[str, str]]:
    """The Sid of each statement that allows it, and the resource pattern by which it does.

    IAM User Guide, "IAM JSON policy elements: Condition": all conditions of a statement must hold.
    """
    for statement in policy["Statement"]:
        if action in items(statement["Action"]) and _holds(statement.get("Condition", {}), keys):
            for pattern in items(statement["Resource"]):
                if fnmatchcase(resource, pattern):
                    yield statement["Sid"], pattern


def _holds(conditions: dict[str, dict[str, Any]], keys: dict[str, str]) -> bool:
    for operator, wanted_keys in conditions.items():
        for key, values in wanted_keys.items():
            if operator == "Null":
                good = (key not in keys) == (values == "true")
            elif operator in ("Bool", "StringEquals", "StringLike"):
                good = any(fnmatchcase(keys.get(key, "\0"), value) for value in items(values))
            else:
                raise NotImplementedError(operator)
            if not good:
                return False
    return True
