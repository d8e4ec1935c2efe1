"""IAM policies: which template is for what, its placeholders filled, and which one holds an action that was refused.

A template names what differs from user to user in capitals: ACCOUNT, ROLE, SERVICE, DISKKEYS, and BUCKET/PREFIX.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spotbox.core.errors import UsageError

USES = ("prices", "box", "train")
DOCUMENTS = ("user", "role", "trust")
# EC2 User Guide, "IAM roles for Amazon EC2"; SageMaker Developer Guide, "How to use SageMaker execution roles"
_SERVICE = {"box": "ec2.amazonaws.com", "train": "sagemaker.amazonaws.com"}
_OF_ROLE = {"box": "checkpoint", "train": "job"}
ROLES = "spotbox-*"  # the roles that may be passed where none is named: one is told by its name
# IAM API Reference, CreateRole (RoleName); an ARN also holds the path.
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/(?:[\w+=,.@-]+/)*[\w+=,.@-]{1,64}", re.ASCII)
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
# KMS Developer Guide, "Key identifiers (KeyId)": a key of several regions has an id that begins with mrk-.
_KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/(?:[0-9a-f-]{36}|mrk-[0-9a-f]{32})", re.ASCII)
_PLACE = re.compile(r"(?:s3://)?([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([\w!.'()=/-]*))?", re.ASCII)
_KEYS = "DISKKEYS"
# All at once, the longest first: what the user names may itself look like a placeholder.
_PLACEHOLDER = re.compile("BUCKET/PREFIX|BUCKET|PREFIX|ACCOUNT|SERVICE|ROLE")

# What looking at prices takes, and what of it nothing else does; a test holds both against the templates.
LOOKING = frozenset(
    {
        *("ec2:DescribeInstanceTypes", "ec2:DescribeRegions", "ec2:DescribeSpotPriceHistory"),
        *("ec2:GetSpotPlacementScores", "pricing:GetProducts"),
        *("servicequotas:GetAWSDefaultServiceQuota", "servicequotas:GetServiceQuota"),
    }
)
ONLY_LOOKING = frozenset({"ec2:GetSpotPlacementScores"})
_ONLY_TRAINING = frozenset({"servicequotas:ListAWSDefaultServiceQuotas", "servicequotas:ListServiceQuotas"})
_OF_BOX = frozenset({"ec2", "ec2-instance-connect", "iam", "ssm", "pricing", "servicequotas", "cloudtrail", "ce"})
_KEYS_OF_BOX = frozenset({"kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants"})  # of KMS no more than these looks
_OF_TRAIN = frozenset({"sagemaker", "logs", "s3"})

STRICT_LOSSES = {
    "prices": ("reading prices changes nothing: --strict is the same policy",),
    "box": (
        "under --strict what carries no `spotbox:owner` tag cannot be tagged, stopped or removed:",
        "- an instance that AWS launched anew from a box's request, and its volumes: they carry no tags and bill;",
        "  `spotbox down` cancels the request, and whoever may do more must then terminate the instance",
        "- what lost its tags by hand, also for `spotbox audit --fix`",
        "- so `up --park` is not allowed at all: AWS launches from it without tags",
    ),
    "train": (
        "under --strict a job that carries no `spotbox:owner` tag, such as one of a pipeline, cannot be stopped",
    ),
}


@dataclass(frozen=True)
class Given:
    """What the user named: the account's number, a role (name or ARN), places in S3 as (bucket, prefix or empty), and
    the ARNs of customer managed keys that disks are encrypted with."""

    account: str | None = None
    role: str | None = None
    places: tuple[tuple[str, str], ...] = ()
    disk_keys: tuple[str, ...] = ()


def template(use: str, document: str = "user", strict: bool = False) -> str:
    """The file in templates/policy. UsageError where `prices` is asked for a role: looking takes none."""
    if document != "user" and use not in _SERVICE:
        raise UsageError(f"`{use}` has no role", "Roles are for `spotbox policy box` and `spotbox policy train`.")
    if document == "trust":
        return "trust.json"
    if document == "role":
        return f"{_OF_ROLE[use]}.json"
    return f"{use}.strict.json" if strict and use != "prices" else f"{use}.json"


def fill(policy: Mapping[str, Any], use: str, given: Given) -> dict[str, Any]:
    """The policy with its placeholders filled; BUCKET/PREFIX stay, and are seen, where no place is named.

    The statements about the keys of disks are there only where a key is named: AWS's own key takes none (EBS User
    Guide, "Requirements for Amazon EBS encryption").
    """
    words = {"ACCOUNT": given.account or "*", "SERVICE": _SERVICE.get(use, ""), "ROLE": _role(given)}
    made = []
    for each in policy["Statement"]:
        if each.get("Resource") != _KEYS:
            made += _filled(each, words, given.places)
        elif given.disk_keys:
            made.append({**each, "Resource": list(dict.fromkeys(given.disk_keys))})
    return {**policy, "Statement": made}


def remarks(use: str, document: str, strict: bool, given: Given, policy: Mapping[str, Any]) -> list[str]:
    """What the reader of the filled policy must know: what is left to fill in, and what --strict gives up."""
    text, said = str(policy["Statement"]), []
    if "BUCKET" in text:
        said.append("BUCKET/PREFIX stands for your place in S3: name it with --bucket BUCKET/PREFIX")
    if f"role/{ROLES}" in text:
        flag = "--iam-profile" if use == "box" else "--role"
        said.append(f"iam:PassRole is for roles named {ROLES}; name another with {flag}")
    if use == "train" and document == "role":
        said.append(
            "a role that runs a pipeline also needs sagemaker:CreateTrainingJob, DescribeTrainingJob, StopTrainingJob"
            " and AddTags, and iam:PassRole on itself"
        )
    if strict and document == "user":
        said += STRICT_LOSSES[use]
    return said


def holders(action: str, operation: str = "") -> tuple[str, ...]:
    """The uses whose policy holds an IAM action that was refused in `operation`; none where no policy of ours does."""
    service = action.partition(":")[0]
    if action == "iam:PassRole" and re.search("TrainingJob|Pipeline", operation):
        return ("train",)
    if action in ONLY_LOOKING:
        return ("prices",)
    if action in LOOKING:
        return ("box", "prices")
    if service in _OF_TRAIN or action in _ONLY_TRAINING:
        return ("train",)
    return ("box",) if service in _OF_BOX or action in _KEYS_OF_BOX else ()


def parse_account(text: str) -> str:
    """An AWS account's number: 12 digits, also as 1234-5678-9012. UsageError else."""
    plain = text.replace("-", "")
    if not _ACCOUNT.fullmatch(plain):
        raise UsageError(f"{text!r} is no AWS account", "Give its 12 digits: `aws sts get-caller-identity` tells them.")
    return plain


