"""What `up` gives a box for its first boot: the guard with its settings, and the user's own beside it."""

import gzip
import json
import re

import pytest

CKPT = ("--checkpoint", "~/ckpt=s3://mine/dev", "--iam-profile", "gpu")


def given(user):
    """The user data of the one launch, unpacked."""
    (data,) = user.world.user_data.values()
    assert isinstance(data, bytes)
    assert len(data) <= 16384
    return (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode()


def settings(text):
    """The guard's settings in it."""
    block = re.search(r"path: /etc/spotbox/guard.json\n.*\n  content: \|\n((?:    .*\n)+)", text)
    return json.loads(block[1])


def test_every_box_gets_the_guard(user):
    """Also one that nothing was asked of: it warns of interruptions, and obeys limits that come later."""
    assert user.run("up", "-y").code == 0
    text = given(user)
    assert "guard.py" in text
    assert settings(text) == {"user": "ubuntu", "checkpoints": [], "data": False, "restore": True}


def test_what_was_asked_reaches_the_guard(user):
    """Login, checkpoints, and whether a data volume is to be mounted."""
    said = user.run("up", "-y", *CKPT, "--data-size", "50", "--ssh-user", "me")
    assert said.code == 0
    assert "checkpoint ~/ckpt in s3://mine/dev, every 5 minutes" in said.err
    pair = {"local": "~/ckpt", "remote": "s3://mine/dev"}
    assert settings(given(user)) == {"user": "me", "checkpoints": [pair], "data": True, "restore": True}


def test_the_users_own_stands_beside_it(user, tmp_path):
    """--user-data is a part of its own."""
    file = tmp_path / "mine.sh"
    file.write_text("#!/bin/sh\necho mine\n")
    assert user.run("up", "-y", "--user-data", str(file)).code == 0
    assert "echo mine" in given(user)
    assert "guard.py" in given(user)


@pytest.mark.parametrize("kind", [(), ("--park",)])
def test_the_same_bytes_in_every_run(user, kind):
    """What changed from run to run would break the ClientToken."""
    seen = []
    for _ in range(2):
        assert user.run("up", "-y", *CKPT, *kind).code == 0
        seen += user.world.user_data.values()
        user.world.user_data.clear()
        assert user.run("down", "-y").code == 0
    assert seen[0] == seen[1]


def test_a_checkpoint_without_profile_is_refused(user):
    """No keys go into user data: the box writes with its instance profile alone."""
    said = user.run("up", "-y", *CKPT[:2])
    assert (said.code, user.world.left()) == (2, [])
    assert "--checkpoint needs --iam-profile" in said.err


@pytest.mark.parametrize(
    "text", ["~/ckpt", "~/ckpt=s3://", "=s3://mine/dev", "~/a=http://mine/dev", "~/../x=s3://m-y/d"]
)
def test_what_is_no_checkpoint_is_refused(user, text):
    """A folder and a place in S3, or a usage error."""
    assert user.run("up", "-y", "--checkpoint", text, "--iam-profile", "gpu").code == 2
    assert user.world.left() == []


def test_a_checkpoint_on_a_box_that_exists_is_named(user):
    """It is in the user data, which counts at the first boot only."""
    user.world.has_box("dev")
    said = user.run("up", "-y", *CKPT)
    assert "--checkpoint counts at the first launch only" in said.err


@pytest.mark.parametrize(("data", "says"), [(b"hello", "nothing that cloud-init knows"), (None, "cannot read")])
def test_what_cannot_be_given_is_refused_before_anything_is_asked(user, tmp_path, data, says):
    """A file that is not there, or that cloud-init would not know."""
    file = tmp_path / "x"
    if data:
        file.write_bytes(data)
    said = user.run("up", "-y", "--user-data", str(file))
    assert (said.code, user.world.left()) == (2, [])
    assert says in said.err


def test_a_standing_request_that_was_fulfilled_can_read_its_tags(user):
    """RequestSpotInstances cannot enable tags in metadata, where the guard reads the limits: `up` does it later."""
    assert user.run("up", "-y", "--park").code == 0
    (request,) = user.world.requests.values()
    user.world.relaunch(request.id)
    user.world.sleep(20)
    (box,) = user.world.instances.values()
    assert box.metadata_tags == "disabled"
    assert user.run("up", "-y").code == 0
    (box,) = user.world.instances.values()
    assert (box.http_tokens, box.metadata_tags) == ("required", "enabled")


def test_the_home_that_a_shell_wrote_for_the_tilde_is_the_boxs(user, monkeypatch):
    """`--checkpoint ~/ckpt=s3://...` unquoted reaches spotbox with this machine's home, which no box has."""
    monkeypatch.setenv("HOME", "/home/alice")
    words = ("--checkpoint", "/home/alice/ckpt=s3://mine/a", "--checkpoint", "/home/alicex/c=s3://mine/b")
    ran = user.run("up", "-y", *words, "--iam-profile", "gpu")
    assert ran.code == 0
    folders = [pair["local"] for pair in settings(given(user))["checkpoints"]]
    assert folders == ["~/ckpt", "/home/alicex/c"]
    assert "--checkpoint /home/alice/ckpt is ~/ckpt on the box: your shell wrote your own home for ~" in ran.err
    assert "--checkpoint '~/ckpt=s3://mine/a'" in ran.out
    assert "alicex/c is" not in ran.err


def test_a_whole_home_that_a_shell_wrote_is_refused(user, monkeypatch):
    """`--checkpoint ~=s3://...` is refused in every spelling, and so are two of one folder."""
    monkeypatch.setenv("HOME", "/root")
    ran = user.run("up", "-y", "--checkpoint", "/root=s3://mine/a", "--iam-profile", "gpu")
    assert (ran.code, "more than a checkpoint" in ran.err) == (2, True)
    both = ("--checkpoint", "/root/c=s3://mine/a", "--checkpoint", "~/c=s3://mine/b", "--iam-profile", "gpu")
    assert user.run("up", "-y", *both).code == 2
    assert not user.world.user_data


def test_a_root_of_this_machine_is_none_of_the_box(user, monkeypatch):
    """`~/ckpt` typed by root here is the box's home; /root/ckpt of anybody else is the box's /root: refused."""
    words = ("up", "-y", "--dry-run", "--iam-profile", "ckpt", "--checkpoint", "/root/ckpt=s3://mine/dev")
    monkeypatch.setenv("HOME", "/root")
    assert user.run(*words).code == 0
    monkeypatch.setenv("HOME", "/home/alice")
    said = user.run(*words)
    assert said.code == 2
    assert "cannot write there" in said.err
