"""What the tests of training jobs share: an endpoint by operations, its errors, and a job as it is told."""

import json
from contextlib import contextmanager
from dataclasses import replace

from spotbox.aws.hands import Hands
from spotbox.core.jobs import JobQuota
from spotbox.core.training import training_request
from tests.aws.endpoint import endpoint
from tests.aws.stubbed import R
from tests.aws.stubs import Clock
from tests.core.test_training import JOB

ARN = "arn:aws:sagemaker:us-east-1:111122223333:training-job/mnist-1"
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


ABSENT = error("ValidationException", "Requested resource not found.")
