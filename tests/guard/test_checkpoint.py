"""Checkpoints in S3: always one complete state, whatever is cut off; and down again on a fresh box."""

import json
import os
import shutil
import subprocess
import time

import pytest

from tests.guard.conftest import PYTHON

LOCAL, REMOTE = "~/ckpt", "s3://mine/dev"


@pytest.fixture
def ckpt(box):
    """A box with one checkpoint, whose folder this is."""
    box.settings.update(checkpoints=[{"local": LOCAL, "remote": REMOTE}], restore=False)
    folder = box.folder / "home/ckpt"
    folder.mkdir()
    return folder


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


def test_slots_take_turns_and_latest_names_the_complete_one(box, ckpt):
    """Each sync goes to the slot that LATEST does not name; files that are gone are gone there too."""
    fill(ckpt, 1)
    (ckpt / "sub").mkdir()
    (ckpt / "sub/b [1]*?").write_text("b")
    assert sync(box) == (0, "")
    assert latest(box) == ("A", {**{f"part-{n}": "step 1" for n in range(3)}, "sub/b [1]*?": "b"})
    fill(ckpt, 22)
    (ckpt / "sub/b [1]*?").unlink()
    assert sync(box)[0] == 0
    assert latest(box) == ("B", {f"part-{n}": "step 22" for n in range(3)})
    assert stored(box, "A")["part-0"] == "step 1"


def test_nothing_new_costs_no_call(box, ckpt):
    """A folder that has not changed since it was complete is not synced again; an empty one is no state to keep."""
    fill(ckpt, 1)
    sync(box)
    calls = len(box.calls())
    assert sync(box)[0] == 0
    for path in ckpt.iterdir():
        path.unlink()
    assert sync(box)[0] == 5
    assert len(box.calls()) == calls
    assert latest(box)[1]["part-0"] == "step 1"


