"""A script or folder read from the disk and made into `sourcedir.tar.gz`, the same bytes for the same contents."""

import errno
import gzip
import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.packing import (
    IGNORE_GIT,
    IGNORE_OWN,
    MOST_FILES,
    Contents,
    check_amount,
    entry_script,
    is_never,
    is_secret,
)
from spotbox.core.scriptmode import check_program
from spotbox.core.text import safe

# Under a link nothing is opened, and no pipe is waited for.
_OPEN = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Packed:
    """The archive: where it lies, its size in bytes, and the SHA-256 of the contents (not of their compression)."""

    path: Path
    size: int
    sha256: str


def look(source: Path) -> Contents:
    """What would be packed of a script (that file alone) or a folder. Nothing is written.

    `.spotboxignore` at the folder's top, and others below, say what stays out; without one the `.gitignore` files do,
    those above it up to the repository's top included. UsageError where there is no script to start, where a link
    leaves the folder, and where it is too much.
    """
    try:
        if source.is_dir():
            contents = _folder(Path(os.path.realpath(source)), str(source))
        elif source.is_file():
            script = Path(os.path.realpath(source))
            contents = Contents(str(script.parent), check_program(script.name), ((script.name, script.stat().st_size),))
        else:
            raise UsageError(f"there is no script or folder {safe(source)}", "Check the path.")
    except (OSError, ValueError, RecursionError) as error:  # ValueError: a null byte; else a thousand folders deep
        raise _unreadable(error, source) from error
    check_amount(contents.files)
    return contents


