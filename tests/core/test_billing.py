from decimal import Decimal

import pytest

from spotbox.core.billing import Rates
from spotbox.core.prices import snapshot_price
from spotbox.core.records import Snapshot
from tests.core.worlds import REGION, data_volume, instance, volume

RATES = Rates(
    spot={(REGION, "g5.xlarge", "us-east-1a"): Decimal("0.4")},
    on_demand={(REGION, "g5.xlarge"): Decimal(1)},
    disk={(REGION, "gp3"): Decimal("0.08"), (REGION, "io2"): Decimal("0.125")},
)


@pytest.mark.parametrize(
    ("fields", "usd"),
    [
        ({}, 292),
        ({"state": "pending"}, 292),
        ({"state": "stopped"}, 0),
        ({"lifecycle": None}, 730),
        ({"zone": "us-east-1b"}, None),
        ({"instance_type": "g6.xlarge", "lifecycle": None}, None),
    ],
)
def test_compute_by_the_month(fields, usd):
    """730 hours at the Spot price of the pool, or at the on-demand price; a stopped instance bills none."""
    assert RATES.compute(instance(**fields)) == usd


def test_an_instance_bills_the_disks_that_go_with_it():
    """Its root volume is in its price; a data volume outlives it and is told by itself."""
    assert RATES.instance(instance(), [volume(), data_volume(), volume(id="vol-9", instance_id="i-9")]) == 300
    assert RATES.instance(instance(), [volume(type="st1")]) is None


def test_provisioned_iops_are_unknown():
    """io1 and io2 bill their IOPS apart: the price of their GiB would tell too little."""
    assert RATES.volume(volume(type="io2")) is None


def test_snapshots_at_most():
    """By the size of the volume, where the price is known."""
    snap = Snapshot("snap-1", REGION, "completed", 100)
    assert (Rates(snapshots={REGION: Decimal("0.05")}).snapshot(snap), Rates().snapshot(snap)) == (5, None)


def row(usage, usd, region=REGION):
    price = {"unit": "GB-Mo", "pricePerUnit": {"USD": usd}}
    terms = {"OnDemand": {"t": {"priceDimensions": {"d": price}}}}
    return {"product": {"attributes": {"usagetype": usage, "regionCode": region}}, "terms": terms}


def test_the_price_of_a_snapshot_among_its_like():
    """EBS:SnapshotUsage alone; of two candidates neither is believed, and archives are something else."""
    rows = [row("EBS:SnapshotUsage", "0.05"), row("EBS:SnapshotArchiveStorage", "0.0125")]
    assert snapshot_price(rows, REGION) == Decimal("0.05")
    assert snapshot_price([row("EUW1-EBS:SnapshotUsage", "0.05", "eu-west-1")], "eu-west-1") == Decimal("0.05")
    assert snapshot_price([rows[0], rows[0]], REGION) is None
    assert snapshot_price([], REGION) is None
