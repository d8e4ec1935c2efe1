"""The launch: RunInstances with a persistent Spot request, one pool after another until AWS accepts."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from spotbox.aws.apply import cancel, once_known
from spotbox.aws.errors import translating, unknown_outcome
from spotbox.aws.hands import Hands
from spotbox.aws.observe import describe, observe, tag_filters
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.names import MAX_PRICE_TAG, ROLE_TAG, USER_TAG, box_tags, client_token, wire_tags
from spotbox.core.quotas import quota_of
from spotbox.core.records import InstanceType, Offer
from spotbox.core.states import LIVE
from spotbox.core.steps import Cancel, Launch, Wish
from spotbox.core.units import show_duration
from spotbox.core.waiting import Look

# Refusals that concern this pool only: the next one may do (Error codes for the Amazon EC2 API).
NEXT_POOL = {
    "InsufficientInstanceCapacity", "InsufficientCapacityOnHost", "Unsupported", "SpotMaxPriceTooLow",
    "InsufficientFreeAddressesInSubnet", "InsufficientCapacity", "InsufficientVolumeCapacity",
}  # fmt: skip
QUOTA = {"MaxSpotInstanceCountExceeded", "VcpuLimitExceeded", "InstanceLimitExceeded"}
TOKEN_USED = {"IdempotentInstanceTerminated", "IdempotentParameterMismatch"}
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0  # seconds between rounds
SHOWN_WITHIN = 20.0  # seconds in which AWS shows a launch that it knows of
UNKNOWN_TRIES = 8  # how often an unknown outcome is asked again before we stop and say so


@dataclass(frozen=True)
class Launched:
    """What AWS accepted. `instance_id` is None when an earlier launch of the same box was found instead."""

    instance_id: str | None
    offer: Offer | None
    refusals: tuple[str, ...] = ()


def launch_params(wish: Wish, offer: Offer, group_id: str, generation: int) -> dict[str, Any]:
    """The RunInstances parameters; nothing in them changes from run to run, or the ClientToken would not match.

    Shape: EC2 API, RunInstances. The request, the instance, its volumes and its interface are tagged in the call.
    """
    bid = wish.bids.get(offer.type.name)
    spot = {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop"}
    tags = box_tags(wish.name, wish.owner, {**wish.tags, USER_TAG: wish.user})
    if bid is not None:
        spot["MaxPrice"] = f"{bid:f}"
        tags[MAX_PRICE_TAG] = f"{bid:f}"
    disk = {
        "VolumeSize": wish.disk_gib,
        "VolumeType": wish.disk_type,
        "Encrypted": True,
        "DeleteOnTermination": True,
    }
    kinds = {"instance": {}, "spot-instances-request": {}, "network-interface": {}, "volume": {ROLE_TAG: "root"}}
    params: dict[str, Any] = {
        "ImageId": wish.image.id,
        "InstanceType": offer.type.name,
        "MinCount": 1,
        "MaxCount": 1,
        "KeyName": wish.key_name,
        "ClientToken": client_token(
            wish.owner, wish.name, wish.region, offer.zone, offer.type.name, "spot", generation
        ),
        "InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": spot},
        # Hop limit 2 lets a container on the box read the metadata service too.
        "MetadataOptions": {
            "HttpTokens": "required",
            "HttpEndpoint": "enabled",
            "HttpPutResponseHopLimit": 2,
            "InstanceMetadataTags": "enabled",
        },
        "BlockDeviceMappings": [{"DeviceName": wish.image.root_device, "Ebs": disk}],
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": wish.subnets[offer.zone],
                "Groups": [group_id],
                "AssociatePublicIpAddress": True,
                "DeleteOnTermination": True,
            }
        ],
        "InstanceInitiatedShutdownBehavior": "stop",
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": wire_tags({**tags, **extra})} for kind, extra in kinds.items()
        ],
    }
    if wish.user_data:
        params["UserData"] = wish.user_data  # botocore encodes it for RunInstances
    if wish.profile:
        params["IamInstanceProfile"] = {"Name": wish.profile}
    return params


def launch(hands: Hands, step: Launch, wait: float) -> Launched:
    """Try the pools in order, round after round, until AWS accepts one or `wait` seconds have passed.

    SpotboxError 3 when all refused for capacity or price, 4 when only quota is in the way; permission and bad
    parameters end it at once, for they do not heal. Needs the group and the key to exist.
    """
    wish, generation = step.wish, step.generation
    group_id = find_group(hands, wish)
    end, pause = hands.now() + wait, FIRST_PAUSE
    pools, refusals, last = list(wish.offers), list[str](), None
    short, refused = None, None  # the last refusal for quota, and for capacity or price
    while pools:
        for offer in [*pools]:
            if offer not in pools:  # its quota was found used up a moment ago
                continue
            hands.show(f"asking for {offer.type.name} in {offer.zone}" + (f" ({last.message})" if last else ""))
            try:
                return _attempt(hands, wish, offer, group_id, generation, tuple(refusals))
            except SpotboxError as error:
                if error.code in QUOTA:
                    short, pools = error, [o for o in pools if not _same_quota(o, offer)]
                elif error.code in NEXT_POOL:
                    refused = error
                else:
                    raise
                last = error
                refusals.append(f"{offer.type.name} in {offer.zone}: {error.message}")
            _cancel_strays(hands, wish)
        if not pools or hands.now() + pause > end:
            break
        hands.rest(pause, partial(_countdown, last.message if last else ""))
        pause = min(LONGEST_PAUSE, pause * 2)
    raise _given_up(refused if pools else short, refusals, wish, wait)


def _same_quota(offer: Offer, refused: Offer) -> bool:
    """Whether what was refused for quota says that this pool would be too: same quota, no fewer vCPUs."""
    if offer.type == refused.type:
        return True
    quota = quota_of(refused.type.name)
    return quota is not None and quota == quota_of(offer.type.name) and offer.type.vcpus >= refused.type.vcpus


def _cancel_strays(hands: Hands, wish: Wish) -> None:
    """Cancel what a refused launch left standing: two requests of one name are never open.

    "No instance is launched and your request remains open" (Error codes for the Amazon EC2 API, SpotMaxPriceTooLow);
    whether RunInstances leaves one is not said.
    """
    requests = describe(hands.aws, wish.region, "requests", tag_filters("requests", wish.owner, wish.name))
    strays = tuple(r.id for r in requests if r.state == "open" and not r.instance_id)
    if strays:
        cancel(hands, Cancel(wish.region, strays))


def _countdown(why: str, left: float) -> str:
    return f"{why}; next round in {show_duration(left)}"


def _given_up(last: SpotboxError | None, refusals: list[str], wish: Wish, wait: float) -> SpotboxError:
    if last is None:
        return SpotboxError("there is no pool to try", "Name other zones or types.", Exit.NO_CAPACITY)
    if last.exit_code is Exit.QUOTA:
        return last
    unique = list(dict.fromkeys(refusals))
    return SpotboxError(
        f"AWS accepted none of {len(wish.offers)} pools within {show_duration(wait)}: {'; '.join(unique[-6:])}",
        last.hint or "Try other zones or types (-z, -t), another region (-r), or wait longer (--wait).",
        Exit.NO_CAPACITY,
        last.code,
    )


def _attempt(
    hands: Hands, wish: Wish, offer: Offer, group_id: str, generation: int, refusals: tuple[str, ...]
) -> Launched:
    """One pool, asked until AWS answers. A token that was used up leads to what is there, else to the next one."""
    unknown, kind = 0, offer.type
    while True:
        params = launch_params(wish, offer, group_id, generation)
        try:
            answer = once_known(hands, partial(_run, hands, wish.region, kind, params))
            return Launched(answer["Instances"][0]["InstanceId"], offer, refusals)
        except SpotboxError as error:
            # After one unclear answer, a connection that cannot even be made leaves it as unclear as it was.
            unclear = unknown_outcome(error) or (unknown > 0 and error.code is None)
            if unclear and unknown < UNKNOWN_TRIES:
                # No refusal: the launch may have happened. The same token makes asking again safe.
                unknown += 1
                hands.show(f"no clear answer from AWS for {offer.zone}, asking again with the same token")
                hands.sleep(min(10.0, 0.5 * 2**unknown))
            elif error.code in TOKEN_USED:
                # What was launched a moment ago with other parameters may not be shown yet.
                patience = SHOWN_WITHIN if error.code == "IdempotentParameterMismatch" else 0
                if hands.wait(partial(_box_is_there, hands, wish), patience).done:
                    return Launched(None, None, refusals)
                generation += 1
            else:
                raise


def _run(hands: Hands, region: str, kind: InstanceType, params: dict[str, Any]) -> Any:
    with translating("ec2:RunInstances", region, instance_type=kind.name, vcpus=kind.vcpus):
        return hands.aws.client("ec2", region, once=True).run_instances(**params)


def _box_is_there(hands: Hands, wish: Wish) -> Look[bool]:
    """Whether an earlier launch under this name lives."""
    seen = observe(hands.aws, [wish.region], wish.owner, wish.name)
    if seen.failed:
        raise seen.failed[wish.region]
    sight = seen.sights[0]
    alive = any(i.state not in ("terminated", "shutting-down") for i in sight.instances)
    there = alive or any(r.state in LIVE for r in sight.requests)
    return Look(there, there, "an earlier launch of this box used the token; looking for it")


def find_group(hands: Hands, wish: Wish) -> str:
    """Id of the box's security group, made a step before; looked for until AWS shows it."""
    filters = [
        {"Name": "group-name", "Values": [wish.group_name]},
        {"Name": "vpc-id", "Values": [wish.vpc_id]},
    ]
    for _ in range(20):
        groups = describe(hands.aws, wish.region, "groups", filters)
        if groups:
            return str(groups[0].id)
        hands.sleep(1.0)
    raise SpotboxError(f"security group {wish.group_name} does not appear", "Run the same command again.")
