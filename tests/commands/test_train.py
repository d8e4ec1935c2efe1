"""`train`: what is refused before anything is sent, what is shown and sent, and how each end is told."""

import json

import pytest

from spotbox.core.training import training_request

GIVEN = ("--role", "R", "--image", "pytorch", "--output-path", "s3://mine/out", "-t", "ml.g5.xlarge")
KEYS = ["name", "status", "secondary_status", "training_seconds", "billable_seconds", "savings_pct", "cost_usd",
        "model", "reason"]  # fmt: skip


def untouched(user) -> bool:
    """Whether nothing was uploaded and no job was asked for."""
    world = user.world.training
    return not world.sent and not world.jobs and not world.pipelines


def the_job(user):
    """The one job that was asked for."""
    (running,) = user.world.training.jobs.values()
    return running.wanted


def test_a_training(user, script):
    """The summary, the statuses and the log as they come, and the bill; data on stdout, talk on stderr."""
    user.world.training.lines = ((15, "algo-1-17", "epoch 1"), (60, "algo-1-17", "epoch 2"))
    said = user.run("train", script, *GIVEN, "-y")
    assert said.code == 0
    assert (
        said.out
        == """\
epoch 1
epoch 2
fit-20260301-120000-000: Completed
training seconds: 60
billable seconds: 24
managed spot training savings: 60.0%
cost: $0.0094 (estimate: 24 s x 1 instance at $1.4080/h)
model: s3://mine/out/fit-20260301-120000-000/output/model.tar.gz
"""
    )
    shown = said.err.replace(script, "fit.py")
    assert shown.startswith("""\
  job        fit-20260301-120000-000 (owner alice)
  code       fit.py: 1 file, """)
    assert (
        """\
  on         1x ml.g5.xlarge in us-east-1, managed Spot
  price      $1.4080/h on demand; Spot bills fewer of its seconds
  at most    $33.79 if it runs all of max-run 1d
  waits      for capacity, unbilled, until max-wait 2d from now
  as a box   g5.xlarge: $0.4024/h Spot in us-east-1a, $1.0060/h on-demand
  checkpoint none: an interruption starts it from the beginning
  result     s3://mine/out/fit-20260301-120000-000/output/model.tar.gz
This will:
  - upload the code below s3://mine/out/spotbox-code/, unless it is there
  - create the training job fit-20260301-120000-000
"""
        in shown
    )
    statuses = [line.split("  ")[1] for line in shown.splitlines() if line[2:3] == ":" and line[5:6] == ":"]
    assert statuses == ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def test_what_is_sent(user, script):
    """The job carries what was asked for, spotbox's tags, and where the image finds the script."""
    more = ("--count", "2", "--max-run", "2h", "--max-wait", "3h", "--checkpoint", "s3://mine/ck", "--env", "MODE=a=b",
            "--input", "train=s3://mine/data", "--hyperparameter", "epochs=3", "--name", "mine-1")  # fmt: skip
    assert user.run("train", *more, script, *GIVEN, "-y").code == 0
    job = the_job(user)
    assert (job.role, job.count, job.max_run, job.max_wait) == ("arn:aws:iam::123456789012:role/R", 2, 7200, 10800)
    assert (job.inputs, job.environment) == ((("train", "s3://mine/data"),), (("MODE", "a=b"),))
    (code,) = user.world.training.sent
    sent = dict(job.hyperparameters)
    assert (sent["epochs"], json.loads(sent["sagemaker_program"])) == ("3", "fit.py")
    assert json.loads(sent["sagemaker_submit_directory"]) == code
    assert {"spotbox:name": "mine-1", "spotbox:owner": "alice"}.items() <= dict(job.tags).items()


def test_the_config_file_says_it(user, script):
    """[defaults], the pool over them, the flag over both."""
    (user.home / "config.toml").write_text(
        '[defaults]\nrole = "A"\nimage = "pytorch"\noutput-path = "s3://mine/a"\ncount = 3\n'
        '[pool.big]\nrole = "B"\noutput-path = "s3://mine/b"\n'
    )
    said = user.run("train", script, "-t", "ml.g5.xlarge", "--pool", "big", "--output-path", "s3://mine/c/", "-y")
    assert said.code == 0, said.err
    job = the_job(user)
    assert (job.role[-6:], job.output, job.count) == ("role/B", "s3://mine/c", 3)
    assert dict(job.tags)["spotbox:pool"] == "big"


