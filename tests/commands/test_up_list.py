"""The list of types that `up` offers: what the quota admits, how wide it is, how old its figures are."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.commands.questions import ASKED
from tests.commands.world import A10G, T4


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
