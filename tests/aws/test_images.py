"""Finding the image: SSM first, Amazon's names next, or the id that was given."""

import pytest

from spotbox.aws.images import find_image
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.images import name_pattern, parameter, path
from tests.aws.stubbed import R, aws, filters

NAME = "Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04) 20261101"


def item(id="ami-1", created="2026-11-01T00:00:00.000Z", name=NAME, root="/dev/sda1", **more):
    disks = [{"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"}, {"DeviceName": root, "Ebs": {"VolumeSize": 73}}]
    return {
        "ImageId": id,
        "Name": name,
        "Description": "Supported EC2 instances: G5, G6.",
        "Architecture": "x86_64",
        "RootDeviceName": root,
        "BlockDeviceMappings": disks,
        "CreationDate": created,
        "State": "available",
    } | more


def by_id(id, *items):
    return ("describe_images", {"ImageIds": [id], "IncludeDeprecated": True}, {"Images": list(items)})


def by_name(alias, arch, *items):
    asked = {
        "Owners": ["amazon"],
        "Filters": filters(name=[name_pattern(alias, arch)], architecture=[arch], state=["available"]),
    }
    return ("describe_images", asked, {"Images": list(items)})


def published(alias, value, arch="x86_64"):
    name = parameter(alias, arch)
    return ("get_parameter", {"Name": name}, {"Parameter": {"Name": name, "Value": value}})


def test_alias_through_ssm():
    """An alias is the image that SSM publishes; root device and size are the image's own."""
    with aws(ssm=[published("dlami", "ami-1")], ec2=[by_id("ami-1", item())]) as world:
        found = find_image(world, R, "dlami", "x86_64")
    assert (found.id, found.root_device, found.size_gib, found.architecture) == ("ami-1", "/dev/sda1", 73, "x86_64")


@pytest.mark.parametrize("code", ["ParameterNotFound", "AccessDeniedException", "InternalServerError"])
@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
def test_fallback_by_name(code, arch):
    """Where SSM does not tell, it is the newest of Amazon's images of that name with Nvidia's driver."""
    items = [
        item("ami-old", "2026-01-01T00:00:00.000Z"),
        item("ami-new", "2026-10-01T00:00:00.000Z"),
        item("ami-bare", "2026-11-01T00:00:00.000Z", "Deep Learning ARM64 Base AMI (Ubuntu 24.04)"),
        item("ami-noroot", "2026-11-01T00:00:00.000Z", BlockDeviceMappings=[]),
    ]
    with aws(ssm=[("get_parameter", code)], ec2=[by_name("dlami", arch, *items)]) as world:
        assert find_image(world, R, "dlami", arch).id == "ami-new"


def test_fallback_for_a_withdrawn_image():
    """A published id that the region no longer has does not end the search."""
    with aws(
        ssm=[published("dlami-al2023", "ami-gone")],
        ec2=[("describe_images", "InvalidAMIID.NotFound"), by_name("dlami-al2023", "x86_64", item())],
    ) as world:
        assert find_image(world, R, "dlami-al2023", "x86_64").id == "ami-1"


def test_pytorch_is_the_newest_published():
    """PyTorch's parameter is picked among all pages of the architecture's path."""
    root = path("x86_64")

    def parameters(*pairs):
        return [{"Name": f"{root}/{variant}/latest/ami-id", "Value": value} for variant, value in pairs]

    asked = {"Path": root, "Recursive": True}
    first = parameters(("oss-nvidia-driver-gpu-pytorch-2.9-ubuntu-22.04", "ami-9"))
    second = parameters(("oss-nvidia-driver-gpu-pytorch-2.12-ubuntu-24.04", "ami-12"))
    with aws(
        ssm=[
            ("get_parameters_by_path", asked, {"Parameters": first, "NextToken": "n"}),
            ("get_parameters_by_path", {**asked, "NextToken": "n"}, {"Parameters": second}),
        ],
        ec2=[by_id("ami-12", item("ami-12"))],
    ) as world:
        assert find_image(world, R, "pytorch", "x86_64").id == "ami-12"


def test_nothing_of_that_name():
    """A region without the image says so, with the flag that helps."""
    told = pytest.raises(UsageError, match="us-east-1 has no image for dlami on arm64")
    with aws(ssm=[("get_parameter", "ParameterNotFound")], ec2=[by_name("dlami", "arm64")]) as world, told as caught:
        find_image(world, R, "dlami", "arm64")
    assert "--ami" in caught.value.hint


@pytest.mark.parametrize(
    "call",
    [
        ("describe_images", "InvalidAMIID.NotFound"),
        ("describe_images", "InvalidAMIID.Malformed"),
        ("describe_images", "InvalidAMIID.Unavailable"),
        by_id("ami-9"),
        by_id("ami-9", item("ami-9", State="pending")),
    ],
)
def test_unknown_id(call):
    """An id that the region does not have, or not yet, is a usage error."""
    with aws(ec2=[call]) as world, pytest.raises(UsageError, match="no image ami-9 to use in us-east-1"):
        find_image(world, R, "ami-9")


def test_an_image_that_cannot_stop():
    """An image without an EBS root is refused: its instance could never be stopped."""
    answer = item("ami-9", BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "VirtualName": "ephemeral0"}])
    with aws(ec2=[by_id("ami-9", answer)]) as world, pytest.raises(UsageError, match="no EBS root"):
        find_image(world, R, "ami-9")


def test_denied_is_told():
    """Where images may not be read at all, the permission is named."""
    told = pytest.raises(SpotboxError, match="no permission for ec2:DescribeImages")
    with aws(ec2=[("describe_images", "UnauthorizedOperation")]) as world, told:
        find_image(world, R, "ami-9")


def test_unknown_word():
    """A word that is no alias is a usage error with the one that was meant, and AWS is not asked."""
    with aws() as world, pytest.raises(UsageError) as caught:
        find_image(world, R, "dlammi\x1b[2J")
    assert caught.value.message.isprintable()
    with aws() as world, pytest.raises(UsageError, match="did you mean pytorch"):
        find_image(world, R, "pytroch")
