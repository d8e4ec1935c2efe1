"""Cost Explorer: which tags count, and what was billed by them."""

from datetime import date
from decimal import Decimal

import pytest

from spotbox.aws.costexplorer import active_tags, billed
from spotbox.core.errors import Exit, SpotboxError
from tests.aws.stubbed import aws

KEYS = ["spotbox:name", "spotbox:owner"]
GIVEN = {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Credit", "Refund"]}}}
MINE = {"Tags": {"Key": "spotbox:owner", "Values": ["alice"], "MatchOptions": ["EQUALS"]}}


def tags(*active):
    rows = [{"TagKey": key, "Type": "UserDefined", "Status": "Active"} for key in active]
    asked = {"Status": "Active", "Type": "UserDefined", "TagKeys": KEYS}
    return ("list_cost_allocation_tags", asked, {"CostAllocationTags": rows})


def figures(asked, token=None, given=None, **usd):
    """A page of figures by box name; `nobody` is what bears no tag."""
    whole = {"TimePeriod": {"Start": "2026-11-01", "End": "2026-11-23"}, "Granularity": "MONTHLY",
             "Metrics": ["UnblendedCost"], "GroupBy": [{"Type": "TAG", "Key": "spotbox:name"}], "Filter": asked,
             **({"NextPageToken": given} if given else {})}  # fmt: skip
    groups = [
        {"Keys": [f"spotbox:name${'' if name == 'nobody' else name}"],
         "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}}}
        for name, amount in usd.items()
    ]  # fmt: skip
    page = {"ResultsByTime": [{"Groups": groups}], **({"NextPageToken": token} if token else {})}
    return ("get_cost_and_usage", whole, page)


def ask(active, *calls):
    with aws(ce=calls) as world:
        return billed(world, "alice", active, date(2026, 11, 1), date(2026, 11, 23))


def test_which_tags_are_active():
    """Of spotbox's two tags those that the account has activated."""
    with aws(ce=[tags("spotbox:name")]) as world:
        assert active_tags(world) == {"spotbox:name"}


def test_figures_by_name():
    """The months and pages of a box are one figure; what bears no tag is nobody's, and credits are left out."""
    owned = {"And": [MINE, GIVEN]}
    found = ask(KEYS, figures(owned, token="t", dev="1.25", nobody="9"), figures(owned, given="t", dev="2", train="3"))
    assert found == {"dev": Decimal("3.25"), "train": Decimal(3)}


def test_without_the_owners_tag():
    """Where only the name counts, everyone's boxes of that name are in the figure."""
    assert ask(KEYS[:1], figures(GIVEN, dev="1")) == {"dev": Decimal(1)}


def test_a_refusal():
    """No permission is exit 5, with the action."""
    with aws(ce=[("get_cost_and_usage", "AccessDeniedException", "no")]) as world, pytest.raises(SpotboxError) as no:
        billed(world, "alice", KEYS, date(2026, 11, 1), date(2026, 11, 23))
    assert (no.value.exit_code, no.value.message) == (Exit.DENIED, "no permission for ce:GetCostAndUsage")
