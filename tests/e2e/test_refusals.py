"""Every failure of AWS or the user: a line that says what, one that says what next, its exit code, nothing made."""

import os
import random

import pytest

from spotbox import cli
from spotbox.sandbox import process
from tests.e2e.conftest import left_anywhere, needs_ssh

pytestmark = needs_ssh
UP = ("up", "-y", "--wait", "0")


@pytest.fixture(scope="module")
def aws(here):
    """Make the next calls of an action fail as AWS would: aws(action, code, message, http)."""
    here.run("sandbox", "start")
    endpoint = process.running(here.home / "spot box" / "sandbox")

    def fail(service, action, code, message="said the test", http=400, times=99):
        process.call(
            endpoint, "fault", service=service, action=action, code=code, message=message, http=http, times=times
        )

    return fail


@pytest.fixture(autouse=True)
def clean(here, aws):
    """No fault outlives its test, and no test leaves a thing behind in the regions that these tests use."""
    yield
    endpoint = process.running(here.home / "spot box" / "sandbox")
    process.call(endpoint, "fault", clear=True)
    assert left_anywhere(here, ["us-east-1", "eu-west-1"]) == []


@pytest.fixture
def said(here, monkeypatch, capsys):
    """Run spotbox --sandbox in this process (a new one costs seconds here); gives its stderr. The code must match."""

    def run(*args, code):
        for name in [n for n in os.environ if n.startswith(("AWS_", "SPOTBOX_"))]:
            monkeypatch.delenv(name)
        for name, value in here.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(here.home)
        assert cli.run(["--sandbox", *args]) == code, capsys.readouterr()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        lines = err.strip().splitlines()
        assert lines[-2].startswith("spotbox: "), err
        assert lines[-1].startswith("  "), err
        assert out == ""
        return lines[-2] + "\n" + lines[-1]

    return run


def refused(here, *args, code, env=None):
    """Run spotbox --sandbox as a process; stderr ends with two lines, the error and what to do."""
    here.extra = env or {}
    try:
        done = here.sandbox(*args, code=code)
    finally:
        here.extra = {}
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert lines[-2].startswith("spotbox: "), done.stderr
    assert lines[-1].startswith("  "), done.stderr
    return lines[-2] + "\n" + lines[-1]


FROM_AWS = [
    # service, action, code, http, exit code, words that must be there
    ("sts", "GetCallerIdentity", "ExpiredToken", 403, 5, ["expired"]),
    ("sts", "GetCallerIdentity", "InvalidClientTokenId", 403, 5, ["credentials"]),
    ("ec2", "DescribeRegions", "RequestExpired", 400, 5, ["expired"]),
    ("ec2", "RunInstances", "UnauthorizedOperation", 403, 5, ["ec2:RunInstances"]),
    ("ec2", "CreateSecurityGroup", "UnauthorizedOperation", 403, 5, ["ec2:CreateSecurityGroup"]),
    ("ec2", "RunInstances", "MaxSpotInstanceCountExceeded", 400, 4, ["vCPU", "request-service-quota-increase"]),
    ("ec2", "RunInstances", "InsufficientInstanceCapacity", 500, 3, ["us-east-1"]),
    ("ec2", "RunInstances", "SpotMaxPriceTooLow", 400, 3, ["price"]),
    ("ec2", "RunInstances", "AuthFailure.ServiceLinkedRoleCreationNotPermitted", 403, 5, ["spot.amazonaws.com"]),
    ("ec2", "RunInstances", "Unsupported", 400, 3, ["us-east-1"]),
    ("ec2", "RunInstances", "PendingVerification", 400, 5, ["account"]),
]


@pytest.mark.parametrize(
    ("service", "action", "code", "http", "exit_code", "words"), FROM_AWS, ids=lambda v: str(v)[:40]
)
def test_what_aws_refuses(said, aws, service, action, code, http, exit_code, words):
    """AWS's refusal becomes two lines and the contract's exit code; nothing is left behind."""
    aws(service, action, code, http=http)
    text = said(*UP, code=exit_code)
    for word in words:
        assert word in text


FROM_USER = [
    (["up", "Bad_Name", "-y"], 2, ["Bad_Name"]),
    (["up", "x" * 40, "-y"], 2, ["box name"]),
    (["up", "a\nb", "-y"], 2, ["a\\nb"]),
    (["up", "-y", "--max-price", "0"], 2, ["price"]),
    (["up", "-y", "--max-price", "cheap"], 2, ["cheap"]),
    (["up", "-y", "--max-price", "120%"], 2, ["120%"]),
    (["up", "-y", "--disk-size", "20"], 2, ["GiB"]),
    (["up", "-y", "--disk-size", "-5"], 2, ["-5"]),
    (["up", "-y", "--tag", "novalue"], 2, ["KEY=VALUE"]),
    (["up", "-y", "--tag", "aws:x=1"], 2, ["aws:x"]),
    (["up", "-y", "--tag", "a/b=1"], 2, ["a/b"]),
    (["up", "-y", "--allow-cidr", "0.0.0.0/0"], 2, ["whole internet"]),
    (["up", "-y", "--allow-cidr", "nonsense"], 2, ["nonsense"]),
    (["up", "-y", "--wait", "15"], 2, ["unit"]),
    (["up", "-y", "-t", "g5.xlrge"], 2, ["g5.xlrge"]),
    (["up", "-y", "-z", "us-east-1z"], 2, ["us-east-1z"]),
    (["up", "-y", "-r", "us-esat-1"], 2, ["us-east-1"]),
    (["up", "-y", "-r", "ap-east-1"], 5, ["not enabled"]),
    (["up", "-y", "--ami", "ami-0123456789abcdef0"], 2, ["ami-0123456789abcdef0"]),
    (["up", "-y", "--ami", "nosuchalias"], 2, ["nosuchalias"]),
    (["up", "-y", "--subnet", "subnet-0123456789abcdef0"], 2, ["subnet-0123456789abcdef0"]),
    (["up", "-y", "-t", "g5g.xlarge", "-t", "g5.xlarge"], 2, ["g5g.xlarge"]),
    (["up", "-y", "--key", "/no/such/key.pub"], 2, ["/no/such/key.pub"]),
    (["up", "-y", "--user-data", "/no/such/file"], 2, ["/no/such/file"]),
    (["up", "-y", "--gpu", "A10"], 2, ["A10G"]),
    (["ssh", "nobody"], 7, ["nobody"]),
    (["stop", "nobody"], 7, ["nobody"]),
    (["start", "nobody"], 7, ["nobody"]),
    (["status", "nobody"], 7, ["nobody"]),
]