def test_credentials_are_the_instance_profiles_alone(box, ckpt, monkeypatch):
    """`aws` sees no keys and no files of the user's, only where the metadata service is."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    fill(ckpt, 1)
    sync(box)
    for call in box.calls():
        assert call["env"] == {
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_PAGER": "",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{box.metadata.url}/",
            "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "5",
        }


def knob(box, name, value):
    """Turn a knob of the stand-in for `aws`; None turns it off."""
    path = box.folder / "s3" / name
    path.unlink() if value is None else path.write_text(str(value))


@pytest.mark.parametrize("held", ["part-0", "part-2", "LATEST"])
def test_cut_off_the_older_state_stands(box, ckpt, held):
    """A sync that is killed leaves LATEST and its slot as they were, and the next one makes up for it."""
    fill(ckpt, 1)
    sync(box)
    before = latest(box)
    fill(ckpt, 22, files=4)
    knob(box, "hold", held)  # it is cut off while this file is on its way
    process = sync(box, wait=False)
    box.wait_for(lambda: is_held(box, held) and list((box.folder / "s3").glob(".upload-*")))
    os.killpg(process.pid, 9)
    process.communicate()
    assert latest(box) == before
    knob(box, "hold", None)
    assert sync(box)[0] == 0
    assert latest(box) == ("B", {f"part-{n}": "step 22" for n in range(4)})


def is_held(box, name):
    """Whether this file of the second state is the next to arrive."""
    there = [f"part-{n}" for n in range(4) if (box.folder / f"s3/mine/dev/B/part-{n}").exists()]
    return len(there) == (4 if name == "LATEST" else int(name[-1]))


def test_its_own_time_ends_it(box, ckpt):
    """A sync ends itself with the `aws` it runs when its time is over, guard or no guard."""
    fill(ckpt, 1)
    (box.folder / "s3").joinpath("rate").write_text("1")
    assert sync(box, seconds=0.8)[0] == -9
    assert not (box.folder / "s3/mine/dev/LATEST").exists()


def test_a_change_during_the_sync_is_never_half_in_s3(box, ckpt):
    """A file rewritten while it was uploaded, with the same size, is uploaded again before LATEST names it."""
    fill(ckpt, 1)
    knob(box, "hold", "part-1")
    process = sync(box, wait=False)
    box.wait_for((box.folder / "s3/mine/dev/A/part-0").exists)
    fill(ckpt, 2)
    knob(box, "hold", None)
    assert process.wait() == 0, process.stdout.read()
    assert latest(box)[1] == {f"part-{n}": "step 2" for n in range(3)}


def test_a_folder_that_never_rests_is_told(box, ckpt):
    """What changes all the time is not complete: exit code 3, a word in the journal, the older state stands."""
    fill(ckpt, 1)
    sync(box)
    before = latest(box)
    fill(ckpt, 2)
    knob(box, "restless", 1)
    code, said = sync(box)
    assert (code, "changes all the time" in said) == (3, True), said
    assert latest(box) == before
    knob(box, "restless", None)
    assert sync(box) == (0, "")
    assert latest(box)[1]["part-0"].startswith("step 2!")


def test_a_slot_of_another_box_is_emptied_first(box, ckpt):
    """What another box left in a slot, newer than what is restored here, never gets into a state."""
    fill(ckpt, 5)
    sync(box)
    slot = box.folder / "s3/mine/dev/B"
    slot.mkdir()
    for number in range(4):
        (slot / f"part-{number}").write_text("step 9")
        os.utime(slot / f"part-{number}", (time.time() + 1000,) * 2)
    fill(ckpt, 6)
    assert sync(box)[0] == 0
    assert latest(box) == ("B", {f"part-{n}": "step 6" for n in range(3)})


def test_a_slot_that_another_box_wrote_meanwhile_is_emptied(box, ckpt):
    """Two boxes with one prefix, as after a move that went back: no state mixes files of both."""
    fill(ckpt, 1)
    sync(box)
    (ckpt / "part-0").write_text("step 2")
    sync(box)
    mine = box.folder / "state/checkpoints"
    kept = box.folder / "kept"
    shutil.copytree(mine, kept)
    (box.folder / "home/mine").mkdir()
    for path in ckpt.iterdir():
        shutil.copy2(path, box.folder / "home/mine")
    fill(ckpt, 8)  # the other box: from the same disk, so with the same memory
    sync(box)
    fill(ckpt, 9)
    sync(box)
    shutil.rmtree(mine)
    kept.rename(mine)
    shutil.rmtree(ckpt)
    (box.folder / "home/mine").rename(ckpt)
    (ckpt / "part-0").write_text("step 3")
    assert sync(box)[0] == 0
    assert latest(box)[1] == {"part-0": "step 3", "part-1": "step 1", "part-2": "step 1"}


def test_a_folder_with_two_names_comes_down_again(box, ckpt):
    """`latest -> step-100` is uploaded as a folder of its own, as `aws s3 sync` follows links, and so counted."""
    (ckpt / "step-100").mkdir()
    fill(ckpt / "step-100", 100)
    (ckpt / "latest").symlink_to("step-100")
    assert sync(box) == (0, "")
    assert len(latest(box)[1]) == 6
    (ckpt / "latest").unlink()
    fill(ckpt / "step-100", 200)
    (ckpt / "best").symlink_to("step-100")
    (ckpt / "latest").symlink_to("step-100")
    assert sync(box) == (0, "")
    shutil.rmtree(ckpt / "step-100")
    fresh(box)
    assert sync(box, restore=True)[0] == 0
    assert (ckpt / "latest/part-2").read_text() == (ckpt / "best/part-2").read_text() == "step 200"


def test_a_link_to_nothing_or_a_pipe_is_no_file(box, ckpt):
    """What `aws s3 sync` skips because it is no file keeps no checkpoint from being complete; it is not counted."""
    fill(ckpt, 1)
    (ckpt / "last").symlink_to("gone")
    os.mkfifo(ckpt / "pipe")
    assert sync(box) == (0, "")
    for step in (2, 3):
        fill(ckpt, step)
        assert sync(box) == (0, "")
    assert latest(box)[1] == {f"part-{n}": "step 3" for n in range(3)}


def test_a_link_that_leads_back_is_told(box, ckpt):
    """A loop has no end to be uploaded: that is said, and nothing is written."""
    fill(ckpt, 1)
    (ckpt / "sub").mkdir()
    (ckpt / "sub/up").symlink_to("..")
    code, said = sync(box)
    assert (code, "leads back" in said) == (1, True)
    assert not [call for call in box.calls() if call["words"][1] == "sync"]


@pytest.mark.parametrize("text", ["Unable to locate credentials"])
def test_where_latest_cannot_be_read_no_slot_is_touched(box, ckpt, text):
    """An error is told in AWS's words, and nothing is written, as any slot may be the complete one."""
    fill(ckpt, 1)
    sync(box)
    before = latest(box)
    fill(ckpt, 2)
    (box.folder / "s3/broken").write_text(text)
    calls = len(box.calls())
    code, said = sync(box)
    assert code == 1
    assert text in said
    assert [call["words"][1] for call in box.calls()[calls:]] == ["ls"]
    assert latest(box) == before
    (box.folder / "s3/broken").unlink()
    (box.folder / "s3/mine/dev/LATEST").write_text("not ours")
    assert sync(box)[0] == 1
    assert "none of spotbox's" in sync(box)[1]


