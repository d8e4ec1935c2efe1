"""What Service Quotas says about the vCPU that the account may use."""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal

from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.core.errors import SpotboxError
from spotbox.core.quotas import QuotaValue

SIDE_BY_SIDE = 10  # calls at once: Service Quotas throttles early
_NONE_APPLIED = ("NoSuchResourceException", "NoSuchResource")


def spot_quota(aws: Aws, region: str, code: str) -> QuotaValue:
    """The value of EC2 quota `code` in vCPU: the applied one, else AWS's default (Service Quotas, GetServiceQuota).

    Never raises for what AWS says: a quota that cannot be read is None with the reason in `remark`, for the launch is
    the judge.
    """
    quotas = aws.client("service-quotas", region)
    calls = (
        ("servicequotas:GetServiceQuota", quotas.get_service_quota),
        ("servicequotas:GetAWSDefaultServiceQuota", quotas.get_aws_default_service_quota),
    )
    for action, call in calls:
        try:
            with translating(action, region):
                value = call(ServiceCode="ec2", QuotaCode=code).get("Quota", {}).get("Value")
        except SpotboxError as error:
            if error.code in _NONE_APPLIED:
                continue
            return QuotaValue(None, error.message)
        if value is not None:
            whole = Decimal(str(value)).to_integral_value(ROUND_FLOOR)  # a float on the wire, vCPU in meaning
            return QuotaValue(whole)
    return QuotaValue(None, f"Service Quotas has no value for {code} in {region}")


def spot_quotas(aws: Aws, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], QuotaValue]:
    """The value of each (region, quota code), asked side by side and each once; see `spot_quota`."""
    wanted = list(dict.fromkeys(pairs))
    calls = [lambda pair=pair: spot_quota(aws, *pair) for pair in wanted]
    answers = aws.parallel(calls, SIDE_BY_SIDE)
    unknown = {pair: a for pair, a in zip(wanted, answers, strict=True) if isinstance(a, SpotboxError)}
    found = {pair: a for pair, a in zip(wanted, answers, strict=True) if not isinstance(a, SpotboxError)}
    return {**found, **{pair: QuotaValue(None, error.message) for pair, error in unknown.items()}}
