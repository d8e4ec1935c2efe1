"""Rows of the price table: what they say, and how they are sorted."""

import csv
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.core.market import Quotes, Scores
from spotbox.core.offers import (
    KEYS,
    QUOTA_KEYS,
    SORTS,
    Row,
    glob,
    gpu_text,
    interruption_rank,
    is_gpu,
    listed_types,
    missing,
    quota_pairs,
    record,
    rows_of,
    sort_rows,
    with_quotas,
    with_scores,
)
from spotbox.core.quotas import QuotaValue
from spotbox.core.records import InstanceType, SpotPrice

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ANSWERS = Path(__file__).parents[3] / "shared" / "data" / "known-answers-savings.csv"


def kind(name="g5.xlarge", gpu="A10G", count="1", gib="22.3515625", vcpus=4, maker="NVIDIA"):
    """An instance type; the A10G's memory is DescribeInstanceTypes' 22888 MiB."""
    memory = None if gib is None else Decimal(gib)
    return InstanceType(name, vcpus, Decimal(16), ("x86_64",), True, gpu, maker, Decimal(count), memory)


def row(spot="0.4024", on_demand="1.006", zone="us-east-1a", interruption="<5%", type=kind(), name=None):  # noqa: B008
    """A row of the table."""
    price, demand = (None if usd is None else Decimal(usd) for usd in (spot, on_demand))
    return Row(name or type.name, type, "us-east-1", zone, "use1-az1", demand, price, interruption, NOON)


def test_the_record_has_the_contracts_keys_and_exact_numbers():
    """Keys in the contract's order; prices are numbers as AWS wrote them, times ISO in UTC with Z."""
    told = record(row("0.3000000000", "0.5260000000"))
    assert tuple(told) == KEYS
    assert json.dumps(told) == (
        '{"instance_type": "g5.xlarge", "gpu": "A10G", "gpu_count": 1, "gpu_memory_gib": 22.3515625, "vcpus": 4, '
        '"memory_gib": 16, "region": "us-east-1", "zone": "us-east-1a", "on_demand": 0.526, "spot": 0.3, '
        '"savings_pct": 42.97, "interruption": "<5%", "score": null, "updated_at": "2026-11-22T12:00:00Z"}'
    )


def test_what_is_unknown_is_null():
    """A type without facts and a zone without prices keep their row; nothing is invented."""
    told = record(row(None, None, type=None, name="g9.huge", interruption=None), quota=True)
    known = {"instance_type": "g9.huge", "region": "us-east-1", "zone": "us-east-1a"}
    known["updated_at"] = "2026-11-22T12:00:00Z"
    assert told == {**dict.fromkeys((*KEYS, *QUOTA_KEYS)), **known}
    assert tuple(told) == (*KEYS, *QUOTA_KEYS)


def test_the_published_savings():
    """The known answers: half-up to two decimals."""
    if not ANSWERS.exists():
        pytest.skip("../shared/data is not here")
    with ANSWERS.open() as file:
        answers = list(csv.DictReader(file))
    assert len(answers) == 6
    for known in answers:
        found = record(row(known["spot"], known["ondemand"]))
        assert found["savings_pct"] == float(known["half_up_2dp"]), known


def test_negative_savings_are_negative():
    """Spot above on-demand is shown as what it is."""
    assert record(row("1.2000", "1.0"))["savings_pct"] == -20.0


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (kind(), "1x A10G"),
        (kind(count="0.125", gpu="L4"), "1/8 L4"),
        (kind(count="0.5", gpu="L4"), "1/2 L4"),
        (kind(count="8", gpu="Radeon Pro V520", maker="AMD"), "8x AMD Radeon Pro V520"),
        (kind(count="16", gpu="Trainium", maker="AWS"), "16x AWS Trainium"),
        (kind(count="8", gpu="Gaudi HL-205", maker="Habana"), "8x Habana Gaudi HL-205"),
        (kind(count="8", gpu="AMD MI300", maker="AMD"), "8x AMD MI300"),
        (kind(count="0", gpu="L4"), "L4"),
        (kind(gpu=None), ""),
        (None, "unknown"),
    ],
)
def test_accelerators_are_named_as_what_they_are(type_, text):
    """Count or share, the maker where it is not NVIDIA, and the name."""
    assert gpu_text(type_) == text


@pytest.mark.parametrize(
    ("wanted", "gpu", "maker", "is_it"),
    [
        ("A10G", "A10G", "NVIDIA", True),
        ("a10g", "A10G", "NVIDIA", True),
        ("nvidia a10g", "A10G", "NVIDIA", True),
        ("L4", "L40S", "NVIDIA", False),
        ("L4*", "L40S", "NVIDIA", True),
        ("A10?", "A10G", "NVIDIA", True),
        ("radeon-pro-v520", "Radeon Pro V520", "AMD", True),
        ("gaudihl205", "Gaudi HL-205", "Habana", True),
        ("A10[G]", "A10G", "NVIDIA", False),
        (".*", "A10G", "NVIDIA", False),
        ("A10G", None, None, False),
    ],
)
def test_a_gpu_by_its_name(wanted, gpu, maker, is_it):
    """Case, spaces and hyphens do not matter, EC2's globs do, and no part of a name is the name."""
    assert is_gpu(kind(gpu=gpu, maker=maker), wanted) is is_it
    assert is_gpu(None, wanted) is False


