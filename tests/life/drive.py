"""spotbox in processes of its own against a sandbox of its own, with the sandbox's control at hand."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spotbox.sandbox import process
from tests.life.independent import Independent

ROOT = Path(__file__).parents[2]
REGIONS = ("us-east-1", "us-west-2")  # that the account has: every command looks for its box in each
SPOT_ROLE = "spot.amazonaws.com"


@dataclass(frozen=True)
class Done:
    """A command that has ended: its exit code (negative: the signal that ended it) and all that it printed."""

    args: tuple[str, ...]
    code: int
    text: str

    @property
    def clean(self) -> bool:
        """No traceback, and nothing that spotbox itself calls a bug."""
        return "Traceback" not in self.text and "unexpected" not in self.text

    def __str__(self) -> str:
        return f"spotbox {' '.join(self.args)} -> {self.code}\n{self.text}"


class Drive:
    """A home folder, a sandbox that lives in it, and spotbox run from it."""

    def __init__(self, home: Path, pace: float, regions: tuple[str, ...] = REGIONS, **extra: str):
        self.home = home
        self.home.mkdir(parents=True, exist_ok=True)
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "TMPDIR")}
        self.env = {
            **kept,
            "HOME": str(home),
            "SPOTBOX_HOME": str(home / "spotbox"),
            "SPOTBOX_SANDBOX": "1",
            "SPOTBOX_SANDBOX_PACE": str(pace),
            "PYTHONPATH": str(ROOT),  # the checkout, installed or not
            **extra,
        }
        self.pace = pace
        self._count = 0
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.life.zygote"],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started = self.run("sandbox", "start")
        assert started.code == 0, started
        self.endpoint = process.running(home / "spotbox" / "sandbox")
        assert self.endpoint is not None
        self.independent = Independent(process.environment(self.endpoint))
        # The service-linked role is there in any account that has used Spot before; making it costs spotbox 5 s.
        self.independent.client("iam").create_service_linked_role(AWSServiceName=SPOT_ROLE)
        for region in self.independent.regions():
            if region not in regions:
                self.control("region", name=region, enabled=False)

    def control(self, verb: str, **args: Any) -> dict[str, Any]:
        """A control verb of the sandbox."""
        assert self.endpoint is not None
        return process.call(self.endpoint, verb, **args)

    # Commands

    def _ask(self, **asked: Any) -> dict[str, Any]:
        assert self._zygote.stdin
        assert self._zygote.stdout
        self._zygote.stdin.write(json.dumps(asked) + "\n")
        self._zygote.stdin.flush()
        reply: dict[str, Any] = json.loads(self._zygote.stdout.readline())
        return reply

    def start(self, *args: str) -> "Running":
        """Start spotbox and do not wait for it."""
        self._count += 1
        out = self.home / f"out{self._count}"
        pid = self._ask(args=args, env=self.env, out=str(out))["pid"]
        return Running(self, args, pid, out)

    def run(self, *args: str, timeout: float = 180) -> Done:
        """Run spotbox to its end, or for `timeout` seconds: then it is killed, which its exit code shows."""
        return self.start(*args).finish(timeout)

    def close(self) -> None:
        """End the sandbox, and the process that spotbox is forked from."""
        self.run("sandbox", "stop")
        assert self._zygote.stdin
        self._zygote.stdin.close()
        self._zygote.wait(timeout=60)


class Running:
    """A spotbox that runs."""

    def __init__(self, drive: Drive, args: tuple[str, ...], pid: int, out: Path):
        self.drive, self.args, self.pid, self.out = drive, args, pid, out
        self.code: int | None = None

    def poll(self, block: bool = False) -> int | None:
        """The exit code, None while it runs."""
        if self.code is None:
            self.code = self.drive._ask(wait=self.pid, block=block)["code"]
        return self.code

    def kill(self) -> Done:
        """SIGKILL: no handler runs, nothing is cleaned up."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        return self.done()

    def finish(self, timeout: float) -> Done:
        """Wait for its end."""
        end, pause = time.monotonic() + timeout, 0.02
        while self.poll() is None and time.monotonic() < end:
            time.sleep(pause)
            pause = min(0.1, pause * 1.2)
        return self.kill()

    def done(self) -> Done:
        """What it printed, once it has ended."""
        code = self.poll(block=True)
        assert code is not None
        return Done(self.args, code, self.out.read_text(errors="replace") if self.out.exists() else "")
