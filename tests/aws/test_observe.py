import pytest

from spotbox.aws.observe import describe, observe, search
from spotbox.core.boxes import assemble
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.names import box_tags
from tests.aws.stubs import World
from tests.core.worlds import REGION

OTHER = "eu-west-1"
TAGS = [{"Key": key, "Value": value} for key, value in box_tags("dev", "alice").items()]
OWNER = {"Name": "tag:spotbox:owner", "Values": ["alice"]}
NAME = {"Name": "tag:spotbox:name", "Values": ["dev"]}
ANY_NAME = {"Name": "tag-key", "Values": ["spotbox:name"]}
ANY_OWNER = {"Name": "tag-key", "Values": ["spotbox:owner"]}
REQUEST = {"SpotInstanceRequestId": "sir-1", "State": "active", "InstanceId": "i-2", "Tags": TAGS}
RELAUNCHED = {
    "InstanceId": "i-2",
    "State": {"Name": "running"},
    "InstanceLifecycle": "spot",
    "SpotInstanceRequestId": "sir-1",
    "BlockDeviceMappings": [{"Ebs": {"VolumeId": "vol-2"}}],
}
BARE_VOLUME = {"VolumeId": "vol-2", "Attachments": [{"InstanceId": "i-2", "DeleteOnTermination": True}]}


def instances(*items):
    return {"Reservations": [{"Instances": [item]} for item in items]}


def empty(world, region=REGION, full=True, filters=None, keys=None):
    """One region that has nothing, asked with these filters."""
    params = {"Filters": filters} if filters else None
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": []}, params, region)
    world.answers("describe_instances", {"Reservations": []}, params, region)
    world.answers("describe_volumes", {"Volumes": []}, params, region)
    if full:
        world.answers("describe_security_groups", {"SecurityGroups": []}, params, region)
        world.answers("describe_key_pairs", {"KeyPairs": []}, {"Filters": keys} if keys else None, region)


@pytest.mark.parametrize(
    ("owner", "name", "filters", "keys"),
    [
        ("alice", "dev", [OWNER, NAME], [OWNER]),
        ("alice", None, [OWNER, ANY_NAME], [OWNER]),
        (None, "dev", [NAME], [ANY_OWNER]),
        (None, None, [ANY_NAME], [ANY_OWNER]),
    ],
)
def test_what_is_asked_for(owner, name, filters, keys):
    """One owner's or all, one box or all; the key pair is the owner's and carries no box's name."""
    world = World()
    empty(world, filters=filters, keys=keys)
    seen = observe(world.aws, [REGION], owner, name)
    world.aws.spent()
    assert [sight.region for sight in seen.sights] == [REGION]
    assert seen.failed == {}


def test_reading_commands_ask_for_less():
    """Without `full`, groups and keys are left out."""
    world = World()
    empty(world, full=False)
    assert observe(world.aws, [REGION], "alice", full=False).failed == {}
    world.aws.spent()


def test_a_relaunch_without_tags_is_reached_through_its_request():
    """The instance is asked for by its request's id, its volume by the instance's; both are the box's, untagged."""
    world = World()
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": [REQUEST]})
    world.answers("describe_instances", {"Reservations": []})
    world.answers("describe_volumes", {"Volumes": []})
    by_request = {"Filters": [{"Name": "spot-instance-request-id", "Values": ["sir-1"]}]}
    by_instance = {"Filters": [{"Name": "attachment.instance-id", "Values": ["i-2"]}]}
    world.answers("describe_instances", instances(RELAUNCHED), by_request)
    world.answers("describe_volumes", {"Volumes": [BARE_VOLUME]}, by_instance)
    (sight,) = observe(world.aws, [REGION], "alice", "dev", full=False).sights
    world.aws.spent()
    (box,) = assemble(sight)
    assert (box.state, box.instance.id, box.untagged) == ("running", "i-2", ("i-2", "vol-2"))


