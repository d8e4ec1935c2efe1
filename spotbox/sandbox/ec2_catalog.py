"""EC2's calls about what there is: regions, instance types and where they are offered."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES

from spotbox.sandbox import describe, regions, wire
from spotbox.sandbox.catalogue import TYPES, Hardware
from spotbox.sandbox.ec2_base import Ec2Base
from spotbox.sandbox.refusals import refusal

_TYPE_FILTERS = {
    "bare-metal": "BareMetal",
    "burstable-performance-supported": "BurstablePerformanceSupported",
    "current-generation": "CurrentGeneration",
    "hibernation-supported": "HibernationSupported",
    "hypervisor": "Hypervisor",
    "instance-storage-info.total-size-in-gb": "InstanceStorageInfo.TotalSizeInGB",
    "instance-storage-supported": "InstanceStorageSupported",
    "instance-type": "InstanceType",
    "memory-info.size-in-mib": "MemoryInfo.SizeInMiB",
    "processor-info.supported-architecture": "ProcessorInfo.SupportedArchitectures",
    "supported-root-device-type": "SupportedRootDeviceTypes",
    "supported-usage-class": "SupportedUsageClasses",
    "supported-virtualization-type": "SupportedVirtualizationTypes",
    "vcpu-info.default-cores": "VCpuInfo.DefaultCores",
    "vcpu-info.default-vcpus": "VCpuInfo.DefaultVCpus",
}
_OFFERING_FILTERS = {"instance-type": "InstanceType", "location": "Location"}
_OLD = ("g3", "g3s", "g4ad", "p2", "p3", "p3dn")  # AWS lists these as previous generation


@lru_cache(maxsize=64)
def zones_of(region: str) -> Mapping[str, tuple[str, ...]]:
    """Instance type -> the zones of the region that offer it, by moto's copy of AWS's own listing."""
    found: dict[str, list[str]] = {}
    for row in INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, []):
        if row["InstanceType"] in TYPES:
            found.setdefault(row["InstanceType"], []).append(row["Location"])
    return {name: tuple(sorted(zones)) for name, zones in found.items()}


def offered(instance_type: str, region: str) -> list[str]:
    """The zones of `region` that offer the type."""
    return list(zones_of(region).get(instance_type, ()))


@lru_cache(maxsize=1)
def type_facts() -> Mapping[str, dict[str, Any]]:
    """Every type of the catalogue as DescribeInstanceTypes shows it; hardware and network as moto copied them."""
    return {
        name: {
            **(INSTANCE_TYPES[name] if name in INSTANCE_TYPES else _retired(hardware)),
            "CurrentGeneration": hardware.family not in _OLD,
            "SupportedUsageClasses": ["on-demand", "spot"] if hardware.spot_fraction else ["on-demand"],
        }
        for name, hardware in TYPES.items()
    }


def _retired(hardware: Hardware) -> dict[str, Any]:
    """A type that AWS no longer lists, as it was listed: what the catalogue knows of it."""
    memory = hardware.gpu_memory_mib // int(hardware.gpu_count)
    gpu = {
        "Name": hardware.gpu,
        "Manufacturer": hardware.maker,
        "Count": int(hardware.gpu_count),
        "MemoryInfo": {"SizeInMiB": memory},
    }
    return {
        "InstanceType": hardware.name,
        "SupportedRootDeviceTypes": ["ebs"],
        "SupportedVirtualizationTypes": ["hvm"],
        "BareMetal": False,
        "Hypervisor": "xen",
        "ProcessorInfo": {"SupportedArchitectures": [hardware.arch], "Manufacturer": "Intel"},
        "VCpuInfo": {"DefaultVCpus": hardware.vcpus},
        "MemoryInfo": {"SizeInMiB": int(hardware.memory_gib * 1024)},
        "InstanceStorageSupported": False,
        "GpuInfo": {"Gpus": [gpu], "TotalGpuMemoryInMiB": hardware.gpu_memory_mib},
        "HibernationSupported": False,
        "BurstablePerformanceSupported": False,
    }


@lru_cache(maxsize=256)
def _type_xml(name: str) -> str:
    """A type as an item of the reply: it never changes."""
    return f"<item>{wire.members(wire.shape('InstanceTypeInfo'), type_facts()[name])}</item>"


class Catalog(Ec2Base):
    """DescribeRegions, DescribeInstanceTypes, DescribeInstanceTypeOfferings."""

    def describe_regions(self) -> ActionResult:
        self.error_on_dryrun()
        names = dict.fromkeys(regions.ENABLED, "opt-in-not-required")
        names |= dict.fromkeys((*regions.NOT_OPTED_IN, *self.world.disabled), "not-opted-in")
        asked = self.params.get("RegionNames") or []
        for name in asked:
            if name not in names:
                raise refusal("InvalidParameterValue", f"Invalid region name: {name}")
        rows = [
            {"RegionName": name, "OptInStatus": status, "Endpoint": f"ec2.{name}.amazonaws.com"}
            for name, status in names.items()
            if (name in asked if asked else status != "not-opted-in" or self.params.get("AllRegions"))
        ]
        paths = {"region-name": "RegionName", "opt-in-status": "OptInStatus", "endpoint": "Endpoint"}
        return ActionResult({"Regions": describe.keep(rows, self.params.get("Filters"), paths)})

    def describe_instance_types(self) -> str:
        p = self.params
        self.error_on_dryrun()
        asked = p.get("InstanceTypes") or []
        here = self._offered_here()
        for name in asked:
            if name not in here:
                text = f"The following supplied instance types do not exist: [{name}]"
                raise refusal("InvalidInstanceType", text)
        rows = [type_facts()[name] for name in (asked or sorted(here))]
        kept = describe.keep(rows, p.get("Filters"), _TYPE_FILTERS)
        page, token = describe.page(kept, p.get("MaxResults"), p.get("NextToken"), 100)
        items = "".join(_type_xml(row["InstanceType"]) for row in page)
        more = f"<nextToken>{token}</nextToken>" if token else ""
        return wire.reply("DescribeInstanceTypes", f"<instanceTypeSet>{items}</instanceTypeSet>{more}")

    def _offered_here(self) -> dict[str, list[str]]:
        """Instance type -> the zones of the call's region that offer it."""
        market = self.world.market
        return {name: zones for name in TYPES if (zones := market.zones(name, self.region))}

    def describe_instance_type_offerings(self) -> str:
        p = self.params
        self.error_on_dryrun()
        kind = p.get("LocationType") or "region"
        ids = {zone.name: zone.zone_id for zone in self.ec2_backend.describe_availability_zones()}
        rows = []
        for name, zones in sorted(self._offered_here().items()):
            places = {
                "region": [self.region],
                "availability-zone": zones,
                "availability-zone-id": [ids[zone] for zone in zones],
            }.get(kind, [])
            rows += [{"InstanceType": name, "LocationType": kind, "Location": place} for place in places]
        kept = describe.keep(rows, p.get("Filters"), _OFFERING_FILTERS)
        page, token = describe.page(kept, p.get("MaxResults"), p.get("NextToken"))
        result = {"InstanceTypeOfferings": page, "NextToken": token}
        shape = wire.shape("DescribeInstanceTypeOfferingsResult")
        return wire.reply("DescribeInstanceTypeOfferings", wire.members(shape, result))
