"""Every refusal of AWS becomes one line that says what, one that says what next, and an exit code."""

import json
from pathlib import Path

import pytest
from botocore import exceptions as b
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from spotbox.aws.errors import translate, translating, unknown_outcome
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.refusals import REFUSALS

DATA = Path(__file__).parents[3] / "shared" / "data"


def refused(code, message="", operation="RunInstances", status=400):
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation
    )


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("InsufficientInstanceCapacity", 3),
        ("UnfulfillableCapacity", 3),
        ("SpotMaxPriceTooLow", 3),
        ("Unsupported", 3),
        ("InsufficientVolumeCapacity", 3),
        ("MaxSpotInstanceCountExceeded", 4),
        ("VcpuLimitExceeded", 4),
        ("InstanceLimitExceeded", 4),
        ("VolumeLimitExceeded", 4),
        ("SecurityGroupLimitExceeded", 4),
        ("RequestResourceCountExceeded", 4),
        ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", 5),
        ("UnauthorizedOperation", 5),
        ("AccessDenied", 5),
        ("AccessDeniedException", 5),
        ("AuthFailure", 5),
        ("InvalidClientTokenId", 5),
        ("SignatureDoesNotMatch", 5),
        ("RequestExpired", 5),
        ("ExpiredToken", 5),
        ("ExpiredTokenException", 5),
        ("OptInRequired", 5),
        ("PendingVerification", 5),
        ("Blocked", 5),
        ("TagPolicyViolation", 5),
        ("InvalidAMIID.NotFound", 2),
        ("InvalidSubnetID.NotFound", 2),
        ("InvalidInstanceType", 2),
        ("InvalidParameterValue", 2),
        ("RequestLimitExceeded", 1),
        ("EC2ThrottledException", 1),
        ("UnsupportedOperation", 1),
        ("IncorrectSpotRequestState", 1),
        ("IncorrectInstanceState", 1),
        ("OperationNotPermitted", 1),
        ("InvalidInstanceID.NotFound", 1),
        ("InvalidSpotInstanceRequestID.NotFound", 1),
        ("InvalidGroup.NotFound", 1),
        ("IdempotentParameterMismatch", 1),
        ("IdempotentInstanceTerminated", 1),
        ("VPCIdNotSpecified", 1),
        ("DependencyViolation", 1),
        ("DryRunOperation", 0),
        ("NeverHeardOfThis", 1),
    ],
)
def test_exit_code(code, exit_code):
    """Each code has the exit code of the contract, and is kept for callers that branch on it."""
    error = translate(refused(code, "Something about it."))
    assert (error.exit_code, error.code) == (exit_code, code)
    assert error.message
    assert error.hint or code == "DryRunOperation"


@pytest.mark.parametrize("code", REFUSALS)
def test_two_lines(code):
    """Whatever AWS writes, the message and the hint are one line each and have no placeholder left."""
    error = translate(refused(code, "First line.\nSecond line."), region="eu-west-1")
    for line in (error.message, error.hint):
        assert "\n" not in line
        assert "{" not in line


@pytest.mark.skipif(not DATA.is_dir(), reason="the recorded data is not beside this checkout")
def test_real_texts():
    """Texts that AWS has really sent are shown, or replaced by words of ours, but never fail."""
    rows = json.loads((DATA / "errors.json").read_text())["errors"]
    for row in rows:
        code = row["code"].split(" ")[0].rstrip("?")
        error = translate(refused(code, row["message"], row["operation"].split("/")[0], row["http"] or 400))
        assert error.code == code
        assert "Encoded" not in error.message


def test_permission_names_the_action():
    """The IAM action is AWS's where its text names one, else the caller's, else the call's; the blob is dropped."""
    blob = "You are not authorized to perform this operation. Encoded authorization failure message: " + "x" * 900
    assert translate(refused("UnauthorizedOperation", blob)).message == "no permission for ec2:RunInstances"
    text = "User: arn:aws:iam::1:user/a is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/b"
    assert translate(refused("UnauthorizedOperation", text), "ec2:RunInstances", "us-east-1").message == (
        "no permission for iam:PassRole in us-east-1"
    )
    denied = translate(refused("AccessDeniedException", "", "GetProducts"))
    assert (denied.message, "pricing:GetProducts" in denied.hint) == ("no permission for pricing:GetProducts", True)


