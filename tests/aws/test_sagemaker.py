"""Training jobs at SageMaker: the request whole, made once whatever the network does, told, listed, stopped."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from botocore.stub import Stubber

from spotbox.aws import sagemaker
from spotbox.aws.hands import Hands
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.jobs import JobQuota
from spotbox.core.outcomes import savings_pct
from spotbox.core.training import training_request
from tests.aws.endpoint import endpoint
from tests.aws.stubbed import R, sealed
from tests.aws.stubs import Clock
from tests.core.test_training import JOB

ARN = "arn:aws:sagemaker:us-east-1:111122223333:training-job/mnist-1"
REAL = Path(__file__).parents[2].parent / "shared/data/describe-training-job.managed-spot.json"
FULL = replace(
    JOB, inputs=(("train", "s3://data/t"),), hyperparameters=(("epochs", "3"),), tags=(("spotbox:owner", "al"),)
)


def hands(world, region=R):
    clock = Clock()
    return Hands(world if hasattr(world, "client") else world.aws(region), clock.sleep, clock.now)


def no_quota():
    return JobQuota(None, "n", None)


def error(kind, message, status=400):
    return status, json.dumps({"__type": kind, "message": message})


def told(job=JOB, **more):
    """DescribeTrainingJob's answer for a job as it was sent, times as the JSON protocol has them."""
    answer = {key: value for key, value in training_request(job).items() if key != "Tags"}
    return {
        **answer,
        "TrainingJobArn": ARN,
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Starting",
        "CreationTime": 1732280000.5,
        **more,
    }


@contextmanager
def answers(*script, **standing):
    """An endpoint that answers the calls of each operation in order; the last stays."""
    left = {name: list(given) for name, given in standing.items()}

    def answer(asked):
        given = left[asked.action]
        status, body = given.pop(0) if len(given) > 1 else given[0]
        return status, body if isinstance(body, str) else json.dumps(body)

    with endpoint(answer) as world:
        yield world


@pytest.mark.parametrize("spot", [True, False], ids=["spot", "on-demand"])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("checkpoint", [None, "s3://mine/ckpt"])
def test_the_request_is_sent_whole(spot, count, checkpoint):
    """Spot and on demand, one and several instances, with a checkpoint and without: this, and nothing else."""
    job = replace(FULL, max_wait=7200 if spot else None, count=count, checkpoint=checkpoint)
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data/t", "S3DataDistributionType": "FullyReplicated"}
    expected = {
        "TrainingJobName": "mnist-1",
        "AlgorithmSpecification": {"TrainingImage": JOB.image, "TrainingInputMode": "File"},
        "RoleArn": JOB.role,
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": "s3://mine/out"},
        "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": count, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600, **({"MaxWaitTimeInSeconds": 7200} if spot else {})},
        "HyperParameters": {"epochs": "3"},
        "Tags": [{"Key": "spotbox:owner", "Value": "al"}],
        **({"EnableManagedSpotTraining": True} if spot else {}),
        **({"CheckpointConfig": {"S3Uri": checkpoint, "LocalPath": "/opt/ml/checkpoints"}} if checkpoint else {}),
    }
    stubber = Stubber(sealed().client("sagemaker", R, once=True))
    stubber.add_response("create_training_job", {"TrainingJobArn": ARN}, expected)
    with stubber:
        assert sagemaker.create_job(hands(sealed()), job, no_quota) == ARN
        stubber.assert_no_pending_responses()


HANG_UP, BROKEN = (0, ""), (500, "{}")
ABSENT = error("ValidationException", "Requested resource not found.")
DENIED = error("AccessDeniedException", "User: x is not authorized to perform: sagemaker:Any on resource: y")
IN_USE = error("ResourceInUse", "Training job names must be unique within an AWS account and region")


@pytest.mark.parametrize("lost", [HANG_UP, BROKEN, (502, "<html>")], ids=["hang-up", "500", "a proxy's page"])
def test_a_job_whose_answer_was_lost_is_ours(lost):
    """The name is its token: where DescribeTrainingJob tells of these very parameters, no second call is made."""
    with answers(CreateTrainingJob=[lost], DescribeTrainingJob=[(200, told(FULL))]) as world:
        assert sagemaker.create_job(hands(world), FULL, no_quota) == ARN
    assert [asked.action for asked in world.asked] == ["CreateTrainingJob", "DescribeTrainingJob"]


def test_a_call_that_was_lost_before_it_came_is_made_again():
    """No job of that name yet: the same call again; what came late after all is then in use, and ours."""
    with answers(CreateTrainingJob=[HANG_UP, IN_USE], DescribeTrainingJob=[ABSENT, (200, told(FULL))]) as world:
        assert sagemaker.create_job(hands(world), FULL, no_quota) == ARN
    assert [asked.action for asked in world.asked] == [
        "CreateTrainingJob", "DescribeTrainingJob", "CreateTrainingJob", "DescribeTrainingJob",
    ]  # fmt: skip
    with answers(CreateTrainingJob=[BROKEN, (200, {"TrainingJobArn": ARN})], DescribeTrainingJob=[ABSENT]) as world:
        assert sagemaker.create_job(hands(world), FULL, no_quota) == ARN