def test_what_aws_does_not_tell_is_unknown(user, script):
    """Neither price nor quota nor a look at the prefix is a condition."""
    for action in ("ListServiceQuotas", "GetProducts ml", "DescribeSpotPriceHistory"):
        user.world.refuses(action, "AccessDenied")
    user.world.training.prefixes["s3://mine/ck"] = None
    user.world.demand = {}
    said = user.run("train", script, *GIVEN, "--checkpoint", "s3://mine/ck", "-y")
    assert said.code == 0
    for words in ("price      unknown/h", "at most    unknown", "g5.xlarge: price unknown", "no permission to look"):
        assert words in said.err
    assert "cost: unknown" in said.out


def test_on_demand_ignores_max_wait(user, script):
    """And says so; the job has no max-wait, no savings line, and the quota of on-demand jobs."""
    said = user.run("train", script, *GIVEN, "--on-demand", "--max-wait", "1h", "-y")
    assert said.code == 0
    assert "--max-wait 1h is ignored: only Spot waits" in said.err
    assert (the_job(user).max_wait, "savings" in said.out) == (None, False)
    assert "MaxWaitTimeInSeconds" not in json.dumps(training_request(the_job(user)))
    assert "  waits " not in said.err


def test_it_asks_once(user, script):
    """On a terminal; no means nothing is sent."""
    said = user.run("train", script, *GIVEN, answers=[("Go ahead?", False)])
    assert (said.code, untouched(user)) == (1, True)
    assert "nothing was sent, as you said" in said.err
    assert user.run("train", script, *GIVEN, answers=[("Go ahead?", True)]).code == 0


def test_the_code_is_uploaded_once(user, script):
    """The same contents have the same place."""
    assert "the code is uploaded" in user.run("train", script, *GIVEN, "-y").err
    assert "was there already: nothing uploaded" in user.run("train", script, *GIVEN, "-y").err
    assert len(user.world.training.sent) == 1
    with open(script, "a") as file:
        file.write("# more\n")
    user.run("train", script, *GIVEN, "-y")
    assert len(user.world.training.sent) == 2


def test_a_dry_run_shows_the_very_request(user, script):
    """Nothing is sent; what would be is shown whole, but for the values of --env."""
    flags = ("--env", "TOKEN=s3cret", "--checkpoint", "s3://mine/ck", "--name", "mine-1")
    said = user.run("train", script, *GIVEN, *flags, "--dry-run")
    assert (said.code, untouched(user)) == (0, True)
    assert said.out.startswith("would upload the code below s3://mine/out/spotbox-code/")
    assert "would create the training job mine-1\n{" in said.out
    data = user.run("train", script, *GIVEN, *flags, "--dry-run", "-o", "json")
    assert "s3cret" not in said.out + said.err + data.out + data.err
    user.run("train", script, *GIVEN, *flags, "-y")
    assert data.json == training_request(the_job(user)) | {"Environment": {"TOKEN": "***"}}


def test_as_a_step(user, script):
    """The definition on stdout, with the code where it says; no job. The same job gives the same definition."""
    said = user.run("train", script, *GIVEN, "--as-step", "--env", "A=b")
    assert (said.code, user.world.training.jobs) == (0, {})
    (step,) = said.json["Steps"]
    asked = step["Arguments"]
    assert (said.json["Version"], step["Type"], "TrainingJobName" in asked) == ("2020-12-01", "Training", False)
    assert (asked["EnableManagedSpotTraining"], asked["Environment"]) == (True, {"A": "b"})
    assert user.world.training.sent == [json.loads(asked["HyperParameters"]["sagemaker_submit_directory"])]
    user.world.sleep(5)
    assert user.run("train", script, *GIVEN, "--as-step", "--env", "A=b").out == said.out


def test_a_step_with_a_checkpoint(user, script):
    """The prefix is in the definition, so that every execution starts from the last one's end: said before."""
    said = user.run("train", script, *GIVEN, "--as-step", "--checkpoint", "s3://mine/ck")
    assert "each execution goes on from what the one before left there" in said.err
    assert "each execution" not in user.run("train", script, *GIVEN, "--checkpoint", "s3://mine/ck", "-y").err


