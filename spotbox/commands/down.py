"""spotbox down: cancel, prove it, terminate, clean the last of it, look again, and tell what was removed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import click

from spotbox.app import App, get_app
from spotbox.commands._connect import drop_entry, forget_host
from spotbox.commands._farewell import Eve, farewell
from spotbox.commands._find import note_names, others
from spotbox.commands._ledger import remember
from spotbox.commands._remove import GROUP_WAIT, Tally, carry_out, kept_lines, patiently, priced, reconcile, see_gone
from spotbox.commands._table import put_plan
from spotbox.core.boxes import Sight, assemble, gather
from spotbox.core.copies import keeping
from spotbox.core.cost import Cost, Life
from spotbox.core.cost_report import remarks, sentences, summary
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.findings import Survey
from spotbox.core.names import check_name
from spotbox.core.plans import plan_down
from spotbox.core.removal import concerned, doubt, going_with_instances, opened, outline, parts_of
from spotbox.core.steps import DeleteGroup, DeleteVolume, Plan, Step
from spotbox.core.text import safe, shell
from spotbox.core.units import show_usd
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

TRACED = "it bears only spotbox's key pair or group, no tags: left to `spotbox audit --fix`"
LATE_WAIT = 60  # seconds beyond all doubt in which what still comes to light is removed


@dataclass(frozen=True)
class Wanted:
    """What is to be removed: boxes of these names (None: all) of one owner, less the data volumes if `keep`."""

    owner: str
    names: list[str] | None
    keep: bool
    again: str  # the command that goes on with it

    def plan(self, sights: Sequence[Sight]) -> Plan:
        """What is left to do of it."""
        return plan_down(sights, self.owner, self.names, self.keep)


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

    Asks first. What AWS may bring to light late (a box made a moment ago, a request that was open) is looked for again.
    Exit code 6, with each id and what it costs, where something could not be removed or confirmed.

    \b
    spotbox down
    spotbox down --all -y
    """
    app = get_app(ctx)
    owner = app.owner(flags["owner"])
    place = app.named_region(ctx, flags["region"])
    regions = [place] if place else app.enabled_regions
    words = ["spotbox", "down", "--all" if every else name, *(["-r", place] if place else [])]
    words += [*(["--owner", owner] if flags["owner"] else []), *(["--keep-data"] if keep_data else [])]
    wanted = Wanted(owner, None if every else [name], keep_data, shell(words))
    seen, looked = _look(app, regions, owner), app.system.now()
    plan, tally = wanted.plan(seen.sights), Tally()
    settling = doubt(seen.sights, plan, owner, wanted.names, looked, app.settle)
    for region, error in seen.failed.items():
        if every or not plan:
            tally.left([_region(region)], f"not seen: {error.message}")
    if not plan and not settling:
        who = f"{safe(owner)}'s" if every else name
        app.remark(f"nothing of {who} to remove{'' if every else f'. {others(app, regions, owner)}'}")
        _finish(app, tally, flags["output"])
        return
    plan, surveys = _leave_traces(app, seen.sights, plan, owner, tally)
    texts = outline(plan, going_with_instances(seen.sights, owner, wanted.names))
    for text in () if dry_run else texts:
        app.remark(f"  - {text}", hang=4)
    for text in keeping(seen.sights, owner, wanted.names).remarks if keep_data else ():
        app.remark(safe(text))
    if dry_run:
        put_plan(texts, flags["output"])
        return
    if plan:
        _confirm(app, yes)
    with _interruptible(app, wanted, plan, tally):
        last = _remove(app, seen.sights, plan, wanted, settling, tally)
    told = farewell(app, Eve(looked, seen.sights, owner, wanted.names), last, tally.held)
    _finish(app, tally, flags["output"], [*seen.sights, *last], surveys, told)


def _look(app: App, regions: Sequence[str], owner: str) -> Any:
    """Observe; regions that cannot be asked cost a remark, unless none can."""
    if len(regions) > 1:
        app.progress.glance(f"looking for boxes in {len(regions)} regions")
    seen = patiently(app, lambda: _all_of(app, regions, owner))
    app.progress.done()
    remember(app, [box for sight in seen.sights for box in assemble(sight)])
    if seen.failed and not seen.sights:
        raise next(iter(seen.failed.values()))
    for region, error in seen.failed.items():
        app.remark(f"could not look in {region}, so a box there would not be seen: {error.message}")
    return seen


