"""Savings, believable prices, and the one on-demand row among many."""

import csv
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.core.prices import (
    believable,
    disk_price,
    on_demand_prices,
    parse_price,
    product_filters,
    savings_pct,
)

DATA = Path(__file__).parents[3] / "shared" / "data"
PRICES = st.decimals(min_value="0.0001", max_value=1000, places=6)


def product(instance_type="g5.xlarge", usd="1.0060000000", currency="USD", terms=True, **change):
    """One GetProducts row: the Linux on-demand line, changed as asked."""
    attributes = {
        "instanceType": instance_type,
        "regionCode": "us-east-1",
        "locationType": "AWS Region",
        "operatingSystem": "Linux",
        "preInstalledSw": "NA",
        "tenancy": "Shared",
        "capacitystatus": "Used",
        "licenseModel": "No License required",
        "marketoption": "OnDemand",
        "usagetype": f"BoxUsage:{instance_type}",
        "operation": "RunInstances",
    } | change
    dimension = {"unit": "Hrs", "pricePerUnit": {currency: usd}}
    on_demand = {"OnDemand": {"S.J": {"priceDimensions": {"S.J.6": dimension}}}} if terms else {}
    return json.dumps({"product": {"attributes": attributes}, "terms": {**on_demand, "Reserved": {}}})


def price_of(*rows):
    return on_demand_prices(rows, "us-east-1").get(("us-east-1", "g5.xlarge"))


