"""AWS's error codes in words: what happened, what to do, and the exit code of the contract.

Meanings: "Error codes for the Amazon EC2 API" (EC2 API Reference), the Errors sections of STS, SSM, Service Quotas and
Pricing. A hint may hold `{region}`; an empty `what` shows AWS's own message.
"""

from dataclasses import dataclass

from spotbox.core.errors import Exit


@dataclass(frozen=True)
class Refusal:
    """One code: `what` (empty: AWS's message), `hint`, exit code; `detail` appends AWS's message to `what`."""

    what: str
    hint: str
    exit: Exit = Exit.FAILED
    detail: bool = True


_LOG_IN = "Log in again (`aws sso login`, `aws login`) or renew the keys; is this machine's clock right?"
_KEYS = "Check the keys (`aws sts get-caller-identity`) and that the region is enabled; `--sandbox` needs no account."
_RETRY = "AWS's own trouble: run the same command again in a minute."
_ELSEWHERE = "Try another zone (`-z`), type (`-t`) or region (`-r`), or wait longer (`--wait`)."
_GONE = "It may be in another region, or was removed meanwhile: `spotbox status` shows what there is."
_VPC = "Name a subnet (`--subnet`), or make a default VPC: `aws ec2 create-default-vpc{region}`."
ROLE_COMMAND = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"

_NO_CAPACITY = Refusal("AWS has no capacity for this just now", _ELSEWHERE, Exit.NO_CAPACITY)
_EXPIRED = Refusal("the AWS session has expired", _LOG_IN, Exit.DENIED)
_BAD_KEYS = Refusal("AWS does not accept these credentials", _KEYS, Exit.DENIED)
_THROTTLED = Refusal("AWS is throttling this account's calls", "Wait a minute and run the same command again.")
_AWS_BROKEN = Refusal("AWS failed inside", _RETRY)
_NO_VPC = Refusal("the region has no default VPC", _VPC, detail=False)
_NOT_THERE = Refusal("", _GONE)
_USAGE = Refusal("AWS does not accept what was asked", "Correct the value and run the command again.", Exit.USAGE)
_CLOSED = Refusal("AWS has not opened this account for use", "Look into its e-mail and console.", Exit.DENIED)
DENIED = Refusal("these credentials may not do this", "", Exit.DENIED)  # which policy holds it follows from the action
QUOTA = Refusal("a limit of this AWS account is reached", "Ask for more in the Service Quotas console.", Exit.QUOTA)

