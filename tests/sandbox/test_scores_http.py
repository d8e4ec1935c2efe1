"""GetSpotPlacementScores over HTTP: what it takes, what it gives, and how often new questions may be asked."""

import pytest
from botocore.exceptions import ClientError

from spotbox.sandbox import process

from .conftest import Aws, code_of

THREE = ["g5.xlarge", "g5.2xlarge", "g6.xlarge"]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A sandbox of this module's own: questions are counted."""
    home = tmp_path_factory.mktemp("scores") / "sandbox"
    yield Aws(process.ensure(home))
    process.stop(home)


def ask(aws, types=THREE, **more):
    """The scores of one question; two regions by zone unless told otherwise."""
    asked = {"InstanceTypes": types, "TargetCapacity": 1, "SingleAvailabilityZone": True}
    asked |= {"RegionNames": ["us-east-1", "us-west-2"], **more}
    found = aws.ec2.get_spot_placement_scores(**{k: v for k, v in asked.items() if v is not None})
    return found["SpotPlacementScores"]


def test_zones_are_told_by_id(own):
    """One score from 1 to 10 per zone id, the best first, at most ten."""
    rows = ask(own)
    assert 5 <= len(rows) <= 10
    assert all(
        row["AvailabilityZoneId"].startswith({"us-east-1": "use1-az", "us-west-2": "usw2-az"}[row["Region"]])
        for row in rows
    )
    assert [row["Score"] for row in rows] == sorted((row["Score"] for row in rows), reverse=True)
    assert all(1 <= row["Score"] <= 10 for row in rows)
    assert len({row["AvailabilityZoneId"] for row in rows}) == len(rows)


def test_without_the_flag_regions_are_told(own):
    """One score per region and no zone; all enabled regions where none is named, of which ten are told."""
    assert {row["Region"] for row in ask(own, SingleAvailabilityZone=None)} == {"us-east-1", "us-west-2"}
    everywhere = ask(own, SingleAvailabilityZone=None, RegionNames=None)
    assert len(everywhere) == 10
    assert not any("AvailabilityZoneId" in row for row in everywhere)


@pytest.mark.parametrize("types", [THREE[:1], THREE[:2]])
def test_one_or_two_types_are_always_low(own, types):
    """With fewer than three types the score says nothing: 1 to 3."""
    assert {row["Score"] for row in ask(own, types)} <= {1, 2, 3}
    assert max(row["Score"] for row in ask(own)) > 3


def test_a_zone_whose_pools_are_closed_scores_one(own):
    """Scores follow capacity: what is closed cannot be had."""
    zone = "us-east-1b"
    ids = {z["ZoneName"]: z["ZoneId"] for z in own.ec2.describe_availability_zones()["AvailabilityZones"]}

    def of_zone():
        return [row["Score"] for row in ask(own, RegionNames=["us-east-1"]) if row["AvailabilityZoneId"] == ids[zone]]

    (before,) = of_zone()
    for name in THREE:
        own.control("capacity", type=name, zone=zone, state="closed")
    assert of_zone() == [1] != [before]
    for name in THREE:
        own.control("capacity", type=name, zone=zone, state="open")
    assert of_zone() == [before]


def test_a_larger_target_scores_lower(own):
    """What a thousand instances can be had for is less than what one can."""
    one, many = (sum(row["Score"] for row in ask(own, TargetCapacity=n)) for n in (1, 1000))
    assert many < one


def test_attributes_in_place_of_names(own):
    """InstanceRequirementsWithMetadata picks the types by what they have."""
    needs = {"VCpuCount": {"Min": 4, "Max": 16}, "MemoryMiB": {"Min": 8192}, "AcceleratorCount": {"Min": 1, "Max": 1}}
    wanted = {"ArchitectureTypes": ["x86_64"], "InstanceRequirements": needs}
    assert ask(own, None, InstanceRequirementsWithMetadata=wanted)
    needs["AllowedInstanceTypes"] = ["x9*"]
    with pytest.raises(ClientError, match="No instance types match"):
        ask(own, None, InstanceRequirementsWithMetadata=wanted)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"types": None}, "MissingParameter"),
        ({"InstanceRequirementsWithMetadata": {"ArchitectureTypes": ["arm64"]}}, "InvalidParameterCombination"),
        ({"types": ["g5.xlarge", "x9.large", "g6.xlarge"]}, "InvalidParameterValue"),
        ({"RegionNames": ["us-east-1"] * 11}, "InvalidParameterValue"),
        ({"RegionNames": ["mars-1"]}, "InvalidParameterValue"),
        ({"TargetCapacityUnitType": "gpus"}, "InvalidParameterValue"),
        ({"TargetCapacity": 1_000_000}, "TargetCapacityLimitExceededException"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_what_is_refused(own, asked, code):
    """Each rule of the call has its refusal."""
    with pytest.raises(ClientError) as refused:
        ask(own, **asked)
    assert refused.value.response["Error"]["Code"] == code


def test_numbers_out_of_range_are_refused(own):
    """TargetCapacity is 1 and more, MaxResults 10 to 1000; botocore would not let the wrong ones through."""
    client = own.client("ec2", parameter_validation=False)
    asked = {"InstanceTypes": THREE, "RegionNames": ["us-east-1"]}
    assert code_of(client.get_spot_placement_scores, **asked, TargetCapacity=0)[0] == "InvalidParameterValue"
    for size in (9, 1001):
        found = code_of(client.get_spot_placement_scores, **asked, TargetCapacity=1, MaxResults=size)
        assert found[0] == "InvalidParameterValue"


def test_new_questions_are_limited_and_old_ones_are_not(own):
    """One new configuration too many is MaxConfigLimitExceededException; those of the last day are answered still."""
    first = ask(own)
    with pytest.raises(ClientError) as refused:
        [ask(own, TargetCapacity=number) for number in range(2, 60)]
    assert refused.value.response["Error"]["Code"] == "MaxConfigLimitExceededException"
    assert ask(own) == first
    assert ask(own, list(reversed(THREE))) == first