@pytest.mark.skipif(not DATA.is_dir(), reason="the recorded data is not beside this checkout")
def test_published_savings_are_reproduced():
    """The six published pairs of prices give their published savings."""
    with (DATA / "known-answers-savings.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    for row in rows:
        assert savings_pct(Decimal(row["ondemand"]), Decimal(row["spot"])) == Decimal(row["half_up_2dp"])


@pytest.mark.skipif(not DATA.is_dir(), reason="the recorded data is not beside this checkout")
def test_recorded_savings_are_reproduced():
    """Every recorded zone of February 2024 has the savings that the record gives it."""
    with (DATA / "gpu-prices-us-east-1-2024-02.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["ondemand_usd"] and row["savings_pct_2dp"]]
    assert len(rows) > 50
    for row in rows:
        assert savings_pct(Decimal(row["ondemand_usd"]), Decimal(row["spot_usd"])) == Decimal(row["savings_pct_2dp"])


@pytest.mark.parametrize(
    ("on_demand", "spot", "saved"),
    [
        ("1.21", "0.3726", "69.21"),
        ("1", "0.99995", "0.01"),  # 0.005 exactly: a half goes up
        ("3", "2", "33.33"),
        ("1", "1", "0.00"),
        ("1", "1.5", "-50.00"),
        ("1", "0", "100.00"),
        ("0", "1", None),
        (None, "1", None),
        ("1", None, None),
        ("NaN", "1", None),
        ("1", "Infinity", None),
    ],
)
def test_savings(on_demand, spot, saved):
    """Savings are rounded half-up to two decimals, may be negative, and are unknown without both prices."""

    def money(text):
        return None if text is None else Decimal(text)

    assert savings_pct(money(on_demand), money(spot)) == money(saved)


@given(PRICES, PRICES)
def test_savings_are_the_nearest_cent_of_a_percent(on_demand, spot):
    """The result is never further than half a hundredth from the exact quotient, and goes up at a half."""
    shown = savings_pct(on_demand, spot)
    exact = (1 - Fraction(spot) / Fraction(on_demand)) * 100
    assert abs(Fraction(shown) - exact) <= Fraction(1, 200)
    assert shown.as_tuple().exponent == -2
    if abs(Fraction(shown) - exact) == Fraction(1, 200):
        assert abs(Fraction(shown)) > abs(exact)


@given(PRICES, PRICES, PRICES)
def test_a_cheaper_spot_price_never_saves_less(on_demand, one, other):
    """Savings fall as the Spot price rises."""
    low, high = sorted((one, other))
    assert savings_pct(on_demand, low) >= savings_pct(on_demand, high)


@pytest.mark.parametrize(
    ("text", "price", "believed"),
    [
        ("0.5260000000", Decimal("0.526"), True),
        ("0.0000000000", Decimal(0), False),
        ("0.00001", Decimal("0.00001"), False),
        ("-1", Decimal(-1), False),
        ("761.904", Decimal("761.904"), True),
        ("1000000", Decimal(1000000), False),
        ("1e400", Decimal("1e400"), False),
        ("NaN", None, False),
        ("Infinity", None, False),
        ("", None, False),
        (None, None, False),
        ("0,526", None, False),
    ],
)
def test_believable(text, price, believed):
    """Nought, negatives, nonsense and more than any instance costs are no prices."""
    assert parse_price(text) == price
    assert believable(parse_price(text)) is believed


@pytest.mark.parametrize("row", [None, 5, "[" * 100_000, "null", {"product": None, "terms": []}])
def test_a_row_that_is_no_product(row):
    """It tells no price, and hides none."""
    assert on_demand_prices([row], "us-east-1") == {}
    assert disk_price([row], "gp3", "us-east-1") is None


def test_a_price_beyond_all_sums():
    """Of a disk too there is none that could not be added up."""
    term = {"priceDimensions": {"d": {"unit": "GB-Mo", "pricePerUnit": {"USD": "1e999999"}}}}
    attributes = {"volumeApiName": "gp3", "usagetype": "EBS:VolumeUsage.gp3"}
    row = {"product": {"attributes": attributes}, "terms": {"OnDemand": {"t": term}}}
    assert disk_price([row], "gp3", "us-east-1") is None
    term["priceDimensions"]["d"]["pricePerUnit"]["USD"] = "0.08"
    assert disk_price([row], "gp3", "us-east-1") == Decimal("0.08")


def test_the_eight_filters():
    """GetProducts is asked with the eight fields that leave one line, `capacitystatus` spelt in lower case."""
    filters = product_filters("eu-west-1", "g5.xlarge")
    assert {(f["Type"], f["Field"], f["Value"]) for f in filters} == {
        ("TERM_MATCH", "instanceType", "g5.xlarge"),
        ("TERM_MATCH", "regionCode", "eu-west-1"),
        ("TERM_MATCH", "operatingSystem", "Linux"),
        ("TERM_MATCH", "preInstalledSw", "NA"),
        ("TERM_MATCH", "tenancy", "Shared"),
        ("TERM_MATCH", "capacitystatus", "Used"),
        ("TERM_MATCH", "licenseModel", "No License required"),
        ("TERM_MATCH", "marketoption", "OnDemand"),
    }
    assert {f["Field"] for f in filters} - {f["Field"] for f in product_filters("x", market=False)} == {
        "instanceType",
        "marketoption",
    }


DECOYS = {
    "unused reservation": {"usagetype": "UnusedBox:g5.xlarge", "capacitystatus": "UnusedCapacityReservation"},
    "reservation": {"usagetype": "Reservation:g5.xlarge", "capacitystatus": "AllocatedCapacityReservation"},
    "dedicated": {"usagetype": "DedicatedUsage:g5.xlarge", "tenancy": "Dedicated"},
    "host": {"usagetype": "HostBoxUsage:g5.xlarge", "tenancy": "Host"},
    "Windows": {"operatingSystem": "Windows", "operation": "RunInstances:0002"},
    "SQL": {"preInstalledSw": "SQL Web", "operation": "RunInstances:0200"},
    "SUSE": {"operatingSystem": "SUSE", "operation": "RunInstances:000g"},
    "own licence": {"licenseModel": "Bring your own license", "operation": "RunInstances:0800"},
    "capacity block": {"marketoption": "CapacityBlock"},
    "another region": {"regionCode": "us-west-2", "usagetype": "USW2-BoxUsage:g5.xlarge"},
    "local zone": {"locationType": "AWS Local Zone", "usagetype": "BOS1-BoxUsage:g5.xlarge"},
}


@pytest.mark.parametrize("decoy", DECOYS)
def test_a_decoy_is_not_the_price(decoy):
    """Each other product of the same type is passed over, alone and before the real one."""
    other = product(usd="0.1000000000", **DECOYS[decoy])
    assert price_of(other) is None
    assert price_of(other, product()) == Decimal("1.006")


def test_two_candidates_are_none():
    """Of two priced lines neither is believed, not even where they agree."""
    assert price_of(product(), product(usd="2.0000000000")) is None
    assert price_of(product(), product()) is None


@pytest.mark.parametrize(
    "row",
    [
        product(terms=False),
        product(currency="CNY"),
        product(usd="0.0000000000"),
        product(usd="n/a"),
        product(usd="99999999"),
        "not json",
        "[]",
        "null",
        '{"product": null}',
        '{"product": {"attributes": {"usagetype": "BoxUsage:g5.xlarge", "operation": "RunInstances"}}, "terms": []}',
    ],
)
def test_a_row_without_a_price_is_unknown(row):
    """No on-demand term, another currency, nought, and broken rows give no price, and do not hide the real one."""
    assert price_of(row) is None
    if "99999999" not in row:  # that one is a second candidate
        assert price_of(row, product()) == Decimal("1.006")


def test_prefix_of_other_regions():
    """Outside us-east-1 the usage type carries the region's prefix."""
    row = product(regionCode="ap-northeast-2", usagetype="APN2-BoxUsage:g5.xlarge")
    assert on_demand_prices([row], "ap-northeast-2") == {("ap-northeast-2", "g5.xlarge"): Decimal("1.006")}


def disk(usagetype="EBS:VolumeUsage.gp3", usd="0.0800000000", unit="GB-Mo", name="gp3"):
    attributes = {"volumeApiName": name, "regionCode": "us-east-1", "usagetype": usagetype}
    terms = {"OnDemand": {"a": {"priceDimensions": {"b": {"unit": unit, "pricePerUnit": {"USD": usd}}}}}}
    return {"product": {"attributes": attributes}, "terms": terms}


def test_disk_price():
    """Storage is told from the IOPS and throughput of the same volume type; two candidates are none."""
    iops = disk("EBS:VolumeP-IOPS.gp3", "0.0050000000", "IOPS-Mo")
    assert disk_price([iops, disk(), disk(name="gp2", usd="0.1")], "gp3", "us-east-1") == Decimal("0.08")
    assert disk_price([disk(), disk(usd="0.09")], "gp3", "us-east-1") is None
    assert disk_price([], "gp3", "us-east-1") is None
