"""What the sandbox's EC2 calls share: finding what a call names, and errors in AWS's words."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from xml.sax.saxutils import escape

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ec2.responses._base_response import EC2BaseResponse

from spotbox.sandbox import render_images
from spotbox.sandbox.ebs import Ebs
from spotbox.sandbox.launch import Disk
from spotbox.sandbox.records import GONE, Box
from spotbox.sandbox.refusals import Refusal, refusal, status
from spotbox.sandbox.world import ACCOUNT, World

VOLUME_STORAGE = {"gp3": 51200, "gp2": 51200}  # GiB in a region: the default quotas of EBS


def error_body(code: str, text: str) -> str:
    """An error reply in the XML of EC2's protocol."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Response><Errors><Error><Code>{escape(code)}</Code><Message>{escape(text)}</Message></Error></Errors>"
        "<RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"
    )


def plain_words(text: str) -> str:
    """moto puts Python sets and lists into some messages; AWS writes the ids, separated by commas."""

    def listed(found: re.Match[str]) -> str:
        return "'" + ", ".join(re.findall(r"'([^']+)'", found[1])) + "'"

    return re.sub(r"'?[{\[]((?:'[^']+'(?:, )?)+)[}\]]'?", listed, text)


class Ec2Base(EC2BaseResponse):
    """The ground of the sandbox's EC2: `world` is what lives, `params` the call as botocore names it."""

    world: World
    # moto shows every instance of a RunInstances reply as pending; here it is shown as it is.
    RESPONSE_KEY_PATH_TO_TRANSFORMER: ClassVar[dict[str, Any]] = {
        path: change
        for path, change in EC2BaseResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER.items()
        if not path.startswith("RunInstances.")
    }

    def call_action(self) -> Any:
        try:
            return self._call()
        except Refusal as refused:
            return refused.http, {"Content-Type": "text/xml"}, error_body(refused.code, refused.message)

    def _call(self) -> Any:
        try:
            return super().call_action()
        except (NotImplementedError, KeyError) as error:
            # Where moto does not know a filter it says so in many ways; AWS has one.
            names = [str(f.get("Name")) for f in self.params.get("Filters") or []]
            culprit = next((name for name in names if name in str(error)), None)
            if culprit is None:
                raise
            raise refusal("InvalidParameterValue", f"The filter '{culprit}' is invalid") from error

    def serialized(self, action_result: ActionResult) -> Any:
        result = action_result.result
        if isinstance(result, ServiceException):
            code, text = getattr(result, "code", "InternalError"), getattr(result, "message", None) or str(result)
            text = text if text != "None" else "The resource of that id does not exist"
            return status(code), {"Content-Type": "text/xml"}, error_body(code, plain_words(text))
        return super().serialized(action_result)

    def boxes_here(self) -> list[Box]:
        """The instances of the call's region, oldest first."""
        return [box for box in self.world.life.boxes.values() if box.region == self.region]

    def reservation_of(self, instance_id: str) -> str:
        """The reservation that an instance was launched in."""
        for reservation in self.ec2_backend.reservations.values():
            if any(i.id == instance_id for i in reservation.instances):
                return reservation.id
        return ""

    def image(self, image_id: str | None, region: str = "") -> Mapping[str, Any]:
        """An image of `region`, or of the call's, as DescribeImages shows it. Raises Refusal InvalidAMIID.*."""
        backend = self.ebs.backend(region or self.region)
        if not image_id:
            raise refusal("MissingParameter", "The request must contain the parameter ImageId")
        if not re.fullmatch(r"ami-[0-9a-f]{8,17}", image_id):
            raise refusal("InvalidAMIID.Malformed", id=image_id)
        row = render_images.find(backend, image_id, self.world.now)
        if row is None:
            gone = image_id in backend.deleted_amis
            raise refusal("InvalidAMIID.Unavailable" if gone else "InvalidAMIID.NotFound", id=image_id)
        return row

    def known_box(self, instance_id: str | None) -> Box:
        """The instance of this region. Raises Refusal for an id that is malformed or not there."""
        if not re.fullmatch(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})", instance_id or ""):
            raise refusal("InvalidInstanceID.Malformed", id=instance_id)
        box = self.world.life.get(str(instance_id))
        if box.region != self.region:
            raise refusal("InvalidInstanceID.NotFound", id=instance_id)
        return box

    @property
    def ebs(self) -> Ebs:
        """Volumes, snapshots and images."""
        found: Ebs = self.world.ebs
        return found

    def snapshot_size(self, snapshot_id: str) -> int | None:
        """GiB of a snapshot; None for AWS's own. Raises Refusal InvalidSnapshot.NotFound."""
        found = self.ebs.source(self.region, snapshot_id)
        return found.size if found else None

    def over_storage(self, disks: Iterable[Disk]) -> bool:
        """Whether the disks would go over the account's EBS storage in the region."""
        wanted = list(disks)
        return any(
            sum(v.size for v in self.ec2_backend.volumes.values() if v.volume_type == kind)
            + sum(disk.size for disk in wanted if disk.type == kind)
            > limit
            for kind, limit in VOLUME_STORAGE.items()
        )

    # Idempotency (Ensuring idempotency, API reference)

    def _token_print(self) -> str:
        body = {k: v for k, v in self.params.items() if k not in ("ClientToken", "DryRun")}
        return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()

    def replay(self, action: str, token: str) -> list[str] | None:
        """What the same call made before under this token; None for a new one. Refuses a changed call."""
        known = self.world.tokens.get((action, self.region, token)) if token else None
        if known is None:
            return None
        if known[0] != self._token_print():
            raise refusal("IdempotentParameterMismatch")
        boxes = [self.world.life.boxes.get(i) for i in known[1]]
        if action == "RunInstances" and any(box is None or box.state in GONE for box in boxes):
            raise refusal("IdempotentInstanceTerminated", token=token)
        return known[1]

    def remember(self, action: str, token: str, made: list[str]) -> None:
        """Keep what a token made."""
        if token:
            self.world.tokens[(action, self.region, token)] = (self._token_print(), made)

    # What a launch names

    def check_key(self, name: str | None) -> None:
        """Refuse a key pair that the region does not have."""
        if name and name not in self.ec2_backend.key_pairs:
            raise refusal("InvalidKeyPair.NotFound", id=name)

    def subnet(self, subnet_id: str) -> Any:
        """moto's subnet. Raises Refusal InvalidSubnetID.NotFound."""
        for zone in self.ec2_backend.subnets.values():
            if subnet_id in zone:
                return zone[subnet_id]
        raise refusal("InvalidSubnetID.NotFound", id=subnet_id)

    def profile(self, given: Mapping[str, str]) -> dict[str, str]:
        """The instance profile of a launch, as moto's keyword arguments. Raises Refusal InvalidParameterValue."""
        if not given:
            return {}
        from moto.iam.models import iam_backends

        known = iam_backends[ACCOUNT]["aws"].instance_profiles.values()
        for profile in known:
            if given.get("Name") == profile.name or given.get("Arn") == profile.arn:
                return {"iam_instance_profile_name": profile.name}
        what = "name" if given.get("Name") else "arn"
        value = given.get("Name") or given.get("Arn")
        text = f"Value ({value}) for parameter iamInstanceProfile.{what} is invalid."
        raise refusal("InvalidParameterValue", f"{text} Invalid IAM Instance Profile {what}")

    def ensure_role(self) -> None:
        """The first Spot launch makes the service-linked role where the caller may (EC2 User Guide, spot-requests).

        That RunInstances does so itself is UNCONFIRMED; a fault can play the caller who may not.
        """
        from spotbox.sandbox.identity import make_spot_role

        make_spot_role()
