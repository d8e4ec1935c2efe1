"""The commands that mend: quoted for a shell, for the right profile, region and caller."""

import shlex

import pytest

from spotbox.core.records import Identity
from spotbox.core.remedies import Remedies, policy_source


def of(arn, **more):
    return Remedies("eu-west-1", identity=Identity("123456789012", arn, "AIDA"), **more)


USER = "arn:aws:iam::123456789012:user/team a/al'ice"
ROLE = "arn:aws-cn:sts::123456789012:assumed-role/Dev/alice@example.org"
SSO = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Dev_1a2b/alice"
ROOT = "arn:aws:iam::123456789012:root"


def test_region_and_profile():
    """Every line names both; what comes from outside is quoted."""
    assert Remedies("eu-west-1", "my work").aws("ec2", "create-default-vpc") == (
        "aws ec2 create-default-vpc --region eu-west-1 --profile 'my work'"
    )
    assert Remedies("eu-west-1", "x").quota("L-1", 4).endswith("--quota-code L-1 --desired-value 4 --profile x")
    assert Remedies("r", "x").role().endswith("--aws-service-name spot.amazonaws.com --profile x")


@pytest.mark.parametrize(("kind", "line"), [("sso", "aws sso login --profile x"), ("login", "aws login --profile x"),
                                            ("", "aws configure --profile x")])  # fmt: skip
def test_logging_in(kind, line):
    """The login that the profile is set up for."""
    assert Remedies("r", "x").log_in(kind) == line


def test_a_user_and_a_role_get_the_policy():
    """Made and attached in one line, in the caller's own account and partition, without its path."""
    make, attach = of(USER).allow().split(" && ")
    assert make == 'aws iam create-policy --policy-name spotbox --policy-document "$(spotbox policy box)"'
    assert shlex.split(attach)[:5] == ["aws", "iam", "attach-user-policy", "--user-name", "al'ice"]
    attach = of(ROLE, profile="x").allow().split(" && ")[1]
    arn = "arn:aws-cn:iam::123456789012:policy/spotbox"
    assert attach == f"aws iam attach-role-policy --role-name Dev --policy-arn {arn} --profile x"


@pytest.mark.parametrize("arn", [SSO, ROOT])
def test_who_is_not_iams_to_change_gets_the_policy_as_a_file(arn):
    """Roles of IAM Identity Center cannot be changed by IAM; root needs nothing but what an organisation denies it."""
    assert of(arn).allow() == "spotbox policy box > spotbox-policy.json"


def test_in_the_sandbox():
    """The AWS CLI is pointed at it for that one line; no profile of the user's real account stands in it."""
    assert of(USER, sandbox=True, profile="real").aws("ec2", "create-default-vpc") == (
        '(eval "$(spotbox sandbox env)"; aws ec2 create-default-vpc --region eu-west-1)'
    )


def test_a_grant():
    """The Spot role of the key's account may use the key for what the EC2 User Guide lists."""
    key = "arn:aws:kms:eu-west-1:123456789012:key/1"
    words = shlex.split(Remedies("eu-west-1").grant(key))
    assert words[words.index("--key-id") + 1] == key
    assert words[words.index("--grantee-principal") + 1] == (
        "arn:aws:iam::123456789012:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"
    )
    assert {"Decrypt", "CreateGrant", "ReEncryptTo"} < set(words)
    alias = shlex.split(of(USER).grant("alias/mine"))
    assert alias[alias.index("--key-id") + 1] == "alias/mine"
    assert alias[alias.index("--grantee-principal") + 1].startswith("arn:aws:iam::123456789012:role/")


@pytest.mark.parametrize(
    ("arn", "source"),
    [(USER, USER), (ROLE, "arn:aws-cn:iam::123456789012:role/Dev"), (ROOT, None)],
)  # fmt: skip
def test_whom_the_simulator_is_asked_about(arn, source):
    """A user by his ARN, a session by its role's."""
    assert policy_source(Identity("123456789012", arn, "")) == source
