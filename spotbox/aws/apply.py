"""Carry out a step: one short function per kind, each safe to run twice."""

from collections.abc import Callable
from functools import partial
from typing import Any

from spotbox.aws import remove
from spotbox.aws.calls import call as _call
from spotbox.aws.hands import Hands
from spotbox.aws.identity import create_spot_role
from spotbox.aws.observe import describe
from spotbox.aws.remove import cancel as cancel  # launch takes it from here
from spotbox.core import steps as s
from spotbox.core import wishes as w
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.names import NAME_TAG, OWNER_TAG, wire_tags
from spotbox.core.records import Group, Rule
from spotbox.core.states import LIVE, STOPPED_BY_USER
from spotbox.core.waiting import Look, T

SHOWN_WITHIN = 60  # seconds in which AWS knows what it has just made
HEALS = {"IncorrectSpotRequestState", "IncorrectInstanceState", "InvalidInstanceID.NotFound"}
# What passes within moments, and says that nothing was done: not known yet, or one call too many.
PASSES = {
    "InvalidGroup.NotFound", "InvalidKeyPair.NotFound", "InvalidInstanceID.NotFound", "InvalidVolume.NotFound",
    "InvalidSpotInstanceRequestID.NotFound", "RequestLimitExceeded",
}  # fmt: skip
START_WAIT = 90  # seconds


def apply(hands: Hands, step: s.Step) -> None:
    """Carry out one step (Launch and Park have an answer, and so functions of their own). SpotboxError if it fails."""
    _APPLY[type(step)](hands, step)


def make_spot_role(hands: Hands, step: w.MakeSpotRole) -> None:
    """Make the role and give IAM a few seconds to show it everywhere."""
    create_spot_role(hands.aws)
    hands.rest(5, lambda left: "waiting for IAM to spread the new Spot role")


def make_key(hands: Hands, step: w.MakeKey) -> None:
    """Import the key pair unless a pair of that name, which is the same key, is there."""
    _call(
        hands,
        step.region,
        "import_key_pair",
        ok=("InvalidKeyPair.Duplicate",),
        KeyName=step.name,
        PublicKeyMaterial=step.public_key.encode(),
        TagSpecifications=[{"ResourceType": "key-pair", "Tags": wire_tags(step.tags)}],
    )


def make_group(hands: Hands, step: w.MakeGroup) -> str:
    """Make the group or take the box's own one, then add the rules that it lacks; its id."""
    made = _call(
        hands,
        step.region,
        "create_security_group",
        ok=("InvalidGroup.Duplicate",),
        GroupName=step.name,
        Description=f"spotbox {step.tags[NAME_TAG]}: SSH from its owner",
        VpcId=step.vpc_id,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": wire_tags(step.tags)}],
    )
    if made:
        group_id, have = made["GroupId"], frozenset[str]()
    else:
        group = _own_group(hands, step)
        group_id, have = group.id, frozenset(rule.cidr for rule in group.rules)
    for rule in step.rules:
        if rule.cidr not in have:
            once_known(hands, partial(_authorize, hands, step.region, group_id, rule))
    hands.groups[step.region, step.vpc_id, step.name] = str(group_id)
    return str(group_id)


def once_known(hands: Hands, call: Callable[[], T]) -> T:
    """What `call` gives, asked again while AWS throttles it, or does not know what was made a moment ago.

    "Its ID might not have propagated throughout the system" (EC2 API Reference, "Eventual consistency").
    """
    end = hands.now() + SHOWN_WITHIN
    while True:
        try:
            return call()
        except SpotboxError as error:
            if error.code not in PASSES or hands.now() > end:
                raise
            hands.show(f"{error.message}; asking again")
        hands.sleep(1.0)


def _own_group(hands: Hands, step: w.MakeGroup) -> Group:
    filters = [{"Name": "group-name", "Values": [step.name]}, {"Name": "vpc-id", "Values": [step.vpc_id]}]
    looked = hands.wait(lambda: _found(describe(hands.aws, step.region, "groups", filters)), 60)
    group: Group | None = looked.value
    if group is None:
        raise SpotboxError(f"security group {step.name} exists but does not appear", "Run the same command again.")
    if any(group.tags.get(key) != step.tags[key] for key in (NAME_TAG, OWNER_TAG)):
        raise UsageError(
            f"a security group named {step.name} ({group.id}) exists in {step.region} and is not spotbox's",
            "Rename or delete it, or use another box name.",
        )
    return group


def _found(groups: tuple[Group, ...]) -> Look[Group | None]:
    # One without tags may be the box's, made a moment ago: AWS may show it before its tags.
    shown = bool(groups) and bool(groups[0].tags)
    return Look(groups[0] if groups else None, shown, "waiting for the security group to appear")


def _permission(rule: Rule) -> list[dict[str, Any]]:
    if ":" in rule.cidr:
        ranges: dict[str, Any] = {"Ipv6Ranges": [{"CidrIpv6": rule.cidr, "Description": rule.description}]}
    else:
        ranges = {"IpRanges": [{"CidrIp": rule.cidr, "Description": rule.description}]}
    return [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **ranges}]


def _authorize(hands: Hands, region: str, group_id: str, rule: Rule) -> None:
    _call(
        hands,
        region,
        "authorize_security_group_ingress",
        ok=("InvalidPermission.Duplicate",),
        GroupId=group_id,
        IpPermissions=_permission(rule),
    )


