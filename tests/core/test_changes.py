from decimal import Decimal

import pytest

from spotbox.core.boxes import Sight, assemble
from spotbox.core.changes import differences
from spotbox.core.names import EXPIRES_TAG, IDLE_TAG, MAX_PRICE_TAG, USER_TAG, box_tags
from spotbox.core.records import Rule
from spotbox.core.steps import Admit, GrowDisk, SetLimit, TagAgain
from spotbox.core.units import Bid
from tests.core.worlds import REGION, data_volume, group, instance, request, volume


def box(max_price=None, **changes):
    tags = box_tags("dev", "alice", {MAX_PRICE_TAG: max_price} if max_price else {})
    parts = {"volumes": (volume(), data_volume()), "groups": (group((Rule("192.0.2.0/24", "spotbox given"),)),)}
    there = instance(subnet_id="subnet-1", profile="role", tags=box_tags("dev", "alice", {USER_TAG: "ubuntu"}))
    (found,) = assemble(Sight(REGION, requests=(request(tags=tags),), instances=(there,), **{**parts, **changes}))
    return found


def test_nothing_asked_changes_nothing():
    """A flag that was not given is no difference."""
    assert differences(box(), {}) == differences(box(), {"zones": (), "bid": None, "disk": None, "cidrs": ()})
    assert differences(box(), {}).steps == differences(box(), {}).remarks == ()


@pytest.mark.parametrize(
    "wanted",
    [
        {"region": REGION},
        {"zones": ("us-east-1b", "us-east-1a")},
        {"types": ("g5.xlarge",)},
        {"bid": Bid()},
        {"disk": 100},
        {"cidrs": ("192.0.2.0/24",)},
        {"user": "ubuntu"},
        {"ami": "ami-1"},
        {"subnet": "subnet-1"},
        {"profile_name": "role"},
    ],
    ids=str,
)
def test_what_the_box_is_already_is_no_difference(wanted):
    """The same region, zone, type, price, size or range needs no word."""
    assert differences(box(), wanted).remarks == differences(box(), wanted).steps == ()


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"region": "eu-west-1"}, "dev is in us-east-1, not eu-west-1"),
        ({"zones": ("us-east-1b", "us-east-1c")}, "dev is in us-east-1a, not us-east-1b or us-east-1c"),
        ({"types": ("g6.xlarge",)}, "dev is a g5.xlarge, not g6.xlarge"),
        ({"bid": Bid(usd=Decimal("0.5"))}, "the maximum price of dev is on-demand, not 0.5"),
        ({"bid": Bid(percent=Decimal(60))}, "the maximum price of dev is on-demand, not 60%"),
        ({"ami": "ami-2"}, "--ami counts at the first launch only"),
        ({"key": "k.pub"}, "--key counts at the first launch only"),
        ({"subnet": "subnet-2"}, "--subnet counts at the first launch only"),
        ({"profile_name": "p"}, "--iam-profile counts at the first launch only"),
        ({"user_data": "f"}, "--user-data counts at the first launch only"),
        ({"disk": 99}, "the disk of dev is 100 GiB; EBS cannot make it smaller"),
    ],
    ids=str,
)
def test_what_cannot_be_changed_is_named(wanted, says):
    """One remark and no step: a Spot request cannot be changed."""
    changes = differences(box(), wanted)
    assert changes.steps == ()
    (remark,) = changes.remarks
    assert remark.startswith(says)


def test_the_cap_of_the_box_is_compared_as_money():
    """0.50 is 0.5."""
    assert differences(box("0.50"), {"bid": Bid(usd=Decimal("0.5"))}).remarks == ()
    assert differences(box("0.50"), {"bid": Bid()}).remarks[0].startswith("the maximum price of dev is $0.5000, not on")


def test_a_larger_disk_grows_the_root_volume():
    """The root volume grows, not the data volume."""
    assert differences(box(), {"disk": 101}).steps == (GrowDisk(REGION, "vol-1", 101),)
    assert differences(box(volumes=(data_volume(),)), {"disk": 101}).steps == ()


def test_a_new_range_is_admitted_and_none_is_shut_out():
    """--allow-cidr on a box that exists adds to what may come in."""
    steps = differences(box(), {"cidrs": ("192.0.2.0/24", "2001:db8::/64")}).steps
    assert steps == (Admit(REGION, "sg-1", Rule("2001:db8::/64", "spotbox given"), None),)
    assert differences(box(groups=()), {"cidrs": ("192.0.2.0/24",)}).steps == ()


def test_new_tags_go_on_all_parts():
    """--tag on a box that exists tags request, instance, volumes and group; a tag it has already is no change."""
    once = differences(box(), {"tags": (("team", "vision"),)}).steps
    assert once == (TagAgain(REGION, ("sir-1", "i-1", "vol-1", "vol-d", "sg-1"), {"team": "vision"}),)
    tagged = box_tags("dev", "alice", {"team": "vision"})
    (has,) = assemble(Sight(REGION, requests=(request(tags=tagged),), instances=(instance(),)))
    assert differences(has, {"tags": (("team", "vision"),)}).steps == ()


PARTS = ("sir-1", "i-1", "vol-1", "vol-d")
UNTIL = "2026-11-22T20:00:00Z"


def test_limits_go_on_request_instance_and_volumes():
    """One step for both limits, on all parts; a relaunch reads them from the request again."""
    (step,) = differences(box(), {"expires": UNTIL, "idle_stop": "2h"}).steps
    assert step == SetLimit(REGION, PARTS, {EXPIRES_TAG: UNTIL, IDLE_TAG: "2h"})


def test_a_limit_that_is_there_is_no_change():
    """Only what lacks a limit or has another one is tagged."""
    tags = box_tags("dev", "alice", {IDLE_TAG: "2h"})
    parts = {"instances": (instance(tags=tags),), "requests": (request(tags=tags),), "volumes": (volume(tags=tags),)}
    (has,) = assemble(Sight(REGION, **parts))
    assert differences(has, {"idle_stop": "2h"}).steps == ()
    assert differences(has, {"idle_stop": "3h"}).steps == (SetLimit(REGION, PARTS[:3], {IDLE_TAG: "3h"}),)
    (bare,) = assemble(Sight(REGION, **{**parts, "instances": (instance(tags={}),)}))
    assert differences(bare, {"idle_stop": "2h"}).steps == (SetLimit(REGION, ("i-1",), {IDLE_TAG: "2h"}),)


def test_zero_removes_a_limit():
    """An empty limit takes the tag away, and is nothing where there is none."""
    tags = box_tags("dev", "alice", {EXPIRES_TAG: UNTIL})
    (has,) = assemble(Sight(REGION, requests=(request(tags=tags),), instances=(instance(),)))
    assert differences(has, {"expires": ""}).steps == (SetLimit(REGION, ("sir-1",), {}, (EXPIRES_TAG,)),)
    assert differences(box(), {"expires": "", "idle_stop": ""}).steps == ()


def test_what_is_left_over_gets_no_limit():
    """Nothing runs in a kept or orphaned box that could obey it."""
    (left,) = assemble(Sight(REGION, volumes=(data_volume(kept=True),)))
    assert differences(left, {"expires": UNTIL}).steps == ()
    (lost,) = assemble(Sight(REGION, volumes=(data_volume(),)))
    assert differences(lost, {"expires": UNTIL}).steps == ()
