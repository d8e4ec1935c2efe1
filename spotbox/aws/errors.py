"""botocore's exceptions as the one that the user reads. The words for AWS's own codes are in core."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.policies import holders
from spotbox.core.quotas import increase_command, on_demand_quota_of, quota_of
from spotbox.core.refusals import DENIED, refusal
from spotbox.core.text import safe

_SERVICE_OF = {  # operations outside EC2, for the IAM name of the action
    "GetCallerIdentity": "sts",
    "DecodeAuthorizationMessage": "sts",
    "GetParameter": "ssm",
    "GetParameters": "ssm",
    "GetParametersByPath": "ssm",
    "GetProducts": "pricing",
    "GetServiceQuota": "servicequotas",
    "GetAWSDefaultServiceQuota": "servicequotas",
    "GetRole": "iam",
    "CreateServiceLinkedRole": "iam",
    "SendSSHPublicKey": "ec2-instance-connect",
    "GetCostAndUsage": "ce",
    "ListCostAllocationTags": "ce",
    "LookupEvents": "cloudtrail",
}
_BLOB = re.compile(r"\s*Encoded authorization failure message:.*", re.IGNORECASE | re.DOTALL)
_ACTION = re.compile(r"not authorized to perform:? \(?([A-Za-z0-9-]+:[A-Za-z*]+)")
_SECRET = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b|(?:Canonical|String-to-Sign).*", re.DOTALL)
_UNNAMED = {"", "Unknown", "InternalError", "InternalFailure", "ServerInternal", "ServiceUnavailable", "Unavailable"}
_REPORT = "If this looks wrong, run it again with `--verbose` and report what it prints."
_LOG_IN = "Log in again: `aws sso login` (or `aws login`); `--sandbox` needs no account."
_NETWORK = "Check the network, the proxy, and that the region exists (`-r`)."
_CONFIG = "Correct the AWS configuration (`aws configure list` shows where it comes from)."
# botocore's exceptions by kind, the narrower first: names, what ({text} is botocore's own), what next, exit code.
_KINDS = (
    (
        "NoCredentialsError NoAuthTokenError",
        "no AWS credentials",
        "Try it without an account: `--sandbox`. With one: `aws configure` or `aws sso login`.",
        Exit.DENIED,
    ),
    ("PartialCredentialsError", "AWS credentials are incomplete: {text}", _CONFIG, Exit.DENIED),
    (
        "ProfileNotFound",
        "{text}",
        "`aws configure list-profiles` lists them; see `--profile` and AWS_PROFILE.",
        Exit.DENIED,
    ),
    (
        "SSOError TokenRetrievalError LoginError",
        "the AWS login is missing or has expired: {text}",
        _LOG_IN,
        Exit.DENIED,
    ),
    (
        "CredentialRetrievalError MetadataRetrievalError RefreshWithMFAUnsupportedError",
        "AWS credentials could not be fetched: {text}",
        _LOG_IN,
        Exit.DENIED,
    ),
    (
        "InvalidConfigError ConfigParseError ConfigNotFound UnknownCredentialError",
        "the AWS configuration cannot be used: {text}",
        _CONFIG,
        Exit.DENIED,
    ),
    ("NoRegionError", "no region", "Name one with `-r`, or set AWS_REGION.", Exit.USAGE),
    (
        "InvalidRegionError UnknownRegionError BaseEndpointResolverError EndpointProviderError",
        "{text}",
        "Name a region such as us-east-1 with `-r`.",
        Exit.USAGE,
    ),
    ("EndpointConnectionError ProxyConnectionError", "AWS cannot be reached: {text}", _NETWORK, Exit.FAILED),
    ("SSLError", "no trusted connection to AWS: {text}", "Check AWS_CA_BUNDLE, proxy and clock.", Exit.FAILED),
    ("ConnectTimeoutError ReadTimeoutError", "AWS did not answer in time: {text}", _NETWORK, Exit.FAILED),
    ("HTTPClientError", "the connection to AWS broke off: {text}", _NETWORK, Exit.FAILED),
    (
        "ParamValidationError ValidationError",
        "the call to AWS is not valid: {text}",
        f"Correct the value that it names. {_REPORT}",
        Exit.USAGE,
    ),
    ("WaiterError", "AWS did not get there: {text}", "`spotbox status` shows where it stands.", Exit.FAILED),
)


def translate(
    error: BaseException, action: str = "", region: str = "", *, instance_type: str = "", vcpus: int | None = None
) -> SpotboxError:
    """What the user reads for `error`: one line what, one line what next, the exit code, AWS's `code`.

    `action` is the IAM action being done (`ec2:RunInstances`), else taken from the error. `instance_type` and `vcpus`
    (those wanted in all) let a quota refusal name its quota code. A SpotboxError is given back as it is. AWS's text is
    escaped, and encoded authorization messages and key ids are dropped.
    """
    from botocore.exceptions import ClientError

    if isinstance(error, SpotboxError):
        return error
    if isinstance(error, ClientError):
        made = _from_aws(error, action, region, instance_type, vcpus)
    else:
        made = _from_botocore(error)
    made.__cause__ = error
    return made


@contextmanager
def translating(
    action: str = "", region: str = "", *, instance_type: str = "", vcpus: int | None = None
) -> Iterator[None]:
    """Raise botocore's exceptions of the block as `translate` gives them; others pass, for they are bugs."""
    try:
        yield
    except Exception as error:
        if not _of_botocore(error):
            raise
        raise translate(error, action, region, instance_type=instance_type, vcpus=vcpus) from error


