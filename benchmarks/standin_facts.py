"""What the stand-in endpoint knows: types, zones and prices, rendered as EC2 and the price list would write them.

Types and offerings are those of moto's data files (recorded from AWS), so that answers have their real size and shape;
prices are made up. Nothing here depends on spotbox.
"""

import gzip
import importlib.util
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape
from zlib import crc32

# The regions that every account has (Regions and Zones, "opt-in-not-required").
REGIONS = (
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "sa-east-1",
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-north-1",
    "ap-south-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-southeast-1",
    "ap-southeast-2",
)
OTHERS = (
    "af-south-1",
    "ap-east-1",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
)
ACCELERATED = ("GpuInfo", "NeuronInfo", "InferenceAcceleratorInfo", "FpgaInfo", "MediaAcceleratorInfo")
NOW = datetime.now(UTC).replace(microsecond=0)  # of this process: what it serves does not change while it runs
PRODUCTS = {"Linux/UNIX": 1.0, "Red Hat Enterprise Linux": 1.2, "SUSE Linux": 1.1, "Windows": 1.8}


def _resource(name: str):
    """One of moto's data files, without importing moto (which takes a second and a half)."""
    (folder,) = importlib.util.find_spec("moto").submodule_search_locations
    with gzip.open(Path(folder, "ec2", "resources", name), "rt", encoding="utf-8") as file:
        return json.load(file)


@cache
def types() -> dict[str, dict]:
    """Every instance type as DescribeInstanceTypes gives it."""
    return _resource("instance_types.json.gz")


@cache
def zones(region: str) -> dict[str, str]:
    """Zone name -> zone id."""
    names, ids = (
        sorted({row["Location"] for row in _resource(f"instance_type_offerings/{kind}/{region}.json.gz")})
        for kind in ("availability-zone", "availability-zone-id")
    )
    return dict(zip(names, ids, strict=False))


@cache
def offerings(region: str) -> tuple[tuple[str, str], ...]:
    """(type, zone) pairs that the region offers and that can be had on Spot."""
    rows = _resource(f"instance_type_offerings/availability-zone/{region}.json.gz")
    known = types()
    pairs = {(row["InstanceType"], row["Location"]) for row in rows}
    return tuple(sorted(pair for pair in pairs if "spot" in known.get(pair[0], {}).get("SupportedUsageClasses", ())))


def accelerated(name: str) -> bool:
    """Whether the type carries any accelerator."""
    return any(key in types()[name] for key in ACCELERATED)


def on_demand(name: str, region: str = "us-east-1") -> float:
    """A made-up on-demand price in USD per hour that grows with the size of the type."""
    dearer = 4 if accelerated(name) else 1
    return round(types()[name]["VCpuInfo"]["DefaultVCpus"] * 0.05 * dearer * (1 + crc32(region.encode()) % 40 / 100), 6)


def spot(name: str, zone: str, age: int = 0) -> float:
    """A made-up Spot price in USD per hour; another one for each `age` (seconds)."""
    return on_demand(name, zone[:-1]) * (0.3 + crc32(f"{name} {zone} {age}".encode()) % 300 / 1000)


