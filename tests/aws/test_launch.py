import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from spotbox.aws.launch import LONGEST_PAUSE, UNKNOWN_TRIES, find_group, launch, launch_params
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.names import MAX_PRICE_TAG, ROLE_TAG, box_tags, client_token
from spotbox.core.steps import Launch
from tests.aws.stubs import World
from tests.core.worlds import REGION, offer, wish

GROUP = {"SecurityGroups": [{"GroupId": "sg-1", "GroupName": "spotbox-dev-alice", "VpcId": "vpc-1"}]}
NOTHING = {"SpotInstanceRequests": []}
A, B, C = (offer(zone=f"us-east-1{letter}") for letter in "abc")
LARGE = offer("g6.12xlarge", "us-east-1a", vcpus=48)
SMALL = offer("g4dn.large", "us-east-1a", vcpus=2)
OTHER_QUOTA = offer("p3.2xlarge", "us-east-1a", vcpus=8)


class Launching(World):
    """A launch of alice's dev, with the group in place."""

    def __init__(self, *offers, group=True, **fields):
        super().__init__()
        self.wish = wish(offers, **fields)
        if group:
            self.answers("describe_security_groups", GROUP)

    def params(self, pool, generation=0):
        return launch_params(self.wish, pool, "sg-1", generation)

    def accepts(self, pool, generation=0):
        self.answers("run_instances", {"Instances": [{"InstanceId": "i-1"}]}, self.params(pool, generation), once=True)

    def no(self, pool, code="InsufficientInstanceCapacity", generation=0, strays=(), status=400):
        """A refusal of this pool; `strays` are the requests that AWS shows after it, None where nobody looks."""
        self.refuses("run_instances", code, self.params(pool, generation), once=True, status=status)
        if strays is not None:
            self.answers("describe_spot_instance_requests", {"SpotInstanceRequests": list(strays)})

    def sees(self, requests=(), instances=()):
        """One look at everything of the box."""
        self.answers("describe_spot_instance_requests", {"SpotInstanceRequests": list(requests)})
        self.answers("describe_instances", {"Reservations": [{"Instances": list(instances)}]})
        self.answers("describe_volumes", {"Volumes": []})
        self.answers("describe_security_groups", {"SecurityGroups": []})
        self.answers("describe_key_pairs", {"KeyPairs": []})
        if requests:
            self.answers("describe_instances", {"Reservations": [{"Instances": list(instances)}]})

    def launch(self, wait=0.0, generation=0):
        found = launch(self.hands, Launch(self.wish, generation), wait)
        self.aws.spent()
        return found

    def fails(self, wait=0.0):
        with pytest.raises(SpotboxError) as told:
            launch(self.hands, Launch(self.wish, 0), wait)
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
    params = launch_params(wish(bids={"g5.xlarge": Decimal("5E-1")}), A, "sg-1", 0)
    assert params["InstanceMarketOptions"]["SpotOptions"]["MaxPrice"] == "0.5"
    for spec in params["TagSpecifications"]:
        assert {"Key": MAX_PRICE_TAG, "Value": "0.5"} in spec["Tags"]


def test_user_data_and_profile_where_given():
    """UserData goes as text (botocore encodes it), the profile by name; both are left out where there is none."""
    params = launch_params(wish(user_data="#!/bin/sh\n", profile="gpu"), A, "sg-1", 0)
    assert params["UserData"] == "#!/bin/sh\n"
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
    assert (found.instance_id, found.offer, found.refusals) == ("i-1", A, ())


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
    found = world.launch()
    assert found.offer == B
    assert found.refusals[0].startswith("g5.xlarge in us-east-1a: ")


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
    """Pauses of 5 s, then 10 s, then 20 s; a pause that would overrun the time is not begun."""
    world = Launching(A)
    for _ in range(3):
        world.no(A)
    assert world.fails(wait=30).exit_code is Exit.NO_CAPACITY
    assert world.clock.at == pytest.approx(15)
    assert any("next round in 10s" in line for line in world.shown)


def test_the_pause_has_a_ceiling():
    """However long the hunt, AWS is asked at least every minute."""
    world = Launching(A)
    for _ in range(12):
        world.no(A)
    world.accepts(A)
    assert world.launch(wait=3600).offer == A
    assert world.clock.at == pytest.approx(5 + 10 + 20 + 40 + 8 * LONGEST_PAUSE)


def test_no_pool_at_all_is_exit_3():
    """A wish without offers ends at once."""
    assert Launching().fails(wait=900).exit_code is Exit.NO_CAPACITY


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
    assert world.clock.at == 2.0


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


def test_an_outcome_that_stays_unknown_is_told_and_no_other_pool_tried():
    """It ends after some tries, and two requests of one name are never made."""
    world = Launching(A, B)
    for _ in range(UNKNOWN_TRIES + 1):
        world.no(A, "InternalError", strays=None, status=500)
    assert world.fails(wait=900).exit_code is Exit.FAILED
    assert world.clock.at < 120


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
    assert (found.instance_id, found.offer) == (None, None)


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


def test_a_request_with_an_instance_is_no_stray():
    """What AWS fulfilled is not cancelled."""
    world = Launching(A, B)
    world.no(A, strays=[wire_request("active", InstanceId="i-9"), wire_request("cancelled")])
    world.accepts(B)
    assert world.launch().offer == B


def test_the_group_is_looked_for_until_aws_shows_it():
    """A group made a moment ago may not be shown at once."""
    world = World()
    filters = [{"Name": "group-name", "Values": ["spotbox-dev-alice"]}, {"Name": "vpc-id", "Values": ["vpc-1"]}]
    world.answers("describe_security_groups", {"SecurityGroups": []}, {"Filters": filters})
    world.answers("describe_security_groups", GROUP)
    assert find_group(world.hands, wish()) == "sg-1"


def test_a_group_that_never_appears_ends_the_launch():
    """Nothing is launched without its group."""
    world = Launching(A, group=False)
    for _ in range(20):
        world.answers("describe_security_groups", {"SecurityGroups": []})
    assert "does not appear" in world.fails(wait=900).message
