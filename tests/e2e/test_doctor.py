"""`doctor` against the sandbox: whatever is broken, the command that it prints mends it, pasted as it stands."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from spotbox import cli
from spotbox.core.names import key_fingerprint
from spotbox.sandbox import process
from tests.e2e.conftest import SPOTBOX, needs_ssh

pytestmark = needs_ssh
ROOT = Path(__file__).parents[2]
EAST, WEST = "us-east-1", "eu-west-1"
ANOTHER = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBkr0lQ4mJjB8iRmPVYlvzZ3ZVFAQrdHv3gXxVJQfGWa"


class Patient:
    """A user at a machine whose sandbox can be broken; `row` is one row of his `doctor`, run in this process."""

    def __init__(self, here, tools, monkeypatch, capsys):
        self.here, self.tools, self.monkeypatch, self.capsys = here, tools, monkeypatch, capsys
        self.extra: dict[str, str] = {}
        self.code = 0

    @property
    def env(self):
        """The user's environment, with `aws` and `spotbox` on the PATH."""
        return {**self.here.env, "PATH": f"{self.tools}{os.pathsep}{self.here.env['PATH']}", **self.extra}

    def break_(self, verb, **given):
        """What no customer of AWS can do."""
        process.call(process.running(self.here.home / "spot box" / "sandbox"), verb, **given)

    def rows(self, *args, sandbox=True):
        """All rows of `doctor`; `code` is how it ended."""
        with self.monkeypatch.context() as patch:
            for name in [n for n in os.environ if n.startswith(("AWS_", "SPOTBOX_"))]:
                patch.delenv(name)
            for name, text in self.env.items():
                patch.setenv(name, text)
            patch.chdir(self.here.home)
            self.capsys.readouterr()
            self.code = cli.run([*(["--sandbox"] if sandbox else []), "doctor", "-o", "json", *args])
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err, err
        return json.loads(out)

    def row(self, check, *args, **options):
        """The row of that check; the gravest where there are several."""
        found = [row for row in self.rows(*args, **options) if row["check"] == check]
        return min(found, key=lambda row: ["fail", "warn", "ok"].index(row["status"]))

    def paste(self, line, stdin=""):
        """The line in a shell that knows nothing of the sandbox."""
        done = subprocess.run(
            ["bash", "-c", line], env=self.env, cwd=self.here.home, input=stdin, capture_output=True, text=True,
            timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def mended(self, check, status, *args, code=0, stdin="", **options):
        """`doctor` shows it, the printed command is pasted, `doctor` shows it no more. Gives the row."""
        row = self.row(check, *args, **options)
        assert row["status"] == status, row
        assert self.code == code
        assert row["remedy"], row
        self.paste(row["remedy"], stdin)
        after = self.row(check, *args, **options)
        assert after["status"] == "ok", (row, after)
        return row


def _aws_of(kind):
    if kind == "stand-in":
        return f'cd {ROOT} && exec {sys.executable} -m tests.e2e.aws_cli "$@"'
    real = os.environ.get("SPOTBOX_TEST_AWS") or shutil.which("aws")
    return f'exec {real} "$@"' if real else pytest.skip("the AWS CLI is not installed")


@pytest.fixture(scope="module", params=["stand-in", pytest.param("aws", marks=pytest.mark.slow)])
def tools(request, tmp_path_factory):
    """A folder with `aws`, the real one or the stand-in, and `spotbox`."""
    folder = tmp_path_factory.mktemp("bin")
    script = _aws_of(request.param)
    for name, text in (("aws", script), ("spotbox", f'exec {SPOTBOX} "$@"')):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def user(here, tools, monkeypatch, capsys):
    """Nothing that one test broke reaches the next."""
    here.run("sandbox", "start")
    yield Patient(here, tools, monkeypatch, capsys)
    endpoint = process.running(here.home / "spot box" / "sandbox")
    process.call(endpoint, "deny", actions=[])
    process.call(endpoint, "region", name="eu-north-1", enabled=True)


def test_a_fresh_account(user):
    """Everything is looked at in one run; what is missing is the Spot role alone, which is no failure."""
    rows = user.rows()
    assert [row["check"] for row in rows] == [
        *("config", "files", "ssh", "credentials", "clock", "region", "permissions", "spot-role", "quota", "network"),
        *("type", "image", "key", "disk-key"),
    ]
    assert user.code == 0
    assert {row["check"] for row in rows if row["status"] != "ok"} <= {"spot-role"}
    assert all(bool(row["remedy"]) == (row["status"] != "ok") for row in rows)


def break_all(user, here):
    """Quota, network, disk key, key pair, config file and cache are out of order; there is no Spot role."""
    ec2, home = here.client("ec2"), here.home / "spot box"
    iam = here.client("iam")
    with suppress(iam.exceptions.ClientError):
        iam.delete_role(RoleName="AWSServiceRoleForEC2Spot")
    user.break_("quota", code="L-3819A6DF", value=0, region=EAST)
    for net in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=net["SubnetId"])
    for vpc in ec2.describe_vpcs()["Vpcs"]:
        ec2.delete_vpc(VpcId=vpc["VpcId"])
    key = here.client("kms").create_key()["KeyMetadata"]["Arn"]
    ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    (home / "keys").mkdir(exist_ok=True)
    private = home / "keys" / "spotbox_ed25519"
    for half in (private, private.with_suffix(".pub")):
        half.unlink(missing_ok=True)  # ssh-keygen would ask
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", private], check=True)
    name = f"spotbox-sandbox-{key_fingerprint(private.with_suffix('.pub').read_text())}"
    ec2.import_key_pair(KeyName=name, PublicKeyMaterial=ANOTHER)
    (home / "config.toml").write_text("[defaults\n")
    shutil.rmtree(home / "cache", ignore_errors=True)
    (home / "cache").write_text("no folder")


