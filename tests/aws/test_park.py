import base64
from decimal import Decimal

import pytest

from spotbox.aws.apply import apply
from spotbox.aws.park import park, park_params
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.hunt import Unclear
from spotbox.core.names import MAX_PRICE_TAG, box_tags, client_token
from spotbox.core.steps import RequireImdsV2
from spotbox.core.wishes import Park
from tests.aws.launching import DISKS, INTERFACES
from tests.aws.stubs import GROUP, World
from tests.core.worlds import REGION, offer, wish

A = offer()
MADE = {"SpotInstanceRequests": [{"SpotInstanceRequestId": "sir-1", "State": "open", "Type": "persistent",
                                  "Status": {"Code": "pending-evaluation"}}]}  # fmt: skip


class Parking(World):
    """alice parks dev; the group is in place."""

    def __init__(self, **fields):
        super().__init__()
        self.wish = wish(**fields)
        self.answers("describe_security_groups", GROUP)

    def says(self, code=None, generation=0, status=400):
        """AWS takes the request, or refuses it."""
        params = park_params(self.wish, A, "sg-1", generation)
        if code:
            self.refuses("request_spot_instances", code, params, once=True, status=status)
        else:
            self.answers("request_spot_instances", MADE, params, once=True)

    def park(self):
        found = park(self.hands, Park(self.wish, A), 0)
        self.aws.spent()
        return found


def test_the_standing_request():
    """Persistent and stop, an encrypted disk, one interface with group and subnet, a token of its own, nothing that
    expires; tags for the request alone, for the call refuses others."""
    params = park_params(wish(profile="gpu", user_data=b"#!/bin/sh\n"), A, "sg-1", 2)
    assert params == {
        "ClientToken": client_token("alice", "dev", REGION, "us-east-1a", "g5.xlarge", "park", 2),
        "InstanceCount": 1,
        "Type": "persistent",
        "InstanceInterruptionBehavior": "stop",
        "LaunchSpecification": {
            "ImageId": "ami-1",
            "InstanceType": "g5.xlarge",
            "KeyName": "spotbox-alice-0123456789abcdef",
            "IamInstanceProfile": {"Name": "gpu"},
            "UserData": base64.b64encode(b"#!/bin/sh\n").decode(),
            "BlockDeviceMappings": DISKS,
            "NetworkInterfaces": INTERFACES,
        },
        "TagSpecifications": [
            {
                "ResourceType": "spot-instances-request",
                "Tags": [
                    {"Key": k, "Value": v}
                    for k, v in sorted(box_tags("dev", "alice", {"team": "vision", "spotbox:user": "ubuntu"}).items())
                ],
            }
        ],
    }


def test_a_cap_is_sent_and_tagged_only_where_one_was_asked():
    """SpotPrice as plain digits, and the same text as a tag, by which the box remembers it."""
    params = park_params(wish(bids={(REGION, "g5.xlarge"): Decimal("5E-1")}), A, "sg-1", 0)
    assert params["SpotPrice"] == "0.5"
    assert {"Key": MAX_PRICE_TAG, "Value": "0.5"} in params["TagSpecifications"][0]["Tags"]
    assert "SpotPrice" not in park_params(wish(), A, "sg-1", 0)


def test_the_request_comes_back_as_a_record():
    """With the tags, type and zone that were asked for, which AWS's answer may leave out."""
    world = Parking()
    world.says()
    made = world.park()
    assert (made.id, made.state, made.code) == ("sir-1", "open", "pending-evaluation")
    assert (made.instance_type, made.zone, made.tags["spotbox:name"]) == ("g5.xlarge", "us-east-1a", "dev")


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("MaxSpotInstanceCountExceeded", Exit.QUOTA),
        ("UnauthorizedOperation", Exit.DENIED),
        ("InvalidParameterValue", Exit.USAGE),
    ],
)
def test_a_refusal_is_told(code, exit_code):
    """Quota, permission and parameters have their exit codes."""
    world = Parking()
    world.says(code)
    with pytest.raises(SpotboxError) as told:
        world.park()
    assert (told.value.exit_code, told.value.code) == (exit_code, code)


def test_an_unclear_outcome_is_asked_again_with_the_same_token():
    """Time-outs, resets and 5xx are no refusals; a group that AWS does not know yet is waited for."""
    world = Parking()
    world.says("InternalError", status=500)
    world.says("InvalidGroup.NotFound")
    world.says()
    assert world.park().id == "sir-1"


def test_an_outcome_that_stays_unknown_is_told():
    """After a minute AWS shows nothing: it is unclear, and the hint names the two commands."""
    world = Parking()
    for _ in range(10):
        world.says("InternalError", status=500)
    world.sees()
    with pytest.raises(Unclear) as told:
        world.park()
    assert "spotbox up dev" in told.value.hint
    assert "spotbox down dev" in told.value.hint


def test_a_token_that_a_living_box_used_makes_no_second_one():
    """Never a parked and another request of one name: what stands is taken."""
    world = Parking()
    world.says("IdempotentParameterMismatch")
    world.sees([{"SpotInstanceRequestId": "sir-0", "State": "active"}])
    assert world.park() is None


def test_imds_v2_is_required_afterwards():
    """RequestSpotInstances has no MetadataOptions: ModifyInstanceMetadataOptions brings them to a launch's."""
    world = World()
    world.answers(
        "modify_instance_metadata_options",
        {},
        {
            "InstanceId": "i-1",
            "HttpTokens": "required",
            "HttpEndpoint": "enabled",
            "HttpPutResponseHopLimit": 2,
            "InstanceMetadataTags": "enabled",
        },
    )
    apply(world.hands, RequireImdsV2(REGION, "i-1"))
    world.aws.spent()
