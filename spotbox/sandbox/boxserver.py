"""The SSH server of one box: who gets in, and what a connection may ask for."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncssh

from spotbox.sandbox.boxfiles import BoxFiles, BoxSpec
from spotbox.sandbox.boxguard import Inside, Outside
from spotbox.sandbox.boxprogram import Keeper
from spotbox.sandbox.boxshell import Session, environment, find_shell

log = logging.getLogger(__name__)
VERSION = "OpenSSH_9.6p1"  # Ubuntu 24.04's; a client of OpenSSH tells nobody else that its output is closed (compat.c)
MAX_CONNECTIONS = 100  # to one box at a time, those not yet logged in included
LOGIN_TIMEOUT = 30  # seconds from the first byte to a login
BACKLOG = 64
MAX_AUTH_TRIES = 6  # refused keys until the connection ends: sshd_config(5), MaxAuthTries


class Callbacks:
    """The questions a box asks of the world. They run in worker threads: the loop never waits for a lock of theirs."""

    def __init__(
        self,
        admitted: Callable[[str, str], bool],
        pushed_keys: Callable[[str, str], Sequence[str]],
        on_shutdown: Callable[[str], None],
        on_activity: Callable[[], None],
    ):
        self._admitted = admitted
        self._pushed_keys = pushed_keys
        self._on_shutdown = on_shutdown
        self._on_activity = on_activity

    async def admitted(self, instance_id: str, peer: str) -> bool:
        """Whether the security group lets the peer in; a question that fails is a no."""
        return bool(await self._ask(self._admitted, instance_id, peer))

    async def pushed_keys(self, instance_id: str, user: str) -> Sequence[str]:
        """The keys that EC2 Instance Connect holds valid now."""
        return await self._ask(self._pushed_keys, instance_id, user) or ()

    async def shutdown(self, instance_id: str) -> None:
        """The box turns itself off."""
        await self._ask(self._on_shutdown, instance_id)

    async def activity(self) -> None:
        """Somebody is using a box."""
        await self._ask(self._on_activity)

    async def _ask(self, question: Callable[..., Any], *args: str) -> Any:
        try:
            return await asyncio.to_thread(question, *args)
        except Exception:
            log.exception("a callback of the boxes failed")
            return None


class Door(asyncssh.SSHServer):
    """One connection to a box."""

    def __init__(self, box: "BoxServer"):
        self._box = box
        self._conn: asyncssh.SSHServerConnection | None = None
        self._refused = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        self._box.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._box.connections.discard(self._conn)

    def begin_auth(self, username: str) -> bool:
        return True  # nobody gets in without a key

    def public_key_auth_supported(self) -> bool:
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        known = await self._box.knows(username, key)
        self._refused += not known
        if self._refused >= MAX_AUTH_TRIES and self._conn:
            self._conn.disconnect(asyncssh.DISC_PROTOCOL_ERROR, "Too many authentication failures")
        return known

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        return True  # ssh -L and -D; as sshd's AllowTcpForwarding yes

    def unix_connection_requested(self, dest_path: str) -> bool:
        return True

    async def server_requested(self, listen_host: str, listen_port: int) -> Any:
        """ssh -R, on loopback whatever was asked for: sshd's GatewayPorts no."""
        assert self._conn is not None  # noqa: S101
        return await self._conn.forward_local_port("127.0.0.1", listen_port, listen_host, listen_port)

    def unix_server_requested(self, listen_path: str) -> bool:
        return True


class Sftp(asyncssh.SFTPServer):
    """SFTP that starts in the box's home; absolute paths are those of the machine, as in its shell."""

    def __init__(self, chan: Any, spec: BoxSpec, files: BoxFiles):
        super().__init__(chan)
        self._user = spec.user
        self._home = os.fsencode(files.home)

    def map_path(self, path: bytes) -> bytes:
        if path == b"~" or path.startswith(b"~/"):
            path = path[2:]
        return os.path.normpath(os.path.join(self._home, path)) if not path.startswith(b"/") else path

    def format_user(self, uid: int | None) -> str:
        return self._user if uid == os.getuid() else super().format_user(uid)

    def exit(self) -> None:
        """End with a status: without one, OpenSSH's scp reports failure after a good copy."""
        with contextlib.suppress(OSError):
            self.channel.exit(0)


