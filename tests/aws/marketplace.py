"""An AWS that sells: it answers the calls of a survey from small tables, over real HTTP, and says what it was asked."""

import json
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from tests.aws.endpoint import ec2_error, endpoint
from tests.core.test_prices import product

SINCE = datetime(2026, 11, 22, 10, tzinfo=UTC)
HARDWARE = {  # type -> (GPU, memory MiB), in the list of its kind
    "g5.xlarge": ("A10G", 22888),
    "g5.2xlarge": ("A10G", 22888),
    "g6.xlarge": ("L4", 22888),
    "p5.48xlarge": ("H100", 655360),
    "trn1.2xlarge": ("Trainium", 32768),
    "m5.large": (None, 0),
    "g9.xlarge": ("X1", 1024),  # newer than botocore knows
    "gx1.large": (None, 0),  # caught by g*, and no accelerator
}
FEED = "/feed.json"


class Marketplace:
    """`prices`: (region, zone letter, type) -> USD text; the rest are tables too, and tests change them."""

    def __init__(self, regions=("us-east-1", "eu-west-1"), delay=0.0):
        self.regions = list(regions)
        self.delay = delay
        self.prices = {(r, z, t): "0.5" for r in regions for z in "ab" for t in HARDWARE}
        self.usd = {(r, t): "1.0" for r in regions for t in HARDWARE}
        self.refused = {}  # (region or "", action) -> (status, body)
        self.slow = {}  # region -> seconds
        self.wildcards = True
        self.feed = {
            "ranges": [{"index": 0, "label": "<5%"}],
            "spot_advisor": {r: {"Linux": {"g5.xlarge": {"s": 50, "r": 0}}} for r in regions},
        }
        self.together: threading.Barrier | None = None  # for DescribeSpotPriceHistory

    def counts(self, world):
        """How often each call was made."""
        return Counter(asked.action for asked in world.asked)

    def answer(self, asked):
        if self.together and asked.action == "DescribeSpotPriceHistory":
            self.together.wait(timeout=60)
        time.sleep(self.slow.get(asked.region, self.delay))
        for key in ((asked.region, asked.action), ("", asked.action)):
            if key in self.refused:
                return self.refused[key]
        if asked.action == FEED:
            return 200, json.dumps(self.feed)
        return 200, getattr(self, f"_{asked.action}")(asked)

    def _DescribeRegions(self, asked):
        rows = "".join(
            f"<item><regionName>{r}</regionName><optInStatus>opt-in-not-required</optInStatus></item>"
            for r in self.regions
        )
        return f"<R><regionInfo>{rows}</regionInfo></R>"

    def _wanted(self, asked, number=1):
        """The values of the filter instance-type; wildcards count where this endpoint knows them."""
        values = [v for k, v in asked.fields.items() if k.startswith(f"Filter.{number}.Value.")]
        if not values:
            return lambda name: True
        match = fnmatchcase if self.wildcards else str.__eq__
        return lambda name: any(match(name, value) for value in values)

    def _DescribeSpotPriceHistory(self, asked):
        wanted = self._wanted(asked)
        rows = "".join(
            f"<item><instanceType>{t}</instanceType><productDescription>Linux/UNIX</productDescription>"
            f"<spotPrice>{usd}</spotPrice><timestamp>{SINCE:%Y-%m-%dT%H:%M:%S.000Z}</timestamp>"
            f"<availabilityZone>{r}{z}</availabilityZone><availabilityZoneId>id-{z}</availabilityZoneId></item>"
            for (r, z, t), usd in self.prices.items()
            if r == asked.region and wanted(t)
        )
        return f"<R><spotPriceHistorySet>{rows}</spotPriceHistorySet><nextToken/></R>"

    def _DescribeInstanceTypes(self, asked):
        wanted, rows = self._wanted(asked), ""
        for name, (gpu, memory) in HARDWARE.items():
            here = any((r, t) == (asked.region, name) for r, _, t in self.prices)
            if not here or not wanted(name):
                continue
            info = ""
            if name.startswith("trn"):
                info = (
                    f"<neuronInfo><neuronDevices><item><name>{gpu}</name><count>1</count></item></neuronDevices>"
                    f"<totalNeuronDeviceMemoryInMiB>{memory}</totalNeuronDeviceMemoryInMiB></neuronInfo>"
                )
            elif gpu:
                info = (
                    f"<gpuInfo><gpus><item><name>{gpu}</name><manufacturer>NVIDIA</manufacturer><count>1</count></item>"
                    f"</gpus><totalGpuMemoryInMiB>{memory}</totalGpuMemoryInMiB></gpuInfo>"
                )
            rows += (
                f"<item><instanceType>{name}</instanceType><vCpuInfo><defaultVCpus>4</defaultVCpus></vCpuInfo>"
                f"<memoryInfo><sizeInMiB>16384</sizeInMiB></memoryInfo>{info}</item>"
            )
        return f"<R><instanceTypeSet>{rows}</instanceTypeSet></R>"

    def _GetProducts(self, asked):
        fields = {f["Field"]: f["Value"] for f in asked.json["Filters"]}
        rows = []
        for (region, name), usd in self.usd.items():
            family = "Machine Learning ASIC Instances" if name.startswith("trn") else "GPU instance"
            family = "General purpose" if name.startswith("m5") else family
            row = product(name, usd, regionCode=region, instanceFamily=family, usagetype=f"X-BoxUsage:{name}")
            if fields.items() <= json.loads(row)["product"]["attributes"].items():
                rows.append(row)
        return json.dumps({"PriceList": rows, "NextToken": ""})

    def denied(self, region, action, code="UnauthorizedOperation"):
        """From now on the call is refused in `region` ("": everywhere)."""
        body = ec2_error(code, "no", 403)
        if action == "GetProducts":
            body = (400, json.dumps({"__type": "AccessDeniedException", "Message": "no"}))
        self.refused[region, action] = body

    def open(self):
        """Serve."""
        return endpoint(self.answer)