def test_as_a_pipeline(user, script):
    """It is made, started, and the job of its step followed to the end."""
    said = user.run("train", script, *GIVEN, "--pipeline", "nightly", "-y", "-o", "json")
    assert (said.code, said.json["name"], said.json["status"]) == (0, "pipelines-abc-nightly-xyz", "Completed")
    (definition,) = user.world.training.pipelines.values()
    assert json.loads(definition)["Steps"][0]["Type"] == "Training"
    said = user.run("train", script, *GIVEN, "--pipeline", "nightly", "-y", "--no-wait")
    assert (said.code, said.out) == (0, "")
    assert "the pipeline nightly is started" in said.err
    said = user.run("train", script, *GIVEN, "--pipeline", "nightly", "-y", "--no-wait", "-o", "json")
    assert (list(said.json), said.json["name"], said.json["status"]) == (KEYS, None, "Executing")


def test_as_data(user, script):
    """-o json: one object with the contract's keys on stdout, the log on stderr."""
    user.world.training.lines = ((15, "algo-1-17", "epoch 1"),)
    said = user.run("train", script, *GIVEN, "-y", "-o", "json")
    assert list(said.json) == KEYS
    assert said.json == {
        "name": "fit-20260301-120000-000", "status": "Completed", "secondary_status": "Completed",
        "training_seconds": 60, "billable_seconds": 24, "savings_pct": 60.0, "cost_usd": 0.0094,
        "model": "s3://mine/out/fit-20260301-120000-000/output/model.tar.gz", "reason": None,
    }  # fmt: skip
    assert "\nepoch 1\n" in said.err


def test_without_waiting(user, script):
    """--no-wait returns once AWS has the job, and says how to follow and stop it."""
    said = user.run("train", script, *GIVEN, "-y", "--no-wait")
    name = the_job(user).name
    assert (said.code, said.out) == (0, f"{name}: Starting\n")
    assert f"spotbox train status {name} --follow" in said.err
    assert f"spotbox train stop {name}" in said.err
    assert user.world.clock < 5


START = (0, "Starting", "Preparing the instances for training")
NONE = (5, "Starting", "Insufficient capacity error from EC2 while launching instances, retrying!")
ENDS = [
    ((START, NONE, (60, "MaxWaitTimeExceeded", "waited too long")), 3, "--max-wait (2d)"),
    ((START, (4, "Training", "in progress"), (9, "Failed", "Training job failed")), 1, "exit code 1"),
    ((START, NONE, (60, "Stopping", "Stopping"), (61, "MaxWaitTimeExceeded", "waited too long")), 3, "--max-wait (2d)"),
    ((START, (4, "Training", ""), (60, "Stopping", ""), (61, "MaxRuntimeExceeded", "")), 1, "ran into --max-run (1d)"),
    ((START, (4, "Training", ""), (60, "Stopping", ""), (61, "Stopped", "Training job stopped")), 1, "was stopped"),
]


@pytest.mark.parametrize(("life", "code", "words"), ENDS, ids=[end[-1][1] for end, _, _ in ENDS])
def test_each_end_has_its_words(user, script, life, code, words):
    """Its own message, its exit code, and the record all the same."""
    user.world.training.life, user.world.training.reason = life, "AlgorithmError: exit code 1"
    said = user.run("train", script, *GIVEN, "-y", "-o", "json")
    assert (said.code, said.json["secondary_status"]) == (code, life[-1][1])
    assert words in said.err
    assert "detached" not in said.err
    if code == 3:
        assert "Insufficient capacity error from EC2" in said.err


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_path_named_like_a_command(user, script, monkeypatch, place):
    """`status` is the command wherever its flags stand; `./status` is the folder."""
    monkeypatch.chdir(user.home)
    (user.home / "status").mkdir()
    (user.home / "status" / "train.py").write_text("pass\n")
    assert user.run("train", "./status", *GIVEN, "-y").code == 0
    name = the_job(user).name
    words = ["-r", "us-east-1", "status", name] if place == "before" else ["status", name, "-r", "us-east-1"]
    assert user.run("train", *words, "-o", "json").json["name"] == name
    assert user.run("train", "status").code == 2
    assert user.run("train", "run").code == 2
    assert "Did you mean: spotbox train list" in user.run("train", "lst").err
