"""What `up` says of a maximum price: below the price now, and in the past hours."""

from types import SimpleNamespace

import pytest

from spotbox.commands._bid import Held
from tests.commands.market import PAST as PAST_CALL
from tests.commands.questions import ASKED


def test_a_bid_below_the_price_is_warned_of(user):
    """A maximum below the Spot price is honoured, and warned about before."""
    said = user.run("up", "-y", "--max-price", "0.10", "--dry-run")
    assert "your maximum is below the Spot price ($0.1578): AWS will refuse until it falls" in said.err


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
