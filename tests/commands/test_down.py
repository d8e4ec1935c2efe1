"""`down`: cancel, prove it, terminate, clean up, look again."""

from dataclasses import replace

import pytest

from spotbox.core.errors import Exit, SpotboxError
from tests.commands.fakes import live
from tests.commands.world import RAW, Will

GONE = """\
removed spot-request sir-1 (us-east-1)
removed instance i-1 (us-east-1)
removed key-pair key-2 (us-east-1)
removed security-group sg-1 (us-east-1)
removed volume vol-1 (us-east-1)
dev cost about $4.17 (estimate): compute $3.79, disk $0.26, public IPv4 $0.12
it ran 1d, stood stopped 0s; on demand its compute would have cost $12.62
savings: 70.0%
"""
PLAN = """\
would cancel Spot request sir-1 in us-east-1
would terminate instance i-1
would delete key pair spotbox-alice-b00ad5c936c394fd from us-east-1 (the last box there)
would delete security group spotbox-dev-alice (sg-1)
would delete volume vol-1 (us-east-1) and all that is on it, with its instance
"""


def stands(world, **where):
    """AWS takes the cancel, but never shows the request as cancelled."""
    error = SpotboxError("AWS does not show it as cancelled", "Run the same command again.", Exit.STILL_BILLS)
    world.wills.append(Will("CancelSpotInstanceRequests", error, **where))


@pytest.mark.parametrize("was", [*RAW, "kept"])
def test_down_leaves_nothing_whatever_the_state(user, was):
    """From every state `down` leaves nothing that bills or bears spotbox's traces; no relaunch follows."""
    user.world.has_box("dev", was)
    assert user.run("down", "-y").code == 0
    user.world.sleep(3600)
    assert user.world.left() == []


def test_down_says_what_it_removed(user):
    """stdout has a line for each thing removed; the plan is shown on stderr before."""
    user.world.has_box("dev")
    said = user.run("down", "-y")
    assert (said.code, said.out) == (0, GONE)
    assert said.err.startswith(PLAN.replace("would", "  -"))


def test_json_has_the_contracts_shape(user):
    """{removed, kept, unresolved, cost}; each thing with kind, id and region."""
    user.world.has_box("dev")
    said = user.run("down", "-y", "-o", "json")
    assert list(said.json) == ["removed", "kept", "unresolved", "cost"]
    assert said.json["removed"][1] == {"kind": "instance", "id": "i-1", "region": "us-east-1"}
    assert (said.json["kept"], said.json["unresolved"]) == ([], [])


def test_dry_run_shows_the_plan_and_removes_nothing(user):
    """Cancel stands before terminate; nothing is changed, nothing asked."""
    user.world.has_box("dev")
    before = user.world.left()
    said = user.run("down", "--dry-run")
    assert (said.code, said.out, user.world.left()) == (0, PLAN, before)


def test_a_dry_run_in_json_is_an_array_of_sentences(user):
    """With -o json stdout is JSON in a dry run too: the sentences of the plan, in their order."""
    user.world.has_box("dev")
    before = user.world.left()
    said = user.run("down", "--dry-run", "-o", "json")
    assert said.json == [line.removeprefix("would ") for line in PLAN.splitlines()]
    assert (said.code, user.world.left()) == (0, before)
    assert user.run("down", "other", "--dry-run", "-o", "json").json == []


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 1)])
def test_down_asks_once(user, answer, code):
    """It shows what will be deleted and asks; no is no."""
    user.world.has_box("dev")
    assert user.run("down", answers=[("Remove all this?", answer)]).code == code
    assert bool(user.world.left()) is not answer


def test_without_a_terminal_yes_is_missing(user):
    """No terminal and no -y: exit 2, names the flag, removes nothing; the sandbox goes ahead and says so."""
    user.world.has_box("dev")
    said = user.run("down")
    assert (said.code, len(live(user.world))) == (2, 1)
    assert "-y is missing" in said.err
    said = user.run("down", sandbox=True)
    assert (said.code, user.world.left()) == (0, [])
    assert "no terminal to ask on: going ahead, as this is the sandbox\n" in said.err


