"""What runs on a box beside its users' sessions: metadata service, the user data's scripts, and the guard.

A box whose user data holds no guard has no process of its own. The guard is the one of the user data, the program that
would run on EC2, told by a settings file of the sandbox's where the box lies and how much faster time goes here.
"""

import asyncio
import json
import logging
import os
import pwd
import shlex
import shutil
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spotbox.resources import template_path
from spotbox.sandbox import boxinit, boxload, cloudinit
from spotbox.sandbox.boxfiles import HERE, BoxFiles, BoxSpec, has_nvidia
from spotbox.sandbox.boxprogram import Keeper
from spotbox.sandbox.metadata import Facts
from spotbox.sandbox.metadataserver import MetadataServer

log = logging.getLogger(__name__)
SETTINGS = "/etc/spotbox/guard.json"
LOG = "/var/log/spotbox-guard.log"
NVIDIA_QUERY = ("--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
LOG_LIMIT = 1_000_000  # bytes; a longer one begins anew at the next boot
SLOWEST_RESTART = 10.0  # seconds, for a service that dies as soon as it is started


@dataclass(frozen=True)
class Outside:
    """What a box finds around it. `facts` gives what its metadata tells, None where AWS does not know the instance.

    `hurry` is how long an interruption notice is here for each second of the 120 that AWS gives. `facts` is called in
    the boxes' thread: it may not wait for the world's lock.
    """

    facts: Callable[[str], Facts | None]
    hurry: float = 1.0


class Inside:
    """The services of one running box. `begin` runs a coroutine until the box is off, `keepers` are its programs."""

    def __init__(
        self,
        spec: BoxSpec,
        files: BoxFiles,
        outside: Outside,
        begin: Callable[[Awaitable[None]], None],
        keepers: set[Keeper],
    ):
        self._spec = spec
        self._files = files
        self._outside = outside
        self._begin = begin
        self._keepers = keepers
        self._port = 22
        self._environment: dict[str, str] = {}
        self._metadata = MetadataServer(lambda: outside.facts(spec.instance_id))

    async def open(self, port: int, environment: Callable[[], dict[str, str]]) -> None:
        """Boot. What fails of the user data is told in the log: the box answers all the same, as at AWS.

        `port` is that of the SSH server; `environment()` gives the variables of a program on the box.
        """
        self._port = port
        facts = self._outside.facts(self._spec.instance_id)
        if facts is None:
            return
        await self._metadata.open()
        self._files.variables = {
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self._metadata.url,
            "AWS_ENDPOINT_URL": facts.endpoint,
            "AWS_DEFAULT_REGION": facts.region,
        }
        self._write_aws()
        self._write_spotbox()
        self._environment = environment()
        try:
            self._boot(facts.user_data or b"")
        except OSError as error:
            log.warning("the user data of %s cannot be carried out: %s", self._spec.instance_id, error)

    def close(self) -> None:
        """The metadata service ends; the processes end with the box."""
        self._metadata.close()

    def _boot(self, user_data: bytes) -> None:
        config = cloudinit.read(user_data) if user_data else cloudinit.CloudConfig()
        scripts = boxinit.boot(self._files, self._spec.user, self._spec.instance_id, config) if user_data else []
        units = boxinit.units(self._files, self._spec.user)
        shutil.rmtree(self._files.root / "volatile", ignore_errors=True)  # /run is new at every boot
        if units:
            settings = self._write_settings()
            load = settings.parent / "volatile" / "loadavg"
            load.write_text("0.00 0.00 0.00 1/1 1\n")
            self._begin(boxload.tell(load, lambda: [keeper.pid for keeper in self._keepers]))
        for unit in units:
            self._begin(self._serve(unit, [*unit.command, str(settings)]))
        if scripts:
            self._begin(self._run(scripts))

    # The guard

    async def _serve(self, unit: boxinit.Unit, command: list[str]) -> None:
        """Have a service run, as systemd does with Restart=always."""
        path = self._log(LOG)
        wait = unit.restart
        while True:
            began = time.monotonic()
            keeper = self._start(command, path, "/")
            kind, number = await keeper.status
            with path.open("a") as file:
                file.write(f"{unit.name} ended: {kind} {number}\n")
            if unit.whole:
                await keeper.end()
            wait = unit.restart if time.monotonic() - began > SLOWEST_RESTART else min(wait * 2, SLOWEST_RESTART)
            await asyncio.sleep(wait)

    def _write_settings(self) -> Path:
        """What the guard is to find elsewhere on a box of the sandbox, and the times that are shorter here."""
        root = self._files.root
        volatile = root / "volatile"
        (volatile / "gpus").mkdir(mode=0o700, parents=True)
        if not has_nvidia(self._spec):
            (volatile / "gpus").rmdir()
        (volatile / "boot_id").write_text(f"{uuid.uuid4()}\n")
        path = root / "guard.json"
        boxinit.write(path, json.dumps(self._places() | self._times(), indent=1).encode(), 0o600)
        return path

    def _times(self) -> dict[str, float]:
        """As many times shorter as the notice is. What costs this machine something has a least time."""
        hurry = self._outside.hurry
        return {
            "poll": min(5.0, max(0.25, 12 * hurry)),  # a tenth of the notice
            "hook_time": 60 * hurry,
            "last_sync": 40 * hurry,
            "least_left": max(1.0, 10 * hurry),
            "sync_every": max(10.0, 300 * hurry),
            "announce": 600 * hurry,
            "grace": 900 * hurry,
            "tags_every": max(1.0, 30 * hurry),
            "probe_every": max(2.0, 30 * hurry),
        }

    def _places(self) -> dict[str, Any]:
        user, root, programs = self._spec.user, self._files.root, self._files.bin
        volatile = root / "volatile"
        return {
            "metadata": self._metadata.url,
            "run_dir": str(volatile / "spotbox"),
            "state_dir": str(boxinit.place(self._files, user, "/var/lib/spotbox")),
            "boot_id": str(volatile / "boot_id"),
            "hooks": str(boxinit.place(self._files, user, "/etc/spotbox")),
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "home": str(self._files.home),
            "env": {"USER": user, "LOGNAME": user, "SHELL": self._environment["SHELL"]},
            "aws": [str(programs / "aws")],
            "wall": [str(programs / "wall")],
            "shutdown": [str(programs / "poweroff")],
            "nvidia_smi": [str(programs / "nvidia-smi"), *NVIDIA_QUERY],
            "nvidia_gpus": str(volatile / "gpus"),
            "rocm_smi": [str(programs / "rocm-smi")],
            "loadavg": str(volatile / "loadavg"),
            "ss": ["ss", "-tinH", "state", "established", f"sport = :{self._port}"],
            "data": False,
            "data_mount": "/",  # always mounted: nothing on this machine may be mounted or formatted, nor waited for
            "checkpoints": self._checkpoints(),
        }

    def _checkpoints(self) -> list[dict[str, Any]]:
        """The checkpoints of the box's own settings, each folder where it lies here."""
        try:
            told = json.loads(boxinit.place(self._files, self._spec.user, SETTINGS).read_text())
            rows = [dict(row) for row in told.get("checkpoints") or ()]
            for row in rows:
                if str(row["local"]).startswith("/"):
                    row["local"] = str(boxinit.place(self._files, self._spec.user, row["local"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return []
        return rows

    # The user's scripts

    async def _run(self, scripts: list[Path]) -> None:
        path = self._log(boxinit.OUTPUT)
        for script in scripts:
            keeper = self._start([str(script)], path, str(self._files.home))
            await keeper.status

    # Programs

    def _start(self, command: list[str], output: Path, cwd: str) -> Keeper:
        """Start a program of the box with its output in a file. Raises OSError."""
        null = os.open(os.devnull, os.O_RDONLY)
        out = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            keeper = Keeper([command[0], *command], False, self._environment, cwd, (null, out, out))
        finally:
            os.close(null)
            os.close(out)
        self._keepers.add(keeper)
        keeper.gone.add_done_callback(lambda _: self._keepers.discard(keeper))
        return keeper

    def _log(self, name: str) -> Path:
        path = boxinit.place(self._files, self._spec.user, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.unlink()
        return path

    def _write_aws(self) -> None:
        """The `aws` of the box."""
        self._write_client("aws", [sys.executable, "-I", "-S", str(template_path("box") / "aws.py")], {})

    def _write_spotbox(self) -> None:
        """The `spotbox` of the box: this one, as if it had been installed there.

        To it the sandbox is AWS, reached with the credentials of the instance profile as on EC2: no --sandbox, and
        nothing of the settings of this machine's user. The box's own config file is below its home.
        """
        endpoint = self._files.variables["AWS_ENDPOINT_URL"]
        self._write_client(
            "spotbox",
            [sys.executable, "-m", "spotbox"],
            {
                "PYTHONPATH": str(HERE.parent.parent),
                "PYTHONSAFEPATH": "1",
                "SPOTBOX_CHECKIP_URL": f"{endpoint}/_sandbox/checkip",
                "SPOTBOX_ADVISOR_URL": f"{endpoint}/spot-advisor-data.json",
                "NO_PROXY": "127.0.0.1,localhost",
            },
        )

    def _write_client(self, name: str, command: list[str], more: dict[str, str]) -> None:
        """A program that finds the sandbox and the box's metadata whatever its caller's environment is."""
        told = {**self._files.variables, **more}
        head = "".join(f"{key}={shlex.quote(value)}\n" for key, value in told.items())
        self._files.write_program(name, f'#!/bin/sh\n{head}export {" ".join(told)}\nexec {shlex.join(command)} "$@"\n')
