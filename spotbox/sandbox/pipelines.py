"""SageMaker Pipelines in the sandbox: executions of definitions whose steps are training jobs.

The definition: "Amazon SageMaker Pipelines JSON schema", version 2020-12-01, of which are here `Training` steps,
`DependsOn`, parameters, and the references `Get` and `Std:Join`.
"""

import json
import secrets
from typing import TYPE_CHECKING, Any

from spotbox.sandbox.modelchecks import check
from spotbox.sandbox.refusals import Refusal
from spotbox.sandbox.trainbucket import NoObject
from spotbox.sandbox.trainrecords import Execution, Pipeline, Step, TrainJob, described

if TYPE_CHECKING:
    from spotbox.sandbox.training import Training

Body = dict[str, Any]
VERSION = "2020-12-01"
_STEP_STATUS = {"Completed": "Succeeded", "Failed": "Failed", "Stopped": "Stopped"}
_GOOD, _BAD = "Succeeded", ("Failed", "Stopped")


def invalid(text: str) -> Refusal:
    """A ValidationException."""
    return Refusal("ValidationException", text)


def parsed(definition: str) -> Body:
    """A pipeline definition. Raises Refusal ValidationException for one that the sandbox cannot run."""
    try:
        found = json.loads(definition)
        steps = found["Steps"]
        names = [step["Name"] for step in steps]
    except (ValueError, KeyError, TypeError) as error:
        raise invalid(f"Unable to parse pipeline definition. {type(error).__name__}: {error}") from error
    if found.get("Version") != VERSION:
        raise invalid(f"Unable to parse pipeline definition. Version must be {VERSION}.")
    if not names or len(set(names)) != len(names):
        raise invalid("Unable to parse pipeline definition. Steps must be there and have names of their own.")
    for step in steps:
        if step.get("Type") != "Training" or not isinstance(step.get("Arguments"), dict):
            raise invalid(f"The sandbox runs Training steps only; {step['Name']} is {step.get('Type')}.")
        unknown = _needs(step) - set(names)
        if unknown:
            raise invalid(f"Unable to parse pipeline definition. Step {step['Name']} depends on unknown {unknown}.")
    return dict(found)


def _needs(step: Body) -> set[str]:
    """The steps that must have succeeded before: those it names, and those whose results it refers to."""
    found = {name.removeprefix("Steps.") for name in step.get("DependsOn") or ()}
    return found | {path.split(".")[1] for path in _references(step["Arguments"]) if path.startswith("Steps.")}


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        if set(value) == {"Get"}:
            return {str(value["Get"])}
        return set().union(*map(_references, value.values()))
    return set().union(*map(_references, value)) if isinstance(value, list) else set()


