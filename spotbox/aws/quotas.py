"""What Service Quotas says about the vCPU that the account may use."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.core.errors import SpotboxError
from spotbox.core.quotas import QuotaValue

SIDE_BY_SIDE = 10  # calls at once: Service Quotas throttles early
_NONE_APPLIED = ("NoSuchResourceException", "NoSuchResource")
Asking = Callable[[str, str], AbstractContextManager[None]]  # of an action and a region, as `translating`


def spot_quota(aws: Aws, region: str, code: str) -> QuotaValue:
    """The value of EC2 quota `code` in vCPU: the applied one, else AWS's default (Service Quotas, GetServiceQuota).

    Never raises for what AWS says: a quota that cannot be read is None with the reason in `remark`, for the launch is
    the judge.
    """
    try:
        for quota in applied_or_default(aws, region, "ec2", code):
            if quota.get("Value") is not None:
                # A float on the wire, vCPU in meaning.
                return QuotaValue(Decimal(str(quota["Value"])).to_integral_value(ROUND_FLOOR))
    except SpotboxError as error:
        return QuotaValue(None, error.message)
    return QuotaValue(None, f"Service Quotas has no value for {code} in {region}")


def applied_or_default(
    aws: Aws, region: str, service: str, code: str, asking: Asking = translating
) -> Iterator[dict[str, Any]]:
    """A quota as Service Quotas tells it: as it is applied to the account, then AWS's default, each where there is one.

    The default is asked for when it is wanted. Every other refusal is raised as `asking` says it.
    """
    quotas = aws.client("service-quotas", region)
    calls = (
        ("servicequotas:GetServiceQuota", quotas.get_service_quota),
        ("servicequotas:GetAWSDefaultServiceQuota", quotas.get_aws_default_service_quota),
    )
    for action, call in calls:
        try:
            with asking(action, region):
                quota = call(ServiceCode=service, QuotaCode=code).get("Quota") or {}
        except SpotboxError as error:
            if error.code in _NONE_APPLIED:
                continue
            raise
        yield quota


def spot_quotas(aws: Aws, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], QuotaValue]:
    """The value of each (region, quota code), asked side by side and each once; see `spot_quota`."""
    wanted = list(dict.fromkeys(pairs))
    calls = [lambda pair=pair: spot_quota(aws, *pair) for pair in wanted]
    answers = aws.parallel(calls, SIDE_BY_SIDE)
    unknown = {pair: a for pair, a in zip(wanted, answers, strict=True) if isinstance(a, SpotboxError)}
    found = {pair: a for pair, a in zip(wanted, answers, strict=True) if not isinstance(a, SpotboxError)}
    return {**found, **{pair: QuotaValue(None, error.message) for pair, error in unknown.items()}}
