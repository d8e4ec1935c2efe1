"""The filters of `prices`: what passes, and what is said when nothing does."""

from decimal import Decimal

import pytest

from spotbox.core.filters import Narrowed, Wanted, narrow, only_in_gb
from spotbox.core.units import parse_bid
from tests.core.test_offers import kind, row

T4 = kind("g4dn.xlarge", "T4", gib="16")
L4 = kind("g6.xlarge", "L4")
A100 = kind("p4d.24xlarge", "A100", "8", "320", 96)
ROWS = [
    row("0.1578", "0.526", type=T4),
    row("0.4024", "1.006"),
    row("0.3000", None, type=L4),
    row(None, "32.7726", type=A100),
]
GB = "A10G and L4 have 22.35 GiB (24 GB): --min-vram 22 lists them"


def names(found):
    """Of the rows that passed."""
    return [r.name for r in found.rows]


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (Wanted(), ["g4dn.xlarge", "g5.xlarge", "g6.xlarge", "p4d.24xlarge"]),
        (Wanted(types=("g5.*", "p4d.24xlarge")), ["g5.xlarge", "p4d.24xlarge"]),
        (Wanted(gpu="t4"), ["g4dn.xlarge"]),
        (Wanted(min_vram=22), ["g5.xlarge", "g6.xlarge", "p4d.24xlarge"]),
        (Wanted(min_vram=24), ["p4d.24xlarge"]),
        (Wanted(bid=parse_bid("0.3")), ["g4dn.xlarge", "g6.xlarge"]),
        (Wanted(bid=parse_bid("35%")), ["g4dn.xlarge"]),
        (Wanted(bid=parse_bid("on-demand")), ["g4dn.xlarge", "g5.xlarge"]),
        (Wanted(types=("g*",), gpu="a10g", min_vram=20, bid=parse_bid("0.5")), ["g5.xlarge"]),
    ],
)
def test_what_passes(wanted, left):
    """Each filter lets through what it says; a price that is unknown does not pass a maximum."""
    found = narrow(ROWS, wanted, "us-east-1")
    assert (names(found), found.emptied) == (left, "")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (
            Wanted(types=("p3.*",)),
            "-t removed the last row: the types here are g4dn.xlarge, g5.xlarge, g6.xlarge and p4d.24xlarge",
        ),
        (
            Wanted(types=("g*",), gpu="A10"),
            "--gpu removed the last row: no GPU here is called 'A10' (did you mean A10G?); here: A10G, L4, T4",
        ),
        (
            Wanted(gpu="z\x1b"),
            "--gpu removed the last row: no GPU here is called 'z\\x1b'; here: A100, A10G, L4, T4",
        ),
        (Wanted(gpu="l4", min_vram=40), "--min-vram 40 removed the last row: the most here is 22.35 GiB (g6.xlarge)"),
        (
            Wanted(bid=parse_bid("0.1")),
            "--max-price 0.1 removed the last row: the cheapest here is $0.1578 (g4dn.xlarge in us-east-1a)",
        ),
        (
            Wanted(bid=parse_bid("10%")),
            "--max-price 10% removed the last row: the least here is 30.00 % of on-demand (g4dn.xlarge in us-east-1a)",
        ),
        (
            Wanted(gpu="L4", bid=parse_bid("10%")),
            "--max-price 10% removed the last row: no on-demand price here is known",
        ),
        (Wanted(gpu="A100", bid=parse_bid("9")), "--max-price 9 removed the last row: no Spot price here is known"),
    ],
)
def test_each_filter_as_the_one_that_empties(wanted, said):
    """The filter that removed the last row is named, with what would have passed."""
    found = narrow(ROWS, wanted, "us-east-1")
    assert (found.rows, found.emptied) == ((), said)


@pytest.mark.parametrize(
    ("types", "said"),
    [
        ((), "no GPU type has a Spot price in us-east-1"),
        (("g5.*", "p\x1b"), "no type named g5.* or p\\x1b has a Spot price in us-east-1"),
    ],
)
def test_nothing_to_filter(types, said):
    """Where there was no row in the first place no filter is blamed."""
    assert narrow([], Wanted(types=types, gpu="T4"), "us-east-1") == Narrowed((), said)


def test_rows_left_out_for_being_unknown_are_counted():
    """A maximum says how many rows it could not judge."""
    assert narrow(ROWS, Wanted(bid=parse_bid("0.5")), "x").remarks == (
        "--max-price left out 1 row whose Spot price is unknown",
    )
    assert narrow(ROWS, Wanted(bid=parse_bid("50%")), "x").remarks == (
        "--max-price left out 1 row whose Spot price is unknown",
        "--max-price left out 1 row whose on-demand price is unknown",
    )


def test_a_named_type_that_is_not_there():
    """It is told, and the others are shown."""
    found = narrow(ROWS, Wanted(types=("g5.xlarge", "p3.2xlarge")), "us-east-1 and eu-west-1")
    assert (names(found), found.remarks) == (
        ["g5.xlarge"],
        ("p3.2xlarge has no Spot price in us-east-1 and eu-west-1",),
    )


def test_memory_as_it_is_sold():
    """24 GB are 22.35 GiB: types that reach the number only in GB are told; whole GiB are sold as such."""
    assert narrow(ROWS, Wanted(min_vram=24), "x").remarks == (GB,)
    assert narrow(ROWS, Wanted(min_vram=17), "x").remarks == ()
    assert narrow(ROWS, Wanted(min_vram=25), "x").remarks == ()
    assert only_in_gb([kind(count="4", gib="89.40625")], 96) == [
        "4x A10G has 89.41 GiB (96 GB): --min-vram 89 lists it"
    ]
    assert only_in_gb([None, kind(gib=None)], 24) == []
    assert only_in_gb([kind()], None) == []
    both = [kind(gib="44.703125", gpu="L40S"), kind(gib="44.40625", gpu="odd")]
    assert only_in_gb(both, 47) == ["odd has 44.41 GiB (48 GB); L40S has 44.70 GiB (48 GB): --min-vram 44 lists them"]


def test_a_bid_at_the_price_passes():
    """At most means at most."""
    assert len(narrow([row("0.5", "1")], Wanted(bid=parse_bid("50%")), "x").rows) == 1
    assert parse_bid("60%").most(Decimal("1.006")) == Decimal("0.6036")
    assert parse_bid("60%").most(None) is None
    assert parse_bid("on-demand").most(Decimal(1)) == 1
    assert parse_bid("0.5").most(None) == Decimal("0.5")
