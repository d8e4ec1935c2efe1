"""A region's name against what AWS tells of its regions: name -> opt-in status (EC2 API Reference, DescribeRegions)."""

from collections.abc import Mapping, Sequence

from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.text import did_you_mean, safe

NOT_ENABLED = "not-opted-in"
# Those of before March 2019, which every account has (Account Management guide, "Regions enabled by default").
ALWAYS_ENABLED = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
    *("eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1"),
    *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-southeast-1", "ap-southeast-2", "ap-south-1"),
)


def enabled_regions(known: Mapping[str, str]) -> list[str]:
    """The regions that the account can use, by name."""
    return sorted(name for name, status in known.items() if status != NOT_ENABLED)


def check_region(name: str, known: Mapping[str, str], words: Sequence[str] = ()) -> str:
    """The name itself. UsageError where AWS has no such region, exit 5 where the account has not enabled it.

    `words` are what may stand in place of a region, such as `all`.
    """
    status = known.get(name)
    if status is None:
        raise UsageError(
            f"{safe(name)!r} is not an AWS region{did_you_mean(name, [*known, *words])}",
            f"Regions here: {', '.join(enabled_regions(known))}{''.join(f'; or {word}' for word in words)}.",
        )
    if status == NOT_ENABLED:
        raise SpotboxError(
            f"region {name} is not enabled for this account",
            f"Enable it with: aws account enable-region --region-name {name}; or use another with -r.",
            Exit.DENIED,
        )
    return name
