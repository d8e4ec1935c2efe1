"""The actions of SageMaker that the sandbox has: training jobs, their tags, and pipelines of them.

Shapes and rules: API reference, Amazon SageMaker Service.
"""

from collections.abc import Callable
from typing import Any

from spotbox.sandbox.describe import page
from spotbox.sandbox.modelchecks import check
from spotbox.sandbox.refusals import Refusal
from spotbox.sandbox.trainrecords import Execution, Pipeline, Step, TrainJob, described, seconds
from spotbox.sandbox.world import World

Body = dict[str, Any]


# Training jobs


def create_training_job(world: World, region: str, body: Body) -> Body:
    """A new job."""
    return {"TrainingJobArn": world.training.create(region, body).arn}


def describe_training_job(world: World, region: str, body: Body) -> Body:
    """All of a job."""
    check("sagemaker", "DescribeTrainingJob", body)
    return described(world.training.find(region, body["TrainingJobName"]))


def stop_training_job(world: World, region: str, body: Body) -> Body:
    """Stop a job."""
    check("sagemaker", "StopTrainingJob", body)
    world.training.stop(world.training.find(region, body["TrainingJobName"]))
    return {}


_SORT = {"Name": lambda job: job.name, "CreationTime": lambda job: job.created, "Status": lambda job: job.status}
_TIMES = {"CreationTime": "created", "LastModifiedTime": "modified"}


def list_training_jobs(world: World, region: str, body: Body) -> Body:
    """A page of jobs. StatusEquals is applied to what MaxResults has already cut (ListTrainingJobs says so)."""
    check("sagemaker", "ListTrainingJobs", body)
    rows = [job for (where, _), job in world.training.jobs.items() if where == region and _listed(job, body)]
    rows.sort(key=_SORT[body.get("SortBy") or "CreationTime"], reverse=body.get("SortOrder") == "Descending")
    status = body.get("StatusEquals")
    if status and not body.get("MaxResults"):
        rows = [job for job in rows if job.status == status]
    kept, token = page(rows, body.get("MaxResults") or 10, body.get("NextToken"))
    rows = [job for job in kept if status in (None, job.status)]
    return {"TrainingJobSummaries": [_summary(job) for job in rows]} | ({"NextToken": token} if token else {})


def _listed(job: TrainJob, body: Body) -> bool:
    if (body.get("NameContains") or "").lower() not in job.name.lower():
        return False
    for name, attribute in _TIMES.items():
        at = seconds(getattr(job, attribute) or job.created)
        if at <= round(float(body.get(f"{name}After") or 0), 3) or at >= float(body.get(f"{name}Before") or at + 1):
            return False
    return True


def _summary(job: TrainJob) -> Body:
    row: Body = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "CreationTime": seconds(job.created),
        "LastModifiedTime": seconds(job.modified or job.created),
        "TrainingJobStatus": job.status,
        "SecondaryStatus": job.secondary,
    }
    return row | ({"TrainingEndTime": seconds(job.ended)} if job.ended else {})


# Tags


def _tags(world: World, region: str, body: Body) -> dict[str, str]:
    """The tags of what an ARN names. Raises Refusal ValidationException."""
    arn = str(body.get("ResourceArn"))
    kind, _, name = arn.partition(f":sagemaker:{region}:123456789012:")[2].partition("/")
    if kind == "training-job":
        return world.training.find(region, name).tags
    if kind == "pipeline" and "/" not in name:
        return world.training.pipelines.find(region, name).tags
    raise Refusal("ValidationException", "Requested resource not found.")


def _rows(tags: dict[str, str]) -> list[Body]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def list_tags(world: World, region: str, body: Body) -> Body:
    """The tags of a job or pipeline."""
    return {"Tags": _rows(_tags(world, region, body))}


def add_tags(world: World, region: str, body: Body) -> Body:
    """Add or overwrite tags."""
    check("sagemaker", "AddTags", body)
    tags = _tags(world, region, body)
    tags.update({row["Key"]: row["Value"] for row in body["Tags"]})
    return {"Tags": _rows(tags)}


def delete_tags(world: World, region: str, body: Body) -> Body:
    """Remove tags by their keys."""
    check("sagemaker", "DeleteTags", body)
    tags = _tags(world, region, body)
    for key in body["TagKeys"]:
        tags.pop(key, None)
    return {}


# Pipelines


def create_pipeline(world: World, region: str, body: Body) -> Body:
    """A new pipeline."""
    return {"PipelineArn": world.training.pipelines.create(region, body).arn}


def update_pipeline(world: World, region: str, body: Body) -> Body:
    """Change a pipeline."""
    return {"PipelineArn": world.training.pipelines.update(region, body).arn}


