"""Which vCPU quota counts a type."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from spotbox.core.quotas import increase_command, is_enough, on_demand_quota_of, quota_of

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.parametrize(
    ("instance_type", "spot", "on_demand"),
    [
        ("g5.xlarge", "L-3819A6DF", "L-DB2E81BA"),
        ("g4dn.xlarge", "L-3819A6DF", "L-DB2E81BA"),
        ("g5g.xlarge", "L-3819A6DF", "L-DB2E81BA"),
        ("g6f.large", "L-3819A6DF", "L-DB2E81BA"),
        ("gr6.4xlarge", "L-3819A6DF", "L-DB2E81BA"),
        ("vt1.3xlarge", "L-3819A6DF", "L-DB2E81BA"),
        ("p2.xlarge", "L-7212CCBC", "L-417A185B"),
        ("p3dn.24xlarge", "L-7212CCBC", "L-417A185B"),
        ("p4de.24xlarge", "L-7212CCBC", "L-417A185B"),
        ("p5.48xlarge", "L-C4BD4855", "L-417A185B"),
        ("p5en.48xlarge", "L-C4BD4855", "L-417A185B"),
        ("p6-b200.48xlarge", None, "L-417A185B"),
        ("p6e-gb200.36xlarge", None, "L-417A185B"),
        ("dl1.24xlarge", "L-85EED4F7", "L-6E869C2A"),
        ("trn1.2xlarge", "L-6B0D517C", "L-2C3B7624"),
        ("inf2.xlarge", "L-B5D1601B", "L-1945791B"),
        ("f1.2xlarge", "L-88CF9481", "L-74FC7D96"),
        ("x2idn.16xlarge", "L-E3A00192", "L-7295265B"),
        ("m5.large", "L-34B43A08", "L-1216C47A"),
        ("t3.micro", "L-34B43A08", "L-1216C47A"),
        ("mac1.metal", None, None),
        ("u-6tb1.metal", None, None),
        ("", None, None),
    ],
)
def test_quota_of(instance_type, spot, on_demand):
    """The family decides the quota; p6 and unknown families have none that AWS names."""
    quota, twin = quota_of(instance_type), on_demand_quota_of(instance_type)
    assert (quota and quota.code) == spot
    assert (twin and twin[0]) == on_demand


@pytest.mark.skipif(not DATA.is_dir(), reason="the recorded data is not beside this checkout")
def test_every_accelerator_type_but_p6_has_a_quota():
    """No recorded accelerator type is without a quota, except the p6 family."""
    with (DATA / "gpu-instance-types.csv").open() as file:
        names = [row["instance_type"] for row in csv.DictReader(file)]
    assert [name for name in names if quota_of(name) is None] == [name for name in names if name.startswith("p6")]


@pytest.mark.parametrize(
    ("value", "vcpus", "used", "enough"),
    [(Decimal(4), 4, 0, True), (Decimal("4.0"), 4, 1, False), (Decimal(0), 4, 0, False), (None, 4, 0, None)],
)
def test_is_enough(value, vcpus, used, enough):
    """The quota holds what is used and what is wanted; an unknown one is neither enough nor too little."""
    assert is_enough(value, vcpus, used) is enough


def test_increase_command():
    """The command names the code, the region and the vCPU wanted."""
    assert increase_command("L-3819A6DF", "us-east-1", 8) == (
        "aws service-quotas request-service-quota-increase --region us-east-1 --service-code ec2"
        " --quota-code L-3819A6DF --desired-value 8"
    )
