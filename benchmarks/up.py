"""What `up` takes beside AWS's own time, against a sandbox in which pending and boot take none and no call has latency.

    python benchmarks/up.py [ROUNDS [DELAY]]

Starts a sandbox of its own, warms it and the caches, and runs `spotbox --sandbox up -y` and `down -y` in turn. All of
spotbox's calls go through a relay (benchmarks/relay.py) that notes when each began and when its answer had come, and
holds each for DELAY seconds (0), as a network would.

    AWS's time = the time in which at least one call was in flight or the box was asked for its SSH banner
    overhead   = wall time of the process, from its start to its end, less AWS's time

So start-up, imports, making clients, signing, reading answers, sleeping between two looks, and the files and programs
of this machine are overhead, where nothing was in flight meanwhile. The bound is 1.5 s of overhead, median of the
rounds. Of it the sleeps are told by themselves. Where other work shares the processors, the overhead tells of that
work too; so the load and spotbox's own processor time are printed beside it, and `chrt -r 1` before the command (as
root) keeps that work out. The sandbox speaks plain HTTP: what TLS takes is not in it.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from relay import Relay, length

BOUND = 1.5  # seconds
PACE = "0.001"  # of pending and boot
HERE = Path(__file__).parent
CONTROL = b"POST /_sandbox/"  # the sandbox's own verbs: whether it runs. AWS has none; they are no calls of `up`.


@dataclass(frozen=True)
class Run:
    """One `up`: seconds but for `calls`. The sleeps are part of the overhead, the banner is not."""

    overhead: float
    wall: float
    flight: float  # with a call in flight, or the box being asked for its banner
    banner: float
    sleeps: float
    cpu: float  # of spotbox and the programs that it runs
    sandbox: float  # of the sandbox's processor time
    calls: int


class Bench:
    """A home of its own with a sandbox in it."""

    def __init__(self, home: str):
        keep = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
        self.home = Path(home)
        self.env = {**keep, "HOME": home, "SPOTBOX_HOME": f"{home}/spotbox", "SPOTBOX_SANDBOX_PACE": PACE}
        self.env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent), self.env.get("PYTHONPATH")]))

    def spotbox(self, *args: str, program: tuple[str, ...] = ("-m", "spotbox")) -> None:
        """One command; it must succeed."""
        command = [sys.executable, *program, *args]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"spotbox {' '.join(args)} -> {done.returncode}\n{done.stdout}{done.stderr}")

    def relayed(self, delay: float) -> Relay:
        """A relay to the sandbox, once entered; from then on spotbox finds the sandbox at the relay's address."""
        self.spotbox("sandbox", "start")
        (self.state,) = self.home.glob("spotbox/**/state.json")
        return Relay(int(json.loads(self.state.read_text())["url"].rsplit(":", 1)[1]), delay)

    def direct(self, port: int) -> None:
        """Let spotbox find the sandbox at this port."""
        known = json.loads(self.state.read_text())
        self.state.write_text(json.dumps({**known, "url": f"http://127.0.0.1:{port}"}))

    def busy(self) -> float:
        """Processor seconds that the sandbox and its boxes have taken so far; 0 where there is no /proc."""
        total = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                if str(self.home).encode() in (stat.parent / "environ").read_bytes():
                    words = stat.read_text().rsplit(")", 1)[1].split()
                    total += int(words[11]) + int(words[12])  # utime and stime, proc(5)
            except OSError:  # ended meanwhile, or another user's
                continue
        return total / os.sysconf("SC_CLK_TCK")

    def up(self, relay: Relay) -> Run:
        """One `up` of a box that is not there, and away with it."""
        notes = self.home / "notes.json"
        relay.exchanges.clear()
        busy, used, start = self.busy(), _children(), time.monotonic()
        self.spotbox("--sandbox", "up", "-y", program=(str(HERE / "stamped.py"), str(notes)))
        end, used, busy = time.monotonic(), _children() - used, self.busy() - busy
        found = list(relay.exchanges)
        told = {what: [tuple(span) for span in spans] for what, spans in json.loads(notes.read_text()).items()}
        flights = [(each.began, each.ended) for each in found]
        flight = length([*flights, *told["banners"]])
        calls = sum(not each.first.startswith(CONTROL) for each in found)
        sleeps, banner = length(told["sleeps"]), length(told["banners"])
        self.spotbox("--sandbox", "down", "-y")
        return Run(end - start - flight, end - start, flight, banner, sleeps, used, busy, calls)


def _children() -> float:
    used = os.times()
    return used.children_user + used.children_system


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    delay = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    with tempfile.TemporaryDirectory() as home:
        bench = Bench(home)
        try:
            relay = bench.relayed(delay)
            with relay:
                bench.direct(relay.port)
                for _ in range(2):  # caches, the key, the Spot role, and what the sandbox makes at its first calls
                    bench.up(relay)
                runs = [bench.up(relay) for _ in range(rounds)]
                bench.direct(relay.target)
        finally:
            bench.spotbox("sandbox", "stop")
    print(f"up, {rounds} rounds, {delay:g} s a call, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"{'':10} {'median':>8} {'least':>8} {'most':>8}")
    for what, column in zip(fields(Run), zip(*map(astuple, runs), strict=True), strict=True):
        figures = " ".join(f"{figure:8.2f}" for figure in (statistics.median(column), min(column), max(column)))
        print(f"{what.name:10} {figures}")
    overhead = statistics.median(run.overhead for run in runs)
    print(f"bound {BOUND} s of overhead: {'held' if overhead <= BOUND else 'missed'}")


if __name__ == "__main__":
    main()