def delete_pipeline(world: World, region: str, body: Body) -> Body:
    """Forget a pipeline; its executions stay."""
    found = world.training.pipelines.find(region, body["PipelineName"])
    del world.training.pipelines.pipelines[(region, found.name)]
    return {"PipelineArn": found.arn}


def _pipeline(found: Pipeline) -> Body:
    row: Body = {
        "PipelineArn": found.arn,
        "PipelineName": found.name,
        "PipelineDisplayName": found.display,
        "PipelineDescription": found.description,
        "RoleArn": found.role,
        "CreationTime": seconds(found.created),
        "LastModifiedTime": seconds(found.modified or found.created),
    }
    return row


def describe_pipeline(world: World, region: str, body: Body) -> Body:
    """All of a pipeline."""
    found = world.training.pipelines.find(region, body["PipelineName"])
    run = {"LastRunTime": seconds(found.run_at)} if found.run_at else {}
    return {**_pipeline(found), "PipelineDefinition": found.definition, "PipelineStatus": "Active", **run}


def list_pipelines(world: World, region: str, body: Body) -> Body:
    """A page of pipelines."""
    rows = [
        _pipeline(found)
        for (where, name), found in world.training.pipelines.pipelines.items()
        if where == region and name.startswith(body.get("PipelineNamePrefix") or "")
    ]
    kept, token = page(rows, body.get("MaxResults") or 10, body.get("NextToken"))
    return {"PipelineSummaries": kept} | ({"NextToken": token} if token else {})


def start_pipeline_execution(world: World, region: str, body: Body) -> Body:
    """Run a pipeline."""
    return {"PipelineExecutionArn": world.training.pipelines.start(region, body).arn}


def stop_pipeline_execution(world: World, region: str, body: Body) -> Body:
    """Stop a run."""
    found = _execution(world, region, body)
    world.training.pipelines.stop(found)
    return {"PipelineExecutionArn": found.arn}


def _execution(world: World, region: str, body: Body) -> Execution:
    found: Execution = world.training.pipelines.execution(str(body.get("PipelineExecutionArn")))
    if found.region != region:
        raise Refusal("ResourceNotFound", f"Pipeline execution with ARN {found.arn} does not exist.")
    return found


def describe_pipeline_execution(world: World, region: str, body: Body) -> Body:
    """One run of a pipeline."""
    found = _execution(world, region, body)
    told: Body = {
        "PipelineArn": found.pipeline_arn,
        "PipelineExecutionArn": found.arn,
        "PipelineExecutionDisplayName": found.display,
        "PipelineExecutionStatus": found.status,
        "CreationTime": seconds(found.started),
        "LastModifiedTime": seconds(found.modified or found.started),
        "RoleArn": found.role,
    }
    return told | ({"FailureReason": found.reason} if found.reason else {})


def list_pipeline_execution_steps(world: World, region: str, body: Body) -> Body:
    """The steps of a run that have begun, the newest first unless asked otherwise."""
    found = _execution(world, region, body)
    rows = [_step(step, found) for step in found.steps if step.started]
    rows.sort(key=lambda row: row["StartTime"], reverse=body.get("SortOrder") != "Ascending")
    kept, token = page(rows, body.get("MaxResults") or 10, body.get("NextToken"))
    return {"PipelineExecutionSteps": kept} | ({"NextToken": token} if token else {})


def _step(step: Step, execution: Execution) -> Body:
    assert step.started is not None  # noqa: S101  # only those that have begun are listed
    row: Body = {"StepName": step.name, "StartTime": seconds(step.started), "StepStatus": step.status}
    row |= {"AttemptCount": 1, "Metadata": {}}
    if step.job:
        arn = f"arn:aws:sagemaker:{execution.region}:123456789012:training-job/{step.job}"
        row["Metadata"] = {"TrainingJob": {"Arn": arn}}
    row |= {"EndTime": seconds(step.ended)} if step.ended else {}
    return row | ({"FailureReason": step.reason} if step.status == "Failed" else {})


ACTIONS: dict[str, Callable[[World, str, Body], Body | None]] = {
    "CreateTrainingJob": create_training_job,
    "DescribeTrainingJob": describe_training_job,
    "StopTrainingJob": stop_training_job,
    "ListTrainingJobs": list_training_jobs,
    "ListTags": list_tags,
    "AddTags": add_tags,
    "DeleteTags": delete_tags,
    "CreatePipeline": create_pipeline,
    "UpdatePipeline": update_pipeline,
    "DeletePipeline": delete_pipeline,
    "DescribePipeline": describe_pipeline,
    "ListPipelines": list_pipelines,
    "StartPipelineExecution": start_pipeline_execution,
    "StopPipelineExecution": stop_pipeline_execution,
    "DescribePipelineExecution": describe_pipeline_execution,
    "ListPipelineExecutionSteps": list_pipeline_execution_steps,
}
