"""What a box does with its user data when it boots: files are written below the box's own folder, scripts run once.

A path of the box such as /etc/spotbox lies in `system/` of its folder, /data and the user's home in theirs: a program
of this machine's user cannot write to /etc. Commands (runcmd, bootcmd) would run on this machine, with its paths: they
are named in the log and not run, the user's own scripts excepted, which the user has asked for.
"""

import configparser
import contextlib
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from spotbox.sandbox.boxfiles import BoxFiles
from spotbox.sandbox.cloudinit import CloudConfig

UNITS = "/etc/systemd/system"
OURS = "spotbox-"  # units of this name are started; others would be services of the machine under the box
START_SCRIPT = "00-spotbox.sh"  # tells systemd of the guard: what this module does itself
SCRIPTS = "/var/lib/cloud/instance/scripts"
INSTANCE = "/var/lib/cloud/data/instance-id"
OUTPUT = "/var/log/cloud-init-output.log"


@dataclass(frozen=True)
class Unit:
    """A service of the box: what to start, and how it ends (systemd.service, systemd.kill)."""

    name: str
    command: tuple[str, ...]
    restart: float = 1.0  # seconds
    whole: bool = True  # whether what it has started ends with it


def place(files: BoxFiles, user: str, path: str) -> Path:
    """Where a path of the box lies on this machine. It never leaves the box's folder."""
    parts = Path(os.path.normpath(f"/{path}".replace("\0", ""))).parts[1:]
    if parts[:2] == ("home", user):
        return files.home.joinpath(*parts[2:])
    if parts[:1] == ("data",):
        return files.root.joinpath(*parts)
    return files.system.joinpath(*parts)


def boot(files: BoxFiles, user: str, instance_id: str, config: CloudConfig) -> list[Path]:
    """Write what the user data says; gives the scripts that are to run. Both once per instance, as cloud-init does."""
    marker = place(files, user, INSTANCE)
    with contextlib.suppress(OSError):
        if marker.read_text() == instance_id:
            return []
    for file in config.files:
        write(place(files, user, file.path), file.content, file.mode, file.append)
    scripts = []
    for number, script in enumerate(config.scripts, 1):
        if script.name != START_SCRIPT:
            scripts.append(place(files, user, f"{SCRIPTS}/{number:03d}"))
            write(scripts[-1], script.content, 0o700)
    left = [*config.ignored, *(f"not run in the sandbox: {shown(c)}" for c in (*config.boots, *config.runs))]
    write(place(files, user, OUTPUT), "".join(f"{line}\n" for line in left).encode(), 0o600)
    write(marker, instance_id.encode(), 0o600)
    return scripts


def shown(command: str | tuple[str, ...]) -> str:
    """A command on one line."""
    line = command if isinstance(command, str) else shlex.join(command)
    return "".join(char if char.isprintable() else " " for char in line)[:200]


def write(path: Path, content: bytes, mode: int, append: bool = False) -> None:
    """Write a file with exactly this mode, less what others could use; folders on the way are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC), 0o600), "wb") as file:
        file.write(content)
    path.chmod((mode & 0o700) | 0o600)


def units(files: BoxFiles, user: str) -> list[Unit]:
    """The services on the box's disk that the sandbox starts at every boot."""
    folder = place(files, user, UNITS)
    found = []
    for path in sorted(folder.glob(f"{OURS}*.service")) if folder.is_dir() else ():
        parsed = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
        try:
            parsed.read_string(path.read_text())
            service = parsed["Service"]
            words = shlex.split(service["ExecStart"].lstrip("-@:+!"))
            restart = float(service.get("RestartSec", "0.1").removesuffix("s"))
        except (configparser.Error, KeyError, ValueError, UnicodeDecodeError):
            continue
        whole = service.get("KillMode", "control-group") == "control-group"
        found.append(Unit(path.stem, tuple(_here(files, user, word) for word in words), restart, whole))
    return [unit for unit in found if unit.command]


def _here(files: BoxFiles, user: str, word: str) -> str:
    """A word of ExecStart as it is on this machine: the box's own files, and this Python for the system's."""
    if word in ("/usr/bin/python3", "/bin/python3"):
        return sys.executable
    mine = place(files, user, word)
    return str(mine) if word.startswith("/") and mine.exists() else word
