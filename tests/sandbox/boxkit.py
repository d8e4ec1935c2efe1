"""What the tests of the boxes share: running box servers, and OpenSSH's own client pointed at them."""

import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

from spotbox.sandbox.boxes import BoxServers, BoxSpec

SPEC = BoxSpec(
    instance_id="i-0123456789abcdef0",
    user="ubuntu",
    hostname="ip-172-31-5-9",
    instance_type="g5.xlarge",
    region="us-east-1",
    authorized_keys=(),
    gpu="A10G",
    gpu_count=1,
    gpu_memory_mib=24576,
    vcpus=4,
)


def until(fact, timeout=60.0):
    """Whether `fact()` becomes true within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        late = time.monotonic() > deadline
        if fact():
            return True
        if late:
            return False
        time.sleep(0.02)


def processes() -> list[tuple[int, int, str]]:
    """Every process that is no zombie: pid, parent, command line."""
    table = subprocess.run(["ps", "-axwwo", "pid=,ppid=,stat=,command="], capture_output=True, text=True).stdout
    rows = [line.split(maxsplit=3) for line in table.splitlines()]
    return [(int(pid), int(parent), command) for pid, parent, state, command in rows if not state.startswith("Z")]


def alive(command: str) -> bool:
    """Whether a process with exactly this command line runs."""
    return any(found == command for _, _, found in processes())


def keepers(sandbox: int) -> set[int]:
    """The keeper processes of the sandbox with this process id."""
    return {pid for pid, parent, command in processes() if parent == sandbox and "boxkeeper.py" in command}


def nap(number: int) -> str:
    """A `sleep` that no other test run has."""
    return f"sleep {number}.{os.getpid()}"


class Lab:
    """Box servers with one open box, and a client that knows its key and host key."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.peers: list[str] = []
        self.admit = True
        self.pushed: list[str] = []
        self.shutdowns: list[str] = []
        self.activity = 0
        self.boxes = self.servers()
        self.boxes.start()
        self.key, self.public = self.make_key("id")
        self.spec = replace(SPEC, authorized_keys=(self.public,))
        self.known = self.know(self.spec.instance_id)
        self.address = self.boxes.reserve()
        self.boxes.open(self.spec, self.address)

    def servers(self) -> BoxServers:
        return BoxServers(
            self.folder / "sandbox home",
            admitted=self._admitted,
            pushed_keys=lambda instance_id, user: tuple(self.pushed),
            on_shutdown=self.shutdowns.append,
            on_activity=self._active,
        )

    def _admitted(self, instance_id: str, peer: str) -> bool:
        self.peers.append(peer)
        return self.admit

    def _active(self) -> None:
        self.activity += 1

    def make_key(self, name: str, kind: str = "ed25519") -> tuple[Path, str]:
        path = self.folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", path], check=True)
        return path, path.with_suffix(".pub").read_text().strip()

    def know(self, instance_id: str) -> Path:
        """A known_hosts file with that box's host keys."""
        path = self.folder / f"known-{instance_id}"
        path.write_text("".join(f"box {line}\n" for line in self.boxes.host_keys(instance_id)))
        return path

    @property
    def target(self) -> tuple[str, int]:
        _, _, high, low = self.address.split(".")
        return self.address, int(high) * 256 + int(low)

    @property
    def home(self) -> Path:
        return self.folder / "sandbox home" / "boxes" / self.spec.instance_id / "home"

    def options(self, key: Path | None = None, known: Path | None = None) -> list[str]:
        """OpenSSH options for ssh, scp and sftp alike: this box's host key and nothing of this machine's user."""
        said = {
            "UserKnownHostsFile": known or self.known,
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": "box",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "ConnectTimeout": "60",
            "Port": self.target[1],
        }
        pairs = [part for name, value in said.items() for part in ("-o", f'{name}="{value}"')]
        return ["-F", "/dev/null", *pairs, "-i", str(key or self.key)]

    def command(self, *words: str, flags: tuple[str, ...] = (), user: str = "ubuntu", **options) -> list[str]:
        return ["ssh", *self.options(**options), *flags, f"{user}@{self.target[0]}", *words]

    def ssh(self, *words: str, input: bytes = b"", timeout: float = 120, **how) -> subprocess.CompletedProcess:
        """Run OpenSSH's client to its end; output as bytes."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "AWS_SECRET_ACCESS_KEY": "host secret"}
        return subprocess.run(self.command(*words, **how), input=input, capture_output=True, timeout=timeout, env=env)

    def stop(self) -> None:
        self.boxes.stop()
        self.boxes.wipe(self.spec.instance_id)
        shutil.rmtree(self.folder, ignore_errors=True)