def test_nothing_to_remove_names_the_boxes_that_exist(user):
    """Exit 0, and the boxes there are; twice is fine."""
    user.world.has_box("train", "stopped")
    for _ in range(2):
        said = user.run("down", "-y")
        assert (said.code, said.out) == (0, "")
        assert said.err == "nothing of dev to remove. alice has 1 box: train (stopped, us-east-1).\n"


def test_all_is_every_region_and_this_owner_only(user):
    """--all takes every box of this owner in every region, and nothing of anybody else's."""
    user.world.has_box("dev")
    user.world.has_box("train", "stopped", region="eu-west-1")
    user.world.has_box("dev", owner="bob")
    said = user.run("down", "--all", "-y")
    assert said.code == 0
    assert {user.world.groups[g].tags["spotbox:owner"] for g in user.world.groups} == {"bob"}
    assert {k.tags["spotbox:owner"] for k in user.world.keys.values()} == {"bob"}
    assert len(user.world.left()) == 5  # bob's request, instance, volume, group and key


def test_the_key_goes_with_the_last_box_of_the_region(user):
    """While another box of the owner is in the region the key pair stays."""
    user.world.has_box("dev")
    user.world.has_box("train")
    assert "key-pair" not in user.run("down", "-y").out
    assert "key-pair" in user.run("down", "train", "-y").out
    assert user.world.left() == []


def test_without_cancel_no_terminate(user):
    """A cancel that cannot be proved: nothing of the box is removed, exit 6, each id with what it costs."""
    user.world.has_box("dev")
    before = user.world.left()
    stands(user.world)
    said = user.run("down", "-y")
    assert (said.code, user.world.left()) == (6, before)
    assert "NOT removed spot-request sir-1 (us-east-1, cost unknown): AWS does not show it as cancelled\n" in said.out
    assert (
        "NOT removed instance i-1 (us-east-1, $123.19/month): a Spot request here is not proved cancelled" in said.out
    )
    assert not [line for line in said.out.splitlines() if line.startswith("removed ")]


def test_a_late_instance_of_a_request_that_stands_is_not_terminated(user):
    """The request cannot be cancelled and then launches: terminating that instance would only launch another."""
    user.world.has_box("dev", "waiting")
    stands(user.world)
    user.world.later(5, lambda: user.world.relaunch("sir-1"))
    said = user.run("down", "-y")
    assert said.code == 6
    assert [i.state for i in user.world.instances.values()] == ["running"]
    assert "NOT removed instance i-" in said.out


def test_a_cost_that_cannot_be_had_does_not_end_it(user):
    """Where prices do not answer either, `down` still ends with 6 and every id."""
    user.world.has_box("dev")
    stands(user.world)
    user.world.refuses("DescribeSpotPriceHistory", "UnauthorizedOperation")
    said = user.run("down", "-y")
    assert said.code == 6
    assert "NOT removed instance i-1 (us-east-1, cost unknown)" in said.out


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_one_region_that_stands_does_not_hold_the_other(user, region):
    """--all removes what it can; a box whose cancel is not proved stays whole, whichever region is the first."""
    user.world.has_box("dev")
    user.world.has_box("train", region="eu-west-1")
    stands(user.world, region=region)
    said = user.run("down", "--all", "-y")
    assert said.code == 6
    assert {r.region for r in live(user.world)} == {region}
    assert {i.region for i in user.world.instances.values() if i.state == "running"} == {region}


def test_a_group_that_stays_is_told(user):
    """What could not be deleted is told with its id, costs nothing, and the exit code is 6."""
    user.world.has_box("dev")
    user.world.refuses("DeleteSecurityGroup", "DependencyViolation")
    said = user.run("down", "-y", "-o", "json")
    assert said.code == 6
    (item,) = said.json["unresolved"]
    assert (item["kind"], item["id"], item["usd_per_month"]) == ("security-group", "sg-1", 0.0)


