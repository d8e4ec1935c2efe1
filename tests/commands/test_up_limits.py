"""--ttl and --idle-stop: tags on every part of the box, set anew by `up` with the flag, left alone without."""

import pytest

from spotbox.core.names import EXPIRES_TAG, IDLE_TAG


def tags(world, key):
    """The tag on each living part of the box: request, instance and volume."""
    parts = [*world.requests.values(), *world.instances.values(), *world.volumes.values()]
    return [part.tags.get(key) for part in parts]


def test_a_new_box_has_its_limits(user):
    """The time runs from AWS's yes; the idle limit stands in the launch call, which carries no time."""
    said = user.run("up", "-y", "--ttl", "8h", "--idle-stop", "90m")
    assert said.code == 0
    assert tags(user.world, EXPIRES_TAG) == ["2026-03-01T20:00:00Z"] * 3
    assert tags(user.world, IDLE_TAG) == ["1h30m"] * 3
    assert "  - record its limits, ttl 8h and idle-stop 1h30m, as tags\n" in said.err
    assert "forgotten" not in said.err
    assert (
        "It bills until you stop or remove it, or it stops itself by its limits "
        "(until 2026-03-01T20:00:00Z, stop after 1h30m idle).\n" in said.err
    )
    assert "--ttl 8h --idle-stop 1h30m" in said.out


def test_without_limits_the_cost_of_forgetting_is_said_once(user):
    """Neither flag: one warning, no tag."""
    said = user.run("up", "-y")
    assert said.err.count("forgotten, $3.79 a day, and disk and public IPv4 on top") == 1
    assert tags(user.world, EXPIRES_TAG) == tags(user.world, IDLE_TAG) == [None] * 3


def test_limits_are_recorded_before_the_box_is_waited_for(user):
    """Cut off while it boots, the box has its limit already."""
    user.world.boot = 10**9
    assert user.run("up", "-y", "--ttl", "8h").code == 1
    assert tags(user.world, EXPIRES_TAG) == ["2026-03-01T20:00:00Z"] * 3


def test_up_with_the_flag_sets_it_anew_and_up_alone_leaves_it(user):
    """The time runs from the command; both commands are fine twice."""
    user.world.has_box("dev", tags={EXPIRES_TAG: "2026-03-01T13:00:00Z"})
    assert user.run("up", "-y").code == 0
    assert tags(user.world, EXPIRES_TAG) == ["2026-03-01T13:00:00Z"] * 3
    said = user.run("up", "-y", "--ttl", "8h")
    assert tags(user.world, EXPIRES_TAG) == ["2026-03-01T20:00:00Z"] * 3
    assert "done: set spotbox:expires to 2026-03-01T20:00:00Z on sir-1, i-1, vol-1\n" in said.err
    assert user.run("status", "dev", "-o", "json").json["expires_at"] == "2026-03-01T20:00:00Z"
    assert user.run("up", "-y", "--ttl", "0").code == 0
    assert tags(user.world, EXPIRES_TAG) == [None] * 3


@pytest.mark.parametrize("was", ["waiting", "interrupted", "stopped", "starting"])
def test_limits_are_set_in_every_state_that_can_run(user, was):
    """Also where AWS lets the user wait: the limit is set first."""
    user.world.has_box("dev", was)
    user.run("up", "-y", "--idle-stop", "2h", "--wait", "0")
    assert set(tags(user.world, IDLE_TAG)) == {"2h"}


def test_what_up_refuses_it_does_not_tag(user):
    """An orphaned box is not touched."""
    user.world.has_box("dev", "orphaned")
    assert user.run("up", "-y", "--ttl", "8h").code == 1
    assert set(tags(user.world, EXPIRES_TAG)) == {None}


def test_a_dry_run_says_what_it_would_set(user):
    """--dry-run prints the step and changes nothing."""
    user.world.has_box("dev")
    said = user.run("up", "--dry-run", "--ttl", "8h")
    assert said.out == "would set spotbox:expires to 2026-03-01T20:00:00Z on sir-1, i-1, vol-1\n"
    assert set(tags(user.world, EXPIRES_TAG)) == {None}


