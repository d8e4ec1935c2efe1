"""The services that speak JSON: Pricing, Service Quotas, EC2 Instance Connect, SSM's public parameters; and by files of
their own SageMaker, CloudWatch Logs, CloudTrail and Cost Explorer.

Each action is a function (world, region, body) -> reply; a refusal is raised as everywhere.
"""

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from spotbox.sandbox import cloudtrail, cloudwatch, costexplorer, images, kms, mltypes, quotas, regions, sagemaker
from spotbox.sandbox.describe import page
from spotbox.sandbox.mlproducts import ml_products
from spotbox.sandbox.products import products
from spotbox.sandbox.refusals import Refusal, refusal
from spotbox.sandbox.world import World

Body = dict[str, Any]
Action = Callable[[World, str, Body], Body | None]
PREFIX = "/aws/service/deeplearning/"
PRICING_REGIONS = ("us-east-1", "eu-central-1", "ap-south-1")  # the only ones with an endpoint of the Pricing API


# Pricing (API reference, GetProducts: at most 100 rows a page)


def get_products(world: World, region: str, body: Body) -> Body:
    """One page of the price list."""
    if region not in PRICING_REGIONS:
        raise refusal("UnrecognizedClientException", f"The Pricing API has no endpoint in {region}.")
    if not body.get("ServiceCode"):
        raise refusal("InvalidParameterException", "Input Parameter ServiceCode is missing.")
    size = min(int(body.get("MaxResults") or 100), 100)
    token = body.get("NextToken") or "0"
    if not token.isdigit():
        raise refusal("InvalidNextTokenException", "The pagination token is invalid. Try again without one.")
    start = int(token)
    listed = ml_products if body["ServiceCode"] == "AmazonSageMaker" else products
    found = listed(body["ServiceCode"], body.get("Filters") or [], world.market.on_demand)
    rows = list(islice(found, start, start + size + 1))
    reply: Body = {"FormatVersion": "aws_v1", "PriceList": rows[:size]}
    return reply | ({"NextToken": str(start + size)} if len(rows) > size else {})


# Service Quotas


Quota = quotas.Quota | mltypes.MlQuota
_NAMES = {"ec2": "Amazon Elastic Compute Cloud (Amazon EC2)", "sagemaker": "Amazon SageMaker"}
_KNOWN: dict[str, Mapping[str, Quota]] = {"ec2": quotas.BY_CODE, "sagemaker": mltypes.BY_CODE}


def _quota(service: str, quota: Quota, value: float, region: str) -> Body:
    return {
        "ServiceCode": service,
        "ServiceName": _NAMES[service],
        "QuotaArn": f"arn:aws:servicequotas:{region}:123456789012:{service}/{quota.code}",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _find_quota(body: Body) -> tuple[str, Quota]:
    service = str(body.get("ServiceCode"))
    quota = _KNOWN.get(service, {}).get(body.get("QuotaCode") or "")
    if quota is None:
        raise refusal("NoSuchResourceException", "The specified quota does not exist.")
    return service, quota


def _quotas(region: str, body: Body, value: Callable[[Quota], float]) -> Body:
    """A page of all quotas of a service that the sandbox knows; of EC2's there is one page."""
    service = str(body.get("ServiceCode"))
    known = list(_KNOWN.get(service, {}).values())
    kept, token = page(known, min(int(body.get("MaxResults") or 100), 100), body.get("NextToken"))
    rows = [_quota(service, quota, value(quota), region) for quota in kept]
    return {"Quotas": rows} | ({"NextToken": token} if token else {})


def get_service_quota(world: World, region: str, body: Body) -> Body:
    """The account's value of one quota, in vCPU, or in instances of SageMaker."""
    service, quota = _find_quota(body)
    return {"Quota": _quota(service, quota, world.market.limit(region, quota), region)}


def get_default_quota(world: World, region: str, body: Body) -> Body:
    """AWS's default of one quota, in vCPU, or in instances of SageMaker."""
    service, quota = _find_quota(body)
    return {"Quota": _quota(service, quota, quota.default, region)}


def list_quotas(world: World, region: str, body: Body) -> Body:
    """The account's values of all quotas of a service that the sandbox knows."""
    return _quotas(region, body, lambda quota: world.market.limit(region, quota))


def list_default_quotas(world: World, region: str, body: Body) -> Body:
    """AWS's defaults of all quotas of a service that the sandbox knows."""
    return _quotas(region, body, lambda quota: quota.default)


def request_quota_increase(world: World, region: str, body: Body) -> Body:
    """A request for more. It is granted at once, as AWS does with some small ones; others take a day."""
    service, quota = _find_quota(body)
    if float(body.get("DesiredValue") or 0) <= world.market.limit(region, quota):
        raise refusal(
            "IllegalArgumentException", "You must provide a quota value greater than the current quota value."
        )
    wanted = {"DesiredValue": float(body["DesiredValue"]), "Status": "APPROVED", "Id": "sandbox"}
    world.market.limits[(region, quota.code)] = float(body["DesiredValue"])
    return {"RequestedQuota": wanted | {"ServiceCode": service, "QuotaCode": quota.code, "QuotaName": quota.name}}


# EC2 Instance Connect


def send_ssh_public_key(world: World, region: str, body: Body) -> Body:
    """Let a key log in for 60 seconds (API reference, SendSSHPublicKey)."""
    box = world.life.boxes.get(body.get("InstanceId") or "")
    key, user = body.get("SSHPublicKey") or "", body.get("InstanceOSUser") or ""
    if box is None or box.region != region or box.state == "terminated":
        raise Refusal("EC2InstanceNotFoundException", "Failed to find the specified instance.")
    if box.state != "running":
        raise Refusal("EC2InstanceStateInvalidException", f"The instance is {box.state}, it must be running.")
    if not 80 <= len(key) <= 4096 or not re.match(r"(ssh-(rsa|ed25519)) \S+", key):
        raise Refusal("InvalidArgsException", "Invalid SSH public key.")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9@._-]{0,31}", user):
        raise Refusal("InvalidArgsException", "Invalid OS user name.")
    world.push_key(box.id, user, key)
    return {"RequestId": "00000000-0000-0000-0000-000000000000", "Success": True}


