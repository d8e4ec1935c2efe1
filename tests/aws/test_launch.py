import json
import os
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from spotbox.aws.apply import make_group, make_key
from spotbox.aws.asking import find_group
from spotbox.aws.launch import launch, launch_params
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.hunt import LAG, LONGEST_PAUSE, UNCLEAR_LEAST, Unclear
from spotbox.core.names import MAX_PRICE_TAG, ROLE_TAG, box_tags, client_token
from spotbox.core.wishes import Launch
from tests.aws.stubs import GROUP, World
from tests.core.worlds import REGION, ground, offer, wish

NOTHING = {"SpotInstanceRequests": []}
A, B, C = (offer(zone=f"us-east-1{letter}") for letter in "abc")
LARGE = offer("g6.12xlarge", "us-east-1a", vcpus=48)
SMALL = offer("g4dn.large", "us-east-1a", vcpus=2)
OTHER_QUOTA = offer("p3.2xlarge", "us-east-1a", vcpus=8)


ELSEWHERE = "eu-west-1"
ABROAD = offer(zone="eu-west-1a")


class Launching(World):
    """A launch of alice's dev, with the group in place."""

    def __init__(self, *offers, group=True, market="spot", **fields):
        super().__init__()
        self.wish, self.market = wish(offers, **fields), market
        if group:
            self.answers("describe_security_groups", GROUP)

    def params(self, pool, generation=0):
        return launch_params(self.wish, pool, "sg-1", generation, self.market)

    def accepts(self, pool, generation=0):
        answer = {"Instances": [{"InstanceId": "i-1"}]}
        self.answers("run_instances", answer, self.params(pool, generation), pool.region, once=True)

    def no(self, pool, code="InsufficientInstanceCapacity", generation=0, strays=(), status=400):
        """A refusal of this pool; `strays` are the requests that AWS shows after it, None where nobody looks."""
        self.refuses("run_instances", code, self.params(pool, generation), pool.region, once=True, status=status)
        if strays is not None:
            shown = {"SpotInstanceRequests": list(strays)}
            self.answers("describe_spot_instance_requests", shown, region=pool.region)

    def makes_ground(self, region):
        """The group and the key are made in a region."""
        self.answers("create_security_group", {"GroupId": "sg-1"}, region=region)
        self.answers("authorize_security_group_ingress", region=region)
        self.answers("import_key_pair", region=region)

    def launch(self, wait=0.0, generation=0):
        if generation:
            self.wish = replace(self.wish, grounds={REGION: ground(generation=generation)})
        found = launch(self.hands, Launch(self.wish, self.market), wait)
        self.aws.spent()
        return found

    def fails(self, wait=0.0):
        with pytest.raises(SpotboxError) as told:
            launch(self.hands, Launch(self.wish, self.market), wait)
        self.aws.spent()
        assert "Stub" not in str(told.value), "another call than the test expects"
        return told.value


def wire_request(state, **fields):
    return {
        "SpotInstanceRequestId": "sir-1",
        "State": state,
        "Tags": [{"Key": k, "Value": v} for k, v in box_tags("dev", "alice").items()],
        **fields,
    }


def test_a_group_that_this_process_made_is_not_looked_up():
    """The step before knows its id; a launch that AWS says knows no such group yet is asked for again."""
    world = Launching(A, group=False)
    world.makes_ground(REGION)
    make_group(world.hands, world.wish.grounds[REGION].group)
    make_key(world.hands, world.wish.grounds[REGION].key)
    world.no(A, "InvalidGroup.NotFound", strays=None)
    world.accepts(A)
    assert world.launch().instance_id == "i-1"


# -- what is sent --------------------------------------------------------------------------------------------------


