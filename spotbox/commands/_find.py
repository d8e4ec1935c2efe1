"""Find boxes: in every enabled region, by owner and name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from spotbox.app import App
from spotbox.commands._ledger import remember
from spotbox.core.boxes import Box, Sight, assemble, gather
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.moved import pair
from spotbox.core.names import is_name, join_names
from spotbox.core.prices import savings_pct
from spotbox.core.report import box_record
from spotbox.core.states import LIVE, State
from spotbox.core.text import plural, safe


def look(app: App, regions: Sequence[str], owner: str | None, name: str | None = None, full: bool = True) -> Any:
    """Observe these regions; those that could not be asked cost a remark, unless none could."""
    if len(regions) > 1:
        app.progress.glance(f"looking for boxes in {len(regions)} regions")
    seen = app.cloud.observe(regions, owner, name, full)
    app.progress.done()
    tell_failed(app, seen)
    note_names(app, seen.sights, owner, name)
    return seen


def note_names(app: App, sights: Sequence[Sight], owner: str | None, name: str | None = None) -> None:
    """Keep the names of the boxes in these sights for completion: all of this owner's, or that one's alone."""
    if owner is None:
        return
    seen = {sight.region: [b.name for b in assemble(sight) if b.owner == owner and is_name(b.name)] for sight in sights}
    _keep_names(app, owner, seen, name)


def note_box(app: App, box: Box) -> None:
    """Keep the name of a box that is there."""
    _keep_names(app, box.owner, {box.region: [box.name]}, box.name)


def _keep_names(app: App, owner: str, seen: Mapping[str, list[str]], name: str | None) -> None:
    from spotbox.recall import account, remember

    own = all(flag.flag != "--owner" for flag in app.options.own)  # whoever is named for this once may be another
    remember(app.store, account(app.options.profile, app.env), owner, seen, name, own)


def tell_failed(app: App, seen: Any) -> None:
    """A remark for each region that could not be asked; raises where none could."""
    if seen.failed and not seen.sights:
        raise next(iter(seen.failed.values()))
    for region, error in seen.failed.items():
        app.remark(f"could not look in {region}, so a box there would not be seen: {error.message}")


@dataclass(frozen=True)
class Search:
    """What the search for one name came to: the box, and how many launches of that name ended in each region."""

    box: Box | None
    ended: Mapping[str, int]
    failed: Mapping[str, SpotboxError] = field(default_factory=dict)

    def check(self, regions: Sequence[str]) -> None:
        """Raise where one of `regions` could not be asked: no box is made where one may stand already."""
        for region in regions:
            if region in self.failed:
                raise self.failed[region]


def search_box(app: App, regions: Sequence[str], owner: str, name: str, prefer: Sequence[str] = ()) -> Search:
    """As `find_box`, by few calls; of two boxes the one in a region of `prefer`, if one is."""
    if len(regions) > 1:
        app.progress.glance(f"looking for {name} in {len(regions)} regions")
    seen = app.cloud.search(regions, owner, name)
    app.progress.done()
    tell_failed(app, seen)
    note_names(app, seen.sights, owner, name)
    boxes = [box for sight in seen.sights for box in assemble(sight) if (box.owner, box.name) == (owner, name)]
    remember(app, boxes)
    ended = {
        sight.region: sum(r.state not in LIVE for r in parts.requests)
        for sight in seen.sights
        if (parts := gather(sight).get((owner, name)))
    }
    return Search(_the_one(boxes, name, prefer), ended, seen.failed)


def find_boxes(
    app: App, regions: Sequence[str], owner: str | None, name: str | None = None, full: bool = True
) -> list[Box]:
    """The boxes there, by name."""
    seen = look(app, regions, owner, name, full)
    found = [box for sight in seen.sights for box in assemble(sight)]
    remember(app, found)
    return sorted(found, key=lambda b: (b.name, b.owner, b.region))


def find_box(
    app: App, regions: Sequence[str], owner: str, name: str, full: bool = True, prefer: str | None = None
) -> Box | None:
    """The box of that name, or None; of two the one in the region `prefer`.

    SpotboxError where two regions have one and none is preferred (a name is unique per owner).
    """
    return _the_one(find_boxes(app, regions, owner, name, full), name, [prefer] if prefer else [])


def _the_one(boxes: list[Box], name: str, prefer: Sequence[str]) -> Box | None:
    old, new = pair(boxes)
    if old and new:
        if old.state is State.TERMINATING:
            return new
        raise SpotboxError(
            f"{name} is being moved from {old.zone} to {new.zone}, and both are there",
            f"Go on with: spotbox move {name}; or remove both: spotbox down {name}",
        )
    if len(boxes) > 1:
        boxes = [box for box in boxes if box.region in prefer] or boxes
    if len(boxes) > 1:
        where = join_names([box.region for box in boxes])
        raise SpotboxError(f"there are {len(boxes)} boxes named {name}: in {where}", "Say which one with -r REGION.")
    return boxes[0] if boxes else None


def need_box(app: App, region: str | None, owner: str, name: str, full: bool = True) -> Box:
    """The box of that name. SpotboxError 7 names the boxes that exist."""
    regions = [region] if region else app.enabled_regions
    box = find_box(app, regions, owner, name, full)
    if box:
        return box
    raise SpotboxError(f"there is no box named {name}{_of(region)}", others(app, regions, owner), Exit.NO_SUCH_BOX)


def _of(region: str | None) -> str:
    return f" in {region}" if region else ""


def others(app: App, regions: Sequence[str], owner: str) -> str:
    """A sentence that names the boxes that exist."""
    names = [f"{box.name} ({box.state}, {box.region})" for box in find_boxes(app, regions, owner, full=False)]
    if not names:
        return f"{safe(owner)} has no box. Make one with: spotbox up"
    return f"{safe(owner)} has {plural(len(names), 'box')}: {join_names(names)}."


def again(app: App, box: Box, full: bool = True) -> Box | None:
    """The same box, looked at once more; None where AWS shows none. SpotboxError where its region does not answer."""
    seen = app.cloud.observe([box.region], box.owner, box.name, full)
    if seen.failed:
        raise seen.failed[box.region]
    found = [b for sight in seen.sights for b in assemble(sight) if (b.name, b.owner) == (box.name, box.owner)]
    remember(app, found)
    same = next((b for b in found if b.moved_from == box.moved_from), None)  # there are two while it is being moved
    return same or (found[0] if len(found) == 1 and not box.moved_from else None)


def priced(app: App, boxes: Sequence[Box]) -> list[Box]:
    """The boxes with what their pool costs now; unknown stays None, with a remark why."""
    found, remarks = with_prices(app, boxes)
    for remark in remarks:
        app.remark(remark)
    return found


def with_prices(app: App, boxes: Sequence[Box]) -> tuple[list[Box], list[str]]:
    """The boxes with what their pool costs now, and why some of it is unknown."""
    remarks: list[str] = []
    regions = sorted({box.region for box in boxes if box.instance_type and box.state is not State.KEPT})
    names = {r: sorted({b.instance_type for b in boxes if b.region == r and b.instance_type}) for r in regions}
    calls = [lambda r=r: app.cloud.spot_prices(r, names[r]) for r in regions]
    calls += [lambda r=r: app.cloud.on_demand(r, names[r]) for r in regions]
    answers = app.cloud.together(calls)
    spot: dict[Any, Any] = {}
    on_demand: dict[Any, Any] = {}
    for region, answer in zip(regions * 2, answers, strict=True):
        if isinstance(answer, SpotboxError):
            remarks.append(f"prices of {region} are unknown: {answer.message}")
        elif hasattr(answer, "usd"):
            on_demand |= {(region, kind): price for kind, price in answer.usd.items()}
            if answer.remark:
                remarks.append(answer.remark)
        else:
            spot |= {(region, *pool): price for pool, price in answer.items()}
    found = [
        replace(
            box,
            spot=spot.get((box.region, box.instance_type, box.zone)),
            on_demand=on_demand.get((box.region, box.instance_type)),
        )
        for box in boxes
    ]
    return found, remarks


def gpus(app: App, boxes: Sequence[Box]) -> dict[str, str]:
    """Instance type -> its accelerator in words, for these boxes."""
    wanted: dict[str, set[str]] = {}
    for box in boxes:
        if box.instance_type:
            wanted.setdefault(box.region, set()).add(box.instance_type)
    answers = app.cloud.together([lambda r=r: app.cloud.instance_types(r, sorted(wanted[r])) for r in wanted])
    return {name: kind.gpu for a in answers if not isinstance(a, SpotboxError) for name, kind in a.items() if kind.gpu}


def records(app: App, boxes: Sequence[Box]) -> list[dict[str, Any]]:
    """The boxes as the contract's JSON has them, with prices as they are now and the ssh command line."""
    return described(app, priced(app, boxes))


def described(app: App, boxes: Sequence[Box], named: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Boxes that have their prices, as the contract's JSON has them; `named` is what `gpus` gives, if known."""
    from spotbox.commands._connect import command_line

    named = gpus(app, boxes) if named is None else named
    return [
        box_record(
            box, named.get(box.instance_type or ""), savings_pct(box.on_demand, box.spot), command_line(app, box)
        )
        for box in boxes
    ]
