"""The whole story of an interruption in the sandbox: the guard of the user data runs on the box, and does its work."""

import json

import pexpect
import pytest

from spotbox.commands._userdata import box_user_data
from tests.e2e.conftest import SPOTBOX, Here, make_here, needs_ssh
from tests.sandbox.conftest import until

pytestmark = needs_ssh
SCRIPT = b"#!/bin/sh\necho once >>made-by-user-data\n"
BUCKET, PREFIX = "my-checkpoints", "dev"
# A checkpoint, a hook that changes it once more, and one that goes on from it.
SET_UP = """
mkdir -p ckpt .spotbox/on-interrupt.d .spotbox/on-resume.d && echo 42 >ckpt/step
printf '#!/bin/sh\\ncat ~/ckpt/step >~/interrupted; echo 43 >~/ckpt/step\\n' >.spotbox/on-interrupt.d/10-mine
printf '#!/bin/sh\\ncat ~/ckpt/step >~/resumed\\n' >.spotbox/on-resume.d/10-mine
chmod +x .spotbox/*/10-mine
"""
NOTICE = 20  # seconds: a machine busy with other tests syncs slowly, and the notice of this pace would be one


def launch(here: Here, name: str, user_data: bytes, profile: str) -> None:
    """RunInstances as `up` does it, with this user data, until `up` has seen it answer."""
    ec2 = here.client("ec2")
    here.sandbox("up", "first", "-y", "-t", "g5.xlarge")
    (model,) = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    tags = {t["Key"]: t["Value"] for t in model["Tags"]} | {"spotbox:name": name, "Name": f"spotbox-{name}"}
    rows = [{"Key": key, "Value": value} for key, value in tags.items()]
    ec2.run_instances(
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
        IamInstanceProfile={"Name": profile},
    )
    here.sandbox("up", name, "-y")


def make_profile(here: Here, name: str) -> None:
    """An instance profile with a role."""
    iam = here.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A sandbox with a box whose user data holds the guard, a checkpoint and a script of the user's."""
    here = make_here(tmp_path_factory.mktemp("guard"), SPOTBOX_SANDBOX_PACE="1")  # which leaves hooks 2.5 s
    make_profile(here, "trainer")
    here.client("s3").create_bucket(Bucket=BUCKET)
    user_data = box_user_data("ubuntu", SCRIPT, [("~/ckpt", f"s3://{BUCKET}/{PREFIX}")], False)
    launch(here, "dev", user_data, "trainer")
    yield here
    here.run("sandbox", "stop", code=None)


def test_an_interruption_from_notice_to_resume(guarded):
    """Terminals are told, hooks run, the checkpoint is in S3; the box stops, comes back, and its hook resumes."""
    here = guarded
    here.sandbox("ssh", "dev", "--", SET_UP)
    box = here.json("status", "dev")
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

    ec2 = here.client("ec2")
    one = {"SpotInstanceRequestIds": [box["request_id"]]}
    assert until(lambda: ec2.describe_spot_instance_requests(**one)["SpotInstanceRequests"][0]["State"] == "disabled")
    here.run("sandbox", "capacity", box["instance_type"], box["zone"], "open")
    here.sandbox("up", "dev", "-y", "--wait", "2m")
    assert here.json("status", "dev")["public_ip"] != box["public_ip"]
    done = here.sandbox(
        "ssh", "dev", "--", "until [ -s resumed ]; do sleep 0.1; done; cat resumed interrupted made-by-*"
    )
    assert done.stdout.split() == ["43", "42", "once"]
