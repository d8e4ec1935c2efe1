"""The answers of the stand-in endpoint, by action: parameters in, body out. Each is made once and kept."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from xml.sax.saxutils import escape

import standin_facts as facts

Params = dict[str, str]
SPOT_PAGE = 1000  # rows of DescribeSpotPriceHistory and DescribeInstanceTypeOfferings in one answer
TYPE_PAGE = 100
PRODUCT_PAGE = 100
DAY = 86400


class Answers:
    """What is answered to an action in a region. `step`: seconds between two changes of a pool's Spot price."""

    def __init__(self, step: int = 6 * 3600, reserved: int = 3):
        self.step = step
        self.reserved = reserved
        self.told = {"due": 0, "sent": 0}  # rows of price histories: of all first pages, and of the pages asked for
        self._kept: dict[tuple, bytes] = {}
        self.ec2: dict[str, Callable[[str, Params], Iterable[bytes]]] = {
            "DescribeRegions": self._regions,
            "DescribeAvailabilityZones": self._zones,
            "DescribeSpotPriceHistory": self._spot_prices,
            "DescribeInstanceTypes": self._types,
            "DescribeInstanceTypeOfferings": self._offerings,
            "GetSpotPlacementScores": self._scores,
        }
        self.json: dict[str, Callable[[dict], dict]] = {"GetProducts": self._products, "GetServiceQuota": self._quota}

    def query(self, action: str, region: str, params: Params) -> bytes | None:
        """The XML of an EC2 or STS action; None for one that is not known here."""
        if action == "GetCallerIdentity":
            return IDENTITY
        if action not in self.ec2:
            return None
        # The times are what differs from call to call; what they mean here is how far back to look.
        asked = dict(params)
        asked["StartTime"] = str(self._back(params))
        asked.pop("EndTime", None)
        key = (action, region, tuple(sorted(asked.items())))
        if key not in self._kept:
            inner = b"".join(self.ec2[action](region, asked))
            head = f'<{action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r-1</requestId>'
            body = head.encode() + inner + f"</{action}Response>".encode()
            if asked["StartTime"] != "0":
                return body  # pages of a history are many: not kept
            self._kept[key] = body
        return self._kept[key]

    def json_call(self, action: str, body: bytes) -> bytes | None:
        """The answer of Pricing and Service Quotas; None for an action that is not known here."""
        if action not in self.json:
            return None
        if (action, body) not in self._kept:
            self._kept[action, body] = json.dumps(self.json[action](json.loads(body or b"{}"))).encode()
        return self._kept[action, body]

    @staticmethod
    def _back(params: Params) -> int:
        """How many seconds before this process's start StartTime lies; 0 for one of about now, 90 days for none."""
        text = params.get("StartTime")
        if text is None:
            return 90 * DAY
        start = datetime.fromisoformat(text)
        start = start if start.tzinfo else start.replace(tzinfo=UTC)
        return max(0, min(90 * DAY, int((facts.NOW - start).total_seconds())))

    def _regions(self, region: str, params: Params) -> Iterable[bytes]:
        named = several(params, "RegionName")
        everyone = params.get("AllRegions", "").lower() == "true"
        yield b"<regionInfo>"
        for name in facts.REGIONS + (facts.OTHERS if everyone or named else ()):
            status = "opt-in-not-required" if name in facts.REGIONS else "not-opted-in"
            if not named or name in named:
                yield (
                    f"<item><regionName>{name}</regionName><regionEndpoint>ec2.{name}.amazonaws.com</regionEndpoint>"
                    f"<optInStatus>{status}</optInStatus></item>"
                ).encode()
        yield b"</regionInfo>"

    def _zones(self, region: str, params: Params) -> Iterable[bytes]:
        yield b"<availabilityZoneInfo>"
        for name, zone_id in facts.zones(region).items():
            yield (
                f"<item><zoneName>{name}</zoneName><zoneId>{zone_id}</zoneId><zoneState>available</zoneState>"
                f"<regionName>{region}</regionName><zoneType>availability-zone</zoneType>"
                "<optInStatus>opt-in-not-required</optInStatus></item>"
            ).encode()
        yield b"</availabilityZoneInfo>"

    def _spot_prices(self, region: str, params: Params) -> Iterable[bytes]:
        wanted = filters(params)
        names = several(params, "InstanceType")
        products = several(params, "ProductDescription") or wanted.get("product-description") or list(facts.PRODUCTS)
        zones = [params["AvailabilityZone"]] if "AvailabilityZone" in params else wanted.get("availability-zone")
        index = self.history(
            region,
            tuple(sorted(names)),
            tuple(sorted(wanted.get("instance-type", ()))),
            tuple(p for p in facts.PRODUCTS if p in products),
            tuple(zones or ()),
            int(params["StartTime"]),
        )
        rows, token = page(index, params, SPOT_PAGE)
        if params["StartTime"] != "0":
            self.told["due"] += 0 if params.get("NextToken") else len(index)
            self.told["sent"] += len(rows)
        yield b"<spotPriceHistorySet>"
        for age, name, zone, product in rows:
            yield facts.price_row(region, name, zone, age, product)
        yield f"</spotPriceHistorySet><nextToken>{token}</nextToken>".encode()

    @lru_cache(maxsize=64)  # noqa: B019 - there is one Answers in a process, and it lives as long as that
    def history(
        self,
        region: str,
        names: tuple[str, ...],
        patterns: tuple[str, ...],
        products: tuple[str, ...],
        zones: tuple[str, ...],
        back: int,
    ) -> list[tuple[int, str, str, str]]:
        """(age, type, zone, product) of every change since `back` seconds ago and the one before it, newest first."""
        found = []
        for name, zone in facts.offerings(region):
            if (names and name not in names) or (zones and zone not in zones):
                continue
            if patterns and not matches(name, patterns):
                continue
            offset = 60 + facts.crc32(f"{name}{zone}".encode()) % (self.step - 60)
            changes = max(0, (back - offset) // self.step + 1)
            for number in range(changes + 1):
                found += [(offset + number * self.step, name, zone, product) for product in products]
        return sorted(found)

    def _types(self, region: str, params: Params) -> Iterable[bytes]:
        names = several(params, "InstanceType")
        wanted = filters(params)
        here = sorted({name for name, _ in facts.offerings(region)})
        kept = [
            name
            for name in here
            if (not names or name in names)
            and ("instance-type" not in wanted or matches(name, wanted["instance-type"]))
            and set(wanted.get("supported-usage-class", ("spot",))) & set(facts.types()[name]["SupportedUsageClasses"])
        ]
        rows, token = page(kept, params, TYPE_PAGE)
        yield b"<instanceTypeSet>"
        yield from map(facts.type_row, rows)
        yield f"</instanceTypeSet><nextToken>{token}</nextToken>".encode()

    def _offerings(self, region: str, params: Params) -> Iterable[bytes]:
        kind = params.get("LocationType", "region")
        wanted = filters(params)
        found = {
            (name, {"region": region, "availability-zone-id": facts.zones(region)[zone]}.get(kind, zone))
            for name, zone in facts.offerings(region)
            if "instance-type" not in wanted or matches(name, wanted["instance-type"])
        }
        rows, token = page(sorted(found), params, SPOT_PAGE)
        yield b"<instanceTypeOfferingSet>"
        for name, place in rows:
            yield (
                f"<item><instanceType>{name}</instanceType><locationType>{kind}</locationType>"
                f"<location>{place}</location></item>"
            ).encode()
        yield f"</instanceTypeOfferingSet><nextToken>{token}</nextToken>".encode()

    def _scores(self, region: str, params: Params) -> Iterable[bytes]:
        yield b"<spotPlacementScoreSet>"
        for name in several(params, "RegionName") or [region]:
            for number, zone_id in enumerate(facts.zones(name).values()):
                yield (
                    f"<item><region>{name}</region><availabilityZoneId>{zone_id}</availabilityZoneId>"
                    f"<score>{9 - number}</score></item>"
                ).encode()
        yield b"</spotPlacementScoreSet>"

    def _products(self, asked: dict) -> dict:
        wanted = tuple(sorted((item["Field"], item["Value"]) for item in asked.get("Filters", ())))
        found = self.listed(wanted)
        rows, token = page(found, asked, PRODUCT_PAGE)
        body = {"FormatVersion": "aws_v1", "PriceList": [facts.product_row(row, self.reserved) for row in rows]}
        return body | ({"NextToken": token} if token else {})

    @cache  # noqa: B019 - as above
    def listed(self, wanted: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
        """The attributes of every product for which all of `wanted` (field, value) hold."""
        exact = dict(wanted)
        found = []
        for region in (*facts.REGIONS, *facts.OTHERS) if "regionCode" not in exact else (exact["regionCode"],):
            for name in sorted({name for name, _ in facts.offerings(region)}):
                if name == exact.get("instanceType", name):
                    rows = facts.products(region, name)
                    found += [row for row in rows if all(row.get(field) == value for field, value in wanted)]
        return found

    def _quota(self, asked: dict) -> dict:
        quota = {"ServiceCode": "ec2", "QuotaCode": asked.get("QuotaCode", ""), "QuotaName": "Spot", "Value": 64.0}
        return {"Quota": quota | {"Unit": "None", "Adjustable": True, "GlobalQuota": False}}


IDENTITY = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Arn>arn:aws:iam::123456789012:user/bench</Arn><UserId>AIDABENCH</UserId><Account>123456789012</Account>"
    b"</GetCallerIdentityResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>"
    b"</GetCallerIdentityResponse>"
)


def error(code: str, message: str) -> bytes:
    """A refusal in EC2's form."""
    text = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    return f"<Response><Errors><Error>{text}</Error></Errors><RequestID>r-1</RequestID></Response>".encode()


def several(params: Params, name: str) -> list[str]:
    """The values of a list parameter: Name.1, Name.2, ..."""
    return [value for key, value in params.items() if key.rpartition(".")[0] == name]


def filters(params: Params) -> dict[str, list[str]]:
    """EC2's Filter.N.Name and Filter.N.Value.M as name -> values."""
    numbers = [key.split(".")[1] for key in params if key.startswith("Filter.") and key.endswith(".Name")]
    return {params[f"Filter.{n}.Name"]: several(params, f"Filter.{n}.Value") for n in numbers}


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether one of EC2's filter values (* and ? are wildcards) fits."""
    return any(name == pattern or fnmatchcase(name, pattern.replace("[", "[[]")) for pattern in patterns)


def page(rows: Sequence, params: dict, most: int) -> tuple[Sequence, str]:
    """One page, and the token of the next; the empty string at the end."""
    start = int(params.get("NextToken") or 0)
    end = start + min(most, int(params.get("MaxResults") or most))
    return rows[start:end], str(end) if end < len(rows) else ""
