"""The command line that makes the same box again."""

from collections.abc import Sequence
from dataclasses import replace

from spotbox.app import App
from spotbox.commands._inputs import Asked
from spotbox.core.boxes import Box
from spotbox.core.disks import data_volume
from spotbox.core.names import ROLE_TAG
from spotbox.core.states import State
from spotbox.core.text import shell
from spotbox.core.units import Bid, exact_duration


def equivalent(app: App, box: Box, asked: Asked) -> str:
    """The one-line command that makes this box without a question."""
    words: list[str] = ["spotbox", *app.options.words]
    words += ["up", box.name, *_repeated("-r", asked.regions if len(asked.regions) > 1 else [box.region])]
    words += _repeated("-t", asked.types if len(asked.types) > 1 else [box.instance_type or ""])
    words += _repeated("-z", asked.zones)
    words += ["--pool", asked.pool.name] if asked.pool else []
    words += ["--max-price", str(asked.bid)] if asked.bid and asked.bid != Bid() else []
    words += ["--ami", asked.ami] if asked.ami != "dlami" else []
    disk = next((v.size_gib for v in box.volumes if v.tags.get(ROLE_TAG) != "data"), asked.disk)
    words += ["--disk-size", str(disk)] if disk else []
    data = data_volume(box)
    words += ["--data-size", str(data.size_gib)] if data else []
    words += ["--disk-type", asked.disk_type] if asked.disk_type != "gp3" else []
    words += ["--key", asked.key] if asked.key else []
    words += _repeated("--allow-cidr", asked.cidrs)
    words += ["--subnet", asked.subnet] if asked.subnet else []
    words += ["--iam-profile", asked.profile] if asked.profile else []
    words += ["--user-data", asked.user_data] if asked.user_data else []
    words += _repeated("--checkpoint", [f"{local}={remote}" for local, remote in asked.checkpoints])
    words += _repeated("--tag", [f"{key}={value}" for key, value in asked.tags])
    words += ["--ssh-user", asked.user] if asked.user else []
    words += ["--park"] if asked.park else []
    words += ["--fallback", "on-demand"] if asked.fallback else []
    words += ["--ttl", exact_duration(asked.ttl)] if asked.ttl else []
    words += ["--idle-stop", exact_duration(asked.idle_stop)] if asked.idle_stop else []
    words += ["--owner", box.owner] if box.owner != app.owner(None) else []
    return shell([*words, "-y"])


def as_it_is(box: Box, asked: Asked) -> Asked:
    """What was asked of a box that was there before, less what it is not: a flag that it did not follow, and such as
    only a first launch takes, of which nothing tells whether this one had them."""
    rules = {rule.cidr for group in box.groups for rule in group.rules}
    root = next((v for v in box.volumes if v.delete_on_termination), None)
    return replace(
        asked,
        regions=(box.region,),
        zones=(box.zone,) if box.zone and box.zone in asked.zones else (),
        types=(),
        bid=Bid(box.max_price) if box.max_price is not None else None,
        ami=asked.ami if "ami" in asked.typed and _is_of(box, asked.ami) else "dlami",
        disk_type=root.type if root else "gp3",
        key=None,
        cidrs=tuple(cidr for cidr in asked.cidrs if cidr in rules),
        subnet=None,
        profile=box.instance.profile if box.instance else None,
        user_data=None,
        checkpoints=(),
        tags=tuple((key, value) for key, value in asked.tags if box.tags.get(key) == value),
        user=None,
        park=asked.park and box.state is State.WAITING,
        fallback=asked.fallback and box.market != "spot",
        ttl=asked.ttl if "ttl" in asked.typed else None,
        idle_stop=asked.idle_stop if "idle_stop" in asked.typed else None,
    )


def _is_of(box: Box, ami: str) -> bool:
    """Whether it is of that image; an alias still asked for at the end is its (see `by_image`)."""
    return box.instance is not None and (not ami.startswith("ami-") or ami == box.instance.image_id)


def _repeated(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
