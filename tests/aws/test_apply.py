import pytest

from spotbox.aws.apply import SHOWN_WITHIN, START_WAIT, apply
from spotbox.core import steps as s
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.names import box_tags, group_name, wire_tags
from spotbox.core.records import Rule
from tests.aws.stubs import World
from tests.core.worlds import REGION

TAGS = box_tags("dev", "alice")
RULE4 = Rule("198.51.100.7/32", "spotbox auto me")
RULE6 = Rule("2001:db8::/64", "spotbox given")
OPEN4 = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
         "IpRanges": [{"CidrIp": "198.51.100.7/32", "Description": "spotbox auto me"}]}  # fmt: skip
OPEN6 = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
         "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/64", "Description": "spotbox given"}]}  # fmt: skip
GROUP = s.MakeGroup(REGION, group_name("dev", "alice"), "vpc-1", (RULE4, RULE6), TAGS)


def done(world, step):
    """The step succeeds with exactly the calls that were expected."""
    apply(world.hands, step)
    world.aws.spent()


def fails(world, step):
    with pytest.raises(SpotboxError) as told:
        apply(world.hands, step)
    assert "Stub" not in str(told.value), "another call than the test expects"
    return told.value


def belongs(world, code, state="disabled"):
    """One look at the request of an instance, by its status code."""
    item = {"SpotInstanceRequestId": "sir-1", "State": state, "InstanceId": "i-1", "Status": {"Code": code}}
    by_instance = {"Filters": [{"Name": "instance-id", "Values": ["i-1"]}]}
    world.answers("describe_spot_instance_requests", {"SpotInstanceRequests": [item]}, by_instance)


# -- key and group -------------------------------------------------------------------------------------------------

KEY = s.MakeKey(REGION, "spotbox-alice-1", "ssh-ed25519 AAAA", {"spotbox:owner": "alice"})


def test_the_key_is_imported_with_its_tags():
    """The raw OpenSSH line as bytes, tagged in the call that makes it."""
    world = World()
    world.answers(
        "import_key_pair",
        params={
            "KeyName": "spotbox-alice-1",
            "PublicKeyMaterial": b"ssh-ed25519 AAAA",
            "TagSpecifications": [{"ResourceType": "key-pair", "Tags": [{"Key": "spotbox:owner", "Value": "alice"}]}],
        },
    )
    done(world, KEY)


def test_a_key_that_is_there_is_the_same_key():
    """The name carries the fingerprint, so a duplicate is no error."""
    world = World()
    world.refuses("import_key_pair", "InvalidKeyPair.Duplicate")
    done(world, KEY)


def authorizes(world, permission):
    world.answers("authorize_security_group_ingress", params={"GroupId": "sg-1", "IpPermissions": [permission]})


def test_the_group_is_made_with_its_rules():
    """Tagged in the call that makes it; port 22 alone, for each range in its own family."""
    world = World()
    world.answers(
        "create_security_group",
        {"GroupId": "sg-1"},
        {
            "GroupName": "spotbox-dev-alice",
            "Description": "spotbox dev: SSH from its owner",
            "VpcId": "vpc-1",
            "TagSpecifications": [{"ResourceType": "security-group", "Tags": wire_tags(TAGS)}],
        },
    )
    authorizes(world, OPEN4)
    authorizes(world, OPEN6)
    done(world, GROUP)


def test_the_boxs_own_group_gets_only_what_it_lacks():
    """A second run takes the group that is there and adds no rule twice."""
    world = World()
    world.refuses("create_security_group", "InvalidGroup.Duplicate")
    found = {"GroupId": "sg-1", "IpPermissions": [OPEN4], "Tags": wire_tags(TAGS)}
    world.answers("describe_security_groups", {"SecurityGroups": []})
    world.answers("describe_security_groups", {"SecurityGroups": [found]})
    authorizes(world, OPEN6)
    done(world, GROUP)


