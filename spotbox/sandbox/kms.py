"""KMS, as far as disks need it: customer managed keys, their grants and policies. They are kept with EC2's region."""

import json
import uuid
from typing import Any

from spotbox.sandbox.refusals import Refusal
from spotbox.sandbox.world import ACCOUNT, World

Body = dict[str, Any]
AWS_KEY = "alias/aws/ebs"


def _keys(world: World, region: str) -> dict[str, Body]:
    """The region's keys by ARN: metadata, policy and grants of each."""
    found: dict[str, Body] = world.ebs.backend(region).__dict__.setdefault("customer_keys", {})
    return found


def _key(world: World, region: str, body: Body) -> Body:
    wanted = str(body.get("KeyId") or "")
    for arn, key in _keys(world, region).items():
        if wanted in (arn, arn.rpartition("/")[2]):
            return key
    raise Refusal("NotFoundException", f"Key '{wanted}' does not exist")


def create_key(world: World, region: str, body: Body) -> Body:
    """A new customer managed key; its policy is the default one, which names the account and no role."""
    key_id = str(uuid.uuid4())
    arn = f"arn:aws:kms:{region}:{ACCOUNT}:key/{key_id}"
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    allow = {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}
    about = {
        "KeyId": key_id,
        "Arn": arn,
        "AWSAccountId": ACCOUNT,
        "KeyManager": "CUSTOMER",
        "KeyState": "Enabled",
        "Enabled": True,
        "KeyUsage": "ENCRYPT_DECRYPT",
        "Description": str(body.get("Description") or ""),
    }
    policy = body.get("Policy") or json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    _keys(world, region)[arn] = {"about": about, "policy": policy, "grants": []}
    return {"KeyMetadata": about}


def describe_key(world: World, region: str, body: Body) -> Body:
    """A key's metadata."""
    return {"KeyMetadata": _key(world, region, body)["about"]}


def get_key_policy(world: World, region: str, body: Body) -> Body:
    """A key's policy, which is named default."""
    return {"Policy": _key(world, region, body)["policy"], "PolicyName": "default"}


def create_grant(world: World, region: str, body: Body) -> Body:
    """Let a principal use a key."""
    key = _key(world, region, body)
    if not body.get("Operations") or not body.get("GranteePrincipal"):
        raise Refusal("ValidationException", "GranteePrincipal and Operations are required.")
    grant = {
        "KeyId": key["about"]["Arn"],
        "GrantId": uuid.uuid4().hex * 2,
        "GranteePrincipal": body["GranteePrincipal"],
        "Operations": body["Operations"],
    }
    key["grants"].append(grant)
    return {"GrantId": grant["GrantId"], "GrantToken": "sandbox"}


def list_grants(world: World, region: str, body: Body) -> Body:
    """The grants of a key."""
    return {"Grants": _key(world, region, body)["grants"], "Truncated": False}


ACTIONS = {
    "CreateKey": create_key,
    "DescribeKey": describe_key,
    "GetKeyPolicy": get_key_policy,
    "CreateGrant": create_grant,
    "ListGrants": list_grants,
}
