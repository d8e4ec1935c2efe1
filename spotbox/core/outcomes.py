"""What a training job came to: its savings, its cost, and the words and exit code of its end."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from spotbox.core.errors import Exit
from spotbox.core.jobs import TrainingJob
from spotbox.core.text import safe
from spotbox.core.units import show_duration

_TENTH, _HUNDREDTH_CENT = Decimal("0.1"), Decimal("0.0001")
# FailureReason where AWS found no instances; the user's own words stand behind AlgorithmError and ClientError.
_NO_CAPACITY = re.compile(
    r"(?!AlgorithmError|ClientError).*(CapacityError|(insufficient|not enough).{0,20}capacity)", re.I
)


@dataclass(frozen=True)
class Outcome:
    """How a job that is over ended: one line what, one line what next, the exit code."""

    exit_code: Exit
    message: str
    hint: str = ""


def savings_pct(job: TrainingJob) -> Decimal | None:
    """(1 - billable / training) * 100, half-up to one decimal (API Reference, DescribeTrainingJob,
    BillableTimeInSeconds); None while either is unknown, and where nothing was trained."""
    training, billable = job.training_seconds, job.billable_seconds
    if not training or billable is None:
        return None
    return (Decimal(training - billable) * 100 / training).quantize(_TENTH, ROUND_HALF_UP)


def cost_usd(seconds: int | None, count: int, usd_per_hour: Decimal | None) -> Decimal | None:
    """USD of `seconds` on `count` instances at an on-demand price, to a hundredth of a cent; None where unknown.

    Billable seconds are charged so, for the Spot discount is in their number; of max-run it is the most.
    """
    if seconds is None or usd_per_hour is None:
        return None
    return (usd_per_hour * seconds * count / 3600).quantize(_HUNDREDTH_CENT, ROUND_HALF_UP)


def outcome(job: TrainingJob) -> Outcome:
    """How `job`, which is over, ended. A job that was stopped did not train to its end: exit 1, whoever stopped it."""
    name, again = safe(job.name), _again(job)
    kept = f"What the script had put into /opt/ml/model is in {safe(job.model)}." if job.model else ""
    if job.secondary == "MaxWaitTimeExceeded":
        return Outcome(
            Exit.NO_CAPACITY,
            f"{name} was not done within --max-wait{_time(job.max_wait)}, capacity waited for included; AWS stopped it",
            f"Give a longer --max-wait, another type (-t) or region (-r), or --on-demand. {again}".strip(),
        )
    if job.secondary == "MaxRuntimeExceeded":
        return Outcome(
            Exit.FAILED,
            f"{name} ran into --max-run{_time(job.max_run)}: AWS sent it SIGTERM and ended it up to 120 s later",
            " ".join(filter(None, (kept, "Give a longer --max-run.", again))),
        )
    if job.status == "Completed":
        return Outcome(Exit.DONE, f"{name} is completed")
    if job.status == "Stopped":
        return Outcome(Exit.FAILED, f"{name} was stopped before it was done", " ".join(filter(None, (kept, again))))
    reason = safe(" ".join(job.reason.split())) or "AWS names no reason"
    if _NO_CAPACITY.match(job.reason):
        return Outcome(
            Exit.NO_CAPACITY, f"{name} got no instances: {reason}", "Try another type (-t) or region (-r), or later."
        )
    return Outcome(Exit.FAILED, f"{name} failed: {reason}", "Its log says more: the lines above, or CloudWatch.")


def _again(job: TrainingJob) -> str:
    if not job.checkpoint:
        return ""
    return f"--checkpoint {safe(job.checkpoint)} --resume goes on from its last checkpoint."


def _time(seconds: int | None) -> str:
    return "" if seconds is None else f" ({show_duration(seconds)})"