def test_a_limit_of_the_config_file_is_for_new_boxes(user):
    """Keys ttl and idle-stop; a box that exists keeps what it has."""
    user.home.mkdir(exist_ok=True)
    (user.home / "config.toml").write_text('[defaults]\nttl = "8h"\nidle-stop = "2h"\n')
    user.world.has_box("old")
    user.run("up", "old", "-y")
    assert set(tags(user.world, EXPIRES_TAG)) == {None}
    user.run("up", "new", "-y")
    mine = [part.tags for part in user.world.requests.values() if part.tags["spotbox:name"] == "new"]
    assert [(t[EXPIRES_TAG][:10], t[IDLE_TAG]) for t in mine] == [("2026-03-01", "2h")]


def test_a_time_that_has_passed_is_said(user):
    """`up` alone leaves the limit, and says that it has passed."""
    user.world.has_box("dev", "stopped", tags={EXPIRES_TAG: "2026-03-01T11:00:00Z"})
    said = user.run("up", "-y")
    assert "the time limit of dev has passed (2026-03-01T11:00:00+00:00)" in said.err
    assert "has passed" not in user.run("up", "-y", "--ttl", "1h").err


def test_a_limit_that_cannot_be_recorded_is_an_error(user):
    """The box is up and stays; the exit code is AWS's, and the command that sets the limit is named."""
    user.world.refuses("CreateTags", "UnauthorizedOperation", http=403)
    said = user.run("up", "-y", "--ttl", "8h")
    assert said.code == 5
    assert "dev is up and bills, but its limits could not be recorded" in said.err
    assert "spotbox up dev --ttl 8h" in said.err
    assert [i.state for i in user.world.instances.values()] == ["running"]


def test_status_shows_both(user):
    """The time in the contract's key, the idle limit in the full view."""
    user.world.has_box("dev", tags={EXPIRES_TAG: "2026-03-01T20:00:00Z", IDLE_TAG: "2h"})
    lines = user.run("status", "dev").out.splitlines()
    assert [line.split() for line in lines if line.startswith(("expires", "idle"))] == [
        ["expires", "at", "2026-03-01T20:00:00Z"],
        ["idle", "stop", "2h"],
    ]


@pytest.mark.parametrize("text", ["8", "soon", "-1h", "400d"])
def test_a_limit_needs_a_unit(user, text):
    """Only 0 may stand bare."""
    assert user.run("up", "-y", "--ttl", text).code == 2


def test_a_standing_request_has_its_limits_at_once(user):
    """--park returns before AWS launches: the request itself bears the limits, and what it launches gets them."""
    said = user.run("up", "-y", "--park", "--ttl", "8h", "--idle-stop", "2h")
    assert said.code == 0
    assert tags(user.world, EXPIRES_TAG) == ["2026-03-01T20:00:00Z"]
    (request,) = user.world.requests
    user.world.sleep(600)
    user.world.relaunch(request)
    assert user.run("up", "-y").code == 0
    assert tags(user.world, EXPIRES_TAG) == ["2026-03-01T20:00:00Z"] * 3
    assert tags(user.world, IDLE_TAG) == ["2h"] * 3


def test_a_standing_request_whose_limit_cannot_be_recorded_stays(user):
    """The exit code is AWS's; the request waits on, and the command that sets the limit is named."""
    user.world.refuses("CreateTags", "UnauthorizedOperation", http=403)
    said = user.run("up", "-y", "--park", "--ttl", "8h")
    assert said.code == 5
    assert "dev waits with AWS, but its limits could not be recorded" in said.err
    assert [request.state for request in user.world.requests.values()] == ["open"]


def test_a_removed_limit_stays_removed_where_aws_launched_again(user):
    """The terminated instance bears it still, and the new one is tagged as the request is now."""
    assert user.run("up", "-y", "--ttl", "8h").code == 0
    user.world.gone(next(iter(user.world.instances)))
    user.world.sleep(20)
    assert user.run("up", "-y", "--ttl", "0").code == 0
    alive = [i for i in user.world.instances.values() if i.state == "running"]
    assert [i.tags.get(EXPIRES_TAG) for i in alive] == [None]
    assert user.run("status", "dev", "-o", "json").json["expires_at"] is None
