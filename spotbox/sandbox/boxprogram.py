"""A program running on a box: the sandbox's end of its keeper process (boxkeeper.py)."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Mapping

from spotbox.sandbox.keepers import start_keeper


class Keeper:
    """A program of the box and the keeper process that started it; see boxkeeper.py.

    `status` resolves to ("exit", code) or ("signal", number); `gone` when the last process of the session has ended.
    """

    def __init__(self, program: list[str], tty: bool, env: Mapping[str, str], cwd: str, stdio: tuple[int, int, int]):
        """`program` is its path, argv[0] and arguments. Raises OSError when it cannot be started."""
        loop = asyncio.get_running_loop()
        self.status: asyncio.Future[tuple[str, int]] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        path, argv0, *args = program
        words = ["tty" if tty else "pipe", argv0, path, *args]
        self._process, self._ours = start_keeper(words, env, cwd, stdio)
        self._ours.setblocking(False)
        self._heard = b""
        loop.add_reader(self._ours, self._hear)

    @property
    def pid(self) -> int:
        """The keeper's process id: what it has started is below it."""
        return self._process.pid

    def _hear(self) -> None:
        """Read what the keeper says; its silence means that it has ended."""
        try:
            data = self._ours.recv(256)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._heard += data
        word, _, number = self._heard.partition(b"\n")[0].partition(b" ")
        if b"\n" in self._heard and not self.status.done():
            self.status.set_result((word.decode(), int(number)))
        if not data:
            asyncio.get_running_loop().remove_reader(self._ours)
            self._ours.close()
            self._process.wait()  # it is exiting: this takes microseconds and leaves no zombie
            if not self.status.done():
                self.status.set_result(("signal", signal.SIGKILL))
            self.gone.set_result(None)

    def signal(self, name: str) -> None:
        """Send a signal, by its name without SIG, to the program's process group."""
        number = getattr(signal, f"SIG{name}", None)
        if isinstance(number, signal.Signals) and not self.gone.done():
            with contextlib.suppress(OSError):
                self._ours.send(bytes([number]))

    async def end(self) -> None:
        """End every process of the session, and return when they are gone (at most some seconds)."""
        if not self.gone.done():
            with contextlib.suppress(OSError):
                self._ours.shutdown(socket.SHUT_WR)
            done, _ = await asyncio.wait({self.gone}, timeout=7)
            if not done:
                self._process.kill()
