"""What `train` shows before it asks: the job, and what it costs beside the same type as a box."""

from spotbox.app import App
from spotbox.commands._train_asked import Asked
from spotbox.commands._train_facts import Facts
from spotbox.core.jobs import Job
from spotbox.core.outcomes import cost_usd
from spotbox.core.prices import savings_pct
from spotbox.core.training import box_type
from spotbox.core.units import exact_duration, show_usd


def show_summary(app: App, asked: Asked, job: Job, facts: Facts, code: str) -> None:
    """Code, image, instances, price and the most it can bill, and where its results go; `code` in words."""
    market = "managed Spot" if job.spot else "on demand"
    rows = [
        ("job", f"{job.name} (owner {asked.owner})"),
        ("code", code),
        ("image", job.image),
        ("on", f"{job.count}x {job.instance_type} in {job.region}, {market}"),
        *_money(job, facts),
        ("checkpoint", _checkpoint(job, facts)),
        *((f"input {name}", uri) for name, uri in job.inputs),
        ("result", f"{job.output}/{job.name}/output/model.tar.gz"),
    ]
    for label, text in rows:
        app.remark(f"  {label:<10} {text}")


def _money(job: Job, facts: Facts) -> list[tuple[str, str]]:
    each = f"{show_usd(facts.price)}/h on demand" + (" for each instance" if job.count > 1 else "")
    if job.spot:
        each += "; on Spot the seconds that are billed are fewer"
    most = show_usd(cost_usd(job.max_run, job.count, facts.price), 2)
    limit = f"{most}, at the end of max-run {exact_duration(job.max_run)}"
    if job.max_wait:
        limit += f"; waiting is free, until max-wait {exact_duration(job.max_wait)}"
    return [("price", each), ("at most", limit), ("as a box", _box(job, facts))]


def _box(job: Job, facts: Facts) -> str:
    """The same type as a box of one's own."""
    name = box_type(job.instance_type)
    if facts.box_spot is None and facts.box_on_demand is None:
        return f"{name}: price unknown"
    saved = savings_pct(facts.box_on_demand, facts.box_spot)
    text = f"{name}: {show_usd(facts.box_spot)}/h Spot"
    text += f" ({facts.box_zone})" if facts.box_zone else ""
    text += f", {show_usd(facts.box_on_demand)}/h on-demand"
    return text + (f", savings {saved:.2f} %" if saved is not None else "")


def _checkpoint(job: Job, facts: Facts) -> str:
    if not job.checkpoint:
        return "none: an interruption starts the script from the beginning" if job.spot else "none"
    if facts.holds:
        return f"{job.checkpoint}, which holds one already: the job goes on from it"
    unseen = "; whether it holds one already is not known (no permission to look)" if facts.holds is None else ""
    return f"{job.checkpoint}, at /opt/ml/checkpoints{unseen}"
