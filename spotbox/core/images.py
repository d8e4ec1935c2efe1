"""Deep Learning AMIs: the aliases of `--ami`, where AWS publishes them, who logs in, and which types they run on.

Parameters and names: AWS Deep Learning AMIs Developer Guide, release notes of the Base OSS and PyTorch images.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from spotbox.core.records import Image, InstanceType

_USUAL = {"x86_64": ("g4dn.xlarge", "g5.xlarge", "g6.xlarge", "p4d.24xlarge"), "arm64": ("g5g.xlarge",)}
_ROOT = "/aws/service/deeplearning/ami"
_PYTORCH = re.compile(r"oss-nvidia-driver-gpu-pytorch-(\d+(?:\.\d+)*)-ubuntu-(\d+(?:\.\d+)*)")
_SUPPORTED = re.compile(r"supported\s+ec2\s+instances?(?:\s+(?:types|families))?\s*:\s*(.+?)(?:\.\s|\.?$)", re.I | re.M)
_FAMILY = re.compile(r"\b[a-z]{1,5}\d+[a-z]*(?:-[a-z]+\d+)?\b", re.I)


@dataclass(frozen=True)
class Alias:
    """One word for `--ami`. `variant` is None where the newest framework version has to be looked for."""

    variant: str | None
    patterns: tuple[tuple[str, str], ...]  # (architecture, name pattern of DescribeImages)


def _base(system: str) -> tuple[tuple[str, str], ...]:
    return (
        ("x86_64", f"Deep Learning Base OSS Nvidia Driver GPU AMI ({system}) *"),
        ("arm64", f"Deep Learning ARM64 Base OSS Nvidia Driver GPU AMI ({system}) *"),
    )


ALIASES = {
    "dlami": Alias("base-oss-nvidia-driver-gpu-ubuntu-24.04", _base("Ubuntu 24.04")),
    "dlami-al2023": Alias("base-oss-nvidia-driver-gpu-amazon-linux-2023", _base("Amazon Linux 2023")),
    # AWS orders the words of the two architectures differently.
    "pytorch": Alias(
        None,
        (
            ("x86_64", "Deep Learning OSS Nvidia Driver AMI GPU PyTorch * (Ubuntu *) *"),
            ("arm64", "Deep Learning ARM64 AMI OSS Nvidia Driver GPU PyTorch * (Ubuntu *) *"),
        ),
    ),
}


def parameter(alias: str, arch: str) -> str | None:
    """The SSM public parameter that holds the image id of `alias`; None where one must be picked from `path(arch)`."""
    variant = ALIASES[alias].variant
    return f"{path(arch)}/{variant}/latest/ami-id" if variant else None


def path(arch: str) -> str:
    """The SSM path under which all Deep Learning AMIs of an architecture are published."""
    return f"{_ROOT}/{arch}"


def name_pattern(alias: str, arch: str) -> str:
    """The `name` filter of DescribeImages for `alias`, where SSM does not answer."""
    return dict(ALIASES[alias].patterns)[arch]


def is_named_as(image: Image, alias: str) -> bool:
    """Whether the image has a name such as the images of `alias` have."""
    return any(fnmatchcase(image.name, pattern) for _, pattern in ALIASES[alias].patterns)


def newest_pytorch(names: Iterable[str]) -> str | None:
    """Of SSM parameter names the `latest` one of the highest PyTorch, then the highest Ubuntu; None without any.

    AWS keeps one `latest` per PyTorch and OS version and stops moving the old ones, so the highest is the live one.
    """
    found = []
    for name in names:
        match = _PYTORCH.search(name)
        if match and name.endswith("/latest/ami-id"):
            found.append((_version(match[1]), _version(match[2]), name))
    return max(found)[2] if found else None


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def newest(images: Iterable[Image]) -> Image | None:
    """The image with the latest CreationDate that carries Nvidia's driver (driverless ARM images share the names)."""
    with_driver = [image for image in images if "nvidia" in f"{image.name} {image.description}".lower()]
    return max(with_driver, key=lambda image: (image.created, image.id), default=None)


def login_user(image: Image) -> str | None:
    """The user that SSH logs in as: `ubuntu`, `ec2-user`, `admin`; None where name and description do not tell.

    EC2 User Guide, "Manage system users": the default user by AMI.
    """
    text = f"{image.name} {image.description}".lower()
    if "ubuntu" in text:
        return "ubuntu"
    if re.search(r"amazon linux|al2023|amzn2?|\brhel|red hat|\bsuse", text):
        return "ec2-user"
    return "admin" if "debian" in text else None


def supported_families(image: Image) -> frozenset[str] | None:
    """The families (`g5`, `p6-b200`) that the description says it supports; None where it does not say.

    "Supported EC2 instances: G4dn, G5, P6-B200. Release notes: ..." in the description of each Deep Learning AMI.
    """
    return _families(image.description)


@lru_cache
def _families(description: str) -> frozenset[str] | None:
    match = _SUPPORTED.search(description)
    if not match:
        return None
    return frozenset(family.lower() for family in _FAMILY.findall(match[1])) or None


def fits(image: Image, instance_type: InstanceType) -> str | None:
    """Why `image` cannot run on `instance_type`, or None where it can, or nothing says that it cannot."""
    if instance_type.architectures and image.architecture not in instance_type.architectures:
        has = " and ".join(instance_type.architectures)
        return f"{image.id} is an image for {image.architecture}, and {instance_type.name} is {has}"
    families = supported_families(image)
    if families is None or any(_covers(listed, family_of(instance_type.name)) for listed in families):
        return None
    return f"{image.id} does not say that it supports {family_of(instance_type.name)} ({_listed(families)})"


def suggested_type(image: Image) -> str | None:
    """A usual type that the image says it supports, the cheaper ones first; None where it does not say."""
    families = supported_families(image) or ()
    return next((name for name in _USUAL[image.architecture] if family_of(name) in families), None)


def family_of(instance_type: str) -> str:
    """`p6-b200` of `p6-b200.48xlarge`."""
    return instance_type.partition(".")[0].lower()


def _covers(listed: str, family: str) -> bool:
    """Some descriptions write P4 for p4d and P6 for p6-b200; G6 stands for g6 alone (g6f needs another driver)."""
    return family == listed or family.startswith(f"{listed}-") or (listed, family) == ("p4", "p4d")


def _listed(families: frozenset[str]) -> str:
    return "it names " + ", ".join(sorted(families))
