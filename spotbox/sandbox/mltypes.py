"""SageMaker's machines in the sandbox: which `ml.` types it has, what they cost, and the quotas on them.

Names of the types: botocore's TrainingInstanceType. The prices are those of EC2 times a round figure: in 2026 public
lists have ml.g5.2xlarge at 1.25 times g5.2xlarge, ml.g4dn.xlarge at 1.4 and ml.m5.xlarge at 1.2.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256

from spotbox.sandbox.catalogue import TYPES

PREFIX = "ml."
_FAMILIES = re.compile(r"(g4dn|g5|g6e?|g7e?|p2|p3|p3dn|p4de?|p5|p5en?|p6-b[23]00|trn1n?|trn2|t3|m5|c5|r5)\.")
_NOT_SOLD = ("g4dn.metal", "trn2.3xlarge", "t3.micro", "c5.large")  # SageMaker trains on none of these
ML_TYPES = {PREFIX + name: row for name, row in TYPES.items() if _FAMILIES.match(name) and name not in _NOT_SOLD}
_RARE = re.compile(r"ml\.(p[456]|trn2|g7|g.*48xlarge|trn1n?\.32)")
KINDS = {"spot": "for spot training job usage", "train": "for training job usage"}
# Quotas of other uses of the same machines, which look alike and count nothing here.
_OTHERS = ("for endpoint usage", "for processing job usage", "for training warm pool usage", "for transform job usage")


def ec2_type(ml_type: str) -> str:
    """The EC2 type under an `ml.` type."""
    return ml_type.removeprefix(PREFIX)


def dearer(ml_type: str) -> Decimal:
    """How many times as much as EC2's on-demand price SageMaker takes for an hour of training."""
    hardware = ML_TYPES[ml_type]
    if not hardware.gpu:
        return Decimal("1.2")
    return Decimal("1.4") if re.fullmatch(r"ml\.g(4dn|5)\.xlarge", ml_type) else Decimal("1.25")


@dataclass(frozen=True)
class MlQuota:
    """A quota of SageMaker: `value` and `default` in instances; `kind` is a key of KINDS, empty for other uses."""

    code: str
    name: str
    ml_type: str
    kind: str
    value: float
    default: float


def _quota(ml_type: str, kind: str, usage: str) -> MlQuota:
    name = f"{ml_type} {usage}"
    # AWS starts an account with none of most accelerated types; this one has some of the small, or nothing could be
    # tried. Codes differ from type to type at AWS too, and are not to be guessed: these are the sandbox's own.
    code = f"L-{sha256(name.encode()).hexdigest()[:8].upper()}"
    hardware = ML_TYPES[ml_type]
    value = 0.0 if _RARE.match(ml_type) else 4.0 if hardware.vcpus <= 16 else 2.0
    return MlQuota(code, name, ml_type, kind, value, 0.0 if hardware.gpu else 4.0)


QUOTAS = tuple(
    _quota(ml_type, kind, usage)
    for ml_type in ML_TYPES
    for kind, usage in (*KINDS.items(), *(("", usage) for usage in _OTHERS))
)
BY_CODE = {quota.code: quota for quota in QUOTAS}
_BY_USE = {(quota.ml_type, quota.kind): quota for quota in QUOTAS if quota.kind}


def quota_of(ml_type: str, spot: bool) -> MlQuota | None:
    """The quota that counts a training job on this type; None for a type that the sandbox does not have."""
    return _BY_USE.get((ml_type, "spot" if spot else "train"))


def named(text: str) -> MlQuota | None:
    """The quota of this code or name."""
    return BY_CODE.get(text) or next((quota for quota in QUOTAS if quota.name == text), None)
