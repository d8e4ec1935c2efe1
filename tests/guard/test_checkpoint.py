"""Checkpoints in S3: always one complete state, whatever is cut off."""

import os
import shutil
import time

import pytest

from tests.guard.checkpoints import fill, knob, latest, stored, sync


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
