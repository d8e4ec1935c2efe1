"""`train`: every refusal, before the first byte is sent."""

from dataclasses import replace

import pytest

from tests.commands.test_train import GIVEN, the_job, untouched

NEEDED = {"--role": "role", "--image": "image", "--output-path": "output-path"}


@pytest.mark.parametrize("flag", NEEDED)
def test_what_must_be_said(user, script, flag):
    """Role, image and output path come from a flag, a pool or the config file; else exit 2 names all three ways."""
    at = GIVEN.index(flag)
    said = user.run("train", script, *GIVEN[:at], *GIVEN[at + 2 :], "-y")
    assert (said.code, said.out, untouched(user)) == (2, "", True)
    ways = (f"Give {flag}", f"{NEEDED[flag]} in [pool.NAME] (with --pool NAME)", "[defaults] of the config file")
    assert [way for way in ways if way not in said.err] == []


BUILT_IN = "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1"
REFUSED = [
    (["--max-run", "2h", "--max-wait", "1h"], "--max-wait 1h is shorter than --max-run 2h"),
    (["--max-run", "29d"], "28 days"),
    (["--image", BUILT_IN, "--max-run", "1h", "--max-wait", "2h"], "wait at most 1h without a checkpoint"),
    (["--image", "pytroch"], "did you mean pytorch?"),
    (["--name", "no_underscore"], "is not a job's name"),
    (["--name", "a" * 64], "is not a job's name"),
    (["--role", "arn:aws:iam::1:user/x"], "is no role"),
    (["--output-path", "/tmp/out"], "--output-path: '/tmp/out' is no place in S3"),
    (["--checkpoint", "mine/ck"], "--checkpoint: 'mine/ck' is no place in S3"),
    (["--checkpoint", "s3://mine"], "is a whole bucket"),
    (["--input", "train=/data"], "is no place in S3"),
    (["--input", "s3://mine/data"], "--input"),
    (["--input", "a b=s3://mine/x"], "is no channel's name"),
    (["--count", "0"], "--count"),
    (["--hyperparameter", "epochs"], "epochs=3"),
    (["--hyperparameter", "a=1", "--hyperparameter", "a=2"], "--hyperparameter a is given twice"),
    (["--hyperparameter", "sagemaker_program=x.py"], "is not yours to set"),
    ([word for n in range(101) for word in ("--hyperparameter", f"k{n}=1")], "101 hyperparameters are too many"),
    (["--env", "1A=x"], "no variable"),
    (["--volume-size", "50"], "no volume to size"),
    (["--resume"], "--resume needs --checkpoint"),
    (["--as-step", "--pipeline", "p"], "exclude each other"),
    (["--as-step", "--name", "x"], "SageMaker names the jobs"),
    (["--pipeline", "no_underscore"], "is not a pipeline's name"),
    (["-t", "ml.m5.large"], "a job runs on one type"),
    (["--torchrun", "--image", "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2"], "torchrun"),
    (["-r", "nowhere-1"], "nowhere-1"),
]


