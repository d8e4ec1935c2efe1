"""vCPU quotas of the sandbox's account: their codes and names as Service Quotas has them, values of our own.

Codes and names: "Amazon EC2 instance type quotas". An account of AWS starts with 0 vCPU for every accelerated family;
this one is generous, or nothing could be tried.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Quota:
    """One quota: `value` and `default` in vCPU; `families` is a pattern of instance families it counts."""

    code: str
    name: str
    spot: bool
    families: str
    value: float
    default: float


# P6 has no Spot quota of its own in AWS's table; here it is counted with P5. UNCONFIRMED.
QUOTAS = tuple(
    Quota(code, f"{'All' if spot else 'Running On-Demand'} {name}", spot, families, value, default)
    for code, name, spot, families, value, default in (
        ("L-3819A6DF", "G and VT Spot Instance Requests", True, r"(g|gr|vt)\d", 64.0, 0.0),
        ("L-7212CCBC", "P4, P3 and P2 Spot Instance Requests", True, r"p[234]", 192.0, 0.0),
        ("L-C4BD4855", "P5 Spot Instance Requests", True, r"p[56]", 192.0, 0.0),
        ("L-85EED4F7", "DL Spot Instance Requests", True, r"dl\d", 96.0, 0.0),
        ("L-6B0D517C", "Trn Spot Instance Requests", True, r"trn\d", 128.0, 0.0),
        ("L-B5D1601B", "Inf Spot Instance Requests", True, r"inf\d", 64.0, 0.0),
        (
            "L-34B43A08",
            "Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
            True,
            r"[acdhimrtz]\d",
            32.0,
            5.0,
        ),
        ("L-DB2E81BA", "G and VT instances", False, r"(g|gr|vt)\d", 64.0, 0.0),
        ("L-417A185B", "P instances", False, r"p\d", 192.0, 0.0),
        ("L-6E869C2A", "DL instances", False, r"dl\d", 96.0, 0.0),
        ("L-2C3B7624", "Trn instances", False, r"trn\d", 128.0, 0.0),
        ("L-1945791B", "Inf instances", False, r"inf\d", 64.0, 0.0),
        ("L-1216C47A", "Standard (A, C, D, H, I, M, R, T, Z) instances", False, r"[acdhimrtz]\d", 32.0, 5.0),
    )
)
BY_CODE = {quota.code: quota for quota in QUOTAS}


def quota_of(instance_type: str, spot: bool) -> Quota:
    """The quota that counts `instance_type` bought this way. Raises KeyError for a family that no quota names."""
    for quota in QUOTAS:
        if quota.spot is spot and re.match(quota.families, instance_type):
            return quota
    raise KeyError(instance_type)
