"""`up` where there is no box: questions, summary, plan, launch, and what is printed."""

import shlex
from decimal import Decimal

import pytest

from spotbox.core.report import KEYS
from tests.commands.fakes import live
from tests.commands.questions import ASKED, LIST
from tests.commands.world import HOME

PLAN = """\
would make security group spotbox-dev-alice: port 22 from 198.51.100.7/32
would import your public key as spotbox-alice-new
would submit a persistent Spot request for g4dn.xlarge in us-east-1a, then us-east-1b
"""
SUMMARY = """\
  box        dev (owner alice)
  type       g4dn.xlarge (1x T4, 16 GiB; 4 vCPU, 16 GiB)
  where      us-east-1a, else us-east-1b
  image      Deep Learning Base OSS (Ubuntu 24.04) (ami-1), login ubuntu
  disk       100 GiB gp3, encrypted: $8.00/month while it exists
  price now  $0.1578/h Spot, $0.5260/h on-demand, savings 70.00 %
  at most    $0.5260/h (no cap of your own: AWS caps Spot at on-demand)
  per day    $3.79 at the price now; disk and public IPv4 come on top
  risk       interruption rate 5-10% last month, all zones together
This will:
"""
UP = """\
dev is up: g4dn.xlarge in us-east-1a, $0.1578/h on Spot, 70.00 % under on-demand
  a shell on it       spotbox ssh dev
  pause, keep disk    spotbox stop dev
  remove it           spotbox down dev
  the same again      spotbox up dev -r us-east-1 -t g4dn.xlarge --disk-size 100 -y
"""


def test_yes_asks_nothing_and_makes_the_default_box(user):
    """-y takes every default: the cheapest type with one GPU of 16 GiB, no cap, 100 GiB, cheapest zone first."""
    said = user.run("up", "-y")
    assert (said.code, said.out) == (0, UP)
    assert said.err.startswith(SUMMARY)
    assert "AWS accepted: i-4 in us-east-1a  (0s)\n" in said.err
    assert "dev runs and answers  (" in said.err
    assert said.err.endswith(
        "It bills until you stop or remove it: forgotten, $3.79 a day, and disk and public IPv4 on top.\n"
    )
    (request,) = live(user.world)
    assert request.tags["spotbox:name"] == "dev"
    assert "spotbox:max-price" not in request.tags


def test_all_defaults_by_the_enter_key(user):
    """On a terminal it asks region, type, zone, price, disk and once more; Enter takes the default each time."""
    said = user.run("up", answers=list(ASKED))
    assert (said.code, said.out) == (0, UP)
    listed = "\n".join(user.app.prompts.asked)
    assert LIST in listed
    assert "cheapest first, the next when one has no capacity" in listed


def test_what_a_flag_answered_is_not_asked(user):
    """A flag is an answer: nothing but the confirmation is asked when all are given."""
    flags = ["-r", "eu-west-1", "-t", "g5.xlarge", "-z", "eu-west-1a", "--max-price", "60%", "--disk-size", "120"]
    flags += ["--idle-stop", "0"]
    said = user.run("up", *flags, answers=[("Go ahead?", True), ("Add spotbox's", False)])
    assert said.code == 0
    (request,) = live(user.world)
    assert (request.region, request.instance_type, request.max_price) == ("eu-west-1", "g5.xlarge", Decimal("0.6036"))
    same = "spotbox up dev -r eu-west-1 -t g5.xlarge -z eu-west-1a --max-price 60% --disk-size 120 -y"
    assert f"  the same again      {same}\n" in said.out


def test_answers_are_taken(user):
    """What is answered is what is made, and the printed command repeats it."""
    answers = [("Region", "eu-west-1"), ("Instance type", "g5.xlarge"), ("Zone", "eu-west-1a"), ("Maximum", "0.5"),
               ("Disk", "200"), ("Stop when idle", "90m"), ("Go ahead?", True), ("Add spotbox's", True)]  # fmt: skip
    said = user.run("up", "train", answers=answers)
    assert said.code == 0
    same = "spotbox up train -r eu-west-1 -t g5.xlarge -z eu-west-1a --max-price 0.5 --disk-size 200 --idle-stop 1h30m"
    assert f"{same} -y\n" in said.out
    assert (user.home.parent / ".ssh" / "config").read_text() == f'Include "{user.home}/ssh_config"\n'


