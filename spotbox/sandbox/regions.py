"""The regions of the sandbox's account: which are enabled, what they are called, and how dear they are."""

from decimal import Decimal

# The regions every account has without asking (Regions and Zones, "opt-in-not-required"): location name of the price
# list, prefix of its usage types, and a price factor against us-east-1 (round figures, no quotations).
ENABLED: dict[str, tuple[str, str, str]] = {
    "us-east-1": ("US East (N. Virginia)", "", "1"),
    "us-east-2": ("US East (Ohio)", "USE2-", "1"),
    "us-west-1": ("US West (N. California)", "USW1-", "1.2"),
    "us-west-2": ("US West (Oregon)", "USW2-", "1"),
    "ca-central-1": ("Canada (Central)", "CAN1-", "1.11"),
    "sa-east-1": ("South America (Sao Paulo)", "SAE1-", "1.7"),
    "eu-central-1": ("EU (Frankfurt)", "EUC1-", "1.25"),
    "eu-west-1": ("EU (Ireland)", "EU-", "1.115"),
    "eu-west-2": ("EU (London)", "EUW2-", "1.17"),
    "eu-west-3": ("EU (Paris)", "EUW3-", "1.17"),
    "eu-north-1": ("EU (Stockholm)", "EUN1-", "1.06"),
    "ap-south-1": ("Asia Pacific (Mumbai)", "APS3-", "1.1"),
    "ap-northeast-1": ("Asia Pacific (Tokyo)", "APN1-", "1.35"),
    "ap-northeast-2": ("Asia Pacific (Seoul)", "APN2-", "1.23"),
    "ap-northeast-3": ("Asia Pacific (Osaka)", "APN3-", "1.35"),
    "ap-southeast-1": ("Asia Pacific (Singapore)", "APS1-", "1.4"),
    "ap-southeast-2": ("Asia Pacific (Sydney)", "APS2-", "1.3"),
}

# Regions that an account has to switch on; this account has not. Calls to them are refused with AuthFailure.
NOT_OPTED_IN = (
    "af-south-1",
    "ap-east-1",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
)


def factor(region: str) -> Decimal:
    """How many times dearer `region` is than us-east-1."""
    return Decimal(ENABLED[region][2])


def of_zone(zone: str) -> str:
    """The region of an Availability Zone by its name (us-east-1a -> us-east-1)."""
    return zone.rstrip("abcdefghijklmnopqrstuvwxyz") if zone[-1:].isalpha() else zone