@pytest.mark.parametrize(
    ("operation", "text", "hint"),
    [
        ("RunInstances", "", "Allow ec2:RunInstances; `spotbox policy box` prints what is needed."),
        (
            "GetSpotPlacementScores",
            "",
            "Allow ec2:GetSpotPlacementScores; `spotbox policy prices` prints what is needed.",
        ),
        (
            "GetProducts",
            "",
            "Allow pricing:GetProducts; `spotbox policy box` prints what is needed, `spotbox policy prices` what prices"
            " alone need.",
        ),
        (
            "RunInstances",
            "User: arn:aws:iam::1:user/a is not authorized to perform: kms:CreateGrant on resource: x",
            "Allow kms:CreateGrant in the policy of these credentials.",
        ),
    ],
)
def test_a_refused_action_names_the_policy_that_holds_it(operation, text, hint):
    """The hint says which of `spotbox policy`'s documents allows the action, and none where none of them does."""
    assert translate(refused("UnauthorizedOperation", text, operation)).hint == hint


def test_an_explicit_deny_is_not_mended_by_allowing():
    """Where a policy denies outright the hint does not say to allow it."""
    text = (
        "User: arn:x is not authorized to perform: ec2:RunInstances with an explicit deny in a service control policy"
    )
    assert translate(refused("UnauthorizedOperation", text)).hint.startswith(
        "A policy denies ec2:RunInstances outright"
    )


def test_the_blob_is_dropped_from_any_refusal():
    """An encoded authorization message is not shown, whatever the code is."""
    error = translate(refused("SomethingNew", "It failed. Encoded authorization failure message: " + "x" * 90))
    assert error.message == "ec2:RunInstances failed: SomethingNew: It failed"


@pytest.mark.parametrize(
    "error", [refused("502", "<html>\n<h1>Bad Gateway</h1>", status=502), ResponseParserError("<h1>")]
)
def test_a_page_is_not_shown(error):
    """What came in the place of AWS's answer is not printed."""
    assert "<h1>" not in translate(error).message
    assert translate(error).exit_code == Exit.FAILED


def test_quota_names_its_code_and_command():
    """The Spot quota refusal carries the code that counts the type, and the command that asks for more."""
    error = translate(refused("MaxSpotInstanceCountExceeded"), region="us-east-1", instance_type="p5.4xlarge", vcpus=16)
    assert error.hint.endswith(
        "aws service-quotas request-service-quota-increase --region us-east-1 --service-code ec2"
        " --quota-code L-C4BD4855 --desired-value 16"
    )
    assert "L-417A185B" in translate(refused("VcpuLimitExceeded"), instance_type="p6-b200.48xlarge").hint
    assert "Service Quotas" in translate(refused("MaxSpotInstanceCountExceeded"), instance_type="p6-b200.48xlarge").hint


def test_nothing_in_a_text_moves_the_cursor():
    """Escape sequences, newlines and direction marks of a message or code are shown, not sent."""
    error = translate(refused("Bad\x1b[2J\nCode", "a\x1b]0;owned\x07b\r\nc\u202ed\x00"))
    assert error.message.isprintable()
    assert error.message == "ec2:RunInstances failed: Bad\\x1b[2J\\nCode: a\\x1b]0;owned\\x07b c\\u202ed\\x00"
    assert translate(b.ProfileNotFound(profile="x\x1b[2Jy")).message.isprintable()


def test_no_secret():
    """Key ids, and the canonical request that a bad signature quotes, are not repeated."""
    text = "The Canonical String for this request should have been 'POST\nx-amz-security-token:TOKEN'"
    shown = translate(refused("SignatureDoesNotMatch", text)).message
    assert "TOKEN" not in shown
    shown = translate(refused("InvalidAccessKeyId", "The key AKIAIOSFODNN7EXAMPLE is not known")).message
    assert "AKIAIOSFODNN7EXAMPLE" not in shown


