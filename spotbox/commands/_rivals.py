"""Of two boxes of one name the younger gives way: two terminals may launch at once, each in a region of its own."""

from dataclasses import replace

from spotbox.app import App
from spotbox.commands._leave import Mine
from spotbox.commands._regions import enabled
from spotbox.core.boxes import Box, assemble
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.plans import elder, standing
from spotbox.core.states import LIVE


class GivesWay(Exception):
    """This run's box is the younger of two."""

    def __init__(self, other: Box):
        super().__init__(other.name)
        self.other = other


def look_for_rivals(app: App, box: Box, own: str | None) -> None:
    """Search the other regions once more, now that ours stands: each of two terminals that launched at once then sees
    the other's box. Raises GivesWay where that is the elder.

    `own` is the instance or request that this run made. A box that is not of it is never given away, nor one beside
    which another request stands. A region that cannot be asked costs a remark.
    """
    ours = _of_this_run(box, own)
    if ours is None:
        return
    others = _elsewhere(app, box)
    first = elder(ours, others)
    if first:
        raise GivesWay(first)
    for other in standing(others):
        app.remark(
            f"another {box.name} stands in {other.region}, launched after this one; the terminal that launched it "
            f"takes it away, else remove it with: spotbox down {box.name} -r {other.region}"
        )


def _elsewhere(app: App, box: Box) -> list[Box]:
    try:
        regions = [region for region in enabled(app) if region != box.region]
        app.progress.glance(f"looking once more for {box.name} in {len(regions)} other regions")
        seen = app.cloud.search(regions, box.owner, box.name)
    except SpotboxError as error:
        app.remark(f"could not look for another {box.name} in other regions: {error.message}")
        return []
    finally:
        app.progress.clear()
    for region, why in seen.failed.items():
        app.remark(f"could not look for another {box.name} in {region}: {why.message}")
    return [b for sight in seen.sights for b in assemble(sight) if (b.owner, b.name) == (box.owner, box.name)]


def _of_this_run(box: Box, own: str | None) -> Box | None:
    """The box as dated by what this run made; None where it is another's, or another request stands beside."""
    if own is None:
        return None
    rivals = [request for request in box.requests if request.state in LIVE]
    if not rivals:  # on demand
        return box if box.instance and box.instance.id == own else None
    mine = next((request for request in rivals if own in (request.id, request.instance_id)), None)
    return replace(box, request=mine) if mine and len(rivals) == 1 else None


def give_way(app: App, mine: Mine, other: Box) -> None:
    """Remove what this run made, by the plan of `down`. SpotboxError 6 where some of it could not be removed."""
    from spotbox.commands._take_away import take_away

    name, region = mine.box.name, mine.box.region
    app.progress.done()
    app.remark(f"another {name} was launched first, in {other.region}: it stays, and this one in {region} goes")
    tally = take_away(app, [region], mine.box.owner, name, mine.note, mine.keep)
    if tally.unresolved:
        raise SpotboxError(
            f"{name} stands in {other.region}, and this run's own in {region} could not be removed: {tally.reasons}",
            f"Remove it with: spotbox down {name} -r {region}",
            Exit.STILL_BILLS,
        )
    mine.left.clear()
    mine.box, mine.regions, mine.instance_id, mine.adopted = other, [other.region], None, True
