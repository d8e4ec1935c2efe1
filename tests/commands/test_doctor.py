"""doctor: every row with its status, its remedy and the exit code of its kind; and what of it stops `up`."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from spotbox.commands.doctor import _lines
from spotbox.core.doctor import fail, ok
from spotbox.core.judge import DiskKey
from tests.commands.world import NOON, public_key

ALLOW = (
    'aws iam create-policy --policy-name spotbox --policy-document "$(spotbox policy box)" && aws iam '
    "attach-user-policy --user-name alice --policy-arn arn:aws:iam::123456789012:policy/spotbox"
)
QUOTA = (
    "aws service-quotas request-service-quota-increase --region us-east-1 --service-code ec2 --quota-code L-3819A6DF"
)
ROLE = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"


def bad(said):
    """Status and remedy of the rows that are not ok."""
    return {row["check"]: (row["status"], row["remedy"]) for row in said.json if row["status"] != "ok"}


def test_all_is_well(user):
    """Whole output: a mark that reads without colour, the check, what was seen; nothing on stderr."""
    said = user.run("doctor")
    assert (said.code, said.err) == (0, "")
    home = user.home
    assert said.out == (
        f"ok    config       none ({home}/config.toml)\n"
        f"ok    files        {home}, {home}/cache\n"
        "ok    ssh          OpenSSH 9.6\n"
        "ok    credentials  arn:aws:iam::123456789012:user/alice, from env\n"
        "ok    clock        agrees with AWS's\n"
        "ok    region       us-east-1 is enabled\n"
        "ok    permissions  1 actions tried or simulated, all allowed\n"
        "ok    spot-role    AWSServiceRoleForEC2Spot\n"
        "ok    quota        64 vCPU (L-3819A6DF, All G and VT Spot Instance Requests), 0 in use; g4dn.xlarge needs 4\n"
        "ok    network      default VPC vpc-1 with a subnet in 2 zones\n"
        "ok    type         g4dn.xlarge is sold on Spot in us-east-1a and us-east-1b\n"
        "ok    image        dlami is ami-1 (Deep Learning Base OSS (Ubuntu 24.04)), of 2026-02-01\n"
        "ok    key          none yet: the first `up` makes one\n"
        "ok    disk-key     disks are encrypted with AWS's own key (aws/ebs)\n"
    )


BROKEN = [
    # what is set in the World, check, status, exit code, remedy
    ({"role": False}, "spot-role", "warn", 0, ROLE),
    ({"role": None}, "spot-role", "warn", 0, ALLOW),
    ({"quota": Decimal(0)}, "quota", "fail", 4, f"{QUOTA} --desired-value 4"),
    ({"quota": Decimal(3)}, "quota", "fail", 4, f"{QUOTA} --desired-value 4"),
    ({"quota": Decimal(8), "used": 6}, "quota", "warn", 0, f"{QUOTA} --desired-value 10"),
    ({"quota": None}, "quota", "warn", 0, ALLOW),
    ({"told": NOON - timedelta(seconds=90)}, "clock", "warn", 0, "sudo timedatectl set-ntp true"),
    ({"told": NOON + timedelta(minutes=16)}, "clock", "fail", 5, "sudo timedatectl set-ntp true"),
    ({"denied": ("ec2:RunInstances",)}, "permissions", "fail", 5, ALLOW),
    ({"doubted": ("ec2:DeleteVolume",)}, "permissions", "warn", 0, ALLOW),
    ({"ssh_version": "OpenSSH_7.4p1"}, "ssh", "warn", 0, "sudo apt-get install -y openssh-client"),
    ({"folder_trouble": ("denied", "/a b")}, "files", "fail", 1, "chmod -- u+rwx '/a b'"),
    ({"folder_trouble": ("foreign", "/x")}, "files", "fail", 1, 'sudo chown -R -- "$(id -un)" /x'),
    ({"disk_key": DiskKey(KEY, True, None, "no")}, "disk-key", "warn", 0, "aws kms create-grant --key-id " + KEY),
    ({"disk_key": DiskKey(KEY, True, False)}, "disk-key", "fail", 5, "aws kms create-grant --key-id " + KEY),
]


@pytest.mark.parametrize(("wrong", "check", "status", "code", "remedy"), BROKEN, ids=lambda v: str(v)[:30])
def test_what_is_wrong(user, wrong, check, status, code, remedy):
    """One thing is wrong: one row says so, with the command that mends it and the exit code of its kind."""
    for name, value in wrong.items():
        setattr(user.world, name, value)
    said = user.run("doctor", "-o", "json")
    assert said.code == code
    assert list(bad(said)) == [check]
    assert bad(said)[check][0] == status
    assert bad(said)[check][1].startswith(remedy)
    table = user.run("doctor")
    assert f"$ {remedy}" in table.out
    assert f"{'FAIL' if status == 'fail' else 'warn'}  {check}" in table.out


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"quota": Decimal(0)}, 4), ({"quota": Decimal(0), "denied": ("ec2:RunInstances",)}, 5),
     ({"quota": Decimal(0), "folder_trouble": ("file", "/x")}, 4)],
)  # fmt: skip
def test_of_several_the_gravest(user, wrong, code):
    """Credentials and permission before quota, quota before the rest; the error names all of them."""
    for name, value in wrong.items():
        setattr(user.world, name, value)
    said = user.run("doctor")
    assert said.code == code
    assert f"{len(wrong)} check" in said.err
    assert "then run `spotbox doctor` again" in said.err


@pytest.mark.parametrize(("login", "remedy"), [("", "aws configure"), ("sso", "aws sso login"), ("login", "aws login")])
def test_without_credentials(user, login, remedy):
    """Exit 5 with the login that the profile is set up for; what needs credentials is left out, and that is said."""
    user.world.login = login
    user.world.refuses("GetCallerIdentity", "ExpiredToken", http=403)
    said = user.run("doctor", "-o", "json")
    assert said.code == 5
    assert bad(said) == {"credentials": ("fail", remedy)}
    assert [row["check"] for row in said.json][-1] == "clock"
    assert "what needs credentials was not looked at" in said.err


def test_in_the_sandbox_no_command_reaches_aws(user):
    """Each line points the AWS CLI at the sandbox by itself: pasted alone it would act on the real account."""
    user.world.quota, user.world.role = Decimal(0), False
    said = user.run("--sandbox", "doctor", "-o", "json", sandbox=True)
    for _, remedy in bad(said).values():
        assert remedy.startswith('(eval "$(spotbox sandbox env)"; aws ')
        assert remedy.endswith(")")


def test_no_default_vpc(user):
    """Exit 1; `create-default-vpc` with the region."""
    user.world.subnets = lambda region: ()
    said = user.run("doctor", "-r", "eu-west-1", "-o", "json")
    assert said.code == 1
    assert bad(said)["network"] == ("fail", "aws ec2 create-default-vpc --region eu-west-1")


def test_a_zone_that_sells_and_has_no_subnet(user):
    """A warning as long as another zone will do."""
    nets = user.world.subnets("us-east-1")
    user.world.offers("us-east-1", "g4dn.xlarge", a="0.2", c="0.1")
    user.world.subnets = lambda region: nets
    remedy = "aws ec2 create-default-subnet --availability-zone us-east-1c --region us-east-1"
    assert bad(user.run("doctor", "-t", "g4dn.xlarge", "-o", "json")) == {"network": ("warn", remedy)}


def test_a_region_that_is_not_enabled_and_one_that_is_none(user):
    """Exit 5 with the command; a region that does not exist is a usage error."""
    said = user.run("doctor", "-r", "ap-east-1", "-o", "json")
    assert said.code == 5
    assert bad(said) == {"region": ("fail", "aws account enable-region --region-name ap-east-1")}
    assert user.run("doctor", "-r", "mars-1").code == 2


def test_a_type_that_does_not_exist(user):
    """Exit 2, as everywhere."""
    assert user.run("doctor", "-t", "g5.huge").code == 2


def test_a_type_without_a_spot_price_and_an_image_that_does_not_fit(user):
    """Exit 1; each has its own row."""
    user.world.offers("us-east-1", "g5.xlarge")
    user.world.image = replace(user.world.image, description="Supported EC2 instances: P4d, P5. Release notes: x")
    said = user.run("doctor", "-t", "g5.xlarge", "-o", "json")
    assert said.code == 1
    assert bad(said) == {
        "type": ("fail", "spotbox prices -r all -t g5.xlarge"),
        "image": ("fail", "spotbox doctor -r us-east-1 -t p4d.24xlarge"),
    }


def test_every_named_type_has_its_quota(user):
    """-t repeats."""
    said = user.run("doctor", "-t", "g4dn.xlarge", "-t", "g5.xlarge", "-o", "json")
    needs = [row["detail"].rpartition("; ")[2] for row in said.json if row["check"] == "quota"]
    assert needs == ["g4dn.xlarge needs 4", "g5.xlarge needs 4"]


@pytest.mark.parametrize(("action", "check"), [("DescribeSubnets", "network"), ("DescribeKeyPairs", "key"),
                                               ("GetEbsDefaultKmsKeyId", "disk-key")])  # fmt: skip
def test_what_may_not_be_looked_at_is_a_warning(user, action, check):
    """It says so, and does not guess."""
    (user.home / "keys").mkdir(parents=True)
    (user.home / "keys" / "spotbox_ed25519").write_text("the private half")
    (user.home / "keys" / "spotbox_ed25519.pub").write_text(public_key())
    user.world.refuses(action, "UnauthorizedOperation", http=403)
    said = user.run("doctor", "-o", "json")
    assert said.code == 0
    assert bad(said)[check] == ("warn", ALLOW)


def test_the_key_of_the_region(user):
    """The same public half is fine, another is not: nobody could log in with it."""
    keys = user.home / "keys"
    keys.mkdir(parents=True)
    (keys / "spotbox_ed25519").write_text("the private half")
    (keys / "spotbox_ed25519.pub").write_text(public_key())
    assert "is imported by `up`" in user.run("doctor").out
    user.world.has_box("dev")
    assert "is there" in user.run("doctor").out
    user.world.other_key = public_key("x")
    said = user.run("doctor", "-o", "json")
    assert said.code == 1
    name = next(iter(user.world.keys.values())).name
    assert bad(said)["key"] == ("fail", f"aws ec2 delete-key-pair --key-name {name} --region us-east-1")


def test_a_broken_config_file_is_a_row(user):
    """The rest is still looked at; an unknown key counts as broken, a file that --config names must be there."""
    user.home.mkdir(exist_ok=True)
    for text in ("[defaults\n", '[defaults]\nregin = "x"\n'):
        (user.home / "config.toml").write_text(text)
        said = user.run("doctor", "-o", "json")
        assert said.code == 1
        assert bad(said)["config"][1] == f"mv -- {user.home}/config.toml {user.home}/config.toml.broken"
    assert user.run("doctor", "--config", "/no/such/file").code == 2


def test_settings_are_what_is_checked(user):
    """The config file's region and type, and SPOTBOX_SUBNET, as `up` would take them."""
    user.home.mkdir(exist_ok=True)
    (user.home / "config.toml").write_text('[defaults]\nregion = "eu-west-1"\ninstance-type = "g5.xlarge"\n')
    rows = {row["check"]: row["detail"] for row in user.run("doctor", "-o", "json").json}
    assert rows["region"].startswith("eu-west-1")
    assert rows["quota"].endswith("g5.xlarge needs 4")


