"""`train` against a sandbox over HTTP: real scripts in real processes, interrupted, resumed, left alone, stopped."""

import io
import json
import re
import signal
import subprocess
import tarfile

import pexpect
import pytest

from tests.e2e import training_session
from tests.e2e.conftest import SPOTBOX, needs_ssh

SCRIPT = """
import argparse, json, os, pathlib, time
parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=6)
parser.add_argument("--pause", type=float, default=0.4)
parser.add_argument("--rest", default="")  # after these steps it waits to be interrupted
asked = parser.parse_args()
saved = pathlib.Path("/opt/ml/checkpoints/state.json")
if not saved.parent.is_dir():  # a system that lets the sandbox give no /opt/ml
    saved = pathlib.Path(os.environ["SM_MODEL_DIR"]).parent / "checkpoints" / "state.json"
state = json.loads(saved.read_text()) if saved.exists() else {"step": 0, "sum": 0.0}
print("host", os.environ["SM_CURRENT_HOST"], "starts at step", state["step"], flush=True)
while state["step"] < asked.steps:
    time.sleep(asked.pause)
    state = {"step": state["step"] + 1, "sum": state["sum"] + 1 / (state["step"] + 1)}
    if saved.parent.is_dir():
        saved.with_suffix(".new").write_text(json.dumps(state))
        saved.with_suffix(".new").replace(saved)
    print("step", state["step"], flush=True)
    if str(state["step"]) in asked.rest.split("-"):
        time.sleep(600)
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(state))
"""
GIVEN = ("--role", "R", "--image", "pytorch", "--output-path", "s3://mine/out", "-t", "ml.g5.xlarge", "-y")
KEYS = ["name", "status", "secondary_status", "training_seconds", "billable_seconds", "savings_pct", "cost_usd",
        "model", "reason"]  # fmt: skip


@pytest.fixture(scope="module")
def there(here):
    """The sandbox of this module, with a script in the user's folder."""
    (here.home / "fit.py").write_text(SCRIPT)
    return here


