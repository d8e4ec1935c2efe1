"""A training job's rules, its request against botocore's model, and what it becomes as a pipeline's step."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from spotbox.core import training
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.jobs import Job, JobQuota, quota_name
from spotbox.core.pipelines import check_pipeline_name, definition, definition_text
from spotbox.core.training import check_job, default_name, is_told, training_request

ROLE = "arn:aws:iam::111122223333:role/service-role/Train"
JOB = Job(
    name="mnist-1",
    region="us-east-1",
    image="763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.10.0-gpu-py313",
    role=ROLE,
    instance_type="ml.g5.xlarge",
    output="s3://mine/out",
    max_run=3600,
    max_wait=7200,
)
KMEANS = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
SOURCE = {"S3DataType": "S3Prefix", "S3DataDistributionType": "FullyReplicated"}


@pytest.fixture(scope="module")
def model():
    return get_session().get_service_model("sagemaker")


def test_a_spot_job_is_sent_whole():
    """Managed Spot training of several instances, with all that may be asked for."""
    job = replace(
        JOB,
        count=2,
        volume_gib=50,
        checkpoint="s3://mine/ckpt/mnist-1",
        inputs=(("train", "s3://data/train/"), ("val", "s3://data/val")),
        hyperparameters=(("epochs", "3"),),
        environment=(("A_B", "x y"),),
        tags=(("spotbox:owner", "alice"),),
    )
    assert training_request(job) == {
        "TrainingJobName": "mnist-1",
        "AlgorithmSpecification": {"TrainingImage": JOB.image, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://mine/out"},
        "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 50},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
        "EnableManagedSpotTraining": True,
        "CheckpointConfig": {"S3Uri": "s3://mine/ckpt/mnist-1", "LocalPath": "/opt/ml/checkpoints"},
        "InputDataConfig": [
            {"ChannelName": "train", "DataSource": {"S3DataSource": {**SOURCE, "S3Uri": "s3://data/train/"}}},
            {"ChannelName": "val", "DataSource": {"S3DataSource": {**SOURCE, "S3Uri": "s3://data/val"}}},
        ],
        "HyperParameters": {"epochs": "3"},
        "Environment": {"A_B": "x y"},
        "Tags": [{"Key": "spotbox:owner", "Value": "alice"}],
    }


def test_an_on_demand_job_is_sent_whole():
    """Without a wait it is no Spot job: MaxWaitTimeInSeconds is only supported with EnableManagedSpotTraining."""
    assert training_request(replace(JOB, max_wait=None)) == {
        "TrainingJobName": "mnist-1",
        "AlgorithmSpecification": {"TrainingImage": JOB.image, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://mine/out"},
        "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }


@pytest.mark.parametrize("spot", [True, False])
@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("checkpoint", ["s3://mine/ckpt", None])
def test_every_request_has_the_shape_of_the_model(model, spot, count, checkpoint):
    """botocore's model has every field of the request and misses none that it wants."""
    job = replace(
        JOB, max_wait=7200 if spot else None, count=count, checkpoint=checkpoint, inputs=(("a", "s3://bbb/c"),)
    )
    check_job(job)
    shape = model.operation_model("CreateTrainingJob").input_shape
    assert not ParamValidator().validate(training_request(job), shape).has_errors()
    assert set(training_request(job)) <= set(shape.members)


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("name", "a_b", "is not a job's name"),
        ("name", "-a", "is not a job's name"),
        ("name", "a-", "is not a job's name"),
        ("name", "a" * 64, "is not a job's name"),
        ("name", "", "is not a job's name"),
        ("role", "arn:aws:iam::1:role/x", "no role"),
        ("role", "arn:aws:iam::111122223333:user/x", "no role"),
        ("role", "my role", "no role"),
        ("instance_type", "g5.xlarge", r"did you mean ml\.g5\.xlarge"),
        ("instance_type", "ml.g5", "trains on no type"),
        ("instance_type", "ml.g5.xlrge", r"did you mean ml\.g5\.xlarge"),
        ("instance_type", "ml.g9.xlarge", "trains on no type"),
        ("count", 0, "0 instances"),
        ("max_run", 0, "1 s to 28 days"),
        ("max_run", 28 * 86400 + 1, "1 s to 28 days"),
        ("max_wait", 3599, "--max-wait 59m59s is shorter than --max-run 1h"),
        ("output", "mine/out", "--output-path: 'mine/out' is no place in S3"),
        ("output", "s3://My_Bucket/out", "no place in S3"),
        ("output", "s3://mine/" + "x" * 1020, "no place in S3"),
        ("output", "s3://mine/a\nb", "no place in S3"),
        ("checkpoint", "https://mine/ckpt", "--checkpoint: "),
        ("checkpoint", "s3://mine/", "whole bucket"),
        ("checkpoint", "s3://mine/out", "lies within the checkpoint"),
        ("inputs", (("train", "/data"),), "train: '/data'"),
        ("inputs", (("my data", "s3://bbb/c"),), "no channel's name"),
        ("inputs", (("a", "s3://bbb"), ("a", "s3://ccc")), "--input a is given twice"),
        ("inputs", tuple((f"c{n}", "s3://bbb") for n in range(21)), "21 inputs are too many"),
        ("hyperparameters", tuple((f"k{n}", "1") for n in range(101)), "101 hyperparameters are too many"),
        ("hyperparameters", (("k" * 257, "1"),), "too long"),
        ("hyperparameters", (("k", "v" * 2501),), "too long"),
        ("hyperparameters", (("k", "1"), ("k", "2")), "--hyperparameter k is given twice"),
        ("environment", (("2A", "x"),), "no variable '2A'"),
        ("environment", (("A-B", "x"),), "no variable"),
        ("environment", (("A", "x" * 513),), "no variable 'A'"),
        ("environment", tuple((f"E{n}", "1") for n in range(101)), "101 environment are too many"),
        ("tags", (("team", "a,b"),), "no tag team=a,b"),
        ("tags", (("k" * 129, ""),), "no tag"),
        ("tags", tuple((f"k{n}", "1") for n in range(51)), "51 tags are too many"),
    ],
)
def test_what_aws_would_refuse_is_refused_here(model, field, value, rule):
    """Each rule is named in a usage error; `rule` is what it says."""
    known = model.shape_for("TrainingInstanceType").enum
    check_job(JOB, known)
    with pytest.raises(UsageError, match=rule):
        check_job(replace(JOB, **{field: value}), known)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a" * 63),
        ("name", "A--1"),
        ("max_wait", 3600),
        ("max_wait", None),
        ("max_run", 28 * 86400),
        ("role", "arn:aws-cn:iam::111122223333:role/x"),
        ("output", "s3://mine"),
        ("checkpoint", "s3://mine/out/ckpt"),
        ("checkpoint", "s3://mine/ou"),
        ("hyperparameters", (("k" * 256, "v" * 2500),)),
        ("environment", (("_A1", "two\nlines"),)),
        ("tags", (("a b", "ü/=+-@.:_"),)),
    ],
)
def test_what_aws_takes_is_taken(field, value):
    """The rules end where AWS's do."""
    job = replace(JOB, **{field: value})
    check_job(replace(job, max_wait=job.max_run) if field == "max_run" else job)


