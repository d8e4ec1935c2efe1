"""The spotbox of a sandbox box: it finds the sandbox as AWS, with the credentials of the box's instance profile."""

import json
import subprocess
from pathlib import Path

from .conftest import until


def run(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """Run the box's own program with next to nothing in the environment."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder / "home"), "AWS_ACCESS_KEY_ID": "", "SPOTBOX_HOME": ""}
    env = {name: value for name, value in env.items() if value}
    command = [str(folder / "bin" / "spotbox"), *words]
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=60)


def test_spotbox_on_a_box(aws):
    """Without an instance profile it has no credentials (5); with one it acts as the role, on this sandbox."""
    iam = aws.client("iam")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    iam.create_role(RoleName="trainer", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    iam.create_instance_profile(InstanceProfileName="trainer")
    iam.add_role_to_instance_profile(InstanceProfileName="trainer", RoleName="trainer")
    bare = aws.launch()["InstanceId"]
    made, folder = aws.booted(IamInstanceProfile={"Name": "trainer"})
    program = aws.home / "boxes" / bare
    assert until(lambda: (program / "bin" / "spotbox").exists() and (folder / "bin" / "spotbox").exists())
    refused = run(program, "status", "-o", "json")
    assert refused.returncode == 5, refused.stderr
    assert "Traceback" not in refused.stderr
    listed = run(folder, "status", "-r", "us-east-1", "-o", "json")
    assert (listed.returncode, json.loads(listed.stdout)) == (0, []), listed.stderr
    assert not (folder / "home" / ".local" / "state" / "spotbox" / "sandbox").exists()
    token = aws.session.client(
        "sts",
        endpoint_url=aws.endpoint.url,
        aws_access_key_id="ASIASANDBOXBOX000000",
        aws_secret_access_key="sandbox",
        aws_session_token=f"sandbox-{made}",
    )
    assert token.get_caller_identity()["Arn"] == f"arn:aws:sts::123456789012:assumed-role/trainer/{made}"
    assert aws.client("sts").get_caller_identity()["Arn"].endswith(":user/sandbox")
