"""DescribeInstanceTypes in our own words: what accelerator a type has, how much of one, and its memory."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from spotbox.core.records import InstanceType

# Where DescribeInstanceTypes tells of accelerators: member, its list of devices, its total memory (EC2 API Reference).
_KINDS = (
    ("GpuInfo", "Gpus", "TotalGpuMemoryInMiB"),
    ("NeuronInfo", "NeuronDevices", "TotalNeuronDeviceMemoryInMiB"),
    ("InferenceAcceleratorInfo", "Accelerators", "TotalInferenceMemoryInMiB"),
)
_GIB = Decimal(1024)


def parse_instance_type(item: Mapping[str, Any]) -> InstanceType:
    """One element of InstanceTypes. What AWS leaves out is None, 0 or empty, never guessed; memory is in GiB."""
    name, maker, count, memory = _accelerator(item)
    return InstanceType(
        name=str(item["InstanceType"]),
        vcpus=int((item.get("VCpuInfo") or {}).get("DefaultVCpus", 0)),
        memory_gib=Decimal((item.get("MemoryInfo") or {}).get("SizeInMiB", 0)) / _GIB,
        architectures=tuple((item.get("ProcessorInfo") or {}).get("SupportedArchitectures") or ()),
        spot="spot" in (item.get("SupportedUsageClasses") or ()),
        gpu=name,
        gpu_maker=maker,
        gpu_count=count,
        gpu_memory_gib=memory,
    )


def _accelerator(item: Mapping[str, Any]) -> tuple[str | None, str | None, Decimal, Decimal | None]:
    """Name, maker, number and total memory (GiB) of the first kind of accelerator; the number may be a fraction."""
    for info_name, list_name, total_name in _KINDS:
        info = item.get(info_name) or {}
        devices = info.get(list_name) or ()
        if not devices:
            continue
        first = devices[0]
        # Neuron devices name no maker; they are Amazon's own.
        maker = first.get("Manufacturer") or ("AWS" if info_name == "NeuronInfo" else None)
        total = info.get(total_name)
        return first.get("Name"), maker, _count(first), None if total is None else Decimal(total) / _GIB
    return None, None, Decimal(0), None


def _count(device: Mapping[str, Any]) -> Decimal:
    """Whole devices, or the share of one: fractional types (g6f, gr6f) tell Count 0, logical GPUs and their size."""
    size = device.get("GpuPartitionSize")
    if size is not None and size < 1:
        return Decimal(str(size)) * int(device.get("LogicalGpuCount") or 1)
    return Decimal(int(device.get("Count") or 0))
