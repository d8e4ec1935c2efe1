"""An interruption notice, with the guard run for real: everything is told, begun and over in time."""

import json
import os
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.guard.hooks import TIMES, mark, ran

SHORT = {"hook_time": 5.0, "last_sync": 3.0}  # where a hook hangs: a notice of 10 s then stands for one of two minutes


def ended(box):
    return box.run_file("story.json").get("ended")


def test_a_notice_is_told_written_down_and_obeyed(box):
    """Terminals, journal and notice.json say it; every hook runs in order, root's first; the box is not stopped."""
    terminal = box.folder / "terminals/3"
    terminal.touch()
    (box.folder / "terminals/ptmx").touch()
    box.hook("20-second", mark(box, "order") + " second")
    box.hook("10-first", mark(box, "order") + " first $SPOTBOX_ACTION")
    box.hook("10-user", mark(box, "order") + f' "$(pwd)" $HOME {box.folder}', user=True)
    box.hook("05-off", mark(box, "off"), user=True).chmod(0o644)
    box.start(**TIMES)
    at = box.metadata.notice(60)
    box.wait("ready for the interruption")
    assert time.time() < at
    home = box.folder / "home"
    order = (box.folder / "order.ran").read_text().splitlines()
    assert order == ["run first stop", "run second", f"run {home} {home} {box.folder}"]
    assert not ran(box, "off")
    assert "05-off is not executable" in box.journal()
    assert "AWS stops this box in" in terminal.read_text()
    assert not (box.folder / "terminals/ptmx").read_text()
    notice = box.run_file("notice.json")
    assert (notice["action"], notice["time"][-1]) == ("stop", "Z")
    assert not (box.folder / "power").exists()
    time.sleep(0.5)
    assert len(order) == 3
    assert box.journal().count("AWS stops this box") == 1


def test_every_hook_has_its_chance(box):
    """Hooks that hang, fail, print without end, ignore signals or leave a daemon: each other one runs, in time."""
    box.hook("10-hangs", "trap '' TERM; while :; do sleep 1; done")
    box.hook("20-fails", "echo sorry; exit 3")
    box.hook("30-prints", "yes all work and no play")
    box.hook("40-daemon", "setsid sleep 30 & exit 0")
    box.hook("50-missing", "").write_text("#!/no/such/interpreter\n")
    box.hook("60-last", mark(box, "last"), user=True)
    box.start(hook_time=6.0, last_sync=4.0)
    at = box.metadata.notice(20)
    box.wait("ready for the interruption")
    assert time.time() < at
    assert ran(box, "last") == 1
    journal = box.journal()
    assert "20-fails: sorry" in journal
    assert "20-fails failed: exit code 3" in journal
    assert "10-hangs was ended" in journal
    assert "30-prints was ended" in journal
    assert "(says more than the journal takes)" in journal
    assert "50-missing failed" in journal
    assert len(journal) < 20000
    for name in ("10-hangs", "30-prints"):
        pid = box.run_file("story.json")["hooks"][str(box.folder / "etc/on-interrupt.d" / name)]
        assert not os.path.exists(f"/proc/{pid}") or "Z" in open(f"/proc/{pid}/stat").read()  # noqa: SIM115


def test_a_notice_at_any_moment_of_a_poll_is_obeyed(boxes):
    """Whenever in the second between two looks it comes, every hook has run and all is over before the deadline."""
    made = [boxes() for _ in range(6)]
    for box in made:
        box.hook("10-hangs", "sleep 100")
        box.hook("20-next", mark(box, "next"), user=True)
        box.start(poll=1.0, **SHORT)
    ends = []
    for box in made:
        box.wait("watching")
        ends.append(box.metadata.notice(15))
        time.sleep(0.17)
    for box, end in zip(made, ends, strict=True):
        box.wait("ready for the interruption")
        assert time.time() < end
        assert ran(box, "next") == 1


@given(st.floats(0, 120), st.floats(0, 120), st.floats(0, 120))
def test_shares_of_the_time_left(programs, left, hook_time, last_sync):
    """Hooks, last sync and margin fit into any time that is left; the last sync has its 40 s or half of it, hooks more
    than nothing."""
    sys.path.insert(0, str(programs))
    try:
        from notice import shares
    finally:
        sys.path.pop(0)
    hooks, last, margin = shares(left, hook_time, last_sync)
    assert hooks + last + margin <= left + 1e-9
    assert last == min(last_sync, left / 2)
    assert hooks >= min(hook_time, left * 0.44)
    assert shares(120, 60, 40) == (60, 40, 5)


