"""The verbs of spotbox.aws.cloud.Cloud over a World, without AWS."""

from dataclasses import replace
from decimal import Decimal

from spotbox.aws.hands import silent, unheard
from spotbox.aws.launch import Launched
from spotbox.aws.observe import Seen
from spotbox.core import steps as s
from spotbox.core.advisor import Interruptions
from spotbox.core.boxes import Sight
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.hunt import Means, meaning
from spotbox.core.images import ALIASES
from spotbox.core.names import NAME_TAG, OWNER_TAG
from spotbox.core.prices import OnDemandPrices
from spotbox.core.quotas import QuotaValue
from tests.commands.costs import FakeCosts
from tests.commands.effects import EFFECTS, launched, make_ground, parked
from tests.commands.examined import ALICE, examined
from tests.commands.imaging import FakeImaging
from tests.commands.market import past, survey
from tests.commands.surveys import FakeSurveys
from tests.commands.training import FakeTraining
from tests.commands.world import World, public_key

ACTIONS = {
    s.MakeSpotRole: "CreateServiceLinkedRole",
    s.MakeKey: "ImportKeyPair",
    s.MakeGroup: "CreateSecurityGroup",
    s.Admit: "AuthorizeSecurityGroupIngress",
    s.TagAgain: "CreateTags",
    s.RequireImdsV2: "ModifyInstanceMetadataOptions",
    s.SetLimit: "CreateTags",
    s.Start: "StartInstances",
    s.Stop: "StopInstances",
    s.GrowDisk: "ModifyVolume",
    s.GiveData: "AttachVolume",
    s.Cancel: "CancelSpotInstanceRequests",
    s.Terminate: "TerminateInstances",
    s.DeleteVolume: "DeleteVolume",
    s.DeleteSnapshot: "DeleteSnapshot",
    s.DeregisterImage: "DeregisterImage",
    s.KeepVolume: "CreateTags",
    s.DeleteGroup: "DeleteSecurityGroup",
    s.DeleteKey: "DeleteKeyPair",
}


