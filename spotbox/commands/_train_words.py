"""A training job in words and as data: its rows, the contract's record, how long it has run, what it has billed."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from spotbox.core.cost_report import money
from spotbox.core.jobs import LogLine, TrainingJob, Transition
from spotbox.core.outcomes import cost_usd, savings_pct
from spotbox.core.text import plural, safe
from spotbox.core.units import exact_duration, show_duration, show_usd

KEYS = (
    "name",
    "status",
    "secondary_status",
    "training_seconds",
    "billable_seconds",
    "savings_pct",
    "cost_usd",
    "model",
    "reason",
)
# No instance is held in these (SageMaker developer guide, model-managed-spot-training: an interrupted job goes back to
# Starting). The last two are retired names of Starting.
_WAITING = ("Starting", "Pending", "Interrupted", "LaunchingMLInstances", "PreparingTrainingStack")
STATUS_HANG = 23  # columns before what a `status_line` says
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def record(job: TrainingJob, price: Decimal | None) -> dict[str, Any]:
    """The job as the contract's JSON has it; what AWS does not tell (yet) is null. `price`: USD per instance-hour."""
    saved, cost = savings_pct(job), cost_usd(job.billable_seconds, job.count, price)
    return {
        "name": job.name,
        "status": job.status,
        "secondary_status": job.secondary,
        "training_seconds": job.training_seconds,
        "billable_seconds": job.billable_seconds,
        "savings_pct": None if saved is None else float(saved),
        "cost_usd": None if cost is None else float(cost),
        "model": job.model,
        "reason": reason(job) or None,
    }


def reason(job: TrainingJob) -> str:
    """Why it is where it is, in AWS's words: why it failed, what it waits for, why it was stopped; else empty."""
    if job.reason or not job.transitions:
        return job.reason
    waits = job.secondary in _WAITING or job.status == "Stopped"
    return job.transitions[-1].message if waits else ""


def bill(job: TrainingJob, price: Decimal | None) -> list[str]:
    """The lines a job ends with: seconds, savings, cost, and where the model is."""
    if job.over and job.training_seconds is None and job.started is None:
        return ["nothing was trained and nothing billed, as it never had its instances"]
    lines = [
        f"training seconds: {_known(job.training_seconds)}",
        f"billable seconds: {_known(job.billable_seconds)}",
    ]
    saved, cost = savings_pct(job), cost_usd(job.billable_seconds, job.count, price)
    if job.spot:
        lines.append(f"managed spot training savings: {'unknown' if saved is None else f'{saved:.1f}%'}")
    if cost is not None:
        of = f"{plural(job.count, 'instance')} at {show_usd(price)}/h"
        lines.append(f"cost: {show_usd(cost)} (estimate: {job.billable_seconds} s x {of})")
    else:
        lines.append("cost: unknown")
    return [*lines, f"model: {safe(job.model) if job.model else 'none'}"]


def _known(seconds: int | None) -> str:
    return "unknown" if seconds is None else str(seconds)


def run_seconds(job: TrainingJob, now: datetime) -> float:
    """Seconds in which it has held instances so far: those of every status but the waiting ones.

    AWS tells the billable seconds at the end only; they are this or less (API reference, BillableTimeInSeconds).
    """
    held = [one for one in job.transitions if one.status not in _WAITING]
    return sum(((one.end or now) - one.start).total_seconds() for one in held if (one.end or now) > one.start)


def elapsed(job: TrainingJob, now: datetime, price: Decimal | None) -> str:
    """The live line: how long it has run and waited of what it may, and what that bills at most."""
    run, whole = run_seconds(job, now), (now - job.created).total_seconds()
    text = f"{job.secondary}: run {show_duration(run)}"
    text += f" of {exact_duration(job.max_run)}" if job.max_run else ""
    if job.max_wait:
        text += f", in all {show_duration(whole)} of {exact_duration(job.max_wait)}"
    return text + (f", at most {most(job, run, price)}" if price is not None else "")


def most(job: TrainingJob, seconds: float, price: Decimal | None) -> str:
    """What so many seconds of it bill at most, as on-demand ones: `$0.28`, `$0.0028`, or `unknown`."""
    return money(cost_usd(int(seconds), job.count, price))


