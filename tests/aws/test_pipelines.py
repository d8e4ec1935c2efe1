"""SageMaker Pipelines: made or changed, started, looked at; another's is left alone."""

import pytest

from spotbox.aws import pipelines
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.pipelines import definition_text
from tests.aws.stubbed import R, aws
from tests.core.test_training import JOB

ARN = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/nightly"
RUN = f"{ARN}/execution/abcdef"
TAGS = (("spotbox:owner", "al"),)
TEXT = definition_text(JOB)
ASKED = {"PipelineName": "nightly", "PipelineDefinition": TEXT, "RoleArn": JOB.role}


def created():
    """What CreatePipeline gets; botocore adds a token of its own."""
    return {**ASKED, "Tags": [{"Key": "spotbox:owner", "Value": "al"}]}


def upsert(world, tags=TAGS):
    return pipelines.upsert_pipeline(world, R, "nightly", TEXT, JOB.role, tags)


def test_a_new_pipeline_is_made():
    with aws(sagemaker=[("create_pipeline", created(), {"PipelineArn": ARN})]) as world:
        assert upsert(world) == ARN


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("ValidationException", "Pipeline names must be unique within an AWS account and region."),
        ("ConflictException", ""),
    ],
)
@pytest.mark.parametrize("owner", [None, "al", "bo"])
def test_an_own_pipeline_is_changed_and_no_other(code, text, owner):
    """One with our owner's tag gets the new definition; one without, or another's, is a usage error."""
    tags = [{"Key": "spotbox:owner", "Value": owner}] if owner else []
    calls = [
        ("create_pipeline", code, text),
        ("describe_pipeline", {"PipelineName": "nightly"}, {"PipelineArn": ARN}),
        ("list_tags", {"ResourceArn": ARN}, {"Tags": tags}),
    ]
    if owner == "al":
        with aws(sagemaker=[*calls, ("update_pipeline", ASKED, {"PipelineArn": ARN})]) as world:
            assert upsert(world) == ARN
        return
    with aws(sagemaker=calls) as world, pytest.raises(SpotboxError, match="there is a pipeline nightly") as caught:
        upsert(world)
    assert caught.value.exit_code == Exit.USAGE


def test_a_definition_that_is_refused_is_told():
    with (
        aws(sagemaker=[("create_pipeline", "ValidationException", "Unable to parse")]) as world,
        pytest.raises(SpotboxError, match="Unable to parse") as caught,
    ):
        upsert(world)
    assert caught.value.exit_code == Exit.USAGE


def test_an_execution_is_started():
    asked = {"PipelineName": "nightly"}
    with aws(sagemaker=[("start_pipeline_execution", asked, {"PipelineExecutionArn": RUN})]) as world:
        assert pipelines.start_pipeline(world, R, "nightly") == RUN


def test_an_execution_tells_its_jobs():
    """Steps that have started no training job yet name none."""
    job = {"TrainingJob": {"Arn": "arn:aws:sagemaker:us-east-1:111122223333:training-job/pipelines-abc-Train-x"}}
    steps = [{"StepName": "Train", "Metadata": job}, {"StepName": "Later"}, {"StepName": "Check", "Metadata": {}}]
    calls = [
        ("describe_pipeline_execution", {"PipelineExecutionArn": RUN}, {"PipelineExecutionStatus": "Executing"}),
        (
            "list_pipeline_execution_steps",
            {"PipelineExecutionArn": RUN, "SortOrder": "Ascending"},
            {"PipelineExecutionSteps": steps},
        ),
    ]
    with aws(sagemaker=calls) as world:
        assert pipelines.pipeline_execution(world, R, RUN) == ("Executing", ("pipelines-abc-Train-x",))


def test_an_execution_that_does_not_exist_is_exit_7():
    with (
        aws(sagemaker=[("describe_pipeline_execution", "ResourceNotFound", "gone")]) as world,
        pytest.raises(SpotboxError, match="no pipeline execution") as caught,
    ):
        pipelines.pipeline_execution(world, R, RUN)
    assert caught.value.exit_code == Exit.NO_SUCH_BOX
