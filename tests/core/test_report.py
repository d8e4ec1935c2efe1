import json
from dataclasses import replace
from decimal import Decimal

from spotbox.core.boxes import Sight, assemble
from spotbox.core.names import MAX_PRICE_TAG, box_tags
from spotbox.core.report import KEYS, box_record, full_lines
from tests.core.worlds import REGION, data_volume, instance, request, volume


def healthy():
    tags = box_tags("dev", "alice", {MAX_PRICE_TAG: "0.5", "spotbox:expires": "2026-12-01T00:00:00Z"})
    parts = {
        "requests": (request(tags=tags),),
        "instances": (instance(public_ip="203.0.113.5"),),
        "volumes": (volume(), data_volume()),
    }
    (box,) = assemble(Sight(REGION, **parts))
    return replace(box, spot=Decimal("0.4027"), on_demand=Decimal("1.006"))


def test_a_box_in_full():
    """Every key of the contract, in its order, with the numbers as JSON has them."""
    record = box_record(healthy(), "A10G", Decimal("59.97"), "ssh x")
    assert tuple(record) == KEYS
    assert json.loads(json.dumps(record)) == {
        "name": "dev", "owner": "alice", "region": "us-east-1", "zone": "us-east-1a", "instance_type": "g5.xlarge",
        "gpu": "A10G", "market": "spot", "state": "running", "reason": None, "status_code": "fulfilled",
        "request_id": "sir-1", "request_state": "active", "instance_id": "i-1", "instance_state": "running",
        "public_ip": "203.0.113.5", "ami": "ami-1", "max_price": 0.5, "spot": 0.4027, "on_demand": 1.006,
        "savings_pct": 59.97, "created_at": "2026-11-22T12:00:00+00:00", "expires_at": "2026-12-01T00:00:00Z",
        "volumes": [
            {"id": "vol-1", "size_gib": 100, "type": "gp3", "device": "/dev/sda1", "data": False},
            {"id": "vol-d", "size_gib": 100, "type": "gp3", "device": "/dev/sdf", "data": True},
        ],
        "untagged": [], "ssh": "ssh x",
    }  # fmt: skip


def test_absent_things_are_null():
    """A waiting box has no instance, address, price or cap: each is null, none is invented."""
    (box,) = assemble(Sight(REGION, requests=(request("open", "capacity-not-available", instance_id=None),)))
    record = box_record(box, None, None, None)
    absent = ("gpu", "instance_id", "instance_state", "public_ip", "ami", "max_price", "spot", "on_demand",
              "savings_pct", "expires_at", "ssh")  # fmt: skip
    assert [key for key in absent if record[key] is not None] == []
    assert (record["state"], record["volumes"], record["untagged"]) == ("waiting", [], [])


def test_aws_reporting_on_demand_as_the_price_is_no_cap():
    """DescribeSpotInstanceRequests shows the on-demand price where no maximum was sent: max_price is null."""
    (box,) = assemble(Sight(REGION, requests=(request(max_price=Decimal("1.006")),)))
    assert box_record(box, None, None, None)["max_price"] is None


def test_full_lines_are_for_a_terminal():
    """Labels and values, money with four places, absent things left out, AWS's text made safe."""
    record = box_record(healthy(), "A10G", Decimal("59.97"), None)
    rows = full_lines({**record, "reason": "a\x1b[31m\nb", "untagged": ["i-1\x07"]})
    lines = dict(rows)
    assert lines["spot"] == "$0.4027/h"
    assert lines["savings"] == "59.97 %"
    assert lines["reason"] == "a\\x1b[31m\\nb"
    assert lines["untagged"] == "i-1\\x07"
    assert "ssh" not in lines
    assert [row for row in rows if row[0] in ("volume", "data")] == [
        ("volume", "vol-1  100 GiB gp3  /dev/sda1"),
        ("data", "vol-d  100 GiB gp3  /dev/sdf"),
    ]
