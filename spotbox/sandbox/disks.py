"""What is on the disks: the files of every volume, and of every snapshot of one.

home/volumes/<id>/at         where the files are now: an instance, and the folder of its box; not there while detached
home/volumes/<id>/content/   the files of a volume that no instance has
home/snapshots/<id>/         the files as they were when the snapshot was taken

A root volume holds ROOT_DISK of the box's folder, any other volume one folder of it: `data`, and for more of them
`data-<device>`. They are moved, not linked, so that a box's own paths lead nowhere else. What was never attached has no
files, and neither has a snapshot of it.
"""

import contextlib
import logging
import os
import shutil
import stat
from pathlib import Path

from spotbox.sandbox.boxfiles import INSTANCE_ID, ROOT_DISK, BoxFiles, remove_tree

log = logging.getLogger("spotbox.sandbox")
DATA = "data"  # the folder of a box's first volume beside its root
# A file system is not empty once it is made: ext4's own folder, and in it the volume that it was made on. Nothing of
# the sandbox formats a volume, so both are lost only where somebody empties it.
MADE_ON = Path("lost+found") / "volume"


class Disks:
    """The folders of all volumes and snapshots. Ids are those that the sandbox gave; ValueError for others."""

    def __init__(self, home: Path):
        self._home = Path(home).absolute()

    def _volume(self, volume_id: str) -> Path:
        return self._home / "volumes" / _name(volume_id)

    def _snapshot(self, snapshot_id: str) -> Path:
        return self._home / "snapshots" / _name(snapshot_id)

    def _place(self, volume_id: str) -> tuple[BoxFiles, str] | None:
        """The box that has the volume and the name of its folder there, `/` for a root volume."""
        try:
            box_id, name = (self._volume(volume_id) / "at").read_text().split()
        except FileNotFoundError:
            return None
        return BoxFiles(self._home, box_id), name

    # Volumes

    def attach(self, volume_id: str, box_id: str, device: str, root: bool) -> None:
        """Put the volume's files into the box; a data volume without any gets a fresh file system."""
        self.detach(volume_id)  # a sandbox that was killed may know less than the disk
        box, folder = BoxFiles(self._home, box_id), self._volume(volume_id)
        box.make()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = folder / "content"
        name = "/" if root else DATA if not (box.root / DATA).exists() else f"{DATA}-{Path(device).name}"
        (folder / "at").write_text(f"{box_id} {name}\n")
        if root:
            _move_all(content, box.root)
            return
        if not content.exists():
            (content / MADE_ON.parent).mkdir(parents=True)
            (content / MADE_ON).write_text(f"{volume_id}\n")
        _move(content, box.root / name)

    def detach(self, volume_id: str) -> None:
        """Take the volume's files out of the box that has it. Twice is fine."""
        place = self._place(volume_id)
        if place is None:
            return
        box, name = place
        content = self._volume(volume_id) / "content"
        if name == "/":
            content.mkdir(mode=0o700, exist_ok=True)
            _move_all(box.root, content)
        elif (box.root / name).exists():
            _move(box.root / name, content)
        (self._volume(volume_id) / "at").unlink()

    def delete(self, volume_id: str) -> None:
        """The volume is gone, with its files. Twice is fine."""
        self.detach(volume_id)
        remove_tree(self._volume(volume_id))

    def new_host_keys(self, box_id: str) -> None:
        """Forget the host keys that came with the root volume: the box makes its own."""
        BoxFiles(self._home, box_id).forget_host_keys()

    # Snapshots

    def take(self, volume_id: str, snapshot_id: str) -> None:
        """Copy the files of a volume as they are now."""
        place, target = self._place(volume_id), self._snapshot(snapshot_id)
        if place is None:
            _copy(self._volume(volume_id) / "content", target)
        elif place[1] != "/":
            _copy(place[0].root / place[1], target)
        else:
            for name in ROOT_DISK:
                _copy(place[0].root / name, target / name)

    def restore(self, snapshot_id: str, volume_id: str) -> bool:
        """Give a new volume the files of a snapshot; False if it has none."""
        source = self._snapshot(snapshot_id)
        _copy(source, self._volume(volume_id) / "content")
        return source.exists()

    def copy(self, snapshot_id: str, to: str) -> None:
        """Copy the files of a snapshot to those of another."""
        _copy(self._snapshot(snapshot_id), self._snapshot(to))

    def forget(self, snapshot_id: str) -> None:
        """The snapshot is gone, with its files. Twice is fine."""
        remove_tree(self._snapshot(snapshot_id))


def _name(resource_id: str) -> str:
    if not INSTANCE_ID.fullmatch(resource_id):
        raise ValueError(f"not an id: {resource_id!r}")
    return resource_id


def _move_all(source: Path, target: Path) -> None:
    """Move what a root volume holds."""
    for name in ROOT_DISK:
        if os.path.lexists(source / name):
            _move(source / name, target / name)


def _move(source: Path, target: Path) -> None:
    """Rename; a folder that is read-only may not be given another parent, so it is writable for that moment."""
    mode = source.lstat().st_mode
    fixed = stat.S_ISDIR(mode) and not mode & stat.S_IWUSR
    if fixed:
        source.chmod(stat.S_IMODE(mode) | stat.S_IWUSR)
    source.rename(target)
    if fixed:
        target.chmod(stat.S_IMODE(mode))


def _copy(source: Path, target: Path) -> None:
    """Copy a file or a folder with all below it, as far as it can be read. Nothing if it is not there.

    Sockets and pipes stay behind. What vanishes or cannot be read is missed, and the log says how much: a running box
    is copied as it stands, as EBS does.
    """
    if not source.is_dir():
        with contextlib.suppress(FileNotFoundError):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _copy_file(str(source), str(target))
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        shutil.copytree(source, target, symlinks=True, ignore=_special, copy_function=_copy_file, dirs_exist_ok=True)
    except shutil.Error as error:
        log.warning("a copy of a disk lacks %d files", len(error.args[0]))


def _copy_file(source: str, target: str) -> str:
    """One file with its mode and times, also one that its owner may not read."""
    try:
        return shutil.copy2(source, target, follow_symlinks=False)
    except PermissionError:
        mode = stat.S_IMODE(os.lstat(source).st_mode)
        os.chmod(source, mode | stat.S_IRUSR)
        try:
            shutil.copy2(source, target, follow_symlinks=False)
        finally:
            os.chmod(source, mode)
        os.chmod(target, mode)
        return target


def _special(folder: str, names: list[str]) -> set[str]:
    found = set()
    for name in names:
        with contextlib.suppress(OSError):
            mode = os.lstat(os.path.join(folder, name)).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                found.add(name)
    return found
