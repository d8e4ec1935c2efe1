"""The whole story of an interruption in the sandbox: the guard of the user data runs on the box, and does its work."""

import json
import time
from pathlib import Path

import pexpect
import pytest

from spotbox.commands._userdata import box_user_data
from tests.e2e.conftest import SPOTBOX, Here, make_here, needs_ssh

pytestmark = needs_ssh
SCRIPT = b"#!/bin/sh\necho once >>made-by-user-data\n"
BUCKET, PREFIX = "my-checkpoints", "dev"
HOOK = '#!/bin/sh\necho "$(cat ~/ckpt/step)" >>~/interrupted\necho 43 >~/ckpt/step\n'
RESUME = "#!/bin/sh\ncat ~/ckpt/step >~/resumed\n"
NOTICE = 12  # seconds: the machine of the tests is slow, and the whole notice of this pace would be one


def until(fact, timeout: float = 30.0):
    """The first true answer of `fact()` within `timeout` seconds."""
    end = time.monotonic() + timeout
    while not (found := fact()):
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.2)
    return found


def launch(here: Here, name: str, user_data: bytes, profile: str | None = None) -> str:
    """RunInstances as `up` does it, with this user data; gives the instance's id once `up` has seen it answer."""
    ec2 = here.client("ec2")
    here.sandbox("up", "first", "-y", "-t", "g5.xlarge")
    (model,) = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    tags = {t["Key"]: t["Value"] for t in model["Tags"]} | {"spotbox:name": name, "Name": f"spotbox-{name}"}
    rows = [{"Key": key, "Value": value} for key, value in tags.items()]
    made = ec2.run_instances(
        ImageId=model["ImageId"],
        InstanceType=model["InstanceType"],
        KeyName=model["KeyName"],
        SecurityGroupIds=[group["GroupId"] for group in model["SecurityGroups"]],
        MinCount=1,
        MaxCount=1,
        UserData=user_data,
        MetadataOptions={"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        InstanceInitiatedShutdownBehavior="stop",
        InstanceMarketOptions={
            "MarketType": "spot",
            "SpotOptions": {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop"},
        },
        TagSpecifications=[
            {"ResourceType": kind, "Tags": rows} for kind in ("instance", "volume", "spot-instances-request")
        ],
        **({"IamInstanceProfile": {"Name": profile}} if profile else {}),
    )
    here.sandbox("up", name, "-y")
    return made["Instances"][0]["InstanceId"]


def make_profile(here: Here, name: str) -> None:
    """An instance profile with a role."""
    iam = here.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


def root_of(here: Here, instance_id: str) -> Path:
    """The box's folder on this machine."""
    (found,) = here.home.glob(f"spot box/**/boxes/{instance_id}")
    return found


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A sandbox with a box whose user data holds the guard, a checkpoint and a script of the user's."""
    here = make_here(tmp_path_factory.mktemp("guard"))
    make_profile(here, "trainer")
    here.client("s3").create_bucket(Bucket=BUCKET)
    user_data = box_user_data("ubuntu", SCRIPT, [("~/ckpt", f"s3://{BUCKET}/{PREFIX}")], False)
    launch(here, "dev", user_data, "trainer")
    yield here
    here.run("sandbox", "stop", code=None)


def on_box(here: Here, command: str, code: int | None = 0) -> str:
    """The output of a command on the box."""
    return here.sandbox("ssh", "dev", "--", command, code=code).stdout


def write_hook(here: Here, when: str, text: str) -> None:
    """An executable below ~/.spotbox on the box."""
    path = f".spotbox/{when}/10-mine"
    on_box(here, f"mkdir -p .spotbox/{when} && cat >{path} <<'END'\n{text}END\nchmod +x {path}")


def test_an_interruption_from_notice_to_resume(guarded):
    """Terminals are told, hooks run, the checkpoint is in S3; the box stops, comes back, and its hook resumes."""
    here = guarded
    on_box(here, "mkdir -p ckpt && echo 42 >ckpt/step")
    write_hook(here, "on-interrupt.d", HOOK)
    write_hook(here, "on-resume.d", RESUME)
    before = here.json("status", "dev")["public_ip"]
    shell = pexpect.spawn(str(SPOTBOX), ["--sandbox", "ssh", "dev"], env=here.env, encoding="utf-8", timeout=60)
    shell.expect(r"\$ ")
    here.run("sandbox", "interrupt", "dev", "--notice", f"{NOTICE}s")
    shell.expect("AWS stops this box in")
    shell.expect(pexpect.EOF)
    shell.close()

    s3 = here.client("s3")
    marker = json.load(s3.get_object(Bucket=BUCKET, Key=f"{PREFIX}/LATEST")["Body"])
    step = s3.get_object(Bucket=BUCKET, Key=f"{PREFIX}/{marker['slot']}/step")["Body"].read()
    assert step == b"43\n"  # what the hook wrote was in the last sync

    until(
        lambda: (
            here.json("status", "dev")["state"] == "running"
            and here.sandbox("ssh", "dev", "--", "true", code=None).returncode == 0
        ),
        60,
    )
    assert here.json("status", "dev")["public_ip"] != before
    assert until(lambda: on_box(here, "cat resumed", code=None)) == "43\n"
    assert on_box(here, "cat interrupted") == "42\n"
    assert on_box(here, "cat made-by-user-data") == "once\n"
