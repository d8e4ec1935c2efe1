"""Interruptions as they were recorded: after each, S3 holds one whole state that is not older than it may be.

Virtual time: the minutes of a recorded span are not waited for, but the guard's own sync runs for real at each of its
five minutes, and at the notice; and it is cut off for real, at any moment, where the market cuts the box off.
"""

import csv
import json
import os
import random
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.guard.conftest import PYTHON

TRACES = Path(__file__).parents[2].parent / "shared/data/spot-availability-v100-2023.csv"
EVERY, NOTICE, STEP = 300, 120, 97  # seconds between syncs, of a notice, between two states of the training
pytestmark = pytest.mark.skipif(not TRACES.exists(), reason="no recorded availability beside this checkout")


def spans() -> list[int]:
    """Seconds that a V100 instance ran before it was taken back, one number for each interruption."""
    with TRACES.open() as file:
        rows = list(csv.DictReader(file))
    kept = [row for row in rows if row["kind"] == "availability" and row["available_or_running_nodes"] == "1"]
    return [int(row["duration_seconds"]) for row in kept]


class Life:
    """A box through many interruptions; `now` is virtual, in seconds since the box began."""

    def __init__(self, box, seed):
        self.box, self.random, self.now, self.step = box, random.Random(seed), 0.0, 0
        box.settings.update(checkpoints=[{"local": "~/ckpt", "remote": "s3://mine/dev"}], sync_every=EVERY)
        self.folder = box.folder / "home/ckpt"
        self.settings = box.folder / "settings.json"
        self.settings.write_text(json.dumps(box.settings))
        self.complete = 0  # syncs that said that all is safe

    def train(self):
        """Write the next state, as many files as there are in one, some of the same size as before."""
        self.step += 1
        self.folder.mkdir(exist_ok=True)
        for number in range(3):
            text = f"step {self.step:06d} at {self.now:012.1f}\n" + "x" * (self.step % 2 * number)
            (self.folder / f"part-{number}").write_text(text)

    def sync(self, mode, cut=None, busy=False):
        """Run the guard's sync; cut it off after so many seconds, or let the training write meanwhile."""
        words = [PYTHON, "-I", "-S", str(self.box.programs / "checkpoint.py"), mode, "0", "60", str(self.settings)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        writer = threading.Timer(self.random.uniform(0.05, 0.4), self.train) if busy else None
        if writer:
            writer.start()
        if cut is not None:
            time.sleep(cut)
            os.killpg(process.pid, 9)
        said = process.communicate()[0].decode()
        if writer:
            writer.join()
        assert process.returncode in ((-9, 0) if cut is not None else (0, 3)), said
        self.complete += process.returncode == 0

    def live(self, seconds):
        """One span up to its end: training and syncs in their turns; then perhaps a notice; then the end."""
        end = self.now + seconds
        noticed = self.random.random() < 0.8 and seconds > NOTICE
        self.now = max(self.now, end - self.random.uniform(NOTICE, NOTICE + EVERY))  # the last sync in its turn
        stop = end - NOTICE if noticed else end
        self.train()
        self.sync("every", busy=self.random.random() < 0.2)
        due, trained = self.now + EVERY, self.now
        while min(due, trained + STEP) < stop:
            if due < trained + STEP:
                self.now, due = due, due + EVERY
                self.sync("every", busy=self.random.random() < 0.2)
            else:
                self.now = trained = trained + STEP
                self.train()
        self.now = stop
        if noticed:
            self.sync("first", busy=self.random.random() < 0.5)
            self.now = end - 50
            self.train()
            self.sync("last", cut=self.random.choice([None, self.random.uniform(0, 1)]))
        elif self.random.random() < 0.5:
            self.train()
            self.sync("every", cut=self.random.uniform(0, 1))
        self.now = end

    def found(self):
        """Step and time of the state that LATEST names, which must be whole."""
        marker = json.loads((self.box.folder / "s3/mine/dev/LATEST").read_text())
        files = sorted((self.box.folder / "s3/mine/dev" / marker["slot"]).iterdir())
        texts = [path.read_text() for path in files]
        assert marker["files"] == len(files) == 3
        assert marker["bytes"] == sum(map(len, texts))
        states = {text.splitlines()[0] for text in texts}
        assert len(states) == 1, f"half-written: {states}"
        words = states.pop().split()
        return int(words[1]), float(words[3])

    def check(self):
        """Whole, and no older than an interval and the notice (and the step that the training was at)."""
        _, at = self.found()
        assert self.now - at <= EVERY + NOTICE + STEP, f"{self.now - at:.0f} s old"

    def replace(self):
        """A fresh box: nothing on its disk, until its first sync has brought the state down."""
        step, _ = self.found()
        for folder in (self.folder, self.box.folder / "state/checkpoints"):
            for path in folder.iterdir():
                path.unlink()
        self.sync("every")
        assert {int(path.read_text().split()[1]) for path in self.folder.iterdir()} == {step}


def play(box, seconds, seed):
    life = Life(box, seed)
    for number, span in enumerate(seconds):
        life.live(span)
        life.check()
        if number % 10 == 4:
            life.replace()
    return life


def test_a_sample_of_recorded_interruptions(box):
    """Six of the recorded interruptions: the checkpoint is whole and young after each."""
    assert play(box, random.Random(5).sample(spans(), 6), 5).complete


@pytest.mark.slow
def test_five_hundred_recorded_interruptions(box, capsys):
    """Five hundred: never half-written, never older than one interval and the notice."""
    seconds = spans()[:500]
    life = play(box, seconds, 1)
    with capsys.disabled():
        print(f"\n{len(seconds)} interruptions, {life.step} states trained, {life.complete} syncs complete")  # noqa: T201
    assert len(seconds) == 500