def _all_of(app: App, regions: Sequence[str], owner: str) -> Any:
    """All of the owner's that is seen there, with what a move that was cut off has made."""
    return app.cloud.with_images(app.cloud.observe(regions, owner), owner)


def _region(region: str) -> dict[str, str]:
    return {"kind": "region", "id": region, "region": region}


def _leave_traces(
    app: App, sights: Sequence[Sight], plan: Plan, owner: str, tally: Tally
) -> tuple[Plan, Sequence[Survey]]:
    """What bears only spotbox's traces is told and left to `audit --fix`, and so is the group that it is in."""
    regions = {getattr(step, "region", "") for step in plan}
    found = app.cloud.traces([sight for sight in sights if sight.region in regions], owner)
    for region, error in found.failed.items():
        app.remark(f"could not look in {region} for instances that bear only spotbox's traces: {error.message}")
    traced = [instance for survey in found.surveys for instance in survey.traced]
    for instance in traced:
        part = {"kind": "instance", "id": instance.id, "region": instance.region}
        tally.left([part], TRACED)
    users = {group: instance.id for instance in traced for group in instance.group_ids}
    for step in plan:
        if isinstance(step, DeleteGroup) and step.group_id in users:
            tally.left(parts_of(step), f"{users[step.group_id]} is in it")
    return tuple(step for step in plan if not tally.stuck & {part["id"] for part in parts_of(step)}), found.surveys


def _confirm(app: App, yes: bool) -> None:
    if yes:
        return
    if not app.prompts.possible:
        if not app.sandbox:
            raise app.prompts.refuse("-y")
        app.remark("no terminal to ask on: going ahead, as this is the sandbox")
    elif not app.prompts.confirm("Remove all this?", True, "-y"):
        raise SpotboxError("nothing was removed, as you said")


@contextmanager
def _interruptible(app: App, wanted: Wanted, plan: Plan, tally: Tally) -> Iterator[None]:
    """Ctrl-C ends it at once; what is left is named, and the command that goes on."""
    try:
        yield
    except KeyboardInterrupt:
        app.progress.done()
        told = tally.told
        parts = [part for step in plan for part in parts_of(step) if part["id"] not in told]
        left = ", ".join(f"{part['kind']} {part['id']} ({part['region']})" for part in parts)
        what = f"interrupted; not removed, or not proved: {left}" if left else "interrupted before the last look"
        raise SpotboxError(what, f"Go on with: {wanted.again}", Exit.INTERRUPTED) from None


def take_away(
    app: App, regions: Sequence[str], owner: str, name: str, told: Callable[[Plan], None], keep: bool = False
) -> Tally:
    """Remove a box without a question, as an `up` does that is cut off; `told` gets the plan beforehand.

    With `keep` the data volume stays, for the next `up`.
    """
    wanted = Wanted(owner, [name], keep, shell(["spotbox", "down", name]))
    seen = _look(app, regions, owner)
    plan, tally = wanted.plan(seen.sights), Tally()
    told(plan)
    for region, error in seen.failed.items():
        tally.left([_region(region)], f"not seen: {error.message}")
    settling = doubt(seen.sights, plan, owner, wanted.names, app.system.now(), app.settle)
    plan, _ = _leave_traces(app, seen.sights, plan, owner, tally)
    _remove(app, seen.sights, plan, wanted, settling, tally)
    return tally