def test_a_group_that_is_not_known_yet_gets_its_rules():
    """EC2 may not know for a while the group that it has just made: it is asked again for a minute, then told."""
    world = World()
    world.answers("create_security_group", {"GroupId": "sg-1"})
    world.refuses("authorize_security_group_ingress", "InvalidGroup.NotFound")
    world.refuses("authorize_security_group_ingress", "InvalidGroup.NotFound")
    authorizes(world, OPEN4)
    authorizes(world, OPEN6)
    done(world, GROUP)
    assert world.clock.at == 2.0
    world.answers("create_security_group", {"GroupId": "sg-1"})
    for _ in range(100):
        world.refuses("authorize_security_group_ingress", "InvalidGroup.NotFound")
    assert fails(world, GROUP).code == "InvalidGroup.NotFound"
    assert SHOWN_WITHIN < world.clock.at < SHOWN_WITHIN + 5


def test_a_rule_that_another_run_added_is_fine():
    """InvalidPermission.Duplicate is what was wanted."""
    world = World()
    world.answers("create_security_group", {"GroupId": "sg-1"})
    world.refuses("authorize_security_group_ingress", "InvalidPermission.Duplicate")
    world.refuses("authorize_security_group_ingress", "InvalidPermission.Duplicate")
    done(world, GROUP)


def test_a_group_whose_tags_are_late_is_the_boxs_own():
    """The answer to its creation was lost, and AWS shows it before its tags: it is waited for."""
    world = World()
    world.refuses("create_security_group", "InvalidGroup.Duplicate")
    ours = wire_tags(box_tags("dev", "alice"))
    for tags in ([], [], ours):
        world.answers("describe_security_groups", {"SecurityGroups": [{"GroupId": "sg-9", "Tags": tags}]})
    for _ in GROUP.rules:
        world.answers("authorize_security_group_ingress")
    done(world, GROUP)


@pytest.mark.parametrize("tags", [{}, box_tags("dev", "bob"), box_tags("other", "alice")])
def test_anothers_group_is_not_touched(tags):
    """A group of the same name without this box's tags is named, and no rule is added."""
    world = World()
    world.refuses("create_security_group", "InvalidGroup.Duplicate")
    found = {"GroupId": "sg-9", "Tags": wire_tags(tags)}
    for _ in range(1 if tags else 99):  # its tags may only be late
        world.answers("describe_security_groups", {"SecurityGroups": [found]})
    told = fails(world, GROUP)
    assert isinstance(told, UsageError)
    assert "sg-9" in told.message
    assert world.clock.at <= (0 if tags else 60)


def test_admit_lets_the_new_in_before_it_shuts_the_old_out():
    """In this order nobody is locked out between the two calls."""
    world = World()
    authorizes(world, OPEN4)
    world.answers("revoke_security_group_ingress", params={"GroupId": "sg-1", "IpPermissions": [OPEN6]})
    done(world, s.Admit(REGION, "sg-1", RULE4, RULE6))


def test_admit_twice():
    """The new one is there and the old one gone: done already."""
    world = World()
    world.refuses("authorize_security_group_ingress", "InvalidPermission.Duplicate")
    world.refuses("revoke_security_group_ingress", "InvalidPermission.NotFound")
    done(world, s.Admit(REGION, "sg-1", RULE4, RULE6))


