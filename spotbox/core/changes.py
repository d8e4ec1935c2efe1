"""Flags of `up` that differ from the box that exists: done where they can be, else named with the command that does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spotbox.core.boxes import Box
from spotbox.core.disks import resize_data
from spotbox.core.limits import limit_steps
from spotbox.core.names import POOL_TAG
from spotbox.core.records import Rule
from spotbox.core.states import State
from spotbox.core.steps import Admit, GrowDisk, Step, TagAgain
from spotbox.core.units import Bid, show_usd


@dataclass(frozen=True)
class Changes:
    """What is done about the differences, and what the user is told."""

    steps: tuple[Step, ...]
    remarks: tuple[str, ...]


def anew(name: str) -> str:
    """How to change what is fixed from the first launch on."""
    return f"a Spot request cannot be changed: `spotbox down {name}` (its disk goes too), then `up` again"


def differences(box: Box, wanted: Mapping[str, Any]) -> Changes:
    """Compare what the user asked for himself (`wanted`: only what he gave) with the box.

    A Spot request cannot be changed (EC2 User Guide, "Spot Instance requests"), so what it fixes needs a new box.
    """
    steps: list[Step] = []
    remarks: list[str] = []
    move = f"spotbox move {box.name}"
    if (there := wanted.get("region", box.region)) != box.region:
        remarks.append(f"{box.name} is in {box.region}, not {there}; to take it there: {move} -r {there}")
    if (zones := wanted.get("zones")) and box.zone and box.zone not in zones:
        remarks.append(f"{box.name} is in {box.zone}, not {' or '.join(zones)}; to take it there: {move} -z {zones[0]}")
    if (types := wanted.get("types")) and box.instance_type and box.instance_type not in types:
        remarks.append(
            f"{box.name} is a {box.instance_type}, not {' or '.join(types)}; to make it one: {move} -t {types[0]}"
        )
    if "bid" in wanted and wanted["bid"] is not None:
        bid: Bid = wanted["bid"]
        if bid.percent is not None or bid.usd != box.max_price:
            have = show_usd(box.max_price) if box.max_price is not None else "on-demand"
            remarks.append(f"the maximum price of {box.name} is {have}, not {bid}; {anew(box.name)}")
    if (pool := wanted.get("pool")) and pool != (now := box.tags.get(POOL_TAG)):
        what = f"in pool {now}" if now else "in no pool"
        remarks.append(f"{box.name} is {what}, not in {pool}: --pool counts at the first launch only")
    there_already = _fixed(box)
    for key, flag in _FIXED.items():
        if wanted.get(key) and wanted[key] != there_already.get(key):
            remarks.append(f"{flag} counts at the first launch only; {anew(box.name)}")
    steps += _disk(box, wanted.get("disk"), remarks)
    steps += resize_data(box, wanted.get("data"), remarks)
    root = next((v for v in box.volumes if v.delete_on_termination), None)
    if root and wanted.get("disk_type", root.type) != root.type:
        remarks.append(f"the disk of {box.name} is {root.type}, not {wanted['disk_type']}; {anew(box.name)}")
    steps += _rules(box, wanted.get("cidrs") or ())
    steps += _tags(box, dict(wanted.get("tags") or ()))
    steps += limit_steps(box, wanted.get("expires"), wanted.get("idle_stop"))
    return Changes(tuple(steps), tuple(remarks))


_FIXED = {
    "ami": "--ami",
    "key": "--key",
    "subnet": "--subnet",
    "profile_name": "--iam-profile",
    "user_data": "--user-data",
    "checkpoints": "--checkpoint",
    "user": "--ssh-user",
    "gpu": "--gpu",
    "min_vram": "--min-vram",
    "park": "--park",
    "fallback": "--fallback",
}


def _fixed(box: Box) -> dict[str, str | None]:
    """What the launch has fixed, as far as AWS shows it."""
    if box.instance is None:
        return {"user": box.user}
    at = box.instance
    return {"user": box.user, "ami": at.image_id, "subnet": at.subnet_id, "profile_name": at.profile}


def _disk(box: Box, size_gib: int | None, remarks: list[str]) -> list[Step]:
    root = next((v for v in box.volumes if v.delete_on_termination), None)
    if size_gib is None or root is None or size_gib == root.size_gib:
        return []
    if size_gib < root.size_gib:
        remarks.append(f"the disk of {box.name} is {root.size_gib} GiB; EBS cannot make it smaller")
        return []
    return [GrowDisk(box.region, root.id, size_gib)]


def _rules(box: Box, cidrs: tuple[str, ...]) -> list[Step]:
    if not box.groups:
        return []
    have = {rule.cidr for rule in box.groups[0].rules}
    return [Admit(box.region, box.groups[0].id, Rule(c, "spotbox given")) for c in cidrs if c not in have]


def _tags(box: Box, tags: dict[str, str]) -> list[Step]:
    new = {key: value for key, value in tags.items() if box.tags.get(key) != value}
    parts: list[Any] = [box.request, box.instance, *box.volumes, *box.groups]
    ids = tuple(part.id for part in parts if part)
    return [TagAgain(box.region, ids, new)] if new and ids and box.state is not State.KEPT else []
