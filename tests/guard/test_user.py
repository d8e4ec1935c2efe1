"""What is the user's runs as the user: the guard itself is root's on a box."""

import json
import os
import pwd
import shutil
import tempfile
from pathlib import Path

import pytest

from spotbox.resources import template_path
from tests.guard.conftest import Box

LOGIN = "nobody"


@pytest.fixture
def rooted(programs):
    """A box in a folder that everybody may enter, whose user is not root."""
    if os.geteuid() != 0:
        pytest.skip("only root can run things as somebody else")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(programs, folder / "opt")
        (folder / "opt").chmod(0o755)
        shutil.copy(Path(__file__).with_name("aws"), folder / "opt/aws")
        (folder / "box").mkdir()
        made = Box(folder / "box", folder / "opt")
        made.settings.update(user=LOGIN, aws=["/usr/bin/python3", "-I", "-S", str(folder / "opt/aws")])
        owner = pwd.getpwnam(LOGIN)
        for path in (made.folder / "home", made.folder / "s3"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        yield made
        made.close()


def test_the_users_hooks_and_syncs_are_the_users(rooted):
    """Hooks of the home and `aws` run as the user, with his name and home; those of /etc as root."""
    home = rooted.folder / "home"
    rooted.hook("10-root", f'echo "$(id -un)" >{rooted.folder}/root.who')
    rooted.hook("10-mine", 'echo "$(id -un) $(id -G) $USER $HOME" >who', user=True)
    (home / "ckpt").mkdir()
    (home / "ckpt/model").write_text("step 1")
    rooted.start(checkpoints=[{"local": "~/ckpt", "remote": "s3://mine/dev"}], hook_time=30, last_sync=20)
    rooted.wait_for((rooted.folder / "s3/mine/dev/LATEST").exists)
    rooted.metadata.notice(60)
    rooted.wait("ready for the interruption")
    owner = pwd.getpwnam(LOGIN)
    groups = " ".join(str(group) for group in os.getgrouplist(LOGIN, owner.pw_gid))
    assert (home / "who").read_text() == f"{LOGIN} {groups} {LOGIN} {home}\n"
    assert (rooted.folder / "root.who").read_text() == "root\n"
    assert {call["uid"] for call in rooted.calls()} == {owner.pw_uid}


def test_the_policy_of_a_checkpoint_is_no_wider_than_its_prefix():
    """The instance role may list, read and write one prefix of one bucket, and nothing else."""
    policy = json.loads((template_path("policy") / "checkpoint.json").read_text())
    for statement in policy["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert set(actions) <= {
            "s3:ListBucket",
            "s3:GetObject",
            "s3:PutObject",
            "s3:DeleteObject",
            "s3:AbortMultipartUpload",
        }
        assert "PREFIX" in json.dumps(statement.get("Condition", statement["Resource"]))
