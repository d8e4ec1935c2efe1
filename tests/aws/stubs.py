"""Real EC2 clients with botocore's Stubber in front of the wire, and a clock that only sleeping moves."""

import boto3
from botocore.stub import Stubber

from spotbox.aws.hands import Hands
from spotbox.aws.parallel import parallel
from tests.core.worlds import REGION

GROUP = {"SecurityGroups": [{"GroupId": "sg-1", "GroupName": "spotbox-dev-alice", "VpcId": "vpc-1"}]}
_SESSION = boto3.Session(aws_access_key_id="AKIASTUB", aws_secret_access_key="stub", region_name=REGION)


class Clock:
    """Seconds that pass when somebody sleeps."""

    def __init__(self):
        self.at, self.naps = 0.0, []

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.at += seconds

    def now(self):
        return self.at


class StubbedAws:
    """Aws as spotbox.aws.session has it, for EC2: one client per region, and one that sends every call once."""

    def __init__(self):
        self._stubs = {}

    def stub(self, region=REGION, once=False):
        """The Stubber of that client, which answers in the order in which answers were given to it."""
        if (region, once) not in self._stubs:
            stub = Stubber(_SESSION.client("ec2", region_name=region))
            stub.activate()
            self._stubs[region, once] = stub
        return self._stubs[region, once]

    def client(self, service, region=None, *, once=False):
        assert service == "ec2"
        return self.stub(region, once).client

    def parallel(self, calls, limit=16):
        """The real thing in one thread, so that the calls come in order."""
        return parallel(calls, limit=1)

    def spent(self):
        """Every answer was asked for."""
        for stub in self._stubs.values():
            stub.assert_no_pending_responses()


class World:
    """What a test of the hands needs: stubs, clock, and what was shown."""

    def __init__(self):
        self.aws, self.clock, self.shown = StubbedAws(), Clock(), []
        self.hands = Hands(self.aws, self.clock.sleep, self.clock.now, self.shown.append, chance=lambda: 0.5)

    def answers(self, operation, response=None, params=None, region=REGION, once=False):
        """The next call is `operation` with exactly `params` (None: any) and gets `response`."""
        self.aws.stub(region, once).add_response(operation, response or {}, params)

    def refuses(self, operation, code, params=None, region=REGION, once=False, status=400, message="AWS says no"):
        """The next call is `operation` and is refused with `code`."""
        self.aws.stub(region, once).add_client_error(operation, code, message, status, expected_params=params)

    def sees(self, requests=(), instances=()):
        """One look at everything of the box."""
        self.answers("describe_spot_instance_requests", {"SpotInstanceRequests": list(requests)})
        self.answers("describe_instances", {"Reservations": [{"Instances": list(instances)}]})
        self.answers("describe_volumes", {"Volumes": []})
        self.answers("describe_security_groups", {"SecurityGroups": []})
        self.answers("describe_key_pairs", {"KeyPairs": []})
        if requests:
            self.answers("describe_instances", {"Reservations": [{"Instances": list(instances)}]})
