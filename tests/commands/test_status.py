"""`status` shows, and changes nothing; and nothing of AWS's text reaches the terminal raw, here or anywhere."""

import csv
import io
import re
import unicodedata
from dataclasses import replace

import pytest

from spotbox.core.report import KEYS
from spotbox.width import columns_of
from tests.commands.world import RAW

NASTY = "a\x1b[2J\r\nb\x9b31m\u202ec\x07"
AWS_HAS_IT = "AWS took the capacity back; only AWS can restart it"


def clean(text: str) -> bool:
    """Whether a terminal finds nothing to obey in it but line ends."""
    return not [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def test_the_table(user):
    """Every box of this owner in every enabled region; nobody else's."""
    user.world.has_box("dev")
    user.world.has_box("train", "interrupted", region="eu-west-1")
    user.world.has_box("dev", owner="bob")
    said = user.run("status")
    assert (said.code, said.err) == (0, "")
    assert [re.split("  +", line.rstrip()) for line in said.out.splitlines()][::2] == [
        ["name", "state", "type", "zone", "market", "$/h now", "savings", "address", "reason"],
        ["dev", "running", "g4dn.xlarge", "us-east-1a", "spot", "$0.1578", "70.00 %", "203.0.113.3"],
    ]
    train = ["train", "interrupted", "g4dn.xlarge", "eu-west-1a", "spot", "$0.1578", "70.00 %", AWS_HAS_IT]
    assert re.split("  +", said.out.splitlines()[3]) == train
    assert "bob" in user.run("status", "--owner", "all", "-o", "csv").out


def test_no_box(user):
    """No box is no data: stdout is empty (an empty array as JSON, the header alone as CSV), exit 0."""
    said = user.run("status")
    assert (said.code, said.out, said.err) == (0, "", "no boxes. Make one with: spotbox up\n")
    assert user.run("status", "-o", "json").out == "[]\n"
    assert user.run("status", "-o", "csv").out == ",".join(KEYS) + "\n"


@pytest.mark.parametrize("was", [*RAW, "kept"])
def test_every_state_has_the_contracts_keys_and_changes_nothing(user, was):
    """All Box keys in every state, null where absent; the array's element is the object of one name."""
    user.world.has_box("dev", was)
    before = dict(user.world.requests), dict(user.world.instances), dict(user.world.volumes), user.world.clock
    (row,) = user.run("status", "-o", "json").json
    assert tuple(row) == KEYS
    assert row["state"] == was
    assert user.run("status", "dev", "-o", "json").json == row
    assert user.run("status", "dev").out.splitlines()[0].split() == ["name", "dev"]
    (line,) = csv.DictReader(io.StringIO(user.run("status", "-o", "csv").out))
    assert tuple(line) == KEYS
    assert before == (user.world.requests, user.world.instances, user.world.volumes, user.world.clock)


def test_what_a_box_shows(user):
    """Prices are numbers, lists are lists, the ssh command line is whole, absent things null."""
    user.world.has_box("dev", tags={"spotbox:max-price": "0.3"})
    row = user.run("status", "dev", "-o", "json").json
    assert (row["spot"], row["on_demand"], row["savings_pct"], row["max_price"]) == (0.1578, 0.526, 70.0, 0.3)
    assert row["volumes"] == [{"id": "vol-1", "size_gib": 100, "type": "gp3", "device": "/dev/sda1", "data": False}]
    assert (row["reason"], row["expires_at"], row["untagged"]) == (None, None, [])
    assert row["ssh"].endswith("ubuntu@203.0.113.3")


def test_one_box_is_explained_in_full(user):
    """`status NAME` says what happened, who did it, what bills, what comes next and what can be done."""
    user.world.has_box("dev", "interrupted")
    lines = dict(re.split("  +", line, maxsplit=1) for line in user.run("status", "dev").out.splitlines())
    assert (lines["state"], lines["what"], lines["who"]) == ("interrupted", AWS_HAS_IT, "AWS")
    assert lines["bills"] == "the disk (100 GiB) only"
    assert lines["next"].startswith("when there is capacity again, AWS restarts it in the same zone")
    assert lines["you can"] == (
        "wait for AWS: spotbox up dev; take it elsewhere, disk included: spotbox move dev; remove it: spotbox down dev"
    )
    assert "reason" not in lines


def test_an_untagged_relaunch_is_shown_and_left(user):
    """What AWS relaunched without tags is shown under `untagged`, and `status` does not tag it."""
    user.world.has_box("dev")
    user.world.gone("i-1")
    user.world.sleep(10)
    row = user.run("status", "dev", "-o", "json").json
    assert (row["state"], len(row["untagged"])) == ("running", 2)
    assert user.world.instances[row["instance_id"]].tags == {}


def test_a_region_that_fails_costs_a_remark(user):
    """A region that cannot be asked costs a remark on stderr, not the answer."""
    user.world.has_box("dev")
    user.world.refuses("DescribeInstances", "RequestLimitExceeded", region="eu-west-1")
    said = user.run("status", "-o", "json")
    assert (said.code, [row["name"] for row in said.json]) == (0, ["dev"])
    assert said.err.startswith("could not look in eu-west-1, so a box there would not be seen: AWS is throttling")


def test_no_region_answers(user):
    """Where no region answers there is no answer: AWS's error with its exit code."""
    user.world.refuses("DescribeInstances", "UnauthorizedOperation", http=403)
    said = user.run("status")
    assert (said.code, said.out) == (5, "")


def test_prices_that_fail_are_unknown(user):
    """A price that cannot be had is null and `unknown`, never invented."""
    user.world.has_box("dev")
    user.world.refuses("DescribeSpotPriceHistory", "RequestLimitExceeded")
    row = user.run("status", "dev", "-o", "json").json
    assert (row["spot"], row["savings_pct"]) == (None, None)
    assert "unknown" in user.run("status").out


def test_expired_credentials(user):
    """Credentials that AWS does not accept: exit 5, two lines."""
    user.world.refuses("GetCallerIdentity", "ExpiredToken", http=403)
    said = user.run("status")
    assert (said.code, said.out, len(said.err.splitlines())) == (5, "", 2)


def test_one_region(user):
    """-r looks there alone; an unknown region is a usage error with the nearest right one, a closed one exit 5."""
    user.world.has_box("dev")
    assert user.run("status", "-r", "eu-west-1", "-o", "json").json == []
    said = user.run("status", "-r", "us-est-1")
    assert (said.code, "did you mean us-east-1?" in said.err) == (2, True)
    assert user.run("status", "-r", "ap-east-1").code == 5


@pytest.fixture
def nasty(user):
    """A box whose every text from AWS tries to move the cursor, and a neighbour's."""
    user.world.has_box("dev", "interrupted")
    request = user.world.requests["sir-1"]
    tags = {**request.tags, "spotbox:expires": NASTY}
    user.world.requests["sir-1"] = replace(request, code=NASTY, message=NASTY, tags=tags)
    user.world.has_box(NASTY, owner=NASTY)
    user.world.volumes["vol-1"] = replace(user.world.volumes["vol-1"], type=NASTY, device=NASTY)
    for id_, key in user.world.keys.items():
        user.world.keys[id_] = replace(key, name=key.name + NASTY)
    for id_, group in user.world.groups.items():
        user.world.groups[id_] = replace(group, name=group.name + NASTY)
    return user


@pytest.mark.parametrize("args", [
    ["status"], ["status", "dev"], ["status", "-o", "json"], ["status", "-o", "csv"], ["status", "--owner", "all"],
    ["status", "--owner", "all", "-o", "json"], ["status", "--owner", "all", "-o", "csv"],
    ["status", "dev", "-o", "json"], ["status", "dev", "-o", "csv"], ["status", "nobody", "--owner", "all"],
    ["ssh"], ["stop"], ["start"], ["up", "-y", "--wait", "0"], ["up", "--dry-run"],
    ["down", "--dry-run"], ["down", "-y"], ["down", "-y", "-o", "json"], ["down", "none"],
], ids=" ".join)  # fmt: skip
def test_nothing_raw_reaches_the_terminal(nasty, args):
    """Escapes, newlines, C1 controls and bidirectional overrides in AWS's text are shown as text."""
    said = nasty.run(*args)
    assert clean(said.out), ascii(said.out)
    assert clean(said.err), ascii(said.err)
    if "json" in args:
        assert said.json is not None


def test_an_error_text_of_aws_is_made_safe(user):
    """AWS's own message is one line without anything that a terminal obeys."""
    user.world.refuses("RunInstances", "InvalidParameterValue", NASTY)
    said = user.run("up", "-y")
    assert said.code == 2
    assert clean(said.err), ascii(said.err)


def test_everyones_boxes_are_told_apart(user):
    """With `--owner all` each row names its owner; one owner's own table has no such column."""
    user.world.has_box("dev", "running")
    everyone, own = user.run("status", "--owner", "all").out, user.run("status").out
    assert everyone.split("\n")[0].split()[:3] == ["name", "owner", "state"]
    assert everyone.split("\n")[2].split()[:3] == ["dev", "alice", "running"]
    assert own.split("\n")[0].split()[:2] == ["name", "state"]


@pytest.mark.parametrize("args", [(), ("--owner", "all")], ids=["own", "all"])
def test_fifty_columns_hold_it(user, monkeypatch, args):
    """On 50 columns the table of boxes, the reason of one that waits included, is no wider, and the user is told."""
    user.world.has_box("dev", "interrupted")
    user.world.has_box("other", owner="東京🚀")
    monkeypatch.setattr("spotbox.commands._table.screen", lambda: 50)
    said = user.run("status", *args)
    assert [line for line in said.out.splitlines() if columns_of(line) > 50] == []
    assert "$" in said.out
    assert "the terminal has 50 columns, so left out: " in said.err