def parse_role(text: str) -> str:
    """The name of a role, or its ARN. UsageError else."""
    if not _ROLE_NAME.fullmatch(text) and not _ROLE_ARN.fullmatch(text):
        raise UsageError(f"{text!r} is no role", "Give its name, or arn:aws:iam::123456789012:role/NAME.")
    return text


def parse_disk_key(text: str) -> str:
    """The ARN of a key of KMS. UsageError else; an alias too: IAM goes by the key itself."""
    if not _KEY_ARN.fullmatch(text):
        hint = "Give its ARN, arn:aws:kms:REGION:ACCOUNT:key/..., as `aws ec2 get-ebs-default-kms-key-id` tells it."
        raise UsageError(f"{text!r} is no key of KMS", hint)
    return text


def parse_place(text: str) -> tuple[str, str]:
    """Bucket and prefix (empty: all of it) of BUCKET[/PREFIX] or s3://BUCKET[/PREFIX]. UsageError else."""
    found = _PLACE.fullmatch(text)
    if not found or ".." in found[1] or ".." in (found[2] or "").split("/"):
        raise UsageError(f"{text!r} is no place in S3", "Give BUCKET or BUCKET/PREFIX, such as my-checkpoints/dev.")
    return found[1], (found[2] or "").strip("/")


def _role(given: Given) -> str:
    if given.role and given.role.startswith("arn:"):
        return given.role
    return f"arn:aws:iam::{given.account or '*'}:role/{given.role or ROLES}"


def _filled(
    statement: Mapping[str, Any], words: Mapping[str, str], places: tuple[tuple[str, str], ...]
) -> list[dict[str, Any]]:
    """A statement with `words` filled in; one of BUCKET once for each place. IAM takes letters and digits in a Sid, and
    each Sid once in a policy."""
    if "BUCKET" not in str(statement) or not places:
        return [_replaced({**statement}, words)]
    made = []
    for number, (bucket, prefix) in enumerate(dict.fromkeys(places), 1):
        one = {**statement, "Sid": statement["Sid"] + (str(number) if number > 1 else "")}
        if not prefix:  # the whole bucket: nothing to narrow
            one.pop("Condition", None)
        place = {"BUCKET": bucket, "PREFIX": prefix, "BUCKET/PREFIX": f"{bucket}/{prefix}" if prefix else bucket}
        made.append(_replaced(one, {**words, **place}))
    return made


def _replaced(value: Any, words: Mapping[str, str]) -> Any:
    """The value with the placeholders in its texts replaced, those of `words`; its keys stay."""
    if isinstance(value, dict):
        return {key: _replaced(one, words) for key, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, words) for one in value]
    return _PLACEHOLDER.sub(lambda found: words.get(found[0], found[0]), value)
