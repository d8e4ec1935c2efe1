"""SageMaker Pipelines: a training job as a step of a pipeline's definition.

The form is what sagemaker-python-sdk writes (workflow/pipeline.py, workflow/steps.py TrainingStep) and AWS documents
as "SageMaker Pipelines pipeline definition JSON schema", version 2020-12-01.
"""

import json
import re
from typing import Any

from spotbox.core.errors import UsageError
from spotbox.core.jobs import Job
from spotbox.core.scriptmode import PREFIX
from spotbox.core.text import safe
from spotbox.core.training import training_request

VERSION = "2020-12-01"
MOST = 1024 * 1024  # characters of a definition (CreatePipeline, PipelineDefinition)
_NAME = re.compile(r"[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,255}")
STEP = "Train"


def definition(job: Job) -> dict[str, Any]:
    """The definition of a pipeline whose one step is `job`. Each execution names its own job, so `job`'s is left out.

    `use_spot_instances`, `max_runtime_in_seconds` and `max_wait_time_in_seconds` of the SDK's `@step` are
    EnableManagedSpotTraining and StoppingCondition here.
    """
    return {"Version": VERSION, "Metadata": {}, "Parameters": [], "Steps": [training_step(job)]}


def training_step(job: Job) -> dict[str, Any]:
    """`job` as a Training step, to be put into a definition of one's own."""
    arguments = training_request(job)
    del arguments["TrainingJobName"]
    if parameters := arguments.get("HyperParameters"):
        parameters.pop(f"{PREFIX}job_name", None)
    return {"Name": STEP, "Type": "Training", "Arguments": arguments}


def definition_text(job: Job) -> str:
    """The definition as CreatePipeline takes it, the same for the same job. UsageError for one that is too long."""
    text = json.dumps(definition(job), sort_keys=True)
    if len(text) > MOST:
        raise UsageError("the pipeline's definition is longer than SageMaker takes", "Give fewer hyperparameters.")
    return text


def check_pipeline_name(name: str) -> str:
    """The name itself. UsageError for one that is not [a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}."""
    if not _NAME.fullmatch(name) or len(name) > 256:
        raise UsageError(
            f"{safe(name)!r} is not a pipeline's name",
            "Use up to 256 letters, digits and hyphens (no underscore), a letter or digit first and last.",
        )
    return name
