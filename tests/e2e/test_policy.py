"""What `spotbox policy` prints against what the commands call: no command calls more, nothing is allowed in vain.

Every call of the commands goes through IAM as tests/iam.py reads it, with the printed policy as the caller's own: what
it does not grant, resource and condition keys included, is refused as AWS would, and the command fails.
"""

import http.server
import json
import shutil
import threading
from contextlib import contextmanager, suppress

import pytest

from spotbox.cli import COMMANDS
from spotbox.core.names import OWNER_TAG
from spotbox.core.remedies import SPOT_ROLE_ARN
from spotbox.sandbox import process
from spotbox.sandbox.world import ACCOUNT
from tests.commands.test_policy_tables import needs_tables
from tests.e2e.conftest import needs_ssh
from tests.e2e.judged import judged
from tests.policies import EVERY

pytestmark = needs_tables
KEY = "spotbox-trainer"
OLD = [[48, "RunInstances"], [24, "StopInstances"], [12, "StartInstances"]]  # hours ago
# What `doctor` tries bears no tags: what is not there, and the VPC's own group.
DRY_RUNS = {
    *("ec2:CancelSpotInstanceRequests", "ec2:RunInstances", "ec2:StartInstances", "ec2:StopInstances"),
    "ec2:TerminateInstances",
}
NO_QUOTA = {"service": "servicequotas", "action": "GetServiceQuota", "code": "NoSuchResourceException"}


class Story:
    """Commands run one after another under a policy, and what IAM said to each of their calls."""

    def __init__(self, here, iam):
        self.here, self.iam = here, iam
        self.endpoint = process.running(here.home / "spot box" / "sandbox")

    def under(self, *args):
        """From now on the caller may do what `spotbox policy` prints with these arguments, and has no caches."""
        shutil.rmtree(self.here.home / "spot box" / "cache", ignore_errors=True)
        self.iam.begin(json.loads(self.here.run("policy", *args, "--account", ACCOUNT).stdout))

    def did(self, *args, code=0, refused=()):
        """Run spotbox --sandbox: of what it asks of AWS these actions are refused, and nothing else."""
        self.iam.refused.clear()
        done = self.here.sandbox(*args, code=code, timeout=300)
        assert {need.action for need in self.iam.refused} == {*refused}, f"{args}\n{self.iam.refused}\n{done.stderr}"
        assert not self.iam.failed, f"{args}\n{self.iam.failed}"
        return done

    def behind(self, verb, **given):
        """Do a control verb of the sandbox."""
        return process.call(self.endpoint, verb, **given)


@contextmanager
def behind_iam(here):
    """A sandbox in which nothing was done yet, behind IAM; `here.client` asks it with no policy at all."""
    here.extra["SPOTBOX_SANDBOX_PACE"] = "0.05"
    here.run("sandbox", "start")
    here.client("iam")  # learns the sandbox's own address
    with judged(here.home / "spot box", here.client) as iam:
        yield Story(here, iam)


@pytest.fixture(scope="module")
def story(here):
    """One for the tests of this module."""
    with behind_iam(here) as found:
        yield found


@pytest.fixture
def another(fresh):
    """One of a test's own."""
    with behind_iam(fresh) as found:
        yield found


@contextmanager
def called_from(here, address):
    """The caller's address is `address`, as far as its own look at it tells."""

    class Told(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(address.encode())

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Told)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here.extra["SPOTBOX_CHECKIP_URL"] = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield
    finally:
        del here.extra["SPOTBOX_CHECKIP_URL"]
        server.shutdown()
        server.server_close()


def test_prices_calls_what_its_policy_allows_and_nothing_less(story):
    """Prices with scores and quotas, and their history: these calls are the policy, no more and no less."""
    story.under("prices")
    types = [word for name in ("g4dn.xlarge", "g5.xlarge", "g6.xlarge") for word in ("-t", name)]
    story.behind("fault", **NO_QUOTA)
    story.did("prices", *types, "--score", "--quota", "-o", "json")
    story.did("prices", "-t", "g5.xlarge", "--history", "2", "-o", "json")
    assert story.iam.in_vain() == set()


def test_iam_takes_every_document(story):
    """What is printed goes to IAM as it stands, placeholders or not: moto checks a document as IAM describes it."""
    here, iam = story.here, story.here.client("iam")
    for number, args in enumerate(EVERY):
        text = here.run("policy", *args).stdout
        if "trust" in args:
            iam.create_role(RoleName=f"role-{number}", AssumeRolePolicyDocument=text)
        else:
            iam.create_policy(PolicyName=f"policy-{number}", PolicyDocument=text)
    trust = here.run("policy", "box", "--document", "trust").stdout
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException):
        iam.create_policy(PolicyName="wrong", PolicyDocument=trust)  # that is none for a user


