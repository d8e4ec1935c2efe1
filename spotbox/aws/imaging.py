"""Images and snapshots of a box that moves: find them by their tags, make them, copy them, wait for them."""

import base64
from dataclasses import replace
from functools import partial
from typing import Any

from spotbox.aws import parse
from spotbox.aws.calls import call, passing
from spotbox.aws.errors import translating, unknown_outcome
from spotbox.aws.hands import Hands
from spotbox.aws.observe import Seen, tag_filters
from spotbox.aws.session import Aws
from spotbox.core.errors import SpotboxError
from spotbox.core.moved import progress_words
from spotbox.core.moving import CopyImage, MakeImage
from spotbox.core.names import MOVE_ROLE, MOVED_TAG, ROLE_TAG, wire_tags
from spotbox.core.records import OwnImage, Snapshot
from spotbox.core.waiting import Look

IMAGE_WAIT = 6 * 3600.0  # seconds; the first snapshot of a large volume takes hours
SHOWN_WITHIN = 60.0  # seconds in which AWS shows an image that it has taken
_NAME_TAKEN = "InvalidAMIName.Duplicate"


def with_images(aws: Aws, seen: Seen, owner: str | None, name: str | None = None) -> Seen:
    """The same, with the images and snapshots that moves of this owner's boxes made: two calls a region.

    A region where one of them fails has failed as a whole: half of it would look like all.
    """
    regions = [sight.region for sight in seen.sights]
    for region in regions:
        aws.client("ec2", region)  # clients are made in this thread; Session is not thread safe
    calls = [partial(ask, aws, region, owner, name) for region in regions for ask in (images, snapshots)]
    answers = dict(zip([(r, k) for r in regions for k in ("images", "snapshots")], aws.parallel(calls), strict=True))
    failed, sights = dict(seen.failed), []
    for sight in seen.sights:
        both: dict[str, Any] = {kind: answers[sight.region, kind] for kind in ("images", "snapshots")}
        errors = [answer for answer in both.values() if isinstance(answer, SpotboxError)]
        if errors:
            failed[sight.region] = errors[0]
        else:
            sights.append(replace(sight, **both))
    return Seen(tuple(sights), failed)


def images(aws: Aws, region: str, owner: str | None, name: str | None = None) -> tuple[OwnImage, ...]:
    """The account's own images that moves made, pending ones too (DescribeImages shows them in every state)."""
    with translating("ec2:DescribeImages", region):
        pages = aws.client("ec2", region).get_paginator("describe_images")
        found = pages.paginate(Owners=["self"], Filters=_filters(owner, name, MOVE_ROLE))
        return tuple(parse.own_image(region, item) for page in found for item in page.get("Images") or ())


def snapshots(aws: Aws, region: str, owner: str | None, name: str | None = None) -> tuple[Snapshot, ...]:
    """The account's own snapshots that moves made, and those of data volumes: what copies one is told by its tags."""
    with translating("ec2:DescribeSnapshots", region):
        pages = aws.client("ec2", region).get_paginator("describe_snapshots")
        found = pages.paginate(OwnerIds=["self"], Filters=_filters(owner, name, MOVE_ROLE, "data"))
        return tuple(parse.snapshot(region, item) for page in found for item in page.get("Snapshots") or ())


def _filters(owner: str | None, name: str | None, *roles: str) -> list[dict[str, Any]]:
    return [*tag_filters("images", owner, name), {"Name": f"tag:{ROLE_TAG}", "Values": list(roles)}]


def user_data(aws: Aws, region: str, instance_id: str) -> bytes:
    """The user data of an instance, decoded (EC2 API, DescribeInstanceAttribute); empty where there is none."""
    with translating("ec2:DescribeInstanceAttribute", region):
        client = aws.client("ec2", region)
        answer = client.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
    return base64.b64decode((answer.get("UserData") or {}).get("Value") or "")


def make_image(hands: Hands, step: MakeImage | CopyImage) -> OwnImage:
    """The image of that name, made if it is not there, once it is available; progress goes to the live line.

    Neither call can be repeated by a token of its own (CopyImage's covers a copy only): the image is looked for by its
    tags first, and EC2 refuses a second one of the same name. SpotboxError where AWS fails to make it.
    """
    if not _find(hands, step):
        _ask(hands, step)
    return _until_available(hands, step)


def _ask(hands: Hands, step: MakeImage | CopyImage) -> None:
    tags = [{"ResourceType": kind, "Tags": wire_tags(step.tags)} for kind in ("image", "snapshot")]
    given: dict[str, Any] = {"Name": step.name, "Description": step.tags["Name"], "TagSpecifications": tags}
    if isinstance(step, MakeImage):
        operation, given = "create_image", {**given, "InstanceId": step.instance_id}
    else:
        operation = "copy_image"
        given |= {"SourceRegion": step.source_region, "SourceImageId": step.image_id, "Encrypted": True}
        given |= {"ClientToken": step.name[-12:] + step.image_id}
    end = hands.now() + SHOWN_WITHIN
    while True:
        try:
            call(hands, step.region, operation, ok=(_NAME_TAKEN,), **given)
            return
        except SpotboxError as error:
            if not (passing(error) or unknown_outcome(error)) or hands.now() > end:
                raise
            hands.show(f"{error.message}; looking whether the image is there")
        hands.sleep(2.0)
        if _find(hands, step):
            return


def _find(hands: Hands, step: MakeImage | CopyImage) -> OwnImage | None:
    """The image that the step is about, as AWS shows it now; a failed one too."""
    owner, name = step.tags["spotbox:owner"], step.tags["spotbox:name"]
    found = [i for i in images(hands.aws, step.region, owner, name) if i.tags.get(MOVED_TAG) == step.tags[MOVED_TAG]]
    return next((i for i in found if i.state in ("pending", "available")), found[0] if found else None)


def _until_available(hands: Hands, step: MakeImage | CopyImage) -> OwnImage:
    began = hands.now()

    def look() -> Look[OwnImage | None]:
        try:
            return seen()
        except SpotboxError as error:
            if not passing(error):
                raise
            return Look(None, False, f"{error.message}; asking again")

    def seen() -> Look[OwnImage | None]:
        image = _find(hands, step)
        waited = hands.now() - began
        if image is None:
            return Look(None, waited > SHOWN_WITHIN, "waiting for AWS to show the image")
        if image.state != "pending":
            return Look(image, True)
        parts = snapshots(hands.aws, step.region, step.tags["spotbox:owner"], step.tags["spotbox:name"])
        mine = [s for s in parts if s.tags.get(MOVED_TAG) == step.tags[MOVED_TAG]]
        return Look(image, False, progress_words(mine, waited))

    found = hands.wait(look, IMAGE_WAIT).value
    if found is not None and found.state == "available":
        return found
    if found is None:
        raise SpotboxError("AWS does not show the image that it was asked for", "Run the same command again.")
    why = f": {found.reason}" if found.reason else ""
    raise SpotboxError(f"image {found.id} is {found.state}{why}", "Run the same command again.")