def test_the_launch_call():
    """RunInstances: persistent and stop, IMDSv2, an encrypted root disk, a public address, nothing that expires."""
    params = launch_params(wish(), A, "sg-1", 0)
    tags = params.pop("TagSpecifications")
    assert params == {
        "ImageId": "ami-1",
        "InstanceType": "g5.xlarge",
        "MinCount": 1,
        "MaxCount": 1,
        "KeyName": "spotbox-alice-0123456789abcdef",
        "ClientToken": client_token("alice", "dev", REGION, "us-east-1a", "g5.xlarge", "spot", 0),
        "InstanceMarketOptions": {
            "MarketType": "spot",
            "SpotOptions": {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop"},
        },
        "MetadataOptions": {
            "HttpTokens": "required",
            "HttpEndpoint": "enabled",
            "HttpPutResponseHopLimit": 2,
            "InstanceMetadataTags": "enabled",
        },
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/sda1",
                "Ebs": {"VolumeSize": 100, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True},
            }
        ],
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": "subnet-a",
                "Groups": ["sg-1"],
                "AssociatePublicIpAddress": True,
                "DeleteOnTermination": True,
            }
        ],
        "InstanceInitiatedShutdownBehavior": "stop",
    }
    everywhere = box_tags("dev", "alice", {"team": "vision", "spotbox:user": "ubuntu"})
    found = {spec["ResourceType"]: {t["Key"]: t["Value"] for t in spec["Tags"]} for spec in tags}
    assert found == {
        "instance": everywhere,
        "spot-instances-request": everywhere,
        "network-interface": everywhere,
        "volume": {**everywhere, ROLE_TAG: "root"},
    }


def test_a_cap_is_sent_and_tagged_only_where_one_was_asked():
    """MaxPrice as plain digits, and the same text as a tag, by which the box remembers it."""
    params = launch_params(wish(bids={(REGION, "g5.xlarge"): Decimal("5E-1")}), A, "sg-1", 0)
    assert params["InstanceMarketOptions"]["SpotOptions"]["MaxPrice"] == "0.5"
    for spec in params["TagSpecifications"]:
        assert {"Key": MAX_PRICE_TAG, "Value": "0.5"} in spec["Tags"]


def test_user_data_and_profile_where_given():
    """UserData goes as bytes (botocore encodes it), the profile by name; both are left out where there is none."""
    params = launch_params(wish(user_data=b"#!/bin/sh\n", profile="gpu"), A, "sg-1", 0)
    assert params["UserData"] == b"#!/bin/sh\n"
    assert params["IamInstanceProfile"] == {"Name": "gpu"}
    assert not {"UserData", "IamInstanceProfile"} & set(launch_params(wish(), A, "sg-1", 0))


def test_the_parameters_are_the_same_bytes_in_every_run():
    """A ClientToken holds for identical parameters only: neither the hash seed nor the order of tags shows."""
    script = (
        "import json; from tests.core.worlds import *; from spotbox.aws.launch import launch_params\n"
        "tags = {k: k for k in {'b', 'a', 'c', 'd'}}\n"
        "print(json.dumps(launch_params(wish(tags=tags), offer(), 'sg-1', 2)))"
    )
    root = Path(__file__).parents[2]
    runs = {
        subprocess.run(
            [sys.executable, "-c", script], cwd=root, env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1", "7")
    }  # fmt: skip
    assert len(runs) == 1
    one, other = ({"a": "1", "b": "2"}, {"b": "2", "a": "1"})
    assert json.dumps(launch_params(wish(tags=one), A, "sg-1", 0)) == json.dumps(
        launch_params(wish(tags=other), A, "sg-1", 0)
    )


def test_the_token_tells_pool_and_generation():
    """Another zone, type or generation is another launch."""
    two = wish([A, B, LARGE])
    tokens = {launch_params(two, pool, "sg-1", n)["ClientToken"] for pool in (A, B, LARGE) for n in (0, 1)}
    assert len(tokens) == 6


# -- the hunt ------------------------------------------------------------------------------------------------------


def test_the_first_pool_that_accepts():
    """One call, one instance; the call is sent a single time by a client that does not retry."""
    world = Launching(A, B)
    world.accepts(A)
    found = world.launch()
    assert (found.instance_id, found.offer, found.region, found.tried) == ("i-1", A, REGION, (REGION,))


@pytest.mark.parametrize(
    "code",
    ["InsufficientInstanceCapacity", "Unsupported", "SpotMaxPriceTooLow", "InsufficientFreeAddressesInSubnet",
     "InsufficientVolumeCapacity"],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 500])
