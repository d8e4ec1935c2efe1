"""`prices`: whole stdout and stderr of every form, every filter, and what is said when something is unknown."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from spotbox.core.market import Scores
from spotbox.core.offers import KEYS, QUOTA_KEYS
from tests.commands.world import A10G, T4

HEAD = (
    "instance_type,gpu,gpu_count,gpu_memory_gib,vcpus,memory_gib,region,zone,on_demand,spot,"
    "savings_pct,interruption,score,updated_at\n"
)
HERE = "Regions here: eu-west-1, us-east-1; or all."


@pytest.fixture
def shop(user):
    """us-east-1 with a T4 in two zones and an A10G of 22.35 GiB, eu-west-1 with the same."""
    user.world.types["g5.xlarge"] = replace(A10G, gpu_memory_gib=Decimal("22.3515625"))
    return user


def test_the_table(shop):
    """One row for each type and zone, cheapest first; figures to the right."""
    said = shop.run("prices")
    assert (said.code, said.err) == (0, "")
    assert (
        said.out
        == """\
                        GPU        RAM              on-demand    Spot  savings
type         GPU        GiB  vCPU  GiB  zone              $/h     $/h        %  interruption
-----------  -------  -----  ----  ---  ----------  ---------  ------  -------  ------------
g4dn.xlarge  1x T4       16     4   16  us-east-1a     0.5260  0.1578    70.00         5-10%
g4dn.xlarge  1x T4       16     4   16  us-east-1b     0.5260  0.1650    68.63         5-10%
g5.xlarge    1x A10G  22.35     4   16  us-east-1a     1.0060  0.4024    60.00          >20%
"""
    )


def test_json(shop):
    """An array with the contract's keys in their order; numbers as AWS wrote them, unknown is null."""
    said = shop.run("prices", "-t", "g5.xlarge", "-o", "json")
    assert (said.code, said.err) == (0, "")
    assert (
        said.out
        == """\
[
  {
    "instance_type": "g5.xlarge",
    "gpu": "A10G",
    "gpu_count": 1,
    "gpu_memory_gib": 22.3515625,
    "vcpus": 4,
    "memory_gib": 16,
    "region": "us-east-1",
    "zone": "us-east-1a",
    "on_demand": 1.006,
    "spot": 0.4024,
    "savings_pct": 60.0,
    "interruption": ">20%",
    "score": null,
    "updated_at": "2026-03-01T11:00:00Z"
  }
]
"""
    )
    assert tuple(said.json[0]) == KEYS


def test_csv(shop):
    """A header and a line for each row; what is unknown is empty."""
    shop.world.demand.clear()
    shop.world.interruption.clear()
    said = shop.run("prices", "-t", "g4dn.*", "-o", "csv")
    assert (said.code, said.err) == (0, "")
    assert said.out == HEAD + (
        "g4dn.xlarge,T4,1,16,4,16,us-east-1,us-east-1a,,0.1578,,,,2026-03-01T11:00:00Z\n"
        "g4dn.xlarge,T4,1,16,4,16,us-east-1,us-east-1b,,0.165,,,,2026-03-01T11:00:00Z\n"
    )


def zones(said):
    """(type, zone) of the rows of a JSON answer."""
    return [(row["instance_type"], row["zone"]) for row in said.json]


@pytest.mark.parametrize(
    ("sort", "first"),
    [("price", "g4dn.xlarge"), ("savings", "g4dn.xlarge"), ("interruption", "g4dn.xlarge"), ("vram", "g4dn.xlarge")],
)
def test_sorted_and_limited(shop, sort, first):
    """--limit cuts what --sort has put in order."""
    assert shop.run("prices", "--sort", sort, "--limit", "1", "-o", "json").json[0]["instance_type"] == first
    shop.world.offers("us-east-1", "g5.xlarge", a="0.0500")
    shop.world.interruption = {"g5.xlarge": "<5%", "g4dn.xlarge": "5-10%"}
    assert shop.run("prices", "--sort", sort, "--limit", "1", "-o", "json").json[0]["instance_type"] == "g5.xlarge"


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (
            ["--gpu", "A10"],
            "--gpu removed the last row: no GPU here is called 'A10' (did you mean A10G?); here: A10G, T4",
        ),
        (["--min-vram", "99"], "--min-vram 99 removed the last row: the most here is 22.35 GiB (g5.xlarge)"),
        (
            ["--max-price", "0.1"],
            "--max-price 0.1 removed the last row: the cheapest here is $0.1578 (g4dn.xlarge in us-east-1a)",
        ),
        (["-t", "m7.large"], "no type named m7.large has a Spot price in us-east-1"),
    ],
)
@pytest.mark.parametrize(("output", "out"), [("table", ""), ("json", "[]\n"), ("csv", HEAD)])
def test_nothing_left_says_which_filter_did_it(shop, args, why, output, out):
    """Exit 0, the empty form of the data on stdout, and on stderr the filter that removed the last row."""
    shop.world.types["m7.large"] = replace(T4, name="m7.large", gpu=None, gpu_memory_gib=None, gpu_count=Decimal(0))
    said = shop.run("prices", *args, "-o", output)
    assert (said.code, said.out, said.err) == (0, out, f"{why}\n")


