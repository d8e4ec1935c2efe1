"""`up` when AWS refuses, a launch dies, or nobody knows. What a user does who has had enough is in test_leave."""

import pytest

from tests.commands.fakes import live

REFUSALS = [
    ("InsufficientInstanceCapacity", 500, 3),
    ("SpotMaxPriceTooLow", 400, 3),
    ("Unsupported", 400, 3),
    ("MaxSpotInstanceCountExceeded", 400, 4),
    ("UnauthorizedOperation", 403, 5),
    ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", 403, 5),
    ("InvalidParameterValue", 400, 2),
]


@pytest.mark.parametrize(("code", "http", "exit_code"), REFUSALS, ids=[row[0] for row in REFUSALS])
def test_a_refused_launch_leaves_nothing_behind(user, code, http, exit_code):
    """AWS refuses the launch: its exit code, two lines, and neither key nor group stays."""
    user.world.refuses("RunInstances", code, http=http)
    said = user.run("up", "-y")
    assert (said.code, said.out, user.world.left()) == (exit_code, "", [])
    assert said.err.splitlines()[-2].startswith("spotbox: ")
    assert said.err.splitlines()[-1].startswith("  ")


def test_a_refused_group_leaves_nothing_behind(user):
    """What was made before the refusal is taken away again."""
    user.world.refuses("CreateSecurityGroup", "UnauthorizedOperation", http=403)
    said = user.run("up", "-y")
    assert (said.code, user.world.left()) == (5, [])
    assert "no permission for ec2:CreateSecurityGroup" in said.err


def test_a_refusal_leaves_another_boxs_key(user):
    """The key pair belongs to the owner: a refusal does not take it from a box that uses it."""
    user.world.has_box("other")
    before = user.world.left()
    user.world.refuses("RunInstances", "Unsupported")
    assert user.run("up", "-y").code == 3
    assert user.world.left() == before


def test_a_clean_up_that_fails_is_told(user):
    """A refusal whose traces cannot be removed names the command that removes them, and keeps its exit code."""
    user.world.refuses("RunInstances", "Unsupported")
    user.world.refuses("DeleteSecurityGroup", "UnauthorizedOperation", http=403)
    said = user.run("up", "-y")
    assert said.code == 3
    assert "could not clean up: no permission for ec2:DeleteSecurityGroup; run: spotbox down dev\n" in said.err


def test_a_launch_that_dies_before_it_runs(user):
    """Accepted, then terminated: the request is cancelled so that it is not tried for ever, and AWS's reason shown."""
    user.world.dies = "Client.VolumeLimitExceeded: Volume limit\x1b[2J exceeded"
    said = user.run("up", "-y")
    user.world.sleep(600)
    assert (said.code, said.out, live(user.world)) == (1, "", [])
    assert [i.state for i in user.world.instances.values() if i.state != "terminated"] == []
    assert "(Client.VolumeLimitExceeded: Volume limit\\x1b[2J exceeded)\n" in said.err
    assert "terminated it before it ran: the limit on EBS volumes or their total size is reached (" in said.err
    assert "To mend it, delete volumes you do not need" in said.err
    assert said.err.splitlines()[-1].startswith("  Its Spot request is cancelled")


def test_a_relaunch_that_slips_in_before_the_cancel_dies_too(user):
    """AWS launches again before the cancel arrives: that instance is terminated as well."""
    user.world.dies = "no"
    user.world.has_box("dev", "starting", age=5)
    said = user.run("up", "-y")
    user.world.sleep(600)
    assert said.code == 1
    assert [i.id for i in user.world.instances.values() if i.state != "terminated"] == []


def test_an_unknown_outcome_is_told(user):
    """AWS never answered, and the launch happened: what exists and bills is told, with what removes it."""
    user.world.refuses("RunInstances", "InternalError", http=500, after=True)
    said = user.run("up", "-y")
    assert said.code == 1
    assert "sir-3 and i-4 exist and bill; go on with `spotbox up dev`, remove with `spotbox down dev`\n" in said.err
    assert said.err.splitlines()[-2].startswith("spotbox: AWS failed inside")


def test_a_box_that_does_not_answer_is_left_and_told(user):
    """A new box whose SSH server stays silent: exit 1, the box is left, and the user told that it bills."""
    user.world.deaf = True
    said = user.run("up", "-y")
    assert (said.code, len(live(user.world))) == (1, 1)
    assert "the box is left as it is and bills" in said.err
