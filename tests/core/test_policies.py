"""The placeholders of the policies, and which policy holds a refused action."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotbox.core.errors import UsageError
from spotbox.core.policies import USES, Given, fill, holders, parse_account, parse_place, parse_role, template

S3 = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Find",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": "arn:aws:s3:::BUCKET",
            "Condition": {"StringLike": {"s3:prefix": ["PREFIX", "PREFIX/*"]}},
        },
        {"Sid": "Keep", "Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::BUCKET/PREFIX/*"]},
        {"Sid": "Pass", "Effect": "Allow", "Action": "iam:PassRole", "Resource": "ROLE"},
        {
            "Sid": "Lose",
            "Effect": "Allow",
            "Action": "ec2:DeleteVolume",
            "Resource": "arn:aws:ec2:*:ACCOUNT:instance/*",
        },
    ],
}


def test_a_place_narrows_both_the_listing_and_the_objects():
    """With a prefix only it is listed and read; a whole bucket needs no condition; each place has its own statement."""
    made = fill(S3, "box", Given(places=(("mine", "dev"), ("all", ""))))["Statement"]
    assert [one["Sid"] for one in made] == ["Find", "Find2", "Keep", "Keep2", "Pass", "Lose"]
    assert made[0]["Resource"] == "arn:aws:s3:::mine"
    assert made[0]["Condition"] == {"StringLike": {"s3:prefix": ["dev", "dev/*"]}}
    assert (made[1]["Resource"], "Condition" in made[1]) == ("arn:aws:s3:::all", False)
    assert [one["Resource"] for one in made[2:4]] == [["arn:aws:s3:::mine/dev/*"], ["arn:aws:s3:::all/*"]]


def test_what_nobody_named_is_seen():
    """Without a place the placeholder stands; without an account the ARN takes any; without a role only spotbox's."""
    made = fill(S3, "box", Given())["Statement"]
    assert made[1]["Resource"] == ["arn:aws:s3:::BUCKET/PREFIX/*"]
    assert made[2]["Resource"] == "arn:aws:iam::*:role/spotbox-*"
    assert made[3]["Resource"] == "arn:aws:ec2:*:*:instance/*"


@pytest.mark.parametrize("role", ["ACCOUNT", "arn:aws:iam::123456789012:role/ml/ROLE"])
def test_a_name_that_looks_like_a_placeholder(role):
    """The user's own words are never filled in again."""
    made = fill(S3, "train", Given("210987654321", role, (("mine", "ROLE/BUCKET"),)))["Statement"]
    assert made[1]["Resource"] == ["arn:aws:s3:::mine/ROLE/BUCKET/*"]
    assert made[2]["Resource"] == (role if ":" in role else "arn:aws:iam::210987654321:role/ACCOUNT")


PLACES = st.lists(st.tuples(st.from_regex(r"[a-z]{3,9}", fullmatch=True), st.sampled_from(["", "a", "a/b", "PREFIX"])))


@settings(max_examples=30)
@given(PLACES)
def test_every_sid_is_there_once(places):
    """IAM refuses a policy that has a Sid twice, or one with anything but letters and digits."""
    sids = [one["Sid"] for one in fill(S3, "box", Given(places=tuple(places)))["Statement"]]
    assert len(sids) == len(set(sids))
    assert all(sid.isalnum() for sid in sids)
    assert json.dumps(S3).count("BUCKET") == 2  # the template itself is left as it was


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("mine", ("mine", "")),
        ("mine/", ("mine", "")),
        ("s3://mine/dev/", ("mine", "dev")),
        ("my.bucket-1/a/b=c", ("my.bucket-1", "a/b=c")),
    ],
)
def test_a_place(text, place):
    """BUCKET or BUCKET/PREFIX, also as S3 writes it."""
    assert parse_place(text) == place


@pytest.mark.parametrize("text", ["", "ab", "Mine", "mine/*", "mine/a?", "mine/${aws:username}", "a..b/x", "mine/../x",
                                  "s3:/mine", "mine/\n", "arn:aws:s3:::mine"])  # fmt: skip
def test_no_place(text):
    """A wildcard or a policy variable would allow more than it says; both are refused, and what is no bucket."""
    with pytest.raises(UsageError):
        parse_place(text)


@pytest.mark.parametrize("text", ["", "*", "spotbox-*", "a b", "role/x", "arn:aws:iam::*:role/x", "x" * 65, "a\n"])
def test_no_role(text):
    """What IAM takes as no role's name, above all a wildcard: it would let more roles be passed than one."""
    with pytest.raises(UsageError):
        parse_role(text)


def test_accounts_and_roles():
    """An account is 12 digits, with or without hyphens; a role a name or an ARN, its path included."""
    assert parse_account("1234-5678-9012") == parse_account("123456789012") == "123456789012"
    for text in ("12345678901", "1234567890123", "١٢٣٤٥٦٧٨٩٠١٢", "x"):
        with pytest.raises(UsageError):
            parse_account(text)
    for text in ("trainer", "a_b+c=d,e.f@g-h", "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-X"):
        assert parse_role(text) == text


@pytest.mark.parametrize(
    ("action", "operation", "uses"),
    [
        ("ec2:RunInstances", "RunInstances", ("box",)),
        ("ec2:DescribeSpotPriceHistory", "", ("box", "prices")),
        ("ec2:GetSpotPlacementScores", "", ("prices",)),
        ("iam:PassRole", "RunInstances", ("box",)),
        ("iam:PassRole", "CreateTrainingJob", ("train",)),
        ("sagemaker:CreateTrainingJob", "", ("train",)),
        ("ce:GetCostAndUsage", "", ("box",)),
        ("kms:ListGrants", "", ("box",)),
        ("kms:CreateGrant", "RunInstances", ()),
    ],
)
def test_which_policy_holds_an_action(action, operation, uses):
    """A hint names the policy that would have allowed the call, and none where no policy of ours does."""
    assert holders(action, operation) == uses


def test_the_templates():
    """Each use has one for its user, strict or not; looking at prices changes nothing and takes no role."""
    assert [template(use) for use in USES] == ["prices.json", "box.json", "train.json"]
    assert [template(use, strict=True) for use in USES] == ["prices.json", "box.strict.json", "train.strict.json"]
    for document in ("role", "trust"):
        with pytest.raises(UsageError):
            template("prices", document)
