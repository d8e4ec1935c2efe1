"""Script mode: what AWS's framework images make of a training job's hyperparameters, variables and command line.

As aws/sagemaker-training-toolkit has it (ENVIRONMENT_VARIABLES.md; `mapping`, `environment` and `torch_distributed`).
"""

import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spotbox.sandbox.boxfiles import system_path
from spotbox.sandbox.mltypes import ML_TYPES
from spotbox.sandbox.trainrecords import TrainJob

OPT_ML = "/opt/ml"
OWN = "sagemaker_"  # hyperparameters that are not the script's
PROGRAM, SUBMIT, TORCH = "sagemaker_program", "sagemaker_submit_directory", "sagemaker_torch_distributed_enabled"


class Unfit(Exception):
    """A job that cannot be run as asked; the text is for its FailureReason."""


@dataclass(frozen=True)
class Place:
    """The folder of one instance. `literal` says whether it is at /opt/ml for the job's program."""

    root: Path
    literal: bool

    @property
    def ml(self) -> Path:
        """What is /opt/ml to the script."""
        return self.root / "ml"

    def told(self, *parts: str) -> str:
        """The path of something below /opt/ml as the script is told it."""
        return "/".join((OPT_ML, *parts)) if self.literal else str(self.ml.joinpath(*parts))


@dataclass(frozen=True)
class Script:
    """What to run: the program in the code archive, its arguments, and the hyperparameters decoded."""

    program: str
    submit: str
    args: tuple[str, ...]
    own: Mapping[str, Any]  # the script's hyperparameters
    framework: Mapping[str, Any]  # sagemaker_*
    torch: bool


def _decoded(value: str) -> Any:
    """A hyperparameter: JSON where it is, as the SDK writes them, else the text itself."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _argument(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in sorted(value.items()))
    return "" if value is None else str(value).replace("\0", "")


def script_of(job: TrainJob) -> Script:
    """The script of a job. Raises Unfit where it is not in script mode."""
    given = {key: _decoded(value) for key, value in (job.request.get("HyperParameters") or {}).items()}
    variables = job.request.get("Environment") or {}
    program = str(given.get(PROGRAM) or variables.get("SAGEMAKER_PROGRAM") or "")
    submit = str(given.get(SUBMIT) or variables.get("SAGEMAKER_SUBMIT_DIRECTORY") or "")
    if not program or not submit.startswith("s3://"):
        raise Unfit(
            "ClientError: the sandbox has no containers, it runs scripts only: give the hyperparameters "
            f"{PROGRAM} and {SUBMIT} (s3://.../sourcedir.tar.gz)"
        )
    if job.request["AlgorithmSpecification"].get("ContainerEntrypoint"):
        raise Unfit("ClientError: the sandbox runs script mode only, and no ContainerEntrypoint")
    own = {key: value for key, value in given.items() if not key.startswith(OWN)}
    args: list[str] = []
    for key in sorted(own):
        args += [f"--{key}" if len(key) > 1 else f"-{key}", _argument(own[key])]
    framework = {key: value for key, value in given.items() if key.startswith(OWN)}
    return Script(program, submit, tuple(args), own, framework, given.get(TORCH) is True)


def command(script: Script, code: Path) -> list[str]:
    """The command line, from within the folder of the code. Raises Unfit where the program is not in it."""
    path = code / script.program
    if not path.resolve().is_relative_to(code.resolve()) or not path.is_file():
        raise Unfit(f"AlgorithmError: framework error: {script.program[:200]} is not in the code archive, exit code: 1")
    if (code / "setup.py").is_file() and script.program.endswith(".py") and not script.torch:
        return [sys.executable, "-m", script.program[:-3].replace("/", "."), *script.args]
    if script.program.endswith(".py"):
        return [sys.executable, script.program, *script.args]
    path.chmod(0o700)
    return ["/bin/sh", "-c", f'exec ./{shlex.quote(script.program)} "$@"', script.program, *script.args]


def resource_config(job: TrainJob, host: str) -> dict[str, Any]:
    """input/config/resourceconfig.json; the network of the sandbox's instances is loopback."""
    return {
        "current_group_name": "homogeneousCluster",
        "current_host": host,
        "current_instance_type": job.ml_type,
        "hosts": job.hosts,
        "instance_groups": [
            {"hosts": job.hosts, "instance_group_name": "homogeneousCluster", "instance_type": job.ml_type}
        ],
        "network_interface_name": "lo",
    }


