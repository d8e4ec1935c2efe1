"""SageMaker's API without the training: refusals, lists, pipelines, quotas, prices, and logs that are not there."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from .conftest import code_of, until
from .jobs import GROUP, ROLE, Shop

SPOT = "ml.g6.xlarge for spot training job usage"


@pytest.fixture(scope="module")
def shop(sandbox):
    return Shop(sandbox, "eu-west-1")


def refusal(shop, **change):
    """Code and message of a job that is not taken; a change of None leaves a member out."""
    asked = {key: value for key, value in (shop.request("") | change).items() if value is not None}
    with pytest.raises(ClientError) as refused:
        shop.sagemaker.create_training_job(**asked)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"TrainingJobName": "no_underscore"}, "trainingJobName"),
        ({"TrainingJobName": "x" * 64}, "63"),
        ({"RoleArn": "arn:aws:iam::1:role/x" + "x" * 20}, "roleArn"),
        ({"OutputDataConfig": {"S3OutputPath": "out/put"}}, "outputDataConfig.s3OutputPath"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 60}}, "MaxWaitTimeInSeconds"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59}}, "greater than or equal"),
        ({"EnableManagedSpotTraining": False}, "MaxWaitTimeInSeconds is supported only"),
        ({"ResourceConfig": {"InstanceType": "ml.x9.large", "InstanceCount": 1, "VolumeSizeInGB": 1}}, "enum"),
        ({"ResourceConfig": None}, "ResourceConfig is required"),
        ({"HyperParameters": {f"k{n}": "v" for n in range(101)}}, "less than or equal to 100"),
        ({"HyperParameters": {"k": "v" * 2501}}, "hyperParameters"),
        ({"CheckpointConfig": {"S3Uri": "/ckpt"}}, "checkpointConfig.s3Uri"),
        ({"Environment": {"1X": "v"}}, "environment"),
    ],
)
def test_requests_that_are_refused(shop, change, said):
    """A request that breaks a rule is a ValidationException that names it, and makes no job."""
    code, message = refusal(shop, **change)
    assert code == "ValidationException"
    assert said in message


def test_data_that_is_not_there(shop):
    """AWS looks for a channel's objects when the job is created."""
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{shop.bucket}/none/"}}
    code, message = refusal(shop, InputDataConfig=[{"ChannelName": "train", "DataSource": source}])
    assert code == "ValidationException"
    assert message.startswith(f'No S3 objects found under S3 URL "s3://{shop.bucket}/none/"')
    code, message = refusal(shop, InputDataConfig=[{"ChannelName": "..", "DataSource": source}])
    assert "Channel names" in message


def test_logs_before_the_first_job(sandbox):
    """The log group does not exist before the first job of a region."""
    logs = sandbox.client("logs", "sa-east-1")
    for call in (logs.describe_log_streams, logs.filter_log_events):
        assert code_of(call, logGroupName=GROUP) == ("ResourceNotFoundException", 400)
    assert code_of(logs.get_log_events, logGroupName=GROUP, logStreamName="x")[0] == "ResourceNotFoundException"
    assert logs.describe_log_groups()["logGroups"] == []


def test_quota(shop):
    """The account's quota in instances is what a job is held against; it is listed, and can be set."""
    quotas = shop.aws.client("service-quotas", "eu-west-1")
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    rows = {row["QuotaName"]: row for page in pages for row in page["Quotas"]}
    assert len(rows) > 300
    assert rows[SPOT]["Value"] == 4
    assert rows["ml.p5.48xlarge for spot training job usage"]["Value"] == 0
    default = quotas.get_aws_default_service_quota(ServiceCode="sagemaker", QuotaCode=rows[SPOT]["QuotaCode"])
    assert default["Quota"]["Value"] == 0
    resources = {"InstanceType": "ml.g6.xlarge", "InstanceCount": 3}
    shop.aws.control("quota", code=SPOT, value=2, region="eu-west-1")
    told = quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode=rows[SPOT]["QuotaCode"])["Quota"]
    assert (told["Value"], told["ServiceCode"], told["QuotaName"]) == (2, "sagemaker", SPOT)
    code, message = refusal(shop, ResourceConfig=resources)
    shop.aws.control("quota", code=SPOT, value=4, region="eu-west-1")
    assert code == "ResourceLimitExceeded"
    expected = f"The account-level service limit '{SPOT}' is 2 Instances, with current utilization of 0 Instances"
    assert message.startswith(f"{expected} and a request delta of 3 Instances.")
    with pytest.raises(Exception, match=r"did you mean ml\.g6\.xlarge for spot"):
        shop.aws.control("quota", code="ml.g6.xlarge for spot training jobs", value=1)
    assert code_of(quotas.get_service_quota, ServiceCode="ec2", QuotaCode=rows[SPOT]["QuotaCode"])[0] == (
        "NoSuchResourceException"
    )


