"""Training jobs over HTTP: the script in real processes, interrupted, stopped, failing; what AWS would tell of it."""

import json
import os
import subprocess
import sys

import pytest

from .conftest import code_of, until
from .jobs import COUNT, GROUP, Shop, archive, path_of, unpacked

WHOLE = ["Starting", "Downloading", "Training", "Uploading", "Completed"]


@pytest.fixture(scope="module")
def shop(sandbox):
    sandbox.control("quota", code="ml.g5.xlarge for spot training job usage", value=20)
    return Shop(sandbox)


def steps(shop, number, nap, where, **more):
    """Hyperparameters and checkpoint of a counting job."""
    return {
        "HyperParameters": {"steps": str(number), "nap": str(nap), **more},
        "CheckpointConfig": {"S3Uri": f"s3://{shop.bucket}/{where}"},
    }


def test_a_job_that_is_interrupted_twice_ends_as_one_that_is_not(shop):
    """It goes on from its checkpoint each time, ends with the same model, and pays for less than it held."""
    plain = shop.create(COUNT, **steps(shop, 100, 0.001, "plain"))
    name = shop.create(COUNT, **steps(shop, 100, 0.05, "twice", rest="10-30"))  # 5 s: seconds are told whole
    for at in (10, 30):
        assert shop.says(name, f"step {at}")
        assert shop.aws.control("interrupt", box=name, notice=0.5)["kind"] == "job"
        shop.reached(name, "Interrupted", "Starting")
    done, whole = shop.ended(name), shop.ended(plain)
    again = ["Starting", "Downloading", "Training", "Interrupted"]
    assert path_of(done) == [*again, *again, *WHOLE]
    assert path_of(whole) == WHOLE
    assert shop.model(done) == shop.model(whole) != {}
    assert done["BillableTimeInSeconds"] < done["TrainingTimeInSeconds"]
    resumed = [line for line in shop.lines(name) if line.startswith("resumed at step")]
    assert len(resumed) == 2
    assert int(resumed[0].split()[-1]) >= 10
    assert int(resumed[1].split()[-1]) >= 30
    assert len(shop.streams(name)) == 3  # a stream for each start
    times = [(row["StartTime"], row["EndTime"]) for row in done["SecondaryStatusTransitions"]]
    assert all(begin <= end for begin, end in times)
    assert [end for _, end in times[:-1]] == [begin for begin, _ in times[1:]]
    assert "state.json" in shop.keys("twice/")


def test_script_mode(shop):
    """A script finds arguments, variables, data and configuration as in AWS's framework images, and nothing else."""
    script = """
import json, os, sys
print(json.dumps([sys.argv, dict(os.environ), os.getcwd()]))
data = os.environ["SM_CHANNEL_TRAIN"]
print(sorted(os.listdir(data)), open(os.path.join(data, "a", "b.txt")).read())
for name in ("hyperparameters", "resourceconfig", "inputdataconfig"):
    print(open(os.path.join(os.environ["SM_INPUT_CONFIG_DIR"], name + ".json")).read())
open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "loss.txt"), "w").write("0.1")
"""
    shop.put("data/a/b.txt", "bytes of b")
    shop.put("data/c.txt", "c")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{shop.bucket}/data/"}
    more = {
        "code": archive(train__py=script, requirements__txt="numpy\n"),
        "HyperParameters": {"lr": "0.1", "epochs": "3", "b": '"x y"', "flag": "true"},
        "Environment": {"MINE": "yes", "AWS_REGION": "eu-west-3"},
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        "Tags": [{"Key": "team", "Value": "a"}],
    }
    job = shop.run(spot=False, **more)
    assert job["TrainingJobStatus"] == "Completed", job
    assert job["TrainingTimeInSeconds"] == job["BillableTimeInSeconds"] >= 1  # on demand
    lines = shop.lines(job["TrainingJobName"])
    assert any("requirements.txt is not installed" in line for line in lines)
    argv, env, cwd = json.loads(next(line for line in lines if line.startswith("[[")))
    assert argv == ["train.py", "-b", "x y", "--epochs", "3", "--flag", "True", "--lr", "0.1"]
    assert cwd.endswith("/ml/code")
    assert json.loads(env["SM_HPS"]) == {"b": "x y", "epochs": 3, "flag": True, "lr": 0.1}
    assert (env["SM_HP_EPOCHS"], env["SM_NUM_GPUS"], env["SM_CHANNELS"]) == ("3", "1", '["train"]')
    assert json.loads(env["SM_USER_ARGS"]) == argv[1:]
    assert (env["MINE"], env["AWS_REGION"]) == ("yes", "eu-west-3")
    assert (env["TRAINING_JOB_NAME"], env["SM_CURRENT_HOST"]) == (job["TrainingJobName"], "algo-1")
    assert env["AWS_ENDPOINT_URL"] == shop.aws.endpoint.url
    assert not {name for name in env if name.startswith(("SPOTBOX", "SSH_", "USER", "LOGNAME", "PYTEST"))}
    assert "['a', 'c.txt'] bytes of b" in lines
    assert '"epochs": "3"' in "".join(lines)
    output = shop.get(f"s3://{shop.bucket}/out/{job['TrainingJobName']}/output/output.tar.gz")
    assert unpacked(output) == {"loss.txt": b"0.1"}
    arn = job["TrainingJobArn"]
    shop.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "b"}, {"Key": "x", "Value": ""}])
    tags = shop.sagemaker.list_tags(ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "team", "Value": "b"}, {"Key": "x", "Value": ""}]


