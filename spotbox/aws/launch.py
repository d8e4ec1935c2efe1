"""The launch: RunInstances with a persistent Spot request, one pool after another until AWS accepts."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from spotbox.aws.apply import cancel, make_group, make_key
from spotbox.aws.asking import Question, ask, find_group
from spotbox.aws.errors import translating
from spotbox.aws.hands import Hands
from spotbox.aws.observe import describe, tag_filters
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.hunt import Means, meaning, pause, pool_words, without_quota
from spotbox.core.names import MAX_PRICE_TAG, ROLE_TAG, USER_TAG, box_tags, client_token, wire_tags
from spotbox.core.records import ImageDisk, Offer
from spotbox.core.states import LIVE
from spotbox.core.steps import Cancel
from spotbox.core.units import show_duration
from spotbox.core.wishes import Launch, Wish


@dataclass(frozen=True)
class Launched:
    """What AWS accepted, and in which region. `instance_id` and `offer` are None when an earlier launch of the same
    box, or another terminal's, was found instead. `tried` are the regions in which a pool was asked for."""

    instance_id: str | None
    offer: Offer | None
    region: str
    tried: tuple[str, ...] = ()
    rounds: int = 1


def launch_params(wish: Wish, offer: Offer, group_id: str, generation: int, market: str = "spot") -> dict[str, Any]:
    """The RunInstances parameters; nothing in them changes from run to run, or the ClientToken would not match.

    Shape: EC2 API, RunInstances. The request, the instance, its volumes and its interface are tagged in the call.
    """
    tags = launch_tags(wish, offer if market == "spot" else None)
    kinds: dict[str, dict[str, str]] = {"instance": {}, "spot-instances-request": {}, "network-interface": {}}
    kinds["volume"] = {ROLE_TAG: "root"}  # of all its volumes: a launch cannot tell one from another
    # What replaces a box is another wish than the box itself, and one of another image is another again.
    asked = f"{market} of {wish.grounds[offer.region].image.id}" if wish.besides else market
    params: dict[str, Any] = {
        **launch_specification(wish, offer, group_id),
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": client_token(
            wish.owner, wish.name, offer.region, offer.zone, offer.type.name, asked, generation
        ),
        # Hop limit 2 lets a container on the box read the metadata service too.
        "MetadataOptions": {
            "HttpTokens": "required",
            "HttpEndpoint": "enabled",
            "HttpPutResponseHopLimit": 2,
            "InstanceMetadataTags": "enabled",
        },
        "InstanceInitiatedShutdownBehavior": "stop",
    }
    if market == "spot":
        spot = {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop"}
        if (bid := wish.bid(offer)) is not None:
            spot["MaxPrice"] = f"{bid:f}"
        params["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": spot}
    else:
        del kinds["spot-instances-request"]
    params["TagSpecifications"] = [
        {"ResourceType": kind, "Tags": wire_tags({**tags, **extra})} for kind, extra in kinds.items()
    ]
    if wish.user_data:
        params["UserData"] = wish.user_data  # botocore encodes it for RunInstances
    return params


def launch_tags(wish: Wish, bid_for: Offer | None) -> dict[str, str]:
    """The tags of what is launched; with the cap that is sent for the pool `bid_for`, by which the box remembers it."""
    tags = box_tags(wish.name, wish.owner, {**wish.tags, USER_TAG: wish.user})
    bid = wish.bid(bid_for) if bid_for else None
    return tags if bid is None else {**tags, MAX_PRICE_TAG: f"{bid:f}"}


def launch_specification(wish: Wish, offer: Offer, group_id: str) -> dict[str, Any]:
    """What RunInstances and the LaunchSpecification of RequestSpotInstances have in common (EC2 API Reference)."""
    ground = wish.grounds[offer.region]
    disk = {
        "VolumeSize": wish.disk_gib,
        "VolumeType": wish.disk_type,
        "Encrypted": True,
        "DeleteOnTermination": True,
    }
    interface = {
        "DeviceIndex": 0,
        "SubnetId": ground.subnets[offer.zone],
        "Groups": [group_id],
        "AssociatePublicIpAddress": True,
        "DeleteOnTermination": True,
    }
    params: dict[str, Any] = {
        "ImageId": ground.image.id,
        "InstanceType": offer.type.name,
        "KeyName": ground.key.name,
        "BlockDeviceMappings": [{"DeviceName": ground.image.root_device, "Ebs": disk}, *map(_data_disk, wish.disks)],
        "NetworkInterfaces": [interface],
    }
    if wish.profile:
        params["IamInstanceProfile"] = {"Name": wish.profile}
    return params


def _data_disk(disk: ImageDisk) -> dict[str, Any]:
    """A disk of the image that stays when its instance goes; its snapshot is the image's own to name."""
    ebs = {"VolumeSize": disk.size_gib, "VolumeType": disk.type, "Encrypted": True, "DeleteOnTermination": False}
    return {"DeviceName": disk.device, "Ebs": ebs}


def launch(hands: Hands, step: Launch, wait: float) -> Launched:
    """Try the pools in order, round after round, until AWS accepts one or `wait` seconds have passed.

    SpotboxError 3 when all refused for capacity or price, 4 when only quota is in the way; permission and bad
    parameters end it at once, for they do not heal. Unclear where AWS did not say. Key and group of the first region
    must exist; those of another are made when its first pool is tried.
    """
    return _Hunt(hands, step, wait).run()


class _Hunt:
    """One hunt: what was tried, what AWS answered, and what stands in which region."""

    def __init__(self, hands: Hands, step: Launch, wait: float):
        self.hands, self.step, self.wish, self.wait = hands, step, step.wish, wait
        self.began = hands.now()
        self.end = self.began + wait
        self.rounds = 0
        self.grounds: dict[str, tuple[str, float]] = {}  # region -> id of the group there, and when it was made
        self.refusals: dict[str, dict[str, None]] = {}  # what AWS said -> of which pools, each once
        self.last = ""
        self.short: SpotboxError | None = None  # the last refusal for quota
        self.refused: SpotboxError | None = None  # the last one for capacity or price

    def run(self) -> Launched:
        pools = list(self.wish.offers)
        while pools:
            self.rounds += 1
            for offer in [*pools]:
                if offer not in pools:  # its quota was found used up a moment ago
                    continue
                try:
                    return self._try(offer)
                except SpotboxError as error:
                    pools = self._left(pools, offer, error)
                if self._launched_elsewhere(offer.region):
                    return self._found(None, None, offer.region)
            left = self.end - self.hands.now()
            if not pools or left <= 0:
                break
            self.hands.rest(min(left, pause(self.rounds, self.hands.chance())), self._countdown)
        raise self._given_up(bool(pools))

    def _try(self, offer: Offer) -> Launched:
        """One pool, asked until AWS answers; SpotboxError is its refusal."""
        self.hands.show(f"asking for {pool_words(offer)}" + (f"; {self.last}" if self.last else ""))
        group_id, made = self._ground(offer.region)
        answer = ask(self.hands, Question(self.wish, offer, made, self.end), partial(self._send, offer, group_id))
        return self._found(answer, offer if answer else None, offer.region)

    def _send(self, offer: Offer, group_id: str, generation: int) -> str:
        params = launch_params(self.wish, offer, group_id, generation, self.step.market)
        kind = offer.type
        with translating("ec2:RunInstances", offer.region, instance_type=kind.name, vcpus=kind.vcpus):
            answer = self.hands.aws.client("ec2", offer.region, once=True).run_instances(**params)
        return str(answer["Instances"][0]["InstanceId"])

    def _found(self, instance_id: str | None, offer: Offer | None, region: str) -> Launched:
        return Launched(instance_id, offer, region, tuple(self.grounds), self.rounds)

    def _ground(self, region: str) -> tuple[str, float]:
        if region not in self.grounds:
            ground = self.wish.grounds[region]
            if region == self.wish.regions[0]:  # made by the steps before
                self.grounds[region] = find_group(self.hands, ground), self.began
            else:
                self.hands.show(f"{ground.group} in {region}")
                group_id = make_group(self.hands, ground.group)
                self.grounds[region] = group_id, self.hands.now()
                make_key(self.hands, ground.key)
        return self.grounds[region]

    def _left(self, pools: list[Offer], offer: Offer, error: SpotboxError) -> list[Offer]:
        """The pools that are left after this refusal; raises what does not heal."""
        match meaning(error.code):
            case Means.NEXT:
                self.refused = error
            case Means.QUOTA:
                self.short = error
                pools = without_quota(pools, offer, self.step.spot)
            case _:
                raise error
        self.last = f"{pool_words(offer)}: {error.message}"
        self.refusals.setdefault(error.message, {})[pool_words(offer)] = None
        return pools

    def _launched_elsewhere(self, region: str) -> bool:
        """Cancel what a refused launch left standing, for two requests of one name are never open; and whether
        another terminal's launch of this very box is there.

        "No instance is launched and your request remains open" (Error codes for the Amazon EC2 API,
        SpotMaxPriceTooLow); whether RunInstances leaves one is not said.
        """
        filters = tag_filters("requests", self.wish.owner, self.wish.name)
        try:
            requests = describe(self.hands.aws, region, "requests", filters)
        except SpotboxError:  # throttled or cut off: it is looked again after the next refusal, and at the end
            return False
        requests = tuple(r for r in requests if r.id not in self.wish.besides)
        strays = tuple(r.id for r in requests if r.state == "open" and not r.instance_id)
        if strays:
            cancel(self.hands, Cancel(region, strays))
        return any(r.state in LIVE and r.instance_id for r in requests)

    def _countdown(self, left: float) -> str:
        shown = left if left <= 10 else -(-left // 10) * 10  # in tens, or a log would have a line each second
        return f"{self.last}; next round in {show_duration(shown)}"

    def _given_up(self, any_left: bool) -> SpotboxError:
        last = self.refused if any_left else self.short
        if last is None:
            return SpotboxError("there is no pool to try", "Name other zones or types.", Exit.NO_CAPACITY)
        if last.exit_code is Exit.QUOTA:
            return last
        kind = "" if self.step.spot else " on demand"
        return SpotboxError(
            f"AWS accepted none of {len(self.wish.offers)} pools{kind} within {show_duration(self.wait)}: "
            + "; ".join(f"{said} ({', '.join(where)})" for said, where in self.refusals.items()),
            last.hint or "Try other zones or types (-z, -t), another region (-r), or wait longer (--wait).",
            Exit.NO_CAPACITY,
            last.code,
        )