@pytest.mark.parametrize(
    ("args", "exit_code", "words"), FROM_USER, ids=lambda v: " ".join(v)[:50] if isinstance(v, list) else v
)
def test_what_the_user_got_wrong(said, aws, args, exit_code, words):
    """Bad input is refused before anything is made, and the message names it."""
    text = said(*args, code=exit_code)
    for word in words:
        assert word in text


def test_no_default_vpc(here, aws):
    """A region without a default VPC is told with the command that makes one."""
    ec2 = here.client("ec2", "eu-west-1")
    for net in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=net["SubnetId"])
    for vpc in ec2.describe_vpcs()["Vpcs"]:
        for gateway in ec2.describe_internet_gateways()["InternetGateways"]:
            ec2.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc["VpcId"])
        ec2.delete_vpc(VpcId=vpc["VpcId"])
    text = refused(here, *UP, "-r", "eu-west-1", code=1)
    assert "create-default-vpc --region eu-west-1" in text


def test_ssh_not_installed(here, aws, tmp_path):
    """Without OpenSSH nothing is made, and the error says what to install."""
    said = refused(here, *UP, code=1, env={"PATH": str(tmp_path)})
    assert "openssh-client" in said


def test_user_data_too_large(here, aws, tmp_path):
    """User data that does not fit into 16 KB beside the guard is refused with its size."""
    file = tmp_path / "big.sh"
    file.write_text("#!/bin/sh\n" + random.Random(1).randbytes(4000).hex())
    assert "bytes compressed, with" in refused(here, *UP, "--user-data", str(file), code=2)


@pytest.mark.parametrize("text", ["not a key", "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n", "ssh-ed25519 AAAA!!!"])
def test_a_bad_key_file(here, aws, tmp_path, text):
    """What is not a public key is refused and never shown."""
    file = tmp_path / "key"
    file.write_text(text)
    said = refused(here, *UP, "--key", str(file), code=2)
    assert "secret" not in said


def test_a_broken_config(here, aws, tmp_path):
    """A config file with an unknown key names the nearest right one; broken TOML names the line."""
    file = tmp_path / "config.toml"
    file.write_text('[defaults]\nmax-prise = "0.5"\n')
    assert "max-price" in refused(here, "--config", str(file), *UP, code=2)
    file.write_text("[defaults\n")
    assert "line 1" in refused(here, "--config", str(file), *UP, code=2)


def test_no_terminal_and_no_sandbox(here):
    """Against AWS a missing answer without a terminal is a usage error that names the flag."""
    known = here.exports()
    here.extra = {k: v for k, v in known.items() if k.startswith("AWS_")}
    try:
        done = here.run("up", code=2)
        assert "-y" in done.stderr
    finally:
        here.extra = {}


def test_no_such_box_in_the_sandbox(here):
    """A name that the sandbox does not have is exit 7 for the sandbox's own commands too; no word of its kind is 2."""
    said = refused(here, "sandbox", "interrupt", "nobody", code=7)
    assert "no box nobody in the sandbox" in said
    assert "no name of a box" in refused(here, "sandbox", "interrupt", "no/body", code=2)
    said = refused(here, "sandbox", "price", "g5.xlarge", "us-east-1a", "60%", code=2)
    assert "Give USD per hour above 0.001, such as 0.50." in said


def test_no_credentials(here):
    """Without credentials the hint is the sandbox, and the exit code 5."""
    here.extra = {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    try:
        done = here.run("up", "-y", code=5)
    finally:
        here.extra = {}
    assert "--sandbox" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_sandbox_cannot_do(here, aws):
    """A full market: every pool of the type closed gives exit 3 and leaves nothing."""
    rows = here.client("ec2").describe_spot_price_history(
        InstanceTypes=["g5.2xlarge"], ProductDescriptions=["Linux/UNIX"], StartTime=2e9
    )["SpotPriceHistory"]
    zones = {row["AvailabilityZone"] for row in rows}
    assert zones
    for zone in zones:
        here.run("sandbox", "capacity", "g5.2xlarge", zone, "closed")
    said = refused(here, *UP, "-t", "g5.2xlarge", code=3)
    assert "g5.2xlarge" in said
