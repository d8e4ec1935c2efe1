"""One session of a box: its environment, its program, and the bytes between it and the SSH channel."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Mapping
from typing import Any

import asyncssh

from spotbox.sandbox import boxterm
from spotbox.sandbox.boxfiles import BoxFiles, BoxSpec, plain, system_path
from spotbox.sandbox.boxprogram import Keeper

log = logging.getLogger(__name__)
CHUNK = 65536  # bytes
FORWARDED = (
    "LANG",
    "LC_",
)  # starts of names, what sshd of Debian and Ubuntu accepts from a client (sshd_config AcceptEnv)


def environment(spec: BoxSpec, files: BoxFiles, shell: str, asked: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program on the box; of this process nothing gets in, of the client only its locale."""
    env = {
        "HOME": str(files.home),
        "USER": spec.user,
        "LOGNAME": spec.user,
        "SHELL": shell,
        "PATH": f"{files.bin}{os.pathsep}{system_path()}",
        "HOSTNAME": spec.hostname,
        "LANG": "C.UTF-8",
    }
    run = files.make_run()
    if run:
        env["TMUX_TMPDIR"] = str(run)  # else `tmux` would open the sessions of this machine's user
    env |= files.variables
    env |= {name: value for name, value in asked.items() if name.startswith(FORWARDED)}
    return {name: value.replace("\0", "") for name, value in env.items()}


def find_shell() -> str:
    """The box's login shell: bash where there is one, else sh."""
    return shutil.which("bash", path=system_path()) or "/bin/sh"


