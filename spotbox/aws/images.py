"""The machine image of a box: from SSM's public parameters, else by name, else by its id."""

from typing import Any

from spotbox.aws.errors import translating
from spotbox.aws.session import Aws
from spotbox.core import images as names
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.records import Image
from spotbox.core.text import did_you_mean, safe


def find_image(aws: Aws, region: str, ami_or_alias: str, arch: str = "x86_64") -> Image:
    """The image of an id (`ami-...`) or an alias (`dlami`, `dlami-al2023`, `pytorch`) for `arch` (x86_64, arm64).

    UsageError for a word that is neither, an id that the region does not have, and an image without an EBS root (which
    could not be stopped). An alias is looked up in SSM; where SSM has or tells nothing, among Amazon's images by name.
    """
    if ami_or_alias.startswith("ami-"):
        return _by_id(aws, region, ami_or_alias)
    _check_alias(ami_or_alias)
    try:
        image_id = _published(aws, region, ami_or_alias, arch)
        if image_id:
            return _by_id(aws, region, image_id)
    except SpotboxError:
        pass  # no permission, no such parameter, an image that was withdrawn: the name finds it, or says what is wrong
    return _by_name(aws, region, ami_or_alias, arch)


def image_id(aws: Aws, region: str, ami_or_alias: str, arch: str = "x86_64") -> str:
    """The id alone, in one call where SSM tells it; whether the region has an image of a given id is not asked."""
    if ami_or_alias.startswith("ami-"):
        return ami_or_alias
    _check_alias(ami_or_alias)
    try:
        if found := _published(aws, region, ami_or_alias, arch):
            return found
    except SpotboxError:
        pass  # as above
    return _by_name(aws, region, ami_or_alias, arch).id


def _check_alias(word: str) -> None:
    if word not in names.ALIASES:
        raise UsageError(
            f"{safe(word)!r} is no image{did_you_mean(word, names.ALIASES)}",
            f"Give an id such as ami-0123456789abcdef0, or one of {', '.join(names.ALIASES)}.",
        )


def _published(aws: Aws, region: str, alias: str, arch: str) -> str | None:
    """The image id that SSM publishes for `alias` (Systems Manager User Guide, "Public parameters")."""
    ssm = aws.client("ssm", region)
    name = names.parameter(alias, arch)
    if name:
        with translating("ssm:GetParameter", region):
            found = ssm.get_parameter(Name=name).get("Parameter") or {}
            return str(found["Value"]) if found.get("Value") else None
    with translating("ssm:GetParametersByPath", region):
        pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=names.path(arch), Recursive=True)
        values = {item["Name"]: item["Value"] for page in pages for item in page.get("Parameters", ())}
    best = names.newest_pytorch(values)
    return str(values[best]) if best else None


def _by_name(aws: Aws, region: str, alias: str, arch: str) -> Image:
    filters = [
        {"Name": "name", "Values": [names.name_pattern(alias, arch)]},
        {"Name": "architecture", "Values": [arch]},
        {"Name": "state", "Values": ["available"]},
    ]
    with translating("ec2:DescribeImages", region):
        pages = aws.client("ec2", region).get_paginator("describe_images").paginate(Owners=["amazon"], Filters=filters)
        items = [item for page in pages for item in page.get("Images", ())]
    found = names.newest(image for image in map(_parsed, items) if image is not None)
    if found is None:
        raise UsageError(f"{region} has no image for {alias} on {arch}", "Name one by its id: `--ami ami-...`.")
    return found


def _by_id(aws: Aws, region: str, image_id: str) -> Image:
    try:
        with translating("ec2:DescribeImages", region):
            # A deprecated image still launches, and is named on purpose.
            items = aws.client("ec2", region).describe_images(ImageIds=[image_id], IncludeDeprecated=True).get("Images")
    except SpotboxError as error:
        if not (error.code or "").startswith("InvalidAMIID"):
            raise
        items = []
    if not items or items[0].get("State", "available") != "available":
        raise UsageError(
            f"there is no image {safe(image_id)} to use in {region}", "Images belong to one region: see `--ami`."
        )
    image = _parsed(items[0])
    if image is None:
        raise UsageError(f"{safe(image_id)} has no EBS root disk, so it cannot stop", "Choose another with `--ami`.")
    return image


def _parsed(item: dict[str, Any]) -> Image | None:
    """One of Images; None where its root is no EBS volume. Device and size are the image's own, never assumed."""
    root = item.get("RootDeviceName")
    disks = {mapping.get("DeviceName"): mapping.get("Ebs") for mapping in item.get("BlockDeviceMappings") or ()}
    disk = disks.get(root)
    if not root or not disk:
        return None
    return Image(
        id=item["ImageId"],
        name=item.get("Name", ""),
        description=item.get("Description", ""),
        architecture=item.get("Architecture", ""),
        root_device=root,
        size_gib=int(disk.get("VolumeSize") or 1),
        created=item.get("CreationDate", ""),
        deprecated=item.get("DeprecationTime"),
    )
