"""Spot prices, instance types and offerings, against botocore's Stubber."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from botocore.stub import ANY

from spotbox.aws.prices import LINUX, changes, in_force, spot_prices
from spotbox.aws.types import ACCELERATED, gpu_types, instance_types, offerings
from spotbox.core.errors import UsageError
from tests.aws.stubbed import R, aws, filters

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def row(price, minutes=0, zone="us-east-1a", product="Linux/UNIX", instance_type="g5.xlarge"):
    return {
        "AvailabilityZone": zone,
        "InstanceType": instance_type,
        "ProductDescription": product,
        "SpotPrice": price,
        "Timestamp": NOW - timedelta(minutes=minutes),
    }


def test_spot_prices_are_the_newest_of_each_pool():
    """All pages are read (an empty NextToken ends them), the newest row of each zone counts, nonsense does not."""
    asked = {"InstanceTypes": ["g5.xlarge", "g6.xlarge"], "ProductDescriptions": list(LINUX), "StartTime": NOW}
    first = [row("0.5", 60), row("0.4", 5), row("0.45", 30), row("0.7", 1, "us-east-1b", "Linux/UNIX (Amazon VPC)")]
    second = [row("0.6", 2, "us-east-1b"), row("0.000000", 0, "us-east-1c"), row("0.3", 1, "us-east-1d", "Windows")]
    third = [row("0.9", 3, "us-east-1e", "Linux/UNIX (Amazon VPC)"), row("0.8", 3, "us-east-1e")]
    pages = [
        (asked, {"SpotPriceHistory": first, "NextToken": "a"}),
        ({**asked, "NextToken": "a"}, {"SpotPriceHistory": [], "NextToken": "b"}),
        ({**asked, "NextToken": "b"}, {"SpotPriceHistory": second + third, "NextToken": ""}),
    ]
    with aws(ec2=[("describe_spot_price_history", *page) for page in pages]) as world:
        found = spot_prices(world, R, ["g5.xlarge", "g6.xlarge"], NOW)
    assert found == {
        ("g5.xlarge", "us-east-1a"): Decimal("0.4"),
        ("g5.xlarge", "us-east-1b"): Decimal("0.7"),
        ("g5.xlarge", "us-east-1e"): Decimal("0.8"),
    }


def test_an_older_price_is_not_the_price_now():
    """Where the newest row of a pool is no price, the pool has none: what was charged before is not believed."""
    rows = [row("0.4", 60), row("0.0000000000", 1), row("0.3", 5, "us-east-1b"), row("soon", 5, "us-east-1b", LINUX[1])]
    found = {price.zone: price for price in in_force(R, [*rows, row("0.2", 0, "us-east-1c")])}
    assert {zone: price.usd for zone, price in found.items()} == {
        "us-east-1a": None,
        "us-east-1b": Decimal("0.3"),
        "us-east-1c": Decimal("0.2"),
    }
    assert found["us-east-1a"].since == NOW - timedelta(minutes=1)


def test_changes_of_two_products_at_one_moment_are_one():
    """A history tells each change of a pool once, by the plain product; unwanted types are left out."""
    rows = [row("0.9", 5, product=LINUX[1]), row("0.4", 5), row("0.5", 4), row("0.8", 4, product=LINUX[1])]
    rows += [row("0.000000", 3), row("0.7", 2, product=LINUX[1]), row("0.1", 1, instance_type="m5.large")]
    found = changes(rows, lambda name: name.startswith("g5"))
    assert [change.usd for change in found] == [Decimal("0.4"), Decimal("0.5"), None, Decimal("0.7")]
    assert {(c.instance_type, c.zone) for c in found} == {("g5.xlarge", "us-east-1a")}


def test_spot_prices_ask_for_now():
    """Without a time given the price in force is asked for: StartTime is the present, in UTC."""
    asked = {"InstanceTypes": ["g5.xlarge"], "ProductDescriptions": list(LINUX), "StartTime": ANY}
    with aws(ec2=[("describe_spot_price_history", asked, {"SpotPriceHistory": []})]) as world:
        seen = []

        def look(params, **_):
            seen.append(params["StartTime"])

        events = world.client("ec2").meta.events
        events.register("provide-client-params.ec2.*", look)
        assert spot_prices(world, R, ["g5.xlarge"]) == {}
        assert spot_prices(world, R, []) == {}
        events.unregister("provide-client-params.ec2.*", look)
    assert abs(seen[0] - datetime.now(UTC)) < timedelta(minutes=1)


def wire(name, **more):
    return {
        "InstanceType": name,
        "VCpuInfo": {"DefaultVCpus": 4},
        "MemoryInfo": {"SizeInMiB": 16384},
        "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
        "SupportedUsageClasses": ["on-demand", "spot"],
        **more,
    }


def test_gpu_types():
    """Accelerated types that are on Spot are asked for by wildcard, over all pages, and come by name."""
    asked = {"Filters": filters(instance_type=list(ACCELERATED), supported_usage_class=["spot"])}
    with aws(
        ec2=[
            ("describe_instance_types", asked, {"InstanceTypes": [wire("g6.xlarge")], "NextToken": "n"}),
            ("describe_instance_types", {**asked, "NextToken": "n"}, {"InstanceTypes": [wire("g5.xlarge")]}),
        ]
    ) as world:
        assert [type_.name for type_ in gpu_types(world, R)] == ["g5.xlarge", "g6.xlarge"]


def test_instance_types():
    """Named types come in the order asked, each once."""
    asked = {"Filters": filters(instance_type=["g6.xlarge", "m5.large"])}
    answer = {"InstanceTypes": [wire("m5.large"), wire("g6.xlarge")]}
    with aws(ec2=[("describe_instance_types", asked, answer)]) as world:
        assert list(instance_types(world, R, ["g6.xlarge", "m5.large", "g6.xlarge"])) == ["g6.xlarge", "m5.large"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("g5.xlrage", "there is no instance type g5.xlrage (did you mean g5.xlarge?)"),
        ("p3.2xlarge", "p3.2xlarge is not offered in us-east-1"),
        ("g5.*", "there is no instance type g5.*"),
        ("x\x1b[2J", "there is no instance type x\\x1b[2J"),
    ],
)
def test_unknown_type(name, told):
    """A type that the region does not have is a usage error, with the name that was meant; a wildcard is no type."""
    answer = {"InstanceTypes": [wire("g5.xlarge")]}
    call = ("describe_instance_types", {"Filters": filters(instance_type=[name])}, answer)
    with aws(ec2=[call]) as world, pytest.raises(UsageError) as caught:
        instance_types(world, R, [name])
    assert caught.value.message.startswith(told)


def test_offerings():
    """Each type has the zones of all pages; one that no zone offers has none."""
    asked = {"LocationType": "availability-zone", "Filters": filters(instance_type=["g5.xlarge", "p3.2xlarge"])}

    def offer(zone):
        return {"InstanceType": "g5.xlarge", "LocationType": "availability-zone", "Location": zone}

    pages = [
        (asked, {"InstanceTypeOfferings": [offer("us-east-1a")], "NextToken": "n"}),
        ({**asked, "NextToken": "n"}, {"InstanceTypeOfferings": [offer("us-east-1b")], "NextToken": ""}),
    ]
    with aws(ec2=[("describe_instance_type_offerings", *page) for page in pages]) as world:
        found = offerings(world, R, ["g5.xlarge", "p3.2xlarge"])
    assert found == {"g5.xlarge": frozenset({"us-east-1a", "us-east-1b"}), "p3.2xlarge": frozenset()}
