"""The real guard on a box of the sandbox obeys the tags that EC2 shows it, and leaves as EC2 says such a box does."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spotbox.commands._userdata import box_user_data
from tests.sandbox.conftest import until

METADATA = {"HttpTokens": "required", "InstanceMetadataTags": "enabled"}


def soon(seconds: float) -> str:
    """A time as `spotbox:expires` holds it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def guarded(aws):
    """A running box with the guard, and its journal."""
    launched = aws.launch(
        UserData=box_user_data("ubuntu", b"", [], False),
        MetadataOptions=METADATA,
        InstanceInitiatedShutdownBehavior="stop",
    )["InstanceId"]
    log = Path(aws.endpoint.config).parent / "boxes" / launched / "system/var/log/spotbox-guard.log"
    assert until(log.exists)
    return aws, launched, log


def told(log: Path, word: str, after: int = 0) -> bool:
    """Whether the guard says this in its journal, beyond the first `after` characters."""
    return until(lambda: word in log.read_text()[after:], 30)


def test_a_limit_in_a_tag_stops_the_box(guarded):
    """spotbox:expires set on a running box shuts it down from inside, and EC2 says just that."""
    aws, box, log = guarded
    aws.ec2.create_tags(Resources=[box], Tags=[{"Key": "spotbox:expires", "Value": soon(2)}])
    assert until(lambda: aws.state(box) == "stopped", 30)
    found = aws.instance(box)
    assert found["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    request = found["SpotInstanceRequestId"]
    assert until(lambda: aws.request(request)["Status"]["Code"] == "instance-stopped-by-user")
    assert aws.request(request)["State"] == "disabled"
    assert told(log, "powering off")
    before = len(log.read_text())
    aws.ec2.start_instances(InstanceIds=[box])
    assert told(log, "the time of this box (--ttl) is over", before)  # announced again, with time to say for how long
    aws.ec2.delete_tags(Resources=[box], Tags=[{"Key": "spotbox:expires"}])
    assert told(log, "the stop is off: the box has no time limit any more")
    assert aws.state(box) == "running"


@pytest.mark.skipif(not shutil.which("ss"), reason="ss is not installed: no guard can see SSH traffic without it")
@pytest.mark.slow
def test_an_idle_box_stops(guarded):
    """spotbox:idle-stop set on a running box with nothing to do shuts it down; a recommendation to leave is told."""
    aws, box, log = guarded
    aws.control("rebalance", box=box)
    assert told(log, "more likely than others to be interrupted")
    aws.ec2.create_tags(Resources=[box], Tags=[{"Key": "spotbox:idle-stop", "Value": "5s"}])
    assert told(log, "(--idle-stop 5s)")
    assert until(lambda: aws.state(box) == "stopped", 30)
    assert aws.instance(box)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
