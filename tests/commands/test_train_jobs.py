"""`train status`, `list` and `stop`: the jobs that exist, wherever they are, and whose they are."""

import time
from dataclasses import replace
from decimal import Decimal

import pytest

from spotbox.core.jobs import Job
from tests.commands.training import CALM, Running

KEYS = ["name", "status", "secondary_status", "training_seconds", "billable_seconds", "savings_pct", "cost_usd",
        "model", "reason"]  # fmt: skip


@pytest.fixture
def utc(monkeypatch):
    """Times of the screen are those of the user's own clock, which is UTC here."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def has_job(user, name="fit-1", age=30.0, region="us-east-1", owner="alice", **changes):
    """A job that was made `age` seconds ago; without an owner it is nobody's of spotbox."""
    wanted = Job(name, region, "image", "role", "ml.g5.xlarge", "s3://mine/out", 86400, 172800)
    tags = (("spotbox:name", name), ("spotbox:owner", owner)) if owner else ()
    made = Running(replace(wanted, **changes), user.world.clock - age, CALM, tags=tags)
    user.world.training.jobs[region, name] = made
    return made


def test_a_job_that_runs(user, utc):
    """How far it is into its limits, what it bills at most, what happened, and how to go on; nothing is changed."""
    has_job(user, age=3610, checkpoint="s3://mine/ck").life = CALM[:3]
    said = user.run("train", "status", "fit-1")
    assert said.code == 0
    assert (
        said.out
        == """\
name        fit-1
status      InProgress: Training
on          1x ml.g5.xlarge in us-east-1, managed Spot
made        2026-03-01 10:59:50 UTC, 1h ago
run         1h of max-run 1d
in all      1h of max-wait 2d
bills       at most $1.41 so far, and $1.4080/h while it runs
checkpoint  s3://mine/ck
  10:59:50  Starting     Preparing the instances for training
  11:00:00  Downloading  Downloading input data
  11:00:04  Training     Training image download completed. Training in progress.
"""
    )
    assert said.err == "Follow it: spotbox train status fit-1 --follow; stop it: spotbox train stop fit-1\n"


def test_a_job_that_is_over(user):
    """What it came to; --follow shows its whole log, and has the exit code of its end."""
    made = has_job(user, age=500)
    said = user.run("train", "status", "fit-1")
    assert "savings           60.0%\ncost              $0.0094 (estimate: 24 s x 1 instance" in said.out
    assert said.err == ""
    made.lines = ((15, "algo-1-1", "epoch 1"),)
    said = user.run("train", "status", "fit-1", "--follow")
    assert (said.code, said.out.splitlines()[0]) == (0, "epoch 1")
    made.life = (*CALM[:3], (60, "MaxWaitTimeExceeded", "waited"))
    assert user.run("train", "status", "fit-1").code == 0
    assert user.run("train", "status", "fit-1", "--follow").code == 3


def test_a_job_that_never_began(user):
    """It had no instances: nothing was billed, which is said so."""
    has_job(user, age=100).life = (CALM[0], (60, "MaxWaitTimeExceeded", "waited"))
    words = "nothing was trained and nothing billed, as it never had its instances"
    assert f" {words}\n" in user.run("train", "status", "fit-1").out
    assert user.run("train", "stop", "fit-1").out == f"fit-1: Stopped\n{words}\n"
    assert user.run("train", "status", "fit-1", "-o", "json").json["training_seconds"] is None


def test_as_data(user):
    """The contract's keys and no other; what AWS does not tell yet is null."""
    has_job(user)
    told = user.run("train", "status", "fit-1", "-o", "json").json
    assert (list(told), told["training_seconds"], told["cost_usd"]) == (KEYS, None, None)
    assert user.run("train", "list", "-o", "json").json == [told]
    assert user.run("train", "list", "-o", "csv").out.splitlines()[0] == ",".join(KEYS)