def test_a_request_that_lost_its_tags_is_asked_for_by_its_id():
    """No query by tag shows it, but an instance names it, dead or alive: it, what it launched since, and its disk."""
    world = World()
    dead = {**RELAUNCHED, "InstanceId": "i-1", "State": {"Name": "terminated"}, "Tags": TAGS, "BlockDeviceMappings": []}
    by_request = {"Filters": [{"Name": "spot-instance-request-id", "Values": ["sir-1"]}]}
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": []})
    world.answers("describe_instances", instances(dead))
    world.answers("describe_volumes", {"Volumes": []})
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": [{**REQUEST, "Tags": []}]}, by_request)
    world.answers("describe_instances", instances(dead, RELAUNCHED), by_request)
    world.answers("describe_volumes", {"Volumes": [BARE_VOLUME]})
    (sight,) = observe(world.aws, [REGION], "alice", "dev", full=False).sights
    world.aws.spent()
    (box,) = assemble(sight)
    assert (box.state, box.request.id, box.instance.id) == ("running", "sir-1", "i-2")
    assert box.untagged == ("sir-1", "i-2", "vol-2")


def test_a_request_that_aws_forgot_is_asked_for_once():
    """A request is deleted four hours after its end: an instance that still names it costs one call and no error."""
    world = World()
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": []})
    world.answers("describe_instances", instances({**RELAUNCHED, "State": {"Name": "terminated"}, "Tags": TAGS}))
    world.answers("describe_volumes", {"Volumes": []})
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": []})
    seen = observe(world.aws, [REGION], "alice", "dev", full=False)
    world.aws.spent()
    assert (seen.failed, seen.sights[0].requests) == ({}, ())


def test_what_was_found_twice_is_there_once():
    """An instance found by tag and by request is one; its tagged volume is not asked for again."""
    world = World()
    tagged = {**RELAUNCHED, "Tags": TAGS}
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": [REQUEST]})
    world.answers("describe_instances", instances(tagged))
    world.answers("describe_volumes", {"Volumes": [{**BARE_VOLUME, "Tags": TAGS}]})
    world.answers("describe_instances", instances(tagged))
    (sight,) = observe(world.aws, [REGION], "alice", "dev", full=False).sights
    world.aws.spent()
    assert ([i.id for i in sight.instances], [v.id for v in sight.volumes]) == (["i-2"], ["vol-2"])


def test_a_region_that_cannot_be_asked_does_not_hide_the_others():
    """A refusal in one region stands beside what the other regions showed."""
    world = World()
    for operation in ("describe_spot_instance_requests", "describe_instances", "describe_volumes"):
        world.refuses(operation, "UnauthorizedOperation", region=OTHER)
    empty(world, full=False)
    seen = observe(world.aws, [OTHER, REGION], "alice", full=False)
    world.aws.spent()
    assert [sight.region for sight in seen.sights] == [REGION]
    assert (list(seen.failed), seen.failed[OTHER].exit_code) == ([OTHER], Exit.DENIED)


def test_a_region_half_seen_is_not_seen():
    """Where the instances of a request cannot be read, the region has failed: half a box would be a wrong one."""
    world = World()
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": [REQUEST]})
    world.answers("describe_instances", {"Reservations": []})
    world.answers("describe_volumes", {"Volumes": []})
    for _ in range(2):
        world.refuses("describe_instances", "RequestLimitExceeded")
    seen = observe(world.aws, [REGION], "alice", full=False)
    assert seen.sights == ()
    assert seen.failed[REGION].code == "RequestLimitExceeded"


def test_all_pages_are_read():
    """The second page counts as the first."""
    world = World()
    world.answers("describe_volumes", {"Volumes": [{"VolumeId": "vol-1"}], "NextToken": "more"})
    world.answers("describe_volumes", {"Volumes": [{"VolumeId": "vol-2"}]}, {"Filters": [NAME], "NextToken": "more"})
    assert [v.id for v in describe(world.aws, REGION, "volumes", [NAME])] == ["vol-1", "vol-2"]
    world.aws.spent()


def test_a_throttled_read_is_begun_once_more():
    """After botocore's own attempts a throttled read is made once more; a refusal that stays is told at once."""
    world = World()
    world.refuses("describe_volumes", "RequestLimitExceeded", status=503)
    world.answers("describe_volumes", {"Volumes": [{"VolumeId": "vol-1"}]})
    assert [v.id for v in describe(world.aws, REGION, "volumes", [NAME])] == ["vol-1"]
    world.refuses("describe_volumes", "UnauthorizedOperation")
    with pytest.raises(SpotboxError):
        describe(world.aws, REGION, "volumes", [NAME])
    world.aws.spent()


