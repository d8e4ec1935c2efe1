"""Training jobs that are there: read, found by their tags, stopped."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from spotbox.aws import sagemaker
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.outcomes import savings_pct
from tests.aws.endpoint import endpoint
from tests.aws.jobs import ABSENT, ARN, answers, error, told
from tests.aws.stubbed import R

REAL = Path(__file__).parents[2].parent / "shared/data/describe-training-job.managed-spot.json"


def test_a_job_that_does_not_exist_is_exit_7():
    """SageMaker says so in a ValidationException; ResourceNotFound is taken too."""
    for answer in (ABSENT, error("ResourceNotFound", "nothing here")):
        with answers(DescribeTrainingJob=[answer]) as world, pytest.raises(SpotboxError, match="no training job") as e:
            sagemaker.job(world.aws(), R, "x")
        assert e.value.exit_code == Exit.NO_SUCH_BOX
    with (
        answers(DescribeTrainingJob=[error("ValidationException", "bad name")]) as world,
        pytest.raises(SpotboxError, match="bad name"),
    ):
        sagemaker.job(world.aws(), R, "x")


@pytest.mark.skipif(not REAL.exists(), reason="the recorded answer is not in this checkout")
def test_a_recorded_job_is_read():
    """A real managed Spot job: 37026 s trained, 14683 s billed, 60.3 % saved; its five statuses in UTC."""
    with answers(DescribeTrainingJob=[(200, REAL.read_text())]) as world:
        found = sagemaker.job(world.aws(), R, "j")
    assert (found.training_seconds, found.billable_seconds, savings_pct(found)) == (37026, 14683, Decimal("60.3"))
    assert [change.status for change in found.transitions] == [
        "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip
    assert found.started == datetime(2021, 2, 24, 22, 0, 55, 276000, UTC)
    assert (found.spot, found.count, found.max_wait, found.tags, found.over) == (True, 1, 100000, None, True)


def test_a_job_that_has_just_begun_is_read():
    """No seconds, no model, no reason, no transitions: each None or empty."""
    with answers(
        DescribeTrainingJob=[(200, told())], ListTags=[(200, {"Tags": [{"Key": "a", "Value": "b"}]})]
    ) as world:
        found = sagemaker.job(world.aws(), R, "mnist-1", tags=True)
    assert (found.training_seconds, found.billable_seconds, found.model, found.reason) == (None, None, None, "")
    assert (found.secondary, found.transitions, found.tags) == ("Starting", (), (("a", "b"),))
    assert found.created == datetime.fromtimestamp(1732280000.5, UTC)


MADE = {"CreationTime": 1.8e9}


class Account:
    """An account with many jobs; ListTrainingJobs gives them by pages, the newest first, and knows no tags."""

    def __init__(self, owners):
        self.owners = owners  # of each job, the newest first

    def __call__(self, asked):
        wanted = asked.json
        if asked.action == "ListTrainingJobs":
            start = int(wanted.get("NextToken") or 0)
            page = range(start, min(start + 20, len(self.owners)))
            rows = [
                {"TrainingJobName": f"j{n}", "TrainingJobArn": f"{ARN}{n}", "TrainingJobStatus": "Completed", **MADE}
                for n in page
            ]
            more = {"NextToken": str(page.stop)} if page.stop < len(self.owners) else {}
            return 200, json.dumps({"TrainingJobSummaries": rows, **more})
        if asked.action == "ListTags":
            owner = self.owners[int(wanted["ResourceArn"].removeprefix(ARN))]
            return 200, json.dumps({"Tags": [{"Key": "spotbox:owner", "Value": owner}] if owner else []})
        name = wanted["TrainingJobName"]
        if name == "j2":
            return ABSENT
        return 200, json.dumps({**told(), "TrainingJobName": name})


OWNERS = ["al", "", "al", "bo"] * 12
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def test_jobs_are_found_by_their_tags():
    """Of one owner or of all, the newest first, over every page; one that is deleted meanwhile is not there."""
    with endpoint(Account(OWNERS)) as world:
        mine = sagemaker.jobs(world.aws(), R, "bo", SINCE, 100)
        all_of = sagemaker.jobs(world.aws(), R, None, SINCE, 100)
    assert [job.name for job in mine] == [f"j{n}" for n in range(3, 48, 4)]
    assert [job.name for job in all_of] == [f"j{n}" for n in range(48) if OWNERS[n] and n != 2]
    assert dict(mine[0].tags) == {"spotbox:owner": "bo"}
    lists = [asked.json for asked in world.asked if asked.action == "ListTrainingJobs"]
    assert {(one["SortBy"], one["SortOrder"], one["CreationTimeAfter"]) for one in lists} == {
        ("CreationTime", "Descending", SINCE.timestamp())
    }


def test_no_more_jobs_are_asked_than_are_wanted():
    """A long history is not read to its end for the newest few."""
    with endpoint(Account(["al"] * 400)) as world:
        found = sagemaker.jobs(world.aws(), R, "al", SINCE, 5)
    assert [job.name for job in found] == ["j0", "j1", "j3", "j4", "j5"]
    assert len(world.asked) < 60


def test_a_list_that_would_lack_some_is_refused():
    """Tags that may not be read raise, for a job that is not shown may bill."""
    denied = error("AccessDeniedException", "User: x is not authorized to perform: sagemaker:ListTags")
    account = Account(["al"])
    with (
        endpoint(lambda asked: denied if asked.action == "ListTags" else account(asked)) as world,
        pytest.raises(SpotboxError, match="sagemaker:ListTags") as caught,
    ):
        sagemaker.jobs(world.aws(), R, "al", SINCE, 5)
    assert caught.value.exit_code == Exit.DENIED


def test_stopping_is_fine_twice():
    """A job that is over cannot be stopped, which is no error; one that does not exist is exit 7."""
    late = error("ValidationException", "The request was rejected because the training job is in status Completed.")
    for answer in ((200, {}), late):
        with answers(StopTrainingJob=[answer]) as world:
            sagemaker.stop_job(world.aws(), R, "x")
    odd = error("ValidationException", "No.")
    with answers(StopTrainingJob=[odd], DescribeTrainingJob=[(200, told(TrainingJobStatus="Stopped"))]) as world:
        sagemaker.stop_job(world.aws(), R, "x")
    with answers(StopTrainingJob=[ABSENT], DescribeTrainingJob=[ABSENT]) as world, pytest.raises(SpotboxError) as e:
        sagemaker.stop_job(world.aws(), R, "x")
    assert e.value.exit_code == Exit.NO_SUCH_BOX
    with (
        answers(StopTrainingJob=[odd], DescribeTrainingJob=[(200, told())]) as world,
        pytest.raises(SpotboxError, match="No"),
    ):
        sagemaker.stop_job(world.aws(), R, "x")
