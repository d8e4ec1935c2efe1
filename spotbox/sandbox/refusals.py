"""AWS's refusals: code, HTTP status and wording of each, in one table.

Codes and statuses are those of "Error codes for the Amazon EC2 API"; wording follows replies that users have posted.
"""


class Refusal(Exception):
    """An error reply of AWS: `code`, `message` and the HTTP status it comes with."""

    def __init__(self, code: str, message: str, http: int = 400):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.http = http


NO_SPOT_CAPACITY = "There is no Spot capacity available that matches your request."
NOT_AUTHORIZED = "You are not authorized to perform this operation."
NOT_VALIDATED = "AWS was not able to validate the provided access credentials"

# code: (HTTP status, message)
_TABLE: dict[str, tuple[int, str]] = {
    "AuthFailure": (401, NOT_VALIDATED),
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted": (
        403,
        "The provided credentials do not have permission to create the service-linked role for EC2 Spot Instances.",
    ),
    "DryRunOperation": (412, "Request would have succeeded, but DryRun flag is set."),
    "ExpiredToken": (403, "The security token included in the request is expired"),
    "IdempotentInstanceTerminated": (400, "The instance launched by the request {token} has been terminated."),
    "IdempotentParameterMismatch": (
        400,
        "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
    ),
    "IncorrectInstanceState": (400, "The instance '{id}' is not in a state from which it can be {done}."),
    "IncorrectSpotRequestState": (
        400,
        "The Spot Instance request '{request}' is in the state '{state}' ({status}): "
        "the instance '{id}' cannot be {done}.",
    ),
    "InsufficientInstanceCapacity": (500, NO_SPOT_CAPACITY),
    "InvalidAMIID.NotFound": (400, "The image id '[{id}]' does not exist"),
    "InvalidAMIID.Malformed": (400, 'Invalid id: "{id}" (expecting "ami-...")'),
    "InvalidAMIID.Unavailable": (400, "The image ID '{id}' is not available"),
    "InvalidAMIName.Duplicate": (400, "AMI name {name} is already in use by AMI {id}"),
    "InvalidClientTokenId": (403, "The security token included in the request is invalid."),
    "InvalidGroup.NotFound": (400, "The security group '{id}' does not exist"),
    "InvalidInstanceID.NotFound": (400, "The instance ID '{id}' does not exist"),
    "InvalidInstanceID.Malformed": (400, 'Invalid id: "{id}"'),
    "InvalidKeyPair.NotFound": (400, "The key pair '{id}' does not exist"),
    "InvalidSnapshot.InUse": (400, "The snapshot {id} is currently in use by {image}"),
    "InvalidSnapshot.NotFound": (400, "The snapshot '{id}' does not exist."),
    "InvalidSpotInstanceRequestID.NotFound": (400, "The spot instance request ID '{id}' does not exist"),
    "InvalidSpotInstanceRequestID.Malformed": (400, 'Invalid id: "{id}"'),
    "InvalidSubnetID.NotFound": (400, "The subnet ID '{id}' does not exist"),
    "InvalidVolume.NotFound": (400, "The volume '{id}' does not exist."),
    "MaxSpotInstanceCountExceeded": (400, "Max spot instance count exceeded"),
    "RequestExpired": (400, "Request has expired."),
    "RequestLimitExceeded": (503, "Request limit exceeded."),
    "SpotMaxPriceTooLow": (
        400,
        "Your Spot request price of {bid} is lower than the minimum required Spot request fulfillment price of "
        "{price}.",
    ),
    "UnauthorizedOperation": (403, NOT_AUTHORIZED),
    "Unsupported": (
        400,
        "Your requested instance type ({type}) is not supported in your requested Availability Zone ({zone}). "
        "Please retry your request by not specifying an Availability Zone or choosing {others}.",
    ),
    "VcpuLimitExceeded": (
        400,
        "You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance bucket "
        "that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to "
        "request an adjustment to this limit.",
    ),
    "VPCIdNotSpecified": (
        400,
        "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.",
    ),
}


def status(code: str) -> int:
    """The HTTP status AWS sends with `code`; 400, the client's error, where the table does not know it."""
    return _TABLE.get(code, (400, ""))[0]


def message(code: str) -> str:
    """AWS's sentence for `code`, with {placeholders}; NOT_AUTHORIZED's kin where the table does not know it."""
    return _TABLE.get(code, (400, "The request was refused."))[1]


def refusal(code: str, text: str | None = None, **facts: object) -> Refusal:
    """The refusal of the table named `code`, its sentence filled with `facts`, or `text` in its place."""
    http, sentence = _TABLE.get(code, (400, ""))
    return Refusal(code, text if text is not None else sentence.format(**facts), http)


def no_capacity(instance_type: str, zone: str, others: list[str], spot: bool) -> Refusal:
    """InsufficientInstanceCapacity (500), in the words of Spot or, with the zones that do have some, of On-Demand."""
    if spot:
        return refusal("InsufficientInstanceCapacity")
    text = (
        f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested "
        f"({zone}). Our system will be working on provisioning additional capacity."
    )
    if others:
        text += (
            f" You can currently get {instance_type} capacity by not specifying an Availability Zone in your request "
            f"or choosing {', '.join(others)}."
        )
    return refusal("InsufficientInstanceCapacity", text)
