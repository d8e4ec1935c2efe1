"""SageMaker Pipelines: made or brought up to date, started, looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spotbox.aws.sagemaker import asking, tags_of
from spotbox.aws.session import Aws
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.jobs import Pairs
from spotbox.core.names import OWNER_TAG
from spotbox.core.text import safe

# CreatePipeline of a name that is taken: a ValidationException in these words (sagemaker-python-sdk, Pipeline.upsert).
_TAKEN = re.compile(r"names must be unique|already exists", re.IGNORECASE)


def upsert_pipeline(aws: Aws, region: str, name: str, definition: str, role: str, tags: Pairs) -> str:
    """Make the pipeline, or give the one of that name this definition and role; its ARN.

    Only one with spotbox's tags and the same owner is changed: UsageError for another's.
    """
    client = aws.client("sagemaker", region)
    wire = [{"Key": key, "Value": value} for key, value in tags]
    try:
        with asking("sagemaker:CreatePipeline", region):
            made = client.create_pipeline(
                PipelineName=name, PipelineDefinition=definition, RoleArn=role, **({"Tags": wire} if wire else {})
            )
            return str(made["PipelineArn"])
    except SpotboxError as error:
        if not (error.code == "ConflictException" or _TAKEN.search(error.message)):
            raise
    with asking("sagemaker:DescribePipeline", region):
        arn = str(client.describe_pipeline(PipelineName=name)["PipelineArn"])
    owner = dict(tags_of(aws, region, arn)).get(OWNER_TAG)
    if owner is None or owner != dict(tags).get(OWNER_TAG, owner):
        whose = "was not made by spotbox" if owner is None else f"is {safe(owner)}'s"
        raise UsageError(f"there is a pipeline {safe(name)} in {region}, and it {whose}", "Choose another --pipeline.")
    with asking("sagemaker:UpdatePipeline", region):
        changed = client.update_pipeline(PipelineName=name, PipelineDefinition=definition, RoleArn=role)
        return str(changed.get("PipelineArn") or arn)


def start_pipeline(aws: Aws, region: str, name: str) -> str:
    """Start the pipeline; the execution's ARN. botocore gives the call a token, so that its repeats start one."""
    with asking("sagemaker:StartPipelineExecution", region):
        return str(aws.client("sagemaker", region).start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"])


def pipeline_execution(aws: Aws, region: str, arn: str) -> tuple[str, tuple[str, ...]]:
    """An execution's status (Executing, Stopping, Stopped, Failed, Succeeded) and the names of its training jobs.

    SpotboxError, exit 7, where there is no such execution.
    """
    client = aws.client("sagemaker", region)
    try:
        with asking("sagemaker:DescribePipelineExecution", region):
            status = str(client.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"])
    except SpotboxError as error:
        if error.code == "ResourceNotFound":
            raise SpotboxError(f"there is no pipeline execution {safe(arn)}", error.hint, Exit.NO_SUCH_BOX) from error
        raise
    with asking("sagemaker:ListPipelineExecutionSteps", region):
        pages = client.get_paginator("list_pipeline_execution_steps").paginate(
            PipelineExecutionArn=arn, SortOrder="Ascending"
        )
        steps = [step for page in pages for step in page.get("PipelineExecutionSteps") or ()]
    return status, tuple(name for step in steps if (name := _job_of(step)))


def _job_of(step: Mapping[str, Any]) -> str:
    """The training job that a step has started: the end of `arn:...:training-job/NAME`; empty where it has none yet."""
    made = ((step.get("Metadata") or {}).get("TrainingJob") or {}).get("Arn")
    return str(made or "").rpartition("/")[2]