def price_row(region: str, name: str, zone: str, age: int, product: str = "Linux/UNIX") -> bytes:
    """One item of DescribeSpotPriceHistory: the price that came into force `age` seconds before NOW."""
    at = (NOW - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return (
        f"<item><instanceType>{name}</instanceType><productDescription>{product}</productDescription>"
        f"<spotPrice>{spot(name, zone, age) * PRODUCTS[product]:.6f}</spotPrice><timestamp>{at}</timestamp>"
        f"<availabilityZone>{zone}</availabilityZone><availabilityZoneId>{zones(region)[zone]}</availabilityZoneId>"
        "</item>"
    ).encode()


@cache
def type_row(name: str) -> bytes:
    """One item of DescribeInstanceTypes, written by botocore's own model of it."""
    return "".join(_written(_model().shape_for("InstanceTypeInfo"), types()[name], "item")).encode()


@cache
def _model():
    from botocore.session import Session

    return Session().get_service_model("ec2")


def _written(shape, value, tag: str) -> Iterator[str]:
    """`value` as EC2's XML: lists hold <item>s, members go by the name the model gives them on the wire."""
    yield f"<{tag}>"
    if shape.type_name == "structure":
        for name, inner in value.items():
            if name in shape.members:
                member = shape.members[name]
                yield from _written(member, inner, member.serialization.get("name", name))
    elif shape.type_name == "list":
        for inner in value:
            yield from _written(shape.member, inner, "item")
    elif isinstance(value, bool):
        yield "true" if value else "false"
    else:
        yield escape(str(value))
    yield f"</{tag}>"


_SYSTEMS = (  # operating system, preinstalled software, operation, licence
    ("Linux", "NA", "RunInstances", "No License required"),
    ("Linux", "SQL Std", "RunInstances:0004", "No License required"),
    ("RHEL", "NA", "RunInstances:0010", "No License required"),
    ("SUSE", "NA", "RunInstances:000g", "No License required"),
    ("Windows", "NA", "RunInstances:0002", "No License required"),
    ("Windows", "NA", "RunInstances:0800", "Bring your own license"),
)
_CAPACITY = {
    "Used": "BoxUsage",
    "UnusedCapacityReservation": "UnusedBox",
    "AllocatedCapacityReservation": "Reservation",
}


def products(region: str, name: str) -> Iterator[dict[str, str]]:
    """The attributes of the price list's rows for a type in a region: the one that is wanted, and its look-alikes."""
    family = "GPU instance" if "GpuInfo" in types()[name] else "General purpose"
    if name.startswith(("trn", "inf", "dl")):
        family = "Machine Learning ASIC Instances"
    prefix = "" if region == "us-east-1" else region.replace("-", "").upper()[:4] + "-"
    common = {
        "servicecode": "AmazonEC2",
        "servicename": "Amazon Elastic Compute Cloud",
        "instanceType": name,
        "instanceFamily": family,
        "regionCode": region,
        "location": f"Somewhere ({region})",
        "locationType": "AWS Region",
        "vcpu": str(types()[name]["VCpuInfo"]["DefaultVCpus"]),
        "memory": f"{types()[name]['MemoryInfo']['SizeInMiB'] // 1024} GiB",
        "physicalProcessor": "AMD EPYC 7R32",
        "processorArchitecture": "64-bit",
        "networkPerformance": "Up to 10 Gigabit",
        "storage": "1 x 250 NVMe SSD",
        "currentGeneration": "Yes",
        "normalizationSizeFactor": "8",
    }
    for tenancy in ("Shared", "Dedicated", "Host"):
        for system, software, operation, licence in _SYSTEMS:
            for status, usage in _CAPACITY.items():
                yield common | {
                    "operatingSystem": system,
                    "preInstalledSw": software,
                    "tenancy": tenancy,
                    "capacitystatus": status,
                    "licenseModel": licence,
                    "marketoption": "OnDemand",
                    "operation": operation,
                    "usagetype": f"{prefix}{'' if tenancy == 'Shared' else tenancy}{usage}:{name}",
                }


def product_row(attributes: dict[str, str], reserved: int) -> str:
    """One row as GetProducts gives it, a string of JSON: the on-demand term, and `reserved` terms of 0.6 kB each."""
    sku = f"{crc32(json.dumps(attributes).encode()):08X}" * 2
    price = on_demand(attributes["instanceType"], attributes["regionCode"])
    if attributes["capacitystatus"] == "AllocatedCapacityReservation":
        price = 0.0
    terms = {
        "OnDemand": _term(sku, "JRTCKXETXF", f"${price} per On Demand {attributes['usagetype']} Instance Hour", price)
    }
    if reserved:
        terms["Reserved"] = {}
    for number in range(reserved):
        code = f"R{number:09d}"
        terms["Reserved"] |= _term(
            sku, code, f"{attributes['usagetype']} reserved instance applied", price * 0.6, "1yr"
        )
    row = {
        "product": {"productFamily": "Compute Instance", "attributes": attributes, "sku": sku},
        "serviceCode": "AmazonEC2",
        "terms": terms,
        "version": "20261101000000",
        "publicationDate": "2026-11-01T00:00:00Z",
    }
    return json.dumps(row, separators=(",", ":"))


def _term(sku: str, code: str, description: str, price: float, lease: str = "") -> dict:
    rate = f"{sku}.{code}.6YS6EN2CT7"
    dimension = {
        "unit": "Hrs",
        "endRange": "Inf",
        "description": description,
        "appliesTo": [],
        "rateCode": rate,
        "beginRange": "0",
        "pricePerUnit": {"USD": f"{price:.10f}"},
    }
    attributes = {"LeaseContractLength": lease, "OfferingClass": "standard", "PurchaseOption": "No Upfront"}
    return {
        f"{sku}.{code}": {
            "priceDimensions": {rate: dimension},
            "sku": sku,
            "effectiveDate": "2026-11-01T00:00:00Z",
            "offerTermCode": code,
            "termAttributes": attributes if lease else {},
        }
    }


@cache
def advisor_feed() -> bytes:
    """The Spot Instance Advisor's file, all types of all regions: about 2 MB."""
    labels = (("<5%", 5), ("5-10%", 11), ("10-15%", 16), ("15-20%", 22), (">20%", 100))
    ranges = [{"index": n, "label": label, "dots": n, "max": top} for n, (label, top) in enumerate(labels)]
    regions = {}
    for region in (*REGIONS, *OTHERS):
        names = sorted({name for name, _ in offerings(region)})
        regions[region] = {
            system: {
                name: {"s": crc32(f"{region}{name}{system}".encode()) % 90, "r": crc32(f"{name}{region}".encode()) % 5}
                for name in names
            }
            for system in ("Linux", "Windows")
        }
    facts = {
        name: {
            "emr": True,
            "cores": item["VCpuInfo"]["DefaultVCpus"],
            "ram_gb": item["MemoryInfo"]["SizeInMiB"] / 1024,
        }
        for name, item in types().items()
    }
    feed = {"global_rate": "<10%", "ranges": ranges, "instance_types": facts, "spot_advisor": regions}
    return json.dumps(feed).encode()
