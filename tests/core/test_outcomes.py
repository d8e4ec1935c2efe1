"""What a job came to: savings, cost, and the words and code of its end."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from spotbox.core.jobs import TrainingJob
from spotbox.core.outcomes import cost_usd, outcome, savings_pct

JOB = TrainingJob(
    "mnist-1", "arn:j", "us-east-1", "Completed", "Completed", datetime(2026, 1, 1, tzinfo=UTC), "ml.g5.xlarge", 1, True
)  # fmt: skip
JOB = replace(JOB, max_run=3600, max_wait=7200)


@pytest.mark.parametrize(
    ("training", "billable", "saved"),
    [
        (37026, 14683, "60.3"),
        (500, 100, "80.0"),
        (2000, 1, "100.0"),
        (8, 7, "12.5"),
        (800, 799, "0.1"),
        (10, 10, "0.0"),
        (10, 12, "-20.0"),
        (0, 0, None),
        (None, 5, None),
        (5, None, None),
    ],
)
def test_savings_are_rounded_half_up(training, billable, saved):
    """(1 - billable/training) * 100; the first pair is a real job's, the second the API Reference's example."""
    job = replace(JOB, training_seconds=training, billable_seconds=billable)
    assert savings_pct(job) == (None if saved is None else Decimal(saved))


def test_cost_is_billable_seconds_of_all_instances():
    """BillableTimeInSeconds * InstanceCount at the on-demand price; unknown stays unknown."""
    assert cost_usd(14683, 1, Decimal("0.922")) == Decimal("3.7605")
    assert cost_usd(3600, 4, Decimal("1.408")) == Decimal("5.6320")
    assert cost_usd(None, 1, Decimal(1)) is None
    assert cost_usd(10, 1, None) is None


CAPACITY = "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different type."
USERS = 'AlgorithmError: ExecuteUserScriptError: ExitCode 1 ErrorMessage "insufficient capacity"'


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({}, 0, ["mnist-1 is completed"]),
        ({"status": "Stopped", "secondary": "MaxWaitTimeExceeded"}, 3, ["--max-wait (2h)", "longer --max-wait"]),
        ({"status": "Stopped", "secondary": "MaxRuntimeExceeded"}, 1, ["--max-run (1h)", "SIGTERM", "120 s"]),
        ({"status": "Stopped", "secondary": "Stopped"}, 1, ["was stopped"]),
        ({"status": "Failed", "secondary": "Failed", "reason": USERS}, 1, ["failed: AlgorithmError"]),
        ({"status": "Failed", "secondary": "Failed"}, 1, ["AWS names no reason"]),
        ({"status": "Failed", "secondary": "Failed", "reason": CAPACITY}, 3, ["got no instances"]),
        ({"status": "Failed", "secondary": "Failed", "reason": "a\x1b[2J\nb"}, 1, [r"a\x1b[2J b"]),
    ],
)
def test_each_end_has_its_words_and_code(changes, code, words):
    """Done 0; no capacity in time 3; run out, stopped, failed 1, each with its own message."""
    end = outcome(replace(JOB, **changes))
    assert end.exit_code == code
    for word in words:
        assert word in f"{end.message}\n{end.hint}"


def test_what_is_left_is_told():
    """The model that was uploaded, and how to go on from the checkpoint."""
    job = replace(
        JOB, status="Stopped", secondary="MaxRuntimeExceeded", model="s3://m/model.tar.gz", checkpoint="s3://c/x"
    )
    assert "s3://m/model.tar.gz" in outcome(job).hint
    assert "--checkpoint s3://c/x --resume" in outcome(job).hint
