"""Following a job: what is seen of it, who may fail meanwhile, and leaving it alone while it goes on."""

import errno

import pytest

from spotbox.core.errors import Ended, SpotboxError
from tests.commands.test_status import NASTY, clean
from tests.commands.test_train import GIVEN, the_job, untouched
from tests.commands.training import CALM

INTERRUPTED = (
    (0, "Starting", "Preparing the instances for training"),
    (10, "Training", "in progress"),
    (20, "Interrupted", "Training job interrupted"),
    (21, "Starting", "Insufficient capacity error from EC2 while launching instances, retrying!"),
    (40, "Downloading", "Downloading input data"),
    (44, "Training", "in progress"),
    (66, "Uploading", "Uploading generated training model"),
    (70, "Completed", "Training job completed"),
)


def statuses(err):
    """The secondary statuses that were told, in their order."""
    return [line.split("  ")[1] for line in err.splitlines() if line[2:3] == ":" and line[5:6] == ":"]


def test_an_interruption_is_seen(user, script):
    """Each status once, in order, with AWS's words; the log of both streams."""
    user.world.training.life = INTERRUPTED
    user.world.training.lines = ((12, "algo-1-100", "step 1"), (50, "algo-1-900", "step 2"))
    said = user.run("train", script, *GIVEN, "-y")
    assert said.code == 0
    assert statuses(said.err) == [status for _, status, _ in INTERRUPTED]
    assert said.out.startswith("step 1\nstep 2\nfit-")
    assert said.err.count("Insufficient capacity error from EC2") == 1


def test_several_instances_are_told_apart(user, script):
    """Each line of the log names its instance; in the order of their times."""
    user.world.training.lines = ((15, "algo-1-17", "one"), (16, "algo-2-17", "two"), (17, "algo-1-17", "three"))
    said = user.run("train", script, *GIVEN, "-y", "--count", "2")
    assert said.out.startswith("algo-1 | one\nalgo-2 | two\nalgo-1 | three\n")
    assert "(estimate: 24 s x 2 instances at $1.4080/h)" in said.out


def test_a_long_log_is_whole(user, script):
    """Every line once, however many pages; also those that CloudWatch shows after the job's end."""
    lines = ((15 + n / 100, "algo-1-17", f"line {n}") for n in range(480))
    user.world.training.lines = (*lines, (72, "algo-1-17", "a late one"))
    said = user.run("train", script, *GIVEN, "-y")
    assert said.out.splitlines()[:481] == [*(f"line {n}" for n in range(480)), "a late one"]


def test_few_calls(user, script):
    """One look at the job every 2 s at first, then slower: an hour and a half is a thousand looks, not thousands."""
    calls = []
    user.world.meets = lambda action, *_, **__: calls.append(action)
    user.world.training.life = (*CALM[:3], (5400, "Completed", "done"))
    assert user.run("train", script, *GIVEN, "-y").code == 0
    assert 700 < calls.count("DescribeTrainingJob") < 1100
    assert calls.count("GetLogEvents") <= calls.count("DescribeTrainingJob") + 3


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailure"])
def test_what_passes_is_waited_out(user, script, code):
    """AWS answers nothing for a while: told once, and once that it is over; the job's end is seen all the same."""
    user.world.later(20, lambda: user.world.refuses("DescribeTrainingJob", code, http=500, times=4))
    said = user.run("train", script, *GIVEN, "-y")
    assert said.code == 0
    assert said.err.count("AWS does not answer") == 1
    assert said.err.count("AWS answers again") == 1


def test_a_log_that_may_not_be_read(user, script):
    """No permission for the log: said once, and the job is followed without it."""
    user.world.refuses("GetLogEvents", "AccessDeniedException")
    said = user.run("train", script, *GIVEN, "-y")
    assert said.code == 0
    assert said.err.count("the log cannot be read") == 1


