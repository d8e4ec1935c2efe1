"""Records with sensible values, for tests that care about one or two fields of them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from spotbox.core.boxes import Sight
from spotbox.core.names import KEEP_TAG, ROLE_TAG, box_tags, group_name
from spotbox.core.records import Group, Image, Instance, InstanceType, KeyPair, Offer, Request, Rule, Volume
from spotbox.core.removal import parts_of
from spotbox.core.wishes import Ground, MakeGroup, MakeKey, Wish

WHEN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = WHEN + timedelta(hours=1)  # everything is older than this
REGION = "us-east-1"


def request(state="active", code="fulfilled", **fields):
    """A persistent request of alice's box dev, with instance i-1."""
    values = {
        "id": "sir-1",
        "region": REGION,
        "message": "",
        "type": "persistent",
        "instance_id": "i-1",
        "instance_type": "g5.xlarge",
        "zone": "us-east-1a",
        "max_price": Decimal("1.006"),
        "created": WHEN,
        "tags": box_tags("dev", "alice"),
    }
    return Request(state=state, code=code, **{**values, **fields})


def instance(state="running", **fields):
    """The instance of that request."""
    values = {
        "id": "i-1",
        "region": REGION,
        "instance_type": "g5.xlarge",
        "zone": "us-east-1a",
        "lifecycle": "spot",
        "request_id": "sir-1",
        "public_ip": None,
        "image_id": "ami-1",
        "key_name": "spotbox-alice-0123456789abcdef",
        "launched": WHEN,
        "volume_ids": ("vol-1",),
        "tags": box_tags("dev", "alice"),
    }
    return Instance(state=state, **{**values, **fields})


def volume(**fields):
    """Its root volume."""
    values = {
        "id": "vol-1",
        "region": REGION,
        "zone": "us-east-1a",
        "size_gib": 100,
        "type": "gp3",
        "state": "in-use",
        "instance_id": "i-1",
        "device": "/dev/sda1",
        "delete_on_termination": True,
        "created": WHEN,
        "tags": box_tags("dev", "alice", {ROLE_TAG: "root"}),
    }
    return Volume(**{**values, **fields})


def data_volume(kept=False, **fields):
    """A data volume of the box, which outlives its instance."""
    extra = {ROLE_TAG: "data"} | ({KEEP_TAG: "true"} if kept else {})
    values = {"id": "vol-d", "device": "/dev/sdf", "delete_on_termination": False}
    return volume(**{**values, "tags": box_tags("dev", "alice", extra), **fields})


RULES = (Rule("198.51.100.7/32", "spotbox auto aaaaaaaa"),)


def group(rules=RULES, **fields):
    """Its security group."""
    values = {
        "id": "sg-1",
        "region": REGION,
        "name": group_name("dev", "alice"),
        "vpc_id": "vpc-1",
        "tags": box_tags("dev", "alice"),
    }
    return Group(rules=tuple(rules), **{**values, **fields})


def key(owner="alice", **fields):
    """The owner's key pair."""
    values = {
        "id": f"key-{owner}",
        "region": REGION,
        "name": f"spotbox-{owner}-0123456789abcdef",
        "fingerprint": "",
        "tags": {"spotbox:owner": owner},
    }
    return KeyPair(**{**values, **fields})


def kind(name="g5.xlarge", vcpus=4):
    """An instance type with one GPU."""
    return InstanceType(name, vcpus, Decimal(16), ("x86_64",), True, "A10G", "NVIDIA", Decimal(1), Decimal(24))


def offer(name="g5.xlarge", zone="us-east-1a", vcpus=4, spot="0.4"):
    """A pool with its prices; its region is the zone's."""
    usd = Decimal(spot) if spot else None
    return Offer(kind(name, vcpus), zone[:-1], zone, usd, Decimal("1.006"))


def ground(region=REGION, zones="abcdef", generation=0, image="ami-1"):
    """The ground of alice's box dev in a region."""
    return Ground(
        region,
        Image(image, "DLAMI", "", "x86_64", "/dev/sda1", 75, "2026-01-01"),
        {f"{region}{letter}": f"subnet-{letter}" for letter in zones},
        MakeKey(region, "spotbox-alice-0123456789abcdef", "ssh-ed25519 AAAA", {"spotbox:owner": "alice"}),
        MakeGroup(region, group_name("dev", "alice"), "vpc-1", RULES, box_tags("dev", "alice")),
        generation,
    )


def wish(offers=None, grounds=None, **fields):
    """alice wants the box dev."""
    offers = tuple(offers) if offers is not None else (offer(),)
    values = {
        "name": "dev",
        "owner": "alice",
        "user": "ubuntu",
        "disk_gib": 100,
        "disk_type": "gp3",
        "grounds": grounds or {region: ground(region) for region in {REGION: 0} | {o.region: 0 for o in offers}},
        "bids": {},
        "tags": {"team": "vision"},
    }
    return Wish(offers=offers, **{**values, **fields})


def sight(region=REGION, **parts):
    """What is seen of a region."""
    return Sight(region, **{name: tuple(items) for name, items in parts.items()})


def healthy(**changes):
    """All of alice's box dev, which runs; `changes` are other parts of it."""
    parts = {
        "requests": [request()],
        "instances": [instance()],
        "volumes": [volume()],
        "groups": [group()],
        "keys": [key()],
    }
    return sight(**{**parts, **changes})


def named(plan):
    """The steps by kind, each with the ids of what it concerns."""
    return [(type(step).__name__, *(part["id"] for part in parts_of(step))) for step in plan]
