"""What `doctor` sees of a World, as spotbox.aws.doctor tells it."""

from spotbox.aws.doctor import USUAL, Found
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.judge import Permissions, Room, counted
from spotbox.core.names import key_fingerprint
from spotbox.core.quotas import QuotaValue
from spotbox.core.records import Identity

ALICE = Identity("123456789012", "arn:aws:iam::123456789012:user/alice", "AIDA")


def examined(world, want):
    """The verb of Cloud: nothing is raised for what AWS refuses."""
    now = world.now()

    def tried(action, answer):
        try:
            world.meets(action, want.region)
        except SpotboxError as error:
            return error
        return answer

    who = tried("GetCallerIdentity", ALICE)
    told = world.told or now
    if isinstance(who, SpotboxError) or world.regions.get(want.region) in (None, "not-opted-in"):
        return Found(who, told, now, "env", world.login, regions=dict(world.regions))
    for name in want.types:
        if name not in world.types:
            return Found(who, told, now, regions=world.regions, types=UsageError(f"there is no instance type {name}"))
    spot = dict(world.market.get(want.region, {}))
    rooms = {
        quota.code: Room(quota, QuotaValue(world.quota, "" if world.quota is not None else "said the test"), world.used)
        for quota in counted(want.types or [USUAL])
    }
    return Found(
        who,
        told,
        now,
        "env",
        world.login,
        dict(world.regions),
        tried("GetRole", world.role),
        tried("DescribeSubnets", world.subnets(want.region)),
        tried("DescribeInstanceTypes", {n: k for n, k in world.types.items() if not want.types or n in want.types}),
        tried("DescribeSpotPriceHistory", spot),
        tried("DescribeImages", world.image),
        rooms,
        tried("DescribeKeyPairs", _pairs(world, want)),
        tried("GetEbsDefaultKmsKeyId", world.disk_key),
        Permissions(frozenset({"ec2:RunInstances"}), frozenset(world.denied), frozenset(world.doubted)),
    )


def _pairs(world, want):
    """The key pairs whose names end with the key's fingerprint, with their public halves."""
    if not want.public:
        return {}
    mine = [pair.name for pair in world.keys.values() if pair.name.endswith(key_fingerprint(want.public))]
    return dict.fromkeys(mine, world.other_key or want.public)
