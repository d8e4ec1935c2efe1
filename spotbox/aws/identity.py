"""Who the credentials belong to, which regions they reach, and the Spot service-linked role."""

from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.records import Identity

SPOT_ROLE = "AWSServiceRoleForEC2Spot"  # EC2 User Guide, "Service-linked role for EC2 Spot Instance requests"
SPOT_SERVICE = "spot.amazonaws.com"


def home_region(region: str | None) -> str:
    """A region of the same partition that every account has: it answers what is not about one region."""
    if region and region.startswith("cn-"):
        return "cn-north-1"
    return "us-gov-west-1" if region and region.startswith("us-gov-") else "us-east-1"


def identity(aws: Aws) -> Identity:
    """sts:GetCallerIdentity, which needs no permission. SpotboxError (exit 5) without credentials that AWS accepts."""
    region = aws.region or "us-east-1"
    with translating("sts:GetCallerIdentity", region):
        answer = aws.client("sts", region).get_caller_identity()
    return Identity(answer.get("Account", ""), answer.get("Arn", ""), answer.get("UserId", ""))


def regions(aws: Aws) -> dict[str, str]:
    """Every region by name with its OptInStatus: opt-in-not-required, opted-in, not-opted-in (EC2 DescribeRegions).

    Asked in a region that cannot be disabled; where an organisation forbids that one, in the default region.
    """
    home = home_region(aws.region)
    try:
        return _regions(aws, home)
    except SpotboxError as error:
        if error.code != "UnauthorizedOperation" or aws.region in (None, home):
            raise
        return _regions(aws, str(aws.region))


def _regions(aws: Aws, region: str) -> dict[str, str]:
    with translating("ec2:DescribeRegions", region):
        answer = aws.client("ec2", region).describe_regions(AllRegions=True)
    # OptInStatus came in 2019; an endpoint that leaves it out lists what is enabled.
    return {r["RegionName"]: r.get("OptInStatus") or "opt-in-not-required" for r in answer.get("Regions", ())}


def spot_role_exists(aws: Aws) -> bool | None:
    """Whether the account has the Spot service-linked role; None where these credentials may not look."""
    region = aws.region or "us-east-1"
    try:
        with translating("iam:GetRole", region):
            aws.client("iam", region).get_role(RoleName=SPOT_ROLE)
    except SpotboxError as error:
        if error.code in ("NoSuchEntity", "NoSuchEntityException"):
            return False
        if error.exit_code == Exit.DENIED and error.code in ("AccessDenied", "AccessDeniedException"):
            return None
        raise
    return True


def create_spot_role(aws: Aws) -> None:
    """Make the role; fine where it is there. IAM takes some seconds to spread it: the caller waits.

    SpotboxError (exit 5) where these credentials may not (iam:CreateServiceLinkedRole).
    """
    region = aws.region or "us-east-1"
    try:
        with translating("iam:CreateServiceLinkedRole", region):
            aws.client("iam", region).create_service_linked_role(AWSServiceName=SPOT_SERVICE)
    except SpotboxError as error:
        # IAM's answer to a second one: InvalidInput, "Service role name ... has been taken in this account".
        taken = error.code in ("InvalidInput", "InvalidInputException") and "has been taken" in error.message
        if not taken and error.code not in ("EntityAlreadyExists", "EntityAlreadyExistsException"):
            raise