def pack(contents: Contents, into: Path) -> Packed:
    """Make `sourcedir.tar.gz` of `contents` in the folder `into`: sorted, no times, no owners.

    UsageError where a file can no longer be read as it was seen, SpotboxError 1 where the disk of `into` is full.
    """
    path, digest = into / "sourcedir.tar.gz", hashlib.sha256()
    names = sorted([*dict(contents.files), *dict(contents.links)])
    links, name = dict(contents.links), ""
    try:
        with open(path, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as zipped:
            tee: Any = _Tee(zipped, digest)
            with tarfile.open(fileobj=tee, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                for name in names:
                    _add(tar, contents.root, name, links.get(name))
    except OSError as error:
        if error.errno in _FULL:  # which no reading gives: it is the archive that has no room
            raise SpotboxError(
                f"the packed code does not fit into {safe(into.parent)}: {safe(error.strerror)}",
                "Make room there, or name another folder with TMPDIR.",
            ) from error
        raise _unreadable(error, name) from error
    return Packed(path, path.stat().st_size, digest.hexdigest())


class _Tee:
    """Writes to a file what it takes into a digest."""

    def __init__(self, file: gzip.GzipFile, digest: Any):
        self._file, self._digest = file, digest

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return self._file.write(data)


def _add(tar: tarfile.TarFile, root: str, name: str, link: str | None) -> None:
    info = tarfile.TarInfo(name)  # mtime 0, uid 0, no names
    if link is not None:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, link, 0o777
        tar.addfile(info)
        return
    with os.fdopen(os.open(os.path.join(root, name), _OPEN), "rb") as file:
        seen = os.fstat(file.fileno())
        if not stat.S_ISREG(seen.st_mode):
            raise OSError(f"{name} is no file any more")
        info.size, info.mode = seen.st_size, 0o755 if seen.st_mode & 0o100 else 0o644
        tar.addfile(info, file)


def _folder(root: Path, shown: str) -> Contents:
    walk = _Walk(root)
    walk.folder(root, walk.above())
    files = sorted(walk.files)
    packed = {path for path, _ in files}
    packed |= {parent for path in packed for parent in _parents(path)}
    links = []
    for path, target in sorted(walk.links):
        place = os.path.normpath(os.path.join(os.path.dirname(path), target)).replace(os.sep, "/")
        if place in packed:
            links.append((path, target))
        else:
            walk.skipped.append((path, "a link to what is not taken along"))
    program = entry_script([path for path, _ in files if "/" not in path], shown)
    return Contents(
        str(root), program, tuple(files), tuple(links), tuple(sorted(walk.secrets)), tuple(sorted(walk.skipped))
    )


class _Rule:
    """One line of an ignore file."""

    def __init__(self, pattern: Any, line: str):
        self.include, self.line, self._regex = pattern.include, line, pattern.regex

    def matches(self, path: str) -> bool:
        """Whether it matches this path (a folder's ends in `/`) itself, and not a folder above it.

        A folder that is ignored is never entered, and what is taken back of one says nothing of what lies in it.
        """
        if self._regex.search(path) is None:
            return False
        # pathspec: the group `ps_d` is the end of a folder that matched; a bare `/` at the end, of one above (a/**).
        if self._regex.pattern.endswith("/"):
            return any(match.end() < len(path) for match in self._regex.finditer(path))
        return any(
            match.groupdict().get("ps_d") is None or match.end("ps_d") == len(path)
            for match in self._regex.finditer(path)
        )


Rules = list[tuple[int, list[_Rule]]]


class _Walk:
    """One way through a folder, collecting what is there and not ignored."""

    def __init__(self, root: Path):
        self._root = root
        self._ignore = IGNORE_OWN if (root / IGNORE_OWN).is_file() else IGNORE_GIT
        self.files: list[tuple[str, int]] = []
        self.links: list[tuple[str, str]] = []
        self.secrets: list[str] = []
        self.skipped: list[tuple[str, str]] = []

    def above(self) -> Rules:
        """The rules of the repository's folders above; none for `.spotboxignore`, nor outside of a repository."""
        if self._ignore == IGNORE_OWN:
            return []
        above = [self._root, *self._root.parents]
        top = next((number for number, folder in enumerate(above) if (folder / ".git").exists()), 0)
        return [found for folder in reversed(above[1 : top + 1]) for found in _rules(folder, self._ignore)]

    def folder(self, folder: Path, rules: Rules) -> None:
        rules = [*rules, *_rules(folder, self._ignore)]
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            if is_never(entry.name):
                continue
            is_folder = entry.is_dir(follow_symlinks=False)
            rule = _deciding(rules, entry.path, is_folder)
            if rule is not None and rule.include:
                continue
            path = entry.path[len(os.path.join(self._root, "")) :]
            if is_secret(entry.name) and not (rule is not None and _names_secret(rule)):
                self.secrets.append(path)
            elif is_folder:
                if not os.path.isfile(os.path.join(entry.path, "pyvenv.cfg")):  # a virtual environment
                    self.folder(Path(entry.path), rules)
            else:
                self._entry(entry, path)

    def _entry(self, entry: os.DirEntry[str], path: str) -> None:
        if entry.is_symlink():
            self._link(entry, path)
        elif entry.is_file(follow_symlinks=False):
            self.files.append((path, entry.stat(follow_symlinks=False).st_size))
            if len(self.files) > MOST_FILES:  # not to walk through a whole disk first
                check_amount(self.files)
        else:
            self.skipped.append((path, "neither file nor folder"))

    def _link(self, entry: os.DirEntry[str], path: str) -> None:
        target = os.path.realpath(entry.path)
        if os.path.commonpath([target, self._root]) != str(self._root):
            raise UsageError(
                f"{safe(path)} is a link out of the folder, to {safe(target)}",
                f"Put a copy in its place, or list it in {self._ignore}.",
            )
        here = os.path.dirname(os.path.join(self._root, path))
        self.links.append((path, os.path.relpath(target, here)))


def _rules(folder: Path, name: str) -> Rules:
    """The patterns of a folder's ignore file, if it has one; what is none of git's forms is no rule, as to git."""
    path = folder / name
    if not path.is_file():  # nor a pipe, which would be waited for
        return []
    lines = path.read_bytes().decode("utf-8-sig", "surrogateescape").split("\n")
    from pathspec import GitIgnoreSpec

    found = []
    for line in lines:
        try:
            patterns = GitIgnoreSpec.from_lines([line.removesuffix("\r")]).patterns
        except ValueError:
            continue
        found += [(pattern, line) for pattern in patterns if pattern.include is not None]
    # By how much of a path lies above the file; the last line first.
    return [(len(os.path.join(folder, "")), [_Rule(pattern, line) for pattern, line in reversed(found)])]


def _deciding(rules: Rules, path: str, is_folder: bool) -> _Rule | None:
    """The rule that decides on `path`: the last that matches, in the nearest file that has one; else None."""
    for above, here in reversed(rules):
        within = path[above:] + ("/" if is_folder else "")
        for rule in here:
            if rule.matches(within):
                return rule
    return None


def _names_secret(rule: _Rule) -> bool:
    """Whether a line takes secrets along by their name: `!.env` does, `!*` does not."""
    return is_secret(rule.line.rstrip("/ \r").rpartition("/")[2].removeprefix("!"))


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _unreadable(error: Exception, what: object) -> UsageError:
    name = getattr(error, "filename", None) or what
    why = getattr(error, "strerror", None) or error
    return UsageError(f"{safe(name)} cannot be packed: {safe(why)}", "Check the path and its permissions.")