def test_one_sync_at_a_time(box, ckpt):
    """A sync of every five minutes gives way to one that runs; the last one of a notice ends it and goes on."""
    fill(ckpt, 1)
    knob(box, "hold", "part-1")
    slow = sync(box, wait=False, seconds=100)
    box.wait_for(lambda: any(call["words"][1] == "sync" for call in box.calls()))
    assert sync(box)[0] == 4
    last = sync(box, "last", wait=False)
    assert slow.wait() == -9
    slow.stdout.close()
    knob(box, "hold", None)
    assert (last.communicate()[0], last.returncode) == ("", 0)
    assert latest(box)[1]["part-0"] == "step 1"


def test_a_failing_checkpoint_is_told_on_the_terminals(box, ckpt):
    """A sync that begins to fail is told once where people look, and again only after it has worked; so is no `aws`."""
    (box.folder / "terminals/0").touch()
    fill(ckpt, 1)
    box.start(sync_every=0.3, aws=["no-such-aws"])
    box.wait("No such file", times=2)
    box.wait("is not safe in S3: journalctl")
    assert (box.folder / "terminals/0").read_text().count("not safe") == 1
    assert "Traceback" not in box.journal()


def fresh(box):
    """The same checkpoint on a box that knows nothing."""
    for path in (box.folder / "state/checkpoints").iterdir():
        path.unlink()
    for path in (box.folder / "home/ckpt").iterdir():
        path.unlink()


def test_a_fresh_box_gets_the_state_once(box, ckpt):
    """The state that LATEST names comes down into an empty folder, once for a box."""
    fill(ckpt, 7)
    sync(box)
    fresh(box)
    code, said = sync(box, restore=True)
    assert code == 0
    assert "restored 3 files" in said
    assert (ckpt / "part-2").read_text() == "step 7"
    for path in ckpt.iterdir():
        path.unlink()
    assert sync(box, restore=True)[0] == 5
    assert not list(ckpt.iterdir())


def test_a_restore_never_touches_what_is_there(box, ckpt):
    """A folder with files in it is left alone; the state comes to lie beside it, for the next syncs write over it."""
    fill(ckpt, 7)
    sync(box)
    fresh(box)
    (ckpt / "part-0").write_text("my own")
    code, said = sync(box, restore=True)
    assert code == 0
    assert "has files already" in said
    assert (box.folder / "home/.ckpt.restoring/part-2").read_text() == "step 7"
    assert [path.name for path in ckpt.iterdir()] == ["part-0"]
    assert (ckpt / "part-0").read_text() == "my own"


def test_a_restore_cut_off_is_begun_again(box, ckpt):
    """Until the whole state is there the folder stays empty; the next sync tries again, and nothing is synced up."""
    fill(ckpt, 7)
    sync(box)
    fresh(box)
    knob(box, "hold", "part-1")
    assert sync(box, restore=True, seconds=0.9)[0] == -9
    assert not list(ckpt.iterdir())
    knob(box, "hold", None)
    lost = box.folder / "s3/mine/dev/A/part-1"
    text = lost.read_text()
    lost.unlink()
    code, said = sync(box, restore=True)
    assert code == 1
    assert "not what LATEST says" in said
    assert not list(ckpt.iterdir())
    lost.write_text(text)
    assert sync(box, restore=True)[0] == 0
    assert (ckpt / "part-1").read_text() == "step 7"


def test_the_guard_syncs_on_its_own(box, ckpt):
    """Every `sync_every` seconds the guard syncs, beside its looks at the metadata service, which never wait for it."""
    fill(ckpt, 1)
    knob(box, "hold", "part-1")
    box.start(sync_every=0.5)
    box.wait_for(lambda: any(call["words"][1] == "sync" for call in box.calls()))
    seen = len(box.metadata.asked)
    box.wait_for(lambda: len(box.metadata.asked) - seen > 10)  # while the sync does not come to its end
    knob(box, "hold", None)
    box.wait_for((box.folder / "s3/mine/dev/LATEST").exists)
    fill(ckpt, 22)
    box.wait_for(lambda: latest(box)[1]["part-0"] == "step 22")