@pytest.mark.slow
def test_two_real_minutes(box, capsys):
    """At the real pace with the guard's own times: hooks end after 60 s, the last sync has 40, all is over in time."""
    ckpt = box.folder / "home/ckpt"
    ckpt.mkdir()
    (ckpt / "model").write_text("step 1")
    box.hook("10-hangs", f"echo 'step 2' >{ckpt}/model; trap '' TERM; while :; do sleep 1; done")
    box.hook("20-prints", "yes", user=True)
    box.hook("30-last", mark(box, "last"), user=True)
    checkpoints = [{"local": "~/ckpt", "remote": "s3://mine/dev"}]
    box.start(poll=5.0, tags_every=30, timeout=2.0, checkpoints=checkpoints, restore=False)
    box.wait_for((box.folder / "s3/mine/dev/LATEST").exists)
    at = box.metadata.notice(121)
    box.wait("30-last done", 70)
    box.wait("10-hangs was ended", 70)
    left = at - time.time()
    (box.folder / "s3/rate").write_text("6")  # bytes a second: this state and LATEST take 35 s together
    (ckpt / "model").write_text("step 3" * 20)
    box.wait("ready for the interruption", 70)
    with capsys.disabled():
        print(f"\nhooks ended {left:.1f} s before the deadline, all {at - time.time():.1f} s before")  # noqa: T201
    assert 40 <= left <= 66
    assert time.time() < at
    assert "checkpoint ~/ckpt: safe in S3" in box.journal()


def test_a_hook_alone_has_all_the_time(box):
    """One hook may take the whole time of all; it is not cut short for the sake of others that are not there."""
    box.hook("10-slow", f"sleep 3.5; {mark(box, 'slow')}")
    box.start(hook_time=6.0, last_sync=1.0)
    box.metadata.notice(20)
    box.wait("10-slow done")
    assert ran(box, "slow") == 1


@pytest.mark.parametrize("left", [12, pytest.param(7, marks=pytest.mark.slow)])  # a stall of 3 s is too long for the 7
def test_a_late_notice_scales_down(box, left):
    """With 12 or 7 seconds left instead of 120 hooks and last sync still both take place before the deadline."""
    ckpt = box.folder / "home/ckpt"
    ckpt.mkdir()
    (ckpt / "model").write_text("step 1")
    box.hook("10-hangs", f"echo 'step 2' >{ckpt}/model; sleep 100")
    box.hook("20-next", mark(box, "next"), user=True)
    box.start(checkpoints=[{"local": "~/ckpt", "remote": "s3://mine/dev"}], restore=False, sync_every=1000)
    box.wait_for(lambda: (box.folder / "s3/mine/dev/LATEST").exists())
    at = box.metadata.notice(left)
    box.wait("ready for the interruption")
    assert time.time() < at
    assert ran(box, "next") == 1
    assert "checkpoint ~/ckpt: safe in S3" in box.journal()
    slot = json.loads((box.folder / "s3/mine/dev/LATEST").read_text())["slot"]
    assert (box.folder / f"s3/mine/dev/{slot}/model").read_text() == "step 2\n"


def test_what_became_of_it_is_told_on_the_terminals(box):
    """Whoever still sits there reads what is safe, what had nothing to be synced, and how the hooks ended."""
    (box.folder / "terminals/0").touch()
    (box.folder / "home/ckpt").mkdir()
    (box.folder / "home/ckpt/model").write_text("step 1")
    box.hook("10-fails", "exit 3")
    pairs = [{"local": f"~/{name}", "remote": f"s3://mine/{name}"} for name in ("ckpt", "no-such")]
    box.start(checkpoints=pairs, restore=False, **TIMES)
    box.metadata.notice(60)
    box.wait("ready for the interruption")
    said = (box.folder / "terminals/0").read_text()
    assert "checkpoint ~/ckpt: safe in S3" in said
    assert "checkpoint ~/no-such: nothing there to be synced" in said
    assert "10-fails failed: exit code 3" in said
    assert "is not safe" not in said


@pytest.mark.parametrize("offset", [-86400 * 30, 86400 * 365])
def test_a_clock_that_is_wrong_breaks_nothing(box, offset):
    """The time left is told by the metadata service's clock: one of a month ago or a year ahead changes nothing."""
    box.hook("10-a", mark(box, "a"))
    box.metadata.offset = offset
    box.start(**TIMES)
    at = box.metadata.notice(60)
    box.wait("ready for the interruption")
    assert time.time() < at
    assert ran(box, "a") == 1


