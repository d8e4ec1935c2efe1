"""Training jobs when the sandbox itself is stopped, killed or reset: no process stays, and Spot jobs go on."""

import os
import signal
import time

import pytest

from spotbox.sandbox import process

from .boxkit import alive
from .conftest import PACE, Aws, until
from .jobs import COUNT, Shop, path_of

# Leaves a child of its own behind, as a data loader may, in a session of its own.
NAPPER = """
import subprocess, time
subprocess.Popen(["sleep", "{nap}"], start_new_session=True)
print("ready")
time.sleep(600)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A sandbox of the test's own, which it may stop and kill."""
    monkeypatch.setenv("SPOTBOX_SANDBOX_PACE", str(PACE))
    home = tmp_path / "sandbox"
    yield Aws(process.ensure(home), home)
    process.stop(home)


def counting(shop: Shop) -> str:
    return shop.create(
        COUNT,
        HyperParameters={"steps": "100", "nap": "0.05"},
        CheckpointConfig={"S3Uri": f"s3://{shop.bucket}/ckpt"},
    )


def gone(nap: str) -> bool:
    return bool(until(lambda: not alive(f"sleep {nap}"), 10))


def test_stop_and_start(own):
    """What is over stays, with its log; Spot training goes on from its checkpoint, an on-demand job has failed."""
    shop, nap = Shop(own), f"601.{os.getpid()}"
    old = shop.run("print('of old')")
    name = counting(shop)
    paid = shop.create(NAPPER.format(nap=nap), spot=False)
    assert shop.says(paid, "ready")
    assert shop.says(name, "step 20")
    process.stop(own.home)
    assert gone(nap)
    again = Aws(process.ensure(own.home), own.home)
    shop.sagemaker, shop.logs, shop.s3 = (again.client(name) for name in ("sagemaker", "logs", "s3"))
    assert shop.job(old["TrainingJobName"])["SecondaryStatusTransitions"] == old["SecondaryStatusTransitions"]
    assert "of old" in shop.lines(old["TrainingJobName"])
    failed = shop.job(paid)
    assert failed["TrainingJobStatus"] == "Failed"
    assert "the sandbox was stopped" in failed["FailureReason"]
    done = shop.ended(name)
    assert path_of(done)[:5] == ["Starting", "Downloading", "Training", "Interrupted", "Starting"]
    assert path_of(done)[-1] == "Completed"
    resumed = [line for line in shop.lines(name) if line.startswith("resumed at step")]
    assert len(resumed) == 1
    assert int(resumed[0].split()[-1]) >= 20
    home = own.home / "jobs"
    assert until(lambda: {path.name for folder in home.iterdir() for path in folder.iterdir()} == {"logs"})


@pytest.mark.slow
def test_sigkill(own):
    """A sandbox that is killed leaves no process of a job behind, and the next one lets the job go on."""
    shop, nap = Shop(own), f"602.{os.getpid()}"
    name = counting(shop)
    shop.create(NAPPER.format(nap=nap), name="napper")
    made, state = time.time(), own.home / "state.pickle"
    assert shop.says("napper", "ready")
    assert shop.says(name, "step 20")
    assert alive(f"sleep {nap}")
    assert until(lambda: state.exists() and state.stat().st_mtime > made)  # every two seconds it is kept what is new
    os.kill(own.endpoint.pid, signal.SIGKILL)
    assert gone(nap)
    again = Aws(process.ensure(own.home), own.home)
    shop.sagemaker, shop.logs, shop.s3 = (again.client(name) for name in ("sagemaker", "logs", "s3"))
    done = shop.ended(name)
    assert done["TrainingJobStatus"] == "Completed"
    assert "Interrupted" in path_of(done)
    shop.sagemaker.stop_training_job(TrainingJobName="napper")
    shop.ended("napper")
    assert gone(nap)


@pytest.mark.slow
def test_reset(own):
    """A reset ends what runs, and nothing of the jobs is left."""
    shop, nap = Shop(own), f"603.{os.getpid()}"
    assert shop.says(shop.create(NAPPER.format(nap=nap)), "ready")
    process.reset(own.home)
    assert gone(nap)
    assert Aws(process.ensure(own.home)).client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []
    assert not (own.home / "jobs").exists()


@pytest.mark.slow
def test_without_namespaces(own, monkeypatch):
    """Where a system allows no /opt/ml of the job's own, the SM_ variables lead to the folders all the same."""
    process.stop(own.home)
    monkeypatch.setenv("SPOTBOX_SANDBOX_OPT_ML", "0")
    shop = Shop(Aws(process.ensure(own.home), own.home))
    job = shop.ended(counting(shop))
    assert job["TrainingJobStatus"] == "Completed", job
    assert any("allows no /opt/ml" in line for line in shop.lines(job["TrainingJobName"]))
    assert len(shop.model(job)["digest"]) == 64


def test_a_literal_opt_ml(sandbox):
    """Where the system has user namespaces, /opt/ml is the job's own folder, and this machine's /opt is as it was."""
    shop = Shop(sandbox)
    before = sorted(os.listdir("/opt")) if os.path.isdir("/opt") else []
    job = shop.run(
        "import os\nprint(sorted(os.listdir('/opt')))\nopen('/opt/ml/model/x', 'w').write('x')\n", spot=False
    )
    if any("allows no /opt/ml" in line for line in shop.lines(job["TrainingJobName"])):
        pytest.skip("this system has no user namespaces for everyone")
    assert job["TrainingJobStatus"] == "Completed", job
    assert str(sorted({*before, "ml"})) in shop.lines(job["TrainingJobName"])
    assert shop.model(job) == {"x": b"x"}
    assert (sorted(os.listdir("/opt")) if os.path.isdir("/opt") else []) == before
