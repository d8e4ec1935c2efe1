"""`cost --actual`: what Cost Explorer bills beside the estimate."""

from decimal import Decimal

import pytest

from spotbox.core.cost_report import KEYS
from tests.commands.costs import asked


def test_actual_is_asked_first(user):
    """What a call costs is said; without a terminal and -y nothing is asked of Cost Explorer, exit 2."""
    user.world.has_box("dev", age=100 * 3600)
    said = user.run("cost", "--actual")
    assert said.code == 2
    assert "Cost Explorer charges $0.01 for each call; this takes 2: about $0.02" in said.err
    assert user.run("cost", "--actual", answers=[("Ask it?", False)]).code == 0
    assert asked(user.world, "ce") == []


def test_actual_beside_the_estimate(user):
    """The billed figure is the last column, and the key after the contract's; who is billed for is told."""
    user.world.has_box("dev", age=100 * 3600)
    user.world.has_box("new", age=3600)
    user.world.books.active = frozenset({"spotbox:name", "spotbox:owner"})
    user.world.books.bills = {"dev": Decimal("17.1234"), "other": Decimal(9)}
    said = user.run("cost", "--actual", "-y")
    assert [line.split()[-1] for line in said.out.splitlines()[3:6]] == ["$17.12", "yet", "$17.12"]
    rows = user.run("cost", "--actual", "-y", "-o", "json").json
    assert [(row["name"], row["actual_usd"]) for row in rows] == [("dev", 17.1234), ("new", None)]
    assert tuple(rows[0]) == (*KEYS, "actual_usd")
    (question,) = {q for q in asked(user.world, "ce") if q[1] == "figures"}
    assert [str(part) for part in question[2:]] == ["alice", "2026-02-25", "2026-03-02"]


@pytest.mark.parametrize(("refused", "words"), [
    (None, "is not activated for cost allocation"), ("ListCostAllocationTags", "Allow ce:ListCostAllocationTags"),
])  # fmt: skip
def test_actual_that_cannot_be_had(user, refused, words):
    """Not activated, or not permitted: said with the remedy, and the estimate is printed all the same."""
    user.world.has_box("dev", age=100 * 3600)
    if refused:
        user.world.refuses(refused, "AccessDeniedException", http=403)
    said = user.run("cost", "--actual", "-y")
    assert said.code == 0
    assert words in said.err
    assert "estimate: $17.38" in said.out
    assert refused or "update-cost-allocation-tags-status" in said.err
