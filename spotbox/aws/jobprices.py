"""What an instance of a training job costs, and how many the account may have."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from spotbox.aws.pricelist import Ask, Kept
from spotbox.aws.pricing import endpoint_region
from spotbox.aws.quotas import applied_or_default
from spotbox.aws.sagemaker import asking
from spotbox.aws.session import Aws
from spotbox.core.errors import SpotboxError
from spotbox.core.jobprices import training_price
from spotbox.core.jobs import JobQuota, quota_name
from spotbox.store import NoStore, Store

SERVICE = "sagemaker"  # of Service Quotas
_CODES = "job-quota-codes"  # of the store


def job_price(aws: Aws, region: str, ml_type: str, store: Store | None = None) -> Decimal | None:
    """USD per hour of one instance of `ml_type` in a training job, on demand; None where AWS does not tell.

    The Price List's fields of SageMaker are in no page of AWS's: asked by `instanceName`, then by the usage type, and
    what comes back is held against its usage type.
    """
    kept = Kept(store or NoStore(), name="training")
    pair = (region, ml_type)
    if kept.has(pair):
        return kept.prices([pair])[0].get(pair)
    where = {"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}
    questions = (
        {"Type": "TERM_MATCH", "Field": "instanceName", "Value": ml_type},
        {"Type": "CONTAINS", "Field": "usagetype", "Value": f"Train:{ml_type}"},
    )
    usd = None
    try:
        for question in questions:
            usd = training_price(_products(aws, region, [where, question]), ml_type, region)
            if usd is not None:
                break
    except SpotboxError:
        return None  # not kept: the next time it may answer
    kept.file(Ask(region, ml_type, pairs=(pair,)), {pair: usd} if usd is not None else {})
    kept.save()
    return usd


def job_quota(aws: Aws, region: str, ml_type: str, spot: bool, store: Store | None = None) -> JobQuota:
    """The quota of instances of `ml_type` in training jobs, Spot or not; its value is None where it cannot be read.

    Its code differs from type to type and is found by its name, once: the list has some thousands. Never raises for
    what AWS says, for CreateTrainingJob is the judge.
    """
    name, store = quota_name(ml_type, spot), store or NoStore()
    try:
        code = store.read(_CODES).get(name)
        if isinstance(code, str) and (found := _by_code(aws, region, code, name)):
            return found
        found = _by_name(aws, region, name)
    except SpotboxError as error:
        return JobQuota(None, name, None, error.message)
    if found is None:
        return JobQuota(None, name, None, f'Service Quotas lists no "{name}" in {region}')
    store.update(_CODES, lambda data: {**data, name: found.code})
    return found


def _by_code(aws: Aws, region: str, code: str, name: str) -> JobQuota | None:
    for quota in applied_or_default(aws, region, SERVICE, code, asking):
        if quota.get("QuotaName") == name and quota.get("Value") is not None:
            return _quota(quota)
    return None


def _by_name(aws: Aws, region: str, name: str) -> JobQuota | None:
    """The applied value, else AWS's default: the first list has a quota only where one is applied, or all of them."""
    calls = (
        ("servicequotas:ListServiceQuotas", "list_service_quotas"),
        ("servicequotas:ListAWSDefaultServiceQuotas", "list_aws_default_service_quotas"),
    )
    for action, operation in calls:
        for quota in _listed(aws, region, action, operation):
            if quota.get("QuotaName") == name and quota.get("Value") is not None:
                return _quota(quota)
    return None


def _listed(aws: Aws, region: str, action: str, operation: str) -> Iterator[dict[str, Any]]:
    client = aws.client("service-quotas", region)
    with asking(action, region):
        for page in client.get_paginator(operation).paginate(ServiceCode=SERVICE):
            yield from page.get("Quotas") or ()


def _quota(quota: dict[str, Any]) -> JobQuota:
    whole = Decimal(str(quota["Value"])).to_integral_value(ROUND_FLOOR)  # a float on the wire, instances in meaning
    return JobQuota(whole, str(quota["QuotaName"]), quota.get("QuotaCode"))


def _products(aws: Aws, region: str, filters: list[dict[str, str]]) -> list[str]:
    endpoint = endpoint_region(region)
    client = aws.client("pricing", endpoint, brisk=True)
    with asking("pricing:GetProducts", endpoint):
        pages = client.get_paginator("get_products").paginate(
            ServiceCode="AmazonSageMaker", FormatVersion="aws_v1", Filters=filters
        )
        return [row for page in pages for row in page.get("PriceList", ())]