def follow(here, *args):
    """A `train` that runs beside the test, its log on stdout line by line."""
    return subprocess.Popen(
        [SPOTBOX, "--sandbox", "train", *args], env=here.env, cwd=here.home, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def until(lines, words):
    """Read lines up to the one with these words; all of them."""
    read = []
    for line in lines:
        read.append(line.rstrip("\n"))
        if words in line:
            return read
    raise AssertionError(f"no {words!r} in {read}")


def model(here, uri):
    """What the script left in its model.json."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = here.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return tar.extractfile("model.json").read()


def test_interrupted_twice_and_done_all_the_same(there):
    """It resumes from its checkpoint each time and ends with the same model as one that was left in peace; the savings
    line is the arithmetic of the seconds that an independent client is told."""
    long = ("--hyperparameter", "steps=20")
    rests = ("--hyperparameter", "rest=2-5")
    job = follow(there, "fit.py", *GIVEN, *long, *rests, "--checkpoint", "s3://mine/ck", "--name", "twice")
    out = until(job.stdout, "step 2")
    there.run("sandbox", "interrupt", "twice")
    out += until(job.stdout, "step 5")
    there.run("sandbox", "interrupt", "twice")
    rest, err = job.communicate(timeout=240)
    assert job.returncode == 0, err
    out += rest.splitlines()
    assert "the bucket mine, which the sandbox has not yet" in err
    starts = [int(line.rsplit(" ")[-1]) for line in out if "starts at step" in line]
    assert (len(starts), starts[0]) == (3, 0)
    assert 1 <= starts[1] < starts[2]
    assert [line.split()[1] for line in err.splitlines() if " Interrupted " in line] == ["Interrupted"] * 2

    calm = there.json("train", "fit.py", *GIVEN, *long, "--hyperparameter", "pause=0.01")
    told = there.client("sagemaker").describe_training_job(TrainingJobName="twice")
    assert model(there, told["ModelArtifacts"]["S3ModelArtifacts"]) == model(there, calm["model"])
    training, billable = told["TrainingTimeInSeconds"], told["BillableTimeInSeconds"]
    assert 0 < billable < training
    end = dict(line.split(": ", 1) for line in out if ": " in line)
    assert (end["training seconds"], end["billable seconds"]) == (str(training), str(billable))
    assert end["managed spot training savings"] == f"{(training - billable) * 100 / training + 1e-9:.1f}%"

    once = there.json("train", "status", "twice")
    assert list(once) == KEYS
    listed = there.json("train", "list")
    assert [one["name"] for one in listed] == [calm["name"], "twice"]
    assert once == listed[1]
    assert f"{once['cost_usd']:.4f}" in end["cost"]
    again = there.sandbox("train", "fit.py", *GIVEN, "--checkpoint", "s3://mine/ck", code=2)
    assert "--resume" in again.stderr


def test_ctrl_c_leaves_it_alone(there):
    """In a real terminal: the live line, Ctrl-C, 130, the last lines; the job goes on, is followed and stopped."""
    child = pexpect.spawn(
        str(SPOTBOX), ["--sandbox", "train", "fit.py", *GIVEN[:-1], "--name", "long", "--hyperparameter", "steps=900"],
        env=there.env, cwd=str(there.home), dimensions=(40, 80), timeout=60, encoding="utf-8",
    )  # fmt: skip
    child.expect("Go ahead")
    child.send("\r")
    child.expect("step 3")
    child.expect(r"Training: run \d+s of 1d, in all \d+s of 2d, at most \$\d")
    child.sendintr()
    child.expect("detached; long goes on")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert "spotbox --sandbox train status long --follow" in re.sub(r"\r\n", "", child.before)
    assert there.json("train", "status", "long")["status"] == "InProgress"
    followed = follow(there, "status", "long", "--follow")
    until(followed.stdout, "step 5")
    followed.send_signal(signal.SIGTERM)
    assert followed.wait(60) == 130
    followed.communicate()
    stopped = there.json("train", "stop", "long")
    assert (stopped["status"], stopped["training_seconds"] > 0) == ("Stopped", True)
    assert there.json("train", "stop", "long") == stopped


@pytest.mark.slow
def test_two_instances_and_a_failure(there):
    """Both processes' logs, told apart; a script that fails is exit 1 with AWS's reason and its own log."""
    said = there.sandbox("train", "fit.py", *GIVEN, "--count", "2", "--hyperparameter", "steps=1")
    hosts = {line.split(" | ")[0] for line in said.stdout.splitlines() if " | host algo-" in line}
    assert hosts == {"algo-1", "algo-2"}
    (there.home / "bad").mkdir()
    (there.home / "bad" / "train.py").write_text("print('about to', flush=True)\nraise SystemExit(7)\n")
    said = there.sandbox("train", "./bad", *GIVEN, "-o", "json", code=1)
    assert json.loads(said.stdout)["status"] == "Failed"
    assert "\nabout to\n" in said.stderr
    assert "AlgorithmError" in said.stderr.splitlines()[-2]


@pytest.mark.slow
def test_as_a_step_and_as_a_pipeline(there):
    """The definition that `--as-step` writes is taken by the API as it stands; `--pipeline` runs it to the end."""
    step = there.sandbox("train", "fit.py", *GIVEN, "--as-step", "--hyperparameter", "steps=1").stdout
    sagemaker = there.client("sagemaker")
    sagemaker.create_pipeline(
        PipelineName="by-hand", PipelineDefinition=step, ClientRequestToken="t" * 32,
        RoleArn="arn:aws:iam::123456789012:role/R",
    )  # fmt: skip
    done = there.json("train", "fit.py", *GIVEN, "--pipeline", "nightly", "--hyperparameter", "steps=1")
    assert done["status"] == "Completed"
    assert done["name"].startswith("pipelines-")
    names = {one["PipelineName"] for one in sagemaker.list_pipelines()["PipelineSummaries"]}
    assert names == {"by-hand", "nightly"}


@pytest.mark.slow
def test_no_capacity(there):
    """A closed pool is a job that waits, with AWS's words, until --max-wait: exit 3."""
    for zone in "abcdef":
        there.run("sandbox", "capacity", "g5.xlarge", f"us-east-1{zone}", "closed", code=None)
    said = there.sandbox("train", "fit.py", *GIVEN, "--max-run", "5s", "--max-wait", "6s", code=3)
    assert "Insufficient capacity error" in said.stderr
    assert "--max-wait (6s)" in said.stderr
    for zone in "abcdef":
        there.run("sandbox", "capacity", "g5.xlarge", f"us-east-1{zone}", "open", code=None)


@pytest.mark.slow
def test_an_outage(there):
    """AWS is away for a while: said once, and the job, which goes on from its checkpoint, is seen to its end."""
    job = follow(there, "fit.py", *GIVEN, "--checkpoint", "s3://mine/away", "--hyperparameter", "steps=30")
    out = until(job.stdout, "step 3")
    there.run("sandbox", "stop")
    said = until(job.stderr, "AWS does not answer")
    there.run("sandbox", "start")
    rest, err = job.communicate(timeout=120)
    assert job.returncode == 0, err
    assert "AWS answers again" in err
    assert "AWS does not answer" not in err
    assert [line for line in said if " Training " in line]
    assert [line for line in (*out, *rest.splitlines()) if line.startswith("step ")][-1] == "step 30"


@pytest.mark.slow
def test_the_readmes_session_is_real(fresh):
    """What the README shows is what the program prints, but for times, prices and the step at which AWS took it."""
    assert training_session.plain(training_session.perform(fresh)) == training_session.plain(training_session.shown())


@needs_ssh
@pytest.mark.slow
def test_from_a_box(there):
    """On a box's shell, with nothing but the instance's role: the same command, region and owner found by itself."""
    iam = there.client("iam")
    iam.create_role(RoleName="trainer", AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName="trainer")
    iam.add_role_to_instance_profile(InstanceProfileName="trainer", RoleName="trainer")
    there.client("s3").create_bucket(Bucket="mine")
    there.sandbox("up", "-y", "--iam-profile", "trainer", "-t", "g4dn.xlarge", timeout=180)
    there.sandbox("ssh", "--", "cat > fit.py", stdin=SCRIPT)
    words = " ".join(("train", "fit.py", *GIVEN, "--name", "from-box", "--hyperparameter", "steps=1"))
    said = there.sandbox("ssh", "--", f"spotbox {words}", timeout=180)
    assert "from-box: Completed" in said.stdout
    tags = there.client("sagemaker").list_tags(
        ResourceArn="arn:aws:sagemaker:us-east-1:123456789012:training-job/from-box"
    )["Tags"]
    assert {"spotbox:owner", "spotbox:name"} <= {tag["Key"] for tag in tags}
    there.sandbox("down", "-y")
