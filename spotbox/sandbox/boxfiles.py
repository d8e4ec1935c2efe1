"""What a box is on disk: host keys, the programs on its PATH, the user's home folder, and where `shutdown` writes to.

home/boxes/<id>/ssh_host_*_key   private host keys, 0600
                bin/             programs that come first on the box's PATH
                home/            the user's own files
                system/          what user data and its guard wrote to /etc, /opt and /var
                                 (these and the host keys are what lies on the root volume)
                data/            the files of the data volume, while one is attached
                terminals/       the names of its sessions' terminals, for wall
                box.json         the hardware that nvidia-smi tells of
                power            a FIFO: one line for each `shutdown`
"""

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import stat
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from spotbox.resources import template_path

HERE = Path(__file__).parent
INSTANCE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
HOST_KEY_TYPES = {"ed25519": "ssh-ed25519", "ecdsa": "ecdsa-sha2-nistp256"}
HOST_KEYS = tuple(f"ssh_host_{name}_key" for name in HOST_KEY_TYPES)
# What of a box's folder lies on its root volume (disks.py). `system` is for what user data writes to /etc and /var.
ROOT_DISK = ("home", "system", *HOST_KEYS)
# A program's other names; its text is templates/box/<program>.sh.
PROGRAMS = {
    "hostname": ("hostname",),
    "power": ("shutdown", "poweroff", "halt", "reboot"),
    "sudo": ("sudo",),
    "systemctl": ("systemctl",),
    "wall": ("wall",),
    "whoami": ("whoami",),
}
SKELETON = {"bashrc": ".bashrc", "profile": ".profile"}
NOT_NVIDIA = re.compile(r"radeon|gaudi|qualcomm|inferentia|trainium|xilinx|u30", re.IGNORECASE)


@dataclass(frozen=True)
class BoxSpec:
    """What a box is. `gpu_memory_mib` is the total of all its GPUs; `authorized_keys` are OpenSSH public key lines."""

    instance_id: str
    user: str
    hostname: str
    instance_type: str
    region: str
    authorized_keys: tuple[str, ...]
    gpu: str | None
    gpu_count: int
    gpu_memory_mib: int
    vcpus: int


def has_nvidia(spec: BoxSpec) -> bool:
    """Whether the box has a GPU that nvidia-smi would list."""
    return bool(spec.gpu and spec.gpu_count and not NOT_NVIDIA.search(spec.gpu))


def system_path() -> str:
    """The PATH of a box behind its own bin folder: the system's folders, and those where needed programs lie."""
    folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    for program in ("bash", "sh", "scp", "rsync"):
        found = shutil.which(program, path=os.pathsep.join(folders)) or shutil.which(program)
        if found and os.path.isabs(found) and os.path.dirname(found) not in folders:
            folders.append(os.path.dirname(found))
    return os.pathsep.join(folders)


def plain(text: object) -> str:
    """Text for a terminal or a script: control characters are gone."""
    return "".join(char if char.isprintable() else "?" for char in str(text))