def test_known_figures(user):
    """37026 training seconds of which 14683 were billed are 60.3 % saved (a real job's figures)."""
    made = has_job(user, age=50000)
    made.life = ((0, "Starting", ""), (121, "Training", ""), (37147, "Completed", ""))
    made.share = Decimal(14683) / 37026 + Decimal("1e-9")
    told = user.run("train", "status", "fit-1", "-o", "json").json
    assert (told["training_seconds"], told["billable_seconds"], told["savings_pct"]) == (37026, 14683, 60.3)


def test_a_job_of_another_region_is_found(user):
    """Without -r every enabled region is looked at; with it that one alone."""
    has_job(user, region="eu-west-1")
    assert user.run("train", "status", "fit-1", "-o", "json").json["name"] == "fit-1"
    said = user.run("train", "status", "fit-1", "-r", "us-east-1")
    assert (said.code, said.out) == (7, "")
    assert "no training job fit-1 in us-east-1" in said.err


def test_a_policy_for_jobs_alone(user):
    """Who may not ask EC2 for its regions works in the one in force."""
    user.world.refuses("DescribeRegions", "UnauthorizedOperation")
    has_job(user)
    assert user.run("train", "status", "fit-1", "-o", "json").json["name"] == "fit-1"
    assert len(user.run("train", "list", "-o", "json").json) == 1
    assert user.run("train", "stop", "fit-1").code == 0
    assert user.run("train", "status", "nosuch").code == 7


@pytest.mark.parametrize("command", ["status", "stop"])
def test_no_such_job(user, command):
    """Exit 7; a region that could not be asked is named, for the job may be there."""
    user.world.refuses("DescribeTrainingJob", "AccessDeniedException", region="eu-west-1")
    said = user.run("train", command, "nosuch")
    assert (said.code, said.out) == (7, "")
    assert "there is no training job nosuch" in said.err
    assert "could not look in eu-west-1" in said.err


@pytest.mark.parametrize("name", ["a b", "no_underscore", "-r/x", "\x1b[2J", "a" * 64])
def test_what_can_be_no_name(user, name):
    """Exit 2, and AWS is not asked."""
    user.world.refuses("DescribeTrainingJob", "ValidationException")
    said = user.run("train", "status", "--", name)
    assert (said.code, said.out, "\x1b" in said.err) == (2, "", False)


def test_the_list(user):
    """Newest first, of all enabled regions, one's own; --owner all for everyone's, and none that are not spotbox's."""
    has_job(user, "old", age=9000)
    has_job(user, "new", age=30, region="eu-west-1", count=2)
    has_job(user, "hers", age=60, owner="bob")
    has_job(user, "foreign", age=60, owner="")
    has_job(user, "ancient", age=31 * 86400)
    said = user.run("train", "list")
    assert [line.split()[0] for line in said.out.splitlines()[3:]] == ["new", "old"]
    assert "2x ml.g5.xlarge" in said.out
    names = [one["name"] for one in user.run("train", "list", "--owner", "all", "--since", "60d", "-o", "json").json]
    assert names == ["new", "hers", "old", "ancient"]
    assert len(user.run("train", "list", "--limit", "1", "-o", "json").json) == 1
    assert "there may be more, which --limit 2 shows" in user.run("train", "list", "--limit", "1").err
    assert "there may be more" not in user.run("train", "list").err
    assert [one["name"] for one in user.run("train", "list", "-r", "us-east-1", "-o", "json").json] == ["old"]


def test_an_empty_list(user):
    """Said on stderr; data stays data."""
    said = user.run("train", "list")
    assert (said.code, said.out, said.err) == (0, "", "alice has made no training job within 30d\n")
    assert user.run("train", "list", "-o", "json").json == []


def test_a_region_that_cannot_be_asked(user):
    """Costs a remark; where none can, the refusal."""
    has_job(user)
    user.world.refuses("ListTrainingJobs", "AccessDeniedException", region="eu-west-1")
    said = user.run("train", "list", "-o", "json")
    assert (said.code, len(said.json)) == (0, 1)
    assert "could not look in eu-west-1" in said.err
    none = user.run("train", "list", "--owner", "bob")
    assert "bob has made no training job within 30d where AWS could be asked" in none.err
    user.world.refuses("ListTrainingJobs", "AccessDeniedException")
    assert user.run("train", "list").code == 5