def test_the_printed_command_makes_the_same_box(user):
    """The one-line command that `up` prints is accepted as it stands and finds nothing to change."""
    flags = ["-t", "g5.xlarge", "--max-price", "0.5", "--tag", "team=a b", "--allow-cidr", f"{HOME}/24"]
    first = user.run("up", "-y", *flags)
    words = shlex.split(first.out.splitlines()[-1].split("again")[1])
    user.run("down", "-y")
    again = user.run(*words[1:])
    assert (again.code, again.out.splitlines()[-1]) == (0, first.out.splitlines()[-1])


def test_no_is_no(user):
    """Without consent nothing is made."""
    said = user.run("up", answers=[*ASKED[:6], ("Go ahead?", False)])
    assert (said.code, user.world.left()) == (1, [])
    assert "nothing was made, as you said" in said.err


def test_without_a_terminal_yes_is_missing(user):
    """No terminal and no -y: a usage error that names the flag, before anything is made."""
    said = user.run("up")
    assert (said.code, said.out, user.world.left()) == (2, "", [])
    assert said.err == "spotbox: no terminal to ask on, and -y is missing\n  Give -y.\n"


def test_without_a_terminal_the_sandbox_takes_the_defaults(user):
    """In the sandbox nothing is at stake: it takes the defaults and says so."""
    user.world.address = "127.0.0.1"
    said = user.run("up", sandbox=True)
    assert said.code == 0
    assert said.err.startswith("no terminal to ask on: taking every default, as this is the sandbox\n")


def test_dry_run_prints_the_plan_and_makes_nothing(user):
    """--dry-run prints the plan that would run, on stdout, and changes nothing at AWS."""
    said = user.run("up", "--dry-run")
    assert (said.code, said.out, user.world.left()) == (0, PLAN, [])


def test_a_dry_run_in_json_is_an_array_of_sentences(user):
    """With -o json stdout is JSON in a dry run too: the sentences of the plan, in their order."""
    said = user.run("up", "--dry-run", "-o", "json")
    assert said.json == [line.removeprefix("would ") for line in PLAN.splitlines()]
    assert (said.code, user.world.left()) == (0, [])


def test_json_is_the_box_with_the_contracts_keys(user):
    """-o json prints one object with exactly the contract's keys, in their order; all talk is on stderr."""
    said = user.run("up", "-y", "-o", "json")
    assert said.code == 0
    assert tuple(said.json) == KEYS
    assert {k: said.json[k] for k in ("name", "owner", "state", "spot", "on_demand", "savings_pct", "max_price")} == {
        "name": "dev", "owner": "alice", "state": "running",
        "spot": 0.1578, "on_demand": 0.526, "savings_pct": 70.0, "max_price": None,
    }  # fmt: skip


def test_an_unknown_region_is_named_with_those_there_are(user):
    """Exit 2 with the regions of the account; `all`, which `up` does not take, is not among them."""
    said = user.run("up", "-y", "-r", "mars-1")
    assert (said.code, user.world.left()) == (2, [])
    assert "'mars-1' is not an AWS region" in said.err
    assert said.err.endswith("us-east-1.\n")


def test_the_spot_role_is_made_after_saying_so(user):
    """A missing Spot role is told before, and made."""
    user.world.role = False
    said = user.run("up", "-y")
    assert (said.code, user.world.role) == (0, True)
    assert said.err.index("no Spot service-linked role yet") < said.err.index("This will:")


def test_an_unknown_role_is_no_reason_to_make_one(user):
    """Where IAM may not be looked at, nothing is made: the launch is the judge."""
    user.world.role = None
    assert "service-linked role" not in user.run("up", "--dry-run").out


def test_no_quota_is_told_before_the_first_question(user):
    """A Spot quota below what the type needs: exit 4, in vCPU, with the command that asks for more."""
    user.world.quota = Decimal(0)
    said = user.run("up", answers=[])
    assert (said.code, user.world.left()) == (4, [])
    assert "your Spot quota in us-east-1 is 0 vCPU" in said.err
    assert "--service-code ec2 --quota-code L-3819A6DF --desired-value 4" in said.err


def test_a_cidr_with_host_bits_is_made_canonical_and_told(user):
    """203.0.113.7/24 means 203.0.113.0/24, and the user is told."""
    said = user.run("up", "-y", "--dry-run", "--allow-cidr", "203.0.113.7/24")
    assert "--allow-cidr 203.0.113.7/24 means 203.0.113.0/24\n" in said.err
    assert "port 22 from 203.0.113.0/24\n" in said.out


