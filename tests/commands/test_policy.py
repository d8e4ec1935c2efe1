"""`spotbox policy`: what it prints, held against the code that calls AWS."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

import spotbox.aws
from spotbox.aws.sessions import EC2_OPERATIONS
from spotbox.core.policies import LOOKING, ONLY_LOOKING, USES, holders
from tests.policies import DISK_KEY, EVERY, NEEDED_BESIDES, PLACE, allowed, allows, items, printed, wanted

MANAGED = 6144  # characters of a managed policy, white space not counted (IAM User Guide, "IAM and AWS STS quotas")
ACCOUNT = "123456789012"
LONGEST = ("--account", ACCOUNT, "--iam-profile", "r" * 64)
INSTANCE = f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/i-0123456789abcdef0"
TAGGED = {"aws:ResourceTag/spotbox:owner": "ann"}
NEW = {"aws:RequestTag/spotbox:owner": "ann"}
# Calls that change or show what is there, and so stand under a tag condition with --strict; what they need beside the
# tagged thing has no tags of spotbox's: the image and the subnet of a launch, the VPC of a group, the image of a copy.
UNTAGGED = {
    ("ec2:RunInstances", "image"),
    ("ec2:RunInstances", "subnet"),
    ("ec2:CreateSecurityGroup", "vpc"),
    ("ec2:CopyImage", "image"),
}
MODULES = {path.name: path.read_text() for path in Path(spotbox.aws.__path__[0]).glob("*.py")}
SOURCES = "".join(MODULES.values())
CLIENT = re.compile(r'client\(\s*"([a-z0-9-]+)"')
# Called, and not allowed.
NOT_FOR_USERS = {"s3:CreateBucket": "buckets are made in the sandbox alone"}


def operations():
    """(service as it signs, operation) of every call of the code: EC2's as the client is cut to them; of the other
    services those whose method a module names that makes a client of theirs."""
    session = botocore.session.get_session()
    yield from (("ec2", name) for name in EC2_OPERATIONS)
    for text in MODULES.values():
        methods = set(called(ast.parse(text)))
        for service in set(CLIENT.findall(text)) - {"ec2"}:
            model = session.get_service_model(service)
            yield from ((model.signing_name, name) for name in model.operation_names if xform_name(name) in methods)


def called(tree):
    """Names that may be methods of a client: `client.x`, `aws.client(...).x`, "x"; none of a module or a constant."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {alias.asname or alias.name for node in imports for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Attribute):
            of = node.value
            if isinstance(of, ast.Call) or (isinstance(of, ast.Name) and of.id not in modules and not of.id.isupper()):
                yield node.attr


@pytest.fixture
def policies(user):
    """The user's own policy for each use."""
    return {use: printed(user, use, *PLACE) for use in USES}


@pytest.mark.parametrize("args", EVERY, ids=" ".join)
def test_it_prints_what_iam_takes(user, args):
    """Pure JSON of IAM's version and size, each Sid once, with nothing left to fill in."""
    longest = {"box": LONGEST, "train": ("--account", ACCOUNT, "--role", "r" * 64)}
    for extra in ((), longest.get(args[0], ())):
        made = printed(user, *args, *extra, *PLACE)
        assert made["Version"] == "2012-10-17"
        assert len(json.dumps(made, separators=(",", ":"))) <= MANAGED
        sids = [statement["Sid"] for statement in made["Statement"] if "Sid" in statement]
        assert len(sids) == len(set(sids))
        assert not re.search("ACCOUNT|ROLE|SERVICE|BUCKET|PREFIX|DISKKEYS", json.dumps(made))


def test_it_asks_nothing_of_aws(tmp_path):
    """It works without credentials, network or home, and loads nothing that could ask."""
    watch = "import sys; sys.argv = ['spotbox', 'policy', 'box']; from spotbox.cli import run; code = run();"
    watch += "sys.exit(code or 'botocore' in sys.modules or 'moto' in sys.modules)"
    env = {"PATH": os.environ["PATH"], "SPOTBOX_HOME": str(tmp_path / "none"), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", watch], env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Statement"]
    assert not (tmp_path / "none").exists()


def test_every_call_of_the_code_is_allowed(policies):
    """No call that the code names, and no action that an error would name, is beyond the three policies."""
    every = set().union(*map(allowed, policies.values())) | NEEDED_BESIDES
    missing = {action for call in operations() for action in wanted(*call)} - every - NOT_FOR_USERS.keys()
    assert not missing
    named = set(re.findall(r'translating\(\s*"([\w-]+:\w+)"', SOURCES)) | set(
        re.findall(r'"((?:servicequotas|iam|ssm|sts|ec2|sagemaker|logs|s3):[A-Z]\w+)"', SOURCES)
    )
    assert len(named) > 15
    assert named <= every | NOT_FOR_USERS.keys()


