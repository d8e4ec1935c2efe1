"""The data volume: made once, attached, and told to the guard on the box by a tag of its instance.

CreateVolume takes a ClientToken, so that a repeat makes no second volume; what was made before is looked for by its
tags first. Calls and states: EC2 API Reference, CreateVolume, AttachVolume, CreateSnapshot, VolumeAttachment.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from spotbox.aws.apply import once_known
from spotbox.aws.calls import call, patient_call, seen
from spotbox.aws.hands import Hands
from spotbox.aws.observe import describe, tag_filters
from spotbox.aws.parse import tags
from spotbox.aws.remove import delete_snapshot, delete_volume
from spotbox.core import steps as s
from spotbox.core.copytag import IN_USE, copy_mark
from spotbox.core.disks import DEVICES
from spotbox.core.errors import SpotboxError
from spotbox.core.names import COPY_TAG, DATA_TAG, KEEP_TAG, NAME_TAG, OWNER_TAG, ROLE_TAG, client_token, wire_tags
from spotbox.core.records import Volume
from spotbox.core.waiting import Look

MADE_WAIT, ATTACH_WAIT = 180, 300  # seconds; AWS takes a few
SNAPSHOT_WAIT = 6 * 3600  # seconds; a first snapshot copies every block that was ever written
_GENERATIONS = 8  # volumes of one instance that were deleted again, before we stop and say so
# Not settled yet: the volume or the instance is on its way from one state to another.
_UNSETTLED = {"VolumeInUse", "IncorrectState", "IncorrectInstanceState", "InvalidVolume.NotFound"}


def give_data(hands: Hands, step: s.GiveData) -> None:
    """Carry out the step; SpotboxError where AWS does not make or attach the volume. The instance must be running."""
    volume_id = step.volume_id or _found(hands, step) or _made(hands, step)
    _attach(hands, step, volume_id)
    if step.away_id:
        once_known(hands, partial(_tag, hands, step.region, volume_id, {COPY_TAG: copy_mark(step.away_id, IN_USE)}))
    once_known(hands, partial(_tag, hands, step.region, step.instance_id, {DATA_TAG: volume_id}))
    if step.volume_id:  # only now: cut off before, the volume is still a kept one
        patient_call(hands, step.region, "delete_tags", Resources=[volume_id], Tags=[{"Key": KEEP_TAG}])
    if step.away_id:
        _retire(hands, step, step.away_id)


def _retire(hands: Hands, step: s.GiveData, away_id: str) -> None:
    """The old volume goes, last: while it is there, a run that was cut off is gone on with."""
    for one in _snapshots(hands, step, copy_mark(away_id, "")):
        delete_snapshot(hands, s.DeleteSnapshot(step.region, one.id, step.size_gib))
    delete_volume(hands, s.DeleteVolume(step.region, away_id, step.size_gib))


def _tag(hands: Hands, region: str, id_: str, tags: dict[str, str]) -> None:
    call(hands, region, "create_tags", Resources=[id_], Tags=wire_tags(tags))


def _mine(hands: Hands, step: s.GiveData) -> list[Volume]:
    """The box's data volumes in the zone that are no longer on their way out, the oldest first."""
    filters = [
        *tag_filters("volumes", step.tags[OWNER_TAG], step.tags[NAME_TAG]),
        {"Name": f"tag:{ROLE_TAG}", "Values": ["data"]},
        {"Name": "availability-zone", "Values": [step.zone]},
    ]
    if step.away_id:
        filters.append({"Name": f"tag:{COPY_TAG}", "Values": [copy_mark(step.away_id, step.instance_id)]})
    found = [v for v in describe(hands.aws, step.region, "volumes", filters) if v.state not in _LEAVING]
    return sorted(found, key=lambda v: (v.instance_id != step.instance_id, v.created.timestamp() if v.created else 0))


_LEAVING = ("deleting", "deleted", "error")


def _found(hands: Hands, step: s.GiveData) -> str | None:
    return next((volume.id for volume in _mine(hands, step)), None)


def _made(hands: Hands, step: s.GiveData) -> str:
    """The new volume, available. The token is the instance's: each launch of the box may make one.

    AWS answers a token whose volume was deleted with that volume, or with an error: then the next token is taken.
    """
    snapshot = _snapshot(hands, step, step.away_id) if step.away_id else None
    for generation in range(_GENERATIONS):
        params = _volume_params(step, snapshot, generation)
        hands.show(f"making a data volume of {step.size_gib} GiB in {step.zone}")
        try:
            made = patient_call(hands, step.region, "create_volume", **params)
        except SpotboxError as error:
            if error.code != "IdempotentParameterMismatch":
                raise
            if found := hands.wait(partial(_shown, hands, step), MADE_WAIT).value:
                return found
            continue
        if volume_id := _available(hands, step.region, str(made["VolumeId"])):
            return volume_id
    raise SpotboxError(f"AWS made no data volume in {step.zone}", "Run the same command again.")


def _shown(hands: Hands, step: s.GiveData) -> Look[str | None]:
    """An earlier run used the token with other parameters: its volume shows itself by its tags."""
    found = _found(hands, step)
    return Look(found, bool(found), "an earlier run made the data volume; waiting for AWS to show it")


