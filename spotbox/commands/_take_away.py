"""Take boxes away: look, cancel, prove it, terminate, and look again until nothing can come to light any more."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from spotbox.app import App
from spotbox.commands._connect import drop_entry, forget_host
from spotbox.commands._find import note_names, tell_failed
from spotbox.commands._ledger import remember
from spotbox.commands._remove import GROUP_WAIT, Tally, carry_out, patiently, reconcile, see_gone
from spotbox.core.boxes import Sight, assemble, gather
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.findings import Survey
from spotbox.core.names import check_name
from spotbox.core.plans import plan_down
from spotbox.core.removal import concerned, doubt, going_with_instances, opened, parts_of
from spotbox.core.steps import DeleteGroup, DeleteVolume, Plan, Step
from spotbox.core.text import shell

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


def take_away(
    app: App, regions: Sequence[str], owner: str, name: str, told: Callable[[Plan], None], keep: bool = False
) -> Tally:
    """Remove a box without a question, as an `up` does that is cut off; `told` gets the plan beforehand.

    With `keep` the data volume stays, for the next `up`.
    """
    wanted = Wanted(owner, [name], keep, shell(["spotbox", "down", name]))
    seen = look(app, regions, owner)
    plan, tally = wanted.plan(seen.sights), Tally()
    told(plan)
    for region, error in seen.failed.items():
        tally.unseen(region, error)
    settling = doubt(seen.sights, plan, owner, wanted.names, app.system.now(), app.settle)
    plan, _ = leave_traces(app, seen.sights, plan, owner, tally)
    remove(app, seen.sights, plan, wanted, settling, tally)
    return tally


def look(app: App, regions: Sequence[str], owner: str) -> Any:
    """Observe; regions that cannot be asked cost a remark, unless none can."""
    if len(regions) > 1:
        app.progress.glance(f"looking for boxes in {len(regions)} regions")
    seen = patiently(app, lambda: _all_of(app, regions, owner))
    app.progress.done()
    remember(app, [box for sight in seen.sights for box in assemble(sight)])
    tell_failed(app, seen)
    return seen


def _all_of(app: App, regions: Sequence[str], owner: str) -> Any:
    """All of the owner's that is seen there, with what a move that was cut off has made."""
    return app.cloud.with_images(app.cloud.observe(regions, owner), owner)


def leave_traces(
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


def remove(
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
        tally.unseen(region, error)


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
