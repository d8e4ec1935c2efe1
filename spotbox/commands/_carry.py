"""Carry out the plan of a new box: launch or park it, fall back on demand, leave nothing behind where AWS refuses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spotbox.app import App
from spotbox.aws.errors import unknown_outcome
from spotbox.commands._arrive import Died, arrive
from spotbox.commands._data import give_data, takes_back
from spotbox.commands._find import again, look
from spotbox.commands._leave import Mine, leave_new, what_is_there
from spotbox.commands._limits import NewLimits
from spotbox.commands._resume import to_running
from spotbox.commands._rivals import GivesWay, give_way, look_for_rivals
from spotbox.core.boxes import Box, Sight, assemble, gather
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.hunt import Unclear
from spotbox.core.plans import plan_down, plan_park, plan_tags, plan_yield
from spotbox.core.records import Offer
from spotbox.core.states import LIVE, State
from spotbox.core.steps import Cancel, Plan
from spotbox.core.units import show_duration, show_usd
from spotbox.core.wishes import Launch, Park, Wish


@dataclass(frozen=True)
class Carried:
    """The box that came of a plan; the pool whose prices were read just now, None where they may have changed."""

    box: Box
    pool: Offer | None = None


def carry_out(
    app: App,
    plan: Plan,
    wait: float,
    limits: NewLimits,
    ask: bool = False,
    stands: Callable[[Box], None] = lambda box: None,
) -> Carried:
    """Apply the plan and wait until the box answers; a parked one is not waited for.

    A refusal leaves nothing behind. Ctrl-C removes what was made, or as the user says where `ask` lets him be asked.
    `stands` gets the box as soon as AWS shows it, and may take it away and raise.
    """
    step = next(step for step in plan if isinstance(step, (Launch, Park)))
    wish = step.wish
    here = Box(wish.name, wish.owner, wish.regions[0], State.STARTING, "", None, None)
    mine = Mine(here, wish.regions, ask, keep=takes_back(wish))
    try:
        try:
            return _carry(app, plan, wait, step, mine, limits, stands)
        except GivesWay as way:
            give_way(app, mine, way.other)
            return Carried(way.other if isinstance(step, Park) else limits.set(to_running(app, way.other, wait)))
    except KeyboardInterrupt as cut:
        standing = Park(wish, wish.offers[0])

        def park() -> Box:
            box, _ = _park(app, plan_park(wish, False), standing, mine.box, wait)
            limits.try_set(box, app.remark)
            return box

        raise leave_new(app, mine, cut, park if isinstance(step, Launch) and step.spot else None) from None


def _carry(
    app: App,
    plan: Plan,
    wait: float,
    step: Launch | Park,
    mine: Mine,
    limits: NewLimits,
    stands: Callable[[Box], None],
) -> Carried:
    wish, here = step.wish, mine.box
    accepted = False
    try:
        if isinstance(step, Park):
            parked = _park(app, plan, step, here, wait)
            accepted = True
            return Carried(_standing(app, *parked, limits, stands))
        launched = _launch(app, plan, mine, wait)
        accepted = True
        mine.answered(launched.region, launched.instance_id)
        here = mine.box
        where = launched.offer.zone if launched.offer else launched.region
        app.progress.done(f"AWS accepted: {launched.instance_id or 'an earlier launch of this box'} in {where}")
        clean_up(app, here, [region for region in launched.tried if region != launched.region], mine.keep)
        limits.try_set(here)

        def booting(box: Box) -> None:
            look_for_rivals(app, box, launched.instance_id)
            stands(box)

        box = arrive(app, here, launched=launched.instance_id, booting=booting)
        fresh = launched.offer if launched.rounds == 1 else None
        return Carried(give_data(app, limits.set(_only_one(app, box, launched.instance_id))), fresh)
    except SpotboxError as error:
        app.progress.done()
        refused = not accepted and error.code and not isinstance(error, Unclear) and not unknown_outcome(error)
        if isinstance(error, Died) or refused:
            clean_up(app, here, wish.regions, mine.keep)  # AWS refused, so it is certain that nothing is to come
        elif not accepted:
            tell_what_is_there(app, here, wish.regions)  # perhaps no answer at all: the launch may have happened
        raise


def _standing(app: App, box: Box, own: str | None, limits: NewLimits, stands: Callable[[Box], None]) -> Box:
    """A box whose request stands (`own`, if this run made it): with its limits, and the only one of its name."""
    box = limits.set(box)
    look_for_rivals(app, box, own)
    stands(box)
    return box


def _launch(app: App, plan: Plan, mine: Mine, wait: float) -> Any:
    """Apply the steps; what AWS accepted (aws.launch.Launched), which `mine` hears first."""

    def show(text: str) -> None:
        app.progress.show(f"pool {step.wish.pool}: {text}" if isinstance(step, Launch) and step.wish.pool else text)

    for step in plan:
        app.progress.show(str(step))
        if not isinstance(step, Launch):
            app.cloud.apply(step, app.progress.show)
        elif step is plan[-1]:
            patience = wait if step.spot or not step.after_spot else 0
            return app.cloud.launch(step, patience, show, mine.answered)
        else:
            try:
                return app.cloud.launch(step, wait, show, mine.answered)
            except SpotboxError as error:
                if error.exit_code not in (Exit.NO_CAPACITY, Exit.QUOTA) or isinstance(error, Unclear):
                    raise
                _fall_back(app, step.wish, mine.box, error, wait)
    raise AssertionError("a plan of a new box ends with a launch")


def _fall_back(app: App, wish: Wish, here: Box, error: SpotboxError, wait: float) -> None:
    """Before the same box is launched on demand: nothing of the Spot hunt may stand any more."""
    app.progress.done()
    app.remark(f"{error.message}")
    for sight in look(app, wish.regions, here.owner, here.name).sights:
        _cancel_open(app, sight.region, sight.requests)
        if any(r.state in LIVE and r.instance_id for r in sight.requests):
            raise SpotboxError(
                f"a Spot launch of {here.name} shows itself in {sight.region} after all",
                f"Go on with it: spotbox up {here.name}",
            )
    short = error.exit_code is Exit.QUOTA
    why = "your Spot quota has no room" if short else f"Spot had nothing within {show_duration(wait)}"
    app.remark(f"{why}: launching on demand at {show_usd(wish.offers[0].on_demand)}/h, as asked")


def _cancel_open(app: App, region: str, requests: Sequence[Any], but: str | None = None) -> None:
    """Cancel what a refused launch left standing open."""
    strays = tuple(r.id for r in requests if r.state == "open" and not r.instance_id and r.id != but)
    if strays:
        app.cloud.apply(Cancel(region, strays), app.progress.show)


def _park(app: App, plan: Plan, step: Park, here: Box, wait: float) -> tuple[Box, str | None]:
    """Apply the steps; the box as it waits, and the id of its request, None where an earlier launch stands instead."""
    for each in plan:
        app.progress.show(str(each))
        if not isinstance(each, Park):
            app.cloud.apply(each, app.progress.show)
    request = app.cloud.park(step, wait, app.progress.show)
    app.progress.done()
    if request is None:
        app.remark("an earlier launch of this box stands already")
        return again(app, here) or here, None
    (box,) = assemble(Sight(step.offer.region, (request,)))
    return box, request.id


def _only_one(app: App, box: Box, mine: str | None) -> Box:
    """The box, alone under its name: of two terminals that launched at once in two pools the later one gives way."""
    _cancel_open(app, box.region, box.requests, but=box.request.id if box.request else None)
    for step in plan_tags(box):
        app.cloud.apply(step, app.progress.show)
    retired = plan_yield(box, mine or "")
    if not retired:
        return box
    app.remark(f"another terminal launched {box.name} first; that one stays, this one goes")
    for step in retired:
        app.cloud.apply(step, app.progress.show)
    app.progress.done()
    left = again(app, box)
    return arrive(app, left) if left else box


def clean_up(app: App, box: Box, regions: Sequence[str], keep: bool = False) -> None:
    """Where the box did not come to be: cancel stray requests, take away the group, and the key if nothing needs it.

    With `keep` a data volume stays, which the box was to take back.
    """
    if not regions:
        return
    try:
        for sight in look(app, regions, box.owner).sights:
            found = {name: parts for (whose, name), parts in gather(sight).items() if whose == box.owner}
            mine = found.get(box.name)
            if mine and any(i.state in ("pending", "running", "stopping", "stopped") for i in mine.instances):
                continue
            # Where this box is all there is, the key goes too, even if not so much as a group was made.
            only = set(found) <= {box.name}
            for step in plan_down([sight], box.owner, None if only else [box.name], keep):
                app.cloud.apply(step, app.progress.show)
    except SpotboxError as error:
        app.remark(f"could not clean up: {error.message}; run: spotbox down {box.name}")
    app.progress.done()


def tell_what_is_there(app: App, box: Box, regions: Sequence[str]) -> None:
    """What an `up` that got no answer leaves behind, as AWS shows it now."""
    app.remark("cut off; looking at what AWS has of it")
    app.remark(what_is_there(app, box, regions))


def report_lines(app: App, box: Box, record: dict[str, Any]) -> list[str]:
    """What a finished `up` prints."""
    if box.state is State.WAITING:
        return _waiting_lines(box)
    spot = box.market == "spot"
    price = show_usd(box.spot if spot else box.on_demand)
    saved = f", {record['savings_pct']:.2f} % under on-demand" if spot and record["savings_pct"] is not None else ""
    return [
        f"{box.name} is up: {box.instance_type} in {box.zone}, {price}/h {'on Spot' if spot else 'on demand'}{saved}",
        f"  a shell on it       spotbox ssh {box.name}",
        f"  pause, keep disk    spotbox stop {box.name}",
        f"  remove it           spotbox down {box.name}",
    ]


def _waiting_lines(box: Box) -> list[str]:
    where = f"{box.instance_type} in {box.zone or box.region}"
    return [
        f"{box.name} waits with AWS for a {where}: {box.reason}",
        f"  how it stands       spotbox status {box.name}",
        f"  wait for it         spotbox up {box.name}",
        f"  remove it           spotbox down {box.name}",
    ]
