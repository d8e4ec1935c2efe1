"""mount-data on a real block device (a loop device), with the real mount: as root alone, else it skips and says so."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from spotbox.resources import template_path

VOLUME = "vol-0123456789abcdef0"
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
ENV = {**os.environ, "PATH": PATH}


def run(*words, check=True):
    """A program's output."""
    return subprocess.run([str(w) for w in words], env=ENV, check=check, capture_output=True, text=True).stdout.strip()


def needed():
    """Why it cannot be tried here; empty where it can."""
    if os.geteuid() != 0:
        return "not root: no loop device to be had"
    missing = [
        p for p in ("losetup", "mkfs.ext4", "mount", "resize2fs", "blkid", "wipefs") if not shutil.which(p, path=PATH)
    ]
    return f"not installed here: {', '.join(missing)}" if missing else ""


@pytest.fixture
def disk():
    """A loop device of 64 MiB under its volume's name, and a mount point; both are gone afterwards."""
    if why := needed():
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="spotbox-disk-"))
    with (folder / "file").open("wb") as file:
        file.truncate(64 << 20)
    made = subprocess.run(["losetup", "--show", "-f", folder / "file"], env=ENV, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no loop device here: {made.stderr.strip()}")
    device = made.stdout.strip()
    (folder / "by-id").mkdir()
    (folder / "by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0").symlink_to(device)
    yield device, folder
    subprocess.run(["umount", folder / "data"], env=ENV, capture_output=True)
    run("losetup", "-d", device)
    shutil.rmtree(folder)


def mount(folder):
    """mount-data, as the guard runs it."""
    words = [
        "sh",
        template_path("guard") / "mount-data",
        folder / "by-id",
        VOLUME,
        folder / "data",
        "spotbox-data",
        "root",
    ]
    done = subprocess.run(words, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def may_resize():
    """Whether this process has CAP_SYS_RESOURCE (bit 24), without which EXT4_IOC_RESIZE_FS is refused."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return bool(int(next(line.split()[1] for line in lines if line.startswith("CapEff:")), 16) >> 24 & 1)


def blocks(device):
    text = run("dumpe2fs", "-h", device)
    return next(int(line.split()[-1]) for line in text.splitlines() if line.startswith("Block count:"))


def there(device):
    """Its file system's id, and what stands before any file system; the superblock changes with every mount."""
    with open(device, "rb") as file:
        return run("blkid", "-p", "-o", "value", "-s", "UUID", device, check=False), file.read(1024)


def test_a_volume_is_formatted_mounted_grown_and_never_formatted_again(disk):
    """Empty: ext4, mounted, the user's. With a file on it, detached and attached anew: the same file system with the
    file, grown with its volume."""
    device, folder = disk
    code, said = mount(folder)
    assert (code, "formatted" in said) == (0, True)
    assert os.path.ismount(folder / "data")
    (folder / "data/model").write_text("step 1")
    assert mount(folder) == (0, "")
    before = blocks(device)
    run("umount", folder / "data")
    with (folder / "file").open("r+b") as file:
        file.truncate(128 << 20)
    run("losetup", "-c", device)
    code, said = mount(folder)
    assert (code, "formatted" in said) == (0, False)
    assert (folder / "data/model").read_text() == "step 1"
    if not may_resize():
        pytest.skip("all but the growth: the kernel lets a mounted file system grow with CAP_SYS_RESOURCE alone")
    assert blocks(device) == 2 * before


@pytest.mark.parametrize("what", ["somebody's file system", "a byte", "a partition table"])
def test_what_is_on_it_stays(disk, what):
    """Somebody's ext4 with another label is mounted as it is; bytes and partitions are left, and not mounted."""
    device, folder = disk
    if what == "somebody's file system":
        run("mkfs.ext4", "-q", "-L", "mine", device)
    elif what == "a byte":
        with open(device, "r+b") as file:
            file.seek(4096)
            file.write(b"x")
    else:
        with open(device, "r+b") as file:
            file.seek(446)
            file.write(bytes([0, 2, 3, 0, 0x83, 4, 5, 6, 0, 8, 0, 0, 0, 8, 0, 0]))
            file.seek(510)
            file.write(b"\x55\xaa")
    before = there(device)
    code, said = mount(folder)
    assert "formatted" not in said
    assert (code == 0, os.path.ismount(folder / "data")) == ((what == "somebody's file system"),) * 2
    assert there(device) == before
