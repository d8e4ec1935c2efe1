"""A launch of alice's dev with every answer of EC2 set beforehand, and the pools it may go to."""

from dataclasses import replace

import pytest

from spotbox.aws.launch import launch, launch_params
from spotbox.core.errors import SpotboxError
from spotbox.core.names import box_tags
from spotbox.core.wishes import Launch
from tests.aws.stubs import GROUP, World
from tests.core.worlds import REGION, ground, offer, wish

A, B, C = (offer(zone=f"us-east-1{letter}") for letter in "abc")
LARGE = offer("g6.12xlarge", "us-east-1a", vcpus=48)
SMALL = offer("g4dn.large", "us-east-1a", vcpus=2)
OTHER_QUOTA = offer("p3.2xlarge", "us-east-1a", vcpus=8)
ELSEWHERE = "eu-west-1"
ABROAD = offer(zone="eu-west-1a")
QUOTA = "MaxSpotInstanceCountExceeded"
# Root disk and network interface of a launch in A, as RunInstances and RequestSpotInstances both take them.
DISKS = [
    {
        "DeviceName": "/dev/sda1",
        "Ebs": {"VolumeSize": 100, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True},
    }
]
INTERFACES = [
    {
        "DeviceIndex": 0,
        "SubnetId": "subnet-a",
        "Groups": ["sg-1"],
        "AssociatePublicIpAddress": True,
        "DeleteOnTermination": True,
    }
]


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