def test_a_refusal_of_one_pool_leads_to_the_next(code, status):
    """What concerns this zone and type only is answered by the next pool, whatever the HTTP status."""
    world = Launching(A, B)
    world.no(A, code, status=status)
    world.accepts(B)
    assert world.launch().offer == B
    assert world.shown[-1].startswith("asking for g5.xlarge in us-east-1b; g5.xlarge in us-east-1a: ")


def test_all_refused_is_exit_3():
    """One round without time to wait, then the pools and why."""
    world = Launching(A, B)
    world.no(A)
    world.no(B)
    told = world.fails()
    assert told.exit_code is Exit.NO_CAPACITY
    assert "g5.xlarge in us-east-1a" in told.message
    assert "g5.xlarge in us-east-1b" in told.message
    assert world.clock.naps == []


def test_rounds_back_off_within_the_time():
    """Pauses of 5 s, then 10 s, and the last round as the time ends; the line says when the next round is."""
    world = Launching(A)
    for _ in range(4):
        world.no(A)
    assert world.fails(wait=30).exit_code is Exit.NO_CAPACITY
    assert world.clock.at == pytest.approx(30)
    assert any(line.startswith("g5.xlarge in us-east-1a: ") and "next round in 10s" in line for line in world.shown)


def test_a_log_of_a_long_hunt_stays_short():
    """Where the line is no live one each new text is a line: a pause of a minute is six of them, not sixty."""
    world = Launching(A)
    for _ in range(8):
        world.no(A)
    world.accepts(A)
    world.launch(wait=3600)
    assert len({line for line in world.shown if "next round" in line}) <= 16


def test_the_pause_has_a_ceiling():
    """However long the hunt, AWS is asked at least every minute."""
    world = Launching(A)
    for _ in range(12):
        world.no(A)
    world.accepts(A)
    assert world.launch(wait=3600).rounds == 13
    assert world.clock.at == pytest.approx(5 + 10 + 20 + 40 + 8 * LONGEST_PAUSE)


def test_no_pool_at_all_is_exit_3():
    """A wish without offers ends at once."""
    assert Launching(group=False).fails(wait=900).exit_code is Exit.NO_CAPACITY


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("UnauthorizedOperation", Exit.DENIED),
        ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", Exit.DENIED),
        ("InvalidAMIID.NotFound", Exit.USAGE),
        ("InvalidParameterValue", Exit.USAGE),
        ("VolumeLimitExceeded", Exit.QUOTA),
        ("NeverSeenBefore", Exit.FAILED),
    ],
)
def test_what_does_not_heal_ends_it_at_once(code, exit_code):
    """Permission, parameters and the unknown are told, and no other pool is tried."""
    world = Launching(A, B)
    world.no(A, code, strays=None)
    told = world.fails(wait=900)
    assert (told.exit_code, told.code) == (exit_code, code)


# -- quota ---------------------------------------------------------------------------------------------------------

QUOTA = "MaxSpotInstanceCountExceeded"


def test_quota_drops_the_pools_that_it_counts():
    """After one refusal no pool of the same Spot quota and size or larger is asked; smaller and others are."""
    world = Launching(A, B, LARGE, SMALL, OTHER_QUOTA)
    world.no(A, QUOTA)
    world.no(SMALL, QUOTA)
    world.accepts(OTHER_QUOTA)
    assert world.launch().offer == OTHER_QUOTA