def _remove(
    app: App, sights: Sequence[Sight], plan: Plan, wanted: Wanted, settling: float, tally: Tally
) -> Sequence[Sight]:
    """Apply the plan, then look again until there is no doubt left, and remove what came late. Gives the last look."""
    from spotbox.aws.calls import passing

    regions = concerned(sights, wanted.owner, wanted.names)
    until = app.system.now() + timedelta(seconds=settling)
    free_by = app.system.now() + timedelta(seconds=GROUP_WAIT)
    carry_out(app, plan, tally, settling, [i for sight in sights for i in sight.instances], looks_again=True)
    if opened(sights, plan):  # it may have been fulfilled up to this moment
        until = app.system.now() + timedelta(seconds=app.settle)
    going = dict.fromkeys(going_with_instances(sights, wanted.owner, wanted.names))
    while True:
        seen = _all_of(app, regions, wanted.owner)
        reconcile(tally, seen.sights)
        going |= dict.fromkeys(going_with_instances(seen.sights, wanted.owner, wanted.names))
        late = tuple(s for s in wanted.plan(seen.sights) if not _settled(s, tally))
        tally.busy.clear()
        carry_out(app, late, tally, settling, [i for sight in seen.sights for i in sight.instances], looks_again=True)
        now = app.system.now()
        if tally.busy and now < free_by:  # what uses the group may be a launch that shows late, and bills
            app.progress.show(f"{', '.join(tally.busy)} is still in use; looking for what uses it")
            app.system.sleep(1.0)
            continue
        unseen = any(passing(error) for error in seen.failed.values())
        if (now >= until and not (late or unseen)) or now >= until + timedelta(seconds=LATE_WAIT):
            break
        app.progress.show("looking again for a late launch")
        app.system.sleep(1.0)
    app.progress.done()
    _settle_up(seen.failed, tally)
    see_gone(app, _not_held(going, [*sights, *seen.sights], tally), tally)
    _forget(app, [*sights, *seen.sights], wanted, tally)
    note_names(app, seen.sights, wanted.owner)
    return list(seen.sights)


def _settled(step: Step, tally: Tally) -> bool:
    """Whether it need not be tried again: it resists, or it would delete what was kept, whose tag is not shown yet."""
    ids = {part["id"] for part in parts_of(step)}
    kept = {item["id"] for item in tally.kept} if isinstance(step, DeleteVolume) else set()
    return bool(ids & (tally.stuck | kept))


def _settle_up(failed: Mapping[str, SpotboxError], tally: Tally) -> None:
    """What the last look has not shown as gone."""
    for step in tally.busy.values():
        tally.left(parts_of(step), "something uses it that AWS does not show as this box's")
    for region, error in failed.items():
        tally.left([_region(region)], f"not seen: {error.message}")


def _not_held(
    going: Iterable[tuple[str, str]], sights: Sequence[Sight], tally: Tally
) -> list[tuple[str, str]]:  # fmt: skip
    """Volumes that go with an instance, less those whose instance stays."""
    held = {v for sight in sights for i in sight.instances if i.id in tally.stuck for v in i.volume_ids}
    return [(region, volume) for region, volume in going if volume not in held]


def _forget(app: App, sights: Sequence[Sight], wanted: Wanted, tally: Tally) -> None:
    """Drop what this machine remembers of boxes that are gone."""
    for sight in sights:
        for (owner, name), parts in gather(sight).items():
            instances = {i.id for i in parts.instances}
            ids = {r.id for r in parts.requests} | instances
            if owner != wanted.owner or (wanted.names and name not in wanted.names) or tally.stuck & ids:
                continue
            with suppress(UsageError):  # a tag that is no box's name has no entry
                drop_entry(app, sight.region, owner, check_name(name), instances)
            forget_host(app, name, instances)


def _finish(
    app: App, tally: Tally, output: str, sights: Sequence[Sight] = (), surveys: Sequence[Survey] = (),
    costs: Sequence[tuple[Life, Cost]] = (),
) -> None:  # fmt: skip
    """Print what became of it all, and what it cost; exit 6 while something may still bill."""
    unresolved = priced(app, tally, sights, surveys)
    if output == "json":
        click.echo(
            to_json({"removed": tally.removed, "kept": tally.kept, "unresolved": unresolved, "cost": summary(costs)})
        )
    else:
        for item in tally.removed:
            click.echo(safe(f"removed {item['kind']} {item['id']} ({item['region']})"))
        for line in kept_lines(app, tally, sights):
            app.echo(safe(line))
        for item in unresolved:
            cost = item["usd_per_month"]
            price = "cost unknown" if cost is None else f"{show_usd(Decimal(str(cost)), 2)}/month"
            click.echo(safe(f"NOT removed {item['kind']} {item['id']} ({item['region']}, {price}): {item['why']}"))
        for line in sentences(costs):
            click.echo(safe(line))
    for text in remarks(costs):
        app.remark(text)
    if unresolved:
        traced = any(item["why"] == TRACED for item in unresolved)
        hint = "What bears only spotbox's traces, `spotbox audit --fix` removes after asking. " if traced else ""
        raise SpotboxError(
            "not all could be removed or confirmed", f"{hint}Run the same command again.", Exit.STILL_BILLS
        )
