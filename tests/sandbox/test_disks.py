"""The files of volumes and snapshots: where they are, and what becomes of them."""

import os
import socket

import pytest

from spotbox.sandbox.boxfiles import BoxFiles
from spotbox.sandbox.disks import MADE_ON, Disks

ROOT, DATA, SNAP = "vol-0a", "vol-0b", "snap-0a"
BOX, OTHER = "i-0a", "i-0b"


@pytest.fixture
def disks(tmp_path):
    return Disks(tmp_path)


@pytest.fixture
def box(tmp_path, disks):
    """A box with a root and a data volume, and a file on each."""
    disks.attach(ROOT, BOX, "/dev/sda1", True)
    disks.attach(DATA, BOX, "/dev/sdf", False)
    files = BoxFiles(tmp_path, BOX)
    files.host_keys()
    files.home.mkdir()
    (files.home / "note").write_text("mine")
    (files.root / "data" / "set").write_text("big")
    return files


def test_a_root_volume_takes_home_and_host_keys_along(tmp_path, disks, box):
    """Given to another box, the home and the host keys are there and the first box has neither."""
    keys = box.host_keys()
    disks.detach(ROOT)
    assert not box.home.exists()
    assert not list(box.root.glob("ssh_host_*"))
    disks.attach(ROOT, OTHER, "/dev/sda1", True)
    other = BoxFiles(tmp_path, OTHER)
    assert (other.home / "note").read_text() == "mine"
    assert other.host_keys() == keys


def test_a_data_volume_keeps_its_files_and_its_mark(tmp_path, disks, box):
    """Detached, given to another box, and back: nothing is emptied, and its file system is the first one."""
    for holder in (OTHER, BOX):
        disks.detach(DATA)
        disks.attach(DATA, holder, "/dev/sdf", False)
    assert (box.root / "data" / "set").read_text() == "big"
    assert (box.root / "data" / MADE_ON).read_text() == f"{DATA}\n"
    assert not (tmp_path / "boxes" / OTHER / "data").exists()


def test_more_volumes_have_folders_of_their_own(disks, box):
    """The first is `data`; the next is named for its device."""
    disks.attach("vol-0c", BOX, "/dev/sdg", False)
    assert {p.name for p in box.root.glob("data*")} == {"data", "data-sdg"}


def test_a_root_volume_beside_another_shows_its_home(disks, box, tmp_path):
    """To rescue a root volume it is attached to another box, and read there."""
    disks.detach(ROOT)
    disks.attach(ROOT, OTHER, "/dev/sdf", False)
    assert (tmp_path / "boxes" / OTHER / "data/home/note").read_text() == "mine"
    disks.detach(ROOT)
    disks.attach(ROOT, BOX, "/dev/sda1", True)
    assert (box.home / "note").read_text() == "mine"


def test_delete_removes_the_files(tmp_path, disks, box):
    """Attached or not, the files go with the volume; twice is fine."""
    disks.detach(DATA)
    for volume in (ROOT, DATA, DATA):
        disks.delete(volume)
    assert not box.home.exists()
    assert not any((tmp_path / "volumes").iterdir())


def test_a_snapshot_is_of_its_moment(disks, box):
    """What is written later is not in it; a volume made of it has what was there then."""
    disks.take(ROOT, SNAP)
    disks.take(DATA, "snap-0b")
    (box.home / "note").write_text("later")
    (box.root / "data" / "set").unlink()
    assert disks.restore(SNAP, "vol-0d")
    assert disks.restore("snap-0b", "vol-0e")
    disks.attach("vol-0d", OTHER, "/dev/sda1", True)
    disks.attach("vol-0e", OTHER, "/dev/sdf", False)
    there = box.root.parent / OTHER
    assert (there / "home/note").read_text() == "mine"
    assert (there / "data/set").read_text() == "big"
    assert (there / "data" / MADE_ON).read_text() == f"{DATA}\n"
    assert sorted(p.name for p in there.glob("ssh_host_*")) == ["ssh_host_ecdsa_key", "ssh_host_ed25519_key"]


def test_a_snapshot_outlives_its_volume_and_its_copies(disks, box):
    """Deleting the volume, or the first of two snapshots, takes nothing from the other."""
    disks.take(ROOT, SNAP)
    disks.copy(SNAP, "snap-0b")
    disks.delete(ROOT)
    disks.forget(SNAP)
    assert not disks.restore(SNAP, "vol-0d")
    assert disks.restore("snap-0b", "vol-0e")
    disks.attach("vol-0e", OTHER, "/dev/sda1", True)
    assert (box.root.parent / OTHER / "home/note").read_text() == "mine"


def test_odd_files_are_copied_or_left(disks, box, tmp_path):
    """Links stay links, modes stay, unreadable files come along; sockets and pipes are left out, and hang nothing."""
    secret = box.home / "secret"
    secret.write_text("x")
    secret.chmod(0o000)
    (box.home / "link").symlink_to("/nowhere")
    (box.home / "locked").mkdir(mode=0o500)
    os.mkfifo(box.home / "pipe")
    here = os.getcwd()
    os.chdir(box.home)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        os.chdir(here)
        disks.take(ROOT, SNAP)
    copy = tmp_path / "snapshots" / SNAP / "home"
    assert {p.name for p in copy.iterdir()} == {"note", "secret", "link", "locked"}
    assert os.readlink(copy / "link") == "/nowhere"
    assert [copy.joinpath(n).stat().st_mode & 0o777 for n in ("secret", "locked")] == [0o000, 0o500]
    assert secret.stat().st_mode & 0o777 == 0o000
    disks.forget(SNAP)
    assert not copy.exists()


def test_a_read_only_home_moves(disks, box):
    """A folder that its owner may not write to is moved all the same, and stays as it was."""
    box.home.chmod(0o500)
    disks.detach(ROOT)
    disks.attach(ROOT, OTHER, "/dev/sda1", True)
    moved = box.root.parent / OTHER / "home"
    assert moved.stat().st_mode & 0o777 == 0o500
    moved.chmod(0o700)


def test_a_disk_that_never_was_used_has_no_files(disks, tmp_path):
    """A snapshot of it is empty, and so is a volume made of that."""
    disks.take(ROOT, SNAP)
    disks.copy(SNAP, "snap-0b")
    assert not disks.restore("snap-0b", "vol-0d")
    disks.detach(ROOT)
    disks.delete(ROOT)
    disks.forget(SNAP)
    assert not (tmp_path / "snapshots").exists() or not any((tmp_path / "snapshots").iterdir())


def test_what_a_killed_sandbox_forgot_is_found(disks, box, tmp_path):
    """A volume that the disk knows as attached, and the state does not, is moved with its files."""
    disks.attach(DATA, OTHER, "/dev/sdf", False)
    assert (tmp_path / "boxes" / OTHER / "data/set").read_text() == "big"
    assert not (box.root / "data").exists()


@pytest.mark.parametrize("bad", ["../x", "", "vol/1", "."])
def test_an_id_is_no_path(disks, bad):
    """An id that could name another folder is refused."""
    for act in (disks.delete, disks.forget, disks.detach):
        with pytest.raises(ValueError, match="not an id"):
            act(bad)