def test_a_region_that_cannot_be_seen_is_unresolved(user):
    """--all cannot say that nothing is left where it could not look: exit 6."""
    user.world.has_box("dev")
    user.world.refuses("DescribeInstances", "RequestLimitExceeded", region="eu-west-1")
    said = user.run("down", "--all", "-y")
    assert (said.code, user.world.left()) == (6, [])
    assert "NOT removed region eu-west-1 (eu-west-1, cost unknown): not seen: " in said.out


def test_down_looks_again_for_a_late_launch(user):
    """A request that was open when cancelled may still have launched: what appears within SPOTBOX_SETTLE is removed."""
    user.world.has_box("dev", "waiting")
    request = replace(user.world.requests["sir-1"])
    user.world.later(20, lambda: user.world.launched(replace(request, state="cancelled"), {}, {}, "", ()))
    said = user.run("down", "-y")
    user.world.sleep(600)
    assert said.code == 0
    assert [i.state for i in user.world.instances.values()] == ["terminated"]


@pytest.mark.parametrize(("age", "settle", "took"), [(10, None, 50), (10, "20s", 10), (86400, None, 5), (10, "0", 5)])
def test_a_young_box_is_looked_after_until_it_has_settled(user, age, settle, took):
    """Anything younger than SPOTBOX_SETTLE (60s by default) is looked for again until it is that old."""
    user.world.has_box("dev", age=age)
    user.env = {"SPOTBOX_SETTLE": settle} if settle else {}
    said = user.run("down", "-y")
    assert said.code == 0
    assert took <= user.world.clock <= took + 2
    assert said.err.count("looking again for a late launch") == (1 if took > 5 else 0)


def test_an_untagged_relaunch_goes_too(user):
    """What AWS relaunched without tags is found through its request, and goes with its disk."""
    user.world.has_box("dev")
    user.world.gone("i-1")
    user.world.sleep(10)
    assert user.run("down", "-y").code == 0
    user.world.sleep(600)
    assert user.world.left() == []


def test_keep_data_keeps_the_data_volume(user):
    """--keep-data leaves the data volume marked as kept; `down` without it removes that too."""
    user.world.has_box("dev")
    data = replace(user.world.volumes["vol-1"], id="vol-d", delete_on_termination=False, device="/dev/sdf",
                   tags={**user.world.volumes["vol-1"].tags, "spotbox:role": "data"})  # fmt: skip
    user.world.volumes["vol-d"] = data
    said = user.run("down", "-y", "--keep-data")
    assert (said.code, user.world.left()) == (0, ["vol-d"])
    assert "kept volume vol-d (us-east-1): 100 GiB, $8.00/month until `spotbox down dev`" in said.out
    assert "kept" in user.run("status").out
    assert user.run("down", "-y").code == 0
    assert user.world.left() == []


STEPS = ["CancelSpotInstanceRequests", "TerminateInstances", "DeleteSecurityGroup", "DeleteKeyPair"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("action", STEPS)
def test_ctrl_c_at_any_step_and_down_again(user, action, after):
    """Ctrl-C at any step: exit 130; the same command again removes what is left, and nothing was launched meanwhile."""
    user.world.has_box("dev")
    user.world.interrupts(action, after=after)
    said = user.run("down", "-y")
    assert said.code == 130
    user.world.sleep(60)
    assert len(user.world.instances) == 1
    assert user.run("down", "--all", "-y").code == 0
    assert user.world.left() == []


@pytest.mark.parametrize("action", STEPS[1:])
def test_a_step_that_is_denied(user, action):
    """What these credentials may not remove is told with its id, and the rest is removed: exit 6."""
    user.world.has_box("dev")
    user.world.refuses(action, "UnauthorizedOperation", http=403)
    said = user.run("down", "-y", "-o", "json")
    assert said.code == 6
    assert live(user.world) == []
    assert f"no permission for ec2:{action}" in said.json["unresolved"][0]["why"]