def test_nothing_is_allowed_in_vain(policies):
    """Each action that a policy allows is one that the code calls, or has its reason."""
    called = {action for call in operations() for action in wanted(*call)}
    for use, policy in policies.items():
        assert not allowed(policy) - called, use


def test_a_box_needs_all_but_what_looking_at_prices_does(policies):
    """Of the EC2 calls only those of `prices` and `train` alone are not in `box`."""
    ec2 = {f"ec2:{name}" for service, name in operations() if service == "ec2"}
    assert ec2 - allowed(policies["box"]) == ONLY_LOOKING
    assert allowed(policies["prices"]) == LOOKING


def test_the_hint_of_a_refusal_names_the_policy_that_holds_the_action(policies):
    """`holders` knows the templates: every action is in each policy that it names."""
    for use, policy in policies.items():
        for action in allowed(policy):
            named = holders(action, "CreateTrainingJob" if use == "train" else "")
            assert named, action
            assert all(action in allowed(policies[other]) for other in named), action


def test_a_relaunch_by_aws_can_be_removed(user):
    """AWS launches anew without tags: by default it is tagged, stopped and removed all the same; not with --strict."""
    lax, strict = printed(user, "box"), printed(user, "box", "--strict")
    volume = INSTANCE.replace("instance/i-", "volume/vol-")
    for action, thing in [
        ("ec2:TerminateInstances", INSTANCE),
        ("ec2:StopInstances", INSTANCE),
        ("ec2:CreateTags", INSTANCE),
        ("ec2:DeleteVolume", volume),
    ]:
        assert allows(lax, action, thing), action
        assert not allows(strict, action, thing), action
        assert allows(strict, action, thing, **TAGGED), action


def test_strict_changes_only_what_is_tagged(user):
    """With --strict each statement that changes something asks for a tag, of the thing or of the call that makes it."""
    lax, strict = printed(user, "box"), printed(user, "box", "--strict")
    assert allowed(lax) - allowed(strict) == {"ec2:RequestSpotInstances"}
    assert allowed(strict) <= allowed(lax)
    assert allowed(printed(user, "train")) == allowed(printed(user, "train", "--strict"))
    for statement in strict["Statement"]:
        tagged = {"aws:ResourceTag/spotbox:owner", "aws:RequestTag/spotbox:owner"} & set(
            statement.get("Condition", {}).get("Null", {})
        )
        created = "ec2:CreateAction" in json.dumps(statement)
        for action in items(statement["Action"]):
            kinds = {arn.split(":")[5].split("/")[0] for arn in items(statement["Resource"]) if arn != "*"}
            loose = {(action, kind) for kind in kinds} <= UNTAGGED
            reads = re.match(r"ec2:(Describe|GetSpot)|pricing|servicequotas|ssm|iam", action)
            assert tagged or created or loose or reads, (action, statement["Sid"])


def test_strict_launches_with_tags_alone(user):
    """The launch that spotbox makes is allowed, in all its parts; one without tags is not."""
    strict = printed(user, "box", "--strict", "--account", ACCOUNT)
    arn = f"arn:aws:ec2:us-east-1:{ACCOUNT}:"
    parts = {
        "arn:aws:ec2:us-east-1::image/ami-1": {},
        f"{arn}subnet/subnet-1": {},
        f"{arn}security-group/sg-1": TAGGED,
        f"{arn}key-pair/spotbox-ann-1": TAGGED,
        **dict.fromkeys([f"{arn}{kind}/x" for kind in ("instance", "volume", "network-interface")], NEW),
        f"{arn}spot-instances-request/sir-1": NEW,
    }
    for part, keys in parts.items():
        assert allows(strict, "ec2:RunInstances", part, **keys), part
        assert allows(strict, "ec2:RunInstances", part) == (not keys), part
    assert allows(strict, "ec2:CreateTags", f"{arn}instance/x", **{"ec2:CreateAction": "RunInstances"})
    assert not allows(strict, "ec2:RunInstances", INSTANCE.replace(ACCOUNT, "210987654321"), **NEW)


def test_strict_says_what_it_gives_up(user):
    """What can then not be cleaned up is told on stderr, with what to do; the default gives nothing up."""
    said = user.run("policy", "box", "--strict").err
    for words in ("launched anew", "carry no tags and bill", "`spotbox down`", "`spotbox audit --fix`", "`up --park`"):
        assert words in said
    assert "strict" not in user.run("policy", "box").err
    assert "cannot be stopped" in user.run("policy", "train", "--strict").err
    assert "the same policy" in user.run("policy", "prices", "--strict").err