def test_a_name_that_is_taken_is_a_usage_error():
    """At once on a first call, without a look; and after a lost one where the job is another's."""
    with answers(CreateTrainingJob=[IN_USE]) as world, pytest.raises(SpotboxError, match="exists already") as caught:
        sagemaker.create_job(hands(world), FULL, no_quota)
    assert (caught.value.exit_code, len(world.asked)) == (Exit.USAGE, 1)
    assert "--name" in caught.value.hint
    other = told(replace(FULL, hyperparameters=(("epochs", "4"),)))
    with (
        answers(CreateTrainingJob=[HANG_UP], DescribeTrainingJob=[(200, other)]) as world,
        pytest.raises(SpotboxError, match="exists already"),
    ):
        sagemaker.create_job(hands(world), FULL, no_quota)


def test_an_outcome_that_stays_unknown_is_told():
    """After some calls it gives up, and names what to look at; nothing is claimed."""
    with answers(CreateTrainingJob=[BROKEN], DescribeTrainingJob=[ABSENT]) as world:
        own = hands(world)
        with pytest.raises(SpotboxError, match="is not known") as caught:
            sagemaker.create_job(own, FULL, no_quota)
    assert "spotbox train status mnist-1 -r us-east-1" in caught.value.hint
    assert caught.value.exit_code == Exit.STILL_BILLS  # as far as anybody knows
    assert sum(asked.action == "CreateTrainingJob" for asked in world.asked) == sagemaker.ATTEMPTS
    with (
        answers(CreateTrainingJob=[BROKEN], DescribeTrainingJob=[BROKEN]) as world,
        pytest.raises(SpotboxError, match="is not known"),
    ):
        sagemaker.create_job(hands(world), FULL, no_quota)


def test_a_lost_job_that_is_not_shown_yet_is_looked_for():
    """Its name is in use before DescribeTrainingJob tells of it: that is no refusal, for the job runs and bills."""
    late = [ABSENT, ABSENT, ABSENT, (200, told(FULL))]
    with answers(CreateTrainingJob=[HANG_UP, IN_USE], DescribeTrainingJob=late) as world:
        assert sagemaker.create_job(hands(world), FULL, no_quota) == ARN
    with (
        answers(CreateTrainingJob=[HANG_UP, IN_USE], DescribeTrainingJob=[ABSENT]) as world,
        pytest.raises(SpotboxError, match="is not known") as caught,
    ):
        sagemaker.create_job(hands(world), FULL, no_quota)
    assert "spotbox train status mnist-1" in caught.value.hint


@pytest.mark.parametrize(
    ("creates", "looks", "code"),
    [([HANG_UP], [DENIED], Exit.DENIED), ([HANG_UP, DENIED], [ABSENT], Exit.DENIED)],
    ids=["look denied", "second call denied"],
)
def test_a_refusal_after_a_lost_answer_does_not_hide_the_job(creates, looks, code):
    """The lost call may have made it: the refusal is told, and that what may run is not known, and where to look."""
    with (
        answers(CreateTrainingJob=creates, DescribeTrainingJob=looks) as world,
        pytest.raises(SpotboxError, match=r"mnist-1 is not known: .* no permission") as caught,
    ):
        sagemaker.create_job(hands(world), FULL, no_quota)
    assert caught.value.exit_code == code
    assert "spotbox train status mnist-1 -r us-east-1" in caught.value.hint


def test_throttling_passes():
    """A call that was throttled was not carried out: it is made again, without a look."""
    slow = error("ThrottlingException", "Rate exceeded")
    with answers(CreateTrainingJob=[slow, slow, (200, {"TrainingJobArn": ARN})]) as world:
        own = hands(world)
        assert sagemaker.create_job(own, FULL, no_quota) == ARN
    assert own.now() == 3


LIMIT = (
    "The account-level service limit 'ml.g5.xlarge for spot training job usage' is 0 Instances, with current"
    " utilization of 0 Instances and a request delta of 1 Instances."
)


def test_a_quota_is_refused_in_awss_words():
    """Exit 4, the quota's name, and the command that asks for more; the console's page where the code is not known."""
    for code, hint in (("L-7", "--quota-code L-7 --desired-value 1"), (None, "servicequotas/home/services/sagemaker")):
        with (
            answers(CreateTrainingJob=[error("ResourceLimitExceeded", LIMIT)]) as world,
            pytest.raises(SpotboxError, match=r"'ml\.g5\.xlarge for spot training job usage' is 0") as caught,
        ):
            sagemaker.create_job(hands(world), FULL, lambda code=code: JobQuota(Decimal(0), "n", code))
        assert caught.value.exit_code == Exit.QUOTA
        assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (error("ValidationException", "Could not assume role"), 2, ["SageMaker refuses it: Could not assume role"]),
        (
            error("AccessDeniedException", "User: x is not authorized to perform: iam:PassRole on resource: y"),
            5,
            ["iam:PassRole", "spotbox policy train"],
        ),
    ],
)
def test_a_refusal_is_told_as_what_it_is(answer, code, words):
    """What SageMaker finds wrong is exit 2, a missing permission 5 with the policy of `train`; neither is repeated."""
    with answers(CreateTrainingJob=[answer]) as world, pytest.raises(SpotboxError) as caught:
        sagemaker.create_job(hands(world), FULL, no_quota)
    assert (caught.value.exit_code, len(world.asked)) == (code, 1)
    for word in words:
        assert word in f"{caught.value.message} {caught.value.hint}"


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


def test_the_types_are_those_of_botocores_model():
    """The list grows with botocore, not with spotbox."""
    assert {"ml.g5.xlarge", "ml.p5.48xlarge", "ml.m5.large"} <= set(sagemaker.ml_types(sealed(), R))