def test_a_refusal_names_the_action_and_the_region():
    """No permission: the IAM action and where."""
    world = World()
    world.refuses("describe_spot_instance_requests", "UnauthorizedOperation")
    with pytest.raises(SpotboxError, match="ec2:DescribeSpotInstanceRequests in us-east-1"):
        describe(world.aws, REGION, "requests", [NAME])


def test_no_region_is_nothing():
    """Asked nowhere, nothing is seen and nothing failed."""
    seen = observe(World().aws, [], "alice")
    assert (seen.sights, seen.failed) == ((), {})


# -- the search for a name -----------------------------------------------------------------------------------------


def glance(world, region, requests=(), volumes=()):
    """The two calls that a region costs."""
    params = {"Filters": [OWNER, NAME]}
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": list(requests)}, params, region)
    world.answers("describe_volumes", {"Volumes": list(volumes)}, params, region)


def test_the_search_for_a_name_costs_two_calls_a_region():
    """Where nothing of the box is, requests and volumes are all that is asked for."""
    world = World()
    for region in (REGION, OTHER):
        glance(world, region)
    seen = search(world.aws, [REGION, OTHER], "alice", "dev")
    world.aws.spent()
    assert [sight.region for sight in seen.sights] == [REGION, OTHER]


@pytest.mark.parametrize(
    ("requests", "volumes"),
    [([REQUEST], []), ([], [{"VolumeId": "vol-1", "Tags": TAGS}])],
    ids=["a request that lives", "a volume, of a box on demand or a kept one"],
)
def test_a_region_where_the_box_is_is_looked_at_in_full(requests, volumes):
    """A launch tags its request and its volume in the call, so one of them shows every box."""
    world = World()
    glance(world, OTHER)
    glance(world, REGION, requests, volumes)
    if requests:
        world.answers("describe_instances", instances())
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": []})
    world.answers("describe_instances", instances({"InstanceId": "i-1", "State": {"Name": "running"}, "Tags": TAGS}))
    world.answers("describe_volumes", {"Volumes": []})
    world.answers("describe_security_groups", {"SecurityGroups": []})
    world.answers("describe_key_pairs", {"KeyPairs": []})
    seen = search(world.aws, [OTHER, REGION], "alice", "dev")
    world.aws.spent()
    ((box,),) = [found for sight in seen.sights if (found := assemble(sight))]
    assert (box.region, box.state, box.market) == (REGION, "running", "on-demand")


def test_requests_that_ended_are_kept_for_the_count():
    """The next launch's token follows theirs; one more call shows that no instance of them is left."""
    world = World()
    ended = {**REQUEST, "State": "cancelled"}
    glance(world, REGION, [ended])
    by_id = {"Filters": [{"Name": "spot-instance-request-id", "Values": ["sir-1"]}]}
    world.answers("describe_instances", instances(), by_id)
    seen = search(world.aws, [REGION], "alice", "dev")
    world.aws.spent()
    assert [request.id for request in seen.sights[0].requests] == ["sir-1"]


def test_an_instance_that_its_ended_request_left_running_is_found():
    """Cancelled, yet it runs and bills: the region is looked at in full."""
    world = World()
    glance(world, REGION, [{**REQUEST, "State": "cancelled"}])
    world.answers("describe_instances", instances(RELAUNCHED))
    world.answers("describe_volumes", {"Volumes": [BARE_VOLUME]})
    empty(world)
    assert search(world.aws, [REGION], "alice", "dev").failed == {}
    world.aws.spent()


def test_a_region_that_cannot_be_searched_is_named():
    """Its error stands beside what the others showed."""
    world = World()
    world.refuses("describe_spot_instance_requests", "AuthFailure", region=OTHER)
    world.answers("describe_volumes", {"Volumes": []}, region=OTHER)
    glance(world, REGION)
    seen = search(world.aws, [OTHER, REGION], "alice", "dev")
    assert [sight.region for sight in seen.sights] == [REGION]
    assert seen.failed[OTHER].exit_code is Exit.DENIED