def test_memory_as_it_is_sold(shop):
    """24 GB are 22.35 GiB; a remark says so."""
    said = shop.run("prices", "--min-vram", "24", "-o", "json")
    assert said.err.splitlines()[0] == "A10G has 22.35 GiB (24 GB): --min-vram 22 lists it"
    assert zones(shop.run("prices", "--min-vram", "22", "-o", "json")) == [("g5.xlarge", "us-east-1a")]


def test_regions(shop):
    """-r repeats; `all` is every enabled region; neither makes a region that is not enabled fail the rest."""
    two = shop.run("prices", "-r", "eu-west-1", "-r", "us-east-1", "-t", "g5.*", "-o", "json")
    assert zones(two) == [("g5.xlarge", "eu-west-1a"), ("g5.xlarge", "us-east-1a")]
    assert zones(shop.run("prices", "-r", "all", "-t", "g5.*", "-o", "json")) == zones(two)
    assert shop.world.asked[-1][1] == ("eu-west-1", "us-east-1")


@pytest.mark.parametrize(
    ("region", "code", "told"),
    [
        ("us-esat-1", 2, f"'us-esat-1' is not an AWS region (did you mean us-east-1?)\n  {HERE}"),
        (
            "ap-east-1",
            5,
            "region ap-east-1 is not enabled for this account\n"
            "  Enable it with: aws account enable-region --region-name ap-east-1; or use another with -r.",
        ),
        ("\x1b[2J", 2, f"'\\\\x1b[2J' is not an AWS region\n  {HERE}"),
    ],
)
def test_a_region_that_cannot_be_asked(shop, region, code, told):
    """Unknown is a usage error, not enabled a matter of permission."""
    said = shop.run("prices", "-r", region)
    assert (said.code, said.out, said.err) == (code, "", f"spotbox: {told}\n")


def test_a_region_that_was_enabled_since(shop):
    """What was kept of the regions is asked anew before a region is refused."""
    shop.world.cached_regions = {"us-east-1": "opt-in-not-required", "eu-west-1": "not-opted-in"}
    assert shop.run("prices", "-r", "eu-west-1").code == 0


def test_several_regions_from_variable_and_config(shop, monkeypatch):
    """SPOTBOX_REGION holds several words, the config file a list; AWS_REGION is one."""
    shop.home.mkdir()
    (shop.home / "config.toml").write_text('[defaults]\nregion = ["us-east-1", "eu-west-1"]\n')
    shop.run("prices")
    assert shop.world.asked[-1][1] == ("us-east-1", "eu-west-1")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    shop.run("prices")
    assert shop.world.asked[-1][1] == ("eu-west-1",)
    monkeypatch.setenv("SPOTBOX_REGION", "us-east-1 eu-west-1")
    shop.run("prices")
    assert shop.world.asked[-1][1] == ("us-east-1", "eu-west-1")
    shop.run("prices", "-r", "all")
    assert shop.world.asked[-1][1] == ("eu-west-1", "us-east-1")


def test_a_region_that_fails_costs_a_remark(shop):
    """The table goes on without it; where all fail the exit code says why."""
    shop.world.refuses("DescribeSpotPriceHistory", "UnauthorizedOperation", http=403, region="eu-west-1")
    said = shop.run("prices", "-r", "all", "-t", "g5.xlarge", "-o", "json")
    assert (said.code, zones(said)) == (0, [("g5.xlarge", "us-east-1a")])
    assert said.err.startswith("no prices of eu-west-1: no permission for ec2:DescribeSpotPriceHistory")
    assert len(said.err.splitlines()) == 1
    shop.world.refuses("DescribeSpotPriceHistory", "InternalError", http=500, region="us-east-1")
    assert shop.run("prices", "-r", "all").code == 1
    assert shop.run("prices", "-r", "eu-west-1").code == 5


def test_a_named_type_that_is_nowhere(shop):
    """The rows of the others, and a remark; a name that no type bears is a usage error."""
    shop.world.types["p3.2xlarge"] = replace(T4, name="p3.2xlarge", gpu="V100")
    said = shop.run("prices", "-t", "p3.2xlarge", "-t", "g5.xlarge", "-o", "json")
    assert (zones(said), said.err) == ([("g5.xlarge", "us-east-1a")], "p3.2xlarge has no Spot price in us-east-1\n")
    assert shop.run("prices", "-t", "g5.xlagre").code == 2