def test_a_log_whose_end_is_missing(user, script):
    """What could not be read to its end is no whole log: that is said, with how to read all of it."""
    user.world.training.lines = ((15, "algo-1-100", "step 1"), (60, "algo-1-100", "the reason it failed"))
    user.world.later(30, lambda: user.world.refuses("GetLogEvents", "ThrottlingException"))
    said = user.run("train", script, *GIVEN, "-y")
    assert (said.code, "the reason it failed" in said.out) == (0, False)
    assert said.err.count("the end of the log is missing") == 1
    assert f"spotbox train status {the_job(user).name} --follow" in said.err


@pytest.mark.parametrize("output", ["text", "json"])
def test_credentials_that_expire(user, script, output):
    """Exit 5; the job goes on, which is said, with what it bills and how to follow and stop it; JSON has it too."""
    user.world.later(20, lambda: user.world.refuses("DescribeTrainingJob", "ExpiredToken"))
    said = user.run("train", script, *GIVEN, "-y", "-o", output)
    assert said.code == 5
    name = the_job(user).name
    assert output == "text" or said.json["name"] == name
    assert f"{name} goes on (Training); what it runs bills at most $1.4080/h, $33.79 in all" in said.err
    assert f"Follow it: spotbox train status {name} --follow; stop it: spotbox train stop {name}" in said.err