class Session:
    """The program behind one SSH channel, from start to exit status."""

    def __init__(self, process: Any, spec: BoxSpec, files: BoxFiles):
        self.process = process
        self.spec = spec
        self.files = files
        self.tty = process.term_type is not None
        self.moved = 0  # bytes given to the client
        self.busy = False  # an output is waiting for the client to take it
        self._terminal: int | None = None
        self._stdout: asyncio.ReadTransport | None = None

    def start(self) -> Keeper:
        """Start the program; our ends of its terminal or pipes are kept in `_inward` and `_outward`."""
        shell = find_shell()
        env = environment(self.spec, self.files, shell, dict(self.process.env)) | self._connection_env()
        theirs: tuple[int, int, int]
        if self.tty:
            master, slave, name = boxterm.open_terminal(self.process.term_size, self.process.term_modes)
            env |= {"TERM": plain(self.process.term_type) or "dumb", "SSH_TTY": name}
            self._terminal = master
            self._mark = self.files.terminals / os.path.basename(name)
            with contextlib.suppress(OSError):
                self._mark.write_text(name)
            self._inward, self._outward = os.dup(master), [(os.dup(master), self.process.stdout)]
            theirs, close = (slave, slave, slave), {slave}
        else:
            stdin, self._inward = os.pipe()
            stdout_read, stdout = os.pipe()
            stderr_read, stderr = os.pipe()
            self._outward = [(stdout_read, self.process.stdout), (stderr_read, self.process.stderr)]
            theirs = (stdin, stdout, stderr)
            close = set(theirs)
        try:
            return Keeper(self._program(shell, env), self.tty, env, str(self.files.home), theirs)
        except OSError:
            for fd in (self._inward, *(fd for fd, _ in self._outward)):
                os.close(fd)
            self.close_terminal()
            raise
        finally:
            for fd in close:
                os.close(fd)

    def _program(self, shell: str, env: dict[str, str]) -> list[str]:
        """Path, argv[0] and arguments, as sshd would run it; see login.sh for the posix mode of a login shell."""
        name = os.path.basename(shell)
        if self.process.command is not None:
            return [shell, name, "-c", self.process.command]
        if self.tty and name == "bash":
            env["ENV"] = str(self.files.profile)
            return [shell, f"-{name}", "--posix"]
        return [shell, f"-{name}"]

    def _connection_env(self) -> dict[str, str]:
        """What sshd tells a program of its connection (sshd(8), ENVIRONMENT)."""
        peer, here = (self.process.get_extra_info(name)[:2] for name in ("peername", "sockname"))
        env = {
            "SSH_CLIENT": f"{peer[0]} {peer[1]} {here[1]}",
            "SSH_CONNECTION": f"{peer[0]} {peer[1]} {here[0]} {here[1]}",
        }
        agent = self.process.channel.get_agent_path()
        return env | ({"SSH_AUTH_SOCK": agent} if agent else {})

    def close_terminal(self) -> None:
        """Hang up: the terminal's foreground programs get SIGHUP once all our ends are closed."""
        if self._terminal is not None:
            with contextlib.suppress(OSError):
                self._mark.unlink()
            os.close(self._terminal)
            self._terminal = None

    async def run(self, keeper: Keeper) -> None:
        """Carry bytes until the program has ended and its output is delivered, then send its exit status."""
        if self.tty and self.process.command is None and not (self.files.home / ".hushlogin").exists():
            greeting = (self.files.root / "motd").read_text()
            self.process.stdout.write(greeting.replace("\n", "\r\n").encode())
        inward = asyncio.create_task(self._feed(keeper))
        self._hear_no_more_is_wanted()
        outward = [asyncio.create_task(self._pump(fd, writer)) for fd, writer in self._outward]
        closed: asyncio.Future[Any] = asyncio.create_task(self.process.channel.wait_closed())
        finished: asyncio.Future[Any] = keeper.status
        try:
            await asyncio.wait([finished, closed], return_when=asyncio.FIRST_COMPLETED)
            if not closed.done():
                await self._drain(outward, closed)
            if not closed.done():
                self._say_goodbye(*keeper.status.result())
        finally:
            tasks = [inward, closed, *outward]
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception) and not isinstance(result, (asyncssh.Error, OSError)):
                    log.error("a session failed", exc_info=result)
            self.close_terminal()

    def _hear_no_more_is_wanted(self) -> None:
        """Close the program's stdout once the client says that nobody reads it, as sshd does: `ssh BOX yes | head -1`.

        OpenSSH's PROTOCOL file, 2.1, eow@openssh.com. asyncssh knows no such request and looks for its handler by name.
        """

        def hear(packet: Any) -> bool:
            packet.check_end()
            if self._stdout is not None:
                self._stdout.close()
            return True

        self.process.channel._process_eow_at_openssh_dot_com_request = hear

    async def _drain(self, outward: list[asyncio.Task[None]], closed: asyncio.Future[Any]) -> None:
        """Deliver what the program has written.

        Pipes are read to their end, as sshd does. A terminal that a background job still holds open has no end:
        it is drained once nothing more comes.
        """
        everything: asyncio.Future[Any] = asyncio.gather(*outward)
        try:
            while not everything.done() and not closed.done():
                before = self.moved
                await asyncio.wait([everything, closed], timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
                if self.tty and self.moved == before and not self.busy:
                    return
        finally:
            everything.cancel()
            await asyncio.gather(everything, return_exceptions=True)

    def _say_goodbye(self, kind: str, number: int) -> None:
        if kind == "exit":
            self.process.exit(number)
            return
        try:
            name = signal.Signals(number).name.removeprefix("SIG")
        except ValueError:
            name = str(number)
        self.process.exit_with_signal(name)

    async def _pump(self, fd: int, writer: Any) -> None:
        """From the program to the client, no faster than the client reads."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=CHUNK)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb", 0)
        )
        if writer is self.process.stdout:
            self._stdout = transport
        with contextlib.closing(transport), contextlib.suppress(OSError, asyncssh.Error):  # EIO: the terminal's end
            while data := await reader.read(CHUNK):
                writer.write(data)
                self.busy = True
                await writer.drain()
                self.busy = False
                self.moved += len(data)

    async def _feed(self, keeper: Keeper) -> None:
        """From the client to the program: its input, signals and changes of the window's size."""
        protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_write_pipe(lambda: protocol, os.fdopen(self._inward, "wb", 0))
        writer = asyncio.StreamWriter(transport, protocol, None, loop)
        try:
            while data := await self._next_input(keeper):
                if not transport.is_closing():  # else the program has closed its input: what comes is dropped
                    with contextlib.suppress(OSError):
                        writer.write(data)
                        await writer.drain()
            if self.tty:
                await self.process.channel.wait_closed()  # a terminal has no end of input; hang up with the channel
            transport.close()
        finally:
            if not transport.is_closing():
                transport.abort()

    async def _next_input(self, keeper: Keeper) -> bytes:
        """The client's next bytes, b"" at their end; signals and window sizes on the way are acted on."""
        while True:
            try:
                data: bytes = await self.process.stdin.read(CHUNK)
                return data
            except asyncssh.TerminalSizeChanged as change:
                if self._terminal is not None:
                    boxterm.set_size(self._terminal, change.term_size)
            except asyncssh.SignalReceived as received:
                keeper.signal(received.signal)
            except asyncssh.BreakReceived:
                continue
            except (asyncssh.Error, OSError):
                return b""