def _volume_params(step: s.GiveData, snapshot: str | None, generation: int) -> dict[str, Any]:
    owner, name = step.tags[OWNER_TAG], step.tags[NAME_TAG]
    tags = {**step.tags, COPY_TAG: copy_mark(step.away_id, step.instance_id)} if step.away_id else step.tags
    return {
        "AvailabilityZone": step.zone,
        "Size": step.size_gib,
        "VolumeType": "gp3",
        "Encrypted": True,
        "ClientToken": client_token(owner, name, step.region, step.zone, step.instance_id, "data", generation),
        "TagSpecifications": [{"ResourceType": "volume", "Tags": wire_tags(tags)}],
        **({"SnapshotId": snapshot} if snapshot else {}),
    }


def _available(hands: Hands, region: str, volume_id: str) -> str | None:
    """The volume's id once it can be attached; None where it was deleted before."""

    def look() -> Look[str]:
        shown = seen(hands, region, "volumes", "volume-id", [volume_id])
        state = shown[0].state if shown else ""
        return Look(state, state in ("available", "in-use", *_LEAVING), f"waiting for {volume_id} to be made")

    found = hands.wait(look, MADE_WAIT)
    if found.done and found.value not in _LEAVING:
        return volume_id
    if found.done or not found.value:  # gone, or a token's volume of long ago that AWS shows no more
        return None
    raise SpotboxError(f"the data volume {volume_id} is still {found.value}", "Run the same command again.")


def _attach(hands: Hands, step: s.GiveData, volume_id: str) -> None:
    """AttachVolume, asked again while volume or instance is on its way; done where it is attached already.

    A volume of another instance is waited for: of two terminals that took it at once one gives way.
    """

    def look() -> Look[str]:
        shown = seen(hands, step.region, "volumes", "volume-id", [volume_id])
        volume = shown[0] if shown else None
        here = volume is not None and volume.instance_id == step.instance_id
        if here and volume and volume.state == "in-use":
            return Look(volume_id, True, "")
        if volume and volume.instance_id and not here:
            return Look(volume.instance_id, False, f"{volume_id} is attached to {volume.instance_id}; waiting")
        if volume and volume.state == "available":
            _ask_to_attach(hands, step, volume_id)
        return Look("", False, f"attaching {volume_id} to {step.instance_id}")

    found = hands.wait(look, ATTACH_WAIT)
    if not found.done:
        holder = f": {found.value} has it" if found.value else ""
        raise SpotboxError(f"AWS has not attached {volume_id} to {step.instance_id}{holder}", "Run the command again.")


def _ask_to_attach(hands: Hands, step: s.GiveData, volume_id: str) -> None:
    there = seen(hands, step.region, "volumes", "attachment.instance-id", [step.instance_id]) or ()
    used = {volume.device for volume in there}
    device = next((name for name in DEVICES if name not in used), None)
    if device is None:
        raise SpotboxError(
            f"{step.instance_id} has no device name left for {volume_id}: {DEVICES[0]} to {DEVICES[-1]} are all in use",
            "Detach a volume of your own from it, and run the command again.",
        )
    try:
        patient_call(
            hands, step.region, "attach_volume", VolumeId=volume_id, InstanceId=step.instance_id, Device=device
        )
    except SpotboxError as error:
        if error.code not in _UNSETTLED:
            raise


def _snapshot(hands: Hands, step: s.GiveData, away_id: str) -> str:
    """A completed snapshot of the volume that is away, made once for this instance; what it still copies is shown in
    per cent. One that was made for another instance may be of long ago, and is left for the end."""
    mark = copy_mark(away_id, step.instance_id)
    hands.show(f"making a snapshot of {away_id}")
    if not any(one.state != "error" for one in _snapshots(hands, step, mark)):
        patient_call(
            hands, step.region, "create_snapshot", VolumeId=away_id, Description=f"spotbox: {step}"[:255],
            TagSpecifications=[{"ResourceType": "snapshot", "Tags": wire_tags({**step.tags, COPY_TAG: mark})}],
        )  # fmt: skip

    def look() -> Look[_Copy | None]:
        best = max(_snapshots(hands, step, mark), key=lambda one: _ORDER.get(one.state, 1), default=None)
        done = best is not None and best.state in _ORDER
        return Look(best, done, f"snapshot of {away_id}: {best.progress if best else '0%'}")

    best = hands.wait(look, SNAPSHOT_WAIT).value
    if best is None or best.state != "completed":
        raise SpotboxError(f"the snapshot of {away_id} did not complete", "Run the same command again.")
    return best.id


_ORDER = {"error": 0, "completed": 2}


@dataclass(frozen=True)
class _Copy:
    id: str
    state: str
    progress: str
    mark: str


def _snapshots(hands: Hands, step: s.GiveData, mark: str) -> list[_Copy]:
    """The snapshots of data volumes of this box whose mark begins so, made of the volume that the mark names: a backup
    of its copy may bear the copy's tags, and is not ours."""
    filters = [
        *tag_filters("snapshots", step.tags[OWNER_TAG], step.tags[NAME_TAG]),
        {"Name": "tag-key", "Values": [COPY_TAG]},
    ]
    answer = patient_call(hands, step.region, "describe_snapshots", OwnerIds=["self"], Filters=filters)
    found = [
        _Copy(one["SnapshotId"], one.get("State", ""), one.get("Progress") or "0%", tags(one).get(COPY_TAG, ""))
        for one in answer.get("Snapshots") or ()
        if one.get("VolumeId") == mark.partition(" ")[0]
    ]
    return [one for one in found if one.mark.startswith(mark)]