def test_csv(user):
    """A header, then a row for each check."""
    lines = user.run("doctor", "-o", "csv").out.splitlines()
    assert lines[0] == "check,status,detail,remedy"
    assert len(lines) == 15


UP = [
    ({"folder_trouble": ("file", "/x")}, 1, "/x is a file and no folder"),
    ({"told": NOON + timedelta(minutes=16)}, 5, "this machine's clock is 960 s behind AWS's"),
    ({"disk_key": DiskKey(KEY, True, False)}, 5, "which the Spot role may not use"),
    ({"quota": Decimal(0)}, 4, "your Spot quota in us-east-1 is 0 vCPU"),
]


@pytest.mark.parametrize(("wrong", "code", "words"), UP, ids=lambda v: str(v)[:30])
def test_what_fails_stops_up_before_anything_is_made(user, wrong, code, words):
    """The same checks and the same commands; of what is fine, or only a warning, `up` says nothing."""
    for name, value in wrong.items():
        setattr(user.world, name, value)
    remedies = {row["remedy"] for row in user.run("doctor", "-o", "json").json if row["status"] == "fail"}
    said = user.run("up", "-y")
    assert said.code == code
    assert words in said.err
    assert any(f"Mend it with: {remedy}" in said.err for remedy in remedies)
    assert not user.world.requests
    assert not user.world.groups


