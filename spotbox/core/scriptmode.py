"""Script mode: the hyperparameters by which AWS's framework images find a user's script and start it.

What they read: sagemaker-training-toolkit (params.py, environment.read_hyperparameters, mapping.to_cmd_args). Every
value is JSON to it; one that is not is taken as text. A script gets each that does not begin with `sagemaker_` as
`--KEY VALUE`.
"""

import json
import re
from collections.abc import Sequence

from spotbox.core.errors import UsageError
from spotbox.core.jobs import Pairs
from spotbox.core.text import safe

PREFIX = "sagemaker_"
LOG_LEVEL = 20  # logging.INFO, which the SDK sends too
_OURS = frozenset(
    f"{PREFIX}{name}" for name in ("program", "submit_directory", "region", "job_name", "container_log_level")
)
TORCHRUN = ((f"{PREFIX}torch_distributed_enabled", "true"),)
# sagemaker-training-toolkit, process.validate_entry_point
_PROGRAM = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._+-]*(?:/[A-Za-z0-9._+-]+)*")
_NUMBER = re.compile(r"-?\d+|-?\d+\.\d+")


def script_hyperparameters(
    name: str, region: str, program: str, code: str, own: Pairs, torchrun: bool = False
) -> Pairs:
    """All hyperparameters of a script's job: `own` as they were typed, and where the script is (`code`, s3://...).

    `torchrun` has the PyTorch images start the script with torchrun on every instance.
    """
    place = {
        f"{PREFIX}program": json.dumps(program),
        f"{PREFIX}submit_directory": json.dumps(code),
        f"{PREFIX}region": json.dumps(region),
        f"{PREFIX}job_name": json.dumps(name),
        f"{PREFIX}container_log_level": json.dumps(LOG_LEVEL),
    }
    typed = {key: encoded(key, value) for key, value in own}
    return tuple(sorted({**dict(TORCHRUN if torchrun else ()), **typed, **place}.items()))


def encoded(key: str, value: str) -> str:
    """A typed value as it is sent, so that the script's argument is exactly the text that was typed.

    Numbers stay numbers, as the SDK sends them (SM_HPS holds them so); any other text becomes a JSON string, for
    `true`, `1e-3` or `[1]` would reach the script as `True`, `0.001` or a list's repr. What configures the toolkit
    itself (`sagemaker_*`) is sent as the JSON that it is.
    """
    if key.startswith(PREFIX) and _is_json(value):
        return value
    if _NUMBER.fullmatch(value) and str(json_or_none(value)) == value:
        return value
    return json.dumps(value)


def json_or_none(text: str) -> object:
    """What the JSON text says; None where it is none, or a number longer than Python reads."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def check_program(program: str) -> str:
    """The script's name within the code. UsageError for one that the framework images do not start."""
    if not _PROGRAM.fullmatch(program) or {".", ".."} & set(program.split("/")):
        raise UsageError(
            f"AWS's images start no script named {safe(program)!r}",
            "Rename it: letters, digits and . _ + - only, and no - in front.",
        )
    if not program.endswith((".py", ".sh")):
        raise UsageError(f"{safe(program)!r} is no script", "Give a Python (.py) or shell (.sh) script, or a folder.")
    return program


def check_torchrun(program: str, top: Sequence[str]) -> None:
    """UsageError where the images would not start `program` with torchrun; `top` are the names beside it."""
    if not program.endswith(".py"):
        raise UsageError(f"torchrun starts Python scripts, not {safe(program)}", "Leave --torchrun out, or give a .py.")
    if "setup.py" in top:  # sagemaker-training-toolkit, _entry_point_type: the script is then a package's module
        raise UsageError(
            "beside a setup.py AWS's images start a script as a package, and no package with torchrun",
            "List setup.py in .spotboxignore, or leave --torchrun out.",
        )


def check_not_ours(keys: Sequence[str]) -> None:
    """UsageError for a hyperparameter that spotbox itself sets."""
    for key in keys:
        if key in _OURS:
            raise UsageError(
                f"the hyperparameter {key} is not yours to set", "It tells AWS's image where the script is."
            )


def _is_json(text: str) -> bool:
    return json_or_none(text) is not None or text.strip() == "null"