def test_two_instances(shop):
    """Each instance is a process with a stream, a rank and the names of all; their models become one archive."""
    script = """
import json, os, socket
host, rank = os.environ["SM_CURRENT_HOST"], int(os.environ["RANK"])
port = int(os.environ["MASTER_PORT"])
if rank == 0:
    with socket.create_server(("127.0.0.1", port)) as server:
        print("heard", server.accept()[0].recv(99).decode())
else:
    import time
    for _ in range(200):
        try:
            with socket.create_connection((os.environ["MASTER_ADDR"], port)) as link:
                link.sendall(host.encode())
            break
        except OSError:
            time.sleep(0.05)
config = json.load(open(os.path.join(os.environ["SM_INPUT_CONFIG_DIR"], "resourceconfig.json")))
print(host, rank, os.environ["WORLD_SIZE"], os.environ["LOCAL_RANK"], config["current_host"], config["hosts"])
open(os.path.join(os.environ["SM_MODEL_DIR"], host), "w").write(host)
"""
    resources = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 5}
    job = shop.run(script, ResourceConfig=resources, HyperParameters={"sagemaker_torch_distributed_enabled": "true"})
    assert job["TrainingJobStatus"] == "Completed", (job, shop.lines(job["TrainingJobName"]))
    lines = shop.lines(job["TrainingJobName"])
    assert "heard algo-2" in lines
    assert "algo-1 0 2 0 algo-1 ['algo-1', 'algo-2']" in lines
    assert "algo-2 1 2 0 algo-2 ['algo-1', 'algo-2']" in lines
    assert shop.model(job) == {"algo-1": b"algo-1", "algo-2": b"algo-2"}
    hosts = {name.rpartition("/")[2].rpartition("-")[0] for name in shop.streams(job["TrainingJobName"])}
    assert hosts == {"algo-1", "algo-2"}


def test_scripts_that_fail(shop):
    """FailureReason has the exit code and the end of stderr, or what the script wrote to output/failure."""
    names = {
        "raises": shop.create("print('out')\nraise ValueError('no such thing')\n"),
        "says": shop.create(
            "import os, sys\nopen(os.path.join(os.environ['SM_OUTPUT_DIR'], 'failure'), 'w').write('of my own')\n"
            "sys.exit(7)\n"
        ),
        "missing": shop.create(code=archive(other__py="")),
        "outside": shop.create("", HyperParameters={"sagemaker_program": "../../../x.py"}),
        "killed": shop.create("import os\nos.kill(os.getpid(), 9)\n", spot=False),
    }
    ended = {what: shop.ended(name) for what, name in names.items()}
    assert {(job["TrainingJobStatus"], path_of(job)[-1]) for job in ended.values()} == {("Failed", "Failed")}
    reason = ended["raises"]["FailureReason"]
    assert reason.startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage ")
    assert "ValueError: no such thing" in reason
    assert reason.endswith("exit code: 1")
    assert "ModelArtifacts" not in ended["raises"]
    assert ended["says"]["FailureReason"] == "AlgorithmError: of my own, exit code: 7"
    for what in ("missing", "outside"):
        assert "is not in the code archive" in ended[what]["FailureReason"]
    assert "ExitCode 137" in ended["killed"]["FailureReason"]


def test_output_without_end(shop):
    """An endless line and ten megabytes of lines leave a bounded log, and the end of them is in it."""
    script = """
import sys
chunk = "x" * 1_000_000
for _ in range(5):
    sys.stdout.write(chunk)
print()
row = "y" * 99 + "\\n"
for _ in range(10):
    sys.stdout.write(row * 10_000)
print("the last line")
"""
    job = shop.run(script)
    assert job["TrainingJobStatus"] == "Completed", job
    (stream,) = shop.streams(job["TrainingJobName"])
    lines = shop.lines(job["TrainingJobName"])
    assert lines[-1] == "the last line"
    assert any("lines were left out" in line for line in lines)
    assert sum(map(len, lines)) < 4_000_000
    assert max(map(len, lines)) < 10_000
    tokens, first = set(), None
    while True:  # page by page, as `aws logs` does: the same token comes back at the end
        page = shop.logs.get_log_events(
            logGroupName=GROUP,
            logStreamName=stream,
            startFromHead=True,
            limit=5000,
            **({"nextToken": first} if first else {}),
        )
        first = page["nextForwardToken"]
        if first in tokens:
            break
        tokens.add(first)
    assert page["events"] == []
    tail = shop.logs.get_log_events(logGroupName=GROUP, logStreamName=stream, limit=2)
    assert [event["message"] for event in tail["events"]][-1] == "the last line"
    back = shop.logs.get_log_events(
        logGroupName=GROUP, logStreamName=stream, limit=3, nextToken=tail["nextBackwardToken"]
    )
    assert len(back["events"]) == 3


