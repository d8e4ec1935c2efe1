"""Training jobs at SageMaker: the request whole, made once whatever the network does, refused in AWS's words."""

from dataclasses import replace
from decimal import Decimal

import pytest
from botocore.stub import Stubber

from spotbox.aws import sagemaker
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.jobs import JobQuota
from tests.aws.jobs import ABSENT, ARN, FULL, answers, error, hands, no_quota, told
from tests.aws.stubbed import R, sealed
from tests.core.test_training import JOB


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


def test_the_types_are_those_of_botocores_model():
    """The list grows with botocore, not with spotbox."""
    assert {"ml.g5.xlarge", "ml.p5.48xlarge", "ml.m5.large"} <= set(sagemaker.ml_types(sealed(), R))
