"""Carry out a plan that removes: regions side by side, what fails told at the end with what it costs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from spotbox.app import App
from spotbox.commands._bills import find_rates
from spotbox.core.boxes import Sight
from spotbox.core.errors import SpotboxError
from spotbox.core.findings import Survey
from spotbox.core.names import NAME_TAG, join_names
from spotbox.core.records import Instance
from spotbox.core.removal import ended, parts_of
from spotbox.core.report import number
from spotbox.core.steps import Cancel, DeleteGroup, DeleteVolume, KeepVolume, Plan, Step, TagAgain, Terminate
from spotbox.core.units import show_usd
from spotbox.core.waiting import Look, wait

ROOT_WAIT = 60  # seconds in which AWS deletes a volume after its instance
GROUP_TRY, GROUP_WAIT = 3.0, 180  # seconds for a group in use until it is looked for what uses it, and in all
LOOK_WAIT = 30  # seconds in which a region that could not be looked at is asked again
FREE = ("security-group", "key-pair", "image")  # kinds that bill nothing by themselves


@dataclass
class Tally:
    """What became of each thing. Items have kind, id and region; those of `unresolved` also `why`, and `behind`: ids of
    what must go first, where that alone is the reason."""

    removed: list[dict[str, str]] = field(default_factory=list)
    kept: list[dict[str, str]] = field(default_factory=list)
    unresolved: list[dict[str, Any]] = field(default_factory=list)
    standing: set[str] = field(default_factory=set)  # regions where a cancel could not be proved
    users: dict[str, set[str]] = field(default_factory=dict)  # group or volume -> the instances that hold it
    busy: dict[str, DeleteGroup] = field(default_factory=dict)  # groups that something holds which is to be looked for
    halted: bool = False  # the user has had enough: no step begins any more

    @property
    def stuck(self) -> set[str]:
        """Ids of what could not be removed."""
        return {item["id"] for item in self.unresolved}

    @property
    def held(self) -> set[str]:
        """Ids of what is still there, on purpose or not."""
        return self.stuck | {item["id"] for item in self.kept}

    @property
    def told(self) -> set[str]:
        """Ids of what is removed or kept."""
        return {item["id"] for item in (*self.removed, *self.kept)}

    @property
    def reasons(self) -> str:
        """Why what could not be removed is still there, id by id."""
        return "; ".join(dict.fromkeys(f"{item['id']}: {item['why']}" for item in self.unresolved))

    def using(self, step: Step) -> list[str]:
        """The instances that resisted and hold what this step would delete."""
        if not isinstance(step, DeleteGroup | DeleteVolume):
            return []
        return sorted(self.stuck & {user for part in parts_of(step) for user in self.users.get(part["id"], ())})

    def done(self, step: Step) -> None:
        """A step was carried out; what it removed is told once, however often it came up."""
        told = self.told
        into = self.kept if isinstance(step, KeepVolume) else self.removed
        into += [part for part in parts_of(step) if part["id"] not in told]

    def left(self, parts: Sequence[dict[str, str]], why: str, behind: Sequence[str] = ()) -> None:
        """These could not be removed, or not be looked at."""
        stuck = self.stuck
        self.unresolved += [{**part, "why": why, "behind": behind} for part in parts if part["id"] not in stuck]

    def unseen(self, region: str, error: SpotboxError) -> None:
        """The region could not be looked at."""
        self.left([{"kind": "region", "id": region, "region": region}], f"not seen: {error.message}")


def patiently(app: App, look: Callable[[], Any]) -> Any:
    """What `look` sees of regions; it is repeated for a while where some failed for a reason that passes."""
    from spotbox.aws.calls import passing

    def once() -> Look[Any]:
        seen = look()
        again = [region for region, error in seen.failed.items() if passing(error)]
        return Look(seen, not again, f"AWS did not show {', '.join(again)}; asking again")

    return wait(once, LOOK_WAIT, app.system.sleep, app.system.monotonic, app.progress.show).value


def carry_out(
    app: App,
    plan: Plan,
    tally: Tally,
    patience: float = 0.0,
    instances: Sequence[Instance] = (),
    looks_again: bool = False,
) -> None:
    """Every step of the plan, in order within a region and the regions side by side.

    `patience` is for how many seconds AWS may not show what the plan is about; see Cancel and Terminate. `instances`
    are those that may hold a group or a volume of the plan: while one of them resists, EC2 would refuse for minutes.
    With `looks_again` a group that is still in use is `tally.busy` after a moment: the caller looks for what uses it.
    """
    for instance in instances:
        for id_ in (*instance.group_ids, *instance.volume_ids):
            tally.users.setdefault(id_, set()).add(instance.id)
    if not plan:
        return
    lines = _by_region(plan, patience, looks_again)
    many = len(lines) > 1
    try:
        if many:
            for answer in app.cloud.together([partial(_line, app, steps, tally, many) for steps in lines]):
                if isinstance(answer, SpotboxError):
                    raise answer
        else:
            _line(app, lines[0], tally, many)
    except BaseException:
        tally.halted = True  # other regions finish the call that is under way, and begin no other
        raise
    finally:
        app.progress.done()
    place = {id_: n for n, id_ in enumerate(part["id"] for step in plan for part in parts_of(step))}
    tally.removed.sort(key=lambda item: place.get(item["id"], -1))


def _by_region(plan: Plan, patience: float, looks_again: bool) -> list[list[Step]]:
    """The steps of each region, each with how long it may try."""
    lines: dict[str, list[Step]] = {}
    for step in plan:
        if isinstance(step, Cancel | Terminate):
            step = replace(step, patience=patience)
        elif isinstance(step, DeleteGroup) and looks_again:
            step = replace(step, patience=GROUP_TRY)
        lines.setdefault(getattr(step, "region", ""), []).append(step)
    return list(lines.values())


def _line(app: App, steps: Sequence[Step], tally: Tally, many: bool) -> None:
    """The steps of one region. Where a request may still launch, nothing else is taken away: neither its instance,
    which would be launched again, nor the key and group that the launch would need."""
    for step in steps:
        if tally.halted:
            return
        region = getattr(step, "region", "")
        if region in tally.standing and not isinstance(step, Cancel | TagAgain):
            requests = [i["id"] for i in tally.unresolved if i["kind"] == "spot-request" and i["region"] == region]
            why = "a Spot request here is not proved cancelled, so AWS would launch another"
            _failed(app, step, why, tally, requests)
            continue
        if users := tally.using(step):
            _failed(app, step, f"{join_names(users)} still uses it", tally, users)
            continue
        where = f"{region}: " if many else ""
        app.progress.show(f"{where}{step}")
        try:
            app.cloud.apply(step, lambda text, where=where: app.progress.show(f"{where}{text}"))
        except SpotboxError as error:
            if isinstance(step, DeleteGroup) and step.patience == GROUP_TRY and error.code == "DependencyViolation":
                tally.busy[step.group_id] = step
                continue
            if isinstance(step, Cancel):
                tally.standing.add(region)
            _failed(app, step, error.message, tally)
        else:
            tally.done(step)


def _failed(app: App, step: Step, why: str, tally: Tally, behind: Sequence[str] = ()) -> None:
    app.progress.done()
    app.remark(f"could not {step}: {why}")
    tally.left(parts_of(step), why, behind)


def see_gone(app: App, going: Sequence[tuple[str, str]], tally: Tally) -> None:
    """Volumes that go with their instance are told as removed once AWS shows them no more; (region, id) of each."""
    going = [(region, volume) for region, volume in going if volume not in tally.told | tally.stuck]

    def look() -> Look[dict[str, str]]:
        seen = app.cloud.observe(sorted({region for region, _ in going}))
        shown = {v.id for sight in seen.sights for v in sight.volumes if v.state not in ("deleting", "deleted")}
        left = {v: "AWS still shows it" for _, v in going if v in shown}
        left |= {v: f"not seen: {seen.failed[region].message}" for region, v in going if region in seen.failed}
        return Look(left, not left, f"waiting for {', '.join(left)} to go with its instance")

    if not going:
        return
    left = wait(look, ROOT_WAIT, app.system.sleep, app.system.monotonic, app.progress.show).value
    app.progress.done()
    for region, volume in going:
        if volume in left:
            app.remark(f"volume {volume} should have gone with its instance: {left[volume]}")
            tally.left([{"kind": "volume", "id": volume, "region": region}], left[volume])
        else:
            tally.done(DeleteVolume(region, volume, 0))


def reconcile(tally: Tally, sights: Sequence[Sight]) -> None:
    """What a step could not prove and AWS shows as ended by now is removed after all; what stood behind it is free."""
    over = ended(sights)
    late = [item for item in tally.unresolved if item["id"] in over]
    tally.unresolved = [item for item in tally.unresolved if item["id"] not in over]
    tally.removed += [{key: item[key] for key in ("kind", "id", "region")} for item in late]
    stuck = tally.stuck
    tally.unresolved = [item for item in tally.unresolved if not item["behind"] or stuck & set(item["behind"])]
    tally.standing &= {item["region"] for item in tally.unresolved if item["kind"] == "spot-request"}


def kept_lines(app: App, tally: Tally, sights: Sequence[Sight]) -> list[str]:
    """What was kept, each with its size, what it bills by the month, and the command that removes it."""
    if not tally.kept:
        return []
    seen = {v.id: v for sight in sights for v in sight.volumes}
    volumes = [seen[item["id"]] for item in tally.kept if item["id"] in seen]
    rates = find_rates(app, [], volumes)
    lines = []
    for volume in volumes:
        usd, name = rates.volume(volume), volume.tags.get(NAME_TAG, "")
        price = f"{show_usd(usd, 2)}/month" if usd is not None else "price unknown,"
        until = f"until `spotbox down {name}`; `spotbox up {name}` takes it back"
        lines.append(f"kept volume {volume.id} ({volume.region}): {volume.size_gib} GiB, {price} {until}")
    return lines


def priced(app: App, tally: Tally, sights: Sequence[Sight], surveys: Sequence[Survey] = ()) -> list[dict[str, Any]]:
    """`unresolved` as the contract has it, with USD per month: an instance's disks are in its own price."""
    stuck = tally.stuck
    instances = {i.id: i for s in sights for i in s.instances} | {i.id: i for s in surveys for i in s.traced}
    volumes = {v.id: v for s in sights for v in s.volumes} | {v.id: v for s in surveys for v in s.disks}
    alive = [i for i in instances.values() if i.id in stuck]
    held = [v for v in volumes.values() if v.id in stuck or v.instance_id in stuck]
    snapshots = {each.id: each for sight in sights for each in sight.snapshots if each.id in stuck}
    rates = find_rates(app, alive, held, snapshots.values()) if alive or held or snapshots else None

    def month(item: dict[str, Any]) -> float | None:
        if item["kind"] in FREE:
            return 0.0
        if rates and item["kind"] == "instance" and item["id"] in instances:
            return number(rates.instance(instances[item["id"]], held))
        if rates and item["kind"] == "volume" and item["id"] in volumes:
            return number(rates.volume(volumes[item["id"]]))
        if rates and item["kind"] == "snapshot" and item["id"] in snapshots:
            return number(rates.snapshot(snapshots[item["id"]]))
        return None

    order = ("kind", "id", "region", "usd_per_month", "why")
    return [{key: {**item, "usd_per_month": month(item)}[key] for key in order} for item in tally.unresolved]
