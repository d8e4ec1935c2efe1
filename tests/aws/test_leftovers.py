"""What is asked of EC2 for an audit, call by call."""

from spotbox.aws.survey import survey, traces
from spotbox.core.boxes import Sight
from tests.aws.stubs import World
from tests.aws.test_observe import OTHER, OWNER, empty, instances
from tests.core.worlds import REGION, group, request

TAGGED = {"Key": "spotbox:owner", "Value": "alice"}
BARE = {
    "InstanceId": "i-9",
    "State": {"Name": "running"},
    "KeyName": "spotbox-alice-0123456789abcdef",
    "InstanceLifecycle": "spot",
    "SpotInstanceRequestId": "sir-9",
}


def asks(name, *values):
    return {"Filters": [{"Name": name, "Values": list(values)}]}


def no_images(world, region=REGION):
    """No image that a move made."""
    world.answers("describe_images", {"Images": []}, region=region)


def test_an_empty_region_costs_three_calls_more():
    """Instances by the name of the owner's key pair, the owner's own snapshots, and images that moves made."""
    world = World()
    empty(world)
    world.answers("describe_instances", {"Reservations": []}, asks("key-name", "spotbox-alice-*"))
    world.answers("describe_snapshots", {"Snapshots": []}, {"OwnerIds": ["self"], "Filters": [OWNER]})
    moves = [OWNER, {"Name": "tag-key", "Values": ["spotbox:name"]}, {"Name": "tag:spotbox:role", "Values": ["move"]}]
    world.answers("describe_images", {"Images": []}, {"Owners": ["self"], "Filters": moves})
    found = survey(world.aws, [REGION], "alice")
    world.aws.spent()
    assert [s.sight.region for s in found.surveys] == [REGION]


def test_everyones():
    """Of all owners: any key pair that spotbox names, any snapshot with an owner."""
    world = World()
    empty(world)
    world.answers("describe_instances", {"Reservations": []}, asks("key-name", "spotbox-*"))
    any_owner = {"OwnerIds": ["self"], "Filters": [{"Name": "tag-key", "Values": ["spotbox:owner"]}]}
    snapshot = {"SnapshotId": "snap-1", "VolumeSize": 8, "State": "completed", "Tags": [TAGGED]}
    world.answers("describe_snapshots", {"Snapshots": [snapshot]}, any_owner)
    no_images(world)
    (seen,) = survey(world.aws, [REGION], None).surveys
    assert [(s.id, s.size_gib, s.tags) for s in seen.snapshots] == [("snap-1", 8, {"spotbox:owner": "alice"})]


def test_an_instance_with_our_key_and_a_request_of_nobodys():
    """Its request is asked for by id and its disks by attachment; both are needed to judge and to price it."""
    world = World()
    world.answers("describe_instances", instances(BARE), asks("key-name", "spotbox-alice-*"))
    request_9 = {"SpotInstanceRequestId": "sir-9", "State": "active"}
    by_id = asks("spot-instance-request-id", "sir-9")
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": [request_9]}, by_id)
    disk = {"VolumeId": "vol-9", "Size": 8, "VolumeType": "gp3"}
    world.answers("describe_volumes", {"Volumes": [disk]}, asks("attachment.instance-id", "i-9"))
    (seen,) = traces(world.aws, [Sight(REGION)], "alice").surveys
    world.aws.spent()
    assert [i.id for i in seen.traced] == ["i-9"]
    assert ([r.id for r in seen.sight.requests], [v.id for v in seen.disks]) == (["sir-9"], ["vol-9"])


def test_an_instance_of_another_owners_request_is_no_trace():
    """bob's relaunch bears no tags and may bear alice's key: his request says whose it is."""
    world = World()
    world.answers("describe_instances", instances(BARE))
    bobs = {"SpotInstanceRequestId": "sir-9", "State": "active", "Tags": [{"Key": "spotbox:owner", "Value": "bob"}]}
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": [bobs]})
    (seen,) = traces(world.aws, [Sight(REGION)], "alice").surveys
    world.aws.spent()
    assert seen.traced == ()


def test_instances_in_our_groups():
    """A group of ours is asked for by its id, whatever key its instances have."""
    world = World()
    world.answers("describe_instances", {"Reservations": []}, asks("key-name", "spotbox-alice-*"))
    held = {"InstanceId": "i-9", "State": {"Name": "running"}, "SecurityGroups": [{"GroupId": "sg-1"}]}
    world.answers("describe_instances", instances(held), asks("instance.group-id", "sg-1"))
    world.answers("describe_volumes", {"Volumes": []})
    (seen,) = traces(world.aws, [Sight(REGION, groups=(group(),))], "alice").surveys
    world.aws.spent()
    assert [i.id for i in seen.traced] == ["i-9"]


def test_a_key_of_an_owner_whose_name_begins_alike():
    """`spotbox-alice-*` finds the keys of alice-b too; they are hers, not alice's."""
    world = World()
    other = {**BARE, "KeyName": "spotbox-alice-b-0123456789abcdef", "SpotInstanceRequestId": ""}
    world.answers("describe_instances", instances(other))
    (seen,) = traces(world.aws, [Sight(REGION)], "alice").surveys
    world.aws.spent()
    assert seen.traced == ()


def test_wildcards_in_a_name_are_letters():
    """An owner with * in the name (no identity of AWS's has one) asks for that name alone."""
    world = World()
    world.answers("describe_instances", {"Reservations": []}, asks("key-name", "spotbox-a\\*\\?-*"))
    assert traces(world.aws, [Sight(REGION)], "a*?").failed == {}
    world.aws.spent()


def test_a_region_of_which_one_call_fails_has_failed():
    """Half of a region would look like all of it; the others are seen."""
    world = World()
    for region in (REGION, OTHER):
        empty(world, region)
    world.answers("describe_instances", {"Reservations": []})
    world.refuses("describe_snapshots", "UnauthorizedOperation")
    world.answers("describe_instances", {"Reservations": []}, region=OTHER)
    world.answers("describe_snapshots", {"Snapshots": []}, region=OTHER)
    no_images(world, OTHER)
    found = survey(world.aws, [REGION, OTHER], "alice")
    world.aws.spent()
    assert ([s.sight.region for s in found.surveys], list(found.failed)) == ([OTHER], [REGION])


def test_requests_that_are_known_are_not_asked_for_again():
    """What the query by tag showed is not asked for by id."""
    world = World()
    world.answers("describe_instances", instances({**BARE, "SpotInstanceRequestId": "sir-1"}))
    (seen,) = traces(world.aws, [Sight(REGION, requests=(request(),))], "alice").surveys
    world.aws.spent()
    assert seen.traced == (), "its request is alice's: it is a relaunch of her box, no trace"