@pytest.mark.parametrize(
    ("error", "exit_code", "hint"),
    [
        (b.NoCredentialsError(), 5, "--sandbox"),
        (b.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), 5, "aws configure"),
        (b.ProfileNotFound(profile="nosuch"), 5, "--profile"),
        (b.SSOTokenLoadError(error_msg="gone"), 5, "aws sso login"),
        (b.UnauthorizedSSOTokenError(), 5, "aws sso login"),
        (b.TokenRetrievalError(provider="sso", error_msg="expired"), 5, "aws sso login"),
        (b.CredentialRetrievalError(provider="process", error_msg="exit 1"), 5, "aws sso login"),
        (b.InvalidConfigError(error_msg="bad"), 5, "aws configure"),
        (b.ConfigParseError(path="/x"), 5, "aws configure"),
        (b.NoRegionError(), 2, "-r"),
        (b.InvalidRegionError(region_name="x!"), 2, "-r"),
        (b.EndpointConnectionError(endpoint_url="https://ec2.us-east-9.amazonaws.com"), 1, "region"),
        (b.ConnectTimeoutError(endpoint_url="https://x"), 1, "network"),
        (b.ReadTimeoutError(endpoint_url="https://x"), 1, "network"),
        (b.ConnectionClosedError(endpoint_url="https://x"), 1, "network"),
        (b.SSLError(endpoint_url="https://x", error="bad certificate"), 1, "AWS_CA_BUNDLE"),
        (b.ParamValidationError(report="Invalid length"), 2, "value"),
        (b.WaiterError(name="w", reason="Max attempts exceeded", last_response={}), 1, "status"),
        (b.MD5UnavailableError(), 1, "--verbose"),
        (ResponseParserError("<html>"), 1, "network"),
    ],
)
def test_botocore_exceptions(error, exit_code, hint):
    """botocore's own failures are told apart by what the user does next."""
    made = translate(error)
    assert made.exit_code == exit_code
    assert hint in made.hint
    assert made.__cause__ is error


def test_translating():
    """The block raises the translation with its cause; what is not botocore's passes as it is."""
    with pytest.raises(SpotboxError) as caught, translating("sts:GetCallerIdentity", "eu-west-1"):
        raise refused("AccessDenied", operation="AnythingElse")
    assert caught.value.message == "no permission for sts:GetCallerIdentity in eu-west-1"
    assert isinstance(caught.value.__cause__, ClientError)
    with pytest.raises(KeyError), translating():
        raise KeyError("bug")
    own = UsageError("mine")
    assert translate(own) is own


@pytest.mark.parametrize(
    ("error", "unknown"),
    [
        (b.ReadTimeoutError(endpoint_url="x"), True),
        (b.ConnectionClosedError(endpoint_url="x"), True),
        (b.HTTPClientError(error="reset"), True),
        (b.IncompleteReadError(actual_bytes=1, expected_bytes=2), True),
        (ResponseParserError("html"), True),
        (refused("500", status=500), True),
        (refused("", status=503), True),
        (refused("InternalError", status=500), True),
        (refused("InsufficientInstanceCapacity", status=500), False),
        (refused("RequestLimitExceeded", status=503), False),
        (refused("Unknown", status=400), False),
        (refused("UnauthorizedOperation", status=403), False),
        (b.EndpointConnectionError(endpoint_url="x"), False),
        (b.ConnectTimeoutError(endpoint_url="x"), False),
        (b.NoCredentialsError(), False),
        (KeyError("x"), False),
        (SpotboxError("of our own"), False),
    ],
)
def test_unknown_outcome(error, unknown):
    """Only what may have reached AWS and was not answered is unknown; the translation keeps the answer."""
    assert unknown_outcome(error) is unknown
    assert unknown_outcome(translate(error)) is unknown


def test_no_credentials_text():
    """Without credentials the first advice needs no account."""
    error = translate(b.NoCredentialsError())
    assert (error.message, error.exit_code) == ("no AWS credentials", Exit.DENIED)
    assert error.hint == "Try it without an account: `--sandbox`. With one: `aws configure` or `aws sso login`."