def test_a_warning_does_not_stop_up(user):
    """An old ssh, a clock a minute off and a key that cannot be looked up are no reasons."""
    user.world.ssh_version = "OpenSSH_7.4p1"
    user.world.told = NOON - timedelta(seconds=90)
    user.world.disk_key = DiskKey(KEY, True, None, "no")
    said = user.run("up", "-y")
    assert said.code == 0
    assert "7.4" not in said.err


def test_on_a_narrow_terminal():
    """What was seen is wrapped below itself; a command is never broken, for it is pasted."""
    lines = _lines([fail("quota", "word " * 30, f"{QUOTA} --desired-value 4"), ok("key", "short")], False, 60)
    assert lines[0].startswith("FAIL  quota  word")
    assert lines[1].startswith("             word")
    (command,) = [line for line in lines if line.strip().startswith("$ ")]
    assert command.strip() == f"$ {QUOTA} --desired-value 4"
    assert max(len(line) for line in lines if line != command) <= 60


@pytest.mark.parametrize(("env", "colour"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_is_never_all_there_is(user, env, colour):
    """The words are the same with and without it."""
    plain = _lines([fail("a", "b", "c")], False)
    assert plain[0].startswith("FAIL  a")
    assert ("\x1b" in _lines([fail("a", "b", "c")], colour)[0]) is colour
    user.env = env
    assert "\x1b" not in user.run("doctor").out  # no terminal


def test_a_key_file_that_is_something_else_is_left_alone(user):
    """A remedy never names a file that is there as the place of a new key."""
    file = user.home.parent / "notes"
    file.write_text("two\nlines\n")
    said = user.run("doctor", "--key", str(file), "-o", "json")
    assert said.code == 1
    assert f"-f {file} " not in bad(said)["key"][1] + " "
    assert file.read_text() == "two\nlines\n"
