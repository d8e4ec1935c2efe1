"""How busy a box is: the processors' time that its own processes use, in the place of the load of the machine."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

EVERY = 5.0  # seconds between looks
UNKNOWN = 99.0  # where the system has no /proc: a guard takes the box for busy and never stops it


def used(roots: Iterable[int], proc: Path = Path("/proc")) -> dict[int, float]:
    """CPU seconds that each process below these has used so far, by process id (proc(5), stat)."""
    tick = os.sysconf("SC_CLK_TCK")
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for entry in os.listdir(proc):
        if entry.isdigit():
            try:
                fields = (proc / entry / "stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue  # gone in between
            parents[int(entry)] = int(fields[1])
            seconds[int(entry)] = (int(fields[11]) + int(fields[12])) / tick
    found: set[int] = set()
    front = set(roots)
    while front:
        front = {pid for pid, parent in parents.items() if parent in front} - found
        found |= front
    return {pid: seconds[pid] for pid in found}


async def tell(path: Path, roots: Callable[[], Iterable[int]]) -> None:
    """Keep a file like /proc/loadavg up to date for ever."""
    before: dict[int, float] = {}
    at = time.monotonic()
    load = 0.0 if sys.platform == "linux" else UNKNOWN
    while True:
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_text(f"{load:.2f} {load:.2f} {load:.2f} 1/1 1\n")
        os.replace(fresh, path)
        if load == UNKNOWN:
            return
        await asyncio.sleep(EVERY)
        now = await asyncio.to_thread(used, roots())
        passed, at = time.monotonic() - at, time.monotonic()
        load = min(98.0, sum(value - before.get(pid, 0.0) for pid, value in now.items() if pid in before) / passed)
        before = now
