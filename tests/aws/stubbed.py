"""Clients with answers laid ready: botocore's Stubber takes no parameter and no answer that is not AWS's."""

from contextlib import ExitStack, contextmanager
from functools import cache

from botocore.stub import Stubber

from spotbox.aws.session import Aws
from tests.aws.endpoint import KEYS

R = "us-east-1"


@cache
def sealed():
    """One Aws for all tests, for clients are slow to make; a Stubber takes its answers away again."""
    return Aws(region=R, endpoint="http://127.0.0.1:9", keys=KEYS)


@contextmanager
def aws(**services):
    """Clients that answer in order what `services` says: (method, expected, answer) or (method, code[, text]).

    All that was laid ready must be asked for.
    """
    world = sealed()
    with ExitStack() as stack:
        stubbers = []
        for service, calls in services.items():
            stubber = Stubber(world.client(service.replace("_", "-"), R))
            for method, *rest in calls:
                if isinstance(rest[0], str):
                    stubber.add_client_error(method, rest[0], rest[1] if len(rest) > 1 else "")
                else:
                    stubber.add_response(method, rest[1], rest[0])
            stubbers.append(stack.enter_context(stubber))
        yield world
        for stubber in stubbers:
            stubber.assert_no_pending_responses()


def filters(**values):
    """EC2 filters: `instance_type=["g5.xlarge"]` is the filter instance-type."""
    return [{"Name": name.replace("_", "-"), "Values": value} for name, value in values.items()]
