"""The standing request: RequestSpotInstances, which AWS fulfils by itself as soon as it has capacity.

It is the one call of the two whose request can wait. It takes no tags but the request's own, and no MetadataOptions
(EC2 API Reference, RequestSpotLaunchSpecification): what it launches is tagged, and IMDSv2 required of it, by the next
command that acts on the box.
"""

import base64
from dataclasses import replace
from functools import partial
from typing import Any

from spotbox.aws import parse
from spotbox.aws.asking import Question, ask, find_group
from spotbox.aws.errors import translating
from spotbox.aws.hands import Hands
from spotbox.aws.launch import launch_specification, launch_tags
from spotbox.core.names import client_token, wire_tags
from spotbox.core.records import Offer, Request
from spotbox.core.wishes import Park, Wish


def park_params(wish: Wish, offer: Offer, group_id: str, generation: int) -> dict[str, Any]:
    """The RequestSpotInstances parameters; nothing in them changes from run to run.

    botocore fills in no ClientToken for this call, and encodes no user data; `ValidUntil` is never sent, for expiry
    cancels (EC2 API Reference, RequestSpotInstances).
    """
    specification = launch_specification(wish, offer, group_id)
    if wish.user_data:
        specification["UserData"] = base64.b64encode(wish.user_data).decode()
    params: dict[str, Any] = {
        "ClientToken": client_token(
            wish.owner, wish.name, offer.region, offer.zone, offer.type.name, "park", generation
        ),
        "InstanceCount": 1,
        "Type": "persistent",
        "InstanceInterruptionBehavior": "stop",
        "LaunchSpecification": specification,
        "TagSpecifications": [{"ResourceType": "spot-instances-request", "Tags": wire_tags(launch_tags(wish, offer))}],
    }
    if (bid := wish.bid(offer)) is not None:
        params["SpotPrice"] = f"{bid:f}"
    return params


def park(hands: Hands, step: Park, wait: float) -> Request | None:
    """Leave the request with AWS; None where an earlier launch of the box stands already.

    SpotboxError for a refusal; Unclear where AWS did not say for `wait` seconds, at least a minute. Key and group of
    the region must exist.
    """
    wish, offer, made = step.wish, step.offer, hands.now()
    group_id = find_group(hands, wish.grounds[offer.region])
    return ask(hands, Question(wish, offer, made, made + wait), partial(_send, hands, wish, offer, group_id))


def _send(hands: Hands, wish: Wish, offer: Offer, group_id: str, generation: int) -> Request:
    params = park_params(wish, offer, group_id, generation)
    kind = offer.type
    with translating("ec2:RequestSpotInstances", offer.region, instance_type=kind.name, vcpus=kind.vcpus):
        answer = hands.aws.client("ec2", offer.region, once=True).request_spot_instances(**params)
    made = parse.request(offer.region, answer["SpotInstanceRequests"][0])
    tags = {tag["Key"]: tag["Value"] for tag in params["TagSpecifications"][0]["Tags"]}
    return replace(made, tags=tags, instance_type=made.instance_type or kind.name, zone=made.zone or offer.zone)
