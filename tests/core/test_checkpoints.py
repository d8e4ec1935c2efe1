"""`--checkpoint FOLDER=s3://BUCKET/PREFIX`."""

import pytest

from spotbox.core.checkpoints import check_checkpoints, parse_checkpoint
from spotbox.core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("~/ckpt=s3://mine/dev", ("~/ckpt", "s3://mine/dev")),
        ("~/a b/=s3://mine/dev/", ("~/a b", "s3://mine/dev")),
        ("/data/ckpt=s3://my.bucket-1/x/y=z", ("/data/ckpt", "s3://my.bucket-1/x/y=z")),
        ("/home/ubuntu/ckpt=s3://abc/A", ("/home/ubuntu/ckpt", "s3://abc/A")),
        ("~/a=b=s3://mine/dev", ("~/a=b", "s3://mine/dev")),
        ("/opt/dlami/nvme/ckpt=s3://mine/dev", ("/opt/dlami/nvme/ckpt", "s3://mine/dev")),
        ("/scratch=s3://mine/dev", ("/scratch", "s3://mine/dev")),
        ("/mnt/root/etc=s3://mine/dev", ("/mnt/root/etc", "s3://mine/dev")),
    ],
)
def test_a_checkpoint_is_a_folder_and_its_place(text, pair):
    """A folder in the home or an absolute one, and a prefix in a bucket."""
    assert parse_checkpoint(text) == pair


@pytest.mark.parametrize(
    "text",
    [
        "~/ckpt",
        "s3://mine/dev",
        "=s3://mine/dev",
        "ckpt=s3://mine/dev",
        "~=s3://mine/dev",
        "~/=s3://mine/dev",
        "/=s3://mine/dev",
        "/data=s3://mine/dev",
        "/home/ubuntu=s3://mine/dev",
        "/home=s3://mine/dev",
        "/tmp/=s3://mine/dev",
        "/var/lib=s3://mine/dev",
        "/opt/dlami/nvme=s3://mine/dev",
        "~/../x=s3://mine/dev",
        "~/a//b=s3://mine/dev",
        "~/a\nb=s3://mine/dev",
        "~/a\x1b[31m=s3://mine/dev",
        "~other/x=s3://mine/dev",
        "~/ckpt=s3://",
        "~/ckpt=s3://mine",
        "~/ckpt=s3://mine/",
        "~/ckpt=s3://Mine/dev",
        "~/ckpt=s3://mi/dev",
        "~/ckpt=s3://my..bucket/dev",
        "~/ckpt=s3://my_bucket/dev",
        "~/ckpt=s3://-mine/dev",
        "~/ckpt=s3://192.168.5.4/dev",
        "~/ckpt=s3://xn--mine/dev",
        "~/ckpt=s3://mine-s3alias/dev",
        "~/ckpt=s3://mine/../other",
        "~/ckpt=s3://mine//dev",
        "~/ckpt=s3://mine/dev/*",
        "~/ckpt=s3://mine/d v",
        "~/ckpt=s3://mine/dev/LATEST",
        "~/ckpt=s3://mine/dev;id",
        "~/ckpt=s3://" + "a" * 64 + "/dev",
    ],
)
def test_what_is_no_checkpoint_is_refused(text):
    """No relative or whole places, nothing that S3 takes as no bucket's name, nothing that could be bent."""
    with pytest.raises(UsageError) as said:
        parse_checkpoint(text)
    assert said.value.message.isprintable()
    assert said.value.hint


def test_checkpoints_lie_apart():
    """One folder goes to one place, and no place lies within another."""
    check_checkpoints([("~/a", "s3://mine/dev"), ("~/b", "s3://mine/dev2")])
    for other in (("~/a", "s3://mine/x"), ("~/b", "s3://mine/dev"), ("~/b", "s3://mine/dev/A"), ("~/b", "s3://mine/d")):
        if other[1] == "s3://mine/d":
            check_checkpoints([("~/a", "s3://mine/dev"), other])
            continue
        with pytest.raises(UsageError):
            check_checkpoints([("~/a", "s3://mine/dev"), other])


@pytest.mark.parametrize(
    "folder", ["/root", "/root/ckpt", "/etc", "/etc/x", "/usr/local/ckpt", "/run/x", "/proc/1", "/lib"]
)
def test_a_folder_of_the_system_is_no_checkpoint(folder):
    """The guard syncs as the box's login, which can neither write there nor make the folder: refused in words."""
    with pytest.raises(UsageError, match="cannot write there"):
        check_checkpoints([parse_checkpoint(f"{folder}=s3://mine/dev")])