def test_roles_are_passed_to_their_service_alone(user):
    """PassRole covers the one role that was named, else those named spotbox-*, and one service."""
    for use, service, flag in (("box", "ec2", "--iam-profile"), ("train", "sagemaker", "--role")):
        keys = {"iam:PassedToService": f"{service}.amazonaws.com"}
        role = f"arn:aws:iam::{ACCOUNT}:role/"
        by_default, named = printed(user, use), printed(user, use, flag, "trainer")
        assert allows(by_default, "iam:PassRole", f"{role}spotbox-x", **keys)
        assert not allows(by_default, "iam:PassRole", f"{role}admin", **keys)
        assert allows(named, "iam:PassRole", f"{role}trainer", **keys)
        assert not allows(named, "iam:PassRole", f"{role}spotbox-x", **keys)
        assert not allows(named, "iam:PassRole", f"{role}trainer", **{"iam:PassedToService": "lambda.amazonaws.com"})
        assert flag in user.run("policy", use).err
    slr = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"
    box = printed(user, "box")
    assert allows(box, "iam:CreateServiceLinkedRole", slr, **{"iam:AWSServiceName": "spot.amazonaws.com"})
    assert not allows(box, "iam:CreateServiceLinkedRole", slr, **{"iam:AWSServiceName": "spotfleet.amazonaws.com"})


@pytest.mark.parametrize("strict", [(), ("--strict",)], ids=["by default", "strict"])
def test_a_disk_key_of_ones_own_is_used_through_ec2_alone(user, strict):
    """EBS User Guide, "Requirements for Amazon EBS encryption": who launches must be allowed these on the key; granted
    it is what EC2 does on the caller's behalf, with that key, and nothing where none is named."""
    made, without = printed(user, "box", *strict, "--disk-key", DISK_KEY), printed(user, "box", *strict)
    ec2 = {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}
    other = DISK_KEY.replace("mrk-0", "mrk-1")
    for name in ("CreateGrant", "Decrypt", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo"):
        action, keys = f"kms:{name}", {**ec2, "kms:GrantIsForAWSResource": "true"}
        assert allows(made, action, DISK_KEY, **keys), action
        assert not allows(made, action, other, **keys), action
        assert not allows(made, action, DISK_KEY, **{**keys, "kms:ViaService": "s3.us-east-1.amazonaws.com"}), action
        assert action not in allowed(without)
    assert not allows(made, "kms:CreateGrant", DISK_KEY, **ec2, **{"kms:GrantIsForAWSResource": "false"})
    assert "DISKKEYS" not in json.dumps(without)


def test_the_role_and_who_may_take_it(user):
    """--document role and trust are what a new role of a box or of a job is made from."""
    role = printed(user, "box", "--document", "role", "--bucket", "s3://mine/dev")
    assert allows(role, "s3:PutObject", "arn:aws:s3:::mine/dev/A/model")
    assert not allows(role, "s3:PutObject", "arn:aws:s3:::mine/other/model")
    assert "BUCKET/PREFIX stands for" in user.run("policy", "box", "--document", "role").err
    for use, service in (("box", "ec2"), ("train", "sagemaker")):
        (trust,) = printed(user, use, "--document", "trust")["Statement"]
        assert trust["Principal"] == {"Service": f"{service}.amazonaws.com"}
        assert trust["Action"] == "sts:AssumeRole"


@pytest.mark.parametrize(("args", "words"), [
    (["boxes"], "'prices', 'box', 'train'"), (["prices", "--document", "role"], "`prices` has no role"),
    (["box", "--role", "x"], "--role is for `spotbox policy train`"), (["box", "--account", "12"], "12 digits"),
    (["train", "--iam-profile", "x"], "--iam-profile is for"), (["train", "--role", "spotbox-*"], "is no role"),
    (["train", "--disk-key", DISK_KEY], "--disk-key is for"), (["box", "--disk-key", "alias/x"], "is no key of KMS"),
    (["box", "--disk-key", "arn:aws:kms:us-east-1:123456789012:key/*"], "is no key of KMS"),
    (["box", "--bucket", "mine/*"], "is no place in S3"), (["box", "--bucket", "a\x1b[2J"], "is no place in S3"),
])  # fmt: skip
def test_a_mistake_is_a_usage_error(user, args, words):
    """Exit 2, the flag named, nothing on stdout."""
    said = user.run("policy", *args)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert "\x1b" not in said.err


def test_the_config_file_fills_in(user):
    """What boxes and jobs use anyway is taken from there, each by its own use."""
    user.home.mkdir(exist_ok=True)
    lines = ["[defaults]", 'iam-profile = "of-box"', 'role = "of-job"', f'account = "{ACCOUNT}"']
    (user.home / "config.toml").write_text("\n".join(lines))
    assert f"arn:aws:iam::{ACCOUNT}:role/of-box" in json.dumps(printed(user, "box"))
    assert f"arn:aws:iam::{ACCOUNT}:role/of-job" in json.dumps(printed(user, "train"))
