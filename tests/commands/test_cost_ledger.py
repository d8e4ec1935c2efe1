"""What the ledger of this machine adds to `cost`: time that AWS no longer tells of, and boxes that are removed."""

import shutil
from dataclasses import replace

import pytest

from spotbox.core.cost_past import What
from spotbox.core.names import KEEP_TAG, ROLE_TAG
from tests.commands.costs import DEV, past, said_when


def test_the_ledger_bridges_what_aws_forgets(user):
    """A `shutdown` on the box is in no trail. `status` saw it stopped; without the ledger the time is unknown."""
    user.world.has_box("dev", "stopped", age=100 * 3600)
    past(user.world, transition=said_when(user.world, 60))
    user.run("status")
    user.world.instances["i-1"] = replace(user.world.instances["i-1"], state="running")
    user.world.request_of("i-1", state="active", code="fulfilled")
    past(user.world, (100, What.STARTED), (10, What.STARTED), launched=10)
    found = user.run("cost", "dev", "-o", "json").json
    assert (found["running_hours"], found["stopped_hours"], found["complete"]) == (50.0, 50.0, True)
    shutil.rmtree(user.home / "ledger")
    found = user.run("cost", "dev", "-o", "json").json
    assert (found["running_hours"], found["stopped_hours"], found["complete"]) == (10.0, 0.0, False)


def test_a_damaged_ledger_is_none(user):
    """Whatever lies there, the command works as without it."""
    user.world.has_box("dev", age=100 * 3600)
    user.run("status")
    (file,) = (user.home / "ledger").rglob("seen.json")
    mine = '"owner": "alice", "name": "dev", "request": "sir-1"'
    spells = '{"i-1": {"spells": {"x": [1, 2, 3, 4]}, %s}}' % mine  # noqa: UP031 - braces of JSON
    for text in ("{", "[]", '{"i-1": 7}', spells, '{"i-9": {"spells": 3, "disks": {"v": [1]}, %s}}' % mine):  # noqa: UP031
        file.write_text(text)
        assert user.run("cost", "dev", "-o", "json").json == DEV


def test_a_removed_box_is_told_by_since(user):
    """`down` keeps what it cost: shown where the time is asked for, of this account alone, and only by the ledger."""
    user.world.has_box("dev", age=100 * 3600)
    assert user.run("down", "-y").code == 0
    user.world.sleep(7200)
    assert user.run("cost").err == "no boxes. Make one with: spotbox up\n"
    (kept,) = user.run("cost", "--since", "30d", "-o", "json").json
    assert kept["compute_usd"] == pytest.approx(15.78, abs=0.01)
    assert kept["complete"] is True
    assert "dev (removed 01 Mar)" in user.run("cost", "--since", "30d").out
    assert user.run("cost", "dev", "--since", "30d", "-o", "json").json["name"] == "dev"
    part = user.run("cost", "dev", "--since", "20h", "-o", "json").json
    assert 17.9 <= part["running_hours"] <= 18.1
    said = user.run("cost", "dev")
    assert (said.code, "spotbox cost dev --since 30d" in said.err) == (7, True)
    shutil.rmtree(user.home / "ledger")
    assert user.run("cost", "--since", "30d", "-o", "json").json == []


def test_the_ledger_knows_what_a_kept_volume_was_used_by(user):
    """After `down --keep-data` the box is its volume; what the instance ran, spotbox saw at its end."""
    user.world.has_box("dev", age=73 * 3600)
    root = user.world.volumes["vol-1"]
    user.world.volumes["vol-d"] = replace(
        root, id="vol-d", delete_on_termination=False, device="/dev/sdf", tags={**root.tags, ROLE_TAG: "data"}
    )
    assert user.run("down", "-y", "--keep-data").code == 0
    user.world.sleep(10 * 3600)
    assert KEEP_TAG in user.world.volumes["vol-d"].tags
    found = user.run("cost", "dev", "-o", "json").json
    assert 72.9 < found["running_hours"] < 73.1
    assert 9.9 < found["stopped_hours"] < 10.1
    assert found["complete"] is True


def test_the_account_of_a_removed_box(user):
    """The ledger may be of several accounts: what another one's `down` left in it is not this one's."""
    user.world.has_box("dev", age=100 * 3600)
    assert user.run("down", "-y").code == 0
    (file,) = (user.home / "ledger").rglob("removed.json")
    file.write_text(file.read_text().replace("123456789012", "999999999999"))
    assert user.run("cost", "--since", "30d", "-o", "json").json == []


def test_the_next_box_of_that_name(user):
    """AWS shows what was removed for hours; of a new box of that name it is no part."""
    user.world.has_box("dev", age=100 * 3600)
    assert user.run("down", "-y").code == 0
    user.world.has_box("dev", age=36)
    found = user.run("cost", "dev", "-o", "json").json
    assert (found["running_hours"], found["complete"]) == (0.01, True)
    rows = user.run("cost", "--since", "30d", "-o", "json").json
    assert [row["running_hours"] for row in rows] == [0.01, 100.0]
