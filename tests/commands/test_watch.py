"""`status --watch`: a screen that stays on a terminal, a block per change elsewhere; it changes nothing."""

import json
import os
import re
import signal
import socket
import sys
import termios
import time
from dataclasses import replace
from pathlib import Path

import pexpect
import pytest

from spotbox.core.report import KEYS
from spotbox.screen import Screen

ROOT = Path(__file__).parents[2]
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


def leaves():
    raise KeyboardInterrupt


def stops(world, at="i-1"):
    """Somebody stops the box."""
    reason = "Client.UserInitiatedShutdown"
    world.instances[at] = replace(world.instances[at], state="stopped", public_ip=None, reason_code=reason)
    world.request_of(at, state="disabled", code="instance-stopped-by-user")


# -- without a terminal --------------------------------------------------------------------------------------------


def test_a_block_for_each_change(user):
    """Ten looks, one change: two blocks, the second with the time at which it was seen; Ctrl-C is 130."""
    user.world.has_box("dev")
    user.world.later(9, lambda: stops(user.world))
    user.world.later(20, leaves)
    said = user.run("status", "--watch")
    assert said.code == 130
    blocks = said.out.strip().split("\n\n")
    assert [len(block.splitlines()) for block in blocks] == [4, 4]
    assert "running" in blocks[0]
    assert "since" not in blocks[0]
    assert re.search(r"dev +stopped since \d\d:\d\d:\d\d ", blocks[1])
    assert "you stopped it" in blocks[1]


def test_a_line_of_json_for_each_change(user):
    """Each line is what `status -o json` prints at that moment."""
    user.world.has_box("dev")
    user.world.later(9, lambda: stops(user.world))
    user.world.later(20, leaves)
    said = user.run("status", "--watch", "-o", "json")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [[box["state"] for box in line] for line in lines] == [["running"], ["stopped"]]
    assert tuple(lines[0][0]) == KEYS
    assert lines[1] == user.run("status", "-o", "json").json


def test_one_box_of_json(user):
    """Named, it is an object, and null once it is gone."""
    user.world.has_box("dev")
    user.world.has_box("other")
    user.world.later(9, lambda: [user.world.requests.pop("sir-1"), user.world.instances.pop("i-1"),
                                 user.world.volumes.pop("vol-1")])  # fmt: skip
    user.world.later(20, leaves)
    first, second = user.run("status", "dev", "--watch", "-o", "json").out.splitlines()
    assert (json.loads(first)["name"], json.loads(second)) == ("dev", None)


def test_one_box_in_full(user):
    """`status NAME --watch` explains it in each block."""
    user.world.has_box("dev", "interrupted")
    user.world.later(5, lambda: user.world.restart("i-1"))
    user.world.later(30, leaves)
    blocks = user.run("status", "dev", "--watch").out.strip().split("\n\n")
    states = [re.search(r"^state +(\w+)", block, re.MULTILINE)[1] for block in blocks]
    assert states == ["interrupted", "starting", "running"]
    assert "who             AWS" in blocks[0]


def test_a_new_box_in_another_region_is_found(user):
    """All regions are looked at again within half a minute."""
    user.world.has_box("dev")
    user.world.later(3, lambda: user.world.has_box("train", region="eu-west-1"))
    user.world.later(35, leaves)
    lines = user.run("status", "--watch", "-o", "json").out.splitlines()
    assert [[box["name"] for box in json.loads(line)] for line in lines] == [["dev"], ["dev", "train"]]


def test_regions_without_a_box_are_asked_seldom(user):
    """In a minute the box's region is asked every two seconds, another one twice; prices once."""
    asked = []
    user.world.has_box("dev")
    user.world.later(59, leaves)
    user.world.meets = lambda action, region=None, *rest, **more: asked.append((action, region))
    user.run("status", "--watch")
    observe = [region for action, region in asked if action == "DescribeInstances"]
    assert observe.count("us-east-1") >= 30
    assert observe.count("eu-west-1") == 2
    assert asked.count(("DescribeSpotPriceHistory", "us-east-1")) == 1


def test_a_region_that_fails_keeps_its_boxes(user):
    """What cannot be looked at is said and stays as it was; it is asked again."""
    user.world.has_box("dev")
    user.world.later(4, lambda: user.world.refuses("DescribeInstances", "RequestLimitExceeded", region="us-east-1"))
    user.world.later(20, user.world.wills.clear)
    user.world.later(30, leaves)
    said = user.run("status", "--watch")
    assert len(said.out.strip().split("\n\n")) == 1
    assert said.err.count("could not look in us-east-1: AWS is throttling") == 1


def test_trouble_at_the_first_look_ends_it(user):
    """No box of that name is 7, no permission 5, as without --watch; csv is a usage error."""
    assert user.run("status", "dev", "--watch").code == 7
    assert user.run("status", "--watch", "-o", "csv").code == 2
    user.world.refuses("DescribeInstances", "UnauthorizedOperation", http=403)
    assert user.run("status", "--watch").code == 5


# -- on a terminal -------------------------------------------------------------------------------------------------


