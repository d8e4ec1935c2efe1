"""A checkpoint's folder and its states in S3, and checkpoint.py run as the guard does."""

import json
import subprocess

from tests.guard.conftest import PYTHON


def sync(box, mode="every", seconds=20, wait=True, **settings):
    """Run checkpoint.py as the guard does; its exit code and what it said."""
    path = box.folder / "settings.json"
    path.write_text(json.dumps({**box.settings, **settings}))
    words = [PYTHON, "-I", "-S", str(box.programs / "checkpoint.py"), mode, "0", str(seconds), str(path)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    if not wait:
        return process
    said = process.communicate()[0]
    return process.returncode, said


def latest(box):
    """Slot and files of the state that LATEST names; checks that they are what it says."""
    path, marker = box.folder / "s3/mine/dev/LATEST", None
    while marker != (marker := json.loads(path.read_text())):  # a guard may write the next state meanwhile
        found = stored(box, marker["slot"])
    assert (marker["files"], marker["bytes"]) == (len(found), sum(map(len, found.values())))
    return marker["slot"], found


def stored(box, slot):
    folder = box.folder / "s3/mine/dev" / slot
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def fill(folder, step, files=3):
    """A state of a training: every file holds the same step."""
    for number in range(files):
        (folder / f"part-{number}").write_text(f"step {step}")


def knob(box, name, value):
    """Turn a knob of the stand-in for `aws`; None turns it off."""
    path = box.folder / "s3" / name
    path.unlink() if value is None else path.write_text(str(value))


def fresh(box):
    """The same checkpoint on a box that knows nothing."""
    for path in (box.folder / "state/checkpoints").iterdir():
        path.unlink()
    for path in (box.folder / "home/ckpt").iterdir():
        path.unlink()