def test_globs_are_ec2s():
    """* and ? and nothing else; the whole name."""
    assert glob("g5.*").fullmatch("g5.xlarge")
    assert not glob("g5.*").fullmatch("g5a.xlarge")
    assert not glob("g[5].*").fullmatch("g5.xlarge")
    assert missing(["g5.*", "p4d.24xlarge"], [row()]) == ["p4d.24xlarge"]


BIG = kind("g5.12xlarge", count="4", gib="89.40625", vcpus=48)


@pytest.mark.parametrize(
    ("by", "zones"),
    [("price", "abcd"), ("savings", "cabd"), ("interruption", "bacd"), ("vram", "cabd")],
)
def test_the_sorts(by, zones):
    """Price: cheapest first. Savings: largest first. Interruption: least first. vram: USD per GiB of GPU memory."""
    rows = [
        row("0.40", "1.00", "a", "5-10%"),
        row("0.50", "1.00", "b", "<5%"),
        row("1.00", "4.00", "c", ">20%", type=BIG),
        row(None, "1.00", "d", None, type=kind(gib=None)),
    ]
    assert "".join(r.zone for r in sort_rows(rows, by)) == zones


ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from([None, "0.1", "0.2", "0.3"]),
        st.sampled_from([None, "0.2", "0.4"]),
        st.sampled_from("abcd"),
        st.sampled_from([None, "<5%", "5-10%", ">20%", "odd"]),
        st.sampled_from([kind(), BIG, kind("t", gib=None)]),
    ),
    max_size=8,
)


@given(ROWS, st.sampled_from(SORTS), st.randoms())
def test_laws_of_the_sorts(rows, by, random):
    """The order does not depend on how the rows came, loses none, and has the unknown last."""
    shuffled = list(rows)
    random.shuffle(shuffled)

    def shape(found):
        return [(r.spot, r.name, r.zone, r.savings_pct, interruption_rank(r.interruption)) for r in found]

    first, second = sort_rows(rows, by), sort_rows(shuffled, by)
    measure = {"price": 0, "savings": 3, "interruption": 4}
    if by in measure:
        keys = [shape([r])[0][measure[by]] for r in first]
        assert keys == [shape([r])[0][measure[by]] for r in second]
        known = [k for k in keys if k is not None]
        assert keys == known + [None] * (len(keys) - len(known))
        assert known == sorted(known, reverse=by == "savings")
    assert sorted(map(str, shape(first))) == sorted(map(str, shape(rows)))


@pytest.mark.parametrize(
    ("label", "rank"), [("<5%", 0), ("5-10%", 5), ("10-15%", 10), (">20%", 20), (None, None), ("often", None)]
)
def test_the_order_of_the_labels(label, rank):
    """By the least share that a label means."""
    assert interruption_rank(label) == rank


def survey(*prices):
    """A survey of g5.xlarge and one type that nothing is known of."""
    return Quotes(
        ("us-east-1",),
        tuple(SpotPrice(name, "us-east-1", zone, f"id-{zone}", usd, NOON) for name, zone, usd in prices),
        {"g5.xlarge": kind()},
        {("us-east-1", "g5.xlarge"): Decimal("1.006")},
        {("us-east-1", "g5.xlarge"): "5-10%"},
    )


def test_rows_come_of_a_survey_cheapest_first():
    """Each pool is a row; what the survey does not say is unknown."""
    one, two, three = rows_of(
        survey(("g9.huge", "a", None), ("g5.xlarge", "b", Decimal("0.5")), ("g5.xlarge", "a", Decimal("0.4")))
    )
    assert (one.zone, one.spot, one.on_demand, one.interruption) == ("a", Decimal("0.4"), Decimal("1.006"), "5-10%")
    assert (two.zone, two.zone_id) == ("b", "id-b")
    assert (three.name, three.type, three.spot, three.on_demand) == ("g9.huge", None, None, None)
    assert listed_types([one, two, three]) == ["g5.xlarge", "g9.huge"]


def test_scores_go_by_zone_id():
    """Every type of a zone bears the score of the set there; a zone that AWS does not name has none."""
    rows = rows_of(survey(("g5.xlarge", "a", None), ("g9.huge", "a", None), ("g5.xlarge", "b", None)))
    assert [r.score for r in with_scores(rows, Scores({"id-a": 9}))] == [9, None, 9]


def test_quotas_go_by_region_and_code():
    """Each quota is asked once; a type that has none stays unknown, and so does one that could not be read."""
    p6 = kind("p6-b200.48xlarge", "B200", "8", vcpus=192)
    rows = [row(), row(zone="us-east-1b"), row(type=p6), row(type=BIG)]
    assert quota_pairs(rows) == [("us-east-1", "L-3819A6DF")]
    told = with_quotas(rows, {("us-east-1", "L-3819A6DF"): QuotaValue(Decimal(8))})
    assert [(r.quota, r.quota_suffices) for r in told] == [(8, True), (8, True), (None, None), (8, False)]
    told = with_quotas(rows, {("us-east-1", "L-3819A6DF"): QuotaValue(None, "denied")})
    assert {r.quota_suffices for r in told} == {None}