class BoxFiles:
    """The folder of one box. Raises ValueError for an instance id that cannot be a folder's name."""

    def __init__(self, home: Path, instance_id: str):
        if not INSTANCE_ID.fullmatch(instance_id):
            raise ValueError(f"not an instance id: {instance_id!r}")
        self.root = Path(home).absolute() / "boxes" / instance_id
        self.bin = self.root / "bin"
        self.home = self.root / "home"
        self.power = self.root / "power"
        self.profile = self.root / "login"
        self.system = self.root / "system"
        self.terminals = self.root / "terminals"
        self.variables: dict[str, str] = {}  # what every program of the box finds in its environment
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        # Sockets (tmux's) need a short path: sun_path holds 104 bytes on macOS, 108 on Linux.
        self.run = Path("/tmp") / f"spotbox-{os.getuid()}-{digest}"  # noqa: S108  # owner and mode are checked

    def make(self) -> None:
        """Make the folders that every use needs; private to this user."""
        for folder in (self.root.parent, self.root, self.bin):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def host_keys(self) -> list[tuple[str, str]]:
        """The host keys as (private PEM, public line), made on first use; the files survive all but `remove`."""
        import asyncssh

        self.make()
        keys = []
        for name, algorithm in HOST_KEY_TYPES.items():
            path = self.root / f"ssh_host_{name}_key"
            if not path.exists():
                fresh = asyncssh.generate_private_key(algorithm).export_private_key()
                partial = path.with_suffix(".new")
                partial.unlink(missing_ok=True)
                with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(fresh)
                partial.rename(path)
            private = path.read_text()
            public = asyncssh.import_private_key(private).export_public_key().decode()
            keys.append((private, " ".join(public.split()[:2])))
        return keys

    def prepare(self, spec: BoxSpec) -> None:
        """Write what `spec` says: programs, hardware, and the home folder of a new disk."""
        self.make()
        (self.root / "box.json").write_text(json.dumps(asdict(spec)))
        self._write_programs(spec)
        (self.root / "scheduled").unlink(missing_ok=True)  # a shutdown planned before the box was off is forgotten
        self.profile.write_text((template_path("box") / "login.sh").read_text())
        (self.root / "motd").write_text(motd(spec, self.home))
        shutil.rmtree(self.terminals, ignore_errors=True)
        self.terminals.mkdir(mode=0o700)
        if not self.home.exists():
            self.home.mkdir(mode=0o750)
            for template, name in SKELETON.items():
                (self.home / name).write_text((template_path("box") / template).read_text())
        if not self.power.exists():
            os.mkfifo(self.power, 0o600)

    def _write_programs(self, spec: BoxSpec) -> None:
        shutil.rmtree(self.bin)
        self.bin.mkdir(mode=0o700)
        values = {"BOX": self.root, "BOX_USER": plain(spec.user), "BOX_HOSTNAME": plain(spec.hostname)}
        head = "#!/bin/sh\n" + "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())
        for program, names in PROGRAMS.items():
            for name in names:
                self.write_program(name, head + (template_path("box") / f"{program}.sh").read_text())
        if has_nvidia(spec):
            command = [sys.executable, "-I", "-S", str(HERE / "nvidia_smi.py"), str(self.root / "box.json")]
            self.write_program("nvidia-smi", f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        elif shutil.which("nvidia-smi", path=system_path()):  # this machine's own GPU is none of the box's
            self.write_program("nvidia-smi", "#!/bin/sh\necho 'nvidia-smi: command not found' >&2\nexit 127\n")

    def write_program(self, name: str, text: str) -> None:
        """Put a program on the box's PATH."""
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o700)

    def make_run(self) -> Path | None:
        """The folder for this box's sockets; None where somebody else holds its name."""
        with contextlib.suppress(OSError):
            self.run.mkdir(mode=0o700, exist_ok=True)
            info = self.run.lstat()
            if stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid() and not info.st_mode & 0o077:
                return self.run
        return None

    def clear_run(self) -> None:
        """Remove the sockets of a box that is off."""
        if self.make_run():
            shutil.rmtree(self.run, ignore_errors=True)

    def forget_host_keys(self) -> None:
        """Let the box make new host keys."""
        for name in HOST_KEYS:
            (self.root / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all of the box, its host keys included. Raises OSError where something cannot be removed."""
        self.clear_run()
        remove_tree(self.root)


def remove_tree(root: Path) -> None:
    """Remove a folder if it is there; read-only folders in it too, symbolic links never followed. Raises OSError."""
    if root.exists():
        for folder, _, _ in os.walk(root):
            with contextlib.suppress(OSError):
                os.chmod(folder, 0o700)
        shutil.rmtree(root)


def motd(spec: BoxSpec, home: Path) -> str:
    """The greeting of an interactive login: what the box would be on AWS, and what it is here."""
    hardware = f"{spec.vcpus} vCPUs"
    if spec.gpu and spec.gpu_count:
        hardware += f", {spec.gpu_count} x {plain(spec.gpu)}"
    line = "=" * 77
    return f"""{line}
  A sandbox box of spotbox, in the place of a Deep Learning AMI on EC2
{line}
  Instance      {plain(spec.instance_id)}  {plain(spec.instance_type)}  {plain(spec.region)}
  Hardware      {hardware} (made up)
  Files         {plain(home)}

This is a shell on your own machine, not on AWS: it costs nothing, its GPU is
invented, and programs run here as you, with your files in reach. `sudo` adds
no rights. Files in ~ stay until the box's disk is deleted (spotbox down). What
would lie in /etc, /opt and /var, such as its guard's log, is in ../system; a
data volume, which a box on EC2 has at /data, is in ../data.
"""
