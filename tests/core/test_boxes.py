from datetime import timedelta
from decimal import Decimal

import pytest

from spotbox.core.boxes import Sight, assemble, data_volumes, gather
from spotbox.core.names import MAX_PRICE_TAG, USER_TAG, box_tags
from spotbox.core.states import State
from tests.core.worlds import REGION, WHEN, data_volume, group, instance, key, request, volume


def sight(**parts):
    return Sight(REGION, **{kind: tuple(items) for kind, items in parts.items()})


def only(**parts):
    (box,) = assemble(sight(**parts))
    return box


def test_a_whole_box():
    """A box is its request, instance, volumes and group, under one name and owner."""
    box = only(requests=[request()], instances=[instance()], volumes=[volume()], groups=[group()], keys=[key()])
    assert (box.name, box.owner, box.region, box.state) == ("dev", "alice", REGION, State.RUNNING)
    assert (box.request.id, box.instance.id) == ("sir-1", "i-1")
    assert (box.zone, box.instance_type, box.market) == ("us-east-1a", "g5.xlarge", "spot")
    assert [v.id for v in box.volumes] == ["vol-1"]
    assert [g.id for g in box.groups] == ["sg-1"]
    assert box.untagged == ()


def test_what_is_not_ours_is_no_box():
    """Things without spotbox's tags and without a request that has them are not seen."""
    bare = {"tags": {"Name": "other"}}
    parts = {
        "requests": [request(**bare)],
        "instances": [instance(**bare)],
        "volumes": [volume(**bare)],
        "groups": [group(**bare)],
        "keys": [key()],
    }
    assert gather(sight(**parts)) == {}
    assert assemble(sight(**parts)) == ()


def test_a_relaunched_instance_is_found_by_its_request():
    """Tags of the request do not reach a relaunched instance: it and its volume belong to the box and are untagged."""
    new = instance(id="i-2", tags={}, volume_ids=("vol-2",))
    box = only(
        requests=[request(instance_id="i-2")],
        instances=[instance("terminated"), new],
        volumes=[volume(id="vol-2", instance_id="i-2", tags={})],
    )
    assert box.instance.id == "i-2"
    assert box.state is State.RUNNING
    assert box.untagged == ("i-2", "vol-2")


def test_the_requests_own_instance_comes_before_a_livelier_one():
    """A stopped instance of the request matters more than a running one that is not its own."""
    stopped = instance("stopped", reason_code="Client.UserInitiatedShutdown")
    stray = instance(id="i-9", request_id=None)
    box = only(requests=[request("disabled", "instance-stopped-by-user")], instances=[stray, stopped])
    assert box.instance.id == "i-1"
    assert box.state is State.STOPPED


def test_the_standing_request_comes_before_a_newer_ended_one():
    """The request that may launch is the box's, whatever its age."""
    old = request(id="sir-old", created=WHEN - timedelta(days=3))
    newer = request("cancelled", "canceled-before-fulfillment", id="sir-new", instance_id=None)
    assert only(requests=[newer, old], instances=[instance(request_id="sir-old")]).request.id == "sir-old"


def test_same_name_two_owners():
    """A name belongs to an owner: alice's dev is not bob's."""
    bobs = box_tags("dev", "bob")
    boxes = assemble(
        sight(
            requests=[request(), request(id="sir-b", instance_id="i-b", tags=bobs)],
            instances=[instance(), instance(id="i-b", request_id="sir-b", tags=bobs)],
        )
    )
    assert [(box.owner, box.instance.id) for box in boxes] == [("alice", "i-1"), ("bob", "i-b")]


def test_the_request_speaks_before_the_instances_tags():
    """An instance belongs to whom its request belongs, even where its own tags say another."""
    found = gather(sight(requests=[request()], instances=[instance(tags=box_tags("other", "mallory"))]))
    assert [i.id for i in found["alice", "dev"].instances] == ["i-1"]
    assert ("mallory", "other") not in found


def test_anothers_volume_on_my_box_stays_anothers():
    """A volume that carries another owner's tags is that owner's, although it is attached to this box."""
    bobs = data_volume(id="vol-b", tags=box_tags("train", "bob"))
    found = gather(sight(requests=[request()], instances=[instance()], volumes=[volume(), bobs]))
    assert [v.id for v in found["alice", "dev"].volumes] == ["vol-1"]
    assert [v.id for v in found["bob", "train"].volumes] == ["vol-b"]


def test_a_disk_that_the_user_attached_is_not_the_boxs():
    """An untagged volume that outlives the instance was attached by hand: it is neither tagged nor removed."""
    own = volume(id="vol-own", delete_on_termination=False, tags={"Name": "datasets"})
    box = only(requests=[request()], instances=[instance()], volumes=[volume(), own])
    assert [v.id for v in box.volumes] == ["vol-1"]
    assert box.untagged == ()


def test_volumes_that_go_with_a_dying_instance_do_not_count():
    """A root volume of a terminated instance is on its way out and makes no orphan; a data volume does."""
    ended = request("cancelled", "instance-terminated-by-user")
    assert assemble(sight(requests=[ended], instances=[instance("terminated")], volumes=[volume()])) == ()
    gone = [volume(id="vol-x", instance_id=None, state="deleting", delete_on_termination=False)]
    assert assemble(sight(requests=[ended], volumes=gone)) == ()
    left = data_volume(instance_id=None, state="available")
    assert only(requests=[ended], instances=[instance("terminated")], volumes=[left]).state is State.ORPHANED