# SSM, for the public parameters of the Deep Learning AMIs; anything else is left to moto (None)


def _parameter(name: str, region: str) -> Body | None:
    value = images.parameters(region).get(name)
    if value is None:
        return None
    arn = f"arn:aws:ssm:{region}::parameter{name}"
    return {"Name": name, "Type": "String", "Value": value, "Version": 1, "ARN": arn, "DataType": "text"}


def get_parameter(world: World, region: str, body: Body) -> Body | None:
    """One parameter, or ParameterNotFound."""
    name = str(body.get("Name"))
    if not name.startswith(PREFIX):
        return None
    found = _parameter(name, region)
    if found is None:
        raise Refusal("ParameterNotFound", "")
    return {"Parameter": found}


def get_parameters(world: World, region: str, body: Body) -> Body | None:
    """Several parameters; those that do not exist are named in InvalidParameters."""
    names = body.get("Names") or []
    if not any(name.startswith(PREFIX) for name in names):
        return None
    found = {name: _parameter(name, region) for name in names}
    return {
        "Parameters": [row for row in found.values() if row],
        "InvalidParameters": [name for name, row in found.items() if not row],
    }


def get_parameters_by_path(world: World, region: str, body: Body) -> Body | None:
    """The parameters below a path, at most 10 a page (API reference, GetParametersByPath)."""
    path = str(body.get("Path")).rstrip("/") + "/"
    if not path.startswith(PREFIX):
        return None
    names = [name for name in images.parameters(region) if name.startswith(path)]
    if not body.get("Recursive"):
        names = [name for name in names if "/" not in name.removeprefix(path)]
    kept, token = page(sorted(names), min(int(body.get("MaxResults") or 10), 10), body.get("NextToken"))
    return {"Parameters": [_parameter(name, region) for name in kept]} | ({"NextToken": token} if token else {})


# Account Management, whose protocol names the action in the path


def enable_region(world: World, region: str, body: Body) -> Body:
    """Switch a region of the account on; at AWS that takes minutes."""
    name = str(body.get("RegionName"))
    if name not in regions.ENABLED:
        raise refusal("ValidationException", f"The sandbox has nothing in {name}.")
    world.disabled.discard(name)
    return {}


ACTIONS: dict[str, dict[str, Action]] = {
    "pricing": {"GetProducts": get_products},
    "servicequotas": {
        "GetServiceQuota": get_service_quota,
        "GetAWSDefaultServiceQuota": get_default_quota,
        "ListServiceQuotas": list_quotas,
        "ListAWSDefaultServiceQuotas": list_default_quotas,
        "RequestServiceQuotaIncrease": request_quota_increase,
    },
    "cloudtrail": {"LookupEvents": cloudtrail.lookup_events},
    "ce": costexplorer.ACTIONS,
    "account": {"enableRegion": enable_region},
    "kms": dict(kms.ACTIONS),
    "ec2-instance-connect": {"SendSSHPublicKey": send_ssh_public_key},
    "ssm": {
        "GetParameter": get_parameter,
        "GetParameters": get_parameters,
        "GetParametersByPath": get_parameters_by_path,
    },
    "sagemaker": sagemaker.ACTIONS,
    "logs": cloudwatch.ACTIONS,
}
