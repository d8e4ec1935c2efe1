"""The `aws` of a box against the sandbox's S3: what `aws s3` of the AWS CLI 2 would have done and said."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from spotbox.resources import template_path
from tests.sandbox.conftest import Aws

AWS = [sys.executable, "-I", "-S", str(template_path("box") / "aws.py")]


@dataclass
class Cli:
    """The program, a folder for it, and an independent client."""

    sandbox: Aws
    folder: Path
    bucket: str

    def run(self, *words: str, code: int = 0, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess:
        known = {
            "AWS_ENDPOINT_URL": self.sandbox.endpoint.url,
            "AWS_ACCESS_KEY_ID": "AKIABOX",
            "PATH": os.environ["PATH"],
        }
        done = subprocess.run([*AWS, *words], env=known | env, cwd=self.folder, input=stdin, capture_output=True)
        assert done.returncode == code, done.stderr.decode()
        return done

    def s3(self, *words: str, **how) -> str:
        return self.run("s3", *words, **how).stdout.decode()

    def keys(self) -> dict[str, bytes]:
        client = self.sandbox.client("s3")
        rows = client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {r["Key"]: client.get_object(Bucket=self.bucket, Key=r["Key"])["Body"].read() for r in rows}

    def write(self, name: str, text: str, at: float | None = None) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if at is not None:
            os.utime(path, (at, at))
        return path


@pytest.fixture
def cli(aws, tmp_path, request):
    name = f"box-{abs(hash(request.node.name)) % 10**9}"
    aws.client("s3").create_bucket(Bucket=name)
    return Cli(aws, tmp_path, name)


def test_sync_up_takes_what_is_new_and_deletes_when_told(cli):
    """New and changed files go up, equal ones stay; --delete removes what the folder does not have."""
    cli.write("ckpt/a b+c.txt", "one")
    cli.write("ckpt/deep/er/b", "two")
    cli.s3("sync", "ckpt", f"s3://{cli.bucket}/x/y")
    assert cli.keys() == {"x/y/a b+c.txt": b"one", "x/y/deep/er/b": b"two"}
    assert cli.s3("sync", "ckpt", f"s3://{cli.bucket}/x/y") == ""
    cli.write("ckpt/deep/er/b", "three")
    (cli.folder / "ckpt/a b+c.txt").unlink()
    said = cli.s3("sync", "ckpt", f"s3://{cli.bucket}/x/y", "--delete")
    assert said.split(":")[0] == "upload"
    assert cli.keys() == {"x/y/deep/er/b": b"three"}


def test_sync_up_looks_at_sizes_and_times_alone(cli):
    """A file of the same size that is older than its object is taken for the same; a newer one goes up."""
    cli.write("ckpt/a", "one")
    cli.s3("sync", "ckpt", f"s3://{cli.bucket}/p")
    cli.write("ckpt/a", "two", at=1_000_000_000)
    cli.s3("sync", "ckpt", f"s3://{cli.bucket}/p")
    assert cli.keys() == {"p/a": b"one"}
    cli.write("ckpt/a", "two", at=4_000_000_000)
    cli.s3("sync", "ckpt", f"s3://{cli.bucket}/p")
    assert cli.keys() == {"p/a": b"two"}


def test_sync_down_and_up_again_moves_nothing(cli):
    """What came down has its object's time, so that it goes neither down nor up again; no partial file is left."""
    cli.sandbox.client("s3").put_object(Bucket=cli.bucket, Key="p/sub/a", Body=b"\x00content")
    cli.sandbox.client("s3").put_object(Bucket=cli.bucket, Key="prefix-of-another/b", Body=b"no")
    cli.s3("sync", f"s3://{cli.bucket}/p", "here")
    assert [path.name for path in (cli.folder / "here").rglob("*")] == ["sub", "a"]
    assert (cli.folder / "here/sub/a").read_bytes() == b"\x00content"
    assert cli.s3("sync", f"s3://{cli.bucket}/p", "here") == ""
    assert cli.s3("sync", "here", f"s3://{cli.bucket}/p") == ""