class Pipelines:
    """All pipelines and their executions. Its methods expect the world's lock held."""

    def __init__(self, training: "Training"):
        self._training = training
        self.pipelines: dict[tuple[str, str], Pipeline] = {}  # (region, name)
        self.executions: dict[str, Execution] = {}  # by ARN
        self._tokens: dict[tuple[str, str], str] = {}  # (pipeline ARN, token) -> execution ARN

    def state(self) -> dict[str, Any]:
        """What is kept over a stop of the sandbox."""
        return {"pipelines": self.pipelines, "executions": self.executions}

    def take_up(self, state: dict[str, Any]) -> None:
        """Take up what was kept."""
        self.pipelines.update(state["pipelines"])
        self.executions.update(state["executions"])

    # Pipelines

    def find(self, region: str, name: str) -> Pipeline:
        """A pipeline by name or ARN. Raises Refusal ResourceNotFound."""
        short = name.rpartition("pipeline/")[2].lower()
        for (where, known), pipeline in self.pipelines.items():
            if where == region and known.lower() == short:
                return pipeline
        arn = f"arn:aws:sagemaker:{region}:123456789012:pipeline/{short}"
        raise Refusal("ResourceNotFound", f"Pipeline '{arn}' does not exist.")

    def _definition(self, body: Body) -> str | None:
        place = body.get("PipelineDefinitionS3Location")
        text = body.get("PipelineDefinition")
        if place and not text:
            try:
                text = self._training.bucket.read(place["Bucket"], place["ObjectKey"]).decode()
            except (NoObject, UnicodeDecodeError) as error:
                raise invalid(f"Unable to read the pipeline definition: {error}") from error
        if text is not None:
            parsed(text)
        return text

    def create(self, region: str, body: Body) -> Pipeline:
        """A new pipeline. Raises Refusal ValidationException, also for a name that is taken."""
        check("sagemaker", "CreatePipeline", body)
        name = body["PipelineName"]
        if (region, name) in self.pipelines:
            raise invalid(
                "Pipeline names must be unique within an AWS account and region. "
                f"Pipeline with name ({name}) already exists."
            )
        definition = self._definition(body)
        if definition is None:
            raise invalid("PipelineDefinition or PipelineDefinitionS3Location is required.")
        made = Pipeline(name, region, definition, body["RoleArn"], self._training.world.timeline.clock())
        made.display, made.description = body.get("PipelineDisplayName") or name, body.get("PipelineDescription") or ""
        made.tags = {row["Key"]: row["Value"] for row in body.get("Tags") or ()}
        self.pipelines[(region, name)] = made
        return made

    def update(self, region: str, body: Body) -> Pipeline:
        """Change what is given of a pipeline. Raises Refusal."""
        check("sagemaker", "UpdatePipeline", body)
        found = self.find(region, body["PipelineName"])
        found.definition = self._definition(body) or found.definition
        found.role = body.get("RoleArn") or found.role
        found.display = body.get("PipelineDisplayName") or found.display
        found.description = body.get("PipelineDescription") or found.description
        found.modified = self._training.world.timeline.clock()
        return found

    # Executions

    def start(self, region: str, body: Body) -> Execution:
        """Begin an execution; the one that this token began, where there is one. Raises Refusal."""
        check("sagemaker", "StartPipelineExecution", body)
        pipeline = self.find(region, body["PipelineName"])
        token = (pipeline.arn, body["ClientRequestToken"])
        if token in self._tokens:
            return self.executions[self._tokens[token]]
        definition = parsed(pipeline.definition)
        known = {row["Name"]: row.get("DefaultValue") for row in definition.get("Parameters") or ()}
        given = {row["Name"]: row["Value"] for row in body.get("PipelineParameters") or ()}
        if given.keys() - known.keys():
            raise invalid(f"Unknown parameters: {', '.join(sorted(given.keys() - known.keys()))}")
        steps = [Step(s["Name"], s["Arguments"], tuple(sorted(_needs(s)))) for s in definition["Steps"]]
        now = self._training.world.timeline.clock()
        made = Execution(
            secrets.token_hex(6), pipeline.name, region, body.get("RoleArn") or pipeline.role, now, known | given, steps
        )
        made.display = body.get("PipelineExecutionDisplayName") or f"execution-{int(now.timestamp() * 1000)}"
        self.executions[made.arn] = made
        self._tokens[token] = made.arn
        pipeline.run_at = now
        self._go_on(made)
        return made

    def execution(self, arn: str) -> Execution:
        """An execution. Raises Refusal ResourceNotFound."""
        if arn not in self.executions:
            raise Refusal("ResourceNotFound", f"Pipeline execution with ARN {arn} does not exist.")
        return self.executions[arn]

    def stop(self, execution: Execution) -> None:
        """Stop what runs of an execution; nothing new begins."""
        if execution.status != "Executing":
            raise Refusal("ConflictException", f"Pipeline execution is already {execution.status}.")
        execution.status = "Stopping"
        for step in execution.steps:
            job = self._job(execution, step)
            if job and not job.over:
                self._training.stop(job)

    def advance(self) -> None:
        """Let executions go on: see what has ended, begin what may."""
        for execution in self.executions.values():
            if execution.status in ("Executing", "Stopping"):
                self._go_on(execution)

    def _job(self, execution: Execution, step: Step) -> TrainJob | None:
        return self._training.jobs.get((execution.region, step.job)) if step.job else None

    def _go_on(self, execution: Execution) -> None:
        for step in execution.steps:
            job = self._job(execution, step)
            if job and job.over and not step.ended:
                step.status, step.reason = _STEP_STATUS[job.status], job.reason
                step.ended = job.transitions[-1]["EndTime"]
        states = {step.name: step.status for step in execution.steps}
        if execution.status == "Executing" and not any(state in _BAD for state in states.values()):
            for step in execution.steps:
                if not step.status and all(states[name] == _GOOD for name in step.after):
                    self._begin(execution, step)
        if any(step.status == "Executing" for step in execution.steps):
            return
        if all(step.status == _GOOD for step in execution.steps):
            execution.status = _GOOD
        elif execution.status == "Stopping" or not any(step.status == "Failed" for step in execution.steps):
            execution.status = "Stopped"
        else:
            execution.status, execution.reason = "Failed", "Step failure: One or multiple steps failed."
        execution.modified = self._training.world.timeline.clock()
        self._training.world.changes += 1

    def _begin(self, execution: Execution, step: Step) -> None:
        """Create the training job of a step; one that is refused is a step that has failed."""
        step.started = self._training.world.timeline.clock()
        step.status = "Executing"
        tail = f"-{secrets.token_urlsafe(16).replace('-', '').replace('_', '')[:10]}"
        safe = "".join(char if char.isalnum() and char.isascii() else "-" for char in step.name).strip("-")
        name = f"{f'pipelines-{execution.id}-{safe}'[: 63 - len(tail)].rstrip('-')}{tail}"
        try:
            arguments = self._filled(step.arguments, execution)
            job = self._training.create(execution.region, {**arguments, "TrainingJobName": name})
        except Refusal as refused:
            step.status, step.ended = "Failed", step.started
            step.reason = (
                "ClientError: Failed to invoke sagemaker:CreateTrainingJob. "
                f"Error Details: {refused.code}: {refused.message}"
            )[:1024]
            return
        step.job = job.name

    def _filled(self, value: Any, execution: Execution) -> Any:
        """A value with its references filled in. Raises Refusal ValidationException."""
        if isinstance(value, list):
            return [self._filled(item, execution) for item in value]
        if not isinstance(value, dict):
            return value
        if set(value) == {"Get"}:
            return self._value(str(value["Get"]), execution)
        if set(value) == {"Std:Join"}:
            join = value["Std:Join"]
            return str(join["On"]).join(str(self._filled(item, execution)) for item in join["Values"])
        return {key: self._filled(item, execution) for key, item in value.items()}

    def _value(self, path: str, execution: Execution) -> Any:
        kind, _, rest = path.partition(".")
        names = {"PipelineName": execution.pipeline, "PipelineExecutionArn": execution.arn}
        names |= {"PipelineArn": execution.pipeline_arn, "PipelineExecutionId": execution.id}
        found: Any = {"Parameters": execution.parameters, "Execution": names}.get(kind, {})
        if kind == "Steps":
            name, _, rest = rest.partition(".")
            job = next((self._job(execution, s) for s in execution.steps if s.name == name), None)
            found = described(job) if job else {}
        for part in rest.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if found is None:
            raise invalid(f"The sandbox does not know the reference {path}.")
        return found