# -- start and stop ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "operation"), [(s.Start(REGION, "i-1"), "start_instances"), (s.Stop(REGION, "i-1"), "stop_instances")]
)
class TestStartAndStop:
    def test_at_once(self, step, operation):
        """One call with the instance's id."""
        world = World()
        world.answers(operation, params={"InstanceIds": ["i-1"]})
        done(world, step)

    @pytest.mark.parametrize(
        "code", ["IncorrectSpotRequestState", "IncorrectInstanceState", "InvalidInstanceID.NotFound"]
    )
    def test_a_state_that_has_not_settled_is_asked_again(self, step, operation, code):
        """Right after a change AWS refuses for a while."""
        world = World()
        for _ in range(2):
            world.refuses(operation, code)
            if operation == "start_instances" and code == "IncorrectSpotRequestState":
                belongs(world, "marked-for-stop", "active")
        world.answers(operation)
        done(world, step)
        assert world.clock.naps == [2.0, 2.0]

    def test_a_state_that_never_settles_ends(self, step, operation):
        """The refusal is told once the time is up."""
        world = World()
        for _ in range(100):
            world.refuses(operation, "IncorrectSpotRequestState")
            if operation == "start_instances":
                belongs(world, "instance-stopped-by-user")
        assert fails(world, step).code == "IncorrectSpotRequestState"
        assert START_WAIT <= world.clock.at <= START_WAIT + 5

    @pytest.mark.parametrize(
        ("code", "exit_code"),
        [("InsufficientInstanceCapacity", Exit.NO_CAPACITY), ("UnsupportedOperation", Exit.FAILED)],
    )
    def test_another_refusal_is_told_at_once(self, step, operation, code, exit_code):
        """No capacity to start, or a one-time Spot instance to stop, does not heal by asking."""
        world = World()
        world.refuses(operation, code)
        assert fails(world, step).exit_code is exit_code
        assert world.clock.naps == []


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("instance-stopped-no-capacity", "disabled"),
        ("instance-stopped-by-price", "disabled"),
        ("instance-stopped-by-the-moon", "disabled"),
        ("capacity-not-available", "open"),
        ("instance-stopped-by-user", "cancelled"),
    ],
)
def test_a_start_that_is_not_the_users_is_refused_at_once(code, state):
    """Only AWS restarts what it interrupted, and nobody what is cancelled: asking again does not heal that."""
    world = World()
    world.refuses("start_instances", "IncorrectSpotRequestState")
    belongs(world, code, state)
    assert fails(world, s.Start(REGION, "i-1")).code == "IncorrectSpotRequestState"
    assert world.clock.naps == []


# -- tags and disks ------------------------------------------------------------------------------------------------


def test_tag_again():
    """All of them in one call; CreateTags overwrites, so twice is fine."""
    world = World()
    world.answers("create_tags", params={"Resources": ["i-1", "vol-1"], "Tags": wire_tags(TAGS)})
    done(world, s.TagAgain(REGION, ("i-1", "vol-1"), TAGS))


LIMIT = s.SetLimit(REGION, ("sir-1", "i-1"), {"spotbox:expires": "2026-11-22T20:00:00Z"}, ("spotbox:idle-stop",))
SET = {
    "Resources": ["sir-1", "i-1"],
    "Tags": [{"Key": "spotbox:expires", "Value": "2026-11-22T20:00:00Z"}],
}
REMOVED = {"Resources": ["sir-1", "i-1"], "Tags": [{"Key": "spotbox:idle-stop"}]}


def test_limits_are_set_and_removed():
    """CreateTags overwrites and DeleteTags without a value takes any, so twice is fine."""
    world = World()
    world.answers("create_tags", params=SET)
    world.answers("delete_tags", params=REMOVED)
    done(world, LIMIT)


def test_limits_wait_until_aws_shows_what_it_made():
    """An id that AWS made a moment ago may be unknown to CreateTags; another refusal is told at once."""
    world = World()
    world.refuses("create_tags", "InvalidInstanceID.NotFound")
    world.answers("create_tags", params=SET)
    world.answers("delete_tags", params=REMOVED)
    done(world, LIMIT)
    world.refuses("create_tags", "UnauthorizedOperation")
    with pytest.raises(SpotboxError) as refused:
        done(world, LIMIT)
    assert refused.value.exit_code == 5


def test_a_kept_volume_is_marked():
    """spotbox:keep on the volume, and its role, which the copy of a move does not bear yet."""
    world = World()
    tags = [{"Key": "spotbox:keep", "Value": "true"}, {"Key": "spotbox:role", "Value": "data"}]
    world.answers("create_tags", params={"Resources": ["vol-1"], "Tags": tags})
    done(world, s.KeepVolume(REGION, "vol-1", 100))


def test_the_disk_grows():
    """ModifyVolume to the new size."""
    world = World()
    world.answers("describe_volumes", {"Volumes": [{"VolumeId": "vol-1", "Size": 100}]})
    world.answers("modify_volume", params={"VolumeId": "vol-1", "Size": 200})
    done(world, s.GrowDisk(REGION, "vol-1", 200))


def test_a_disk_that_has_grown_is_left():
    """EBS refuses a second change of the same volume within hours: what is large enough is not asked again."""
    world = World()
    world.answers("describe_volumes", {"Volumes": [{"VolumeId": "vol-1", "Size": 200}]})
    done(world, s.GrowDisk(REGION, "vol-1", 200))
