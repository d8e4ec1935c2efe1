"""Who the credentials belong to, which regions they reach, and the Spot service-linked role."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.records import Identity
from spotbox.core.regions import ALWAYS_ENABLED
from spotbox.store import Store

SPOT_ROLE = "AWSServiceRoleForEC2Spot"  # EC2 User Guide, "Service-linked role for EC2 Spot Instance requests"
REGIONS_KEPT = timedelta(days=1)
_FILE = "regions"
SPOT_SERVICE = "spot.amazonaws.com"


def home_region(region: str | None) -> str:
    """A region of the same partition that every account has: it answers what is not about one region."""
    if region and region.startswith("cn-"):
        return "cn-north-1"
    return "us-gov-west-1" if region and region.startswith("us-gov-") else "us-east-1"


def identity(aws: Aws, ahead: Sequence[str] = ()) -> Identity:
    """sts:GetCallerIdentity, which needs no permission. SpotboxError (exit 5) without credentials that AWS accepts.

    While the answer is under way the clients of EC2 in the regions `ahead` are made, for the search that comes next.
    """
    region = aws.region or "us-east-1"
    with translating("sts:GetCallerIdentity", region):
        client = aws.client("sts", region)
        aws.make_ahead([("ec2", each) for each in ahead], brisk=False)
        try:
            answer = client.get_caller_identity()
        finally:
            aws.make_no_more()
    return Identity(answer.get("Account", ""), answer.get("Arn", ""), answer.get("UserId", ""), _told(answer))


def _told(answer: Any) -> datetime | None:
    """AWS's time of an answer, in whole seconds: the Date header of HTTP; None without a readable one."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders") or {}
    with suppress(ValueError, TypeError):
        return parsedate_to_datetime(headers["date"]) if headers.get("date") else None
    return None


def told_by(error: SpotboxError) -> datetime | None:
    """The same of an answer that was a refusal: a clock that is wrong is refused, and finds out so."""
    answer = getattr(error.__cause__, "response", None)
    return _told(answer) if isinstance(answer, dict) else None


def regions(aws: Aws, client: Any = None) -> dict[str, str]:
    """Every region by name with its OptInStatus: opt-in-not-required, opted-in, not-opted-in (EC2 DescribeRegions).

    Asked in a region that cannot be disabled (through `client`, if one is given); where an organisation forbids that
    one, in the default region.
    """
    home = home_region(aws.region)
    try:
        return _regions(client or aws.client("ec2", home), home)
    except SpotboxError as error:
        if error.code != "UnauthorizedOperation" or aws.region in (None, home):
            raise
        return _regions(aws.client("ec2", aws.region), str(aws.region))


def known_regions(aws: Aws, store: Store, refresh: bool = False) -> dict[str, str]:
    """The same from the store, where it was asked with these keys at most a day ago."""
    home = home_region(aws.region)
    if not refresh and (kept := kept_regions(aws, store)):
        return kept
    client = aws.client("ec2", home, brisk=True)
    if home == "us-east-1":  # while the answer is under way
        aws.make_ahead([("pricing", home), *(("ec2", region) for region in ALWAYS_ENABLED if region != home)])
    try:
        found = regions(aws, client)
    finally:
        aws.make_no_more()
    key, new = _key(aws), {"asked": store.stamp(), "regions": found}

    def merged(data: dict[str, Any]) -> dict[str, Any]:
        fresh = {k: v for k, v in data.items() if isinstance(v, dict) and store.moment(v.get("asked"), REGIONS_KEPT)}
        return {**fresh, key: new}

    store.update(_FILE, merged)
    return found


def kept_regions(aws: Aws, store: Store) -> dict[str, str]:
    """What `known_regions` would give without asking AWS; empty where it would ask."""
    entry = store.read(_FILE).get(_key(aws))
    if isinstance(entry, dict) and store.moment(entry.get("asked"), REGIONS_KEPT):
        kept = entry.get("regions")
        if isinstance(kept, dict) and all(isinstance(status, str) for status in kept.values()):
            return dict(kept)
    return {}


def _key(aws: Aws) -> str:
    return f"{aws.account_mark()}-{home_region(aws.region)}"


def _regions(client: Any, region: str) -> dict[str, str]:
    with translating("ec2:DescribeRegions", region):
        answer = client.describe_regions(AllRegions=True)
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