@pytest.fixture
def terminal(tmp_path):
    """Spawn `status ARGS` in a pseudo-terminal of 20 lines."""
    children = []

    def spawn(*args, boxes=1, size=(20, 140)):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SPOTBOX_"))} | {"TERM": "xterm"}
        words = ["-m", "tests.commands.watched", str(tmp_path), str(boxes), *args]
        child = pexpect.spawn(sys.executable, words, env=env, cwd=ROOT, dimensions=size, timeout=60, encoding="utf-8")
        child.go = (tmp_path / "go").touch  # what happens in that program happens then
        children.append(child)
        child.expect_exact(ENTER)
        return child

    yield spawn
    for child in children:
        child.close(force=True)


def ended(child):
    """The rest of what it wrote, and its exit code."""
    rest = child.read()
    child.wait()
    return rest, child.exitstatus


def test_the_screen_is_redrawn_in_place_and_q_leaves(terminal):
    """A change shows within a look, stands out with its time; q gives the terminal back and exits 0."""
    child = terminal("--watch")
    child.expect("last look .*dev +running")
    child.go()
    child.expect(r"\x1b\[7mdev +stopped since \d\d:\d\d:\d\d")
    child.send("q")
    rest, code = ended(child)
    assert code == 0
    assert rest.rstrip().endswith(LEAVE)


@pytest.mark.parametrize("how", ["ctrl-c", signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_given_back_however_it_ends(terminal, how):
    """Ctrl-C, SIGTERM and SIGHUP: cursor and screen are restored, exit 130."""
    child = terminal("--watch")
    child.expect("dev +running")
    child.sendintr() if how == "ctrl-c" else os.kill(child.pid, how)
    rest, code = ended(child)
    assert code == 130
    assert LEAVE in rest
    assert rest.index(LEAVE) < rest.index("interrupted")


def test_the_terminal_is_given_back_after_a_bug(terminal):
    """An exception too leaves by the door; its message is on the usual screen."""
    child = terminal("--watch", "--broken")
    child.go()
    rest, code = ended(child)
    assert code == 1
    assert rest.index(LEAVE) < rest.index("spotbox: unexpected TypeError")


def test_keys_need_no_return_and_come_back_as_they_were(terminal):
    """The terminal's modes are what they were before."""
    child = terminal("--watch")
    child.expect("dev +running")
    during = termios.tcgetattr(child.child_fd)[3]
    child.send("q")
    child.expect_exact(LEAVE)
    assert not during & termios.ICANON
    deadline = time.monotonic() + 60
    while not termios.tcgetattr(child.child_fd)[3] & termios.ICANON:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_too_many_rows_are_cut_with_a_count(terminal):
    """What does not fit is counted, and a window that grows shows it."""
    child = terminal("--watch", boxes=30)
    child.expect(r"\.\.\. and (\d+) lines more: make the window taller")
    assert int(child.match[1]) == 30 + 2 + 2 - 19
    child.setwinsize(60, 140)
    child.go()
    child.expect(r"dev +stopped")
    assert "make the window" not in child.before + child.after


def test_an_arrow_is_no_q(terminal):
    """Only the key q leaves; what begins with an escape does not."""
    child = terminal("--watch")
    child.expect("dev +running")
    child.send("\x1b[Aq")
    child.go()
    child.expect("dev +stopped")
    child.send("Q")
    assert ended(child)[1] == 0


def test_a_stop_and_a_continue_give_the_terminal_back_and_take_it(terminal):
    """Ctrl-Z leaves the shell its usual screen, and `fg` draws anew."""
    child = terminal("--watch")
    child.expect("dev +running")
    os.kill(child.pid, signal.SIGTSTP)
    child.expect_exact(LEAVE)
    os.kill(child.pid, signal.SIGCONT)
    child.expect_exact(ENTER)
    child.expect("dev +")
    child.send("q")
    assert ended(child)[1] == 0


def test_a_redraw_is_one_write_and_the_same_lines_are_none(monkeypatch):
    """No flicker: a frame reaches the terminal at once, is cut to the window, and clears nothing beforehand."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)  # a datagram is one write
    with ours, theirs, open(theirs.fileno(), "w", closefd=False) as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setenv("COLUMNS", "30")
        monkeypatch.setenv("LINES", "5")
        screen = Screen()
        for word in ("one", "one", "two"):
            screen.draw([(f"{word} {'x' * 100}", word == "two")] + [("more", False)] * 10)
        ours.setblocking(False)
        first, second = ours.recv(9999).decode(), ours.recv(9999).decode()
        with pytest.raises(BlockingIOError):
            ours.recv(9999)
    assert first == "\x1b[Hone " + "x" * 26 + "\x1b[K" + "\r\nmore\x1b[K" * 4 + "\x1b[J"
    assert second.startswith("\x1b[H\x1b[7mtwo ")


@pytest.mark.slow
def test_a_silent_aws_is_said_and_does_not_hold_up_the_keys(terminal):
    """While a look hangs the screen says so after ten seconds, and q leaves at once."""
    child = terminal("--watch", "--silent")
    child.expect("dev +running")
    child.go()
    child.expect("AWS does not answer")
    child.send("q")
    assert ended(child)[1] == 0