def test_an_algorithm_of_aws_waits_an_hour_without_a_checkpoint():
    """3600 s for built-in algorithms; not for the user's own image of that name, nor frameworks, nor on demand."""
    with pytest.raises(UsageError, match="--max-wait 2h: AWS's own algorithms wait at most 1h without a checkpoint"):
        check_job(replace(JOB, image=KMEANS))
    check_job(replace(JOB, image=KMEANS, max_wait=3600))
    check_job(replace(JOB, image=KMEANS, checkpoint="s3://mine/c"))
    check_job(replace(JOB, image=KMEANS, max_wait=None))
    check_job(replace(JOB, image=KMEANS.replace("382416733822", "111122223333")))
    check_job(replace(JOB, image=KMEANS.replace("kmeans", "sagemaker-xgboost")))


def test_a_volume_is_not_sized_where_there_is_none():
    """Types with NVMe drives have fixed storage (ResourceConfig, VolumeSizeInGB): a size for it is refused."""
    with pytest.raises(UsageError, match="no volume to size"):
        check_job(replace(JOB, volume_gib=100), volume_given=True)
    check_job(replace(JOB, volume_gib=100, instance_type="ml.p3.2xlarge"), volume_given=True)


NVME = "g4dn g5 g6 g6e g7 g7e p4d p4de p5 p5e p5en p6-b200 p6-b300 p6e-gb200 p3dn trn1 trn1n trn2 r5d".split()  # noqa: SIM905


def test_the_types_with_nvme_are_known(model):
    """EC2 Instance Types: of the model's families exactly these have instance storage."""
    families = {name.split(".")[1]: name for name in model.shape_for("TrainingInstanceType").enum}
    assert {family for family, name in families.items() if training.has_nvme(name)} == set(NVME)