def test_prices(sandbox):
    """Training costs more than EC2's own hour; other uses of the machine are rows of their own."""
    pricing = sandbox.client("pricing")
    filters = [
        {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"},
        {"Type": "TERM_MATCH", "Field": "instanceName", "Value": "ml.g5.2xlarge"},
    ]
    found = pricing.get_products(ServiceCode="AmazonSageMaker", Filters=filters)["PriceList"]
    rows = {row["product"]["attributes"]["component"]: row for row in map(json.loads, found)}
    assert {"Training", "Hosting", "Processing"} <= rows.keys()
    training = rows["Training"]["product"]["attributes"]
    assert training["usagetype"] == "USE1-Train:ml.g5.2xlarge"
    assert training["instanceType"] == "ml.g5.2xlarge-Training"
    (term,) = rows["Training"]["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    assert dimension["pricePerUnit"]["USD"] == "1.5150000000"
    filters[1] = {"Type": "TERM_MATCH", "Field": "usagetype", "Value": "EU-Train:ml.g5.xlarge"}
    filters[0]["Value"] = "eu-west-1"
    assert len(pricing.get_products(ServiceCode="AmazonSageMaker", Filters=filters)["PriceList"]) == 1


def test_lists(shop):
    """StatusEquals is applied after MaxResults has cut the list; names are unique; what is not there is a refusal."""
    names = [f"listed-{number}" for number in range(3)]
    for name in names:
        shop.create("import sys\nsys.exit(3)\n" if name == names[2] else "", name=name)
        time.sleep(0.002)
    for name in names:
        shop.ended(name)
    call = shop.sagemaker.list_training_jobs
    newest = [
        row["TrainingJobName"] for row in call(SortOrder="Descending", NameContains="ISTED")["TrainingJobSummaries"]
    ]
    assert newest == names[::-1]
    first = call(NameContains="listed", MaxResults=2, SortBy="Name", StatusEquals="Failed")
    assert (first["TrainingJobSummaries"], "NextToken" in first) == ([], True)
    second = call(
        NameContains="listed", MaxResults=2, SortBy="Name", StatusEquals="Failed", NextToken=first["NextToken"]
    )
    assert [row["TrainingJobName"] for row in second["TrainingJobSummaries"]] == [names[2]]
    created = shop.job(names[1])["CreationTime"]
    after = call(CreationTimeAfter=created, NameContains="listed")["TrainingJobSummaries"]
    assert [row["TrainingJobName"] for row in after] == [names[2]]
    assert refusal(shop, TrainingJobName=names[0])[0] == "ResourceInUse"
    assert code_of(shop.sagemaker.describe_training_job, TrainingJobName="nobody") == ("ValidationException", 400)
    assert code_of(shop.sagemaker.stop_training_job, TrainingJobName="nobody") == ("ValidationException", 400)


def definition(shop, *scripts):
    """Steps one after the other, the second told of the first's model."""
    steps, before = [], []
    for number, script in enumerate(scripts):
        asked = shop.request(script)
        del asked["TrainingJobName"]
        asked["HyperParameters"]["epochs"] = {"Get": "Parameters.Epochs"}
        if before:
            asked["HyperParameters"]["base"] = {"Get": f"Steps.{before[-1]}.ModelArtifacts.S3ModelArtifacts"}
        steps.append({"Name": f"step{number}", "Type": "Training", "Arguments": asked, "DependsOn": before[-1:]})
        before.append(f"step{number}")
    known = [{"Name": "Epochs", "Type": "String", "DefaultValue": "1"}]
    return json.dumps({"Version": "2020-12-01", "Metadata": {}, "Parameters": known, "Steps": steps})


def test_pipelines(shop):
    """Each Training step runs as a job of its own, in order; a step that fails ends the execution."""
    client, script = shop.sagemaker, "import sys\nprint('args', sys.argv[1:])\n"
    asked = {"PipelineName": "Two-Steps", "RoleArn": ROLE}
    arn = client.create_pipeline(**asked, PipelineDefinition=definition(shop, script, script))["PipelineArn"]
    assert arn.endswith(":pipeline/two-steps")
    with pytest.raises(ClientError) as taken:
        client.create_pipeline(**asked, PipelineDefinition=definition(shop, script))
    assert "Pipeline names must be unique within" in taken.value.response["Error"]["Message"]
    parameters = [{"Name": "Epochs", "Value": "9"}]
    run = client.start_pipeline_execution(PipelineName="Two-Steps", PipelineParameters=parameters)
    execution = {"PipelineExecutionArn": run["PipelineExecutionArn"]}

    def status():
        return client.describe_pipeline_execution(**execution)["PipelineExecutionStatus"]

    assert until(lambda: status() != "Executing", 30)
    assert status() == "Succeeded"
    steps = client.list_pipeline_execution_steps(**execution, SortOrder="Ascending")["PipelineExecutionSteps"]
    assert [(step["StepName"], step["StepStatus"]) for step in steps] == [
        ("step0", "Succeeded"),
        ("step1", "Succeeded"),
    ]
    assert steps[0]["EndTime"] <= steps[1]["StartTime"]
    first, second = (step["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2] for step in steps)
    identity = run["PipelineExecutionArn"].rpartition("/")[2]
    assert first.startswith(f"pipelines-{identity}-step0-")
    assert "args ['--epochs', '9']" in shop.lines(first)
    model = shop.job(first)["ModelArtifacts"]["S3ModelArtifacts"]
    assert f"args ['--base', '{model}', '--epochs', '9']" in shop.lines(second)
    client.update_pipeline(PipelineName="Two-Steps", PipelineDefinition=definition(shop, "raise SystemExit(2)", script))
    execution["PipelineExecutionArn"] = client.start_pipeline_execution(PipelineName=arn)["PipelineExecutionArn"]
    assert until(lambda: status() == "Failed", 30)
    (only,) = client.list_pipeline_execution_steps(**execution)["PipelineExecutionSteps"]
    assert (only["StepName"], only["StepStatus"]) == ("step0", "Failed")
    assert only["FailureReason"].startswith("AlgorithmError")
    assert client.describe_pipeline(PipelineName="two-steps")["PipelineStatus"] == "Active"


def test_pipelines_that_are_refused(shop):
    """A definition that is no JSON, of another version, or with steps of another kind is a ValidationException."""
    good = json.loads(definition(shop, ""))
    bad = [
        "{",
        json.dumps({**good, "Version": "1"}),
        json.dumps({**good, "Steps": []}),
        json.dumps({**good, "Steps": [{"Name": "x", "Type": "Processing", "Arguments": {}}]}),
        json.dumps({**good, "Steps": [{**good["Steps"][0], "DependsOn": ["nobody"]}]}),
    ]
    for text in bad:
        given = {"PipelineName": "bad", "RoleArn": ROLE, "PipelineDefinition": text}
        assert code_of(shop.sagemaker.create_pipeline, **given)[0] == "ValidationException"
    for call in (shop.sagemaker.describe_pipeline, shop.sagemaker.start_pipeline_execution):
        assert code_of(call, PipelineName="nobody")[0] == "ResourceNotFound"
