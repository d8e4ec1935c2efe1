"""What a region offers is asked once a day, over the real wire shapes."""

from datetime import UTC, datetime, timedelta

import pytest

from spotbox.aws.offered import gpu_types, instance_types, offerings
from spotbox.core.errors import UsageError
from spotbox.store import Store
from tests.aws.conftest import Clock
from tests.aws.stubbed import R, aws

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
G5 = {
    "InstanceType": "g5.xlarge",
    "VCpuInfo": {"DefaultVCpus": 4},
    "MemoryInfo": {"SizeInMiB": 16384},
    "SupportedUsageClasses": ["on-demand", "spot"],
    "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
    "GpuInfo": {
        "Gpus": [{"Name": "A10G", "Manufacturer": "NVIDIA", "Count": 1, "MemoryInfo": {"SizeInMiB": 24576}}],
        "TotalGpuMemoryInMiB": 24576,
    },
}
TYPES = ("describe_instance_types", None, {"InstanceTypes": [G5]})
ZONES = (
    "describe_instance_type_offerings",
    None,
    {
        "InstanceTypeOfferings": [
            {"InstanceType": "g5.xlarge", "LocationType": "availability-zone", "Location": "us-east-1a"}
        ]
    },
)


@pytest.fixture
def day():
    return Clock(NOON)


@pytest.fixture
def store(tmp_path, day):
    return Store(tmp_path, day)


def test_the_types_of_a_region_are_asked_once_a_day(store, day):
    """The second run of a day asks nothing; the next day's asks again."""
    with aws(ec2=[TYPES]) as world:
        first = gpu_types(world, store, R)
        assert gpu_types(world, store, R) == first
        assert [kind.name for kind in first] == ["g5.xlarge"]
    day.at += timedelta(days=1, seconds=1)
    with aws(ec2=[TYPES]) as world:
        assert gpu_types(world, store, R) == first


def test_types_by_name_are_asked_once_a_day(store, day):
    """A type that the region offered today and that is described is known; another is asked for."""
    with aws(ec2=[TYPES, ZONES]) as world:
        first = instance_types(world, store, R, ["g5.xlarge"])
        offerings(world, store, R, ["g5.xlarge"])
        assert instance_types(world, store, R, ["g5.xlarge", "g5.xlarge"]) == first
    with aws(ec2=[TYPES]) as world, pytest.raises(UsageError):
        instance_types(world, store, R, ["g5.xlarge", "p5.48xlarge"])
    day.at += timedelta(days=1, seconds=1)
    with aws(ec2=[TYPES]) as world:
        assert instance_types(world, store, R, ["g5.xlarge"]) == first


def test_a_type_that_another_region_has_is_asked_for(store):
    """What is described is the same everywhere, what is offered is not."""
    with aws(ec2=[TYPES]) as world:
        known = gpu_types(world, store, R)
        assert instance_types(world, store, R, ["g5.xlarge"]) == {"g5.xlarge": known[0]}
    store.update("region-types", lambda data: {"eu-west-1": data[R]})
    with aws(ec2=[("describe_instance_types", None, {"InstanceTypes": []})]) as world, pytest.raises(UsageError):
        instance_types(world, store, R, ["g5.xlarge"])


def test_the_zones_of_types_are_asked_once_a_day(store, day):
    """Only a type that was not asked for yet costs another call."""
    expected = {"g5.xlarge": frozenset(["us-east-1a"])}
    with aws(ec2=[ZONES]) as world:
        assert offerings(world, store, R, ["g5.xlarge"]) == expected
        assert offerings(world, store, R, ["g5.xlarge"]) == expected
    with aws(ec2=[ZONES]) as world:
        both = offerings(world, store, R, ["g5.xlarge", "p5.48xlarge"])
        assert both == {**expected, "p5.48xlarge": frozenset()}
        assert offerings(world, store, R, ["g5.xlarge", "p5.48xlarge"]) == both
    day.at += timedelta(days=2)
    with aws(ec2=[ZONES]) as world:
        assert offerings(world, store, R, ["g5.xlarge"]) == expected


@pytest.mark.parametrize("text", ["", "[]", '{"us-east-1": 7}', '{"us-east-1": {"asked": "never", "names": 3}}'])
def test_a_damaged_cache_is_asked_for_again(tmp_path, store, text):
    """A cache may be deleted or damaged at any time."""
    for name in ("region-types", "region-zones", "instance-types"):
        (tmp_path / f"{name}.json").write_text(text)
    with aws(ec2=[TYPES, ZONES]) as world:
        assert [kind.name for kind in gpu_types(world, store, R)] == ["g5.xlarge"]
        assert offerings(world, store, R, ["g5.xlarge"]) == {"g5.xlarge": frozenset(["us-east-1a"])}
