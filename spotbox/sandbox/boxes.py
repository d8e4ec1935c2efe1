"""The sandbox's boxes: one real SSH server on loopback for each running instance.

A box's public address is 127.1.HI.LO, where HI.LO are the two bytes of the port its server listens on. Linux answers on
all of 127.0.0.0/8, so the server listens on that very address; elsewhere only 127.0.0.1 exists, and the port alone
tells the boxes apart.
"""

import asyncio
import random
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotbox.sandbox.boxfiles import BoxFiles, BoxSpec

if TYPE_CHECKING:
    from spotbox.sandbox.boxguard import Outside
    from spotbox.sandbox.boxserver import BoxServer, Callbacks

__all__ = ["BoxServers", "BoxSpec"]

# Below the ports that Linux (32768) and macOS (49152) hand to outgoing connections, above those that services like.
HIGH_BYTES = range(40, 127)
LOW_BYTES = range(1, 255)
REMEMBERED = 2000  # addresses: AWS gives a released address to somebody else, so a box does not get it back at once
PULSE = 20.0  # seconds between reports of activity while a connection is open
STOPPING = 30.0  # seconds to wait for the loop to do what it was told


def _target(address: str) -> tuple[str, int]:
    """Where the server of this public address listens. Raises ValueError for an address that is none of ours."""
    parts = address.split(".")
    if parts[:2] != ["127", "1"] or len(parts) != 4:
        raise ValueError(f"not the address of a sandbox box: {address!r}")
    high, low = int(parts[2]), int(parts[3])
    return (address if sys.platform == "linux" else "127.0.0.1"), high * 256 + low


def _is_free(target: tuple[str, int]) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(target)
            probe.listen(1)
        except OSError:
            return False
        return True


class BoxServers:
    """The SSH servers of all boxes, in a thread of their own. Every method may be called from any thread.

    `admitted(instance_id, peer)` says whether the security group lets the peer in: a refused one is dropped without a
    banner. `pushed_keys(instance_id, user)` gives the keys that EC2 Instance Connect holds valid now. `on_shutdown`
    is told that a box ran `shutdown`, `on_activity` that somebody uses a box. All four are called in worker threads,
    may block and may call the methods below. `outside` is the AWS that a box finds around it, see boxguard.py.
    """

    def __init__(
        self,
        home: Path,
        *,
        admitted: Callable[[str, str], bool],
        pushed_keys: Callable[[str, str], Sequence[str]],
        on_shutdown: Callable[[str], None],
        on_activity: Callable[[], None],
        outside: "Callable[[], Outside] | None" = None,
    ):
        self._home = Path(home)
        self._callbacks = (admitted, pushed_keys, on_shutdown, on_activity)
        self._outside = outside
        self._ask: Callbacks | None = None
        self._lock = threading.Lock()  # of the addresses and the keys on disk
        self._recent: deque[str] = deque(maxlen=REMEMBERED)
        self._servers: dict[str, tuple[str, BoxServer]] = {}  # instance id -> address, server; the loop's own
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; no box answers yet. Once."""
        from spotbox.sandbox.boxserver import Callbacks

        self._ask = Callbacks(*self._callbacks)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(self._loop,), name="boxes", daemon=True)
        running = threading.Event()
        self._loop.call_soon(running.set)
        self._thread.start()
        running.wait()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        pulse = loop.create_task(self._pulse())
        try:
            loop.run_forever()
        finally:
            pulse.cancel()
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(PULSE)
            if self._ask and self._count():
                await self._ask.activity()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Have the loop's thread do something, and wait for it."""
        if self._loop is None or not self._loop.is_running():
            work.close()
            raise RuntimeError("the boxes are not started")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(STOPPING)

    def stop(self) -> None:
        """Close every box and end the thread. The disks stay."""
        if self._loop is None or self._thread is None or not self._thread.is_alive():
            return
        self._do(self._close_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOPPING)

    def host_keys(self, instance_id: str) -> tuple[str, ...]:
        """The public host keys of a box as OpenSSH lines, ed25519 first; made when first asked for.

        They are kept until `wipe`, through stops and starts. Works before `start` too.
        """
        with self._lock:
            return tuple(public for _, public in BoxFiles(self._home, instance_id).host_keys())

    def reserve(self) -> str:
        """A public address that no box has or had lately and whose port is free. Raises OSError when there is none."""
        with self._lock:
            for _ in range(5000):
                high, low = random.choice(HIGH_BYTES), random.choice(LOW_BYTES)  # noqa: S311  # no secret
                address = f"127.1.{high}.{low}"
                if address not in self._recent and _is_free(_target(address)):
                    self._recent.append(address)
                    return address
        raise OSError("no free port for a box")

    def open(self, spec: BoxSpec, address: str) -> None:
        """Have the box answer at this address from now on; at another one before, it moves. Keeps its files.

        Raises ValueError for an address not of `reserve`'s kind, OSError when its port has been taken meanwhile.
        """
        target = _target(address)
        files = BoxFiles(self._home, spec.instance_id)
        with self._lock:
            self._recent.append(address)
            private = [key for key, _ in files.host_keys()]
        self._do(self._open(spec, files, address, target, private))

    async def _open(
        self, spec: BoxSpec, files: BoxFiles, address: str, target: tuple[str, int], host_keys: list[str]
    ) -> None:
        from spotbox.sandbox.boxserver import BoxServer

        known = self._servers.get(spec.instance_id)
        if known and known[0] == address and known[1].spec == spec:
            return
        await self._close(spec.instance_id)
        files.prepare(spec)
        assert self._ask is not None  # noqa: S101  # the loop runs, so start() has set it
        server = BoxServer(spec, files, self._ask)
        try:
            await server.open(target, host_keys)
            if self._outside:
                await server.boot(self._outside())
        except BaseException:
            await server.close()
            raise
        self._servers[spec.instance_id] = (address, server)

    def close(self, instance_id: str) -> None:
        """Off: the listener, the connections and every process of this box end before this returns. Twice is fine."""
        self._do(self._close(instance_id))

    async def _close(self, instance_id: str) -> None:
        _, server = self._servers.pop(instance_id, ("", None))
        if server:
            await server.close()
            server.files.clear_run()

    async def _close_all(self) -> None:
        await asyncio.gather(*(self._close(instance_id) for instance_id in list(self._servers)))

    def wipe(self, instance_id: str) -> None:
        """The disk is gone: the box is closed, its files and host keys are deleted. Twice is fine.

        Raises OSError where something cannot be deleted.
        """
        files = BoxFiles(self._home, instance_id)
        if self._loop is not None and self._loop.is_running():
            self.close(instance_id)
        with self._lock:
            files.remove()

    def connections(self) -> int:
        """How many SSH connections are open now, over all boxes."""
        return self._count()

    def _count(self) -> int:
        return sum(len(server.connections) for _, server in list(self._servers.values()))
