"""`up` where there is no box: questions, summary, plan, launch, and what is printed."""

import shlex
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from spotbox.commands._bid import Held
from spotbox.core.report import KEYS
from tests.commands.fakes import live
from tests.commands.market import PAST as PAST_CALL
from tests.commands.world import A10G, HOME, T4

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
LIST = """\
                      GPU        on-demand    Spot  savings  inter-
type         GPU      GiB  vCPU        $/h     $/h        %  rupted  quota
g4dn.xlarge  1x T4     16     4     0.5260  0.1578    70.00   5-10%  ok
g5.xlarge    1x A10G   24     4     1.0060  0.4024    60.00    >20%  ok
"""
ASKED = [
    ("Region", ...),
    ("Instance type", ...),
    ("Availability Zone", ...),
    ("Maximum price", ...),
    ("Disk", ...),
    ("Stop when idle", ...),
    ("Go ahead?", ...),
    ("Add spotbox's boxes", False),
]


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


def test_a_bid_below_the_price_is_warned_of(user):
    """A maximum below the Spot price is honoured, and warned about before."""
    said = user.run("up", "-y", "--max-price", "0.10", "--dry-run")
    assert "your maximum is below the Spot price ($0.1578): AWS will refuse until it falls" in said.err


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


def test_the_list_says_which_types_the_quota_admits(user):
    """Quota in vCPU of what the type needs; unknown rates and quotas are unknown; no line is wider than 110."""
    big = replace(A10G, name="g7e.48xlarge", vcpus=192, gpu="RTX PRO Server 6000", gpu_count=Decimal(8))
    b200 = replace(A10G, name="p6-b200.48xlarge", vcpus=192, gpu="B200", gpu_count=Decimal(8))
    user.world.types |= {kind.name: replace(kind, gpu_memory_gib=Decimal("2148.75")) for kind in (big, b200)}
    user.world.offers("us-east-1", big.name, a="16.2529")
    user.world.offers("us-east-1", b200.name, a="45.1")
    user.world.demand |= {b200.name: Decimal("113.9328")}
    user.world.quota = Decimal(8)
    user.world.interruption = {}
    user.run("up", answers=[*ASKED[:6], ("Go ahead?", False)])
    listed = [line for line in "\n".join(user.app.prompts.asked).split("\n") if "192" in line or "g4dn" in line]
    assert listed == [
        "g4dn.xlarge       1x T4                        16     4     0.5260   0.1578    70.00  unknown  ok",
        "g7e.48xlarge      8x RTX PRO Server 6000  2148.75   192    unknown  16.2529  unknown  unknown  8 of 192",
        "p6-b200.48xlarge  8x B200                 2148.75   192   113.9328  45.1000    60.42  unknown  unknown",
    ]
    assert max(map(len, listed)) <= 110 - len(" » ")


def test_the_list_fits_the_terminal(user):
    """On 80 columns no line of the list is wider; what had to go for that is said before the question."""
    user.world.types |= {"g7e.48xlarge": replace(A10G, name="g7e.48xlarge", gpu="RTX PRO Server 6000")}
    user.world.offers("us-east-1", "g7e.48xlarge", a="16.2529")
    said = user.run("up", answers=[*ASKED[:6], ("Go ahead?", False)], room=76)
    assert "the terminal has 80 columns, so left out: vCPU, on-demand\n" in said.err
    asked = user.app.prompts.asked
    listed = next(text for text in asked if text.startswith(" ")).split("\n") + [t for t in asked if "g" in t[:1]]
    assert max(map(len, listed)) <= 76
    assert "g7e.48xlarge  1x RTX PRO Server 6000   24  16.2529  unknown  unknown  ok" in listed


@pytest.mark.parametrize(("vcpus", "asked"), [(4, 1), (5, 2)])
def test_no_more_quotas_are_asked_than_it_takes(user, vcpus, asked):
    """One that admits the first type is enough; the next is asked where that one is too small."""
    v100 = replace(A10G, name="p3.2xlarge", vcpus=4, gpu="V100")
    user.world.types = {kind.name: kind for kind in (replace(T4, vcpus=vcpus), v100)}
    user.world.offers("us-east-1", "p3.2xlarge", a="0.9")
    user.world.demand |= {"p3.2xlarge": Decimal("3.06")}
    user.world.quota = Decimal(4)
    assert user.run("up", "--dry-run", "--min-vram", "16").code == 0
    assert len([each for each in user.world.asked if each[0] == "quotas"]) == asked