def input_config(job: TrainJob) -> dict[str, Any]:
    """input/config/inputdataconfig.json."""
    usual = job.request["AlgorithmSpecification"].get("TrainingInputMode", "File")
    found = {}
    for channel in job.request.get("InputDataConfig") or ():
        source = channel["DataSource"].get("S3DataSource") or {}
        found[channel["ChannelName"]] = {
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
            "TrainingInputMode": channel.get("InputMode") or usual,
        } | ({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {})
    return found


def _told(value: Any) -> str:
    """A value as the toolkit puts it into a variable."""
    if isinstance(value, str) or value is None:
        return value or ""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _training_env(job: TrainJob, host: str, place: Place, script: Script) -> dict[str, Any]:
    """What SM_TRAINING_ENV holds."""
    hardware = ML_TYPES[job.ml_type]
    channels = sorted(input_config(job))
    return {
        "additional_framework_parameters": script.framework,
        "channel_input_dirs": {name: place.told("input", "data", name) for name in channels},
        "current_host": host,
        "current_instance_group": "homogeneousCluster",
        "current_instance_group_hosts": job.hosts,
        "current_instance_type": job.ml_type,
        "framework_module": "",
        "hosts": job.hosts,
        "hyperparameters": script.own,
        "input_config_dir": place.told("input", "config"),
        "input_data_config": input_config(job),
        "input_dir": place.told("input"),
        "is_hetero": False,
        "is_master": host == job.hosts[0],
        "job_name": job.name,
        "log_level": 20,
        "master_hostname": job.hosts[0],
        "model_dir": place.told("model"),
        "module_dir": script.submit,
        "module_name": script.program.removesuffix(".py"),
        "network_interface_name": "lo",
        "num_cpus": hardware.vcpus,
        "num_gpus": int(hardware.gpu_count) if hardware.maker == "NVIDIA" else 0,
        "num_neurons": 0,
        "output_data_dir": place.told("output", "data"),
        "output_dir": place.told("output"),
        "output_intermediate_dir": place.told("output", "intermediate"),
        "resource_config": resource_config(job, host),
        "user_entry_point": script.program,
    }


_UNTOLD = ("additional_framework_parameters", "channel_input_dirs", "hyperparameters", "is_master", "job_name")


def _sm_variables(job: TrainJob, host: str, place: Place, script: Script) -> dict[str, str]:
    """The SM_* variables of the toolkit."""
    training = _training_env(job, host, place, script)
    told: dict[str, Any] = {key: value for key, value in training.items() if key not in _UNTOLD}
    told |= {"hps": script.own, "framework_params": script.framework, "user_args": list(script.args)}
    told |= {"channels": sorted(training["channel_input_dirs"]), "training_env": training}
    told |= {f"channel_{name}": path for name, path in training["channel_input_dirs"].items()}
    told |= {f"hp_{name}": value for name, value in script.own.items()}
    found = {f"SM_{key.upper()}": _told(value) for key, value in told.items()}
    if not place.literal and job.checkpoint:
        # No variable of AWS's: there a script may rely on /opt/ml/checkpoints, which it cannot find here.
        found["SM_CHECKPOINT_DIR"] = place.told(*checkpoint_parts(job))
    return found


def checkpoint_parts(job: TrainJob) -> tuple[str, ...]:
    """The folder of the checkpoints below /opt/ml. Raises Unfit for another: this machine has others of its own."""
    assert job.checkpoint is not None  # noqa: S101  # asked only of a job that has one
    path = os.path.normpath(job.checkpoint[1])
    if not path.startswith(f"{OPT_ML}/"):
        raise Unfit(f"ClientError: the sandbox keeps checkpoints below {OPT_ML} only, not in {job.checkpoint[1]}")
    return tuple(path.removeprefix(f"{OPT_ML}/").split("/"))


def torch_variables(job: TrainJob, host: str, port: int, literal: bool) -> dict[str, str]:
    """What torchrun sets for its workers; here each instance is one process, whatever GPUs its type would have."""
    rank = str(job.hosts.index(host))
    return {
        "MASTER_ADDR": job.hosts[0] if literal else "127.0.0.1",  # by name where the job has an /etc/hosts of its own
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(job.count),
        "RANK": rank,
        "GROUP_RANK": rank,
        "NODE_RANK": rank,
        "ROLE_RANK": rank,
        "ROLE_WORLD_SIZE": str(job.count),
        "GROUP_WORLD_SIZE": str(job.count),
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1",
        "TORCHELASTIC_RUN_ID": job.name,
        "TORCHELASTIC_RESTART_COUNT": "0",
        "TORCHELASTIC_MAX_RESTARTS": "0",
        "OMP_NUM_THREADS": "1",
    }


def variables(
    job: TrainJob, host: str, place: Place, script: Script, aws: Mapping[str, str], port: int
) -> dict[str, str]:
    """The whole environment of a job's program: nothing of this machine's user is in it.

    `aws` is what lets it reach the sandbox; `port` is free for the first instance to listen at.
    """
    found = {
        "PATH": system_path(),
        "HOME": str(place.root / "home"),
        "TMPDIR": str(place.root / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": place.told("code"),
        "TRAINING_JOB_NAME": job.name,
        "TRAINING_JOB_ARN": job.arn,
        "CURRENT_HOST": host,
        "SAGEMAKER_REGION": job.region,
        "SAGEMAKER_JOB_NAME": job.name,
        **aws,
        **(job.request.get("Environment") or {}),
        **_sm_variables(job, host, place, script),
    }
    if script.torch:
        found |= torch_variables(job, host, port, place.literal)
    return {
        name: value.replace("\0", "") for name, value in found.items() if name and "=" not in name and "\0" not in name
    }