def test_ages_are_told_in_one_line(shop):
    """Whatever was not asked just now: how old, and how to have it anew; --refresh has it anew."""
    shop.world.demand_asked = shop.world.now() - timedelta(days=2)
    shop.world.feed_asked = shop.world.now() - timedelta(hours=5)
    told = "on-demand prices of 2026-02-27 (2 days old); interruption rates 5 h old; --refresh asks anew\n"
    assert shop.run("prices").err == told
    shop.world.demand_asked = shop.world.feed_asked
    assert shop.run("prices").err == "on-demand prices and interruption rates 5 h old; --refresh asks anew\n"
    assert shop.run("prices", "--refresh").err == ""
    assert shop.world.asked[-1][3] is True


def test_what_is_unknown_is_told(shop):
    """The survey's own remarks reach the user."""
    shop.world.feed_remark = "interruption rates are unknown: no answer\x1b[2J"
    assert shop.run("prices").err == "interruption rates are unknown: no answer\\x1b[2J\n"


def test_a_price_that_is_not_believed(shop):
    """A zone whose price is none has its row, last, and no savings."""
    shop.world.offers("us-east-1", "g5.xlarge", a="0.5", b="0.6")
    shop.world.market["us-east-1"]["g5.xlarge", "us-east-1a"] = None
    last = shop.run("prices", "-o", "json").json[-1]
    assert (last["zone"], last["spot"], last["savings_pct"]) == ("us-east-1a", None, None)
    assert shop.run("prices").out.splitlines()[-1].split()[-3:] == ["unknown", "unknown", ">20%"]


# -- quota and score -----------------------------------------------------------------------------------------------


def test_quota(shop):
    """Two keys at the end, only when asked for; each quota is asked once."""
    shop.world.quota = Decimal(4)
    shop.world.types["g5.xlarge"] = replace(A10G, vcpus=8)
    said = shop.run("prices", "--quota", "-o", "json")
    assert tuple(said.json[0]) == (*KEYS, *QUOTA_KEYS)
    assert [(r["quota_vcpus"], r["quota_suffices"]) for r in said.json] == [(4, True), (4, True), (4, False)]
    assert shop.world.asked[-1] == ("quotas", (("us-east-1", "L-3819A6DF"),))
    assert (
        shop.run("prices", "--quota", "-o", "csv").out.splitlines()[0] == f"{HEAD.strip()},quota_vcpus,quota_suffices"
    )
    lines = shop.run("prices", "--quota").out.splitlines()
    assert lines[1].endswith("  quota")
    assert [line.split("%  ")[1] for line in lines[3:]] == ["4 vCPU: ok", "4 vCPU: ok", "4 of 8 vCPU: too small"]
    shop.world.quota = None
    assert shop.run("prices", "--quota").out.splitlines()[-1].endswith(">20%  unknown")


def test_the_score_of_the_listed_set(shop):
    """Three types or more: each row bears the score of its zone, unknown where AWS tells none."""
    shop.world.types["g6.xlarge"] = replace(T4, name="g6.xlarge", gpu="L4")
    shop.world.offers("us-east-1", "g6.xlarge", c="0.3")
    shop.world.scores = Scores({"id-us-east-1a": 7}, "a remark", shop.world.now() - timedelta(minutes=3))
    said = shop.run("prices", "--score", "-o", "json")
    assert [row["score"] for row in said.json] == [7, None, None, 7]
    assert tuple(said.json[0]) == KEYS
    assert said.err == "a remark\nplacement scores 3 min old; --refresh asks anew\n"
    asked = [a for a in shop.world.asked if a[0] == "scores"][-1]
    assert asked[1:] == (("us-east-1",), ("g4dn.xlarge", "g5.xlarge", "g6.xlarge"), False)
    lines = shop.run("prices", "--score").out.splitlines()
    assert lines[1].endswith("score  quota")
    assert [line.split("%  ")[1].split()[0] for line in lines[3:5]] == ["7", "unknown"]


def test_no_score_for_two_types(shop):
    """Under three types there is none, and why is said; AWS is not asked."""
    said = shop.run("prices", "--score", "-o", "json")
    assert {row["score"] for row in said.json} == {None}
    assert said.err == "no placement score: AWS scores sets of 3 types and more, and 2 types are listed\n"
    assert not [a for a in shop.world.asked if a[0] == "scores"]


def test_numbers_are_exact(shop):
    """What AWS wrote is what JSON says."""
    shop.world.offers("us-east-1", "g5.xlarge", a="0.3000000000")
    assert '"spot": 0.3,' in shop.run("prices", "-t", "g5.xlarge", "-o", "json").out
    assert json.loads(shop.run("prices", "-t", "g5.xlarge", "-o", "json").out)[0]["savings_pct"] == 70.18


@pytest.mark.parametrize(
    "args",
    [["--limit", "0"], ["--sort", "name"], ["--max-price", "0"], ["--min-vram", "x"], ["--history", "0"],
     ["--history", "91"], ["--history", "7", "--score"], ["--history", "7", "--quota"],
     ["--history", "7", "--sort", "vram"], ["extra"]],
)  # fmt: skip
def test_what_cannot_be_meant(shop, args):
    """A usage error, before AWS is asked."""
    said = shop.run("prices", *args)
    assert (said.code, said.out, shop.world.asked) == (2, "", [])
