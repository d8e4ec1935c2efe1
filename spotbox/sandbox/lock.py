"""One process at a time starts, stops or resets the sandbox of a folder."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from spotbox.core.errors import SpotboxError

READY_WITHIN = 30.0  # seconds that a sandbox may take to answer; it takes about two


class Lock:
    """The folder's lock, waited for; as a context it is the file descriptor. SpotboxError where it cannot be written.

    It is flock(2)'s, which holds as long as any process has the descriptor open: a child that it was passed to, too.
    """

    def __init__(self, home: Path):
        self.home = home

    def __enter__(self) -> int:
        import fcntl

        try:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.file = (self.home / "lock").open("w")
        except OSError as error:
            text = f"cannot write to the sandbox's folder: {error.strerror}"
            raise SpotboxError(text, f"make {self.home} writable, or set SPOTBOX_HOME") from error
        fcntl.flock(self.file, fcntl.LOCK_EX)
        return self.file.fileno()

    def __exit__(self, *_: object) -> None:
        self.file.close()


def hold(descriptor: int) -> Callable[[], None]:
    """Hold the lock that a sandbox was passed at its start, until what is returned is called: it answers.

    One that hangs lets go of it when it is late, so that another can be started.
    """
    file = os.fdopen(descriptor, "w")
    late = threading.Timer(READY_WITHIN, file.close)
    late.daemon = True
    late.start()

    def release() -> None:
        late.cancel()
        file.close()

    return release
