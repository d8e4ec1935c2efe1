"""Instance types of a region: those with accelerators, those asked for by name, and which zones offer them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.aws.wanted import ACCELERATED
from spotbox.core.accelerators import parse_instance_type
from spotbox.core.errors import UsageError
from spotbox.core.records import InstanceType
from spotbox.core.text import did_you_mean, safe

_VALUES = 100  # of one filter in one call; EC2 takes at most 200 (EC2 API Reference, Filter)


def gpu_types(aws: Aws, region: str) -> tuple[InstanceType, ...]:
    """Every accelerated type that the region has on Spot, by name (EC2 DescribeInstanceTypes)."""
    filters = [_filter("instance-type", ACCELERATED), _filter("supported-usage-class", ["spot"])]
    found = (parse_instance_type(item) for item in _described(aws, region, filters))
    return tuple(sorted(found, key=lambda type_: type_.name))


def instance_types(aws: Aws, region: str, names: Iterable[str]) -> dict[str, InstanceType]:
    """The types of those names. UsageError for one that the region does not have, with the name that was meant.

    Asked by filter and not by `InstanceTypes`, which refuses all of them for one that is unknown.
    """
    wanted = list(dict.fromkeys(names))
    items = (item for part in _parts(wanted) for item in _described(aws, region, [_filter("instance-type", part)]))
    found = {item["InstanceType"]: parse_instance_type(item) for item in items}
    for name in wanted:
        if name not in found:
            raise _unknown(aws, region, name)
    return {name: found[name] for name in wanted}


def offerings(aws: Aws, region: str, types: Sequence[str]) -> dict[str, frozenset[str]]:
    """The zones that offer each of `types`, empty for none (EC2 DescribeInstanceTypeOfferings).

    To be offered is not to have Spot capacity; but a launch in a zone that is not listed is refused (`Unsupported`).
    """
    zones: dict[str, set[str]] = {name: set() for name in types}
    paginator = aws.client("ec2", region).get_paginator("describe_instance_type_offerings")
    with translating("ec2:DescribeInstanceTypeOfferings", region):
        for part in _parts(list(zones)):
            filters = [_filter("instance-type", part)]
            for page in paginator.paginate(LocationType="availability-zone", Filters=filters):
                for offer in page.get("InstanceTypeOfferings", ()):
                    zones.setdefault(offer["InstanceType"], set()).add(offer["Location"])
    return {name: frozenset(zones[name]) for name in types}


def described(aws: Aws, region: str, words: Sequence[str]) -> Iterator[dict[str, Any]]:
    """DescribeInstanceTypes of these names and wildcards; none for what the region does not have."""
    paginator = aws.client("ec2", region, brisk=True).get_paginator("describe_instance_types")
    with translating("ec2:DescribeInstanceTypes", region):
        for page in paginator.paginate(Filters=[_filter("instance-type", words)]):
            yield from page.get("InstanceTypes", ())


def _described(aws: Aws, region: str, filters: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    paginator = aws.client("ec2", region).get_paginator("describe_instance_types")
    with translating("ec2:DescribeInstanceTypes", region):
        for page in paginator.paginate(Filters=filters):
            yield from page.get("InstanceTypes", ())


def _unknown(aws: Aws, region: str, name: str) -> UsageError:
    """botocore's own list of types costs no call; newer types are missing from it, which only loses the suggestion."""
    known = aws.client("ec2", region).meta.service_model.shape_for("InstanceType").enum
    if name in known:
        return UsageError(f"{name} is not offered in {region}", "Try another region (`-r`) or type (`-t`).")
    return UsageError(
        f"there is no instance type {safe(name)}{did_you_mean(name, known)}",
        "`spotbox up` on a terminal lists the GPU types of the region.",
    )


def _parts(values: list[str]) -> list[list[str]]:
    return [values[at : at + _VALUES] for at in range(0, len(values), _VALUES)]


def _filter(name: str, values: Iterable[str]) -> dict[str, Any]:
    return {"Name": name, "Values": list(values)}
