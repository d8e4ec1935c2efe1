"""The price list: GetProducts with the rows one wants, and those that look just like them.

Fields and their spelling follow the Pricing API: `capacitystatus` in lower case, a region's prefix in `usagetype`
outside us-east-1, and for each type many more rows than the one public on-demand price.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

from spotbox.sandbox import regions
from spotbox.sandbox.catalogue import PUBLIC_IPV4, STORAGE, TYPES, Hardware
from spotbox.sandbox.refusals import refusal

PUBLISHED = "2026-11-01T00:00:00Z"
Attributes = dict[str, str]
_CAPACITY = {
    "Used": "BoxUsage",
    "UnusedCapacityReservation": "UnusedBox",
    "AllocatedCapacityReservation": "Reservation",
}
_SYSTEMS = (  # operating system, preinstalled software, operation, licence, dearer by
    ("Linux", "NA", "RunInstances", "No License required", "1"),
    ("Linux", "SQL Std", "RunInstances:0004", "No License required", "1.9"),
    ("RHEL", "NA", "RunInstances:0010", "No License required", "1.15"),
    ("Windows", "NA", "RunInstances:0002", "No License required", "1.4"),
    ("Windows", "NA", "RunInstances:0800", "Bring your own license", "1"),
    ("Windows", "SQL Web", "RunInstances:0202", "No License required", "1.6"),
)
_BLOCKS = ("p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300", "trn1", "trn2")  # sold as Capacity Blocks too


def _family(hardware: Hardware) -> str:
    if hardware.maker in ("NVIDIA", "AMD"):
        return "GPU instance"
    if hardware.gpu:
        return "Machine Learning ASIC Instances"
    return {"c": "Compute optimized", "r": "Memory optimized"}.get(hardware.name[0], "General purpose")


def _common(hardware: Hardware, region: str) -> Attributes:
    attributes = {
        "servicecode": "AmazonEC2",
        "servicename": "Amazon Elastic Compute Cloud",
        "instanceType": hardware.name,
        "instanceFamily": _family(hardware),
        "regionCode": region,
        "location": regions.ENABLED[region][0],
        "locationType": "AWS Region",
        "vcpu": str(hardware.vcpus),
        "memory": f"{hardware.memory_gib} GiB",
    }
    if hardware.gpu and hardware.maker in ("NVIDIA", "AMD"):
        attributes |= {"gpu": str(hardware.gpu_count), "gpuMemory": f"{hardware.gpu_memory_mib // 1024} GB"}
    return attributes


def _instance_rows(hardware: Hardware, region: str) -> Iterator[tuple[Attributes, Decimal]]:
    price = (hardware.on_demand * regions.factor(region)).quantize(Decimal("0.000001"))
    prefix = regions.ENABLED[region][1]
    for tenancy, use, dearer in (("Shared", "", "1"), ("Dedicated", "Dedicated", "1.1"), ("Host", "Host", "0")):
        for system, software, operation, licence, more in _SYSTEMS:
            for status, usage in _CAPACITY.items():
                usagetype = f"{prefix}{use or ''}{usage if usage != 'BoxUsage' or not use else 'Usage'}:{hardware.name}"
                attributes = _common(hardware, region) | {
                    "operatingSystem": system,
                    "preInstalledSw": software,
                    "tenancy": tenancy,
                    "capacitystatus": status,
                    "licenseModel": licence,
                    "marketoption": "OnDemand",
                    "operation": operation,
                    "usagetype": usagetype,
                }
                free = status == "AllocatedCapacityReservation"  # the instances in it are billed instead
                yield attributes, Decimal(0) if free else price * Decimal(dearer) * Decimal(more)
    if hardware.family in _BLOCKS:
        block = {"marketoption": "CapacityBlock", "tenancy": "Shared", "operatingSystem": "Linux"}
        block |= {"preInstalledSw": "NA", "capacitystatus": "Used", "licenseModel": "No License required"}
        block |= {"operation": "RunInstances:CB", "usagetype": f"{prefix}CapacityBlockUsage:{hardware.name}"}
        yield _common(hardware, region) | block, Decimal(0)


def _storage_rows(region: str) -> Iterator[tuple[Attributes, Decimal]]:
    location, prefix, _ = regions.ENABLED[region]
    for kind, price in STORAGE.items():
        attributes = {
            "servicecode": "AmazonEC2",
            "regionCode": region,
            "location": location,
            "locationType": "AWS Region",
            "volumeApiName": kind,
            "volumeType": {"gp3": "General Purpose", "gp2": "General Purpose"}.get(kind, "Provisioned IOPS"),
            "storageMedia": "HDD-backed" if kind in ("st1", "sc1", "standard") else "SSD-backed",
            "usagetype": f"{prefix}EBS:VolumeUsage.{kind}",
            "operation": "",
        }
        yield attributes, (price * regions.factor(region)).quantize(Decimal("0.000001"))


def _address_rows(region: str) -> Iterator[tuple[Attributes, Decimal]]:
    location, prefix, _ = regions.ENABLED[region]
    for use in ("In-use", "Idle"):
        attributes = {
            "servicecode": "AmazonVPC",
            "regionCode": region,
            "location": location,
            "locationType": "AWS Region",
            "group": "VPCPublicIPv4Address",
            "groupDescription": f"Hourly charge for {use} Public IPv4 Addresses",
            "usagetype": f"{prefix}PublicIPv4:{use.replace('-u', 'U')}Address",
            "operation": "",
        }
        yield attributes, PUBLIC_IPV4


def _product(service: str, family: str, attributes: Attributes, price: Decimal, unit: str) -> str:
    """One row as GetProducts gives it: a string of JSON."""
    sku = sha256(json.dumps([service, attributes], sort_keys=True).encode()).hexdigest()[:16].upper()
    term, rate = f"{sku}.JRTCKXETXF", f"{sku}.JRTCKXETXF.6YS6EN2CT7"
    dimension = {
        "rateCode": rate,
        "unit": unit,
        "beginRange": "0",
        "endRange": "Inf",
        "appliesTo": [],
        "description": f"${price.normalize():f} per {attributes['usagetype']}",
        "pricePerUnit": {"USD": f"{price:.10f}"},
    }
    terms = {
        "sku": sku,
        "offerTermCode": "JRTCKXETXF",
        "effectiveDate": PUBLISHED,
        "termAttributes": {},
        "priceDimensions": {rate: dimension},
    }
    product = {"productFamily": family, "sku": sku, "attributes": attributes}
    row = {"product": product, "serviceCode": service, "terms": {"OnDemand": {term: terms}, "Reserved": {}}}
    return json.dumps({**row, "version": "20261101000000", "publicationDate": PUBLISHED})


def _matches(found: str | None, kind: str, wanted: str) -> bool:
    if found is None:
        return kind == "NONE_OF"
    options = wanted.split(",")
    return {
        "TERM_MATCH": found == wanted,
        "EQUALS": found == wanted,
        "CONTAINS": wanted in found,
        "ANY_OF": found in options,
        "NONE_OF": found not in options,
    }[kind]


def products(service: str, filters: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """The rows of a service that pass all filters, as JSON strings. Raises Refusal InvalidParameterException."""
    for f in filters:
        if f.get("Type") not in ("TERM_MATCH", "EQUALS", "CONTAINS", "ANY_OF", "NONE_OF"):
            raise refusal("InvalidParameterException", f"Input Parameter Filter Type is not valid: {f.get('Type')}")

    def passes(attributes: Mapping[str, str]) -> bool:
        return all(_matches(attributes.get(f["Field"]), f["Type"], f["Value"]) for f in filters)

    def narrowed(field: str, values: Sequence[str]) -> list[str]:
        mine = [f for f in filters if f["Field"] == field]
        return [v for v in values if all(_matches(v, f["Type"], f["Value"]) for f in mine)]

    for region in narrowed("regionCode", list(regions.ENABLED)):
        yield from _of_region(service, region, narrowed, passes)


def _of_region(service: str, region: str, narrowed: Any, passes: Any) -> Iterator[str]:
    if service == "AmazonVPC":
        for attributes, price in _address_rows(region):
            if passes(attributes):
                yield _product(service, "VpcPublicIPv4", attributes, price, "Hrs")
    elif service == "AmazonEC2":
        for family in narrowed("productFamily", ("Compute Instance", "Storage")):
            if family == "Storage":
                for attributes, price in _storage_rows(region):
                    if passes({**attributes, "productFamily": family}):
                        yield _product(service, family, attributes, price, "GB-Mo")
            else:
                for name in narrowed("instanceType", list(TYPES)):
                    for attributes, price in _instance_rows(TYPES[name], region):
                        if passes({**attributes, "productFamily": family}):
                            yield _product(service, family, attributes, price, "Hrs")
    else:
        raise refusal("InvalidParameterException", f"The service code {service} is not known here.")