def boxes(story, dry_runs=()):
    """A life of boxes that takes every way there is; `dry_runs` of `doctor` are refused."""
    here = story.here
    a_role(here)
    guard = ("--ttl", "8h", "--iam-profile", KEY, "--checkpoint", "~/ckpt=s3://mine/dev")
    story.behind("fault", **NO_QUOTA)  # AWS's default is none of these
    story.did("up", "-y", "-t", "g4dn.xlarge", code=4)
    story.did("up", "-y", "-t", "g4dn.xlarge", "-z", "us-east-1a", "--data-size", "10", *guard)
    all_bear_the_tag_that_strict_asks_for(here)
    with a_disk_key_of_ones_own(here):
        checks = json.loads(story.did("doctor", "-o", "json", refused=dry_runs).stdout)
    (permissions,) = (row for row in checks if row["check"] == "permissions")
    assert "denied" not in permissions["detail"]
    story.did("ssh", "--", "true")
    story.did("status")
    story.did("status", "dev")
    somebody_allows_imds_v1(here)
    story.did("up", "-y", "--data-size", "12", "--ttl", "0", "--tag", "team=vision")
    story.did("stop")
    story.did("start")
    with called_from(here, "127.0.0.2"):
        story.did("ssh", "--", "true", code=255)  # the box no longer admits the address that this comes from
    keys = here.home / "spot box" / "keys"
    keys.rename(here.home / "elsewhere")  # as on another laptop: a key is pushed for a moment
    story.did("ssh", "--", "true")
    shutil.rmtree(keys)
    (here.home / "elsewhere").rename(keys)
    story.behind("relive", box="dev", hours=OLD)
    story.behind("bill", name="dev", owner="sandbox", usd="7.25")
    story.did("cost", "--actual", "-y")
    story.did("move", "-y", "-z", "us-east-1b")
    story.did("move", "-y", "-r", "us-west-2")
    story.did("down", "-y", "--keep-data")
    (kept,) = here.json("status")
    here.run("sandbox", "capacity", "g4dn.xlarge", kept["zone"], "closed")
    story.did("up", "-y", "-t", "g4dn.xlarge", "--wait", "0", code=3)
    other = next(zone for zone in ("us-west-2a", "us-west-2b") if zone != kept["zone"])
    story.did("up", "-y", "-t", "g4dn.xlarge", "-z", other)
    here.run("sandbox", "capacity", "g4dn.xlarge", kept["zone"], "open")
    story.did("down", "-y")
    story.did("up", "two", "-y", "--ami", "pytorch", "--dry-run")


def the_end(story):
    """What is left of boxes is found and removed."""
    leftovers(story.here)
    story.did("audit", code=6)
    story.did("audit", "--fix", "-y")
    story.did("down", "--all", "-y")


@contextmanager
def a_disk_key_of_ones_own(here):
    """The account encrypts EBS with a customer managed key, which the Spot role may use."""
    ec2, kms = here.client("ec2"), here.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    role = f"arn:aws:iam::{ACCOUNT}:{SPOT_ROLE_ARN}"
    kms.create_grant(KeyId=key, GranteePrincipal=role, Operations=["Decrypt"])
    ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    yield
    ec2.reset_ebs_default_kms_key_id()


def all_bear_the_tag_that_strict_asks_for(here):
    """Whatever `up` made carries spotbox:owner, without which --strict would not let it be removed."""
    ec2 = here.client("ec2")
    made = {
        "request": ec2.describe_spot_instance_requests()["SpotInstanceRequests"],
        "instance": [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]],
        "volume": ec2.describe_volumes()["Volumes"],
        "key": ec2.describe_key_pairs()["KeyPairs"],
        "group": [g for g in ec2.describe_security_groups()["SecurityGroups"] if g["GroupName"] != "default"],
    }
    assert {kind: len(things) for kind, things in made.items()} == {**dict.fromkeys(made, 1), "volume": 2}
    for kind, things in made.items():
        assert all(OWNER_TAG in {tag["Key"] for tag in thing["Tags"]} for thing in things), kind


