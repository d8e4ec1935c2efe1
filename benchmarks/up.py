"""What `up` takes beside AWS's own time: the whole of it, against a sandbox in which AWS takes none.

    python benchmarks/up.py [ROUNDS]

Starts a sandbox of its own in which pending and boot take no time and no call has latency, warms the caches, and runs
`spotbox --sandbox up -y` and `down -y` in turn. Prints the median wall time of `up`, its processor time, and the time
that the sandbox's process was busy with it meanwhile (of one processor, as the kernel counts it), which is AWS's and
not spotbox's. The bound is 1.5 s of wall time; where other work shares the processors, wall time tells of that work
too, and so the load is printed beside it.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

BOUND = 1.5  # seconds
PACE = "0.001"  # of pending and boot


@dataclass(frozen=True)
class Run:
    """Seconds of one `up`: on the wall, of its own processor time, and of the sandbox's."""

    wall: float
    own: float
    sandbox: float


class Bench:
    """A home of its own with a sandbox in it."""

    def __init__(self, home: str):
        keep = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
        self.home = Path(home)
        self.env = {**keep, "HOME": home, "SPOTBOX_HOME": f"{home}/spotbox", "SPOTBOX_SANDBOX_PACE": PACE}

    def spotbox(self, *args: str) -> None:
        """One command; it must succeed."""
        command = [sys.executable, "-m", "spotbox", *args]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"spotbox {' '.join(args)} -> {done.returncode}\n{done.stdout}{done.stderr}")

    def busy(self) -> float:
        """Processor seconds that the sandbox and its boxes have taken so far; 0 where there is no /proc."""
        total = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                if str(self.home).encode() in (stat.parent / "environ").read_bytes():
                    fields = stat.read_text().rsplit(")", 1)[1].split()
                    total += int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
            except OSError:  # ended meanwhile, or another user's
                continue
        return total / os.sysconf("SC_CLK_TCK")

    def up(self) -> Run:
        """One `up` of a box that is not there, and away with it."""
        before, children, start = self.busy(), _children(), time.perf_counter()
        self.spotbox("--sandbox", "up", "-y")
        wall = time.perf_counter() - start
        found = Run(wall, _children() - children, self.busy() - before)
        self.spotbox("--sandbox", "down", "-y")
        return found


def _children() -> float:
    used = os.times()
    return used.children_user + used.children_system


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as home:
        bench = Bench(home)
        try:
            bench.up()  # warms the caches, and makes the key and the Spot role
            runs = [bench.up() for _ in range(rounds)]
        finally:
            bench.spotbox("sandbox", "stop")
    wall, own, sandbox = (
        statistics.median(column) for column in zip(*((r.wall, r.own, r.sandbox) for r in runs), strict=True)
    )
    fastest = min(run.wall for run in runs)
    print(
        f"up, {rounds} rounds: {wall:.2f} s on the wall (fastest {fastest:.2f}), {own:.2f} s of it its own processor "
        f"time; the sandbox took {sandbox:.2f} s of another's meanwhile; load {os.getloadavg()[0]:.1f} on "
        f"{os.cpu_count()} processors; bound {BOUND} s on the wall: {'held' if wall <= BOUND else 'missed'}"
    )


if __name__ == "__main__":
    main()
