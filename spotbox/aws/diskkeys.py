"""The key that EBS encrypts new volumes with, and whether the Spot role may use it where it is a customer's."""

from datetime import timedelta
from typing import Any

from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.core.errors import SpotboxError
from spotbox.core.judge import DiskKey
from spotbox.core.remedies import SPOT_ROLE_ARN
from spotbox.store import Store

KEPT = timedelta(days=1)
_FILE = "disk-keys"
_AWS = "alias/aws/ebs"


def default_key(aws: Aws, region: str) -> str:
    """The default key for EBS encryption: `alias/aws/ebs`, or a key's ARN (EC2 API, GetEbsDefaultKmsKeyId)."""
    with translating("ec2:GetEbsDefaultKmsKeyId", region):
        return str(aws.client("ec2", region).get_ebs_default_kms_key_id().get("KmsKeyId") or _AWS)


def disk_key(aws: Aws, region: str, key: str) -> DiskKey:
    """What KMS tells of the default key `key`: whose it is, and whether a grant or its policy names the Spot role.

    The EC2 User Guide asks for a grant; a key policy that names the role does as well. What cannot be read makes it
    unknown, with the reason. SpotboxError where KMS does not answer at all.
    """
    if key.endswith(_AWS):
        return DiskKey(_AWS)
    kms = aws.client("kms", region)

    def described() -> Any:
        with translating("kms:DescribeKey", region):
            return kms.describe_key(KeyId=key)["KeyMetadata"]

    def granted() -> bool:
        with translating("kms:ListGrants", region):
            pages = kms.get_paginator("list_grants").paginate(KeyId=key)
            return any(SPOT_ROLE_ARN in str(g.get("GranteePrincipal")) for page in pages for g in page["Grants"])

    def named() -> bool:
        with translating("kms:GetKeyPolicy", region):
            return SPOT_ROLE_ARN in str(kms.get_key_policy(KeyId=key, PolicyName="default").get("Policy"))

    about, *answers = aws.parallel([described, granted, named])
    if not isinstance(about, SpotboxError) and about.get("KeyManager") == "AWS":
        return DiskKey(_AWS)
    arn = key if isinstance(about, SpotboxError) else str(about.get("Arn") or key)
    if any(answer is True for answer in answers):
        return DiskKey(arn, True, True)
    errors = [answer for answer in (about, *answers) if isinstance(answer, SpotboxError)]
    return DiskKey(arn, True, None if errors else False, errors[0].message if errors else "")


def kept_disk_key(aws: Aws, store: Store, region: str) -> DiskKey:
    """The same; a key that was found in order is not asked for again on the same day."""
    mark = f"{aws.account_mark()}-{region}"
    if store.moment(store.read(_FILE).get(mark), KEPT):
        return DiskKey(_AWS)
    found = disk_key(aws, region, default_key(aws, region))
    if found.usable:
        new = {mark: store.stamp()}
        store.update(_FILE, lambda data: {**{k: v for k, v in data.items() if store.moment(v, KEPT)}, **new})
    return found
