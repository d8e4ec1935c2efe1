from datetime import timedelta

import pytest

from spotbox.core import steps as s
from spotbox.core.boxes import Belongings, Sight, unshown
from spotbox.core.names import box_tags
from spotbox.core.removal import concerned, doubt, ended, going_with_instances, opened, parts_of, youngest
from tests.core.worlds import REGION, WHEN, data_volume, group, instance, key, request, volume

SIGHTS = [
    Sight(
        REGION,
        requests=(request(created=WHEN),),
        instances=(instance(launched=WHEN + timedelta(minutes=1)),),
        volumes=(volume(created=WHEN + timedelta(minutes=2)), data_volume(created=None)),
    ),
    Sight("eu-west-1", requests=(request(created=WHEN + timedelta(days=1), tags=box_tags("train", "alice")),)),
]


def test_the_parts_of_a_step():
    """Each thing that a step of `down` concerns: its kind, id and region, as the contract's JSON names them."""
    assert parts_of(s.Cancel(REGION, ("sir-1", "sir-2"))) == [
        {"kind": "spot-request", "id": "sir-1", "region": REGION},
        {"kind": "spot-request", "id": "sir-2", "region": REGION},
    ]
    assert parts_of(s.Terminate(REGION, ("i-1",))) == [{"kind": "instance", "id": "i-1", "region": REGION}]
    for step in (s.DeleteVolume(REGION, "vol-1", 9), s.KeepVolume(REGION, "vol-1", 9)):
        assert parts_of(step) == [{"kind": "volume", "id": "vol-1", "region": REGION}]
    assert parts_of(s.DeleteGroup(REGION, "sg-1", "n")) == [{"kind": "security-group", "id": "sg-1", "region": REGION}]
    assert parts_of(s.DeleteKey(REGION, "key-1", "n")) == [{"kind": "key-pair", "id": "key-1", "region": REGION}]
    assert parts_of(s.Start(REGION, "i-1")) == []


def test_the_root_volume_goes_with_its_instance():
    """AWS deletes the root volume itself; a data volume is not among those, nor what is another owner's."""
    assert going_with_instances(SIGHTS, "alice", ["dev"]) == [(REGION, "vol-1")]
    assert going_with_instances(SIGHTS, "alice", None) == [(REGION, "vol-1")]
    assert going_with_instances(SIGHTS, "alice", ["train"]) == []
    assert going_with_instances(SIGHTS, "bob", None) == []


def test_the_youngest_part_decides_the_doubt():
    """The newest of requests, instances and volumes; None where there is nothing."""
    assert youngest(SIGHTS, "alice", ["dev"]) == WHEN + timedelta(minutes=2)
    assert youngest(SIGHTS, "alice", None) == WHEN + timedelta(days=1)
    assert youngest(SIGHTS, "bob", None) is None


NOW = WHEN + timedelta(seconds=130)
PLAN = (s.Cancel(REGION, ("sir-1",)),)


def doubts(plan=PLAN, settle=60.0, now=NOW, **parts):
    parts = {name: tuple(items) for name, items in parts.items()}
    return doubt([Sight(REGION, **parts)], plan, "alice", ["dev"], now, settle)


def test_what_is_young_is_in_doubt_until_it_has_settled():
    """By AWS's own times: the newest thing decides, and what is older than SPOTBOX_SETTLE is no doubt."""
    young = request(created=NOW - timedelta(seconds=20))
    assert doubts(requests=[young]) == 40
    assert doubts(requests=[young], settle=10) == 0
    assert doubts(requests=[request()], instances=[instance()]) == 0
    assert doubts(requests=[request(created=NOW + timedelta(hours=1))]) == 60, "a clock that is wrong waits no longer"


def test_a_request_that_was_open_is_in_doubt():
    """It may be fulfilled in the moment of the cancel, however old it is; one that the plan does not cancel is not."""
    waits = request("open", "capacity-not-available", instance_id=None)
    assert doubts(requests=[waits]) == 60
    assert doubts(requests=[waits], plan=(s.Terminate(REGION, ("i-1",)),)) == 0
    assert opened([Sight(REGION, requests=(waits,))], PLAN)


def test_a_group_or_a_new_key_alone_is_in_doubt():
    """Both are made for a launch that may not be shown yet; a group has no time, a key pair has."""
    assert doubts(groups=[group()]) == 60
    assert doubts(groups=[group()], requests=[request()]) == 0
    assert doubts(plan=(), keys=[key(created=NOW - timedelta(seconds=50))]) == 10
    assert doubts(plan=(), keys=[key(created=WHEN - timedelta(days=1)), key("bob", created=NOW)]) == 0
    assert doubts(plan=(), requests=[request("cancelled", "x", created=NOW)]) == 0, "down twice is quick"


def test_the_regions_that_a_removal_concerns():
    """Those with anything of the boxes, or a key of the owner's; what belongs to others is no reason to look."""
    bobs = Sight("eu-west-2", keys=(key("bob"),), requests=(request(tags=box_tags("dev", "bob")),))
    keyed = Sight("eu-north-1", keys=(key(),))
    assert concerned([*SIGHTS, bobs, keyed, Sight("eu-west-3")], "alice", ["dev"]) == ["eu-north-1", REGION]
    assert concerned([*SIGHTS, bobs], "alice", None) == ["eu-west-1", REGION]


def test_only_what_aws_shows_as_ended_has_ended():
    """A request that is cancelled, closed or failed, an instance that is terminated. What is absent may be late."""
    seen = Sight(
        REGION,
        requests=(request("cancelled", "x"), request("open", "y", id="sir-2"), request("failed", "z", id="sir-3")),
        instances=(instance("terminated"), instance("shutting-down", id="i-2")),
    )
    assert ended([seen]) == {"sir-1", "sir-3", "i-1"}


@pytest.mark.parametrize(
    ("state", "code", "named"),
    [
        ("active", "fulfilled", True),
        ("disabled", "instance-stopped-by-user", True),
        ("cancelled", "request-canceled-and-instance-running", True),
        ("cancelled", "instance-terminated-by-user", False),
        ("open", "pending-evaluation", False),
        ("closed", "instance-terminated-no-capacity", False),
    ],
)
def test_an_instance_that_only_its_request_names(state, code, named):
    """A request says that its instance lives before DescribeInstances shows it; then it is terminated by that id."""
    parts = Belongings(requests=[request(state, code)])
    assert unshown(parts) == (("i-1",) if named else ())
    parts.instances.append(instance())
    assert unshown(parts) == ()