def test_only_quota_in_the_way_is_exit_4_at_once():
    """Nothing is waited for that does not come by waiting, and the hint has the command that asks for more."""
    world = Launching(A, B, C)
    world.no(A, QUOTA)
    told = world.fails(wait=900)
    assert (told.exit_code, world.clock.naps) == (Exit.QUOTA, [])
    assert "request-service-quota-increase" in told.hint
    assert "L-3819A6DF" in told.hint


def test_capacity_beside_quota_is_exit_3():
    """Where one pool lacks quota and another capacity, waiting may help: 3, whichever came last."""
    for first, last in ((A, OTHER_QUOTA), (OTHER_QUOTA, A)):
        world = Launching(first, last)
        world.no(first, QUOTA if first == OTHER_QUOTA else "InsufficientInstanceCapacity")
        world.no(last, QUOTA if last == OTHER_QUOTA else "InsufficientInstanceCapacity")
        assert world.fails().exit_code is Exit.NO_CAPACITY


@pytest.mark.parametrize("code", ["InvalidKeyPair.NotFound", "InvalidGroup.NotFound", "RequestLimitExceeded"])
def test_what_passes_is_asked_again(code):
    """The same pool is asked again while AWS throttles, or does not know the key or the group; no other is tried."""
    world = Launching(A, B)
    world.no(A, code, strays=None)
    world.no(A, code, strays=None)
    world.accepts(A)
    assert world.launch().instance_id == "i-1"
    assert len(world.clock.naps) == 2


