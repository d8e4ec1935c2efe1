"""vCPU quotas of EC2: which one counts an instance type, and whether it is enough.

Codes and names: "Amazon EC2 instance type quotas" (EC2 Instance Types guide, ec2-instance-quotas). Service code `ec2`,
unit vCPU, per region, adjustable; the Spot quotas of accelerator families start at 0.
"""

import re
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Quota:
    """One Spot vCPU quota and its On-Demand twin, by Service Quotas code."""

    code: str
    name: str
    on_demand_code: str
    on_demand_name: str


_G = Quota("L-3819A6DF", "All G and VT Spot Instance Requests", "L-DB2E81BA", "Running On-Demand G and VT instances")
_P_ON_DEMAND = ("L-417A185B", "Running On-Demand P instances")
_P = Quota("L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests", *_P_ON_DEMAND)
_P5 = Quota("L-C4BD4855", "All P5 Spot Instance Requests", *_P_ON_DEMAND)
_STANDARD = Quota(
    "L-34B43A08",
    "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
    "L-1216C47A",
    "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
)
# By the letters that begin the type's name. The generation decides among the P types only.
_BY_LETTERS = {
    "g": _G,
    "gr": _G,
    "vt": _G,
    "dl": Quota("L-85EED4F7", "All DL Spot Instance Requests", "L-6E869C2A", "Running On-Demand DL instances"),
    "trn": Quota("L-6B0D517C", "All Trn Spot Instance Requests", "L-2C3B7624", "Running On-Demand Trn instances"),
    "inf": Quota("L-B5D1601B", "All Inf Spot Instance Requests", "L-1945791B", "Running On-Demand Inf instances"),
    "f": Quota("L-88CF9481", "All F Spot Instance Requests", "L-74FC7D96", "Running On-Demand F instances"),
    "x": Quota("L-E3A00192", "All X Spot Instance Requests", "L-7295265B", "Running On-Demand X instances"),
    **dict.fromkeys(("a", "c", "d", "h", "i", "m", "r", "t", "z", "im", "is"), _STANDARD),
}
_P_BY_GENERATION = {"2": _P, "3": _P, "4": _P, "5": _P5}


def quota_of(instance_type: str) -> Quota | None:
    """The quota that counts Spot instances of `instance_type`; None where AWS's table names none.

    That is so for p6, about which public code disagrees (the P5 quota, the older P quota): spotbox does not guess.
    """
    match = re.match(r"([a-z]+)(\d)", instance_type)
    if not match:
        return None
    letters, generation = match.groups()
    if letters == "p":
        return _P_BY_GENERATION.get(generation)
    return _BY_LETTERS.get(letters)


def on_demand_quota_of(instance_type: str) -> tuple[str, str] | None:
    """Code and name of the quota that counts On-Demand instances of `instance_type`; every P generation shares one."""
    if re.match(r"p\d", instance_type):
        return _P_ON_DEMAND
    quota = quota_of(instance_type)
    return (quota.on_demand_code, quota.on_demand_name) if quota else None


def counted_by(instance_type: str, spot: bool) -> tuple[str, str] | None:
    """Code and name of the quota that counts instances of the type on this market; None where none is known to."""
    if not spot:
        return on_demand_quota_of(instance_type)
    quota = quota_of(instance_type)
    return (quota.code, quota.name) if quota else None


def is_enough(value: Decimal | None, vcpus: int, used: int = 0) -> bool | None:
    """Whether a quota of `value` vCPU admits `vcpus` more beside `used`; None where the value is unknown."""
    return None if value is None else value >= used + vcpus


def increase_command(code: str, region: str = "", vcpus: int | None = None) -> str:
    """The AWS CLI command that asks for a quota of `vcpus` (shown to the user, never run)."""
    where = f" --region {region}" if region else ""
    wanted = vcpus if vcpus is not None else "VCPUS"
    return (
        f"aws service-quotas request-service-quota-increase{where} --service-code ec2"
        f" --quota-code {code} --desired-value {wanted}"
    )


@dataclass(frozen=True)
class QuotaValue:
    """A quota's value in vCPU; None is unknown, and `remark` then says why."""

    value: Decimal | None
    remark: str = ""
