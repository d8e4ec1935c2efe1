"""GetSpotPlacementScores: how likely a Spot request for a set of types is to succeed, by region or zone, 1 to 10.

Rules: API reference, GetSpotPlacementScores, and EC2 User Guide, spot-placement-score. The scores themselves are this
sandbox's: they follow which pools are open and a draw that changes slowly. How many new questions a day AWS takes it
does not tell; here it is 50.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from spotbox.sandbox import describe, regions
from spotbox.sandbox.catalogue import TYPES, Hardware
from spotbox.sandbox.market import Market
from spotbox.sandbox.refusals import Refusal, refusal

TOP = 10  # scores of a reply, over all its pages
NEW_QUESTIONS = 50  # in 24 hours
MOST_VCPUS = 50_000  # of a target capacity
_FEW = 3  # with one or two types "the returned placement score will always be low"
_UNITS = ("units", "vcpu", "memory-mib")
_LONG = 6 * 3600  # seconds between two knots of a pool's draw
Params = Mapping[str, Any]


def _invalid(text: str) -> Refusal:
    return refusal("InvalidParameterValue", text)


def scores(market: Market, zone_ids: Mapping[str, Mapping[str, str]], params: Params, now: datetime) -> dict[str, Any]:
    """The reply as botocore names it. `zone_ids` gives region -> zone -> zone id. Raises Refusal."""
    types = _types(params)
    asked = _regions(params.get("RegionNames") or [])
    target = _target(params)
    size = int(params.get("MaxResults") or TOP)
    if not 10 <= size <= 1000:
        raise _invalid(f"Value ({size}) for parameter maxResults is invalid. Expecting 10 to 1000.")
    vcpus = _vcpus(types, target, params.get("TargetCapacityUnitType") or "units")
    if vcpus > MOST_VCPUS:
        text = "The specified target capacity is larger than what your account may ask scores for."
        raise refusal("TargetCapacityLimitExceededException", text)
    _count(market, [sorted(h.name for h in types), sorted(asked), _settings(params)], now)
    by_zone = bool(params.get("SingleAvailabilityZone"))
    rows: list[dict[str, Any]] = []
    for region in asked:
        zones = {zone: _score(market, types, region, [zone], vcpus, now) for zone in zone_ids[region]}
        if by_zone:
            rows += [
                {"Region": region, "AvailabilityZoneId": zone_ids[region][zone], "Score": score}
                for zone, score in zones.items()
                if score
            ]
        elif any(zones.values()):
            rows.append({"Region": region, "Score": _score(market, types, region, list(zones), vcpus, now)})
    rows.sort(key=lambda row: (-row["Score"], row["Region"], row.get("AvailabilityZoneId", "")))
    page, token = describe.page(rows[:TOP], size, params.get("NextToken"))
    return {"SpotPlacementScores": page, "NextToken": token}


def _types(params: Params) -> list[Hardware]:
    names, wanted = params.get("InstanceTypes") or [], params.get("InstanceRequirementsWithMetadata")
    if bool(names) == bool(wanted):
        text = "Exactly one of InstanceTypes and InstanceRequirementsWithMetadata must be specified."
        raise refusal("InvalidParameterCombination" if names else "MissingParameter", text)
    if wanted:
        return _fitting(wanted)
    unknown = [name for name in names if name not in TYPES]
    if unknown:
        raise _invalid(f"The following instance types are not valid: {', '.join(unknown)}")
    return [TYPES[name] for name in dict.fromkeys(names)]


def _fitting(wanted: Params) -> list[Hardware]:
    """The types that attributes describe; of the attributes those are read that tell accelerated types apart."""
    needs = wanted.get("InstanceRequirements") or {}
    architectures = wanted.get("ArchitectureTypes") or []
    if "VCpuCount" not in needs or "MemoryMiB" not in needs:
        raise refusal("MissingParameter", "InstanceRequirements needs VCpuCount and MemoryMiB.")

    def within(name: str, value: float) -> bool:
        span = needs.get(name) or {}
        return float(span.get("Min") or 0) <= value <= float(span.get("Max") or "inf")

    found = [
        hardware
        for hardware in TYPES.values()
        if (not architectures or hardware.arch in architectures)
        and within("VCpuCount", hardware.vcpus)
        and within("MemoryMiB", float(hardware.memory_gib) * 1024)
        and within("AcceleratorCount", float(hardware.gpu_count))
        and (not needs.get("AllowedInstanceTypes") or _named(hardware.name, needs["AllowedInstanceTypes"]))
        and not _named(hardware.name, needs.get("ExcludedInstanceTypes") or [])
    ]
    if not found:
        raise _invalid("No instance types match the specified instance requirements.")
    return found


def _named(name: str, patterns: Sequence[str]) -> bool:
    paths = {"name": "Name"}
    return bool(patterns) and bool(describe.keep([{"Name": name}], [{"Name": "name", "Values": patterns}], paths))


def _regions(names: Sequence[str]) -> list[str]:
    if len(names) > 10:
        raise _invalid(f"The number of regions ({len(names)}) exceeds the maximum of 10.")
    for name in names:
        if name not in regions.ENABLED:
            raise _invalid(f"Invalid region name: {name}")
    return list(dict.fromkeys(names)) or list(regions.ENABLED)


def _target(params: Params) -> int:
    target = params.get("TargetCapacity")
    if target is None:
        raise refusal("MissingParameter", "The request must contain the parameter TargetCapacity")
    if int(target) < 1:
        raise _invalid(f"Value ({target}) for parameter targetCapacity is invalid. It must be at least 1.")
    return int(target)


def _vcpus(types: Sequence[Hardware], target: int, unit: str) -> float:
    """The target in vCPU of the smallest type."""
    if unit not in _UNITS:
        raise _invalid(f"Value ({unit}) for parameter targetCapacityUnitType is invalid. It is {' | '.join(_UNITS)}.")
    least = min(types, key=lambda hardware: hardware.vcpus)
    each = {"units": 1, "vcpu": least.vcpus, "memory-mib": float(least.memory_gib) * 1024}[unit]
    return target / each * least.vcpus


def _settings(params: Params) -> list[Any]:
    names = ("TargetCapacity", "TargetCapacityUnitType", "SingleAvailabilityZone", "InstanceRequirementsWithMetadata")
    return [params.get(name) for name in names]


def _count(market: Market, question: Any, now: datetime) -> None:
    """Refuse a question that is one new too many within 24 hours; those of that time may be asked again."""
    asked = market.score_questions
    for old in [key for key, at in asked.items() if at <= now - timedelta(days=1)]:
        del asked[old]
    key = blake2b(json.dumps(question, default=str).encode(), digest_size=16).hexdigest()
    if key in asked:
        return
    if len(asked) >= NEW_QUESTIONS:
        text = (
            "You have exceeded the maximum number of new configurations for GetSpotPlacementScores within 24 hours. "
            "You can retry the configurations that you used within the past 24 hours, or wait."
        )
        raise refusal("MaxConfigLimitExceededException", text)
    asked[key] = now


def _score(
    market: Market, types: Sequence[Hardware], region: str, zones: Sequence[str], vcpus: float, now: datetime
) -> int:
    """1 to 10 for the zones together; 0 where none of the types is on Spot in any of them."""
    sold = [(h, z) for h in types for z in market.spot_zones(h.name, region) if z in zones]
    if not sold:
        return 0
    open_now = [market.openness(h.name, z, now, _LONG) for h, z in sold if market.has_capacity(h.name, z)]
    if not open_now:
        return 1
    hidden = 1.0  # the chance that none of the pools has room: more types make it smaller
    for openness in open_now:
        hidden *= 1 - openness / 2
    strain = min(vcpus / (len(open_now) * 2000), 1)  # a large target fills the pools there are
    most = 3 if len(types) < _FEW else 10
    return max(1, round(most * (1 - hidden) * (1 - strain)))
