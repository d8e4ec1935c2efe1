"""EC2's calls about what there is: regions, instance types and where they are offered, images."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES

from spotbox.sandbox import describe, regions, render_images
from spotbox.sandbox.catalogue import TYPES
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
_WRITTEN: dict[tuple[str, ...], str] = {}  # pages of DescribeInstanceTypes by the types they hold
_OLD = ("p2", "p3", "p3dn")  # AWS lists these as previous generation


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
    out = {}
    for name, hardware in TYPES.items():
        if name in INSTANCE_TYPES:
            out[name] = {**INSTANCE_TYPES[name], "CurrentGeneration": hardware.family not in _OLD}
    return out


class Catalog(Ec2Base):
    """DescribeRegions, DescribeInstanceTypes, DescribeInstanceTypeOfferings, DescribeImages."""

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

    def zone_id(self, zone: str) -> str:
        """The id of a zone (use1-az4), which does not differ between accounts."""
        return self.ec2_backend.get_zone_by_name(zone).zone_id

    def describe_instance_types(self) -> str:
        p = self.params
        self.error_on_dryrun()
        asked = p.get("InstanceTypes") or []
        here = zones_of(self.region)
        for name in asked:
            if name not in here or name not in type_facts():
                text = f"The following supplied instance types do not exist: [{name}]"
                raise refusal("InvalidInstanceType", text)
        rows = [type_facts()[name] for name in (asked or sorted(here)) if name in type_facts()]
        kept = describe.keep(rows, p.get("Filters"), _TYPE_FILTERS)
        page, token = describe.page(kept, p.get("MaxResults"), p.get("NextToken"), 100)
        key = (*(row["InstanceType"] for row in page), token or "")
        if key not in _WRITTEN:  # a page of 100 takes moto a third of a second to write, and never changes
            _WRITTEN[key] = self.serialized(ActionResult({"InstanceTypes": page, "NextToken": token}))[2]
        return _WRITTEN[key]

    def describe_instance_type_offerings(self) -> ActionResult:
        p = self.params
        self.error_on_dryrun()
        kind = p.get("LocationType") or "region"
        rows = []
        for name, zones in sorted(zones_of(self.region).items()):
            places = {"region": [self.region], "availability-zone": zones}.get(kind)
            if places is None:
                places = [self.zone_id(z) for z in zones] if kind == "availability-zone-id" else []
            rows += [{"InstanceType": name, "LocationType": kind, "Location": place} for place in places]
        kept = describe.keep(rows, p.get("Filters"), _OFFERING_FILTERS)
        page, token = describe.page(kept, p.get("MaxResults"), p.get("NextToken"))
        return ActionResult({"InstanceTypeOfferings": page, "NextToken": token})

    def describe_images(self) -> ActionResult:
        p = self.params
        self.error_on_dryrun()
        rows = render_images.rows(self.ec2_backend)
        ids = p.get("ImageIds") or []
        for image_id in ids:
            if not re.fullmatch(r"ami-[0-9a-f]{8,17}", image_id):
                raise refusal("InvalidAMIID.Malformed", id=image_id)
            if image_id not in {row["ImageId"] for row in rows}:
                raise refusal("InvalidAMIID.NotFound", id=image_id)
        if ids:
            rows = [row for row in rows if row["ImageId"] in ids]
        owners = [self.current_account if o == "self" else o for o in p.get("Owners") or []]
        if owners:
            rows = [row for row in rows if row["OwnerId"] in owners or row.get("ImageOwnerAlias") in owners]
        kept = describe.keep(rows, p.get("Filters"), render_images.FILTERS)
        page, token = describe.page(kept, p.get("MaxResults"), p.get("NextToken"))
        return ActionResult({"Images": page, "NextToken": token})
