"""Placement scores of a set of types, and Spot quotas of many pairs, against botocore's Stubber."""

from datetime import timedelta
from decimal import Decimal

import pytest
from botocore.stub import Stubber

from spotbox.aws.parallel import parallel
from spotbox.aws.quotas import spot_quotas
from spotbox.aws.scores import placement_scores
from spotbox.aws.session import Aws
from spotbox.core.errors import SpotboxError
from spotbox.core.market import Scores
from spotbox.core.quotas import QuotaValue
from spotbox.store import NoStore
from tests.aws.conftest import NOW
from tests.aws.endpoint import KEYS, ec2_error, endpoint
from tests.aws.stubbed import sealed

SET = ["g5.xlarge", "g6.xlarge", "g4dn.xlarge"]


def scored(*rows, token=""):
    items = "".join(
        f"<item><region>{zone[:-1]}</region><availabilityZoneId>{zone}</availabilityZoneId><score>{score}</score></item>"
        for zone, score in rows
    )
    return 200, f"<R><spotPlacementScoreSet>{items}</spotPlacementScoreSet><nextToken>{token}</nextToken></R>"


def test_the_call_and_its_answer():
    """The set is asked about once for one instance, zone by zone; every page counts; what is no score does not."""
    pages = [scored(("use1-az1", 9), ("use1-az2", 3), token="n"), scored(("use1-az4", 1), ("use1-az5", 11))]
    with endpoint(lambda asked: pages.pop(0)) as world:
        found = placement_scores(world.aws(), NoStore(), ["us-east-1", "us-east-1"], [*SET, "g5.xlarge"])
    assert found == Scores({"use1-az1": 9, "use1-az2": 3, "use1-az4": 1})
    fields = world.asked[0].fields
    assert fields["Action"] == "GetSpotPlacementScores"
    assert [fields[f"InstanceType.{n}"] for n in (1, 2, 3)] == sorted(SET)
    assert (fields["TargetCapacity"], fields["SingleAvailabilityZone"], fields["RegionName.1"]) == (
        "1",
        "true",
        "us-east-1",
    )
    assert not {"InstanceType.4", "RegionName.2"} & set(fields)


def test_fewer_than_three_types():
    """A score of one or two types is always low: it is not asked for."""
    with pytest.raises(ValueError, match="3 types"):
        placement_scores(sealed(), NoStore(), ["us-east-1"], ["a", "b", "a"])


def test_ten_regions_a_call():
    """Of seventeen regions ten are asked in one call and seven in another."""
    regions = [f"us-east-{n}" for n in range(1, 18)]
    with endpoint(lambda asked: scored((f"{asked.fields['RegionName.1']}a", 5))) as world:
        found = placement_scores(world.aws(), NoStore(), regions, SET)
    assert sorted(sum(key.startswith("RegionName") for key in asked.fields) for asked in world.asked) == [7, 10]
    assert len(found.by_zone_id) == 2


def test_scores_are_kept_for_a_quarter_of_an_hour(store):
    """The same set in the same regions is not asked again within 15 minutes; another set, another account is."""
    with endpoint(lambda asked: scored(("use1-az1", 7))) as world:
        first = placement_scores(world.aws(), store, ["us-east-1", "eu-west-1"], SET)
        again = placement_scores(world.aws(), store, ["eu-west-1", "us-east-1"], SET[::-1])
        assert (first.asked, again.asked, again.by_zone_id) == (None, NOW, {"use1-az1": 7})
        assert len(world.asked) == 1
        placement_scores(world.aws(), store, ["us-east-1"], SET)
        placement_scores(world.aws(), store, ["us-east-1", "eu-west-1"], [*SET, "p5.48xlarge"])
        other = Aws(region="us-east-1", endpoint=world.url, keys=("AKIDOTHER", "x"))
        placement_scores(other, store, ["us-east-1", "eu-west-1"], SET)
        placement_scores(world.aws(), store, ["us-east-1", "eu-west-1"], SET, refresh=True)
        assert len(world.asked) == 5
        store.now.at += timedelta(minutes=15, seconds=1)
        placement_scores(world.aws(), store, ["us-east-1", "eu-west-1"], SET)
    assert len(world.asked) == 6
    assert len(store.read("placement-scores")) == 1  # what has expired goes


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("MaxConfigLimitExceededException", "limited number of sets"),
        ("UnauthorizedOperation", "ec2:GetSpotPlacementScores"),
    ],
)
def test_a_refusal_is_a_remark_and_asked_once(store, code, told):
    """AWS's limit of new sets, or a missing permission, is a remark; the call is not repeated, nor kept."""
    with endpoint(lambda asked: ec2_error(code, "no")) as world:
        found = placement_scores(world.aws(), store, ["us-east-1"], SET)
    assert found.by_zone_id == {}
    assert found.remark.startswith("no placement scores: ")
    assert told in found.remark
    assert len(world.asked) == 1
    assert store.read("placement-scores") == {}


class Quotas:
    """Clients of Service Quotas with their answers laid ready, by region."""

    def __init__(self):
        aws = Aws(region="us-east-1", endpoint="http://127.0.0.1:9", keys=KEYS)
        self.clients = {region: aws.client("service-quotas", region) for region in ("us-east-1", "eu-west-1")}
        self.stubs = {region: Stubber(client) for region, client in self.clients.items()}
        for stub in self.stubs.values():
            stub.activate()

    def client(self, service, region):
        return self.clients[region]

    def parallel(self, calls, limit):
        assert limit <= 10  # Service Quotas throttles early
        return parallel(calls, limit)


def test_spot_quotas():
    """Each pair is asked once; where none is applied AWS's default counts; throttling leaves one unknown."""
    world, code = Quotas(), "L-3819A6DF"
    asked = {"ServiceCode": "ec2", "QuotaCode": code}
    world.stubs["us-east-1"].add_client_error("get_service_quota", "NoSuchResourceException", expected_params=asked)
    world.stubs["us-east-1"].add_response("get_aws_default_service_quota", {"Quota": {"Value": 64.0}}, asked)
    world.stubs["eu-west-1"].add_client_error("get_service_quota", "TooManyRequestsException", expected_params=asked)
    found = spot_quotas(world, [("us-east-1", code), ("eu-west-1", code), ("us-east-1", code)])
    assert found["us-east-1", code] == QuotaValue(Decimal(64))
    assert found["eu-west-1", code].value is None
    assert found["eu-west-1", code].remark
    for stub in world.stubs.values():
        stub.assert_no_pending_responses()
    assert spot_quotas(world, []) == {}


def test_a_client_that_cannot_be_made_is_unknown_too():
    """Where not even the client can be made, the pair is unknown with the reason."""

    class Broken(Quotas):
        def client(self, service, region):
            raise SpotboxError("no AWS credentials")

    assert spot_quotas(Broken(), [("us-east-1", "L-1")]) == {
        ("us-east-1", "L-1"): QuotaValue(None, "no AWS credentials")
    }