@pytest.mark.parametrize(
    "body",
    [
        '{"action": "stop", "time": "soon"}',
        '{"action": "stop"}',
        "garbage",
        '{"action": "stop", "time": "1999-01-01T00:00:00Z"}',
        '{"action": "\\u001b[31m", "time": "2999-01-01T00:00:00Z\\n"}',
    ],
)
def test_a_notice_that_cannot_be_read_is_one_all_the_same(box, body):
    """Without a time that makes sense the hooks run at once, within two minutes at most."""
    box.hook("10-a", mark(box, "a"))
    box.start(**TIMES)
    box.metadata.values["spot/instance-action"] = body
    box.wait("10-a done")
    left = box.run_file("notice.json")["deadline"] - time.monotonic()
    assert 0 < left <= 120
    assert "\x1b" not in box.journal()


def test_a_guard_killed_in_mid_notice_goes_on(box):
    """Killed and started again: the hook that runs is not started twice, the others run, it is told once."""
    box.hook("10-slow", f"{mark(box, 'slow')}; sleep 1; echo still here; {mark(box, 'slow-end')}")
    box.hook("20-next", mark(box, "next"))
    box.start(**TIMES)
    box.metadata.notice(60)
    box.wait_for(lambda: ran(box, "slow"))
    for _ in range(3):
        box.metadata.offset += 3600  # a clock that jumps moves no deadline
        box.kill()
        box.start()
        time.sleep(0.2)
    box.wait("ready for the interruption")
    assert [ran(box, name) for name in ("slow", "slow-end", "next")] == [1, 1, 1]
    assert box.journal().count("AWS stops this box") == 1
    assert box.journal().count("interruption notice") == 1


def test_the_story_itself_killed_is_taken_up(box):
    """Where even the program that plays the notice is killed, the guard starts it again, and no hook runs twice."""
    box.hook("10-slow", f"echo $PPID >{box.folder}/story; {mark(box, 'slow')}; sleep 1; {mark(box, 'slow-end')}")
    box.hook("20-next", mark(box, "next"))
    box.start(**TIMES)
    at = box.metadata.notice(60)
    box.wait_for(lambda: ran(box, "slow") and any(box.run_file("story.json").get("hooks", {}).values()))
    os.kill(int((box.folder / "story").read_text()), 9)
    box.wait("ready for the interruption")
    assert time.time() < at
    assert [ran(box, name) for name in ("slow", "slow-end", "next")] == [1, 1, 1]


def test_a_rebalance_recommendation_only_warns(box):
    """It is told once, also by a guard that is started again; no hook runs, and the checkpoint is synced at once."""
    box.hook("10-a", mark(box, "a"))
    ckpt = box.folder / "home/ckpt"
    ckpt.mkdir()
    (ckpt / "model").write_text("step 1")
    box.start(checkpoints=[{"local": "~/ckpt", "remote": "s3://mine/dev"}], restore=False, sync_every=1000)
    latest = box.folder / "s3/mine/dev/LATEST"
    box.wait_for(latest.exists)
    (ckpt / "model").write_text("step 22")
    first = latest.read_text()
    box.metadata.values["events/recommendations/rebalance"] = '{"noticeTime": "2026-11-22T08:22:00Z"}'
    box.wait("more likely than others")
    box.wait_for(lambda: latest.read_text() != first)
    box.kill()
    box.start()
    time.sleep(0.5)
    assert box.journal().count("more likely than others") == 1
    assert not ran(box, "a")


def test_a_rebalance_recommendation_during_a_sync_has_one_follow_it(box):
    """What has changed since that sync looked is not left until the next one in its turn."""
    ckpt = box.folder / "home/ckpt"
    ckpt.mkdir()
    (ckpt / "model").write_text("step 1")
    (box.folder / "s3/hold").write_text("LATEST")
    box.start(checkpoints=[{"local": "~/ckpt", "remote": "s3://mine/dev"}], restore=False, sync_every=1000)
    box.wait_for(lambda: (box.folder / "s3/mine/dev/A/model").exists() and list((box.folder / "s3").glob(".upload-*")))
    (ckpt / "model").write_text("step 22")
    box.metadata.values["events/recommendations/rebalance"] = '{"noticeTime": "2026-11-22T08:22:00Z"}'
    box.wait("more likely than others")
    (box.folder / "s3/hold").unlink()
    box.wait_for(lambda: (box.folder / "s3/mine/dev/B/model").exists())
    box.wait_for(lambda: json.loads((box.folder / "s3/mine/dev/LATEST").read_text())["slot"] == "B")
    assert (box.folder / "s3/mine/dev/B/model").read_text() == "step 22"
