"""What `down` tells of the cost of what it removes."""

import pytest

from spotbox.core.cost_report import KEYS


def test_down_tells_what_it_cost(user):
    """On the screen and as `cost`: the record of one box, the sum of several without a name, null for nothing."""
    user.world.has_box("dev", age=100 * 3600)
    user.world.has_box("train", age=50 * 3600, region="eu-west-1")
    one = user.run("down", "train", "-y", "-o", "json").json["cost"]
    assert tuple(one) == KEYS
    assert one["name"] == "train"
    assert one["compute_usd"] == pytest.approx(7.89, abs=0.01)
    user.world.has_box("other", age=50 * 3600)
    several = user.run("down", "--all", "-y", "-o", "json").json["cost"]
    assert several["name"] is None
    assert several["compute_usd"] == pytest.approx(15.78 + 7.89, abs=0.02)
    assert user.run("down", "--all", "-y", "-o", "json").json["cost"] is None


def test_a_cost_is_no_reason_for_down_to_fail(user):
    """Where no price may be read, the box goes all the same, exit 0."""
    user.world.has_box("dev", age=100 * 3600)
    user.world.refuses("DescribeSpotPriceHistory of a pool", "UnauthorizedOperation", http=403)
    user.world.refuses("LookupEvents", "UnauthorizedOperation", http=403)
    said = user.run("down", "-y")
    assert (said.code, user.world.left()) == (0, [])
    assert "dev cost at least $1.60 (estimate): compute unknown, disk $1.10" in said.out


def test_what_stays_is_not_buried(user):
    """A box that could not be removed is told with what it cost so far, and is not among the removed."""
    user.world.has_box("dev", age=100 * 3600)
    user.world.refuses("TerminateInstances", "UnauthorizedOperation", http=403)
    assert user.run("down", "-y").code == 6
    assert list((user.home / "ledger").rglob("removed.json")) == []
