"""spotbox train: SageMaker managed spot training, for work that outgrows one box."""

from typing import Any

import click

from spotbox.app import get_app
from spotbox.commands._train_asked import Asked, asked_for
from spotbox.commands._train_group import RUN, Train, Work
from spotbox.commands._train_jobs import list_, status, stop
from spotbox.commands._train_new import train_new
from spotbox.commands._train_where import whose_job_option
from spotbox.core.training import parse_pair
from spotbox.options import (
    DURATION,
    SIZE,
    Parsed,
    common_options,
    dry_run_option,
    flag,
    output_option,
    region_option,
    types_option,
    yes_option,
)

DAY = "1d"


HYPERPARAMETER = Parsed("key=value", lambda text: parse_pair(text, "hyperparameter", "epochs=3"))
PATH = Parsed("path", str, kind="file")
VARIABLE = Parsed("key=value", lambda text: parse_pair(text, "variable", "WANDB_MODE=offline"))
INPUT = Parsed("name=s3://", lambda text: parse_pair(text, "input", "train=s3://mine/data"))


@click.group(cls=Train)
@common_options
def train() -> None:
    """Train on SageMaker managed Spot: AWS restarts the work, from its checkpoint, on as many instances as it needs.

    \b
    spotbox train ./train.py -t ml.g5.xlarge --checkpoint s3://mine/ckpt
    spotbox train ./project -t ml.g5.xlarge --count 2 --torchrun
    """


@click.command("train", cls=Work, hidden=True, no_args_is_help=True)
@click.argument("path", metavar="SCRIPT|DIR", type=PATH)
@flag("--role", metavar="ROLE", help="Role that SageMaker takes: its name or ARN (SDK: role).")
@flag("--image", metavar="URI|NAME", help="pytorch, tensorflow, huggingface, or an image's URI (SDK: image_uri).")
@flag("--output-path", metavar="S3URI", help="Where code and results go, such as s3://mine/out (SDK: output_path).")
@types_option("ml.* type to run on, such as ml.g5.xlarge (SDK: instance_type, train_instance_type).")
@flag(
    "--count",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many instances (SDK: instance_count, train_instance_count).",
)
@flag(
    "--max-run",
    type=DURATION,
    default=DAY,
    show_default=True,
    help="Longest time to run (SDK: max_run, train_max_run, max_runtime_in_seconds).",
)
@flag(
    "--max-wait",
    type=DURATION,
    help="Longest time in all, waiting for capacity included; default: a day more than --max-run (SDK: max_wait, "
    "train_max_wait, max_wait_time_in_seconds).",
)
@flag(
    "--on-demand",
    is_flag=True,
    help="Not on Spot (SDK: use_spot_instances, train_use_spot_instances, enable_managed_spot_training).",
)
@flag(
    "--checkpoint",
    metavar="S3URI",
    help="Where /opt/ml/checkpoints is kept (SDK: checkpoint_s3_uri, CheckpointConfig.s3_uri).",
)
@flag("--resume", is_flag=True, help="Go on from what --checkpoint holds already; else that is refused.")
@flag("--input", "inputs", type=INPUT, multiple=True, help="A channel of data, train=s3://mine/data; repeatable.")
@flag(
    "--hyperparameter",
    "hyperparameters",
    type=HYPERPARAMETER,
    multiple=True,
    help="Becomes --KEY VALUE of the script (SDK: hyperparameters); repeatable.",
)
@flag(
    "--env", "environment", type=VARIABLE, multiple=True, help="Variable of the script (SDK: environment); repeatable."
)
@flag(
    "--torchrun",
    is_flag=True,
    help="Start it with torchrun on every instance (SDK: distribution={'torch_distributed': ...}).",
)
@flag("--volume-size", "volume", type=SIZE, help="EBS volume in GiB for each instance (SDK: volume_size).")
@flag("--name", metavar="NAME", help="The job's name; default: the script's, and the time.")
@flag("--pool", metavar="NAME", expose_value=False, help="Take the settings of [pool.NAME] of the config file.")
@flag(
    "--as-step",
    is_flag=True,
    help="Write the SageMaker Pipelines definition of this job, and start nothing (SDK: @step).",
)
@flag("--pipeline", metavar="NAME", help="Make or update the pipeline NAME of this one step, and start it.")
@flag("--no-wait", is_flag=True, help="Return as soon as AWS has the job (SDK: wait=False).")
@region_option
@whose_job_option
@yes_option
@dry_run_option
@output_option("text", "json")
@click.pass_context
def run(ctx: click.Context, /, **flags: Any) -> None:
    """Train on SageMaker managed Spot: AWS restarts the work, from its checkpoint, on as many instances as it needs.

    The script or folder is packed, uploaded once by its content, and runs unchanged in AWS's framework images. The job
    is followed with its log until it is over; Ctrl-C detaches, and the job goes on. --role, --image and --output-path
    may stand in the config file. A path named like a command starts with ./

    \b
    spotbox train ./train.py -t ml.g5.xlarge --checkpoint s3://mine/ckpt
    spotbox train ./project -t ml.g5.xlarge --count 2 --torchrun
    """
    app = get_app(ctx)
    asked: Asked = asked_for(ctx, app, flags)
    train_new(app, asked)


train.add_command(run, RUN)
for command in (status, list_, stop):
    train.add_command(command)
