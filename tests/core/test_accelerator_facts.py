"""Every accelerated type that EC2 has, by the record of its hardware and by a copy of DescribeInstanceTypes."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from spotbox.core.accelerators import parse_instance_type

FILE = Path(__file__).parents[3] / "shared" / "data" / "gpu-instance-types.csv"
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="the recorded data is not beside this checkout")
FRACTIONS = {
    "g6f.large": "0.125",
    "g6f.xlarge": "0.125",
    "g6f.2xlarge": "0.25",
    "g6f.4xlarge": "0.5",
    "gr6f.4xlarge": "0.5",
}


def recorded():
    with FILE.open() as file:
        return {row["instance_type"]: row for row in csv.DictReader(file)}


def wire(row):
    """The row as DescribeInstanceTypes tells it: which list a device is in depends on its maker."""
    total = int(row["total_accel_memory_mib"] or 0)
    name, maker, count = row["accelerator"], row["manufacturer"], int(row["count"] or 0)
    item = {"InstanceType": row["instance_type"], "VCpuInfo": {"DefaultVCpus": int(row["vcpus"])}}
    item |= {"MemoryInfo": {"SizeInMiB": int(float(row["memory_gib"]) * 1024)}}
    item |= {"ProcessorInfo": {"SupportedArchitectures": [row["arch"]]}}
    item |= {"SupportedUsageClasses": ["on-demand", "spot"] if row["spot_supported"] == "True" else ["on-demand"]}
    if name.startswith(("Trainium", "Inferentia")):
        item["NeuronInfo"] = {"NeuronDevices": [{"Name": name, "Count": count}], "TotalNeuronDeviceMemoryInMiB": total}
    elif name.startswith("Qualcomm"):
        device = {"Name": name, "Manufacturer": "Qualcomm", "Count": count}
        item["InferenceAcceleratorInfo"] = {"Accelerators": [device], "TotalInferenceMemoryInMiB": total}
    elif name:
        share = {"GpuPartitionSize": float(FRACTIONS[row["instance_type"]]), "LogicalGpuCount": 1} if not count else {}
        device = {"Name": name, "Manufacturer": maker, "Count": count, **share}
        item["GpuInfo"] = {"Gpus": [device], "TotalGpuMemoryInMiB": total}
    return item


def check(found, row):
    count = Decimal(FRACTIONS.get(found.name) or row["count"] or 0)
    maker = {"AWS/other": "Qualcomm" if found.name.startswith("dl2q") else "AWS"}.get(
        row["manufacturer"], row["manufacturer"]
    )
    assert (found.gpu or "", found.gpu_maker if found.gpu else maker, found.gpu_count) == (
        row["accelerator"],
        maker,
        count,
    )
    if row["total_accel_memory_mib"]:
        assert found.gpu_memory_gib == Decimal(row["total_accel_memory_mib"]) / 1024
    assert (found.vcpus, found.memory_gib) == (int(row["vcpus"]), Decimal(row["memory_gib"]))


def test_every_recorded_type_is_named_as_what_it_is():
    """Name, maker, number (also a fraction), memory of all 95 types come out as they were recorded."""
    rows = recorded()
    assert len(rows) == 95
    for name, row in rows.items():
        found = parse_instance_type(wire(row))
        check(found, row)
        assert found.spot == (row["spot_supported"] == "True"), name


def test_a_copy_of_describe_instance_types_agrees():
    """Where moto's copy of AWS's own answer tells of the accelerator, it says what was recorded."""
    types = pytest.importorskip("moto.ec2.models.instance_types", reason="needs the sandbox's requirements")
    told = 0
    for name, row in recorded().items():
        item = types.INSTANCE_TYPES.get(name, {})
        if row["accelerator"] and any(item.get(kind) for kind in ("GpuInfo", "NeuronInfo", "InferenceAcceleratorInfo")):
            check(parse_instance_type(item), row)
            told += 1
    assert told > 75
