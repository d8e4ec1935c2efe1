"""S3 for a training job: code that is sent once, buckets of the right region, and prefixes that hold something."""

from contextlib import contextmanager

import pytest
from botocore.stub import Stubber

from spotbox.aws import s3
from spotbox.core.errors import Exit, SpotboxError
from tests.aws.stubbed import R, aws, sealed

URI = "s3://mine/out/spotbox-code/ab/sourcedir.tar.gz"
HEAD_BUCKET = ("head_bucket", {"Bucket": "mine"}, {"BucketRegion": R})
HEAD = {"Bucket": "mine", "Key": "out/spotbox-code/ab/sourcedir.tar.gz"}


@pytest.fixture
def archive(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"abc")
    return tmp_path / "a.tar.gz"


def refused(call, *words):
    with pytest.raises(SpotboxError) as caught:
        call()
    for word in words:
        assert word in f"{caught.value.message} {caught.value.hint}"
    return caught.value.exit_code


def put():
    """PutObject with its body, whatever file object that is, and no encryption of our own choosing."""
    return {**HEAD, "Body": Body(), "ContentType": "application/gzip"}


class Body:
    """Equal to an open file of the archive."""

    def __eq__(self, other):
        return other.read() == b"abc"


def test_code_is_sent_where_it_is_not(archive):
    """Nothing there: it is sent, and said with its size."""
    said = []
    with aws(s3=[HEAD_BUCKET, ("head_object", "404"), ("put_object", put(), {})]) as world:
        assert s3.upload(world, R, URI, archive, said.append) is True
    assert said == [f"uploading 3 B to {URI}"]


def test_code_that_is_there_is_not_sent_again(archive):
    """The key is the hash of the contents."""
    said = []
    with aws(s3=[HEAD_BUCKET, ("head_object", HEAD, {})]) as world:
        assert s3.upload(world, R, URI, archive, said.append) is False
    assert said == []


def test_where_we_may_not_look_it_is_sent(archive):
    """A role that may put but not get: S3 answers 403, and sending the same contents again changes nothing."""
    with aws(s3=[HEAD_BUCKET, ("head_object", "403"), ("put_object", put(), {})]) as world:
        assert s3.upload(world, R, URI, archive, lambda text: None) is True


def test_a_denied_upload_is_exit_5(archive):
    with aws(s3=[HEAD_BUCKET, ("head_object", "404"), ("put_object", "AccessDenied")]) as world:
        code = refused(lambda: s3.upload(world, R, URI, archive, print), "s3:PutObject", "spotbox policy train")
    assert code == Exit.DENIED


@contextmanager
def bucket_answers(code, region, status):
    """HeadBucket as S3 refuses it: the bucket's region is in a header."""
    stubber = Stubber(sealed().client("s3", R))
    headers = {"x-amz-bucket-region": region} if region else {}
    stubber.add_client_error("head_bucket", code, http_status_code=status, response_meta={"HTTPHeaders": headers})
    with stubber:
        yield sealed()


def test_a_bucket_of_another_region_is_refused(archive):
    """The rule is named, with both ways out; also where HeadBucket is denied or redirected, for its header tells."""
    there = ("head_bucket", {"Bucket": "mine"}, {"BucketRegion": "eu-west-1"})
    with aws(s3=[there]) as world:
        code = refused(lambda: s3.upload(world, R, URI, archive, print), "is in eu-west-1", "-r eu-west-1", R)
    assert code == Exit.USAGE
    for error, status in (("403", 403), ("301", 301)):
        with bucket_answers(error, "eu-west-1", status) as world:
            assert refused(lambda world=world: s3.check_bucket(world, R, "mine"), "is in eu-west-1") == Exit.USAGE


def test_a_bucket_that_may_not_be_looked_at_is_let_pass():
    """No region told, or the right one: the upload itself will show."""
    for region in (None, R):
        with bucket_answers("403", region, 403) as world:
            s3.check_bucket(world, R, "mine")


def test_a_bucket_that_is_not_there_is_a_usage_error():
    """With the command that makes it; for a checkpoint's prefix too."""
    with aws(s3=[("head_bucket", "404")]) as world:
        assert refused(lambda: s3.check_bucket(world, R, "mine"), "no bucket mine", "aws s3 mb") == Exit.USAGE
    with aws(s3=[("list_objects_v2", "NoSuchBucket")]) as world:
        assert refused(lambda: s3.prefix_holds(world, R, "s3://mine/c"), "no bucket mine") == Exit.USAGE


@pytest.mark.parametrize(
    ("keys", "holds"),
    [([], False), (["ckpt/"], False), (["ckpt/a"], True), (["ckpt/", "ckpt/a"], True)],
)
def test_a_prefix_holds_what_lies_under_it(keys, holds):
    """The console's marker of an empty folder is nothing; `ckpt2/` is another prefix."""
    asked = {"Bucket": "mine", "Prefix": "ckpt/", "MaxKeys": 2}
    for uri in ("s3://mine/ckpt", "s3://mine/ckpt/"):
        with aws(s3=[("list_objects_v2", asked, {"Contents": [{"Key": key} for key in keys]})]) as world:
            assert s3.prefix_holds(world, R, uri) is holds


def test_a_prefix_that_may_not_be_looked_at_is_unknown():
    with aws(s3=[("list_objects_v2", "AccessDenied")]) as world:
        assert s3.prefix_holds(world, R, "s3://mine/ckpt") is None
