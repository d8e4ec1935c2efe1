"""What the tests of training jobs share: scripts, code archives, and a client that creates jobs and waits."""

import io
import tarfile
import time
import uuid
from collections.abc import Callable
from typing import Any

from .conftest import Aws

ROLE = "arn:aws:iam::123456789012:role/training"
GROUP = "/aws/sagemaker/TrainingJobs"
OVER = ("Completed", "Failed", "Stopped")

# A training whose result depends on every step: it counts, keeps a checkpoint of each step, and goes on from one.
COUNT = """
import argparse, hashlib, json, os, pathlib, time
parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int)
parser.add_argument("--nap", type=float)
parser.add_argument("--rest", default="")  # after these steps it waits to be interrupted
asked = parser.parse_args()
path = pathlib.Path(os.environ.get("SM_CHECKPOINT_DIR", "/opt/ml/checkpoints"), "state.json")
state = {"step": 0, "digest": ""}
if path.exists():
    state = json.loads(path.read_text())
    print("resumed at step", state["step"])
path.parent.mkdir(exist_ok=True)
while state["step"] < asked.steps:
    state["digest"] = hashlib.sha256(f"{state['digest']}{state['step']}".encode()).hexdigest()
    state["step"] += 1
    new = path.with_name("state.new")
    new.write_text(json.dumps(state))
    os.replace(new, path)
    print("step", state["step"])
    time.sleep(600 if str(state["step"]) in asked.rest.split("-") else asked.nap)
pathlib.Path(os.environ["SM_MODEL_DIR"], "digest").write_text(state["digest"])
"""


def wait(look: Callable[[], Any], seconds: float) -> Any:
    """What `look` gives once it gives anything, or what it gave last; every look is a call, so there are few."""
    end, late = time.monotonic() + seconds, False
    while not (found := look()) and not late:
        time.sleep(0.15)
        late = time.monotonic() > end
    return found


def archive(**files: str) -> bytes:
    """A code archive; double underscores in names stand for dots, and for slashes where there are three."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("___", "/").replace("__", "."))
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


class Shop:
    """SageMaker, its logs and a bucket in one region of a sandbox."""

    def __init__(self, aws: Aws, region: str = "us-east-1"):
        self.aws = aws
        self.sagemaker = aws.client("sagemaker", region)
        self.logs = aws.client("logs", region)
        self.s3 = aws.client("s3", s3={"addressing_style": "path"})
        self.bucket = f"b-{uuid.uuid4().hex}"
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, key: str, body: bytes | str) -> str:
        """An object; gives its URI."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def get(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        rows = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return [row["Key"].removeprefix(prefix) for row in rows]

    def request(self, script: str = "", name: str | None = None, spot: bool = True, **more: Any) -> dict[str, Any]:
        """CreateTrainingJob's arguments; `more` replaces members, hyperparameters are added to those of script mode."""
        code = more.pop("code", None) or archive(train__py=script)
        given = {
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": f'"{self.put(f"code/{uuid.uuid4().hex}/sourcedir.tar.gz", code)}"',
        }
        asked = {
            "TrainingJobName": name or f"job-{uuid.uuid4().hex[:8]}",
            "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out"},
            "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 120} | ({"MaxWaitTimeInSeconds": 240} if spot else {}),
            "EnableManagedSpotTraining": spot,
            **more,
        }
        asked["HyperParameters"] = given | more.get("HyperParameters", {})
        return asked

    def create(self, script: str = "", **more: Any) -> str:
        """A new job; gives its name."""
        asked = self.request(script, **more)
        self.sagemaker.create_training_job(**asked)
        return asked["TrainingJobName"]

    def job(self, name: str) -> dict[str, Any]:
        return self.sagemaker.describe_training_job(TrainingJobName=name)

    def reached(self, name: str, *secondary: str, seconds: float = 90) -> dict[str, Any]:
        """The job once it is in one of these secondary statuses."""
        assert wait(lambda: self.job(name)["SecondaryStatus"] in secondary, seconds), self.job(name)
        return self.job(name)

    def ended(self, name: str, seconds: float = 120) -> dict[str, Any]:
        """The job once it is over."""
        assert wait(lambda: self.job(name)["TrainingJobStatus"] in OVER, seconds), self.job(name)
        return self.job(name)

    def run(self, script: str = "", **more: Any) -> dict[str, Any]:
        """A job from its begin to its end."""
        return self.ended(self.create(script, **more))

    def streams(self, name: str) -> list[str]:
        try:
            found = self.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")
        except self.logs.exceptions.ResourceNotFoundException:  # before the first job there is no group
            return []
        return [row["logStreamName"] for row in found["logStreams"]]

    def lines(self, name: str) -> list[str]:
        """The whole output of a job, through all pages."""
        found, token = [], None
        while True:
            more = {"nextToken": token} if token else {}
            reply = self.logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix=f"{name}/", **more)
            found += [event["message"] for event in reply["events"]]
            token = reply.get("nextToken")
            if not token:
                return found

    def says(self, name: str, text: str, seconds: float = 90) -> bool:
        """Whether a line of the output comes to be."""
        return bool(wait(lambda: self.streams(name) and text in self.lines(name), seconds))

    def model(self, job: dict[str, Any]) -> dict[str, bytes]:
        """The files of a job's model."""
        return unpacked(self.get(job["ModelArtifacts"]["S3ModelArtifacts"]))


def unpacked(raw: bytes) -> dict[str, bytes]:
    """The files of a .tar.gz."""
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


def path_of(job: dict[str, Any]) -> list[str]:
    """The secondary statuses that a job went through."""
    return [row["Status"] for row in job["SecondaryStatusTransitions"]]
