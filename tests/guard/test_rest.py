"""What the guard costs a box at rest: under 1 % of a CPU and 30 MB of memory."""

import os
import time
from pathlib import Path

import pytest

TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Seconds of CPU of a process and of its children that are gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICKS


def memory(pid: int) -> dict[str, float]:
    """MB that a process holds (VmRSS), and held at most (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.startswith(("VmRSS", "VmHWM"))}


def at_rest(box, seconds, poll):
    """Share of a CPU that the guard takes, start left out, and its memory, with every part of it in use."""
    (box.folder / "home/ckpt").mkdir()
    (box.folder / "home/ckpt/model").write_text("step 1")
    box.metadata.values["tags/instance/spotbox:idle-stop"] = "9h"
    box.metadata.values["tags/instance/spotbox:expires"] = "2999-01-01T00:00:00Z"
    smi = box.program("smi", "echo 0")
    times = {"poll": poll, "tags_every": 30 * poll / 5, "probe_every": 30 * poll / 5, "sync_every": 300 * poll / 5}
    checkpoints = [{"local": "~/ckpt", "remote": "s3://mine/dev"}]
    box.start(nvidia_smi=[str(smi)], checkpoints=checkpoints, restore=False, **times)
    box.wait_for((box.folder / "s3/mine/dev/LATEST").exists)
    time.sleep(0.5)
    before, begun = cpu(box.guard.pid), time.monotonic()
    time.sleep(seconds)
    return (cpu(box.guard.pid) - before) / (time.monotonic() - begun), memory(box.guard.pid)


def test_memory_and_work_of_a_look(box):
    """Twenty-five times as often as on a box the looks take under 25 % of a CPU, and the memory stays under 30 MB."""
    share, held = at_rest(box, 4, 0.2)
    assert held["VmHWM"] < 30, held
    assert share < 0.25, share


@pytest.mark.slow
def test_at_its_own_pace_it_takes_no_hundredth_of_a_cpu(box, capsys):
    """Two minutes at the real intervals: under 1 % of a CPU, programs that it starts included, and under 30 MB."""
    share, held = at_rest(box, 120, 5.0)
    with capsys.disabled():
        print(f"\nguard at rest: {share:.3%} of a CPU, {held['VmRSS']:.1f} MB (at most {held['VmHWM']:.1f})")  # noqa: T201
    assert share < 0.01
    assert held["VmHWM"] < 30
