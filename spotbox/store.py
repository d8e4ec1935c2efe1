"""What was asked of AWS a while ago: small JSON files that may be deleted at any time, shared by many processes."""

import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

MOST = 32 * 1024 * 1024  # bytes; a larger file is none of ours
PATIENCE = 4.0  # seconds for another process's lock; what a stopped one holds is not waited for


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """Small JSON files under the cache folder. A damaged or unwritable one is no error: it is asked for again.

    Times inside are ISO 8601 in UTC; `moment` reads them. `now` gives aware UTC.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime] = _utc_now):
        self.folder = folder
        self.now = now

    def read(self, name: str) -> dict[str, Any]:
        """What the file of that name holds; empty where it is absent, damaged or unreadable."""
        try:
            path = self._path(name)
            found = path.stat()
            if found.st_size > MOST or not stat.S_ISREG(found.st_mode):  # a pipe would be waited for
                return {}
            data = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return data if isinstance(data, dict) else {}

    def update(self, name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Replace what the file holds by `change` of it, whole, while no other process does; silent on a full disk."""
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._locked(name):
                self._write(self._path(name), change(self.read(name)))

    def moment(self, text: object, within: timedelta) -> datetime | None:
        """The time that an entry carries, if it is one, not in the future and at most `within` ago; else None."""
        try:
            at = datetime.fromisoformat(str(text))
            fresh = at.tzinfo is not None and timedelta(0) <= self.now() - at <= within
        except (ValueError, OverflowError):
            return None
        return at.astimezone(UTC) if fresh else None

    def stamp(self) -> str:
        """The present as entries carry it."""
        return self.now().isoformat(timespec="seconds")

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """The file's lock, which the kernel takes back from a process that dies. OSError where it cannot be had."""
        path = self.folder / f".{name}.lock"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            end = time.monotonic() + PATIENCE
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.01)
            yield
        finally:
            os.close(fd)

    def _write(self, path: Path, data: dict[str, Any]) -> None:
        """A new file in the place of the old one. Not forced to the disk: what a crash damages is asked for again."""
        import tempfile  # only where something is written

        text = json.dumps(data, separators=(",", ":"))  # not json.dump, whose way is ten times as long
        fd, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=self.folder)  # made 0600
        try:
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(draft, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(draft)
            raise


class NoStore(Store):
    """A store that forgets: where there is no cache, everything is asked anew."""

    def __init__(self, now: Callable[[], datetime] = _utc_now):
        super().__init__(Path(os.devnull), now)

    def read(self, name: str) -> dict[str, Any]:
        """Nothing."""
        return {}

    def update(self, name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Keep nothing."""
