"""The owner from an ARN, and accelerators from DescribeInstanceTypes."""

from decimal import Decimal

import pytest

from spotbox.core.accelerators import parse_instance_type
from spotbox.core.identity import owner_from
from spotbox.core.records import Identity


@pytest.mark.parametrize(
    ("arn", "owner"),
    [
        ("arn:aws:iam::123456789012:user/alice", "alice"),
        ("arn:aws:iam::123456789012:user/division/team/alice", "alice"),
        ("arn:aws:iam::123456789012:user/i-alice", "i-alice"),
        ("arn:aws:iam::123456789012:user/12345", "12345"),
        ("arn:aws:iam::123456789012:root", "root"),
        ("arn:aws:sts::123456789012:assumed-role/Admin/alice@example.com", "alice@example.com"),
        ("arn:aws:sts::123456789012:assumed-role/Admin/botocore-session-1700000000", "Admin"),
        ("arn:aws:sts::123456789012:assumed-role/Builder/i-0123456789abcdef0", "Builder"),
        ("arn:aws:sts::123456789012:assumed-role/CI/1700000000000", "CI"),
        ("arn:aws:sts::123456789012:assumed-role/CI/alice2", "alice2"),
        ("arn:aws-cn:iam::123456789012:user/li", "li"),
        ("arn:aws:sts::123456789012:federated-user/bob", "bob"),
        ("arn:aws:iam::123456789012:user/al\x1b[31mice", "al--31mice"),
        ("", "unknown"),
    ],
)
def test_owner_from(arn, owner):
    """The owner is the user's or the session's name, or the role's where the session's name was generated."""
    assert owner_from(Identity("123456789012", arn, "AIDA")) == owner


def gpu(**change):
    return {"Name": "L4", "Manufacturer": "NVIDIA", "Count": 1, "MemoryInfo": {"SizeInMiB": 22888}} | change


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (
            {"GpuInfo": {"Gpus": [gpu(Count=4)], "TotalGpuMemoryInMiB": 91552}},
            ("L4", "NVIDIA", Decimal(4), Decimal("89.40625")),
        ),
        (
            {
                "GpuInfo": {
                    "Gpus": [gpu(Count=0, LogicalGpuCount=1, GpuPartitionSize=0.125)],
                    "TotalGpuMemoryInMiB": 2861,
                }
            },
            ("L4", "NVIDIA", Decimal("0.125"), Decimal(2861) / 1024),
        ),
        (
            {"GpuInfo": {"Gpus": [gpu(Count=0)], "TotalGpuMemoryInMiB": 2861}},
            ("L4", "NVIDIA", Decimal(0), Decimal(2861) / 1024),
        ),
        (
            {
                "NeuronInfo": {
                    "NeuronDevices": [{"Name": "Trainium", "Count": 16}],
                    "TotalNeuronDeviceMemoryInMiB": 1024,
                }
            },
            ("Trainium", "AWS", Decimal(16), Decimal(1)),
        ),
        (
            {"InferenceAcceleratorInfo": {"Accelerators": [{"Name": "Inferentia", "Manufacturer": "AWS", "Count": 4}]}},
            ("Inferentia", "AWS", Decimal(4), None),
        ),
        ({}, (None, None, Decimal(0), None)),
        ({"GpuInfo": {"Gpus": []}}, (None, None, Decimal(0), None)),
    ],
)
def test_accelerators(info, expected):
    """Accelerators are read from the kind that the type has; a fraction of a GPU counts less than one."""
    wire = {
        "InstanceType": "x.large",
        "VCpuInfo": {"DefaultVCpus": 4},
        "MemoryInfo": {"SizeInMiB": 16384},
        "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
        "SupportedUsageClasses": ["on-demand", "spot"],
    }
    found = parse_instance_type(wire | info)
    assert (found.gpu, found.gpu_maker, found.gpu_count, found.gpu_memory_gib) == expected
    assert (found.vcpus, found.memory_gib, found.architectures, found.spot) == (4, Decimal(16), ("x86_64",), True)


def test_a_type_with_nothing_but_a_name():
    """What AWS leaves out is none, not guessed."""
    found = parse_instance_type({"InstanceType": "new1.large"})
    assert (found.vcpus, found.memory_gib, found.architectures, found.spot, found.gpu) == (0, 0, (), False, None)
