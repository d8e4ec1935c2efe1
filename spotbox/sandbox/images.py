"""The Deep Learning AMIs of the sandbox: names, sizes and SSM parameters as AWS has them, ids of our own.

Parameter names, login users and supported families: AWS Deep Learning AMIs Developer Guide and its release notes,
2025-2026. Each region has its own ids, as at AWS.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

_X86 = "G4dn, G5, G6, Gr6, G6e, P4d, P4de, P5, P5e, P5en, P6-B200, P6-B300"
_ARM = "G5g, P6e-GB200, P6e-GB300"
_BASE = "Deep Learning {arm}Base OSS Nvidia Driver GPU AMI ({os})"
_TORCH = "Deep Learning {arm}OSS Nvidia Driver AMI GPU PyTorch {torch} ({os})"
OWNER = "898082745236"  # the account that publishes the Deep Learning AMIs


@dataclass(frozen=True)
class DeepLearningImage:
    """One line of images. `size_gib` is that of the root snapshot; `created` that of the newest image."""

    title: str
    variant: str
    arch: str
    root: str
    size_gib: int
    user: str
    created: str
    supports: str

    @property
    def parameter(self) -> str:
        """The SSM public parameter that holds the newest image's id."""
        return f"/aws/service/deeplearning/ami/{self.arch}/{self.variant}/latest/ami-id"

    @property
    def name(self) -> str:
        """The image's name ends in its date, as AWS writes it."""
        return f"{self.title} {self.created[:10].replace('-', '')}"

    @property
    def description(self) -> str:
        """AWS lists the families that an image runs on in its description; they change with each release."""
        return (
            f"Supported EC2 instances: {self.supports}. Release notes: "
            "https://docs.aws.amazon.com/dlami/latest/devguide/appendix-ami-release-notes.html"
        )

    def id_in(self, region: str) -> str:
        """The image's id in a region: the same at every start of the sandbox."""
        return "ami-0" + sha256(f"{region}{self.parameter}".encode()).hexdigest()[:16]

    def snapshot_in(self, region: str) -> str:
        """The id of its root snapshot in a region, which AWS owns and does not list."""
        return "snap-0" + self.id_in(region)[5:]


def _lines() -> Iterator[DeepLearningImage]:
    ubuntu, amazon = ("/dev/sda1", "ubuntu"), ("/dev/xvda", "ec2-user")  # root of AL2023: UNCONFIRMED
    base = "base-oss-nvidia-driver-gpu"
    for arch, arm, supports in (("x86_64", "", _X86), ("arm64", "ARM64 ", _ARM)):
        for os, slug, (root, user), size, created in (
            ("Ubuntu 24.04", "ubuntu-24.04", ubuntu, 75, "2026-10-28T07:12:31.000Z"),
            ("Ubuntu 22.04", "ubuntu-22.04", ubuntu, 73, "2026-10-21T08:40:02.000Z"),
            ("Amazon Linux 2023", "amazon-linux-2023", amazon, 75, "2026-10-30T19:05:44.000Z"),
        ):
            title = _BASE.format(arm=arm, os=os)
            yield DeepLearningImage(title, f"{base}-{slug}", arch, root, size, user, created, supports)
        for torch, os, slug, size, created in (
            ("2.7", "Ubuntu 22.04", "2.7-ubuntu-22.04", 85, "2026-05-02T06:20:11.000Z"),  # a line that AWS froze
            ("2.12", "Ubuntu 24.04", "2.12-ubuntu-24.04", 95, "2026-10-17T10:33:57.000Z"),
        ):
            title = _TORCH.format(arm=arm, torch=torch, os=os)
            variant = f"oss-nvidia-driver-gpu-pytorch-{slug}"
            yield DeepLearningImage(title, variant, arch, *ubuntu[:1], size, "ubuntu", created, supports)


IMAGES: tuple[DeepLearningImage, ...] = tuple(_lines())


def parameters(region: str) -> dict[str, str]:
    """Every SSM public parameter of these images in a region: name -> image id."""
    return {image.parameter: image.id_in(region) for image in IMAGES}


def login(image_id: str, region: str) -> str:
    """The login user of an image; `ubuntu` for one that is not of this table."""
    return next((image.user for image in IMAGES if image.id_in(region) == image_id), "ubuntu")