@pytest.mark.parametrize(
    ("role", "region", "arn"),
    [
        ("Train", "us-east-1", "arn:aws:iam::111122223333:role/Train"),
        ("service-role/T", "cn-north-1", "arn:aws-cn:iam::111122223333:role/service-role/T"),
        ("T", "us-gov-west-1", "arn:aws-us-gov:iam::111122223333:role/T"),
        (ROLE, "us-east-1", ROLE),
    ],
)
def test_a_roles_name_becomes_its_arn(role, region, arn):
    """In the account and partition of the job; an ARN stays."""
    assert training.role_arn(role, "111122223333", region) == arn


NOW = datetime(2026, 11, 22, 13, 45, 1, 42_999, tzinfo=UTC)


@given(st.text(max_size=90), st.datetimes(timezones=st.just(UTC)))
def test_every_default_name_is_a_name(source, now):
    """Whatever the script is called, and it never grows over 63 characters."""
    assert training.check_job_name(default_name(source, now))


def test_default_names_tell_script_and_time():
    """The script without its ending, then UTC to the millisecond, so that two begun in one second differ."""
    assert default_name("train.py", NOW) == "train-20261122-134501-042"
    assert default_name("my_code v2", NOW) == "my-code-v2-20261122-134501-042"
    assert default_name("...", NOW) == "job-20261122-134501-042"
    assert default_name("a", NOW.replace(microsecond=43_000)) != default_name("a", NOW)


@pytest.mark.parametrize("text", ["epochs", "=3", "--epochs=3"])
def test_a_pair_has_a_key_and_a_value(text):
    """What is no KEY=VALUE is refused with an example of one."""
    with pytest.raises(UsageError) as caught:
        training.parse_pair(text, "hyperparameter", "epochs=3")
    assert "epochs=3" in caught.value.hint


def test_a_value_may_hold_anything():
    """Only the first = divides."""
    assert training.parse_pair("a=b=c", "hyperparameter", "x=1") == ("a", "b=c")


def test_a_quota_that_is_too_small_is_named():
    """Exit 4 with the quota's name, and the command that asks for more; unknown and large enough are let pass."""
    name = quota_name("ml.g5.xlarge", spot=True)
    assert name == "ml.g5.xlarge for spot training job usage"
    assert quota_name("ml.g5.xlarge", spot=False) == "ml.g5.xlarge for training job usage"
    training.check_quota(JOB, JobQuota(None, name))
    training.check_quota(JOB, JobQuota(Decimal(1), name))
    with pytest.raises(
        SpotboxError, match=r'"ml[.]g5[.]xlarge for spot training job usage" in us-east-1 is 1'
    ) as caught:
        training.check_quota(replace(JOB, count=3), JobQuota(Decimal(1), name, "L-1"))
    assert caught.value.exit_code == Exit.QUOTA
    assert caught.value.hint.endswith("--service-code sagemaker --quota-code L-1 --desired-value 3")


def test_a_job_is_recognised_in_what_aws_tells():
    """AWS tells more than was sent; what was sent must all be there."""
    asked = training_request(replace(JOB, inputs=(("a", "s3://bbb/c"),)))
    told = json.loads(json.dumps(asked))
    told["AlgorithmSpecification"]["EnableSageMakerMetricsTimeSeries"] = True
    told["InputDataConfig"][0]["CompressionType"] = "None"
    assert is_told(asked, told)
    assert not is_told(asked, {**told, "RoleArn": "arn:other"})
    assert not is_told(asked, {**told, "InputDataConfig": []})
    assert not is_told(asked, {key: value for key, value in told.items() if key != "StoppingCondition"})


def test_a_pipelines_step_is_the_same_job():
    """As the SDK writes it: version 2020-12-01, the request without its name, also among the hyperparameters."""
    job = replace(JOB, hyperparameters=(("sagemaker_job_name", '"mnist-1"'), ("sagemaker_program", '"train.py"')))
    arguments = training_request(job)
    del arguments["TrainingJobName"]
    arguments["HyperParameters"] = {"sagemaker_program": '"train.py"'}
    assert definition(job) == {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": [],
        "Steps": [{"Name": "Train", "Type": "Training", "Arguments": arguments}],
    }
    assert json.loads(definition_text(job)) == definition(job)


@pytest.mark.parametrize("name", ["", "a_b", "-a", "a" * 257])
def test_a_pipelines_name_has_a_rule(name):
    """[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}."""
    check_pipeline_name("a" * 256)
    with pytest.raises(UsageError, match="not a pipeline's name"):
        check_pipeline_name(name)