class BoxServer:
    """A running box: its listener, connections and sessions. Lives in the loop's thread."""

    def __init__(self, spec: BoxSpec, files: BoxFiles, ask: Callbacks):
        self.spec = spec
        self.files = files
        self.connections: set[Any] = set()
        self._ask = ask
        self._keepers: set[Keeper] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._power: asyncio.ReadTransport | None = None
        self._inside: Inside | None = None
        self._closed = False

    async def open(self, target: tuple[str, int], host_keys: list[str]) -> None:
        """Listen at (host, port). Raises OSError when the port is taken."""
        self._options = await asyncssh.SSHServerConnectionOptions.construct(
            server_factory=lambda: Door(self),
            server_version=VERSION,
            server_host_keys=[asyncssh.import_private_key(key) for key in host_keys],
            process_factory=self._serve,
            sftp_factory=lambda chan: Sftp(chan, self.spec, self.files),
            encoding=None,
            line_editor=False,
            agent_forwarding=True,
            x11_forwarding=False,
            gss_host=None,
            login_timeout=LOGIN_TIMEOUT,
            keepalive_interval=0,
        )
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(target)
            listener.listen(BACKLOG)
            listener.setblocking(False)
        except OSError:
            listener.close()
            raise
        self._listener = listener
        await self._watch_power()
        self._start(self._accept(listener))

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch_power(self) -> None:
        """Hear the lines that the box's `shutdown` writes. Opened for both ways, the FIFO never ends."""
        fifo = open(os.open(self.files.power, os.O_RDWR | os.O_NONBLOCK), "rb", 0)  # noqa: SIM115
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        self._power, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), fifo)

        async def watch() -> None:
            while await reader.read(4096):
                await self._ask.shutdown(self.spec.instance_id)

        self._start(watch())

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, peer = await loop.sock_accept(listener)
            except OSError as error:  # no file descriptor left, or a peer gone before it was met
                log.warning("cannot accept a connection: %s", error)
                await asyncio.sleep(0.5)
                continue
            self._start(self._meet(sock, peer[0]))

    async def _meet(self, sock: socket.socket, peer: str) -> None:
        """Take one connection in, or drop it without a word, as a security group does."""
        handed_over = False
        try:
            if len(self._tasks) > MAX_CONNECTIONS * 2 or len(self.connections) >= MAX_CONNECTIONS:
                return
            if not await self._ask.admitted(self.spec.instance_id, peer) or self._closed:
                return
            await self._ask.activity()
            handed_over = True  # asyncssh closes it, also when it fails
            await asyncssh.run_server(sock, config=None, options=self._options)
        except (TimeoutError, asyncssh.Error, OSError):
            return  # a scan, garbage, a wrong key: its own affair
        except Exception:
            log.exception("a connection to %s failed", self.spec.instance_id)
        finally:
            if not handed_over:
                sock.close()

    async def knows(self, user: str, key: asyncssh.SSHKey) -> bool:
        """Whether this key lets this user in: the box's own keys, and what EC2 Instance Connect has pushed."""
        if user != self.spec.user:
            return False
        pushed = await self._ask.pushed_keys(self.spec.instance_id, user)
        for line in (*self.spec.authorized_keys, *pushed):
            try:
                if asyncssh.import_public_key(line).public_data == key.public_data:
                    return not self._closed
            except (asyncssh.KeyImportError, ValueError):
                continue
        return False

    async def _serve(self, process: Any) -> None:
        """One channel: its program, or a refusal of what a box does not have."""
        if process.subsystem is not None or self._closed:
            process.exit(1)
            return
        session = Session(process, self.spec, self.files)
        try:
            keeper = session.start()
        except OSError as error:
            process.stderr.write(f"cannot start a shell: {error.strerror}\n".encode())
            process.exit(255)
            return
        self._keepers.add(keeper)
        keeper.gone.add_done_callback(lambda _: self._keepers.discard(keeper))
        with contextlib.suppress(asyncssh.Error, OSError):  # the client went away
            await session.run(keeper)

    async def boot(self, outside: Outside) -> None:
        """Start what runs on the box by itself: see boxguard.py."""
        self._inside = Inside(self.spec, self.files, outside, self._start, self._keepers)
        port = self._listener.getsockname()[1] if self._listener else 22
        await self._inside.open(port, lambda: environment(self.spec, self.files, find_shell(), {}))

    async def close(self) -> None:
        """Off, at once: no listener, no connections, no processes."""
        self._closed = True
        if self._inside:
            self._inside.close()
        if self._listener:
            self._listener.close()
        if self._power:
            self._power.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for conn in list(self.connections):
            conn.abort()
        await asyncio.gather(*(keeper.end() for keeper in list(self._keepers)))
        await asyncio.gather(*tasks, return_exceptions=True)