def test_all_that_is_broken_is_mended_by_what_is_printed(user, here):
    """One run names all of it, with the exit code of the gravest; the commands are pasted as they stand; all is ok."""
    break_all(user, here)
    rows = user.rows("-t", "g5.2xlarge")
    bad = {row["check"]: row for row in rows if row["status"] != "ok"}
    assert {check: row["status"] for check, row in bad.items()} == {
        "config": "fail",
        "files": "fail",
        "spot-role": "warn",
        "quota": "fail",
        "network": "fail",
        "key": "fail",
        "disk-key": "fail",
    }
    assert user.code == 5
    assert "--quota-code L-3819A6DF --desired-value 8" in bad["quota"]["remedy"]
    assert "no default VPC" in bad["network"]["detail"]
    for row in bad.values():
        user.paste(row["remedy"])
    rows = user.rows("-t", "g5.2xlarge")
    assert {row["check"]: row["detail"] for row in rows if row["status"] != "ok"} == {}
    assert user.code == 0
    here.client("ec2").reset_ebs_default_kms_key_id()


@pytest.mark.slow
def test_a_zone_without_a_subnet(user, here):
    """A warning that names the zone, as long as other zones sell the type."""
    ec2 = here.client("ec2")
    net = next(n for n in ec2.describe_subnets()["Subnets"] if n["AvailabilityZone"] == "us-east-1f")
    ec2.delete_subnet(SubnetId=net["SubnetId"])
    row = user.mended("network", "warn", "-t", "g4dn.xlarge")
    assert "none in us-east-1f" in row["detail"]


@pytest.mark.slow
def test_a_region_that_is_not_enabled(user):
    """Exit 5; what is in the region is not looked at before it is enabled."""
    user.break_("region", name="eu-north-1", enabled=False)
    user.mended("region", "fail", "-r", "eu-north-1", code=5)
    user.break_("region", name="eu-north-1", enabled=False)
    assert user.rows("-r", "eu-north-1")[-1]["check"] == "region"


