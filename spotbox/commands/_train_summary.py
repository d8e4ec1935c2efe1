"""What `train` shows before it asks: the job, and what it costs beside the same type as a box."""

from spotbox.app import App
from spotbox.commands._train_asked import Asked
from spotbox.commands._train_facts import Facts
from spotbox.core.frameworks import TABLE_DATE, is_framework
from spotbox.core.jobs import Job
from spotbox.core.outcomes import cost_usd
from spotbox.core.training import box_type
from spotbox.core.units import exact_duration, show_usd


def show_summary(app: App, asked: Asked, job: Job, facts: Facts, code: str) -> None:
    """Code, image, instances, price and the most it can bill, and where its results go; `code` in words."""
    market = "managed Spot" if job.spot else "on demand"
    name = "JOB" if asked.step else job.name
    rows = [
        ("job", "named by SageMaker" if asked.step else f"{job.name} (owner {asked.owner})"),
        ("code", code),
        ("image", _image(asked, job)),
        ("on", f"{job.count}x {job.instance_type} in {job.region}, {market}"),
        *_money(job, facts),
        ("checkpoint", _checkpoint(job, facts)),
        *(
            [("", "each execution goes on from what the one before left there")]
            if asked.step and job.checkpoint
            else []
        ),
        *(("input", f"{channel}: {uri}") for channel, uri in job.inputs),
        ("result", f"{job.output}/{name}/output/model.tar.gz"),
    ]
    for label, text in rows:
        app.remark(f"  {label:<10} {text}", hang=13)


def _image(asked: Asked, job: Job) -> str:
    if not is_framework(asked.image):
        return job.image
    return f"{job.image.rpartition('/')[2]} (AWS's, table of {TABLE_DATE})"


def _money(job: Job, facts: Facts) -> list[tuple[str, str]]:
    each = f"{show_usd(facts.price)}/h on demand" + (", each" if job.count > 1 else "")
    if job.spot:
        each += "; Spot bills fewer of its seconds"
    limit = show_usd(cost_usd(job.max_run, job.count, facts.price), 2)
    limit += f" if it runs all of max-run {exact_duration(job.max_run)}"
    rows = [("price", each), ("at most", limit)]
    if job.max_wait:
        rows.append(("waits", f"for capacity, unbilled, until max-wait {exact_duration(job.max_wait)} from now"))
    return [*rows, ("as a box", _box(job, facts))]


def _box(job: Job, facts: Facts) -> str:
    """The same type as a box of one's own."""
    name = box_type(job.instance_type)
    if facts.box_spot is None and facts.box_on_demand is None:
        return f"{name}: price unknown"
    where = f" in {facts.box_zone}" if facts.box_zone else ""
    return f"{name}: {show_usd(facts.box_spot)}/h Spot{where}, {show_usd(facts.box_on_demand)}/h on-demand"


def _checkpoint(job: Job, facts: Facts) -> str:
    if not job.checkpoint:
        return "none: an interruption starts it from the beginning" if job.spot else "none"
    if facts.holds:
        return f"{job.checkpoint}, which holds one already: the job goes on from it"
    unseen = "; whether it holds one already is not known (no permission to look)" if facts.holds is None else ""
    return f"{job.checkpoint}, at /opt/ml/checkpoints{unseen}"
