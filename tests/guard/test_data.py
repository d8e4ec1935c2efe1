"""The data volume: found, mounted, and formatted only if there is nothing at all on it (real blkid, wipefs, mkfs)."""

import os
import shutil
import subprocess

import pytest

from spotbox.resources import template_path

VOLUME = "vol-0123456789abcdef0"
NEEDED = ("blkid", "wipefs", "mkfs.ext4")
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
pytestmark = pytest.mark.skipif(
    not all(shutil.which(name, path=PATH) for name in NEEDED), reason=f"not installed here: {', '.join(NEEDED)}"
)


@pytest.fixture
def disk(tmp_path):
    """An empty disk of 8 MiB under its volume's name; what is mounted is written to a file instead."""
    (tmp_path / "by-id").mkdir()
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(8 << 20)
    (tmp_path / "by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0").symlink_to(path)
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    blkid = shutil.which("blkid", path=PATH)
    scripts = {
        "mount": f'echo "$@" >>{tmp_path}/mounted',
        "mountpoint": f"[ -e {tmp_path}/mounted ]",
        "chown": f'echo "$@" >>{tmp_path}/owned',
        "blkid": f'[ "$1" != -L ] || {{ cat {tmp_path}/label 2>/dev/null; exit; }}; exec {blkid} "$@"',
    }
    for name, body in scripts.items():
        (bin_ / name).write_text(f"#!/bin/sh\n{body}\n")
        (bin_ / name).chmod(0o755)
    return path


def mount(disk, volume=VOLUME):
    """Run mount-data; exit code and what it said."""
    folder = disk.parent
    words = [
        "sh",
        template_path("guard") / "mount-data",
        folder / "by-id",
        volume,
        folder / "data",
        "spotbox-data",
        "me",
    ]
    env = {**os.environ, "PATH": f"{folder}/bin:{PATH}"}
    done = subprocess.run(words, capture_output=True, text=True, env=env)
    assert not done.stderr
    return done.returncode, done.stdout


def kind(disk):
    words = ["blkid", "-p", "-o", "value", "-s", "TYPE", "-s", "LABEL", disk]
    return subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PATH": PATH}).stdout.split()


def made(disk):
    """The file system's own id, which each mkfs draws anew; the superblock around it may change at every look."""
    words = ["blkid", "-p", "-o", "value", "-s", "UUID", disk]
    return subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PATH": PATH}, check=True).stdout


def test_an_empty_volume_is_formatted_once_and_mounted(disk):
    """A volume with nothing on it gets ext4 with the label and is given to the user; later it is only mounted."""
    code, said = mount(disk)
    assert code == 0
    assert "formatted" in said
    assert sorted(kind(disk)) == ["ext4", "spotbox-data"]
    assert (disk.parent / "owned").read_text() == f"me: {disk.parent}/data\n"
    before = made(disk)
    (disk.parent / "mounted").unlink()
    code, said = mount(disk)
    assert code == 0
    assert "formatted" not in said
    assert made(disk) == before
    assert mount(disk) == (0, "")  # it is mounted: nothing to do


def test_the_file_system_grows_with_its_volume(disk):
    """EBS grows the volume; the guard lets the file system follow when it mounts it."""

    def blocks():
        env = {**os.environ, "PATH": PATH}
        words = ["dumpe2fs", "-h", disk]
        text = subprocess.run(words, capture_output=True, text=True, env=env, check=True).stdout
        return next(int(line.split()[-1]) for line in text.splitlines() if line.startswith("Block count:"))

    mount(disk)
    before = blocks()
    (disk.parent / "mounted").unlink()
    with disk.open("r+b") as file:
        file.truncate(2 * disk.stat().st_size)
    assert mount(disk)[0] == 0
    assert blocks() == 2 * before


@pytest.mark.parametrize("at", [0, 511, 4096, (1 << 20) - 1])
def test_one_byte_is_data(disk, at):
    """A byte in the first MiB that belongs to no file system is somebody's data: the volume is left as it is."""
    with disk.open("r+b") as file:
        file.seek(at)
        file.write(b"x")
    before = disk.read_bytes()
    code, said = mount(disk)
    assert code == 1
    assert "left as it is" in said
    assert disk.read_bytes() == before
    assert not (disk.parent / "mounted").exists()


@pytest.mark.parametrize("what", ["ext4", "swap", "partitions", "raid at the end", "two at once"])
def test_what_is_on_a_volume_stays(disk, what):
    """A file system, a partition table or a signature anywhere on it is never written over."""
    env = {**os.environ, "PATH": PATH}
    if what == "ext4":
        subprocess.run(["mkfs.ext4", "-q", "-L", "mine", disk], check=True, env=env)
    elif what == "swap":
        subprocess.run(["mkswap", "-q", disk], check=True, env=env)
    elif what == "partitions":
        with disk.open("r+b") as file:
            file.seek(446)
            file.write(bytes([0, 2, 3, 0, 0x83, 4, 5, 6, 0, 8, 0, 0, 0, 8, 0, 0]))
            file.seek(510)
            file.write(b"\x55\xaa")
    elif what == "raid at the end":
        with disk.open("r+b") as file:
            file.seek((8 << 20) - 65536)
            file.write(bytes.fromhex("fc4e2ba9") + bytes(4092))  # MD's superblock 0.90 lies at the end
    else:
        subprocess.run(["mkfs.ext4", "-q", disk], check=True, env=env)
        with disk.open("r+b") as file:
            file.write(b"XFSB")
    before = disk.read_bytes()
    mount(disk)
    assert disk.read_bytes() == before


def test_a_disk_that_is_not_there_yet_is_waited_for(disk):
    """Before the attachment the script says so and fails, to be run again; another disk is not taken instead."""
    code, said = mount(disk, "vol-0ffffffffffffffff")
    assert (code, "not attached yet" in said) == (1, True)
    assert not any(disk.read_bytes()[:4096])


def test_without_a_tag_only_the_label_counts(disk):
    """Without the volume's id a file system with the label is mounted, and nothing is formatted."""
    assert mount(disk, "")[0] == 1
    assert not any(disk.read_bytes()[:4096])
    subprocess.run(["mkfs.ext4", "-q", "-L", "spotbox-data", disk], check=True, env={**os.environ, "PATH": PATH})
    (disk.parent / "label").write_text(f"{disk}\n")
    assert mount(disk, "")[0] == 0
    assert str(disk) in (disk.parent / "mounted").read_text()


def test_the_guard_tries_until_the_volume_is_there(box):
    """With a data volume expected the guard runs the script at every look, and passes on what is new."""
    box.metadata.values["tags/instance/spotbox:data-volume"] = VOLUME
    (box.folder / "by-id").mkdir()
    box.start(data=True, data_mount=str(box.folder / "data"), data_devices=str(box.folder / "by-id"))
    box.wait(f"the data volume {VOLUME} is not attached yet")
    box.wait_for(lambda: len(box.metadata.asked) > 30)
    assert box.journal().count("not attached yet") == 1


def test_a_tag_that_is_no_volume_reaches_no_shell(box):
    """Whatever else the tag holds is not used."""
    box.metadata.values["tags/instance/spotbox:data-volume"] = "vol-0123; touch /tmp/x"
    box.start(data=True, data_mount=str(box.folder / "data"))
    box.wait_for(lambda: len(box.metadata.asked) > 20)
    assert "data volume" not in box.journal()
