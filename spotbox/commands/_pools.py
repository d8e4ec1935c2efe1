"""Pools of the config file as commands use them: what goes with one, whether it has room, and who gives way in it."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from spotbox.app import App
from spotbox.commands._find import look
from spotbox.commands._regions import enabled
from spotbox.core.boxes import Box, assemble
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.jobs import TrainingJob
from spotbox.core.names import POOL_TAG, join_names
from spotbox.core.pools import check_types, elder_jobs, for_jobs, gives_way, members, no_room, running_jobs
from spotbox.core.settings import Pool
from spotbox.core.units import Bid

# A job lives no longer than its longest MaxRuntimeInSeconds, 28 days (API reference, StoppingCondition), and its wait.
JOBS_SINCE = timedelta(days=56)
JOBS_MOST = 100  # of one region


def pool_tag(pool: Pool | None) -> dict[str, str]:
    """The tag of all that is made in the pool; none without one."""
    return {POOL_TAG: pool.name} if pool else {}


def check_pool(pool: Pool | None, flags: Mapping[str, Any]) -> None:
    """UsageError for flags of `up` that the pool has no use for: types of jobs, and on demand what is Spot's alone."""
    check_types(flags["types"], pool, jobs=False)
    if pool is None or not pool.on_demand:
        return
    for name, given in (
        ("--max-price", flags["bid"] not in (None, Bid())),
        ("--park", flags["park"]),
        ("--fallback", flags["fallback"] != "none"),
    ):
        if given:
            raise UsageError(
                f"{name} is for Spot, and pool {pool.name} is on demand", f"Leave {name} out, or use another pool."
            )


def admit(
    app: App, pool: Pool | None, owner: str, name: str | None = None, wanted: int = 1, jobs: bool = False
) -> None:
    """Whether the pool has room for `wanted` more boxes or job instances of this owner; SpotboxError 4 where not.

    The box `name` does not count, as it is the one that is made. Instances of training jobs count where `jobs` says
    so, or where the pool's keys are those of jobs. A region that cannot be asked costs a remark.
    """
    if pool is None or pool.max_boxes is None:
        return
    boxes = members(_boxes(app, owner), pool.name, name)
    error = no_room(pool, boxes, _jobs(app, pool, owner, jobs), wanted)
    if error:
        raise error


def _boxes(app: App, owner: str) -> list[Box]:
    return [box for sight in look(app, enabled(app), owner, full=False).sights for box in assemble(sight)]


def _jobs(app: App, pool: Pool, owner: str, jobs: bool) -> list[TrainingJob]:
    ask = getattr(app.cloud, "jobs", None)
    if ask is None or not (jobs or for_jobs(pool)):
        return []
    regions, since = enabled(app), app.system.now() - JOBS_SINCE
    answers = app.cloud.together([partial(ask, region, owner, since, JOBS_MOST) for region in regions])
    failed = [region for region, answer in zip(regions, answers, strict=True) if isinstance(answer, SpotboxError)]
    if failed:
        why = next(answer.message for answer in answers if isinstance(answer, SpotboxError))
        where = join_names(failed) if len(failed) <= 3 else f"{len(failed)} regions"
        app.remark(f"could not count the training jobs of pool {pool.name} in {where}: {why}")
    return running_jobs((job for a in answers if not isinstance(a, SpotboxError) for job in a), pool.name)


def yield_job(app: App, pool: Pool | None, owner: str, mine: TrainingJob) -> None:
    """As `yield_place` for a job that was just made: of two that took the last place at once the younger is stopped.

    SpotboxError 4 once AWS was asked to, 6 where it refuses. A box always goes first, for it does not give way to jobs.
    """
    if pool is None or pool.max_boxes is None or mine.over:
        return
    try:
        boxes, jobs = members(_boxes(app, owner), pool.name), _jobs(app, pool, owner, True)
    except SpotboxError as error:
        app.remark(f"could not look again whether pool {pool.name} has room: {error.message}")
        return
    full = no_room(pool, boxes, elder_jobs(mine, jobs), mine.count)
    if full is None:
        return
    try:
        app.cloud.stop_job(mine.region, mine.name)
    except SpotboxError as error:
        raise SpotboxError(
            f"{full.message}; {mine.name} could not be stopped again: {error.message}",
            f"Stop it with: spotbox train stop {mine.name}",
            Exit.STILL_BILLS,
        ) from error
    raise SpotboxError(
        f"{full.message}; it was filled meanwhile, and {mine.name} is stopped again", full.hint, Exit.QUOTA
    )


def yield_place(app: App, pool: Pool | None, keep: bool, box: Box) -> None:
    """Look again, now that the box stands: of two terminals that took the last place at once the younger gives way.

    With `keep` its data volume stays. SpotboxError 4 once the box is removed again, 6 where it could not be. What AWS
    does not show yet is not seen: two boxes launched within seconds of one another may both stay.
    """
    if pool is None or pool.max_boxes is None:
        return
    try:
        seen = _boxes(app, box.owner)
    except SpotboxError as error:
        app.remark(f"could not look again whether pool {pool.name} has room: {error.message}")
        return
    elder = gives_way(box, seen, pool)
    if not elder:
        return
    from spotbox.commands._take_away import take_away

    app.progress.done()
    held = join_names([f"{other.name} ({other.state}, {other.region})" for other in elder])
    app.remark(f"pool {pool.name} was filled meanwhile by {held}: {box.name} goes again")
    tally = take_away(app, [box.region], box.owner, box.name, lambda plan: None, keep)
    if tally.unresolved:
        raise SpotboxError(
            f"pool {pool.name} is full, and {box.name} could not be removed again: {tally.reasons}",
            f"Remove it with: spotbox down {box.name}",
            Exit.STILL_BILLS,
        )
    raise no_room(pool, elder, [], 1) or SpotboxError(f"pool {pool.name} is full", "", Exit.QUOTA)
