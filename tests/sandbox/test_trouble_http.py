"""What can be out of order in an account, over HTTP: denied actions, regions off, a customer's disk key, quotas."""

import json

import pytest

from spotbox.sandbox import process

from .conftest import code_of


@pytest.fixture
def play(aws):
    """The sandbox's control; what it denied is allowed again."""
    yield lambda verb, **given: process.call(aws.endpoint, verb, **given)
    process.call(aws.endpoint, "deny", actions=[])


def test_a_denied_action_until_a_policy_allows_it(aws, play):
    """UnauthorizedOperation of EC2, AccessDenied of IAM; the simulator agrees; a policy of the user ends it."""
    iam = aws.client("iam")
    play("deny", actions=["ec2:DescribeVpcs", "iam:GetRole"])
    assert code_of(aws.ec2.describe_vpcs) == ("UnauthorizedOperation", 403)
    assert code_of(iam.get_role, RoleName="x") == ("AccessDenied", 403)
    who = aws.client("sts").get_caller_identity()["Arn"]

    def decided():
        names = ["ec2:DescribeVpcs", "ec2:RunInstances"]
        rows = iam.simulate_principal_policy(PolicySourceArn=who, ActionNames=names)["EvaluationResults"]
        return [row["EvalDecision"] for row in rows]

    assert decided() == ["implicitDeny", "allowed"]
    statement = {"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = iam.create_policy(PolicyName="more", PolicyDocument=text)["Policy"]["Arn"]
    iam.attach_user_policy(UserName="sandbox", PolicyArn=arn)
    assert aws.ec2.describe_vpcs()["Vpcs"]
    assert decided() == ["allowed", "allowed"]
    iam.detach_user_policy(UserName="sandbox", PolicyArn=arn)
    assert decided() == ["implicitDeny", "allowed"]
    iam.delete_policy(PolicyArn=arn)


def test_a_region_is_switched_on(aws, play):
    """enable-region of Account Management."""
    play("region", name="eu-north-1", enabled=False)
    assert code_of(aws.client("ec2", "eu-north-1").describe_vpcs)[0] == "AuthFailure"
    aws.client("account").enable_region(RegionName="eu-north-1")
    assert aws.client("ec2", "eu-north-1").describe_vpcs()["Vpcs"]
    assert code_of(aws.client("account").enable_region, RegionName="mars-1")[0] == "ValidationException"


def test_a_disk_key_of_ones_own(aws):
    """Made, made the default, granted to somebody, and given up again."""
    kms = aws.client("kms")
    assert aws.ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    about = kms.create_key(Description="mine")["KeyMetadata"]
    aws.ec2.modify_ebs_default_kms_key_id(KmsKeyId=about["KeyId"])
    assert aws.ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == about["Arn"]
    assert kms.describe_key(KeyId=about["Arn"])["KeyMetadata"]["KeyManager"] == "CUSTOMER"
    assert kms.list_grants(KeyId=about["Arn"])["Grants"] == []
    grantee = "arn:aws:iam::123456789012:role/x"
    kms.create_grant(KeyId=about["Arn"], GranteePrincipal=grantee, Operations=["Decrypt"])
    assert [g["GranteePrincipal"] for g in kms.list_grants(KeyId=about["Arn"])["Grants"]] == [grantee]
    assert "root" in kms.get_key_policy(KeyId=about["Arn"], PolicyName="default")["Policy"]
    assert code_of(kms.describe_key, KeyId="nothing")[0] == "NotFoundException"
    aws.ec2.reset_ebs_default_kms_key_id()
    assert aws.ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"


def test_an_increase_is_granted(aws, play):
    """The sandbox's support desk never sleeps."""
    quotas = aws.client("service-quotas", "eu-west-2")
    play("quota", code="L-3819A6DF", value=0, region="eu-west-2")
    asked = {"ServiceCode": "ec2", "QuotaCode": "L-3819A6DF", "DesiredValue": 64}
    assert quotas.request_service_quota_increase(**asked)["RequestedQuota"]["Status"] == "APPROVED"
    assert quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-3819A6DF")["Quota"]["Value"] == 64
    assert code_of(quotas.request_service_quota_increase, **asked)[0] == "IllegalArgumentException"
