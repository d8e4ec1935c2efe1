"""Files that only ssh reads cannot be written, as on a full disk: the box is what counts, and what it is is told."""

import pytest

from tests.commands.fakes import state
from tests.commands.test_move import MOVED, has_box, one_box
from tests.commands.test_stop_start import RUNS

FILES = {"ssh_config": "the ssh_config entry of dev could not be written", "known_hosts": "the host key of dev"}


@pytest.fixture(params=FILES)
def lost(user, request):
    """What is said of a file in whose place a folder lies, so that nobody can write it."""
    (user.home / request.param).mkdir(parents=True)
    return FILES[request.param]


def test_up_ends_with_its_box(user, lost):
    """`up` makes the box, reports it, and exits 0."""
    said = user.run("up", "-y")
    assert (said.code, state(user.world)) == (0, "running")
    assert said.out.startswith("dev is up: ")
    assert lost in said.err


def test_start_ends_with_a_running_box(user, lost):
    """`start` starts it and says that it runs."""
    user.world.has_box("dev", "stopped")
    said = user.run("start")
    assert (said.code, said.out, state(user.world)) == (0, RUNS, "running")
    assert lost in said.err


def test_a_move_goes_on_to_its_end(user, lost):
    """The old box goes once the new one answers, and nothing of the move is left."""
    has_box(user)
    said = user.run("move", "-y")
    assert (said.code, said.out) == (0, MOVED), said.err
    one_box(user.world)
    assert lost in said.err


def test_a_move_ends_where_the_old_host_key_cannot_be_dropped(user):
    """The last of a move is to forget the old box's host key: where that fails, the move is complete all the same."""
    has_box(user)
    assert user.run("ssh").code == 0
    hosts = user.home / "known_hosts"
    hosts.unlink()
    hosts.mkdir()
    said = user.run("move", "-y")
    assert (said.code, said.out) == (0, MOVED), said.err
    assert "what ssh on this machine knows of dev stays" in said.err


def test_ssh_connects(user, lost):
    """`ssh` runs all the same; the host key that it cannot keep is told."""
    user.world.has_box("dev")
    said = user.run("ssh", "--", "true")
    assert (said.code, user.app.system.ran[-2:]) == (0, ["--", "true"])
    assert lost in said.err


def test_status_reads_past_it(user, lost):
    """What cannot be read is not known, and no reason to fail."""
    user.world.has_box("dev")
    assert user.run("status", "dev").code == 0


def test_up_ends_with_its_box_where_the_config_of_ssh_cannot_be_read(user, monkeypatch):
    """~/.ssh/config may be anything: what stands in it is nothing that a box hangs on."""
    monkeypatch.setenv("HOME", str(user.home))
    (user.home / ".ssh" / "config").mkdir(parents=True)
    said = user.run("up", "-y")
    assert (said.code, state(user.world)) == (0, "running")
    assert said.out.startswith("dev is up: ")
    assert f"{user.home}/.ssh/config could not be read; put this first in it:  Include " in said.err


def test_down_tells_what_went_where_its_files_cannot_even_be_looked_at(user):
    """The box is gone, and what was removed is told; that what ssh knows of it stays, too."""
    user.world.has_box("dev")
    user.home /= "x" * 300  # no folder may have such a name
    said = user.run("down", "-y")
    assert (said.code, user.world.left()) == (0, [])
    assert "removed instance i-1 (us-east-1)\n" in said.out
    assert "what ssh on this machine knows of dev stays: " in said.err
