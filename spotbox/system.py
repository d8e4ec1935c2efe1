"""Every other side effect: run ssh, probe a port, clock, sleep, the caller's own address."""

import contextlib
import hashlib
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from types import FrameType

from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.text import safe

_FOR_THE_CHILD = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
CHECKIP = "https://checkip.amazonaws.com"  # AWS's own echo of the caller's address


@dataclass(frozen=True)
class Ran:
    """How a command ended: its exit code (128 and the number of the signal that ended it, as shells tell it), and
    whether we were sent a signal meanwhile, which it was given."""

    code: int
    cut: bool = False


class System:
    """The machine spotbox runs on. Tests replace the whole object."""

    def now(self) -> datetime:
        """The time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds on a clock that never steps back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def find(self, program: str) -> str | None:
        """Path of a program, or None."""
        return shutil.which(program)

    def need_ssh(self) -> None:
        """SpotboxError unless OpenSSH's client is here."""
        missing = [name for name in ("ssh", "ssh-keygen") if not self.find(name)]
        if missing:
            raise SpotboxError(
                f"{' and '.join(missing)} not found on this machine",
                "Install OpenSSH's client (Debian/Ubuntu: apt install openssh-client) and try again.",
            )

    def ssh_version(self) -> str:
        """What `ssh -V` says, such as `OpenSSH_9.6p1, ...`; empty where there is no ssh, or it says nothing."""
        return _said(["ssh", "-V"])

    def agent_keys(self) -> tuple[str, ...]:
        """The public keys that the running ssh-agent holds, `TYPE BASE64` each; none where none runs."""
        lines = (line.split() for line in _said(["ssh-add", "-L"]).splitlines())
        return tuple(f"{words[0]} {words[1]}" for words in lines if len(words) >= 2)

    def platform(self) -> str:
        """`linux`, `darwin`."""
        return sys.platform

    def folder_trouble(self, path: Path) -> tuple[str, str]:
        """Why nothing can be written into `path`, which need not be there yet, and where: see core.machine.Folder."""
        at = next((place for place in (path, *path.parents) if os.path.lexists(place)), path)
        if not at.is_dir():
            return "file", str(at)
        if os.access(at, os.W_OK | os.X_OK):
            return "", ""
        return ("denied" if at.stat().st_uid == os.getuid() else "foreign"), str(at)

    def run_ssh(self, command: Sequence[str]) -> Ran:
        """Run the command to its end on our own terminal, which is its alone meanwhile."""
        sys.stdout.flush()
        sys.stderr.flush()
        return _attended(command)

    def ssh_works(self, command: Sequence[str]) -> bool:
        """Whether an ssh command that asks nothing and prints nothing of use ends well within half a minute."""
        try:
            done = subprocess.run(list(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
        except (subprocess.TimeoutExpired, OSError):
            return False
        return done.returncode == 0

    def make_key(self, path: Path) -> None:
        """A new ed25519 key pair at `path` and `path`.pub, without a passphrase, private half 0600.

        Both appear whole, the private half last: where it is, the other is, whenever somebody else looks.
        """
        from tempfile import TemporaryDirectory

        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with TemporaryDirectory(prefix=".new-", dir=path.parent) as folder:
            new = Path(folder) / "key"
            _keygen(path.parent, "-q", "-t", "ed25519", "-N", "", "-C", "spotbox", "-f", str(new))
            new.with_name("key.pub").replace(f"{path}.pub")
            new.replace(path)

    def make_public(self, path: Path) -> None:
        """`path`.pub anew, of the private half at `path`."""
        from tempfile import TemporaryDirectory

        with TemporaryDirectory(prefix=".new-", dir=path.parent) as folder:
            new = Path(folder) / "key.pub"
            new.write_text(_keygen(path.parent, "-y", "-P", "", "-f", str(path)), encoding="utf-8")
            new.replace(f"{path}.pub")

    def scan_host_keys(self, host: str, port: int) -> tuple[str, ...]:
        """The public keys a server shows (ssh-keyscan), unproven: compare them before you believe them."""
        if not self.find("ssh-keyscan"):
            return ()
        try:
            done = subprocess.run(
                ["ssh-keyscan", "-T", "5", "-p", str(port), "--", host], capture_output=True, text=True, timeout=20
            )
        except (subprocess.TimeoutExpired, OSError):
            return ()
        lines = [line.split() for line in done.stdout.splitlines() if not line.startswith("#")]
        return tuple(f"{words[1]} {words[2]}" for words in lines if len(words) >= 3)

    def ssh_answers(self, host: str, port: int, timeout: float = 3.0) -> bool:
        """Whether an SSH server shows its banner there."""
        try:
            with socket.create_connection((host, port), timeout=timeout) as connection:
                connection.settimeout(timeout)
                return connection.recv(8).startswith(b"SSH-")
        except OSError:
            return False

    def pipe(self, host: str, port: int) -> None:
        """Join stdin and stdout to a TCP connection until it ends: what a ProxyCommand does."""
        with socket.create_connection((host, port), timeout=20) as connection, selectors.DefaultSelector() as ready:
            connection.settimeout(None)
            ready.register(0, selectors.EVENT_READ)
            ready.register(connection, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    if key.fileobj is connection:
                        data = connection.recv(65536)
                        if not data:
                            return
                        _write_all(1, data)
                    elif data := os.read(0, 65536):
                        connection.sendall(data)
                    else:
                        ready.unregister(0)
                        connection.shutdown(socket.SHUT_WR)

    def own_address(self, env: Mapping[str, str]) -> str:
        """The address that AWS sees us come from. SpotboxError where it cannot be told."""
        url = env.get("SPOTBOX_CHECKIP_URL") or CHECKIP
        if not url.startswith(("http://", "https://")):
            raise UsageError(
                "SPOTBOX_CHECKIP_URL is not an http(s) address",
                "Unset it, or give a URL that answers with your address.",
            )
        from urllib.request import urlopen

        try:
            with urlopen(url, timeout=5) as reply:  # noqa: S310 - the scheme was checked above
                return str(ip_address(reply.read(100).decode("ascii", "replace").strip()))
        except (OSError, ValueError) as error:
            raise SpotboxError(
                f"cannot find out your own address: {safe(url)} did not answer with one ({safe(error)})",
                "Give the range you connect from with --allow-cidr, such as 203.0.113.7/32.",
            ) from None

    def machine(self) -> str:
        """A short stable mark of this machine and user, for rules that are this machine's own."""
        return hashlib.sha256(f"{socket.gethostname()}\0{os.getuid()}".encode()).hexdigest()[:8]


def _attended(command: Sequence[str]) -> Ran:
    """Run a command as a shell does: each signal that is sent to us is for it, and where it stops, so do we."""
    sent: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def hand_on(number: int, frame: FrameType | None) -> None:
        sent.append(number)
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)

    heard = [each for each in _FOR_THE_CHILD if signal.getsignal(each) is not signal.SIG_IGN]  # not one of `nohup`
    before = {each: signal.signal(each, hand_on) for each in heard}
    try:
        child = subprocess.Popen(list(command), preexec_fn=_with_us())
        for early in sent:
            os.kill(child.pid, early)
        while os.WIFSTOPPED(status := os.waitpid(child.pid, os.WUNTRACED)[1]):
            os.kill(os.getpid(), signal.SIGSTOP)  # ssh's own `~^Z` stops ssh alone, and the shell looks at us
        code = child.returncode = os.waitstatus_to_exitcode(status)
    except BaseException:  # a Ctrl-C from before that was held back (see signals.py): nobody would wait for the command
        if child is not None:
            child.terminate()
            child.wait()
        raise
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    return Ran(128 - code if code < 0 else code, bool(sent))


def _with_us() -> Callable[[], object] | None:
    """What lets a child end where we are killed and can hand on nothing (`kill -9`, a time-out of Python's subprocess).

    Linux alone has it (prctl(2), PR_SET_PDEATHSIG); elsewhere the child is left, as that of a shell is.
    """
    if sys.platform != "linux":
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl  # looked up here: between fork and exec nothing is to be loaded
    return lambda: prctl(1, signal.SIGTERM, 0, 0, 0)


def _said(command: Sequence[str]) -> str:
    """What a quick local program prints; empty where it is missing or hangs."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout or done.stderr).strip() if done.returncode == 0 else ""


def _keygen(place: Path, *options: str) -> str:
    made = subprocess.run(["ssh-keygen", *options], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if made.returncode:
        raise SpotboxError(f"ssh-keygen could not make a key: {safe(made.stderr.strip())}", f"Look at {place}.")
    return made.stdout


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
