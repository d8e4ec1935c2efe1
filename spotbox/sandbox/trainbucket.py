"""The sandbox's S3 for its own SageMaker: moto's, within the process, so that no call of a test's own is counted."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from moto.backends import get_backend

from spotbox.sandbox.world import ACCOUNT, World

_URI = re.compile(r"s3://([a-z0-9][a-z0-9._-]{1,62})(?:/(.*))?", re.DOTALL)


class NoObject(Exception):
    """There is no such bucket or object; the text names it."""


def split(uri: str) -> tuple[str, str]:
    """Bucket and key, or prefix, of an s3:// URI. Raises NoObject for what is none."""
    found = _URI.fullmatch(uri)
    if not found:
        raise NoObject(f"{uri} is no S3 URI")
    return found[1], found[2] or ""


class Bucket:
    """Reading and writing objects by their URI. Every method takes the world's lock for as long as it needs it."""

    def __init__(self, world: World):
        self._world = world

    def _found(self, bucket: str) -> Any:
        """moto's S3, once it is known to have the bucket. Raises NoObject."""
        backend = get_backend("s3")[ACCOUNT]["aws"]
        if bucket not in backend.buckets:
            raise NoObject(f"the bucket {bucket} does not exist")
        return backend

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """The keys below a prefix, in order. Raises NoObject where there is no such bucket."""
        with self._world.lock:
            known = list(self._found(bucket).get_bucket(bucket).keys.keys())
        return sorted(key for key in known if key.startswith(prefix))

    def read(self, bucket: str, key: str) -> bytes:
        """An object's content. Raises NoObject."""
        with self._world.lock:
            found = self._found(bucket).get_object(bucket, key)
            if found is None:
                raise NoObject(f"s3://{bucket}/{key} does not exist")
            return bytes(found.value)

    def write(self, uri: str, content: bytes) -> None:
        """Make an object of the content. Raises NoObject where there is no such bucket."""
        bucket, key = split(uri)
        with self._world.lock:
            self._found(bucket).put_object(bucket, key, content)
            self._world.changes += 1

    def exists(self, uri: str) -> bool:
        """Whether the bucket exists and has a key that begins so."""
        try:
            bucket, prefix = split(uri)
            return bool(self.keys(bucket, prefix))
        except NoObject:
            return False


def relative(key: str, prefix: str) -> str:
    """Where below a folder an object of a prefix goes (SageMaker guide, S3DataSource: the prefix itself is cut off)."""
    if key == prefix or not key.startswith(f"{prefix.rstrip('/')}/"):
        return key.removeprefix(prefix.rpartition("/")[0]).lstrip("/")
    return key.removeprefix(prefix.rstrip("/")).lstrip("/")


def inside(folder: Path, name: str) -> Path | None:
    """The path of a name below a folder; None for one that would leave it, or is a folder's."""
    parts = name.split("/")
    if not name or "\0" in name or any(part in ("", ".", "..") for part in parts):
        return None
    return folder.joinpath(*parts)


def files(folder: Path) -> Iterator[tuple[str, Path, os.stat_result]]:
    """The regular files below a folder: name with slashes, path, what stat tells. Links are not followed."""
    for top, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(top) / name
            try:
                info = path.lstat()
            except OSError:
                continue  # gone in between: a script that writes a new file and renames it
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(folder).as_posix(), path, info
