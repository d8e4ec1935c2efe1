"""Pools: named flags with a market and a limit of their own. What counts against the limit, and who gives way."""

from collections.abc import Iterable, Sequence

from spotbox.core.boxes import Box
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.jobs import TrainingJob
from spotbox.core.names import POOL_TAG, join_names
from spotbox.core.settings import Pool
from spotbox.core.states import State
from spotbox.core.text import safe

ML = "ml."  # how the names of SageMaker's instance types begin (API reference, ResourceConfig)
_GONE = (State.KEPT, State.FAILED, State.TERMINATING)  # what neither computes nor is to
_OF_JOBS = frozenset({"role", "image", "output-path", "count", "max-run", "max-wait", "input", "hyperparameter"})


def for_jobs(pool: Pool) -> bool:
    """Whether training jobs may run in it, as far as its keys tell."""
    types = pool.flags.get("instance-type", [])
    named = types if isinstance(types, list) else [str(types)]
    return bool(_OF_JOBS & set(pool.flags)) or any(name.startswith(ML) for name in named)


def own_types(values: Sequence[str], jobs: bool) -> list[str]:
    """Of the types of a config file, which may name those of boxes and of training jobs (`ml.`), one kind."""
    return [value for value in values if value.startswith(ML) is jobs]


def check_types(types: Sequence[str], pool: Pool | None, jobs: bool) -> None:
    """UsageError for a type of the other kind, and for a pool that names types and none of this kind."""
    wrong = [name for name in types if name.startswith(ML) is not jobs]
    if wrong:
        name = wrong[0]
        raise UsageError(
            f"{name} is no type of SageMaker's: those begin with {ML}"
            if jobs
            else f"{name} is a type of SageMaker's, for `spotbox train`; a box takes EC2's",
            f"Give -t {ML}{name}." if jobs else f"Give -t {name.removeprefix(ML)}.",
        )
    named = pool.flags.get("instance-type") if pool else None
    if pool and named and not types:
        kind, other = ("ml. types", "a box") if not jobs else ("types of EC2's", "a training job")
        raise UsageError(
            f"pool {pool.name} names {kind} only, and {other} takes none of them",
            f"Add one to instance-type of [pool.{pool.name}], or give -t.",
        )


def members(boxes: Iterable[Box], pool: str, but: str | None = None) -> list[Box]:
    """The boxes that take a place in the pool, by age, each name once; `but` is the name of one that does not count."""
    found: dict[str, Box] = {}
    for box in sorted(boxes, key=_age):
        if box.tags.get(POOL_TAG) == pool and box.state not in _GONE and box.name != but:
            found.setdefault(box.name, box)
    return list(found.values())


def _age(box: Box) -> tuple[float, str, str]:
    return box.created.timestamp() if box.created else float("inf"), box.region, box.name


def running_jobs(jobs: Iterable[TrainingJob], pool: str) -> list[TrainingJob]:
    """The training jobs of the pool that are not over."""
    return [job for job in jobs if not job.over and dict(job.tags or ()).get(POOL_TAG) == pool]


def elder_jobs(mine: TrainingJob, jobs: Iterable[TrainingJob]) -> list[TrainingJob]:
    """Those of the jobs that AWS made before `mine`; of two as old by region and name, as all who look decide."""

    def age(job: TrainingJob) -> tuple[float, str, str]:
        return job.created.timestamp(), job.region, job.name

    return [job for job in jobs if age(job) < age(mine)]


def no_room(pool: Pool, boxes: Sequence[Box], jobs: Sequence[TrainingJob], wanted: int) -> SpotboxError | None:
    """The error (exit 4) where the pool's max-boxes leaves no room for so many more; None where it does."""
    used = len(boxes) + sum(job.count for job in jobs)
    if pool.max_boxes is None or used + wanted <= pool.max_boxes:
        return None
    there = [f"{box.name} ({box.state}, {box.region})" for box in boxes]
    there += [f"job {job.name} ({job.count}, {job.region})" for job in jobs]
    room = f"has room for {pool.max_boxes}, and {wanted} {'is' if wanted == 1 else 'are'} asked for"
    held = f"; it holds {join_names(there)}" if there else ""
    hint = f"Remove one with: spotbox down {boxes[0].name}; or raise" if boxes else "Raise"
    return SpotboxError(safe(f"pool {pool.name} {room}{held}"), f"{hint} max-boxes of [pool.{pool.name}].", Exit.QUOTA)


def gives_way(mine: Box, boxes: Iterable[Box], pool: Pool, jobs: int = 0) -> list[Box]:
    """The elder boxes that fill the pool without `mine`, which then has to go; none where it may stay.

    By the time at which AWS made them, of two as old by region and name: terminals that see the same decide alike.
    """
    elder = [box for box in members(boxes, pool.name) if box.name != mine.name and _age(box) < _age(mine)]
    return elder if pool.max_boxes is not None and len(elder) + jobs >= pool.max_boxes else []