def rows(job: TrainingJob, now: datetime, price: Decimal | None) -> list[tuple[str, str]]:
    """The job in full: label and value per row; what happened to it are `status_line`s."""
    made = job.created.astimezone()
    said = [
        ("name", job.name),
        ("status", job.status if job.secondary == job.status else f"{job.status}: {job.secondary}"),
        ("on", kind(job)),
        ("made", f"{made:%Y-%m-%d %H:%M:%S %Z}, {_ago(job, now)}"),
        *_limits(job, now, price),
        ("checkpoint", job.checkpoint or "none"),
        ("reason", plain(job.reason)),
    ]
    if job.over:
        billed = (line.removeprefix("managed spot training ").partition(": ") for line in bill(job, price))
        said += [(label, value) if value else ("bill", label) for label, _, value in billed]
    return [(label, value) for label, value in said if value]


def _ago(job: TrainingJob, now: datetime) -> str:
    return f"{show_duration((now - job.created).total_seconds())} ago"


def _limits(job: TrainingJob, now: datetime, price: Decimal | None) -> list[tuple[str, str]]:
    """How far it is into its limits, and what it bills until then; nothing of a job that is over."""
    taken = sum(one.status == "Interrupted" for one in job.transitions)
    said = [("interrupted", plural(taken, "time"))] if taken else []
    if job.over:
        return said
    run, whole = run_seconds(job, now), (now - job.created).total_seconds()
    if job.max_run:
        said.append(("run", f"{show_duration(run)} of max-run {exact_duration(job.max_run)}"))
    if job.max_wait:
        said.append(("in all", f"{show_duration(whole)} of max-wait {exact_duration(job.max_wait)}"))
    if price is not None:
        said.append(
            ("bills", f"at most {most(job, run, price)} so far, and {show_usd(price * job.count)}/h while it runs")
        )
    return said


def short_row(job: TrainingJob, data: dict[str, Any], now: datetime) -> list[str]:
    """The cells of `train list`: name, status, type, region, age, seconds, savings, cost."""
    many = f"{job.count}x " if job.count > 1 else ""
    cost = data["cost_usd"]
    figures = [data[key] for key in ("training_seconds", "billable_seconds", "savings_pct")]
    training, billable, saved = ("" if value is None else str(value) for value in figures)
    return [
        job.name,
        job.secondary if job.status in ("InProgress", "Stopped") else job.status,
        f"{many}{job.instance_type}",
        job.region,
        _ago(job, now),
        training,
        billable,
        saved if job.spot else "on demand",
        "" if cost is None else f"{cost:.4f}",
    ]


def kind(job: TrainingJob) -> str:
    """`2x ml.g5.xlarge in us-east-1, managed Spot`."""
    market = "managed Spot" if job.spot else "on demand"
    return f"{job.count}x {job.instance_type} in {job.region}, {market}"


def status_line(one: Transition) -> str:
    """`12:04:31  Starting     Preparing the instances for training`, by the user's own clock."""
    said = "" if one.status == "Failed" else plain(one.message)  # its message is the job's FailureReason once more
    return f"{one.start.astimezone():%H:%M:%S}  {one.status:<11}  {said}".rstrip()


def plain(text: str) -> str:
    """AWS's words on one line, without the marks that a traceback has below its lines."""
    return " ".join(word for word in text.split() if word.strip("^~"))


def log_line(line: LogLine, many: bool) -> str:
    """A line of the job's log as a terminal may show it, with its instance in front where there are several.

    Of what a progress bar has drawn over itself the last state is left; colours go, every other control is escaped.
    """
    text = _COLOURS.sub("", line.text.rstrip("\r\n")).rpartition("\r")[2].expandtabs()
    return f"{safe(host(line.stream))} | {safe(text)}" if many else safe(text)


def host(stream: str) -> str:
    """`algo-1` of the stream `algo-1-1700000000`: a restart has another stream on the same instance number."""
    found = re.match(r"algo-\d+", stream)
    return found[0] if found else stream