def test_cp_of_files_streams_and_folders(cli):
    """One file either way, `-` as stdin and stdout, and --recursive with filters."""
    cli.write("f", "content")
    assert cli.s3("cp", "f", f"s3://{cli.bucket}/") == f"upload: f to s3://{cli.bucket}/f\n"
    cli.run("s3", "cp", "-", f"s3://{cli.bucket}/dev/LATEST", stdin=b'{"slot": "A"}')
    assert cli.s3("cp", f"s3://{cli.bucket}/dev/LATEST", "-") == '{"slot": "A"}'
    cli.s3("cp", f"s3://{cli.bucket}/f", "g")
    assert (cli.folder / "g").read_text() == "content"
    cli.write("many/a*b", "1")
    cli.write("many/axb", "2")
    cli.s3(
        "cp",
        "many",
        f"s3://{cli.bucket}/m",
        "--recursive",
        "--exclude",
        "*",
        "--include",
        "a[*]b",
        "--only-show-errors",
    )
    assert cli.keys() == {"f": b"content", "dev/LATEST": b'{"slot": "A"}', "m/a*b": b"1"}


def test_ls_and_rm(cli):
    """Names below a prefix with their sizes; nothing there ends with 1 and no word; rm takes them away."""
    cli.sandbox.client("s3").put_object(Bucket=cli.bucket, Key="p/a", Body=b"12345")
    cli.sandbox.client("s3").put_object(Bucket=cli.bucket, Key="p/sub/b", Body=b"")
    assert [line.split()[-2:] for line in cli.s3("ls", f"s3://{cli.bucket}/p/").splitlines()] == [
        ["PRE", "sub/"],
        ["5", "a"],
    ]
    assert cli.bucket in cli.s3("ls")
    assert cli.run("s3", "ls", f"s3://{cli.bucket}/none", code=1).stderr == b""
    cli.s3("rm", f"s3://{cli.bucket}/p/", "--recursive")
    assert cli.keys() == {}


@pytest.mark.slow
def test_many_objects_are_listed_whole(cli):
    """A listing of more than a page of 1000 is read to its end."""
    client = cli.sandbox.client("s3")
    for number in range(1005):
        client.put_object(Bucket=cli.bucket, Key=f"n/{number}", Body=b"")
    assert len(cli.s3("ls", f"s3://{cli.bucket}/n/").splitlines()) == 1005


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ("s3", "sync", ".", "s3://no-such-bucket-here/x"),
            1,
            "(NoSuchBucket) when calling the ListObjectsV2",
        ),
        (("s3", "cp", "s3://{bucket}/none", "-"), 1, "(404) when calling the HeadObject operation"),
        (("s3", "cp", "missing", "s3://{bucket}/x"), 1, "The user-provided path missing does not exist."),
        (("s3", "sync", "missing", "s3://{bucket}/x"), 255, "The user-provided path missing does not exist."),
        (("s3", "sync", "a", "--no-such-option"), 252, "aws: error"),
        (("ec2", "describe-instances"), 252, "knows `s3 ls`"),
    ],
)
def test_refusals(cli, words, code, said):
    """Errors end with the AWS CLI's exit codes and words, never a traceback."""
    done = cli.run(*(word.format(bucket=cli.bucket) for word in words), code=code)
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_no_answer_is_an_error_in_words(cli):
    """Where the sandbox does not answer, the program says so."""
    done = cli.run("s3", "ls", code=1, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert b"Could not connect to the endpoint URL" in done.stderr


def test_what_is_no_file_is_passed_over(cli):
    """A pipe is told and skipped, not waited for; the exit code is then 2, as with a link to nothing."""
    cli.write("ckpt/a", "one")
    os.mkfifo(cli.folder / "ckpt/pipe")
    (cli.folder / "ckpt/last").symlink_to("gone")
    said = cli.run("s3", "sync", "ckpt", f"s3://{cli.bucket}/x", code=2).stderr.decode()
    assert "FIFO" in said
    assert "pipe" in said
    assert "last. File does not exist." in said
    assert cli.keys() == {"x/a": b"one"}
    cli.run("s3", "cp", "ckpt", f"s3://{cli.bucket}/x", "--recursive", code=2)
