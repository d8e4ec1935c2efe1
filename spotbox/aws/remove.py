"""Carry out the steps that remove: each proves what it did by looking, and is safe to run twice."""

from typing import Any

from spotbox.aws.calls import patient_call, seen
from spotbox.aws.hands import Hands
from spotbox.core import steps as s
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.names import KEEP_TAG, ROLE_TAG, wire_tags
from spotbox.core.states import LIVE
from spotbox.core.waiting import Look

CANCEL_WAIT, TERMINATE_WAIT, VOLUME_WAIT, IMAGE_WAIT = 90, 600, 180, 3600  # seconds
_IMAGE_BUSY = {"IncorrectState", "IncorrectImageState", "InvalidState"}
_NO_REQUEST, _NO_INSTANCE = "InvalidSpotInstanceRequestID.NotFound", "InvalidInstanceID.NotFound"


class _Asking:
    """One call for each id, made again for an id that AWS does not know yet while the step has patience.

    `asked` took it, `refused` will not; what is in neither is unknown to AWS: not there yet, or there no more.
    """

    def __init__(self, hands: Hands, region: str, operation: str, parameter: str, not_found: str, until: float):
        self._hands, self._region, self._until = hands, region, until
        self._operation, self._parameter, self._not_found = operation, parameter, not_found
        self.asked: set[str] = set()
        self.refused: dict[str, SpotboxError] = {}

    def ask(self, ids: tuple[str, ...]) -> None:
        """Ask for each id that has no answer yet."""
        for id_ in ids:
            if id_ in self.asked or id_ in self.refused:
                continue
            given: dict[str, Any] = {self._parameter: [id_]}
            try:
                patient_call(self._hands, self._region, self._operation, **given)
                self.asked.add(id_)
            except SpotboxError as error:
                if error.code != self._not_found:
                    self.refused[id_] = error

    @property
    def over(self) -> bool:
        """Whether what AWS does not show by now is not there."""
        return self._hands.now() >= self._until


def cancel(hands: Hands, step: s.Cancel) -> None:
    """Cancel each request and look until AWS shows every one of them as unable to launch.

    A request that AWS does not know has ended long ago (it forgets one four hours after its end), or is too young to
    be shown everywhere: for `step.patience` seconds "not found" is no proof and the call is made again. SpotboxError,
    exit 6, where AWS does not show one as cancelled; else as AWS refused.
    """
    asking = _Asking(
        hands, step.region, "cancel_spot_instance_requests", "SpotInstanceRequestIds", _NO_REQUEST,
        hands.now() + step.patience,
    )  # fmt: skip

    def look() -> Look[list[str]]:
        asking.ask(step.request_ids)
        if asking.refused:
            raise next(iter(asking.refused.values()))
        known = [id_ for id_ in step.request_ids if id_ in asking.asked or not asking.over]
        shown = seen(hands, step.region, "requests", "spot-instance-request-id", known) if known else ()
        ended = {r.id for r in shown or () if r.state not in LIVE}
        left = [id_ for id_ in known if id_ not in ended]
        return Look(left, not left, f"waiting for {', '.join(left)} to be cancelled")

    proved = hands.wait(look, max(CANCEL_WAIT, step.patience))
    if not proved.done:
        raise SpotboxError(
            f"AWS does not show {', '.join(proved.value)} as cancelled",
            "Nothing was terminated, because it would be launched again. Run the same command again.",
            Exit.STILL_BILLS,
        )


def terminate(hands: Hands, step: s.Terminate) -> None:
    """Terminate the instances and wait until none of them lives; what the Spot service terminates counts as well.

    For `step.patience` seconds an instance that AWS does not show is no dead one: a new one is not shown everywhere.
    SpotboxError, exit 6, where one still lives at the end; what AWS refused is raised when the others are gone.
    """
    asking = _Asking(
        hands, step.region, "terminate_instances", "InstanceIds", _NO_INSTANCE, hands.now() + step.patience
    )

    def look() -> Look[list[str]]:
        asking.ask(step.instance_ids)
        ids = [id_ for id_ in step.instance_ids if id_ not in asking.refused]
        shown = seen(hands, step.region, "instances", "instance-id", ids) if ids else ()
        if shown is None:
            return Look(ids, False, "waiting for AWS to answer")
        states = {i.id: i.state for i in shown}
        left = [id_ for id_ in ids if states.get(id_) != "terminated" and (id_ in states or not asking.over)]
        return Look(left, not left, f"waiting for {', '.join(left)} to be gone")

    found = hands.wait(look, TERMINATE_WAIT)
    if not found.done:
        raise SpotboxError(
            f"{', '.join(found.value)} is still not terminated", "Run the same command again.", Exit.STILL_BILLS
        )
    for refused in asking.refused.values():
        raise refused


def delete_volume(hands: Hands, step: s.DeleteVolume) -> None:
    """Delete the volume as soon as nothing holds it."""
    _until_free(
        hands, step.region, "delete_volume", "VolumeInUse", "InvalidVolume.NotFound", VOLUME_WAIT,
        VolumeId=step.volume_id,
    )  # fmt: skip


def delete_snapshot(hands: Hands, step: s.DeleteSnapshot) -> None:
    """Delete the snapshot as soon as no image uses it."""
    _until_free(
        hands, step.region, "delete_snapshot", "InvalidSnapshot.InUse", "InvalidSnapshot.NotFound", VOLUME_WAIT,
        SnapshotId=step.snapshot_id,
    )  # fmt: skip


def deregister_image(hands: Hands, step: s.DeregisterImage) -> None:
    """Take the image back; one that is still being made is waited for where AWS refuses it so early.

    An image that was deregistered may be unknown or unavailable ("Error codes for the Amazon EC2 API", InvalidAMIID).
    """
    end = hands.now() + IMAGE_WAIT
    while True:
        try:
            patient_call(
                hands, step.region, "deregister_image", ok=("InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"),
                ImageId=step.image_id,
            )  # fmt: skip
            return
        except SpotboxError as error:
            if error.code not in _IMAGE_BUSY or hands.now() > end:
                raise
        hands.show(f"{step.image_id} is still being made; asking again")
        hands.sleep(2.0)


def keep_volume(hands: Hands, step: s.KeepVolume) -> None:
    """Mark the volume as kept, and as data: the copy that a move made bears no role before it is proven."""
    tags = wire_tags({KEEP_TAG: "true", ROLE_TAG: "data"})
    patient_call(hands, step.region, "create_tags", Resources=[step.volume_id], Tags=tags)


def delete_group(hands: Hands, step: s.DeleteGroup) -> None:
    """Delete the group as soon as no interface uses it."""
    _until_free(
        hands, step.region, "delete_security_group", "DependencyViolation", "InvalidGroup.NotFound", step.patience,
        GroupId=step.group_id,
    )  # fmt: skip


def _until_free(
    hands: Hands, region: str, operation: str, busy: str, gone: str, patience: float, **params: Any
) -> None:
    end = hands.now() + patience
    while True:
        try:
            patient_call(hands, region, operation, ok=(gone,), **params)
            return
        except SpotboxError as error:
            if error.code != busy or hands.now() > end:
                raise
        hands.show(f"{next(iter(params.values()))} is still in use; asking again")
        hands.sleep(1.0)


def delete_key(hands: Hands, step: s.DeleteKey) -> None:
    """Delete the key pair (the private half on this machine stays)."""
    patient_call(hands, step.region, "delete_key_pair", ok=("InvalidKeyPair.NotFound",), KeyPairId=step.key_id)
