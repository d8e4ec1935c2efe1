"""A box in a folder: the guard as it is sent, run by the system's Python as systemd would, its S3 and its metadata."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spotbox.commands._userdata import PROGRAMS
from spotbox.core.bare import bare
from spotbox.resources import template_path
from tests.guard.metadata_server import MetadataServer

AWS = Path(__file__).with_name("aws")
HERE = (os.environ.get("TEST_GUARD_PYTHON", ""), "/usr/bin/python3")
PYTHON = next((path for path in HERE if os.path.exists(path)), sys.executable)
LOCAL, REMOTE = "~/ckpt", "s3://mine/dev"  # of a checkpoint


PATIENCE = 60  # seconds that a passing test may wait for what is to happen, on a machine that is busy otherwise


class Box:
    """One box. `settings` may be changed before `start()`; times are short so that a test takes seconds."""

    def __init__(self, folder: Path, programs: Path):
        self.folder, self.programs = folder, programs
        self.metadata = MetadataServer()
        for name in ("run", "etc", "home", "s3", "terminals"):
            (folder / name).mkdir()
        (folder / "boot_id").write_text("boot-1\n")
        (folder / "loadavg").write_text("2.00 2.00 2.00 1/1 1\n")
        self.settings = {
            "metadata": self.metadata.url,
            "timeout": 0.5,
            "poll": 0.1,
            "tags_every": 0.2,
            "run_dir": str(folder / "run"),
            "state_dir": str(folder / "state"),
            "boot_id": str(folder / "boot_id"),
            "loadavg": str(folder / "loadavg"),
            "home": str(folder / "home"),
            "hooks": str(folder / "etc"),
            "terminals": str(folder / "terminals"),
            "env": {"FAKE_S3": str(folder / "s3")},
            "aws": [PYTHON, "-I", "-S", str(AWS)],
            "shutdown": [str(self.program("shutdown", f"echo off >>{folder}/power"))],
            "nvidia_smi": ["no-such-program"],
            "rocm_smi": ["no-such-program"],
            "ss": ["true"],
        }
        self.guard: subprocess.Popen | None = None
        self.log = folder / "journal"
        self.log.touch()

    def program(self, name: str, body: str, folder: Path | None = None) -> Path:
        """An executable shell script."""
        path = (folder or self.folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n" + body + "\n")
        path.chmod(0o755)
        return path

    def hook(self, name: str, body: str, user: bool = False, when: str = "on-interrupt.d") -> Path:
        """A hook of the machine's, or of the user's."""
        return self.program(name, body, (self.folder / "home/.spotbox" if user else self.folder / "etc") / when)

    def start(self, **settings) -> "Box":
        """Start the guard, as the first time or again."""
        self.settings.update(settings)
        path = self.folder / "settings.json"
        path.write_text(json.dumps(self.settings))
        words = [PYTHON, "-I", "-S", str(self.programs / "guard.py"), str(path)]
        with self.log.open("ab") as journal:
            self.guard = subprocess.Popen(words, stdout=journal, stderr=journal, start_new_session=True)
        return self

    def kill(self) -> None:
        """End the guard as nothing can be caught, and nothing but it: systemd is told KillMode=process."""
        self.guard.send_signal(signal.SIGKILL)
        self.guard.wait()

    def reboot(self, number: int = 2) -> None:
        """Stop and start the box: the guard is gone, and all that is in memory."""
        self.kill()
        for path in (self.folder / "run").iterdir():
            path.unlink()
        (self.folder / "boot_id").write_text(f"boot-{number}\n")

    def journal(self) -> str:
        return self.log.read_text(errors="replace")

    def wait(self, text: str, seconds: float = PATIENCE, times: int = 1) -> float:
        """Wait until the journal says so; when that was, by the monotonic clock."""
        until = time.monotonic() + seconds
        while self.journal().count(text) < times:
            assert time.monotonic() < until, f"never said {text!r}:\n{self.journal()}"
            time.sleep(0.02)
        return time.monotonic()

    def wait_for(self, true, seconds: float = PATIENCE) -> None:
        until = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < until, self.journal()
            time.sleep(0.02)

    def failures(self) -> list[str]:
        """What the journal says of looks that failed, in order."""
        return [line for line in self.journal().splitlines() if line.startswith("look failed")]

    def run_file(self, name: str) -> dict:
        path = self.folder / "run" / name
        return json.loads(path.read_text()) if path.exists() else {}

    def calls(self) -> list[dict]:
        """What `aws` was asked."""
        path = self.folder / "s3/calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def close(self) -> None:
        """End the guard, and what of its notice still runs."""
        if self.guard and self.guard.poll() is None:
            self.kill()
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    words = (folder / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(self.folder).encode() in words and int(folder.name) != os.getpid():
                    os.kill(int(folder.name), signal.SIGKILL)
        self.metadata.close()


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """The guard's programs as they are on a box."""
    folder = tmp_path_factory.mktemp("opt-spotbox")
    for name in PROGRAMS:
        (folder / name).write_text(bare((template_path("guard") / name).read_text()))
    return folder


@pytest.fixture
def boxes(tmp_path, programs):
    """Makes boxes, for tests that let several of them wait at once."""
    made = []

    def make():
        folder = tmp_path / f"box-{len(made)}"
        folder.mkdir()
        made.append(Box(folder, programs))
        return made[-1]

    yield make
    for box in made:
        box.close()


@pytest.fixture
def box(boxes):
    return boxes()


@pytest.fixture
def ckpt(box):
    """A box with one checkpoint, whose folder this is."""
    box.settings.update(checkpoints=[{"local": LOCAL, "remote": REMOTE}], restore=False)
    folder = box.folder / "home/ckpt"
    folder.mkdir()
    return folder