@pytest.mark.parametrize(("flags", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_refused_before_anything_is_sent(user, script, flags, words):
    """Exit 2 with the rule, and not a byte was uploaded."""
    said = user.run("train", script, *GIVEN, *flags, "-y")
    assert (said.code, said.out, untouched(user)) == (2, "", True)
    assert words in said.err


@pytest.mark.parametrize(("kind", "words"), [
    ("g5.xlarge", "-t ml.g5.xlarge"), ("ml.g5.xlrge", "no type"), ("ml.g5.24xlarge", "no type"),
])  # fmt: skip
def test_a_type_that_is_none(user, script, kind, words):
    """A box's type is no type of SageMaker's; the nearest is named."""
    said = user.run("train", script, *GIVEN[:-1], kind, "-y")
    assert (said.code, untouched(user)) == (2, True)
    assert words in said.err


@pytest.mark.parametrize(
    ("path", "words"), [("nosuch.py", "no script or folder"), ("\0", "no script or folder"), ("empty", "empty")]
)
def test_no_script(user, script, path, words):
    """What is not there, and a folder without a script."""
    (user.home / "empty").mkdir()
    said = user.run("train", str(user.home / path), *GIVEN, "-y")
    assert (said.code, untouched(user)) == (2, True)
    assert words in said.err


def test_no_path_at_all(user, script):
    """An empty word, as of a variable that is not set, is not the folder one happens to be in."""
    said = user.run("train", "", *GIVEN, "-y")
    assert (said.code, untouched(user)) == (2, True)
    assert "script or folder" in said.err


def test_early_refusals_ask_aws_nothing(user, script):
    """A rule that needs no account is told without one."""
    user.world.refuses("GetCallerIdentity", "ExpiredToken")
    user.world.refuses("DescribeRegions", "ExpiredToken")
    assert user.run("train", script, *GIVEN, "--max-run", "2h", "--max-wait", "1h", "-y").code == 2


def test_a_quota_that_is_too_small(user, script):
    """Exit 4 with the quota's name and how to ask for more; nothing sent."""
    user.world.training.quota = 1
    said = user.run("train", script, *GIVEN, "--count", "2", "-y")
    assert (said.code, untouched(user)) == (4, True)
    assert '"ml.g5.xlarge for spot training job usage"' in said.err
    assert "request-service-quota-increase" in said.err
    assert user.run("train", script, *GIVEN, "-y").code == 0


def test_a_checkpoint_that_is_there_already(user, script):
    """It would be restored in silence: refused, unless --resume means it, and then said."""
    user.world.training.prefixes["s3://mine/ck"] = True
    said = user.run("train", script, *GIVEN, "--checkpoint", "s3://mine/ck", "-y")
    assert (said.code, untouched(user)) == (2, True)
    assert "s3://mine/ck holds a checkpoint already" in said.err
    assert "--resume" in said.err
    said = user.run("train", script, *GIVEN, "--checkpoint", "s3://mine/ck", "--resume", "-y")
    assert said.code == 0
    assert "which holds one already: the job goes on from it" in said.err


@pytest.mark.parametrize("flag", ["--output-path", "--checkpoint", "--input"])
def test_a_bucket_that_is_none(user, script, flag):
    """Exit 2 before the upload. The sandbox makes it, says so, and only when it is time; data it does not invent."""
    user.world.training.no_buckets.add("other")
    place = ("train=s3://other/x",) if flag == "--input" else ("s3://other/x",)
    said = user.run("train", script, *GIVEN, flag, *place, "-y")
    assert (said.code, untouched(user)) == (2, True)
    assert "there is no bucket other" in said.err
    said = user.run("train", script, *GIVEN, flag, *place, "--dry-run", sandbox=True)
    if flag == "--input":
        assert said.code == 2
        return
    assert "would make the bucket other, which the sandbox has not yet" in said.out
    assert user.world.training.no_buckets
    assert user.run("train", script, *GIVEN, flag, *place, "-y", sandbox=True).code == 0
    assert not user.world.training.no_buckets


def test_a_pool_on_demand(user, script):
    """Its market is the job's; its max-boxes counts instances of jobs, and is exit 4 before anything is sent."""
    (user.home / "config.toml").write_text(
        '[pool.slow]\nmarket = "on-demand"\nmax-boxes = 2\ninstance-type = ["g5.xlarge", "ml.g5.xlarge"]\n'
    )
    pooled = (script, *GIVEN[:-2], "--pool", "slow", "-y")
    assert user.run("train", *pooled, "--no-wait").code == 0
    assert the_job(user).max_wait is None
    said = user.run("train", *pooled, "--count", "2")
    assert (said.code, len(user.world.training.jobs)) == (4, 1)
    assert "pool slow has room for 2" in said.err
    assert (
        "is ignored: only Spot waits (pool slow is on demand)"
        in user.run("train", *pooled, "--max-wait", "2d", "--name", "b").err
    )


@pytest.mark.parametrize(("before", "code"), [(2, 4), (0, 0)], ids=["an elder one", "one as old"])
def test_two_jobs_for_the_last_place(user, script, before, code):
    """Another terminal took it meanwhile: the younger of the two jobs is stopped, and the elder one stays."""
    (user.home / "config.toml").write_text("[pool.slow]\nmax-boxes = 1\n")
    asked = user.world.meets

    def meets(action, *where, after=False, **more):
        jobs = user.world.training.jobs
        if action == "CreateTrainingJob" and after:
            (mine,) = jobs.values()
            other = replace(mine, wanted=replace(mine.wanted, name="other"), born=mine.born - before)
            jobs["us-east-1", "other"] = other
        return asked(action, *where, after=after, **more)

    user.world.meets = meets
    said = user.run("train", script, *GIVEN, "--pool", "slow", "--name", "mine", "--no-wait", "-y")
    assert said.code == code
    stopped = [name for (_, name), job in user.world.training.jobs.items() if job.life[-1][1] == "Stopped"]
    assert stopped == (["mine"] if code else [])
    assert ("it holds job other" in said.err and "mine is stopped again" in said.err) is bool(code)


def test_a_pool_on_spot(user, script):
    """Its market goes over what [defaults] says of on demand, as every setting of a chosen pool does."""
    (user.home / "config.toml").write_text("[defaults]\non-demand = true\n[pool.cheap]\n")
    assert user.run("train", script, *GIVEN, "--pool", "cheap", "-y").code == 0
    assert the_job(user).max_wait is not None


def test_a_name_that_is_taken(user, script):
    """Exit 2 before the upload; a name is a job's for ever."""
    assert user.run("train", script, *GIVEN, "--name", "mine-1", "-y").code == 0
    user.world.training.objects.clear()
    user.world.training.sent.clear()
    said = user.run("train", script, *GIVEN, "--name", "mine-1", "-y")
    assert (said.code, user.world.training.sent) == (2, [])
    assert "there is a training job mine-1 in us-east-1 already (Completed)" in said.err


def test_nobody_to_ask(user, script):
    """Without a terminal -y is needed; in the sandbox nothing is at stake."""
    said = user.run("train", script, *GIVEN)
    assert (said.code, untouched(user)) == (2, True)
    assert "-y" in said.err
    said = user.run("train", script, *GIVEN, sandbox=True)
    assert said.code == 0
    assert "going on, as this is the sandbox" in said.err


def test_aws_refuses_the_job(user, script):
    """The refusal's own words and code; the code that was uploaded does no harm."""
    user.world.refuses("CreateTrainingJob", "ResourceLimitExceeded", times=1)
    said = user.run("train", script, *GIVEN, "-y")
    assert (said.code != 0, user.world.training.jobs) == (True, {})
    assert "goes on" not in said.err
