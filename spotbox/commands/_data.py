"""The data volume of a box: asked for, given to a box that runs, kept by `down --keep-data`, taken back by `up`."""

from dataclasses import replace

from spotbox.app import App
from spotbox.commands._find import again
from spotbox.commands._inputs import Asked
from spotbox.core.boxes import Box
from spotbox.core.disks import data_volume, plan_data
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.names import DATA_SIZE_TAG
from spotbox.core.steps import GrowDisk, Plan
from spotbox.core.wishes import Data, Wish


def data_of(asked: Asked) -> Data | None:
    """The data volume of a box that is to be made; a kept one stays at least as large as it is."""
    if asked.kept is not None:
        moves = asked.kept.zone not in asked.zones
        return Data(max(asked.data or 0, asked.kept.size_gib), asked.kept.id, moves)
    return Data(asked.data) if asked.data else None


def data_tag(data: Data | None) -> dict[str, str]:
    """The size as a tag of the launch call: by it any later command knows that the box is to have a data volume."""
    return {DATA_SIZE_TAG: str(data.size_gib)} if data else {}


def grown(asked: Asked) -> Plan:
    """What makes a kept volume as large as was asked, before the launch."""
    kept, data = asked.kept, data_of(asked)
    if kept is None or data is None or data.size_gib == kept.size_gib:
        return ()
    return (GrowDisk(kept.region, kept.id, data.size_gib),)


def takes_back(wish: Wish) -> bool:
    """Whether the wish takes a kept data volume back, which then stays whatever becomes of the launch."""
    return wish.data is not None and wish.data.volume_id is not None


def taking_back(app: App, box: Box, asked: Asked) -> Asked:
    """What was asked, for a box of which only the kept data volume is left: it is launched in the volume's zone, as
    EBS attaches a volume nowhere else (EC2 API Reference, AttachVolume), or in the zones of -z, to which the volume
    then moves by a snapshot. UsageError for another region."""
    volume = data_volume(box)
    if volume is None:
        raise SpotboxError(f"{box.name} is {box.state}: {box.reason}", f"Remove it with: spotbox down {box.name}")
    what = f"the data volume of {box.name} ({volume.id}, {volume.size_gib} GiB)"
    zones = asked.zones if "zones" in asked.typed and volume.zone not in asked.zones else (volume.zone,)
    if ("region" in asked.typed and box.region not in asked.regions) or any(_region(z) != box.region for z in zones):
        raise UsageError(
            f"{what} is in {volume.zone}, and can be used in {box.region} only",
            f"Leave out -r and -z to take it back, or remove it with: spotbox down {box.name}",
        )
    if asked.data is not None and "data" in asked.typed and asked.data < volume.size_gib:
        app.remark(f"the data volume of {box.name} is {volume.size_gib} GiB; EBS cannot make it smaller")
    if volume.zone in zones:
        app.remark(f"taking back {what} in {volume.zone}")
    else:
        app.remark(
            f"{what} moves from {volume.zone} by a snapshot, once the box runs: that takes minutes, and the box bills"
        )
    given = asked.given | {"region", "zones"}
    return replace(asked, kept=volume, regions=(box.region,), zones=zones, given=given)


def _region(zone: str) -> str:
    return zone.rstrip("abcdefghijklmnopqrstuvwxyz")


def or_elsewhere(app: App, asked: Asked, error: SpotboxError, ask: bool) -> Asked:
    """After a launch that AWS refused: the same in the other zones of the region, where a kept volume holds the box in
    one that has no capacity, and the user wants it moved. Else the error, with the command that does it."""
    kept = asked.kept
    if kept is None or error.exit_code is not Exit.NO_CAPACITY or kept.zone not in asked.zones:
        raise error
    zones = tuple(zone for zone in app.cloud.zones(kept.region) if zone != kept.zone)
    holds = f"the data volume {kept.id} holds {asked.name} in {kept.zone}"
    if ask and zones and app.prompts.possible:
        app.remark(f"{error.message}; {holds}")
        if app.prompts.confirm("Move it to another zone by a snapshot?", False, "-z"):
            return replace(asked, zones=zones)
    hint = f"{holds}. Try again later, or move it by a snapshot with: spotbox up {asked.name} -z ZONE"
    raise SpotboxError(error.message, hint[0].upper() + hint[1:], error.exit_code, error.code) from error


def give_data(app: App, box: Box) -> Box:
    """The box with its data volume attached, where it is to have one; made first where there is none.

    SpotboxError where AWS does not give it; the box stays as it is.
    """
    steps = plan_data(box)
    for step in steps:
        app.progress.show(str(step))
        try:
            app.cloud.apply(step, app.progress.show)
        except SpotboxError as error:
            why = f"{box.name} is up and bills, but without its data volume: {error.message}"
            hint = f"{error.hint} Try again with: spotbox up {box.name}".strip()
            raise SpotboxError(why, hint, error.exit_code, error.code) from error
        finally:
            app.progress.done()
        app.remark(f"done: {step}; the box mounts it at /data")
    return (again(app, box) or box) if steps else box


def try_data(app: App, box: Box) -> Box:
    """As `give_data`, where the box is of use without: trouble is a remark."""
    try:
        return give_data(app, box)
    except SpotboxError as error:
        app.remark(f"{error.message}. {error.hint}")
        return box