# -- unknown outcomes and used tokens ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable", "500"])
def test_a_5xx_without_a_reason_is_asked_again_with_the_same_token(code):
    """The launch may have happened: the same pool, the same token, before any other."""
    world = Launching(A, B)
    world.no(A, code, strays=None, status=500)
    world.no(A, code, strays=None, status=503)
    world.accepts(A)
    assert world.launch().offer == A
    assert len(world.clock.naps) == 2


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="https://ec2"),
        ConnectionClosedError(endpoint_url="https://ec2"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_timeout_or_reset_is_asked_again_with_the_same_token(error):
    """No answer is no refusal."""
    world = Launching(A, B)
    world.accepts(A)
    broken, seen = [error, error], []

    def cut(params, **_):
        seen.append(params["ClientToken"])
        if broken:
            raise broken.pop()

    world.aws.client("ec2", REGION, once=True).meta.events.register("provide-client-params.ec2.RunInstances", cut)
    assert world.launch().offer == A
    assert seen == [world.params(A)["ClientToken"]] * 3


def test_an_outcome_that_stays_unknown_is_asked_about_for_the_whole_of_wait():
    """The same pool and token for as long as --wait, then what AWS shows: nothing, so it is unclear, and no other
    pool was tried."""
    world = Launching(A, B)
    for _ in range(94):
        world.no(A, "InternalError", strays=None, status=500)
    world.sees()
    told = world.fails(wait=900)
    assert isinstance(told, Unclear)
    assert told.exit_code is Exit.FAILED
    assert "whether it launched g5.xlarge in us-east-1a" in told.message
    assert world.clock.at == pytest.approx(900)


def test_an_unclear_launch_that_shows_itself_is_taken():
    """Where AWS never answers, yet shows the box, it is adopted; --wait 0 asks for a minute all the same."""
    world = Launching(A, B)
    for _ in range(10):
        world.no(A, "InternalError", strays=None, status=500)
    world.sees([wire_request("active", InstanceId="i-7")])
    found = world.launch()
    assert (found.instance_id, found.region) == (None, REGION)
    assert world.clock.at == pytest.approx(UNCLEAR_LEAST)


def test_a_refusal_after_an_unclear_answer_is_an_answer():
    """AWS answers at last, and it is a refusal: the next pool is tried then, not before."""
    world = Launching(A, B)
    world.no(A, "InternalError", strays=None, status=500)
    world.no(A)
    world.accepts(B)
    assert world.launch().offer == B


def test_a_throttled_launch_is_asked_again():
    """A client that sends once gets every throttle: it is neither a refusal nor the end."""
    world = Launching(A, B)
    world.no(A, "RequestLimitExceeded", strays=None, status=503)
    world.accepts(A)
    assert world.launch().offer == A


def test_throttling_that_does_not_end_is_told_as_such():
    """After a minute with --wait 0 the user is told what AWS said; nothing was launched, so nothing is unclear."""
    world = Launching(A)
    for _ in range(10):
        world.no(A, "RequestLimitExceeded", strays=None, status=503)
    told = world.fails()
    assert (told.code, isinstance(told, Unclear)) == ("RequestLimitExceeded", False)


@pytest.mark.parametrize("code", ["InvalidGroup.NotFound", "InvalidKeyPair.NotFound", "InvalidSubnetID.NotFound"])
def test_what_was_just_made_is_waited_for(code):
    """EC2 does not know at once what it has just made: no refusal within the first minute, one after it."""
    world = Launching(A)
    world.no(A, code, strays=None)
    world.no(A, code, strays=None)
    world.accepts(A)
    assert world.launch().offer == A
    world = Launching(A)
    for _ in range(10):
        world.no(A, code, strays=None)
    assert world.fails(wait=900).code == code
    assert LAG <= world.clock.at < LAG + 11


def test_a_token_whose_instance_is_gone_moves_the_generation_on():
    """IdempotentInstanceTerminated with nothing there: the next token, in the same pool."""
    world = Launching(A)
    world.no(A, "IdempotentInstanceTerminated", strays=None, generation=4)
    world.sees()
    world.accepts(A, generation=5)
    assert world.launch(generation=4).instance_id == "i-1"
    assert world.clock.naps == []


@pytest.mark.parametrize("code", ["IdempotentParameterMismatch", "IdempotentInstanceTerminated"])
@pytest.mark.parametrize("state", ["open", "active", "disabled"])
def test_a_living_box_is_adopted(code, state):
    """The token was used by a launch that stands: it is taken as the launch, and no second one is made."""
    world = Launching(A)
    world.no(A, code, strays=None)
    world.sees([wire_request(state)])
    found = world.launch()
    assert (found.instance_id, found.offer, found.region) == (None, None, REGION)


def test_a_box_that_aws_shows_late_is_adopted_too():
    """After IdempotentParameterMismatch AWS knows of a launch: it is looked for before another is made."""
    world = Launching(A)
    world.no(A, "IdempotentParameterMismatch", strays=None)
    world.sees()
    world.sees()
    world.sees([wire_request("active", InstanceId="i-7")])
    assert world.launch().instance_id is None


def test_ended_requests_are_not_adopted():
    """A cancelled request and a dying instance are no box: the generation moves on."""
    world = Launching(A)
    world.no(A, "IdempotentInstanceTerminated", strays=None)
    world.sees([wire_request("cancelled")], [{"InstanceId": "i-1", "State": {"Name": "shutting-down"}}])
    world.accepts(A, generation=1)
    assert world.launch().instance_id == "i-1"


# -- strays and the group ------------------------------------------------------------------------------------------


def test_a_request_left_open_by_a_refusal_is_cancelled_before_the_next_pool():
    """Whether a refused RunInstances leaves a request open is unconfirmed: if it does, it does not stay."""
    world = Launching(A, B)
    world.no(A, "SpotMaxPriceTooLow", strays=[wire_request("open", Status={"Code": "price-too-low"})])
    world.answers(
        "cancel_spot_instance_requests",
        {"CancelledSpotInstanceRequests": [{"SpotInstanceRequestId": "sir-1", "State": "cancelled"}]},
        {"SpotInstanceRequestIds": ["sir-1"]},
    )
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": [wire_request("cancelled")]})
    world.accepts(B)
    assert world.launch().offer == B


def test_another_terminals_launch_is_taken():
    """A request of this name with an instance appears after our refusal: no second box is launched."""
    world = Launching(A, B)
    world.no(A, strays=[wire_request("active", InstanceId="i-9"), wire_request("cancelled")])
    found = world.launch()
    assert (found.instance_id, found.region) == (None, REGION)


def test_a_look_for_strays_that_fails_does_not_end_the_hunt():
    """It is looked again after the next refusal, and at the end."""
    world = Launching(A, B)
    world.no(A, strays=None)
    world.refuses("describe_spot_instance_requests", "RequestLimitExceeded", status=503)
    world.accepts(B)
    assert world.launch().offer == B


# -- several regions, and on demand --------------------------------------------------------------------------------


def test_key_and_group_are_made_in_another_region_when_its_first_pool_is_tried():
    """The first region's were made by the plan; the other's only now, and once."""
    world = Launching(A, ABROAD, group=False)
    world.answers("describe_security_groups", GROUP)
    world.no(A)
    world.makes_ground(ELSEWHERE)
    world.no(ABROAD)
    world.no(A)
    world.accepts(ABROAD)
    found = world.launch(wait=10)
    assert (found.offer, found.region, found.tried) == (ABROAD, ELSEWHERE, (REGION, ELSEWHERE))


def test_a_region_that_is_not_reached_gets_nothing():
    """The first region accepts: nothing is made elsewhere."""
    world = Launching(A, ABROAD)
    world.accepts(A)
    assert world.launch().tried == (REGION,)


def test_a_quota_counts_in_its_own_region():
    """A Spot quota is per region: the other region's pools are still asked for."""
    world = Launching(A, B, ABROAD)
    world.no(A, QUOTA)
    world.makes_ground(ELSEWHERE)
    world.accepts(ABROAD)
    assert world.launch().offer == ABROAD


def test_the_launch_on_demand():
    """The same call without InstanceMarketOptions, without a cap, under a token of its own, no request to tag."""
    want = wish(bids={(REGION, "g5.xlarge"): Decimal("0.5")})
    spot, plain = launch_params(want, A, "sg-1", 0), launch_params(want, A, "sg-1", 0, "on-demand")
    assert spot["ClientToken"] != plain["ClientToken"]
    assert {spec["ResourceType"] for spec in plain["TagSpecifications"]} == {"instance", "volume", "network-interface"}
    assert MAX_PRICE_TAG not in json.dumps(plain)
    differ = ("InstanceMarketOptions", "ClientToken", "TagSpecifications")
    assert {k: v for k, v in spot.items() if k not in differ} == {k: v for k, v in plain.items() if k not in differ}
    assert "InstanceMarketOptions" not in plain


def test_an_on_demand_quota_is_exit_4():
    """VcpuLimitExceeded is the On-Demand error, and its hint names that quota."""
    world = Launching(A, B, market="on-demand")
    world.no(A, "VcpuLimitExceeded")
    told = world.fails()
    assert told.exit_code is Exit.QUOTA
    assert "L-DB2E81BA" in told.hint


def test_the_group_is_looked_for_until_aws_shows_it():
    """A group made a moment ago may not be shown at once."""
    world = World()
    filters = [{"Name": "group-name", "Values": ["spotbox-dev-alice"]}, {"Name": "vpc-id", "Values": ["vpc-1"]}]
    world.answers("describe_security_groups", {"SecurityGroups": []}, {"Filters": filters})
    world.answers("describe_security_groups", GROUP)
    assert find_group(world.hands, ground()) == "sg-1"


def test_a_group_that_never_appears_ends_the_launch():
    """Nothing is launched without its group."""
    world = Launching(A, group=False)
    for _ in range(20):
        world.answers("describe_security_groups", {"SecurityGroups": []})
    assert "does not appear" in world.fails(wait=900).message
