"""The program of one instance of a training job: a local process with all that comes of it, and its output.

A keeper (boxkeeper.py) stands between the sandbox and the program: it ends every process of the session when it is
told to, and also when the sandbox is gone, were it by SIGKILL.
"""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from spotbox.sandbox.boxfiles import HERE
from spotbox.sandbox.keepers import start_keeper
from spotbox.sandbox.trainenv import Place
from spotbox.sandbox.trainlogs import Lines, Writer

CHUNK = 65536
DRAIN = 2.0  # seconds for output that is still on its way when the program has ended
ENDING = 7.0  # seconds for a keeper to end all of its session
ERRORS_KEPT = 4096  # bytes of the end of stderr


class Program:
    """A running program. `ended()` is called from its thread, once, when nothing of it is left."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], cwd: str, log: Writer, ended: Callable[[], None]
    ):
        """Start it. Raises OSError or ValueError where it cannot be."""
        self.code: int | None = None  # as a shell tells it: 128 and the signal's number where one ended it
        self.errors = b""  # the end of what it wrote to stderr
        self.over = threading.Event()
        self._ended = ended
        self._lines = {"out": Lines(log), "err": Lines(log)}
        words = ["pipe", command[0], command[0], *command[1:]]
        stdio = (subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE)
        self._process, self._ours = start_keeper(words, env, cwd, stdio)
        threading.Thread(target=self._watch, name="training output", daemon=True).start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program's process group."""
        with contextlib.suppress(OSError):
            self._ours.send(bytes([number]))

    def end(self) -> None:
        """Have all processes of it ended; `over` is set when they are."""
        with contextlib.suppress(OSError):
            self._ours.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """End it and wait, some seconds at most."""
        self.end()
        if not self.over.wait(ENDING):
            self._process.kill()  # the keeper is stuck; what it kept dies with it

    def _watch(self) -> None:
        """Read output and the keeper's word until both have ended."""
        try:
            self._read()
        finally:
            for lines in self._lines.values():
                lines.end()
            self._process.wait()
            for stream in (self._process.stdout, self._process.stderr, self._ours):
                if stream:
                    stream.close()
            self.code = 137 if self.code is None else self.code
            self.over.set()
            self._ended()

    def _read(self) -> None:
        until = None  # the program has ended; what is left of its session ends now
        with selectors.DefaultSelector() as selector:
            assert self._process.stdout is not None  # noqa: S101  # both are pipes
            assert self._process.stderr is not None  # noqa: S101
            selector.register(self._process.stdout, selectors.EVENT_READ, "out")
            selector.register(self._process.stderr, selectors.EVENT_READ, "err")
            selector.register(self._ours, selectors.EVENT_READ, "keeper")
            while selector.get_map() and (until is None or time.monotonic() < until):
                for key, _ in selector.select(0.2 if until else None):
                    data = self._ours.recv(256) if key.data == "keeper" else os.read(key.fd, CHUNK)
                    if not data:
                        selector.unregister(key.fileobj)
                    if key.data == "keeper":
                        self._hear(data)
                        until = until or (time.monotonic() + DRAIN + ENDING if data else time.monotonic() + DRAIN)
                        self.end()
                    else:
                        self._take(key.data, data)

    def _take(self, which: str, data: bytes) -> None:
        self._lines[which].feed(data)
        if which == "err":
            self.errors = (self.errors + data)[-ERRORS_KEPT:]

    def _hear(self, data: bytes) -> None:
        """The keeper's one line: `exit N` or `signal N`."""
        word, _, number = data.partition(b"\n")[0].partition(b" ")
        if self.code is None and number.isdigit():
            self.code = int(number) + (128 if word == b"signal" else 0)


def in_place(command: Sequence[str], place: Place) -> list[str]:
    """The command line that starts a program where /opt/ml is the folder of its instance, in the folder of its code."""
    root = place.root
    into = [str(root / "opt"), str(place.ml), str(root / "hosts"), place.told("code")]
    return [sys.executable, "-I", "-S", str(HERE / "trainroot.py"), *into, *command]


@lru_cache(maxsize=1)
def literal() -> bool:
    """Whether this system lets a program have an /opt/ml and an /etc/hosts of its own. Tried once."""
    if sys.platform != "linux" or os.environ.get("SPOTBOX_SANDBOX_OPT_ML") == "0":
        return False
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), literal=True)
        (place.ml / "code").mkdir(parents=True)
        (place.root / "opt").mkdir()
        (place.root / "hosts").write_text("127.0.0.1 localhost\n")
        command = in_place(["/bin/sh", "-c", "test -d /opt/ml/code && test $PWD = /opt/ml/code"], place)
        try:
            done = subprocess.run(command, env={}, capture_output=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0