@pytest.mark.slow
def test_a_key_of_ones_own(user, here):
    """A file that is not there, then one whose private half is elsewhere: the command makes a pair."""
    for file in here.home.glob("my key*"):
        file.unlink()
    user.extra = {"SPOTBOX_KEY": str(here.home / "my key.pub")}
    user.mended("key", "fail", code=1)
    (here.home / "my key.pub").unlink()
    private = (here.home / "my key").read_bytes()
    user.mended("key", "fail", code=1)
    assert (here.home / "my key").read_bytes() == private
    (here.home / "my key").unlink()
    user.mended("key", "warn")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "value", "check"),
    [
        ("SPOTBOX_AMI", "ami-00000000000000001", "image"),
        ("SPOTBOX_AMI", "zork", "image"),
        ("SPOTBOX_SUBNET", "subnet-0123", "network"),
        ("SPOTBOX_INSTANCE_TYPE", "t3.micro", "image"),  # which the Deep Learning AMI does not support
    ],
)
def test_a_setting_that_means_nothing_here(user, setting, value, check):
    """The command is pasted, and `doctor` in the same shell shows the row as ok."""
    user.extra = {setting: value}
    row = user.row(check)
    assert (row["status"], user.code) == ("fail", 1)
    after = "" if " doctor " in row["remedy"] else "; spotbox --sandbox doctor"
    said = user.paste(row["remedy"] + after)
    assert [line for line in said.splitlines() if line.startswith(f"ok    {check} ")], said


@pytest.mark.slow
def test_a_type_that_the_region_has_not(user, here):
    """A usage error, as everywhere, and no row."""
    here.run("--sandbox", "doctor", "-r", WEST, "-t", "p5.48xlarge", code=2)


def test_no_credentials(user):
    """Exit 5; after `aws configure` there are some. Against AWS itself, so to speak: without --sandbox."""
    known = user.here.exports()
    user.extra = {"AWS_ENDPOINT_URL": known["AWS_ENDPOINT_URL"], "AWS_EC2_METADATA_DISABLED": "true"}
    answers = f"{known['AWS_ACCESS_KEY_ID']}\n{known['AWS_SECRET_ACCESS_KEY']}\n{EAST}\njson\n"
    row = user.mended("credentials", "fail", code=5, stdin=answers, sandbox=False)
    assert row["remedy"] == "aws configure"
    assert user.rows(sandbox=False)[3]["detail"].endswith("from shared-credentials-file")


@pytest.mark.skipif("policy" not in cli.COMMANDS, reason="the remedy is what `spotbox policy` prints")
@pytest.mark.parametrize(
    ("action", "check", "status", "code"),
    [
        ("ec2:RunInstances", "permissions", "fail", 5),
        pytest.param("ec2:TerminateInstances", "permissions", "fail", 5, marks=pytest.mark.slow),
        pytest.param("iam:GetRole", "spot-role", "warn", 0, marks=pytest.mark.slow),
    ],
)
def test_an_action_that_is_denied(user, here, action, check, status, code):
    """It is named; the policy that `spotbox policy box` prints allows it."""
    iam = here.client("iam")
    with suppress(iam.exceptions.ClientError):  # it is there
        iam.create_service_linked_role(AWSServiceName="spot.amazonaws.com")
    user.break_("deny", actions=[action])
    row = user.mended(check, status, code=code)
    assert action in row["detail"]
    arn = row["remedy"].rstrip(")").split()[-1]
    iam.detach_user_policy(UserName="sandbox", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)


def test_a_denied_action_is_seen(user):
    """A dry run tells of a launch, the simulator leaves a doubt about what no dry run tells."""
    user.break_("deny", actions=["ec2:RunInstances", "ec2:DeleteVolume"])
    row = user.row("permissions")
    assert (row["status"], row["detail"], user.code) == ("fail", "denied: ec2:RunInstances", 5)
    user.break_("deny", actions=["ec2:DeleteVolume"])
    row = user.row("permissions")
    assert (row["status"], user.code) == ("warn", 0)
    assert row["detail"] == "not known before they are used: ec2:DeleteVolume"
    assert "attach-user-policy --user-name sandbox" in row["remedy"]


@pytest.mark.slow
def test_two_round_trips(user):
    """Where every call takes three seconds, all of it takes little more than six: no call waits for a third."""
    user.rows("-t", "g4dn.xlarge")  # types and zones are known from here on
    began = time.monotonic()
    user.rows("-t", "g4dn.xlarge")
    own = time.monotonic() - began
    endpoint = process.running(user.here.home / "spot box" / "sandbox")
    process.call(endpoint, "fault", code="slow", delay=3, times=-1)
    try:
        began = time.monotonic()
        assert {row["status"] for row in user.rows("-t", "g4dn.xlarge")} <= {"ok", "warn"}
        took = time.monotonic() - began
    finally:
        process.call(endpoint, "fault", clear=True)
    assert 6 <= took <= own + 8.5
