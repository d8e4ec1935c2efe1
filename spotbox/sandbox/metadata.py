"""What a box's instance metadata service tells: a tree of categories, read afresh at every question.

Paths and bodies: EC2 User Guide, instancedata-data-categories, spot-instance-termination-notices,
rebalance-recommendations and iam-roles-for-amazon-ec2.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

TREE = "/latest/"
BOX_TOKEN = "sandbox-"  # noqa: S105  # no secret: it starts the session token of a box, its instance id follows
CREDENTIALS_LAST = timedelta(hours=6)
Tree = Mapping[str, Any]  # text, bytes, or a tree below


@dataclass(frozen=True)
class Facts:
    """What the metadata service of one instance knows now. Times are aware UTC.

    `tags` is None where InstanceMetadataTags is disabled; `action` is what AWS will do to the instance, and when;
    `role` the name of the instance profile's role; `endpoint` the URL of the sandbox's AWS.
    """

    instance_id: str
    instance_type: str
    image_id: str
    region: str
    zone: str
    account: str
    hostname: str
    private_ip: str
    public_ip: str | None = None
    endpoint: str = ""
    enabled: bool = True
    tokens_required: bool = True
    tags: Mapping[str, str] | None = None
    action: tuple[str, datetime] | None = None
    rebalance: datetime | None = None
    role: str | None = None
    user_data: bytes | None = None
    spot: bool = True
    launched: datetime = field(default=datetime(2026, 1, 1, tzinfo=UTC))


def instant(moment: datetime) -> str:
    """A time as metadata writes it, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def answer(facts: Facts, path: str, now: datetime) -> bytes | None:
    """The body at `path`; None (404) where there is nothing. A folder answers with the names in it, one a line."""
    if not path.startswith(TREE):
        return b"latest\n" if path == "/" else None
    node: Any = {
        "meta-data": _meta_data(facts, now),
        "dynamic": {"instance-identity": {"document": _document(facts)}},
        "user-data": facts.user_data,
    }
    for name in [part for part in path.removeprefix(TREE).split("/") if part]:
        node = node.get(name) if isinstance(node, Mapping) else None
    if isinstance(node, Mapping):
        names = [
            f"{name}/" if isinstance(below, Mapping) else name for name, below in node.items() if below is not None
        ]
        return "\n".join(names).encode()
    return node.encode() if isinstance(node, str) else node


def _meta_data(facts: Facts, now: datetime) -> Tree:
    return {
        "ami-id": facts.image_id,
        "events": {"recommendations": _present(rebalance=_rebalance(facts))} if facts.rebalance else None,
        "hostname": f"{facts.hostname}.ec2.internal",
        "iam": _iam(facts, now),
        "instance-action": "none",
        "instance-id": facts.instance_id,
        "instance-life-cycle": "spot" if facts.spot else "on-demand",
        "instance-type": facts.instance_type,
        "local-hostname": f"{facts.hostname}.ec2.internal",
        "local-ipv4": facts.private_ip,
        "placement": {"availability-zone": facts.zone, "region": facts.region},
        "public-ipv4": facts.public_ip,
        "services": {"domain": "amazonaws.com", "partition": "aws"},
        "spot": _spot(facts),
        "tags": None if facts.tags is None else {"instance": dict(facts.tags)},
    }


def _present(**leaves: str | None) -> Tree:
    return {name.replace("_", "-"): text for name, text in leaves.items() if text is not None}


def _rebalance(facts: Facts) -> str | None:
    return json.dumps({"noticeTime": instant(facts.rebalance)}) if facts.rebalance else None


def _spot(facts: Facts) -> Tree | None:
    """The two items of a notice; instance-action alone where the instance is not to be terminated."""
    if facts.action is None:
        return None
    what, when = facts.action
    notice = json.dumps({"action": what, "time": instant(when)})
    return _present(instance_action=notice, termination_time=instant(when) if what == "terminate" else None)


def _iam(facts: Facts, now: datetime) -> Tree | None:
    """The role of the instance profile with credentials: the sandbox's own, which are no secret."""
    if facts.role is None:
        return None
    credentials = {
        "Code": "Success",
        "LastUpdated": instant(now),
        "Type": "AWS-HMAC",
        "AccessKeyId": "ASIASANDBOXBOX000000",
        "SecretAccessKey": "sandbox",
        "Token": f"{BOX_TOKEN}{facts.instance_id}",
        "Expiration": instant(now + CREDENTIALS_LAST),
    }
    return {"security-credentials": {facts.role: json.dumps(credentials, indent=2)}}


def _document(facts: Facts) -> str:
    """The instance identity document (EC2 User Guide, instance-identity-documents)."""
    return json.dumps(
        {
            "accountId": facts.account,
            "architecture": "x86_64",
            "availabilityZone": facts.zone,
            "imageId": facts.image_id,
            "instanceId": facts.instance_id,
            "instanceType": facts.instance_type,
            "pendingTime": instant(facts.launched),
            "privateIp": facts.private_ip,
            "region": facts.region,
            "version": "2017-09-30",
        },
        indent=2,
    )
