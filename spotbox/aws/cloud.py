"""All that commands may ask of AWS, in one object; tests give them another with the same verbs.

What changes things or looks for boxes is imported where it is used: `prices` needs none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from spotbox.aws import advisor, identity, images, market, network, offered, prices, pricing, quotas, scores
from spotbox.aws.errors import translating
from spotbox.aws.hands import Hands, silent, unheard
from spotbox.aws.session import Aws
from spotbox.aws.trainingcloud import TrainingCloud
from spotbox.core.advisor import Interruptions, interruptions
from spotbox.core.errors import SpotboxError
from spotbox.core.market import Change, Quotes, Scores
from spotbox.core.quotas import QuotaValue
from spotbox.core.records import Identity, Image, InstanceType, OwnImage, Request, Subnet
from spotbox.core.regions import enabled_regions
from spotbox.store import NoStore, Store

if TYPE_CHECKING:
    from spotbox.aws.doctor import Found, Want
    from spotbox.aws.launch import Launched
    from spotbox.aws.observe import Seen
    from spotbox.aws.survey import Surveyed
    from spotbox.core.boxes import Sight
    from spotbox.core.cost_life import Told
    from spotbox.core.history import Pool
    from spotbox.core.judge import DiskKey
    from spotbox.core.moving import CopyImage, MakeImage
    from spotbox.core.steps import Step
    from spotbox.core.wishes import Launch, Park


class Cloud(TrainingCloud):
    """AWS as spotbox sees it. Every method raises SpotboxError; money is Decimal USD, times are aware UTC."""

    def __init__(self, hands: Hands, store: Store | None = None, advisor_url: str = ""):
        self._hands = hands
        self._aws: Aws = hands.aws
        self._store = store or NoStore()
        self._advisor_url = advisor_url  # empty: AWS's own

    @property
    def changed(self) -> bool:
        """Whether AWS was asked to change anything."""
        return self._aws.changed

    def default_region(self) -> str | None:
        """The region of the AWS profile or of boto3's own variables."""
        return self._aws.region

    def instance_region(self) -> str | None:
        """The region of the instance we run on, where we work as its role; else None."""
        return self._aws.instance_region()

    def identity(self) -> Identity:
        """Who we are."""
        kept = enabled_regions(identity.kept_regions(self._aws, self._store))
        return identity.identity(self._aws, sorted(kept, key=lambda region: region != self._aws.region))

    def regions(self) -> dict[str, str]:
        """Every region with its opt-in status."""
        return identity.regions(self._aws)

    def known_regions(self, refresh: bool = False) -> dict[str, str]:
        """Every region with its opt-in status, asked at most a day ago."""
        return identity.known_regions(self._aws, self._store, refresh)

    def market(
        self,
        regions: Sequence[str],
        wanted: Sequence[str] = (),
        refresh: bool = False,
        show: Callable[[str], None] = silent,
    ) -> Quotes:
        """Spot prices of types (names, wildcards; none: every accelerated one), with what is told beside them."""
        return market.survey(self._aws, self._store, regions, wanted, refresh=refresh, url=self._advisor_url, show=show)

    def placement_scores(self, zone_regions: Sequence[str], types: Sequence[str], refresh: bool = False) -> Scores:
        """The placement score of a set of three types or more, by zone id."""
        return scores.placement_scores(self._aws, self._store, zone_regions, types, refresh)

    def interruptions(self, refresh: bool = False) -> Interruptions:
        """How often AWS interrupts each type, by region."""
        return interruptions(advisor.rates(self._aws, self._store, self._advisor_url, refresh))

    def spot_quotas(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], QuotaValue]:
        """The Spot quotas in vCPU by (region, quota code)."""
        return quotas.spot_quotas(self._aws, pairs)

    def spot_history(
        self,
        regions: Sequence[str],
        wanted: Sequence[str],
        start: datetime,
        keep: Callable[[str, Sequence[Change]], None],
        show: Callable[[str], None] = silent,
    ) -> dict[str, SpotboxError]:
        """Every price change since `start`, page by page to `keep`; the regions that failed, and why."""
        return market.history(self._aws, self._store, regions, wanted, start, keep, show)

    def spot_role_exists(self) -> bool | None:
        """Whether the Spot service-linked role is there; None where we may not look."""
        return identity.spot_role_exists(self._aws)

    def together(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """Calls side by side, bounded; a call that failed gives its SpotboxError in its place."""
        return self._aws.parallel(calls)

    def search(self, regions: Sequence[str], owner: str, name: str) -> Seen:
        """What there is of one box, in full where something of it lives."""
        from spotbox.aws import observe

        return observe.search(self._aws, regions, owner, name)

    def observe(
        self, regions: Sequence[str], owner: str | None = None, name: str | None = None, full: bool = True
    ) -> Seen:
        """What of spotbox's is there."""
        from spotbox.aws import observe

        return observe.observe(self._aws, regions, owner, name, full)

    def survey(self, regions: Sequence[str], owner: str | None) -> Surveyed:
        """All that an audit looks at, of one owner or of all."""
        from spotbox.aws import survey

        return survey.survey(self._aws, regions, owner)

    def traces(self, sights: Sequence[Sight], owner: str) -> Surveyed:
        """What bears only spotbox's traces in regions that were observed."""
        from spotbox.aws import survey

        return survey.traces(self._aws, sights, owner)

    def with_images(self, seen: Seen, owner: str | None, name: str | None = None) -> Seen:
        """What was observed, with the images and snapshots of moves."""
        from spotbox.aws import imaging

        return imaging.with_images(self._aws, seen, owner, name)

    def make_image(self, step: MakeImage | CopyImage, show: Callable[[str], None]) -> OwnImage:
        """Make or copy an image of a box, and wait until it is available."""
        from spotbox.aws import imaging

        return imaging.make_image(replace(self._hands, show=show), step)

    def user_data(self, region: str, instance_id: str) -> bytes:
        """What cloud-init got on the instance's first boot; empty where there was none."""
        from spotbox.aws import imaging

        return imaging.user_data(self._aws, region, instance_id)

    def public_key(self, region: str, name: str) -> str:
        """The public half of a key pair, as EC2 keeps it; empty where it shows none."""
        return network.public_key(self._aws, region, name)

    def examine(self, want: Want) -> Found:
        """All that a box hangs on in one region, asked for at once."""
        from spotbox.aws import doctor

        return doctor.examine(self._aws, self._store, want)

    def disk_key(self, region: str) -> DiskKey:
        """The key that EBS encrypts new volumes with, and whether the Spot role may use it; asked for once a day."""
        from spotbox.aws import diskkeys

        return diskkeys.kept_disk_key(self._aws, self._store, region)

    def apply(self, step: Step, show: Callable[[str], None]) -> None:
        """Carry out one step."""
        from spotbox.aws.apply import apply

        apply(replace(self._hands, show=show), step)

    def launch(
        self, step: Launch, wait: float, show: Callable[[str], None], answered: Callable[[str, Any], None] = unheard
    ) -> Launched:
        """Try the wish's pools, for `wait` seconds at most, until AWS accepts one.

        `answered` hears region and instance id at once (see Hands).
        """
        from spotbox.aws.launch import launch

        return launch(replace(self._hands, show=show, answered=answered), step, wait)

    def park(self, step: Park, wait: float, show: Callable[[str], None]) -> Request | None:
        """Leave a standing request with AWS; asked again for `wait` seconds where it does not answer."""
        from spotbox.aws.park import park

        return park(replace(self._hands, show=show), step, wait)

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
        return offered.gpu_types(self._aws, self._store, region)

    def instance_types(self, region: str, names: Sequence[str]) -> dict[str, InstanceType]:
        """These types; UsageError for one that does not exist."""
        return offered.instance_types(self._aws, self._store, region, names)

    def offerings(self, region: str, names: Sequence[str]) -> dict[str, frozenset[str]]:
        """Type -> the zones that offer it."""
        return offered.offerings(self._aws, self._store, region, names)

    def spot_prices(self, region: str, names: Sequence[str]) -> dict[tuple[str, str], Decimal]:
        """(type, zone) -> USD per hour now."""
        return prices.spot_prices(self._aws, region, names)

    def on_demand(self, region: str, names: Sequence[str]) -> Any:
        """Type -> USD per hour, with a remark where prices could not be had."""
        return pricing.on_demand(self._aws, region, names, self._store)

    def disk_price(self, region: str, volume_type: str) -> Any:
        """USD per GiB and month, or None."""
        return pricing.disk_price(self._aws, region, volume_type, self._store)

    def snapshot_price(self, region: str) -> Decimal | None:
        """USD per GiB and month of EBS snapshots, or None."""
        return pricing.snapshot_price(self._aws, region)

    def address_price(self, region: str) -> Decimal | None:
        """USD per hour of a public IPv4 address in use, or None."""
        return pricing.address_price(self._aws, region, self._store)

    def pool_history(self, pool: Pool, start: datetime) -> list[Change]:
        """Every Spot price change of one pool since `start`."""
        return prices.pool_history(self._aws, pool, start)

    def trail(self, region: str, instances: Mapping[str, datetime], now: datetime) -> Told:
        """What CloudTrail tells of instances since the times given; a refusal is told, not raised."""
        from spotbox.aws import trail

        return trail.look_up(self._hands, region, instances, now)

    def cost_tags(self) -> frozenset[str]:
        """The activated cost allocation tags among spotbox's own; Cost Explorer charges for the question."""
        from spotbox.aws import costexplorer

        return costexplorer.active_tags(self._aws)

    def billed(self, owner: str, tags: Collection[str], start: date, end: date) -> dict[str, Decimal]:
        """What AWS billed, USD by box name, from `start` to before `end`; Cost Explorer charges for the question."""
        from spotbox.aws import costexplorer

        return costexplorer.billed(self._aws, owner, tags, start, end)

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