def somebody_allows_imds_v1(here):
    """By hand, on the one box that runs; spotbox takes it back."""
    ec2 = here.client("ec2")
    states = [{"Name": "instance-state-name", "Values": ["running"]}]
    (found,) = (one for each in ec2.describe_instances(Filters=states)["Reservations"] for one in each["Instances"])
    ec2.modify_instance_metadata_options(InstanceId=found["InstanceId"], HttpTokens="optional")


def leftovers(here):
    """A cancelled request whose box runs on, a volume and a snapshot of a box that is no more."""
    ec2 = here.client("ec2")
    (request,) = (r for r in ec2.describe_spot_instance_requests()["SpotInstanceRequests"] if r["State"] == "active")
    ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request["SpotInstanceRequestId"]])
    tags = [{"Key": "spotbox:name", "Value": "old"}, {"Key": "spotbox:owner", "Value": "sandbox"}]
    made = ec2.create_volume(
        AvailabilityZone="us-east-1a", Size=5, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}]
    )
    ec2.get_waiter("volume_available").wait(VolumeIds=[made["VolumeId"]], WaiterConfig={"Delay": 1})
    ec2.create_snapshot(VolumeId=made["VolumeId"], TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}])


def a_role(here):
    """A role that a box or a job may be given, and a bucket for what it keeps."""
    iam, s3 = here.client("iam"), here.client("s3")
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=KEY, AssumeRolePolicyDocument="{}")
        iam.create_instance_profile(InstanceProfileName=KEY)
        iam.add_role_to_instance_profile(InstanceProfileName=KEY, RoleName=KEY)
        s3.create_bucket(Bucket="mine")


@needs_ssh
@pytest.mark.slow  # some thirty commands; the law without them: tests/commands/test_policy.py
def test_boxes_call_what_their_policy_allows_and_nothing_less(story):
    """Every command on boxes, by every way that it has: no call that `box` does not allow, no action in vain."""
    story.under("box", "--iam-profile", KEY)
    boxes(story)
    story.did("up", "parked", "-y", "-t", "g4dn.xlarge", "-z", "us-east-1a", "--park")
    story.did("up", "parked", "-y")
    the_end(story)
    assert story.iam.in_vain() == set()


@needs_ssh
@pytest.mark.slow
def test_strict_is_enough_for_all_but_what_it_says(another):
    """With --strict too every command does its work, on boxes that carry their tags; no action in vain."""
    another.under("box", "--strict", "--iam-profile", KEY)
    boxes(another, DRY_RUNS)
    another.did("up", "-y", "-t", "g4dn.xlarge", "-z", "us-east-1a")
    the_end(another)
    assert another.iam.in_vain() == set()


@pytest.mark.slow
@pytest.mark.skipif("train" not in COMMANDS, reason="there is no `train` yet")
@pytest.mark.parametrize("strict", [(), ("--strict",)], ids=["by default", "strict"])
def test_jobs_call_what_their_policy_allows_and_nothing_less(story, strict):
    """A job from its upload to its end, looked at, listed and stopped, and a pipeline made and changed."""
    here, tail = story.here, "-strict" if strict else ""
    a_role(here)
    story.under("train", *strict, "--bucket", "mine/out", "--role", KEY)
    (here.home / "fit.py").write_text(f"print('fitted{tail}')\n")
    arn = f"arn:aws:iam::{ACCOUNT}:role/{KEY}"
    given = ("--role", arn, "--image", "pytorch", "--output-path", "s3://mine/out", "-y")
    gpu = ("-t", "ml.g5.xlarge")
    story.did("train", "./fit.py", *given, *gpu, "--name", f"one{tail}", "--checkpoint", "s3://mine/out/ckpt")
    story.did("train", "status", f"one{tail}")
    story.did("train", "list")
    story.behind("fault", **NO_QUOTA)  # AWS's default is none of these
    story.did("train", "./fit.py", *given, *gpu, "--name", f"none{tail}", code=4)
    (here.home / "fit.py").write_text(f"import time; time.sleep(600)  # {tail}\n")
    story.did("train", "./fit.py", *given, *gpu, "--name", f"two{tail}", "--no-wait")
    story.did("train", "stop", f"two{tail}")
    (here.home / "fit.py").write_text("print('fitted')\n")
    story.did("train", "./fit.py", *given, *gpu, "--pipeline", f"nightly{tail}")
    story.did("train", "./fit.py", *given, *gpu, "--pipeline", f"nightly{tail}")
    story.did("train", "./fit.py", *given, "-t", "ml.m4.xlarge", "--dry-run")  # of which no quota is applied
    assert story.iam.in_vain() == set()
