"""What these credentials may do, found out without doing it: EC2's dry runs, and IAM's policy simulator.

EC2 API Reference, common parameter DryRun: DryRunOperation where the call would have succeeded, UnauthorizedOperation
where it is not permitted. What AWS says to a dry run about something that does not exist is documented nowhere, so any
other answer tells nothing. Nothing that exists is ever named in a dry run that would end it: an endpoint that overlooks
DryRun does no harm.
"""

from collections.abc import Callable, Sequence
from typing import Any

from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.names import OWNER_TAG, box_tags, wire_tags
from spotbox.core.records import Identity
from spotbox.core.remedies import policy_source

NOWHERE = "0" * 17  # in an id of nothing that there is
DENIALS = ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "NotAuthorized")
# What a box needs in its life and no dry run without it can tell of.
LIFE = (
    *("ec2:StartInstances", "ec2:StopInstances", "ec2:TerminateInstances", "ec2:CancelSpotInstanceRequests"),
    *("ec2:CreateTags", "ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"),
    *("ec2:DeleteSecurityGroup", "ec2:DeleteKeyPair", "ec2:DeleteVolume", "ec2:GetConsoleOutput"),
)
_PARTS = ("instance", "spot-instances-request", "security-group", "key-pair", "volume")
_SAMPLE_KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBkr0lQ4mJjB8iRmPVYlvzZ3ZVFAQrdHv3gXxVJQfGWa"


def denied(error: SpotboxError) -> bool:
    """Whether AWS refused for want of permission, and not for the credentials themselves."""
    return error.exit_code is Exit.DENIED and error.code in DENIALS


def tried(aws: Aws, region: str, operation: str, **params: Any) -> bool | None:
    """Whether `operation` (run_instances) is permitted with these parameters; None where AWS does not say.

    SpotboxError for what is not about the call: no network, credentials that AWS does not accept.
    """
    client = aws.client("ec2", region)
    try:
        with translating(region=region):
            getattr(client, operation)(DryRun=True, **params)
    except SpotboxError as error:
        if error.code == "DryRunOperation":
            return True
        if denied(error):
            return False
        if error.code is None or error.exit_code is Exit.DENIED:
            raise
    return None


def without_resources(aws: Aws, region: str) -> dict[str, Callable[[], bool | None]]:
    """The dry runs that need to know nothing before, by action. Those that end something name what is not there.

    The key pair bears tags, as that of a box does; whose is not known yet.
    """
    tags = [{"ResourceType": "key-pair", "Tags": wire_tags(box_tags("doctor", "doctor"))}]
    instance, request = f"i-{NOWHERE}", f"sir-{NOWHERE[:8]}"
    return {
        "ec2:ImportKeyPair": lambda: tried(
            aws,
            region,
            "import_key_pair",
            KeyName=f"spotbox-{NOWHERE}",
            PublicKeyMaterial=_SAMPLE_KEY,
            TagSpecifications=tags,
        ),
        "ec2:StartInstances": lambda: tried(aws, region, "start_instances", InstanceIds=[instance]),
        "ec2:StopInstances": lambda: tried(aws, region, "stop_instances", InstanceIds=[instance]),
        "ec2:TerminateInstances": lambda: tried(aws, region, "terminate_instances", InstanceIds=[instance]),
        "ec2:CancelSpotInstanceRequests": lambda: tried(
            aws, region, "cancel_spot_instance_requests", SpotInstanceRequestIds=[request]
        ),
    }


def launching(
    aws: Aws, region: str, owner: str, image_id: str, instance_type: str, subnet_id: str, vpc_id: str
) -> dict[str, Callable[[], bool | None]]:
    """The dry runs of a launch and of its group. A launch that tags needs ec2:CreateTags too, which AWS then names."""
    tags = wire_tags(box_tags("doctor", owner))
    kinds = ("instance", "volume", "network-interface", "spot-instances-request")
    spot = {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop"}
    interface = {"DeviceIndex": 0, "SubnetId": subnet_id, "AssociatePublicIpAddress": True}
    return {
        "ec2:RunInstances": lambda: tried(
            aws,
            region,
            "run_instances",
            ImageId=image_id,
            InstanceType=instance_type,
            MinCount=1,
            MaxCount=1,
            InstanceMarketOptions={"MarketType": "spot", "SpotOptions": spot},
            NetworkInterfaces=[interface],
            TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in kinds],
        ),
        "ec2:CreateSecurityGroup": lambda: tried(
            aws,
            region,
            "create_security_group",
            GroupName=f"spotbox-{NOWHERE}",
            Description="spotbox doctor",
            VpcId=vpc_id,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
        ),
    }


def simulated(aws: Aws, region: str, who: Identity, actions: Sequence[str], owner: str | None = None) -> frozenset[str]:
    """Those of `actions` that IAM's simulator allows the caller on a box's resources (IAM, SimulatePrincipalPolicy):
    on those that bear the owner's tag, where one is given, else on those that bear none.

    Not allowed there is no proof of the contrary: the simulator knows no path of a role.
    """
    source = policy_source(who)
    if source is None:
        return frozenset(actions) if who.arn.endswith(":root") else frozenset()
    partition = who.arn.split(":")[1]
    keys = [f"aws:{kind}/{OWNER_TAG}" for kind in ("ResourceTag", "RequestTag")] if owner else []
    with translating("iam:SimulatePrincipalPolicy", region):
        answer = aws.client("iam", region).simulate_principal_policy(
            PolicySourceArn=source,
            ActionNames=list(actions),
            ResourceArns=[f"arn:{partition}:ec2:{region}:{who.account}:{part}/{NOWHERE}" for part in _PARTS],
            ContextEntries=[
                {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [str(owner)]} for key in keys
            ],
        )
    found = set()
    for row in answer.get("EvaluationResults", ()):
        parts = [part.get("EvalResourceDecision") for part in row.get("ResourceSpecificResults") or ()]
        if "allowed" in (row.get("EvalDecision"), *parts):
            found.add(row.get("EvalActionName", ""))
    return frozenset(found & set(actions))