class FakeCloud(FakeSurveys, FakeImaging, FakeTraining, FakeCosts):
    """The verbs of spotbox.aws.cloud.Cloud over a World; a test holds the two against each other."""

    def __init__(self, world: World):
        self.world = world

    @property
    def changed(self):
        return bool(self.world.applied)

    def default_region(self):
        return None

    def identity(self):
        self.world.meets("GetCallerIdentity")
        return replace(ALICE, told=self.world.told)

    def regions(self):
        self.world.meets("DescribeRegions")
        return dict(self.world.regions)

    def spot_role_exists(self):
        return self.world.role

    def together(self, calls):
        return [_tried(call) for call in calls]

    def search(self, regions, owner, name):
        return self.observe(regions, owner, name)

    def observe(self, regions, owner=None, name=None, full=True):
        sights, failed = [], {}
        for region in regions:
            try:
                self.world.meets("DescribeInstances", region)
                sights.append(self._sight(region, owner, name, full))
            except SpotboxError as error:
                failed[region] = error
        return Seen(tuple(sights), failed)

    def _sight(self, region, owner, name, full):
        def mine(part, key=False):
            named = key or (part.tags.get(NAME_TAG) == name if name else NAME_TAG in part.tags)
            owned = part.tags.get(OWNER_TAG) == owner if owner else OWNER_TAG in part.tags or not key
            return part.region == region and named and owned and part.id not in self.world.hidden

        w = self.world
        requests = tuple(r for r in w.requests.values() if mine(r))
        ids = {r.id for r in requests}
        named = {i.request_id for i in w.instances.values() if mine(i)} - ids
        requests += tuple(r for r in w.requests.values() if r.id in named)
        ids |= named
        reached = [i for i in w.instances.values() if i.request_id in ids and i.id not in w.hidden]
        instances = tuple({i.id: i for i in (*filter(mine, w.instances.values()), *reached)}.values())
        held = {i.id for i in instances}
        volumes = tuple(v for v in w.volumes.values() if mine(v) or v.instance_id in held)
        groups = tuple(g for g in w.groups.values() if mine(g)) if full else ()
        keys = tuple(k for k in w.keys.values() if mine(k, key=True)) if full else ()
        return Sight(region, requests, instances, volumes, groups, keys)

    def examine(self, want):
        return examined(self.world, want)

    def disk_key(self, region):
        self.world.asked.append(("disk key", region))
        return self.world.disk_key

    def apply(self, step, show):
        region, action = getattr(step, "region", None), ACTIONS[type(step)]
        self.world.meets(action, region)
        EFFECTS[type(step)](self.world, step)
        self.world.applied.append(step)
        self.world.meets(action, region, after=True)

    def launch(self, step, wait, show, answered=unheard):
        """As many rounds as there are pauses of a minute in `wait`; key and group of other regions in passing."""
        wish, last, tried, end = step.wish, None, {}, self.world.clock + wait
        while True:
            for offer in wish.offers:
                if offer.region not in tried and offer.region != wish.regions[0]:
                    make_ground(self.world, wish.grounds[offer.region])
                tried[offer.region] = True
                try:
                    self.world.meets("RunInstances", offer.region, offer.zone)
                    self.world.meets(f"RunInstances {step.market}", offer.region, offer.zone)
                except SpotboxError as error:
                    if meaning(error.code) not in (Means.NEXT, Means.QUOTA):
                        raise
                    last = error
                    continue
                at = launched(self.world, wish, offer, step.spot)
                self.world.applied.append(step)
                answered(offer.region, at)
                self.world.meets("RunInstances", offer.region, offer.zone, after=True)
                return Launched(at, offer, offer.region, tuple(tried))
            if meaning(last.code) is Means.QUOTA or self.world.clock >= end:
                break
            self.world.sleep(min(60, end - self.world.clock))
        if meaning(last.code) is Means.QUOTA:
            raise last
        raise SpotboxError(f"AWS accepted none: {last.message}", last.hint, Exit.NO_CAPACITY, last.code)

    def park(self, step, wait, show):
        self.world.meets("RequestSpotInstances", step.offer.region, step.offer.zone)
        request = parked(self.world, step.wish, step.offer)
        self.world.applied.append(step)
        self.world.meets("RequestSpotInstances", step.offer.region, step.offer.zone, after=True)
        return request

    def console(self, region, instance_id):
        self.world.meets("GetConsoleOutput", region)
        known = f"-----BEGIN SSH HOST KEY KEYS-----\n{public_key('h')}\n-----END SSH HOST KEY KEYS-----\n"
        return self.world.consoles.get(instance_id, self.world.consoles.get("", known))

    def push_key(self, region, instance_id, user, public_key):
        self.world.meets("SendSSHPublicKey", region)
        self.world.pushed.append((instance_id, user))

    def image(self, region, wanted, architecture):
        if not wanted.startswith("ami-") and wanted not in ALIASES:
            raise UsageError(f"{wanted!r} is no image")
        self.world.meets("DescribeImages", region)
        found = self.world.published.get(wanted, self.world.image)
        if wanted.startswith("ami-") and found.id != wanted and wanted not in self.world.published:
            raise UsageError(f"there is no image {wanted} to use in {region}")
        return found

    def gpu_types(self, region):
        return tuple(self.world.types.values())

    def instance_types(self, region, names):
        self.world.meets("DescribeInstanceTypes", region)
        for name in names:
            if name not in self.world.types:
                raise UsageError(f"there is no instance type {name}")
        return {name: self.world.types[name] for name in names}

    def offerings(self, region, names):
        here = self.world.market.get(region, {})
        return {name: frozenset(zone for type_, zone in here if type_ == name) for name in names}

    def spot_prices(self, region, names):
        self.world.meets("DescribeSpotPriceHistory", region)
        return {pool: usd for pool, usd in self.world.market.get(region, {}).items() if pool[0] in names}

    def on_demand(self, region, names):
        usd = {name: usd for name, usd in self.world.demand.items() if name in names}
        return OnDemandPrices(usd, asked=self.world.demand_asked)

    def disk_price(self, region, volume_type):
        return Decimal("0.08")

    def snapshot_price(self, region):
        return self.world.snapshot_usd

    def spot_quota(self, region, code):
        return QuotaValue(self.world.quota)

    def subnets(self, region):
        return self.world.subnets(region)

    def subnet(self, region, subnet_id):
        every = (*self.world.subnets(region), *([self.world.own_subnet] if self.world.own_subnet else []))
        found = [net for net in every if net.id == subnet_id]
        if not found:
            raise UsageError(f"there is no subnet {subnet_id} in {region}")
        return found[0]

    def known_regions(self, refresh=False):
        self.world.meets("DescribeRegions")
        return dict(self.world.cached_regions if self.world.cached_regions and not refresh else self.world.regions)

    def market(self, regions, wanted=(), refresh=False, show=silent):
        self.world.asked.append(("market", tuple(regions), tuple(wanted), refresh))
        return survey(self.world, regions, wanted, refresh, show)

    def placement_scores(self, zone_regions, types, refresh=False):
        if len(set(types)) < 3:
            raise ValueError("AWS scores sets of three types and more")
        self.world.asked.append(("scores", tuple(zone_regions), tuple(types), refresh))
        return self.world.scores

    def interruptions(self, refresh=False):
        labels = {(r, name): label for r in self.world.regions for name, label in self.world.interruption.items()}
        return Interruptions(labels, {}, self.world.feed_asked, self.world.feed_remark)

    def spot_quotas(self, pairs):
        self.world.asked.append(("quotas", tuple(pairs)))
        return {pair: QuotaValue(self.world.quota) for pair in pairs}

    def spot_history(self, regions, wanted, start, keep, show=silent):
        self.world.asked.append(("history", tuple(regions), tuple(wanted)))
        return past(self.world, regions, wanted, start, keep)

    def zones(self, region):
        return tuple(net.zone for net in self.world.subnets(region))


def _tried(call):
    try:
        return call()
    except SpotboxError as error:
        return error
