"""All that commands may ask of AWS, in one object; tests give them another with the same verbs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from spotbox.aws import apply as applying
from spotbox.aws import identity, images, network, observe, prices, pricing, quotas, types
from spotbox.aws import survey as surveying
from spotbox.aws.errors import translating
from spotbox.aws.hands import Hands
from spotbox.aws.launch import Launched, launch
from spotbox.aws.session import Aws
from spotbox.core.boxes import Sight
from spotbox.core.errors import SpotboxError
from spotbox.core.records import Identity, Image, InstanceType, Subnet
from spotbox.core.steps import Launch, Step


class Cloud:
    """AWS as spotbox sees it. Every method raises SpotboxError; money is Decimal USD, times are aware UTC."""

    def __init__(self, hands: Hands):
        self._hands = hands
        self._aws: Aws = hands.aws

    def default_region(self) -> str | None:
        """The region of the AWS profile or of boto3's own variables."""
        return self._aws.region

    def identity(self) -> Identity:
        """Who we are."""
        return identity.identity(self._aws)

    def regions(self) -> dict[str, str]:
        """Every region with its opt-in status."""
        return identity.regions(self._aws)

    def spot_role_exists(self) -> bool | None:
        """Whether the Spot service-linked role is there; None where we may not look."""
        return identity.spot_role_exists(self._aws)

    def together(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """Calls side by side, bounded; a call that failed gives its SpotboxError in its place."""
        return self._aws.parallel(calls)

    def observe(
        self, regions: Sequence[str], owner: str | None = None, name: str | None = None, full: bool = True
    ) -> observe.Seen:
        """What of spotbox's is there."""
        return observe.observe(self._aws, regions, owner, name, full)

    def survey(self, regions: Sequence[str], owner: str | None) -> surveying.Surveyed:
        """All that an audit looks at, of one owner or of all."""
        return surveying.survey(self._aws, regions, owner)

    def traces(self, sights: Sequence[Sight], owner: str) -> surveying.Surveyed:
        """What bears only spotbox's traces in regions that were observed."""
        return surveying.traces(self._aws, sights, owner)

    def apply(self, step: Step, show: Callable[[str], None]) -> None:
        """Carry out one step."""
        applying.apply(replace(self._hands, show=show), step)

    def launch(self, step: Launch, wait: float, show: Callable[[str], None]) -> Launched:
        """Try the wish's pools until AWS accepts one."""
        return launch(replace(self._hands, show=show), step, wait)

    def console(self, region: str, instance_id: str) -> str:
        """The instance's console output; empty where AWS has none yet.

        `Latest` needs a Nitro instance; where it is refused, the log of the last transition is asked for.
        """
        client = self._aws.client("ec2", region)
        for extra in ({"Latest": True}, {}):
            try:
                with translating("ec2:GetConsoleOutput", region):
                    return str(client.get_console_output(InstanceId=instance_id, **extra).get("Output") or "")
            except SpotboxError as error:
                if not extra or error.code not in ("UnsupportedOperation", "InvalidParameterCombination"):
                    raise
        return ""

    def push_key(self, region: str, instance_id: str, user: str, public_key: str) -> None:
        """Let `public_key` in for 60 seconds (EC2 Instance Connect, SendSSHPublicKey)."""
        client = self._aws.client("ec2-instance-connect", region)
        with translating("ec2-instance-connect:SendSSHPublicKey", region):
            client.send_ssh_public_key(InstanceId=instance_id, InstanceOSUser=user, SSHPublicKey=public_key)

    def image(self, region: str, wanted: str, architecture: str) -> Image:
        """The image of an id or alias."""
        return images.find_image(self._aws, region, wanted, architecture)

    def gpu_types(self, region: str) -> tuple[InstanceType, ...]:
        """Every accelerated type of the region that Spot knows."""
        return types.gpu_types(self._aws, region)

    def instance_types(self, region: str, names: Sequence[str]) -> dict[str, InstanceType]:
        """These types; UsageError for one that does not exist."""
        return types.instance_types(self._aws, region, names)

    def offerings(self, region: str, names: Sequence[str]) -> dict[str, frozenset[str]]:
        """Type -> the zones that offer it."""
        return types.offerings(self._aws, region, names)

    def spot_prices(self, region: str, names: Sequence[str]) -> dict[tuple[str, str], Decimal]:
        """(type, zone) -> USD per hour now."""
        return prices.spot_prices(self._aws, region, names)

    def on_demand(self, region: str, names: Sequence[str]) -> Any:
        """Type -> USD per hour, with a remark where prices could not be had."""
        return pricing.on_demand(self._aws, region, names)

    def disk_price(self, region: str, volume_type: str) -> Any:
        """USD per GiB and month, or None."""
        return pricing.disk_price(self._aws, region, volume_type)

    def snapshot_price(self, region: str) -> Decimal | None:
        """USD per GiB and month of EBS snapshots, or None."""
        return pricing.snapshot_price(self._aws, region)

    def spot_quota(self, region: str, code: str) -> Any:
        """The Spot quota in vCPU."""
        return quotas.spot_quota(self._aws, region, code)

    def subnets(self, region: str) -> tuple[Subnet, ...]:
        """The default subnets; empty where there is no default VPC."""
        return network.default_vpc_subnets(self._aws, region)

    def subnet(self, region: str, subnet_id: str) -> Subnet:
        """One subnet; UsageError where it does not exist."""
        return network.subnet(self._aws, region, subnet_id)

    def zones(self, region: str) -> tuple[str, ...]:
        """The region's zones."""
        return network.zones(self._aws, region)
