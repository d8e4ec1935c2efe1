"""The price list: GetProducts with the rows one wants, and those that look just like them.

Fields and their spelling follow the Pricing API: `capacitystatus` in lower case, a region's prefix in `usagetype`
outside us-east-1, and for each type many more rows than the one public on-demand price. Traps among them: rows of Local
and Wavelength Zones, which carry their parent's `regionCode`, and second rows at 0.0000000000.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256

from spotbox.sandbox import regions
from spotbox.sandbox.catalogue import PUBLIC_IPV4, SNAPSHOTS, STORAGE, TYPES, Hardware
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


# Zones outside the regions: parent, location, kind, prefix of usage types, dearer by, types (a few; AWS has more).
_OUTSIDE = (
    ("us-west-2", "US West (Los Angeles)", "AWS Local Zone", "LAX1-", "1.2", ("g4dn.2xlarge", "g4dn.12xlarge")),
    ("us-east-1", "US East (Boston)", "AWS Local Zone", "BOS1-", "1.25", ("g4dn.2xlarge", "g5.2xlarge")),
    ("eu-central-1", "Germany (Hamburg)", "AWS Local Zone", "HAM1-", "1.2", ("g4dn.2xlarge",)),
    ("us-east-1", "US East (Verizon) - Boston", "AWS Wavelength Zone", "USE1WL1-", "1.35", ("g4dn.2xlarge",)),
)
_TWICE = ("g4dn.2xlarge", "g6.2xlarge", "g6e.xlarge", "p4d.24xlarge")  # have a second row that costs nothing
_TENANCIES = (("Shared", "", "1"), ("Dedicated", "Dedicated", "1.1"), ("Host", "Host", "0"))


class Query:
    """The filters of a call. Raises Refusal InvalidParameterException for a kind that there is not."""

    def __init__(self, filters: Sequence[Mapping[str, str]]):
        for f in filters:
            if f.get("Type") not in ("TERM_MATCH", "EQUALS", "CONTAINS", "ANY_OF", "NONE_OF"):
                raise refusal("InvalidParameterException", f"Input Parameter Filter Type is not valid: {f.get('Type')}")
        self._filters = filters
        self.ways = list(self._ways())

    def takes(self, attributes: Mapping[str, str]) -> bool:
        """Whether a row of these attributes passes every filter."""
        return all(_matches(attributes.get(f["Field"]), f["Type"], f["Value"]) for f in self._filters)

    def may_take(self, **known: str) -> bool:
        """Whether a row of which so much is known may pass: what spares making rows that are not asked for."""
        return all(_matches(known[f["Field"]], f["Type"], f["Value"]) for f in self._filters if f["Field"] in known)

    def _ways(self) -> Iterator[tuple[Attributes, str, Decimal]]:
        """Every way to run a type that may be asked for: its attributes, the kind of usage, and how much dearer.

        Tenancy, system and software, and what becomes of reserved capacity.
        """
        for tenancy, use, dearer in _TENANCIES:
            for system, software, operation, licence, more in _SYSTEMS:
                for status, usage in _CAPACITY.items():
                    attributes = {
                        "operatingSystem": system,
                        "preInstalledSw": software,
                        "tenancy": tenancy,
                        "capacitystatus": status,
                        "licenseModel": licence,
                        "marketoption": "OnDemand",
                        "operation": operation,
                    }
                    if self.may_take(**attributes):
                        free = status == "AllocatedCapacityReservation"  # the instances in it are billed instead
                        kind = f"{use}{usage if usage != 'BoxUsage' or not use else 'Usage'}"
                        yield attributes, kind, Decimal(0) if free else Decimal(dearer) * Decimal(more)


def _family(hardware: Hardware) -> str:
    if hardware.maker in ("NVIDIA", "AMD"):
        return "GPU instance"
    if hardware.family == "vt1":
        return "Media Accelerator Instances"
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


def _instance_rows(
    hardware: Hardware, region: str, price: Decimal, query: Query
) -> Iterator[tuple[Attributes, Decimal]]:
    """The rows of a type in a region, in its zones outside, and the second ones; those that cannot pass are spared."""
    prefix = regions.ENABLED[region][1]
    common = _common(hardware, region)
    for way, kind, dearer in query.ways:
        yield common | way | {"usagetype": f"{prefix}{kind}:{hardware.name}"}, price * dearer
    for parent, location, place, outside, more, names in _OUTSIDE:
        if parent == region and hardware.name in names:
            there = common | {"location": location, "locationType": place}
            for way, kind, dearer in query.ways:
                usagetype = {"usagetype": f"{outside}{kind}:{hardware.name}"}
                yield there | way | usagetype, price * dearer * Decimal(more)
    plain = {"marketoption": "OnDemand", "tenancy": "Shared", "operatingSystem": "Linux"}
    plain |= {"preInstalledSw": "NA", "capacitystatus": "Used", "licenseModel": "No License required"}
    if hardware.name in _TWICE:
        usage = {"operation": "RunInstances", "usagetype": f"{prefix}BoxUsage:{hardware.name}"}
        yield common | plain | usage | {"classicnetworkingsupport": "false"}, Decimal(0)
    if hardware.family in _BLOCKS:
        usage = {"operation": "RunInstances:CB", "usagetype": f"{prefix}CapacityBlockUsage:{hardware.name}"}
        yield common | plain | usage | {"marketoption": "CapacityBlock"}, Decimal(0)


def _place(region: str, service: str = "AmazonEC2") -> Attributes:
    return {
        "servicecode": service,
        "regionCode": region,
        "location": regions.ENABLED[region][0],
        "locationType": "AWS Region",
    }


def _storage_rows(region: str) -> Iterator[tuple[Attributes, Decimal]]:
    prefix = regions.ENABLED[region][1]
    for kind, price in STORAGE.items():
        attributes = {
            **_place(region),
            "volumeApiName": kind,
            "volumeType": {"gp3": "General Purpose", "gp2": "General Purpose"}.get(kind, "Provisioned IOPS"),
            "storageMedia": "HDD-backed" if kind in ("st1", "sc1", "standard") else "SSD-backed",
            "usagetype": f"{prefix}EBS:VolumeUsage.{kind}",
            "operation": "",
        }
        yield attributes, (price * regions.factor(region)).quantize(Decimal("0.000001"))


def _snapshot_rows(region: str) -> Iterator[tuple[Attributes, Decimal]]:
    prefix = regions.ENABLED[region][1]
    for kind, price in SNAPSHOTS.items():
        attributes = {
            **_place(region),
            "storageMedia": "Amazon S3",
            "usagetype": f"{prefix}EBS:{kind}",
            "operation": "",
        }
        yield attributes, (price * regions.factor(region)).quantize(Decimal("0.000001"))


def _address_rows(region: str) -> Iterator[tuple[Attributes, Decimal]]:
    prefix = regions.ENABLED[region][1]
    for use in ("In-use", "Idle"):
        attributes = {
            **_place(region, "AmazonVPC"),
            "group": "VPCPublicIPv4Address",
            "groupDescription": f"Hourly charge for {use} Public IPv4 Addresses",
            "usagetype": f"{prefix}PublicIPv4:{use.replace('-u', 'U')}Address",
            "operation": "",
        }
        yield attributes, PUBLIC_IPV4


def product_row(service: str, family: str, attributes: Attributes, price: Decimal, unit: str) -> str:
    """One row as GetProducts gives it: a string of JSON."""
    known_by = "/".join((service, *attributes.values()))
    sku = sha256(known_by.encode()).hexdigest()[:16].upper()
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


def products(
    service: str, filters: Sequence[Mapping[str, str]], on_demand: Callable[[str, str], Decimal]
) -> Iterator[str]:
    """The rows of a service that pass all filters, as JSON strings. Raises Refusal InvalidParameterException.

    `on_demand` gives the Linux price of a type in a region, USD/h.
    """
    query = Query(filters)
    for region in regions.ENABLED:
        if query.may_take(regionCode=region):
            for family, unit, attributes, price in _of_region(service, region, query, on_demand):
                if query.takes({**attributes, "productFamily": family}):
                    yield product_row(service, family, attributes, price, unit)


def _of_region(
    service: str, region: str, query: Query, on_demand: Callable[[str, str], Decimal]
) -> Iterator[tuple[str, str, Attributes, Decimal]]:
    """Product family, unit, attributes and price of the rows of a region that may pass."""
    if service == "AmazonVPC":
        yield from (("VpcPublicIPv4", "Hrs", *row) for row in _address_rows(region))
    elif service == "AmazonEC2":
        if query.may_take(productFamily="Compute Instance"):
            for hardware in TYPES.values():
                if query.may_take(instanceType=hardware.name, instanceFamily=_family(hardware)):
                    rows = _instance_rows(hardware, region, on_demand(hardware.name, region), query)
                    yield from (("Compute Instance", "Hrs", *row) for row in rows)
        if query.may_take(productFamily="Storage"):
            yield from (("Storage", "GB-Mo", *row) for row in _storage_rows(region))
        if query.may_take(productFamily="Storage Snapshot"):
            yield from (("Storage Snapshot", "GB-Mo", *row) for row in _snapshot_rows(region))
    else:
        raise refusal("InvalidParameterException", f"The service code {service} is not known here.")