@pytest.mark.parametrize("cut", [KeyboardInterrupt(), Ended("SIGTERM")], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize("output", ["text", "json"])
def test_leaving_it_alone(user, script, cut, output):
    """Ctrl-C while following detaches: exit 130, the job goes on, and a script learns its name."""
    user.world.later(20, lambda: (_ for _ in ()).throw(cut))
    said = user.run("train", script, *GIVEN, "-y", "-o", output)
    name = the_job(user).name
    assert said.code == 130
    if output == "json":
        assert (said.json["name"], said.json["status"], said.json["model"]) == (name, "InProgress", None)
    else:
        assert said.out == ""
    assert f"spotbox: detached; {name} goes on (Training); what it runs bills at most $1.4080/h" in said.err
    assert f"spotbox train status {name} --follow" in said.err
    followed = user.run("train", "status", name, "--follow")
    assert followed.code == 0
    assert "managed spot training savings: 60.0%" in followed.out


def test_no_room_for_the_log(user, script):
    """A disk that is full where the log goes ends the following and not the job, which is said as of Ctrl-C."""
    full = OSError(errno.ENOSPC, "No space left on device")
    user.world.later(20, lambda: (_ for _ in ()).throw(full))
    said = user.run("train", script, *GIVEN, "-y")
    name = the_job(user).name
    assert said.code == 1
    assert f"spotbox: No space left on device; {name} goes on (Training); what it runs bills" in said.err
    assert f"stop it: spotbox train stop {name}" in said.err


def test_a_typed_region_is_in_the_hints(user, script):
    """What the last lines tell to type is about this very job."""
    user.world.training.prices = {}
    user.world.later(20, lambda: (_ for _ in ()).throw(KeyboardInterrupt()))
    said = user.run("train", script, *GIVEN, "-y", "-r", "eu-west-1")
    name = the_job(user).name
    assert f"spotbox train -r eu-west-1 status {name} --follow" in said.err
    assert user.run(*f"train -r eu-west-1 status {name} --follow".split()).code == 0


@pytest.mark.parametrize(("call", "after", "words"), [
    ("GetProducts ml", False, "interrupted; nothing was sent, and nothing computes"),
    ("PutObject", False, "no job was made, and nothing computes"),
    ("PutObject", True, "no job was made, and nothing computes"),
    ("CreateTrainingJob", False, "shows no such job so far"),
    ("CreateTrainingJob", True, "it goes on, and bills what it runs"),
])  # fmt: skip
def test_ctrl_c_on_the_way(user, script, call, after, words):
    """Exit 130, and the last lines say what there is: nothing, the code, or a job."""
    user.world.interrupts(call, after=after)
    said = user.run("train", script, *GIVEN, "-y")
    assert said.code == 130
    assert words in said.err
    assert bool(user.world.training.jobs) == ("bills" in words)
    assert call != "GetProducts ml" or untouched(user)


def test_ctrl_c_in_a_pipeline(user, script):
    """Before it was started nothing computes; after that it goes on, and the last lines say so."""
    user.world.interrupts("CreatePipeline")
    said = user.run("train", script, *GIVEN, "--pipeline", "nightly", "-y")
    assert (said.code, user.world.training.executions) == (130, {})
    assert "no job was made, and nothing computes" in said.err
    user.world.interrupts("DescribePipelineExecution")
    said = user.run("train", script, *GIVEN, "--pipeline", "nightly", "-y")
    assert said.code == 130
    assert "the pipeline nightly goes on" in said.err


def test_a_job_that_may_not_be_seen(user, script):
    """AWS made the job and lets nobody look: the refusal's exit code, and that it goes on all the same."""
    user.world.refuses("DescribeTrainingJob", "AccessDeniedException")
    said = user.run("train", script, *GIVEN, "-y")
    assert (said.code, len(user.world.training.jobs)) == (5, 1)
    assert f"{the_job(user).name} goes on" in said.err
    user.world.refuses("DescribePipelineExecution", "AccessDeniedException")
    said = user.run("train", script, *GIVEN, "--pipeline", "nightly", "-y")
    assert said.code == 5
    assert "the pipeline nightly goes on" in said.err


def test_ctrl_c_twice(user, script):
    """While it is looked whether AWS made the job, a second one leaves at once, and says that it is not known."""
    user.world.interrupts("CreateTrainingJob", after=True)
    user.world.interrupts("DescribeTrainingJob")
    said = user.run("train", script, *GIVEN, "-y")
    assert said.code == 130
    assert "is not known" in said.err


def test_a_job_that_is_shown_late(user, script):
    """Right after it was accepted AWS may not show it; that is waited for."""
    from spotbox.core.errors import Exit

    real, looks = user.world.meets, []

    def meets(action, *place, **more):
        if action == "DescribeTrainingJob" and len(looks) < 3:
            looks.append(action)
            raise SpotboxError("there is no training job", "", Exit.NO_SUCH_BOX)
        real(action, *place, **more)

    user.world.meets = meets
    said = user.run("train", script, *GIVEN, "-y")
    assert (said.code, len(looks)) == (0, 3)


def test_nothing_raw_reaches_the_terminal(user, script):
    """The log, AWS's messages and reasons are shown as text; colours go, a progress bar's last state stays."""
    user.world.training.life = (
        (0, "Starting", NASTY), (10, "Training", NASTY), (30, "Failed", NASTY),
    )  # fmt: skip
    user.world.training.reason = f"AlgorithmError: {NASTY}"
    user.world.training.lines = (
        (12, f"algo-1-{NASTY}", NASTY), (13, "algo-1-1", "\x1b[31mred\x1b[0m\tx"), (14, "algo-1-1", "1%\r50%\r99%\r\n"),
    )  # fmt: skip
    for output in ("text", "json"):
        said = user.run("train", script, *GIVEN, "-y", "-o", output)
        assert said.code == 1
        assert clean(said.out), ascii(said.out)
        assert clean(said.err), ascii(said.err)
        assert "\nred     x\n99%\n" in said.out + said.err
    name = the_job_names(user)[-1]
    for args in (["status", name], ["list"], ["status", name, "-o", "json"], ["list", "-o", "csv"], ["stop", name]):
        said = user.run("train", *args)
        assert clean(said.out + said.err), args


def the_job_names(user):
    """Names of all jobs, in the order in which they were made."""
    return [name for _, name in user.world.training.jobs]


def test_the_live_line(user, script, monkeypatch):
    """On a terminal: status, how long it ran and is there, of what, and what that bills at most."""
    shown = []
    from spotbox.progress import Progress

    monkeypatch.setattr(Progress, "glance", lambda self, text: shown.append(text))
    user.world.training.life = INTERRUPTED
    assert user.run("train", script, *GIVEN, "-y", "--max-run", "1h", "--max-wait", "90m").code == 0
    assert "Starting: run 0s of 1h, in all 2s of 1h30m, at most $0.00" in shown
    assert "Training: run 20s of 1h, in all 50s of 1h30m, at most $0.0078" in shown
    assert max(map(len, shown)) <= 68  # what is left of 80 columns beside the time