def admit(hands: Hands, step: s.Admit) -> None:
    """Let the new address in, then shut the old one out."""
    _authorize(hands, step.region, step.group_id, step.rule)
    if step.replaces:
        _call(
            hands,
            step.region,
            "revoke_security_group_ingress",
            ok=("InvalidPermission.NotFound",),
            GroupId=step.group_id,
            IpPermissions=_permission(step.replaces),
        )


def tag_again(hands: Hands, step: s.TagAgain) -> None:
    """Put the box's tags on what has none."""
    once_known(
        hands, partial(_call, hands, step.region, "create_tags", Resources=list(step.ids), Tags=wire_tags(step.tags))
    )


def require_imds_v2(hands: Hands, step: s.RequireImdsV2) -> None:
    """Bring the metadata options to those of a launch of ours; hop limit 2 lets a container on the box read them."""
    _call(
        hands, step.region, "modify_instance_metadata_options", InstanceId=step.instance_id, HttpTokens="required",
        HttpEndpoint="enabled", HttpPutResponseHopLimit=2, InstanceMetadataTags="enabled",
    )  # fmt: skip


def set_limit(hands: Hands, step: s.SetLimit) -> None:
    """CreateTags and DeleteTags; what AWS does not show everywhere yet is asked again, for up to a minute."""
    if step.tags:
        once_known(
            hands,
            partial(_call, hands, step.region, "create_tags", Resources=list(step.ids), Tags=wire_tags(step.tags)),
        )
    if step.remove:  # without a Value the tag goes whatever it holds; one that is not there is no error
        tags = [{"Key": key} for key in step.remove]
        once_known(hands, partial(_call, hands, step.region, "delete_tags", Resources=list(step.ids), Tags=tags))


def start(hands: Hands, step: s.Start) -> None:
    """StartInstances, asked again while the request or the instance has not settled after a stop.

    A refusal for a request that AWS interrupted does not heal by asking: "Only Amazon EC2 can restart an interrupted
    stopped Spot Instance" (EC2 User Guide, interruption-behavior).
    """

    def heals(error: SpotboxError) -> bool:
        return error.code != "IncorrectSpotRequestState" or _users_own(hands, step.region, step.instance_id)

    _settled(hands, step.region, "start_instances", step.instance_id, heals)


# Codes of a request whose instance its user has stopped, or starts (EC2 User Guide, spot-request-status); `fulfilled`
# is an answer from before the stop.
_SETTLING = {STOPPED_BY_USER, "marked-for-stop", "fulfilled", "pending-evaluation", "pending-fulfillment"}


def _users_own(hands: Hands, region: str, instance_id: str) -> bool:
    """Whether the instance's request is one that its user may start again; True where AWS does not show it now."""
    requests = describe(hands.aws, region, "requests", [{"Name": "instance-id", "Values": [instance_id]}])
    return all(request.state in LIVE and request.code in _SETTLING for request in requests)


def stop(hands: Hands, step: s.Stop) -> None:
    """StopInstances; a box still pending can only be stopped once it runs, so ask again."""
    _settled(hands, step.region, "stop_instances", step.instance_id)


def _settled(
    hands: Hands,
    region: str,
    operation: str,
    instance_id: str,
    heals: Callable[[SpotboxError], bool] = lambda error: True,
) -> None:
    """What is in HEALS passes within the minute after a change, or after a launch."""
    end = hands.now() + START_WAIT
    while True:
        try:
            _call(hands, region, operation, InstanceIds=[instance_id])
            return
        except SpotboxError as error:
            if error.code not in HEALS or hands.now() > end:
                raise
            if not heals(error):
                raise
        hands.show("AWS has not settled the last change yet; asking again")
        hands.sleep(2.0)


def grow_disk(hands: Hands, step: s.GrowDisk) -> None:
    """ModifyVolume to the larger size, unless it has it: EBS refuses to change one volume twice within hours."""
    found = describe(hands.aws, step.region, "volumes", [{"Name": "volume-id", "Values": [step.volume_id]}])
    if any(volume.size_gib >= step.size_gib for volume in found):
        return
    _call(hands, step.region, "modify_volume", VolumeId=step.volume_id, Size=step.size_gib)


def give_data(hands: Hands, step: s.GiveData) -> None:
    """Make and attach the data volume; imported here, as few boxes have one."""
    from spotbox.aws import disks

    disks.give_data(hands, step)


_APPLY: dict[type, Callable[[Hands, Any], object]] = {
    w.MakeSpotRole: make_spot_role,
    w.MakeKey: make_key,
    w.MakeGroup: make_group,
    s.Admit: admit,
    s.TagAgain: tag_again,
    s.RequireImdsV2: require_imds_v2,
    s.SetLimit: set_limit,
    s.Start: start,
    s.Stop: stop,
    s.GrowDisk: grow_disk,
    s.GiveData: give_data,
    s.Cancel: remove.cancel,
    s.Terminate: remove.terminate,
    s.DeleteVolume: remove.delete_volume,
    s.DeleteSnapshot: remove.delete_snapshot,
    s.DeregisterImage: remove.deregister_image,
    s.KeepVolume: remove.keep_volume,
    s.DeleteGroup: remove.delete_group,
    s.DeleteKey: remove.delete_key,
}
