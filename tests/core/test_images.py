"""Aliases, login users, and which image runs on which type."""

from decimal import Decimal

import pytest

from spotbox.core import images
from spotbox.core.records import Image, InstanceType

BASE = "Supported EC2 instances: G4dn, G5, G6, Gr6, G6e, P4d, P4de, P5, P5e, P5en, P6-B200, P6-B300. Release notes: https://docs.aws.amazon.com/dlami/latest/devguide/appendix-ami-release-notes.html"


def image(name="", description="", architecture="x86_64", created="2026-01-01T00:00:00.000Z", id="ami-1"):
    return Image(id, name, description, architecture, "/dev/sda1", 73, created)


def type_(name, *architectures):
    return InstanceType(name, 4, Decimal(16), architectures or ("x86_64",), True)


def test_parameters():
    """Each alias with a fixed variant has one SSM parameter per architecture; PyTorch's has to be picked."""
    root = "/aws/service/deeplearning/ami"
    assert images.parameter("dlami", "x86_64") == (
        f"{root}/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
    )
    assert images.parameter("dlami-al2023", "arm64") == (
        f"{root}/arm64/base-oss-nvidia-driver-gpu-amazon-linux-2023/latest/ami-id"
    )
    assert images.parameter("pytorch", "x86_64") is None


@pytest.mark.parametrize("alias", images.ALIASES)
def test_names_differ_by_architecture(alias):
    """The name pattern of ARM images says so, and the other never does."""
    assert "ARM64" in images.name_pattern(alias, "arm64")
    assert "ARM64" not in images.name_pattern(alias, "x86_64")
    assert "Nvidia Driver" in images.name_pattern(alias, "arm64")


def test_newest_pytorch():
    """The highest PyTorch by number (2.13 after 2.7), then the highest Ubuntu; other names do not count."""
    root = "/aws/service/deeplearning/ami/x86_64"
    names = [
        f"{root}/oss-nvidia-driver-gpu-pytorch-2.7-ubuntu-22.04/latest/ami-id",
        f"{root}/oss-nvidia-driver-gpu-pytorch-2.13-ubuntu-24.04/latest/ami-id",
        f"{root}/oss-nvidia-driver-gpu-pytorch-2.13-ubuntu-26.04/latest/ami-id",
        f"{root}/oss-nvidia-driver-gpu-pytorch-2.14-amazon-linux-2023/latest/ami-id",
        f"{root}/oss-nvidia-driver-gpu-pytorch-3.0-ubuntu-26.04/latest/kernel",
        f"{root}/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
    ]
    assert images.newest_pytorch(names) == names[2]
    assert images.newest_pytorch(reversed(names)) == names[2]
    assert images.newest_pytorch(names[5:]) is None


def test_newest():
    """The latest CreationDate wins, among images with Nvidia's driver only."""
    old = image("Deep Learning Base OSS Nvidia Driver GPU AMI", created="2025-05-02T00:00:00.000Z", id="ami-old")
    new = image("Deep Learning Base OSS Nvidia Driver GPU AMI", created="2026-05-02T00:00:00.000Z", id="ami-new")
    bare = image("Deep Learning ARM64 Base AMI", created="2026-09-02T00:00:00.000Z", id="ami-bare")
    assert images.newest([old, new, bare]) is new
    assert images.newest([bare]) is None


@pytest.mark.parametrize(
    ("name", "description", "user"),
    [
        ("Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04) 20261101", BASE, "ubuntu"),
        ("Deep Learning Base OSS Nvidia Driver GPU AMI (Amazon Linux 2023) 20261101", BASE, "ec2-user"),
        ("al2023-ami-2023.6-x86_64", "", "ec2-user"),
        ("amzn2-ami-hvm-2.0", "", "ec2-user"),
        ("debian-12-amd64-20260101", "", "admin"),
        ("my-image", "built on Ubuntu 22.04", "ubuntu"),
        ("my-image", "", None),
    ],
)
def test_login_user(name, description, user):
    """The login user follows from the system in the name or description, else is unknown."""
    assert images.login_user(image(name, description)) == user


@pytest.mark.parametrize(
    ("description", "families"),
    [
        (BASE, {"g4dn", "g5", "g6", "gr6", "g6e", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300"}),
        ("Supported EC2 Instances: G3, P3dn and G4dn", {"g3", "p3dn", "g4dn"}),
        ("Text. supported EC2 instance types : g5g, P6e-GB200\nNVIDIA driver version: 550", {"g5g", "p6e-gb200"}),
        ("Supported EC2 instances: P5.48xlarge, G6.", {"p5", "g6"}),
        ("Supported EC2 instances: all of them.", None),
        ("An image of my own", None),
        ("", None),
    ],
)
def test_supported_families(description, families):
    """The families are read out of the description's own sentence; without one they are unknown."""
    found = images.supported_families(image(description=description))
    assert found == (families and frozenset(families))


@pytest.mark.parametrize(
    ("description", "name", "fit"),
    [
        (BASE, "g5.xlarge", True),
        (BASE, "p6-b200.48xlarge", True),
        (BASE, "g6f.xlarge", False),
        (BASE, "p3.2xlarge", False),
        (BASE, "g4ad.xlarge", False),
        ("Supported EC2 instances: P4, P4de, P6.", "p4d.24xlarge", True),
        ("Supported EC2 instances: P4, P4de, P6.", "p6-b300.48xlarge", True),
        ("Supported EC2 instances: P4, P4de, P6.", "p6e-gb200.36xlarge", False),
        ("An image of my own", "g4ad.xlarge", True),
    ],
)
def test_fits(description, name, fit):
    """A type fits where the image names its family, and where the image names none."""
    reason = images.fits(image(description=description), type_(name))
    assert (reason is None) is fit
    if not fit:
        assert images.family_of(name) in reason


def test_architecture_must_fit():
    """An ARM image does not run on an x86 type, whatever the families say; unknown architectures are let through."""
    arm = image(description=BASE, architecture="arm64")
    assert "arm64" in images.fits(arm, type_("g5.xlarge", "x86_64"))
    assert images.fits(image(), type_("g5g.xlarge", "arm64"))
    assert images.fits(arm, InstanceType("g5.xlarge", 4, Decimal(16), (), True)) is None