def test_stop(user):
    """It waits until the job is over and says what it billed; a second time is fine and asks AWS nothing."""
    has_job(user)
    said = user.run("train", "stop", "fit-1")
    assert (said.code, said.out.splitlines()[0]) == (0, "fit-1: Stopped")
    assert "managed spot training savings:" in said.out
    before = user.world.training.jobs["us-east-1", "fit-1"].life
    again = user.run("train", "stop", "fit-1", "-o", "json")
    assert (again.code, again.json["status"]) == (0, "Stopped")
    assert "nothing to stop" in again.err
    assert user.world.training.jobs["us-east-1", "fit-1"].life == before


@pytest.mark.parametrize(("owner", "flags", "code"), [
    ("", [], 1), ("bob", [], 1), ("bob", ["--owner", "bob"], 0), ("", ["--owner", "bob"], 1),
])  # fmt: skip
def test_only_ones_own_is_stopped(user, owner, flags, code):
    """A job without spotbox's tags never, another's only when he is named."""
    made = has_job(user, owner=owner)
    said = user.run("train", "stop", "fit-1", *flags)
    assert (said.code, made.life == CALM) == (code, code != 0)
    assert said.code == 0 or "aws sagemaker stop-training-job" in said.err or "--owner bob" in said.err


@pytest.mark.parametrize("asked", [False, True])
def test_ctrl_c_while_it_stops(user, asked):
    """Exit 130; whether AWS was asked is said as it is."""
    has_job(user)
    if asked:
        user.world.later(1, lambda: (_ for _ in ()).throw(KeyboardInterrupt()))
    else:
        user.world.interrupts("StopTrainingJob")
    said = user.run("train", "stop", "fit-1")
    assert said.code == 130
    assert ("AWS was asked to stop fit-1" in said.err) is asked
    assert "spotbox train status fit-1" in said.err


def test_a_stop_whose_end_is_not_seen(user):
    """AWS was asked and then told nothing: a refusal alone would read as if nothing had been done."""
    has_job(user)
    user.world.later(1, lambda: user.world.refuses("DescribeTrainingJob", "ExpiredToken"))
    said = user.run("train", "stop", "fit-1")
    assert said.code == 5
    assert "AWS was asked to stop fit-1, and whether it has is not known" in said.err
    assert "spotbox train status fit-1" in said.err


def test_a_look_needs_no_tags(user):
    """Without the permission to list tags a job is shown and followed; only a stop has to know whose it is."""
    has_job(user)
    user.world.refuses("ListTags", "AccessDeniedException")
    assert user.run("train", "status", "fit-1").code == 0
    assert user.run("train", "stop", "fit-1").code == 5


def test_a_stop_that_takes_too_long(user):
    """After half an hour: exit 6, for it bills, and where it stands."""
    made = has_job(user)
    user.world.training.stuck = True
    said = user.run("train", "stop", "fit-1")
    assert said.code == 6
    assert "fit-1 is still Stopping, and what it runs bills" in said.err
    assert made.life[-1][1] == "Stopping"


def test_a_job_without_a_price(user):
    """Unknown is unknown, and null in JSON."""
    has_job(user, age=500)
    user.world.training.prices = {}
    assert "cost              unknown" in user.run("train", "status", "fit-1").out
    assert user.run("train", "status", "fit-1", "-o", "json").json["cost_usd"] is None


def test_fifty_columns_hold_what_happened(user, monkeypatch):
    """On 50 columns nothing is broken in a word: what a status says hangs below itself, what is copied stays whole."""
    has_job(user, age=3590, checkpoint="s3://mine/a-checkpoint-with-a-name-that-is-longer-than-that")
    monkeypatch.setattr("spotbox.commands._train_jobs.screen", lambda: 50)
    lines = user.run("train", "status", "fit-1").out.splitlines()
    assert {line.split()[0] for line in lines if len(line) > 50} == {"checkpoint", "model"}
    said = next(i for i, line in enumerate(lines) if "  Training " in line)
    assert lines[said].endswith("Training image download")
    assert lines[said + 1].startswith(" " * 25)