@pytest.mark.parametrize(("args", "code"), [
    (["--allow-cidr", "::/0"], 2), (["--allow-cidr", "0.0.0.0/0"], 2), (["--tag", "Name=x"], 2),
    (["--tag", "spotbox:x=y"], 2), (["--tag", "a b=c"], 2), (["--disk-size", "20"], 2), (["-t", "g9.huge"], 2),
    (["-z", "us-east-1q"], 2), (["-r", "ap-east-1"], 5), (["-r", "us-esat-1"], 2), (["--max-price", "0"], 2),
    (["--wait", "5"], 2), (["--gpu", "H9"], 2), (["--min-vram", "999"], 2), (["--key", "/nowhere.pub"], 2),
    (["--frob"], 2),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_anything_is_made(user, args, code):
    """Bad input has its exit code and two lines; nothing exists afterwards."""
    said = user.run("up", "-y", *args)
    assert (said.code, said.out, user.world.left()) == (code, "", [])


@pytest.mark.parametrize(("flags", "pools"), [
    ([], "g4dn.xlarge in us-east-1a, then us-east-1b"),
    (["-z", "us-east-1b", "-z", "us-east-1a"], "g4dn.xlarge in us-east-1b, then us-east-1a"),
    (
        ["-t", "g5.xlarge", "-t", "g4dn.xlarge", "-z", "us-east-1a"],
        "g5.xlarge in us-east-1a, then g4dn.xlarge in us-east-1a",
    ),
    (["--min-vram", "16"], "g4dn.xlarge in us-east-1a, then us-east-1b, g5.xlarge in us-east-1a"),
    (["--gpu", "a10g"], "g5.xlarge in us-east-1a"),
    (["--min-vram", "20"], "g5.xlarge in us-east-1a"),
])  # fmt: skip
def test_the_order_of_pools(user, flags, pools):
    """Given orders are kept, type before zone; what was not ordered goes cheapest first."""
    said = user.run("up", "--dry-run", *flags)
    assert said.out.splitlines()[-1] == f"would submit a persistent Spot request for {pools}"


def test_the_next_zone_is_tried(user):
    """A zone without capacity is passed over."""
    user.world.refuses("RunInstances", "InsufficientInstanceCapacity", zone="us-east-1a", http=500)
    said = user.run("up", "-y")
    assert (said.code, live(user.world)[0].zone) == (0, "us-east-1b")
    assert said.out.startswith("dev is up: g4dn.xlarge in us-east-1b, $0.1650/h on Spot")


def test_the_environment_and_the_config_file_answer_too(user, monkeypatch):
    """SPOTBOX_<FLAG> beats the config file, the flag beats both, and none of them is asked for."""
    user.home.mkdir()
    (user.home / "config.toml").write_text('[defaults]\nregion = "eu-west-1"\ninstance-type = "g5.xlarge"\n')
    assert "g5.xlarge in eu-west-1a" in user.run("up", "--dry-run").out
    monkeypatch.setenv("SPOTBOX_INSTANCE_TYPE", "g4dn.xlarge")
    assert "g4dn.xlarge in eu-west-1a" in user.run("up", "--dry-run").out
    assert "g4dn.xlarge in us-east-1a" in user.run("up", "--dry-run", "-r", "us-east-1").out
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert "g4dn.xlarge in us-east-1a" in user.run("up", "--dry-run").out


def test_the_printed_command_repeats_every_flag(user):
    """What was given and makes a difference is in the printed command."""
    flags = ["--owner", "carol", "--disk-type", "gp2", "--ssh-user", "ec2-user", "--gpu", "T4"]
    said = user.run("up", "-y", *flags)
    same = shlex.split(said.out.splitlines()[-1].split("again")[1])
    assert " ".join(same[:8]) == "spotbox up dev -r us-east-1 -t g4dn.xlarge --disk-size"
    assert " ".join(same[9:]) == "--disk-type gp2 --ssh-user ec2-user --owner carol -y"


def test_dry_run_makes_no_key_file(user):
    """--dry-run changes nothing on this machine either."""
    assert user.run("up", "--dry-run").code == 0
    assert not (user.home / "keys" / "spotbox_ed25519").exists()


def test_a_standing_request_is_for_one_zone(user):
    """With --park the summary names the zone that the plan names, and no other that would not be tried."""
    said = user.run("up", "-y", "--park")
    assert "  where      us-east-1a\n" in said.err
    assert "leave a standing Spot request for g4dn.xlarge in us-east-1a with AWS" in said.err