def test_a_kept_volume_is_a_box():
    """After `down --keep-data` the volume alone is the box, and its zone is the volume's."""
    box = only(volumes=[data_volume(kept=True, instance_id=None, state="available")])
    assert (box.state, box.zone, box.instance_type) == (State.KEPT, "us-east-1a", None)
    assert [v.id for v in data_volumes(box)] == ["vol-d"]
    assert box.market == "spot", "nothing says that it was ever on demand"


def test_an_on_demand_box():
    """A box without a request whose instance is no Spot instance is on demand."""
    assert only(instances=[instance(lifecycle=None, request_id=None)]).market == "on-demand"


@pytest.mark.parametrize(
    ("text", "price"),
    [("0.5", Decimal("0.5")), ("12", Decimal(12)), (".5", Decimal("0.5")), (None, None), ("", None), ("cheap", None),
     ("²", None), ("1.2.3", None), (".", None), ("-1", None), ("1e9", None), ("NaN", None), ("½", None)],
)  # fmt: skip
def test_max_price_is_what_was_sent(text, price):
    """The cap comes from its tag, not from AWS's SpotPrice; a tag that is no price is no cap and no crash."""
    tags = box_tags("dev", "alice", {MAX_PRICE_TAG: text} if text is not None else {})
    assert only(requests=[request(tags=tags)], instances=[instance()]).max_price == price


@pytest.mark.parametrize("login", ["ubuntu", "ec2-user", "a_b.c", "_x"])
def test_the_login_comes_from_its_tag(login):
    """The login on the box is the tag's."""
    assert only(requests=[request(tags=box_tags("dev", "alice", {USER_TAG: login}))]).user == login


@pytest.mark.parametrize("login", ["-oProxyCommand=reboot", "a b", "root\nProxyCommand reboot", "a@b", "", "x" * 65])
def test_a_tag_that_is_no_login_is_not_believed(login):
    """Whoever may tag must not slip an option or a line into ssh's command or configuration."""
    assert only(requests=[request(tags=box_tags("dev", "alice", {USER_TAG: login}))]).user is None


# -- a request that lost its tags ------------------------------------------------------------------------------------


def test_a_request_without_tags_is_its_instances():
    """The tagged instance that names it says whose it is, even terminated; and so what it launched since."""
    box = only(
        requests=[request(instance_id="i-2", tags={})],
        instances=[instance("terminated"), instance(id="i-2", tags={}, volume_ids=("vol-2",))],
        volumes=[volume(id="vol-2", instance_id="i-2", tags={})],
    )
    assert (box.name, box.owner, box.state) == ("dev", "alice", State.RUNNING)
    assert box.untagged == ("sir-1", "i-2", "vol-2")
    assert box.tags == box_tags("dev", "alice")


def test_a_request_with_anothers_tags_is_not_its_instances():
    """What carries somebody's tags is theirs, whatever instance names it."""
    bobs = request(tags={"spotbox:owner": "bob"})
    assert gather(sight(requests=[bobs], instances=[instance("terminated")]))["alice", "dev"].requests == []
    bobs = request(tags=box_tags("train", "bob"))
    assert list(gather(sight(requests=[bobs], instances=[instance()]))) == [("bob", "train")]


# -- which of several requests is the box's ---------------------------------------------------------------------------


def stray(state="open", **fields):
    """Another request of the box, a minute younger, without an instance."""
    values = {"id": "sir-2", "instance_id": None, "created": WHEN + timedelta(minutes=1), "code": "pending-evaluation"}
    return request(state, **{**values, **fields})


@pytest.mark.parametrize("first", ["sir-1", "sir-2"], ids=["seen first", "seen last"])
def test_the_request_whose_instance_lives_is_the_boxs(first):
    """A stray that is younger, open or not, does not hide the one that runs."""
    requests = [request(), stray()]
    box = only(requests=requests if first == "sir-1" else requests[::-1], instances=[instance()])
    assert (box.request.id, box.state) == ("sir-1", State.RUNNING)


def test_a_cancelled_request_whose_instance_runs_comes_before_a_stray():
    """It bills: the box is orphaned, not waiting."""
    cancelled = request("cancelled", "request-canceled-and-instance-running")
    box = only(requests=[cancelled, stray()], instances=[instance()])
    assert (box.request.id, box.state) == ("sir-1", State.ORPHANED)


@pytest.mark.parametrize("state", ["shutting-down", "terminated"])
def test_an_instance_on_its_way_out_is_no_reason(state):
    """After a `down` the next request is the box's, although AWS still lists the last one's instance."""
    box = only(requests=[request("cancelled"), stray()], instances=[instance(state)])
    assert box.request.id == "sir-2"


def test_a_request_whose_instance_aws_does_not_show_yet_comes_before_a_stray():
    """Fulfilled a moment ago: the request tells its instance before DescribeInstances does."""
    box = only(requests=[request(), stray()])
    assert box.request.id == "sir-1"


def test_of_two_that_run_the_one_that_may_launch_comes_first():
    """And of requests without an instance the one that may launch, then the newest."""
    old = request("cancelled", "request-canceled-and-instance-running")
    new = stray("active", code="fulfilled", instance_id="i-2")
    box = only(requests=[new, old], instances=[instance(), instance(id="i-2", request_id="sir-2")])
    assert (box.request.id, box.instance.id) == ("sir-2", "i-2")
    assert only(requests=[stray(), request("cancelled")]).request.id == "sir-2"
    assert only(requests=[stray(id="sir-3", created=WHEN), stray()]).request.id == "sir-2"
