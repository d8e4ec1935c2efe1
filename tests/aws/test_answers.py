"""Answers that are none of AWS's: a proxy's page, half an answer, numbers and times that are none."""

import time

import pytest

from spotbox.aws.cloud import Cloud
from spotbox.aws.errors import translating, unknown_outcome
from spotbox.aws.hands import Hands
from spotbox.core.errors import SpotboxError
from spotbox.store import Store
from tests.aws.endpoint import endpoint

PAGE = "<!DOCTYPE html><html><body><h1>blocked \x1b[2J</h1></body></html>"
WELL_FORMED = "<html><body><h1>This site is blocked</h1></body></html>"


def volume(**changes):
    """An answer of DescribeVolumes with one volume."""
    told = {"size": "100", "createTime": "2026-11-01T00:00:00.000Z"} | changes
    fields = "".join(f"<{key}>{value}</{key}>" for key, value in told.items())
    return f"<DescribeVolumesResponse><volumeSet><item>{fields}</item></volumeSet></DescribeVolumesResponse>"


@pytest.mark.parametrize(
    ("service", "operation", "body"),
    [
        ("ec2", "describe_volumes", WELL_FORMED),
        ("ec2", "describe_volumes", PAGE.replace("\x1b", "")),
        ("ec2", "describe_volumes", '<?xml version="1.0"?>\n<!-- a portal -->\n' + PAGE.replace("\x1b", "")),
        ("ec2", "describe_volumes", f'<?xml version="1.0"?>{WELL_FORMED}'),
        ("ec2", "describe_volumes", ""),
        ("ec2", "describe_volumes", volume(size="NaN")),
        ("ec2", "describe_volumes", volume(createTime="2026-13-45T99:99:99Z")),
        ("ec2", "describe_volumes", volume(createTime="")),
        ("sts", "get_caller_identity", WELL_FORMED),
        ("sts", "get_caller_identity", "<GetCallerIdentityResponse/>"),
        ("pricing", "describe_services", PAGE),
        ("pricing", "describe_services", ""),
        ("pricing", "describe_services", "[]"),
        ("pricing", "describe_services", '{"Services": [{"ServiceC'),
        ("pricing", "describe_services", '{"Services": 5}'),
    ],
)
def test_an_answer_that_is_not_aws_s(service, operation, body):
    """It is told as such, in words for the user, and the call may have been carried out: never an empty answer."""
    with endpoint(lambda asked: (200, body)) as world, pytest.raises(SpotboxError) as caught, translating():
        getattr(world.aws().client(service), operation)()
    assert caught.value.message == "the endpoint's answer is not AWS's"
    assert unknown_outcome(caught.value)


def test_a_whole_answer_is_read():
    """What AWS does send is read as before: figures, times, and an operation that answers with nothing at all."""
    bodies = {"DescribeVolumes": f'<?xml version="1.0" encoding="UTF-8"?>\n{volume()}', "StopTrainingJob": ""}
    bodies |= {"DescribeServices": ' {"Services": []}\n', "DeleteTags": ""}
    with endpoint(lambda asked: (200, bodies[asked.action])) as world:
        (told,) = world.aws().client("ec2").describe_volumes()["Volumes"]
        assert (told["Size"], told["CreateTime"].year) == (100, 2026)
        assert world.aws().client("sagemaker").stop_training_job(TrainingJobName="x")
        assert world.aws().client("sagemaker").delete_tags(ResourceArn="arn:x", TagKeys=["x"])
        assert world.aws().client("pricing").describe_services()["Services"] == []


def test_a_page_in_the_place_of_the_boxes_is_no_empty_account(tmp_path):
    """Where a proxy answers, the account is not said to be empty: `down` would call it nothing to remove."""
    with endpoint(lambda asked: (200, WELL_FORMED)) as world:
        cloud = Cloud(Hands(world.aws(), time.sleep, time.monotonic), Store(tmp_path))
        with pytest.raises(SpotboxError):
            cloud.regions()
