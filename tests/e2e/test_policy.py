"""What `spotbox policy` prints against what the commands call: no command calls more, nothing is allowed in vain."""

import http.server
import json
import shutil
import threading
from contextlib import contextmanager

import pytest

from spotbox.cli import COMMANDS
from spotbox.core.names import OWNER_TAG
from spotbox.sandbox import process
from tests.e2e.conftest import needs_ssh
from tests.policies import EVERY, NEEDED_BESIDES, allowed, wanted

REGIONS = ["us-east-1", "us-west-2"]
KEY = "spotbox-trainer"
# Allowed, and called by no command against the sandbox.
UNSEEN = {
    "servicequotas:GetAWSDefaultServiceQuota": "asked where an account has no quota of its own; the sandbox's has",
}
UNSEEN_OF_TRAIN = {**UNSEEN, "servicequotas:ListAWSDefaultServiceQuotas": "likewise"}


class Story:
    """Commands run one after another, and the AWS calls that each of them made."""

    def __init__(self, here):
        here.run("sandbox", "start")
        self.here = here
        self.endpoint = process.running(here.home / "spot box" / "sandbox")
        self.called: dict[str, set[str]] = {}

    def did(self, *args, code=0):
        """Run spotbox --sandbox; its calls, as actions of IAM, are kept under the command's name."""
        process.call(self.endpoint, "calls", reset=True)
        done = self.here.sandbox(*args, code=code, timeout=300)
        calls = process.call(self.endpoint, "calls", reset=True)["calls"]
        self.called.setdefault(args[0], set()).update(
            # S3 is called by the guard on the box, with its own role
            action
            for service, operation, _ in calls
            if service not in ("s3", "")
            for action in wanted(service, operation)
        )
        return done

    def printed(self, *args):
        """The actions that `spotbox policy` allows with these arguments."""
        return allowed(json.loads(self.here.run("policy", *args).stdout))


@pytest.fixture(scope="module")
def story(here):
    """A sandbox in which nothing was done yet."""
    here.extra["SPOTBOX_SANDBOX_PACE"] = "0.05"
    return Story(here)


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
    types = [word for name in ("g4dn.xlarge", "g5.xlarge", "g6.xlarge") for word in ("-t", name)]
    story.did("prices", *types, "--score", "--quota", "-o", "json")
    story.did("prices", "-t", "g5.xlarge", "--history", "2", "-o", "json")
    policy = story.printed("prices")
    assert story.called["prices"] - NEEDED_BESIDES == policy - UNSEEN.keys()


def test_iam_takes_every_document(story):
    """What is printed goes to IAM as it stands, placeholders or not: moto checks a document as IAM describes it."""
    here, iam = story.here, story.here.client("iam")
    for number, args in enumerate(EVERY):
        text = here.run("policy", *args).stdout
        if "trust" in args:
            iam.create_role(RoleName=f"role-{number}", AssumeRolePolicyDocument=text)
        else:
            iam.create_policy(PolicyName=f"policy-{number}", PolicyDocument=text)
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException):
        iam.create_policy(PolicyName="wrong", PolicyDocument=text)  # a trust policy is none for a user


def boxes(story):
    """A life of boxes that takes every way there is."""
    here = story.here
    iam = here.client("iam")
    iam.create_role(RoleName=KEY, AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName=KEY)
    iam.add_role_to_instance_profile(InstanceProfileName=KEY, RoleName=KEY)
    here.client("s3").create_bucket(Bucket="mine")
    guard = ("--ttl", "8h", "--iam-profile", KEY, "--checkpoint", "~/ckpt=s3://mine/dev")
    story.did("up", "-y", "-t", "g4dn.xlarge", "-z", "us-east-1a", "--data-size", "10", *guard)
    all_bear_the_tag_that_strict_asks_for(here)
    story.did("ssh", "--", "true")
    story.did("status")
    story.did("status", "dev")
    story.did("up", "-y", "--data-size", "12", "--ttl", "0")
    story.did("stop")
    story.did("start")
    with called_from(here, "127.0.0.2"):
        story.did("ssh", "--", "true", code=255)  # the box no longer admits the address that this comes from
    keys = here.home / "spot box" / "keys"
    keys.rename(here.home / "elsewhere")  # as on another laptop: a key is pushed for a moment
    story.did("ssh", "--", "true")
    shutil.rmtree(keys)
    (here.home / "elsewhere").rename(keys)
    story.did("move", "-y", "-z", "us-east-1b")
    story.did("move", "-y", "-r", "us-west-2")
    story.did("down", "-y", "--keep-data")
    (kept,) = here.json("status")
    here.run("sandbox", "capacity", "g4dn.xlarge", kept["zone"], "closed")
    story.did("up", "-y", "-t", "g4dn.xlarge", "--wait", "0", code=3)
    other = next(zone for zone in ("us-west-2a", "us-west-2b") if zone != kept["zone"])
    story.did("up", "-y", "-t", "g4dn.xlarge", "-z", other)
    story.did("down", "-y")
    story.did("up", "two", "-y", "--ami", "pytorch", "--dry-run")
    story.did("up", "parked", "-y", "-t", "g4dn.xlarge", "-z", "us-east-1a", "--park")
    story.did("up", "parked", "-y")
    leftovers(here)
    story.did("audit", code=6)
    story.did("audit", "--fix", "-y")
    story.did("down", "--all", "-y")


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


@needs_ssh
@pytest.mark.slow  # some thirty commands; the law without them: tests/commands/test_policy.py
def test_boxes_call_what_their_policy_allows_and_nothing_less(story):
    """Every command on boxes, by every way that it has: no call that `box` does not allow, no action in vain."""
    boxes(story)
    policy = story.printed("box")
    for command, actions in story.called.items():
        if command != "prices":
            assert actions - NEEDED_BESIDES <= policy, command
    seen = set().union(*(actions for command, actions in story.called.items() if command != "prices"))
    assert policy - seen == UNSEEN.keys()


@pytest.mark.slow
@pytest.mark.skipif("train" not in COMMANDS, reason="there is no `train` yet")
def test_jobs_call_what_their_policy_allows_and_nothing_less(story):
    """A job from its upload to its end, looked at, listed and stopped, and a pipeline made and changed."""
    here = story.here
    (here.home / "fit.py").write_text("print('fitted')\n")
    given = ("--role", "R", "--image", "pytorch", "--output-path", "s3://mine/out", "-t", "ml.g5.xlarge", "-y")
    story.did("train", "./fit.py", *given, "--name", "one", "--checkpoint", "s3://mine/ckpt")
    story.did("train", "status", "one")
    story.did("train", "list")
    (here.home / "fit.py").write_text("import time; time.sleep(600)\n")
    story.did("train", "./fit.py", *given, "--name", "two", "--no-wait")
    story.did("train", "stop", "two")
    (here.home / "fit.py").write_text("print('fitted')\n")
    story.did("train", "./fit.py", *given, "--pipeline", "nightly")
    story.did("train", "./fit.py", *given, "--pipeline", "nightly")
    policy = {action for action in story.printed("train", "--bucket", "mine") if not action.startswith("s3:")}
    seen = story.called["train"]
    assert seen - NEEDED_BESIDES <= policy
    assert policy - seen == UNSEEN_OF_TRAIN.keys()
