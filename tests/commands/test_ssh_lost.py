"""How `ssh` ends: its exit code, and what is told of a box that went away."""

import threading
from dataclasses import replace

import pytest

from spotbox.commands import ssh
from tests.commands.fakecloud import FakeCloud


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_the_exit_code_is_sshs(keyed, code):
    """What ssh ends with is what spotbox ends with."""
    assert keyed.run("ssh", ssh_code=code).code == code


def interrupts(world):
    """AWS takes the box while ssh runs."""
    world.instances["i-1"] = replace(
        world.instances["i-1"], state="stopping", reason_code="Server.SpotInstanceShutdown"
    )
    world.request_of("i-1", code="marked-for-stop")


def takes(world):
    """And has stopped it."""
    world.instances["i-1"] = replace(world.instances["i-1"], state="stopped", reason_code="Server.SpotInstanceShutdown")
    world.request_of("i-1", state="disabled", code="instance-stopped-no-capacity")


BY_AWS = "wait for AWS: spotbox up dev; take it elsewhere, disk included: spotbox move dev; remove it: spotbox down dev"


@pytest.mark.parametrize(("happens", "told"), [
    (interrupts, f"dev is stopping: it is being stopped by AWS; {BY_AWS}"),
    (takes, f"dev is interrupted: AWS took the capacity back; only AWS can restart it; {BY_AWS}"),
    (lambda world: world.stopped("i-1") or world.instances.clear() or world.requests.clear() or world.volumes.clear(),
     "dev is gone; make it anew: spotbox up dev"),
], ids=["stopping", "interrupted", "gone"])  # fmt: skip
def test_a_box_that_went_away_is_told(keyed, happens, told):
    """ssh lost its connection and the box does not run any more: one line says why and what to do, the code stays."""
    keyed.run("ssh")
    keyed.world.later(30, lambda: happens(keyed.world))
    said = keyed.run("ssh", ssh_code=255)
    assert (said.code, said.out, said.err) == (255, "", f"{told}\n")


@pytest.mark.parametrize("how", ["runs on", "ended by its command", "ended by a signal", "AWS cannot be asked"])
def test_what_is_the_users_own_end_is_not_explained(keyed, how):
    """Nothing is told where the box runs, where ssh ended otherwise, or by a signal to spotbox; nor where AWS cannot be
    asked: this machine may be cut off itself."""
    keyed.run("ssh")
    if how != "runs on":
        keyed.world.later(30, lambda: takes(keyed.world))
    if how == "AWS cannot be asked":
        keyed.world.later(30, lambda: keyed.world.refuses("DescribeInstances", "RequestLimitExceeded"))
    keyed.world.cut = how == "ended by a signal"
    code = 1 if how == "ended by its command" else 255
    said = keyed.run("ssh", ssh_code=code)
    assert (said.code, said.err) == (code, "")


def unsaid(world):
    """It is being stopped, and AWS does not say yet by whom."""
    world.instances["i-1"] = replace(world.instances["i-1"], state="stopping", reason_code="")
    world.request_of("i-1", code="marked-for-stop")


def test_who_stops_it_is_waited_for(keyed):
    """Whether the box can be started again hangs on who stops it, which AWS may tell a moment later."""
    keyed.run("ssh")
    keyed.world.later(30, lambda: unsaid(keyed.world))
    keyed.world.later(33, lambda: takes(keyed.world))
    said = keyed.run("ssh", ssh_code=255)
    assert said.err == f"dev is interrupted: AWS took the capacity back; only AWS can restart it; {BY_AWS}\n"


def test_who_stops_it_stays_open_where_aws_does_not_tell(keyed):
    """Then nobody is told to start it: of a box that AWS took that is refused."""
    keyed.run("ssh")
    keyed.world.later(30, lambda: unsaid(keyed.world))
    said = keyed.run("ssh", ssh_code=255)
    assert said.err == (
        "dev is stopping: it is being stopped; look again, for who stopped it: spotbox status dev; "
        "remove it: spotbox down dev\n"
    )


def test_an_aws_that_does_not_answer_is_not_waited_for(keyed, monkeypatch):
    """Who is cut off from AWS as well gets the shell back; ssh has said what there is to say."""
    monkeypatch.setattr(ssh, "TOLD_WITHIN", 0.2)
    keyed.run("ssh")
    answers = threading.Event()
    hangs = lambda *_: answers.wait(60)  # noqa: E731
    keyed.world.later(30, lambda: monkeypatch.setattr(FakeCloud, "observe", hangs))
    try:
        said = keyed.run("ssh", ssh_code=255)
        assert (said.code, said.err, answers.is_set()) == (255, "", False)
    finally:
        answers.set()