PAST = [(24 * 40, "0.30"), (24 * 15, "0.50")]  # 0.30 for the first half of 30 days, 0.50 since then


def test_what_a_bid_would_have_held(user):
    """While the maximum is typed the share of the past hours is shown, after the answer it is said, and summed up."""
    user.world.changes = {("g5.xlarge", "us-east-1a"): PAST}
    answers = [*ASKED[:1], ("Instance type", "g5.xlarge"), ("Zone", "us-east-1a"), ("Maximum", "0.4"), *ASKED[4:6]]
    said = user.run("up", answers=[*answers, ("Go ahead?", False)])
    line = "0.4 would have held 50.0 % (us-east-1a) of the last 30 days' hours"
    assert user.app.prompts.hints == ["", "", line]
    assert f"{line}\n" in said.err
    assert f"  held       {line}\n" in said.err
    assert len([a for a in user.world.asked if a[0] == "history"]) == 1


@pytest.mark.parametrize(("bid", "told"), [
    ("60%", "  held       60% would have held 100.0 % (us-east-1a) of the last 30 days' hours\n"),
    ("0.3", "  held       0.3 would have held 50.0 % (us-east-1a) of the last 30 days' hours\n"),
    ("on-demand", ""),
])  # fmt: skip
def test_a_cap_is_weighed_without_questions_too(user, bid, told):
    """The summary names the share for a cap; without one the past is not even asked for."""
    user.world.changes = {("g5.xlarge", "us-east-1a"): PAST}
    said = user.run("up", "--dry-run", "-t", "g5.xlarge", "--max-price", bid)
    assert [line + "\n" for line in said.err.splitlines() if line.startswith("  held")] == [told] * bool(told)
    assert bool(told) is any(asked[0] == "history" for asked in user.world.asked)


def test_the_share_of_many_zones_is_said_once_where_it_is_one():
    """Of more zones than are named one by one: best and worst, or the one share that all have."""

    class Known(Held):
        def share(self, offer, bid):
            return offer.share

    def said(*shares):
        kind = SimpleNamespace(name="g5.xlarge")
        pools = [SimpleNamespace(type=kind, zone=f"z{n}", share=share) for n, share in enumerate(shares)]
        return Known(pools, None, None, None).shares(None)

    assert said(100, 100, 100, 100) == "100 % (each of 4 zones)"
    assert said(100, 90, 100, 100) == "100 % (z0) to 90 % (z1), of 4 zones,"
    assert said(100, None, 100, 100) == "100 % (z0) to 100 % (z0), of 4 zones, unknown in 1,"


def test_a_past_that_cannot_be_read_stops_nothing(user):
    """History denied: the share is unknown, a remark says why, and `up` goes on."""
    user.world.refuses(PAST_CALL, "UnauthorizedOperation", http=403)
    said = user.run("up", "--dry-run", "-t", "g5.xlarge", "--max-price", "0.5")
    assert said.code == 0
    assert "what a bid would have held is unknown: no region could be asked: us-east-1: no permission" in said.err
    assert "  held       0.5 would have held unknown (us-east-1a) of the last 30 days' hours\n" in said.err


def test_the_age_of_what_is_not_live_is_told(user):
    """On-demand prices and rates from the cache are told with their age, and how to have them anew."""
    user.world.demand_asked = user.world.now() - timedelta(days=2, hours=1)
    user.world.feed_asked = user.world.now() - timedelta(hours=5, minutes=20)
    said = user.run("up", "--dry-run")
    line = (
        "on-demand prices of 2026-02-27 (2 days old); interruption rates 5 h old; `spotbox prices --refresh` asks anew"
    )
    assert said.err.splitlines()[0] == line


def test_memory_as_it_is_sold(user):
    """`up --min-vram 24` says which types have 24 GB only."""
    user.world.types["g5.xlarge"] = replace(A10G, gpu_memory_gib=Decimal("22.3515625"))
    said = user.run("up", "--dry-run", "--min-vram", "24")
    assert (said.code, said.err.splitlines()[0]) == (2, "A10G has 22.35 GiB (24 GB): --min-vram 22 lists it")


def test_a_standing_request_is_for_one_zone(user):
    """With --park the summary names the zone that the plan names, and no other that would not be tried."""
    said = user.run("up", "-y", "--park")
    assert "  where      us-east-1a\n" in said.err
    assert "leave a standing Spot request for g4dn.xlarge in us-east-1a with AWS" in said.err
