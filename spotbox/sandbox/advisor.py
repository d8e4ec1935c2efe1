"""The Spot Instance Advisor's feed: what a public file of AWS tells of last month's savings and interruptions.

Its shape is that of https://spot-bid-advisor.s3.amazonaws.com/spot-advisor-data.json, which AWS documents nowhere:
rates of interruption by index into `ranges`, savings in whole per cent, 0 and below where Spot cost as much or more,
and the newest types missing.
"""

import json
from datetime import timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from spotbox.sandbox import regions
from spotbox.sandbox.catalogue import TYPES, Hardware
from spotbox.sandbox.market import Market
from spotbox.sandbox.world import World

PATH = "/spot-advisor-data.json"
_RANGES = (("<5%", 5), ("5-10%", 11), ("10-15%", 16), ("15-20%", 22), (">20%", 100))
_SHARES = (34, 45, 51, 55)  # per cent of types and regions up to each range; 45 % are interrupted more often than 20 %
_NOT_YET = ("g7", "gr6f", "p6-b300")  # families that the feed does not know yet
_LOOKS = (timedelta(0), timedelta(days=10), timedelta(days=20))  # where the month is looked at


class Feed:
    """The feed of one sandbox, worked out once a day and after prices were set by hand."""

    def __init__(self, world: World):
        self.world = world
        self._kept: tuple[object, str] = (None, "")

    def text(self) -> str:
        """The feed as JSON. Expects the world's lock held."""
        market = self.world.market
        by_hand = (sum(map(len, market.set_prices.values())), tuple(market.set_on_demand.items()))
        stamp = (self.world.now.date(), by_hand)
        if self._kept[0] != stamp:
            self._kept = (stamp, json.dumps(_feed(self.world), separators=(",", ":")))
        return self._kept[1]


def _feed(world: World) -> dict[str, Any]:
    told = [hardware for hardware in TYPES.values() if hardware.family not in _NOT_YET and hardware.spot_fraction]
    return {
        "global_rate": "<10%",
        "instance_types": {
            h.name: {"cores": h.vcpus, "emr": h.family in ("g4dn", "g5", "p3"), "ram_gb": float(h.memory_gib)}
            for h in told
        },
        "ranges": [{"index": i, "label": label, "dots": i, "max": most} for i, (label, most) in enumerate(_RANGES)],
        "spot_advisor": {
            **{region: _of_region(world, region, told) for region in regions.ENABLED},
            **{region: {"Linux": {}, "Windows": {}} for region in regions.NOT_OPTED_IN},
        },
    }


def _of_region(world: World, region: str, told: list[Hardware]) -> dict[str, dict[str, dict[str, int]]]:
    linux, windows = {}, {}
    for hardware in told:
        zones = world.market.spot_zones(hardware.name, region)
        if not zones:
            continue
        draw = blake2b(f"{world.market.seed}/{region}/{hardware.name}/rate".encode(), digest_size=2).digest()
        saved = _savings(world, hardware.name, region, zones)
        if saved < 2:
            saved -= draw[1] % 6  # the feed averages over a month: some of these come out dearer than on-demand
        rate = sum(draw[0] * 100 // 256 >= share for share in _SHARES)
        linux[hardware.name] = {"s": saved, "r": rate}
        if hardware.arch == "x86_64" and hardware.maker in ("NVIDIA", "AMD", None):
            windows[hardware.name] = {"s": saved * 2 // 3, "r": rate}  # the licence is not discounted
    return {"Linux": linux, "Windows": windows}


def _savings(world: World, instance_type: str, region: str, zones: list[str]) -> int:
    """What Spot saved over the month in whole per cent, averaged over the zones."""
    market: Market = world.market
    spot = [market.price(instance_type, zone, world.now - ago) for zone in zones for ago in _LOOKS]
    on_demand = market.on_demand(instance_type, region)
    return round((1 - sum(spot, Decimal(0)) / len(spot) / on_demand) * 100)
