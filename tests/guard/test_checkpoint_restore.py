"""A checkpoint comes down again on a fresh box: once, whole, and over nothing that is there."""

import shutil

from tests.guard.checkpoints import fill, fresh, knob, latest, sync


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
