"""The guard's sync with the real AWS CLI, against the sandbox's S3 and credentials of a metadata service.

TEST_AWS_CLI says which `aws` (else the one on the PATH). The other tests use a stand-in for it.
"""

import functools
import json
import os
import shutil
import subprocess

import pytest

from spotbox.sandbox import process
from tests.guard.checkpoints import fill, fresh, sync
from tests.sandbox.conftest import Aws

pytestmark = pytest.mark.slow  # each call of it takes a second of CPU


@functools.cache
def cli():
    """The real `aws`, None where there is none."""
    path = os.environ.get("TEST_AWS_CLI") or shutil.which("aws")
    if not path:
        return None
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return path if said.returncode == 0 and said.stdout.startswith("aws-cli/") else None


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """S3 of a sandbox, with a bucket."""
    home = tmp_path_factory.mktemp("home of a sandbox") / "sandbox"
    endpoint = process.ensure(home)
    client = Aws(endpoint, home).client("s3")
    client.create_bucket(Bucket="mine")
    yield client
    process.stop(home)


@pytest.fixture
def ckpt(box, s3, request):
    """A box with one checkpoint under a prefix of its own, whose folder this is."""
    if not cli():
        pytest.skip("no AWS CLI here: set TEST_AWS_CLI to one")
    box.prefix = request.node.name.partition("[")[0]
    url = s3.meta.endpoint_url
    keys = {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "AKIAPROFILE", "SecretAccessKey": "s", "Token": "t",
            "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": "2099-01-01T00:00:00Z"}  # fmt: skip
    box.metadata.values["iam/security-credentials/"] = "role"
    box.metadata.values["iam/security-credentials/role"] = json.dumps(keys)
    box.settings.update(
        checkpoints=[{"local": "~/ckpt", "remote": f"s3://mine/{box.prefix}"}], restore=False,
        aws=[cli(), "--endpoint-url", url], env={"AWS_DEFAULT_REGION": "us-east-1"},
    )  # fmt: skip
    folder = box.folder / "home/ckpt"
    folder.mkdir()
    return folder


def latest(box, s3):
    """Slot and files of the state that LATEST names; checks that they are what it says."""
    marker = json.loads(s3.get_object(Bucket="mine", Key=f"{box.prefix}/LATEST")["Body"].read())
    below = f"{box.prefix}/{marker['slot']}/"
    rows = s3.list_objects_v2(Bucket="mine", Prefix=below).get("Contents", [])
    found = {r["Key"].removeprefix(below): s3.get_object(Bucket="mine", Key=r["Key"])["Body"].read() for r in rows}
    assert (marker["files"], marker["bytes"]) == (len(found), sum(map(len, found.values())))
    return marker["slot"], {name: text.decode() for name, text in found.items()}


def test_up_in_turns_and_down_again(box, ckpt, s3):
    """First state, second state, a change of one size, a file that goes, odd names, links and pipes; and what comes
    down on a fresh box is what went up."""
    fill(ckpt, 1)
    (ckpt / "sub").mkdir()
    (ckpt / "sub/b [1]*?").write_text("b")
    (ckpt / "last").symlink_to("gone")
    (ckpt / "same").symlink_to("sub")
    os.mkfifo(ckpt / "pipe")
    code, said = sync(box, seconds=60)
    assert (code, said) == (0, ""), said
    both = {"sub/b [1]*?": "b", "same/b [1]*?": "b"}
    assert latest(box, s3) == ("A", {**{f"part-{n}": "step 1" for n in range(3)}, **both})
    asked = [path for _, path, status in box.metadata.asked if status == 200]
    assert "iam/security-credentials/role" in asked
    (ckpt / "sub/b [1]*?").write_text("c")
    fill(ckpt, 2)
    code, said = sync(box, seconds=60)
    assert (code, said) == (0, ""), said
    assert latest(box, s3)[0] == "B"
    fill(ckpt, 3)
    (ckpt / "part-2").unlink()
    (ckpt / "sub/b [1]*?").write_text("d")
    code, said = sync(box, seconds=60)
    assert (code, said) == (0, ""), said
    third = {"part-0": "step 3", "part-1": "step 3", "sub/b [1]*?": "d", "same/b [1]*?": "d"}
    assert latest(box, s3) == ("A", third)
    for name in ("last", "same", "pipe"):
        (ckpt / name).unlink()
    shutil.rmtree(ckpt / "sub")
    fresh(box)
    code, said = sync(box, seconds=60, restore=True)
    assert (code, "restored 4 files" in said) == (0, True)
    assert {str(p.relative_to(ckpt)): p.read_text() for p in ckpt.rglob("*") if p.is_file()} == third


def test_trouble_is_told_and_leaves_s3_as_it_is(box, ckpt, s3):
    """A bucket that is not there, credentials that are none, and an S3 that does not answer: in the words of AWS, and
    never taken for an empty S3."""
    fill(ckpt, 1)
    assert sync(box, seconds=60) == (0, "")
    before = latest(box, s3)
    fill(ckpt, 2)
    box.metadata.status = 404
    code, said = sync(box, seconds=60)
    assert (code, "credentials" in said) == (1, True), said
    box.metadata.status = 0
    code, said = sync(box, seconds=60, aws=[cli(), "--endpoint-url", "http://127.0.0.1:9"])
    assert (code, "Could not connect" in said) == (1, True), said
    assert latest(box, s3) == before
    box.settings["checkpoints"][0]["remote"] = "s3://not-there/x"
    code, said = sync(box, seconds=60)
    assert (code, "NoSuchBucket" in said) == (1, True), said


def test_a_change_meanwhile_and_a_foreign_slot(box, ckpt, s3):
    """What another box left in a slot, dated later, gets into no state; a file that is rewritten with the same size and
    an older date is uploaded all the same."""
    fill(ckpt, 1)
    assert sync(box, seconds=60) == (0, "")
    for number in range(4):
        s3.put_object(Bucket="mine", Key=f"{box.prefix}/B/part-{number}", Body=b"step 9")
    (box.folder / "state/checkpoints").rename(box.folder / "lost")
    fill(ckpt, 2)
    assert sync(box, seconds=60) == (0, "")
    assert latest(box, s3) == ("B", {f"part-{n}": "step 2" for n in range(3)})
    fill(ckpt, 3)
    assert sync(box, seconds=60) == (0, "")
    fill(ckpt, 4)
    for number in range(3):
        os.utime(ckpt / f"part-{number}", (1_000_000_000,) * 2)
    assert sync(box, seconds=60) == (0, "")
    assert latest(box, s3) == ("B", {f"part-{n}": "step 4" for n in range(3)})