REFUSALS: dict[str, Refusal] = {
    **dict.fromkeys(
        ("InsufficientInstanceCapacity", "UnfulfillableCapacity", "InsufficientHostCapacity", "InsufficientCapacity"),
        _NO_CAPACITY,
    ),
    "InsufficientVolumeCapacity": Refusal("AWS has no room for the disk in this zone", _ELSEWHERE, Exit.NO_CAPACITY),
    "Unsupported": Refusal("AWS does not offer this here", _ELSEWHERE, Exit.NO_CAPACITY),
    "SpotMaxPriceTooLow": Refusal(
        "the maximum price is below the Spot price",
        "Leave `--max-price` out (AWS never charges more than on-demand), or raise it.",
        Exit.NO_CAPACITY,
    ),
    "MaxSpotInstanceCountExceeded": Refusal("the Spot vCPU quota is used up", "", Exit.QUOTA),
    "VcpuLimitExceeded": Refusal("the On-Demand vCPU quota is used up", "", Exit.QUOTA),
    "InstanceLimitExceeded": Refusal("the On-Demand instance quota is used up", "", Exit.QUOTA),
    "VolumeLimitExceeded": Refusal(
        "the quota for EBS volumes is used up", "Remove volumes, or ask for more in Service Quotas (EBS).", Exit.QUOTA
    ),
    "RequestResourceCountExceeded": Refusal("too many resources in one call", "Ask for fewer at once.", Exit.QUOTA),
    "UnsupportedOperation": Refusal("", "`spotbox status` shows what the box can do now."),
    "IncorrectSpotRequestState": Refusal(
        "", "The Spot request is between two states: wait a minute; `spotbox status` shows when it has settled."
    ),
    "IncorrectInstanceState": Refusal("", "The instance is between two states: wait a minute and run it again."),
    "OperationNotPermitted": Refusal("", "Is the instance protected against this in the AWS console?"),
    "DependencyViolation": Refusal("", "Something still uses it; wait a minute and run the command again."),
    **dict.fromkeys(
        (
            "InvalidInstanceID.NotFound",
            "InvalidSpotInstanceRequestID.NotFound",
            "InvalidGroup.NotFound",
            "InvalidVolume.NotFound",
        ),
        _NOT_THERE,
    ),
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted": Refusal(
        "the Spot service-linked role is missing, and these credentials may not make it",
        f"Someone who may runs once: {ROLE_COMMAND}",
        Exit.DENIED,
        detail=False,
    ),
    **dict.fromkeys(("UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "NotAuthorized"), DENIED),
    "AuthFailure": Refusal(
        "AWS does not accept these credentials here",
        "Is the region enabled for the account (`aws account enable-region`)? Else check the keys"
        " (`aws sts get-caller-identity`).",
        Exit.DENIED,
    ),
    **dict.fromkeys(
        (
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "IncompleteSignature",
            "MissingAuthenticationToken",
            "InvalidAccessKeyId",
        ),
        _BAD_KEYS,
    ),
    **dict.fromkeys(("RequestExpired", "ExpiredToken", "ExpiredTokenException"), _EXPIRED),
    **dict.fromkeys(("OptInRequired", "PendingVerification", "Blocked", "SubscriptionRequiredException"), _CLOSED),
    "TagPolicyViolation": Refusal(
        "the organisation's tag policy forbids these tags", "Give the tags it demands with `--tag`.", Exit.DENIED
    ),
    **dict.fromkeys(
        (
            "RequestLimitExceeded",
            "EC2ThrottledException",
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "TooManyRequestsException",
            "RequestThrottled",
            "RequestThrottledException",
            "BandwidthLimitExceeded",
            "LimitExceededException",
            "SlowDown",
        ),
        _THROTTLED,
    ),
    **dict.fromkeys(
        (
            "InternalError",
            "InternalFailure",
            "InternalErrorException",
            "InternalServerError",
            "ServerInternal",
            "ServiceException",
            "ServiceUnavailable",
            "Unavailable",
        ),
        _AWS_BROKEN,
    ),
    **dict.fromkeys(("VPCIdNotSpecified", "MissingInput", "DefaultVpcDoesNotExist"), _NO_VPC),
    "InsufficientFreeAddressesInSubnet": Refusal(
        "the subnet has no free address", "Stopped instances keep theirs: name another with `--subnet` or `-z`."
    ),
    "InvalidInstanceType": Refusal("", "`spotbox up` on a terminal lists the GPU types of the region.", Exit.USAGE),
    **dict.fromkeys(
        ("InvalidAMIID.NotFound", "InvalidAMIID.Malformed", "InvalidAMIID.Unavailable"),
        Refusal("", "Images belong to one region, and the account may allow only some: see `--ami`.", Exit.USAGE),
    ),
    **dict.fromkeys(
        ("InvalidSubnetID.NotFound", "InvalidSubnetId.Malformed", "InvalidSubnet", "InvalidSubnetID.Malformed"),
        Refusal("", "`aws ec2 describe-subnets{region}` lists the subnets there are.", Exit.USAGE),
    ),
    **dict.fromkeys(("InvalidKey.Format", "InvalidKeyPair.Format"), Refusal("", "See `--key`.", Exit.USAGE)),
    **dict.fromkeys(("InvalidParameterValue", "InvalidBlockDeviceMapping", "InvalidID"), _USAGE),
    **dict.fromkeys(
        ("IdempotentParameterMismatch", "IdempotentInstanceTerminated", "InvalidClientToken"),
        Refusal("", "An earlier launch of this name is in the way: `spotbox status`, then run `spotbox up` again."),
    ),
    # The answer of a dry run that would have succeeded; callers look for the code.
    "DryRunOperation": Refusal("the call would have succeeded", "", Exit.DONE, detail=False),
}

# Codes of troubles that pass by themselves: the same call may succeed in a while.
PASSING = frozenset(code for code, known in REFUSALS.items() if known in (_THROTTLED, _AWS_BROKEN))


def refusal(code: str) -> Refusal | None:
    """The words for `code`: its own, else those of its kind (`AuthFailure.*`, `*LimitExceeded`); None is unknown."""
    if code in REFUSALS:
        return REFUSALS[code]
    if code.isdigit():  # botocore's code for an answer without one: a proxy, a load balancer, another kind of server
        return Refusal(f"the endpoint answered HTTP {code} and names no AWS error", _RETRY, detail=False)
    if code.startswith("AuthFailure."):
        return DENIED
    if code.endswith("LimitExceeded"):  # SecurityGroupLimitExceeded, ResourceLimitExceeded, ...; throttles are above
        return QUOTA
    return None