def test_stop(shop):
    """SIGTERM first: what the script then saves is uploaded, and the job is Stopped; a second stop is refused."""
    script = """
import os, signal, sys, time
def leave(*_):
    open(os.path.join(os.environ["SM_MODEL_DIR"], "saved"), "w").write("in time")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready")
time.sleep(60)
"""
    name = shop.create(script)
    deaf = shop.create("import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('ready')\ntime.sleep(60)\n")
    for one in (name, deaf):
        assert shop.says(one, "ready")
        shop.sagemaker.stop_training_job(TrainingJobName=one)
        assert shop.job(one)["TrainingJobStatus"] in ("Stopping", "Stopped")
    job = shop.ended(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert path_of(job)[-3:] == ["Stopping", "Uploading", "Stopped"]
    assert shop.model(job) == {"saved": b"in time"}
    assert shop.ended(deaf)["TrainingJobStatus"] == "Stopped"
    assert code_of(shop.sagemaker.stop_training_job, TrainingJobName=name) == ("ValidationException", 400)


def test_no_capacity_and_no_time(aws):
    """Closed in every zone it waits, and says so, until MaxWaitTime; a run too long is MaxRuntimeExceeded."""
    shop = Shop(aws)
    long = shop.create("import time\ntime.sleep(60)\n", StoppingCondition={"MaxRuntimeInSeconds": 1}, spot=False)
    zones = [z["ZoneName"] for z in aws.ec2.describe_availability_zones()["AvailabilityZones"]]
    for zone in zones:
        if zone in {
            row["Location"]
            for row in aws.ec2.describe_instance_type_offerings(
                LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["g6.xlarge"]}]
            )["InstanceTypeOfferings"]
        }:
            aws.control("capacity", type="g6.xlarge", zone=zone, state="closed")
    resources = {"InstanceType": "ml.g6.xlarge", "InstanceCount": 1}
    times = {"MaxRuntimeInSeconds": 2, "MaxWaitTimeInSeconds": 2}
    name = shop.create("", ResourceConfig=resources, StoppingCondition=times)
    text = "Insufficient capacity error from EC2 while launching instances, retrying!"
    assert until(lambda: shop.job(name)["SecondaryStatusTransitions"][0]["StatusMessage"] == text)
    patient = shop.create("print('at last')", ResourceConfig=resources)
    job = shop.ended(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert path_of(job) == ["Starting", "Stopping", "MaxWaitTimeExceeded"]
    assert not {"TrainingStartTime", "TrainingTimeInSeconds", "BillableTimeInSeconds"} & job.keys()
    aws.control("capacity", type="g6.xlarge", zone=aws.control("status")["closed"][0]["zone"], state="open")
    assert shop.ended(patient)["TrainingJobStatus"] == "Completed"
    job = shop.ended(long)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert path_of(job) == ["Starting", "Downloading", "Training", "Uploading", "MaxRuntimeExceeded"]


def said(shop, name, code=0):
    """What `spotbox sandbox interrupt` says."""
    env = {**os.environ, "SPOTBOX_HOME": str(shop.aws.home.parent)}
    command = [sys.executable, "-m", "spotbox", "sandbox", "interrupt", name]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout or done.stderr


def test_interrupt_by_name(shop):
    """A job is named as a box is; one that has no machines or is on demand cannot be interrupted, and that is said."""
    spot = shop.create("import time\nprint('ready')\ntime.sleep(60)\n")
    paid = shop.create("import time\nprint('ready')\ntime.sleep(60)\n", spot=False)
    for name in (spot, paid):
        assert shop.says(name, "ready")
    zone = next(row["zone"] for row in shop.aws.control("status")["jobs"] if row["name"] == spot)
    shop.aws.control("capacity", type="g5.xlarge", zone=zone, state="closed", interrupt=True)
    assert until(lambda: len(shop.streams(spot)) == 2)  # it has gone to another zone
    rows = {row["name"]: row for row in shop.aws.control("status")["jobs"]}
    assert (rows[spot]["zone"] != zone, rows[spot]["interruptions"], rows[paid]["interruptions"]) == (True, 1, 0)
    shop.aws.control("capacity", type="g5.xlarge", zone=zone, state="open")
    shop.reached(spot, "Training")
    assert said(shop, spot).startswith(f"AWS takes the machines of the training job {spot} back in ")
    assert until(lambda: len(shop.streams(spot)) == 3)
    assert "no name of a box" in said(shop, "../x", code=2)
    with pytest.raises(Exception, match="on-demand training job"):
        shop.aws.control("interrupt", box=paid)
    with pytest.raises(Exception, match=f"did you mean {spot}"):
        shop.aws.control("interrupt", box=f"{spot}x")
    for name in (spot, paid):
        shop.sagemaker.stop_training_job(TrainingJobName=name)
        shop.ended(name)
    with pytest.raises(Exception, match="nor a training job"):
        shop.aws.control("interrupt", box=spot)
