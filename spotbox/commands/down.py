"""spotbox down: cancel, prove it, terminate, clean the last of it, look again, and tell what was removed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import click

from spotbox.app import App, get_app
from spotbox.commands._connect import forget_host, set_entry
from spotbox.commands._find import look, others
from spotbox.core.boxes import Sight, gather
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.plans import plan_down
from spotbox.core.removal import going_with_instances, parts_of, youngest
from spotbox.core.report import number
from spotbox.core.steps import Cancel, DeleteVolume, KeepVolume, Plan, Step, Terminate
from spotbox.core.text import safe
from spotbox.core.units import HOURS_PER_MONTH, show_usd
from spotbox.core.waiting import Look, wait
from spotbox.options import (
    Command,
    dry_run_option,
    flag,
    name_argument,
    output_option,
    owner_option,
    region_option,
    yes_option,
)
from spotbox.output import to_json

ROOT_WAIT = 60  # seconds in which AWS deletes a volume after its instance


@dataclass
class Tally:
    """What became of each thing."""

    removed: list[dict[str, str]] = field(default_factory=list)
    kept: list[dict[str, str]] = field(default_factory=list)
    unresolved: list[dict[str, Any]] = field(default_factory=list)
    standing: set[str] = field(default_factory=set)  # regions where a cancel could not be proved


@click.command(cls=Command)
@name_argument
@flag("--all", "every", is_flag=True, help="Every box of this owner, in every region.")
@flag("--keep-data", is_flag=True, help="Leave the data volume; it bills until `down` without this flag.")
@region_option
@owner_option
@yes_option
@dry_run_option
@output_option("text", "json")
@click.pass_context
def down(
    ctx: click.Context, /, name: str, every: bool, keep_data: bool, yes: bool, dry_run: bool, **flags: Any
) -> None:
    """Remove NAME (default dev): Spot request, instance, disks, security group and, with the last box, the key pair.

    \b
    spotbox down
    spotbox down --all -y
    """
    app = get_app(ctx)
    owner = app.owner(flags["owner"])
    place = app.named_region(ctx, flags["region"])
    regions = [place] if place else app.enabled_regions
    names = None if every else [name]
    seen = look(app, regions, owner)
    plan = plan_down(seen.sights, owner, names, keep_data)
    tally = Tally()
    if every or not plan:
        tally.unresolved += [_unseen(region, error) for region, error in seen.failed.items()]
    if not plan:
        if not every:
            app.remark(f"nothing of {name} to remove. {others(app, regions, owner)}")
        else:
            app.remark(f"nothing of {safe(owner)}'s to remove")
        _finish(tally, flags["output"])
        return
    for step in plan:
        (click.echo if dry_run else app.remark)(safe(f"would {step}") if dry_run else f"  - {step}")
    for region, volume in going_with_instances(seen.sights, owner, names):
        text = f"delete volume {volume} ({region}) and all that is on it, with its instance"
        (click.echo if dry_run else app.remark)(safe(f"would {text}") if dry_run else f"  - {text}")
    if dry_run:
        return
    _confirm(app, yes)
    _remove(app, seen.sights, plan, owner, names, keep_data, tally)
    _finish(tally, flags["output"])


def _unseen(region: str, error: SpotboxError) -> dict[str, Any]:
    return {
        "kind": "region",
        "id": region,
        "region": region,
        "usd_per_month": None,
        "why": f"not seen: {error.message}",
    }


def _confirm(app: App, yes: bool) -> None:
    if yes:
        return
    if not app.prompts.possible:
        if not app.sandbox:
            raise app.prompts.refuse("-y")
        app.remark("no terminal to ask on: going ahead, as this is the sandbox")
    elif not app.prompts.confirm("Remove all this?", True, "-y"):
        raise SpotboxError("nothing was removed, as you said")


def take_away(app: App, regions: Sequence[str], owner: str, name: str, told: Callable[[Plan], None]) -> Tally:
    """Remove a box without a question, as an `up` does that is cut off; `told` gets the plan beforehand."""
    seen = look(app, regions, owner)
    plan = plan_down(seen.sights, owner, [name])
    told(plan)
    tally = Tally()
    tally.unresolved += [_unseen(region, error) for region, error in seen.failed.items()]
    _remove(app, seen.sights, plan, owner, [name], False, tally)
    return tally


def _remove(
    app: App, sights: Sequence[Sight], plan: Plan, owner: str, names: list[str] | None, keep: bool, tally: Tally
) -> None:
    """Apply the plan, then look again until there is no doubt left, and remove what came late."""
    roots = going_with_instances(sights, owner, names)
    doubt_until = _doubt(app, sights, plan, owner, names)
    _apply(app, plan, tally)
    while True:
        late = _late(app, sights, owner, names, keep, tally)
        if late:
            _apply(app, late, tally)
        if app.system.now() >= doubt_until:
            break
        app.progress.show("looking again for a late launch")
        app.system.sleep(1.0)
    app.progress.done()
    _see_roots_gone(app, sights, roots, tally)
    stuck = {item["id"] for item in tally.unresolved}
    for sight in sights:
        mine = {n: parts for (whose, n), parts in gather(sight).items() if whose == owner and (not names or n in names)}
        for name, parts in mine.items():
            ids = {r.id for r in parts.requests} | {i.id for i in parts.instances}
            if not stuck & ids:
                set_entry(app, name, "")
                forget_host(app, {i.id for i in parts.instances})


def _see_roots_gone(app: App, sights: Sequence[Sight], roots: Sequence[tuple[str, str]], tally: Tally) -> None:
    """Volumes that go with their instance are told as removed once AWS shows them no more."""
    stuck = {item["id"] for item in tally.unresolved}
    held = {v for sight in sights for i in sight.instances if i.id in stuck for v in i.volume_ids}
    told = {item["id"] for item in tally.removed} | stuck
    going = [(region, volume) for region, volume in roots if volume not in held | told]

    def look() -> Look[dict[str, int]]:
        seen = app.cloud.observe(sorted({region for region, _ in going}))
        shown = {v.id: v.size_gib for sight in seen.sights for v in sight.volumes if v.state != "deleting"}
        unseen = {v: 0 for region, v in going if region in seen.failed}
        left = {v: shown[v] for _, v in going if v in shown} | unseen
        return Look(left, not left, f"waiting for {', '.join(left)} to go with its instance")

    if not going:
        return
    left = wait(look, ROOT_WAIT, app.system.sleep, app.system.monotonic, app.progress.show).value
    app.progress.done()
    for region, volume in going:
        if volume in left:
            _unresolved(app, DeleteVolume(region, volume, left[volume]), "AWS still shows it", tally)
        else:
            tally.removed.append({"kind": "volume", "id": volume, "region": region})


def _late(
    app: App, sights: Sequence[Sight], owner: str, names: list[str] | None, keep: bool, tally: Tally
) -> tuple[Step, ...]:
    """What is there now that should not be; what could not be removed before is not tried for ever."""
    seen = app.cloud.observe([sight.region for sight in sights], owner)
    for region, error in seen.failed.items():
        if not any(item["id"] == region for item in tally.unresolved):
            tally.unresolved.append(_unseen(region, error))
    failed = {item["id"] for item in tally.unresolved}
    steps = plan_down(seen.sights, owner, names, keep)
    return tuple(step for step in steps if not failed & {item["id"] for item in parts_of(step)})


def _doubt(app: App, sights: Sequence[Sight], plan: Plan, owner: str, names: list[str] | None) -> datetime:
    """Until when AWS may still show something new: it is young, or its request was open when cancelled."""
    from datetime import timedelta

    now, settle = app.system.now(), timedelta(seconds=app.settle)
    opened = any(
        r.state == "open"
        for s in sights
        for step in plan
        if isinstance(step, Cancel)
        for r in s.requests
        if r.id in step.request_ids
    )
    newest = youngest(sights, owner, names)
    return now + settle if opened else min(newest + settle, now + settle) if newest else now


def _apply(app: App, plan: Plan, tally: Tally) -> None:
    """Every step in order; what fails is told at the end. Where a request may still launch, nothing else is taken away:
    neither its instance, which would be launched again, nor the key and group that the launch would need."""
    for step in plan:
        held = {part["region"] for part in parts_of(step)} & tally.standing
        if held and not isinstance(step, Cancel):
            _unresolved(
                app,
                step,
                "a Spot request here is not proved cancelled, so AWS would launch another",
                tally,
            )
            continue
        app.progress.show(str(step))
        try:
            app.cloud.apply(step, app.progress.show)
        except SpotboxError as error:
            if isinstance(step, Cancel):
                tally.standing.add(step.region)
            _unresolved(app, step, error.message, tally)
        else:
            (tally.kept if isinstance(step, KeepVolume) else tally.removed).extend(parts_of(step))
    app.progress.done()


def _unresolved(app: App, step: Step, why: str, tally: Tally) -> None:
    app.progress.done()
    app.remark(f"could not {step}: {why}")
    tally.unresolved += [{**part, "usd_per_month": number(_monthly(app, step)), "why": why} for part in parts_of(step)]


def _monthly(app: App, step: Step) -> Decimal | None:
    """What the thing goes on costing in USD per month; None where it is not known, 0 where it bills nothing."""
    if isinstance(step, DeleteVolume):
        try:
            price = app.cloud.disk_price(step.region, "gp3")
        except SpotboxError:
            return None
        return price * step.size_gib if price is not None else None
    if isinstance(step, Terminate):
        return _compute(app, step)
    return None if isinstance(step, Cancel) else Decimal(0)


def _compute(app: App, step: Terminate) -> Decimal | None:
    seen = app.cloud.observe([step.region])
    found = [i for sight in seen.sights for i in sight.instances if i.id in step.instance_ids]
    try:
        prices = [app.cloud.spot_prices(step.region, [i.instance_type]).get((i.instance_type, i.zone)) for i in found]
    except SpotboxError:
        return None
    known = [price for price in prices if price is not None]
    return sum(known, Decimal(0)) * HOURS_PER_MONTH if len(known) == len(prices) and known else None


def _finish(tally: Tally, output: str) -> None:
    """Print what became of it all; exit 6 while something may still bill."""
    if output == "json":
        click.echo(
            to_json({"removed": tally.removed, "kept": tally.kept, "unresolved": tally.unresolved, "cost": None})
        )
    else:
        for word, items in (("removed", tally.removed), ("kept", tally.kept)):
            for item in items:
                click.echo(safe(f"{word} {item['kind']} {item['id']} ({item['region']})"))
        for item in tally.unresolved:
            cost = item["usd_per_month"]
            price = "cost unknown" if cost is None else f"{show_usd(Decimal(str(cost)), 2)}/month"
            click.echo(safe(f"NOT removed {item['kind']} {item['id']} ({item['region']}, {price}): {item['why']}"))
    if tally.unresolved:
        raise SpotboxError("not all could be removed or confirmed", "Run the same command again.", Exit.STILL_BILLS)
