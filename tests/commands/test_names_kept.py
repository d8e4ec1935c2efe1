"""The names of boxes that commands leave in the cache, for completion."""

from spotbox import recall
from spotbox.config import cache_folder, find_places
from spotbox.store import Store


def names(user):
    """What completion would offer to this user."""
    env = {"SPOTBOX_HOME": str(user.home)}
    store = Store(cache_folder(find_places(env), env, False), user.world.now)
    return recall.box_names(store, recall.account(None, env), None)


def test_commands_leave_names(user):
    """`status` notes what it sees, `up` what it made, `down` what is gone; a box of another owner is not one's own."""
    user.world.has_box("old")
    user.run("status")
    assert names(user) == ["old"]
    user.run("up", "-y")
    user.world.has_box("his", owner="bob")
    user.run("status", "--owner", "bob")
    assert names(user) == ["dev", "old"]
    user.run("down", "old", "-y")
    assert names(user) == ["dev"]


def test_a_region_that_does_not_answer_keeps_its_names(user):
    """What could not be looked at is not forgotten."""
    user.world.has_box("far", region="eu-west-1")
    user.run("status")
    user.world.refuses("DescribeInstances", "RequestLimitExceeded", region="eu-west-1", times=9)
    assert user.run("status").code == 0
    assert names(user) == ["far"]


def test_a_name_that_is_none_is_not_kept(user):
    """A tag may hold anything; only what can be a box's name is offered to a shell."""
    user.world.has_box("$(reboot)")
    user.run("status")
    assert names(user) == []