def unknown_outcome(error: BaseException) -> bool:
    """Whether the call may have been carried out although it failed: time-out, reset, a 5xx that names no refusal.

    True for what reached AWS (or may have) and was not answered, also through a SpotboxError made from it. A connection
    that was never made is False: nothing was sent, as long as the client sends once.
    """
    from botocore import exceptions as b
    from botocore.parsers import ResponseParserError

    if isinstance(error, SpotboxError):
        return error.__cause__ is not None and unknown_outcome(error.__cause__)
    if isinstance(error, b.ClientError):
        code, status = _code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 and (code in _UNNAMED or code.isdigit())
    if isinstance(error, (b.EndpointConnectionError, b.ConnectTimeoutError, b.ProxyConnectionError, b.SSLError)):
        return False
    return isinstance(error, (b.HTTPClientError, b.IncompleteReadError, ResponseParserError))


def _of_botocore(error: BaseException) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    return isinstance(error, (BotoCoreError, ClientError, ResponseParserError))


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code") or "")


def _from_aws(error: Any, action: str, region: str, instance_type: str, vcpus: int | None) -> SpotboxError:
    code = safe(_code(error))
    raw = str(error.response.get("Error", {}).get("Message") or "")
    text = _sentence(_SECRET.sub("...", _BLOB.sub("", raw)))
    action = _action(error, raw, action)
    known = refusal(code)
    if known is None:
        what = f"{action} failed: {code or 'no error code'}" + (f": {text}" if text else "")
        return SpotboxError(what, _REPORT, Exit.FAILED, code)
    if known is DENIED:
        where = f" in {region}" if region else ""
        what, hint = f"no permission for {action}{where}", _allow(action, str(error.operation_name))
        if "explicit deny" in raw:
            hint = f"A policy denies {action} outright: ask whoever manages the account or organisation."
        return SpotboxError(what, hint, known.exit, code)
    what = known.what or text or code
    if known.what and known.detail and text:
        what = f"{what}: {text}"
    hint = known.hint.replace("{region}", f" --region {region}" if region else "")
    return SpotboxError(what, hint or _quota_hint(code, region, instance_type, vcpus), known.exit, code)


def _allow(action: str, operation: str) -> str:
    """What to do about a refused action: which of spotbox's policies holds it."""
    held = holders(action, operation)
    if not held:
        return f"Allow {action} in the policy of these credentials."
    besides = "".join(f", `spotbox policy {use}` what {use} alone need" for use in held[1:])
    return f"Allow {action}; `spotbox policy {held[0]}` prints what is needed{besides}."


def _sentence(text: str, limit: int = 500) -> str:
    """AWS's own words on one line, nothing in them that a terminal obeys, without the full stop."""
    shown = safe(" ".join(text.split())).rstrip(". ")
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def _action(error: Any, text: str, given: str) -> str:
    """The IAM action: AWS's text knows best (PassRole, CreateTags within a launch), then the caller, then the call."""
    named = _ACTION.search(text)
    operation = str(error.operation_name)
    return named[1] if named else given or f"{_SERVICE_OF.get(operation, 'ec2')}:{operation}"


def _quota_hint(code: str, region: str, instance_type: str, vcpus: int | None) -> str:
    if code == "DryRunOperation":
        return ""
    if code == "MaxSpotInstanceCountExceeded":
        spot = quota_of(instance_type)
        quota = (spot.code, spot.name) if spot else None
    else:
        quota = on_demand_quota_of(instance_type)
    if quota is None:
        return "Service Quotas in the AWS console shows which quota counts this type; ask for more vCPU there."
    return f'Ask for more of "{quota[1]}": {increase_command(quota[0], region, vcpus)}'


def _from_botocore(error: BaseException) -> SpotboxError:
    from botocore import exceptions as b
    from botocore.parsers import ResponseParserError

    if isinstance(error, ResponseParserError):  # its text is the whole page that came instead
        return SpotboxError("the endpoint's answer is not AWS's", f"{_NETWORK} Then run it again.")
    text = _sentence(str(error))
    for kinds, what, hint, exit_code in _KINDS:
        if any(isinstance(error, getattr(b, kind, ())) for kind in kinds.split()):  # older botocores lack some
            return SpotboxError(what.format(text=text), hint, exit_code)
    return SpotboxError(f"{type(error).__name__}: {text}", _REPORT, Exit.FAILED)
