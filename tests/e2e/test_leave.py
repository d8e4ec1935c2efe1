"""The user goes: Ctrl-C, SIGTERM, a closed terminal. What the last line claims, an independent client sees."""

import re
import signal
import subprocess
import threading
import time

import pytest

from spotbox.sandbox import process
from tests.e2e.conftest import SPOTBOX, left_anywhere, make_here, needs_ssh
from tests.e2e.terminals import Terminal, deaf_no_more, last_line

pytestmark = needs_ssh
POOL = ("-r", "us-east-1", "-t", "g4dn.xlarge", "-z", "us-east-1a", "--max-price", "on-demand", "--disk-size", "100",
         "--idle-stop", "0")  # fmt: skip
UP = ("--sandbox", "up", *POOL)
DOWN, ENTER, CTRL_C = "\x1b[B", "\r", "\x03"
REGION = ["us-east-1"]


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    """A sandbox at its own pace, so that there is time to go while a box boots."""
    place = make_here(tmp_path_factory.mktemp("leave"), SPOTBOX_SANDBOX_PACE="1")
    place.run("sandbox", "start")
    yield place
    place.run("sandbox", "stop", code=None)


@pytest.fixture(autouse=True)
def clean(aws):
    """Every test begins with nothing, and with room in the pool."""
    yield
    aws.extra.pop("SPOTBOX_SETTLE", None)
    control(aws, "still", on=False)
    control(aws, "fault", clear=True)
    room(aws, "open")
    if left_anywhere(aws, REGION):
        aws.sandbox("down", "--all", "-y")
    assert left_anywhere(aws, REGION) == []


def control(here, verb, **given):
    """One verb of the sandbox's own; the command line does not have them all."""
    process.call(process.running(here.home / "spot box" / "sandbox"), verb, **given)


def room(here, state):
    control(here, "capacity", type="g4dn.xlarge", zone="us-east-1a", state=state)


def requests(here):
    found = here.client("ec2").describe_spot_instance_requests()["SpotInstanceRequests"]
    return [r for r in found if r["State"] in ("open", "active", "disabled")]


def instances(here):
    found = [i for r in here.client("ec2").describe_instances()["Reservations"] for i in r["Instances"]]
    return [i for i in found if i["State"]["Name"] not in ("terminated", "shutting-down")]


def until(look, seconds=60):
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)
    return seen


def accepted(aws, *args):
    """An `up` on a terminal whose box boots, and does not come to its end before the keys that are typed next."""
    control(aws, "still", on=True)
    terminal = Terminal(aws, *UP, *args)
    (terminal if args else terminal.agrees()).sees("AWS accepted")
    return terminal


def cut(aws, terminal):
    """Ctrl-C while it boots; then time goes on."""
    terminal.types(CTRL_C)
    control(aws, "still", on=False)
    return terminal


def spawn(here, *args):
    """spotbox without a terminal."""
    return subprocess.Popen(
        [SPOTBOX, *args], env=here.env, cwd=here.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, preexec_fn=deaf_no_more,
    )  # fmt: skip


def ended(child):
    """The last line of one without a terminal."""
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, ""), err
    assert "Traceback" not in err
    return last_line(err)


NOTHING = "Nothing of dev exists any more; make it anew with `spotbox --sandbox up -r us-east-1 dev`"


def hunting(aws):
    """An `up` on a terminal that AWS has no capacity for, cut off in its pause."""
    room(aws, "closed")
    return Terminal(aws, *UP).agrees().sees("next round").types(CTRL_C).sees("What now")


@pytest.mark.slow
def test_ctrl_c_in_the_hunt_and_give_up(aws):
    """The first answer takes away what was made: nothing is left."""
    assert hunting(aws).types(ENTER).ends() == NOTHING
    assert left_anywhere(aws, REGION) == []


def test_ctrl_c_in_the_hunt_and_park(aws):
    """The second answer leaves one standing request, which the last line names."""
    line = hunting(aws).types(DOWN + ENTER).ends()
    (request,) = requests(aws)
    assert (request["State"], request["Type"]) == ("open", "persistent")
    assert line == (
        f"{request['SpotInstanceRequestId']} exists; nothing bills; go on with "
        "`spotbox --sandbox up -r us-east-1 dev`, remove with `spotbox --sandbox down dev`"
    )
    assert instances(aws) == []


@pytest.mark.slow  # the same with fakes: tests/commands/test_leave.py
def test_ctrl_c_in_the_hunt_and_leave(aws):
    """The third answer leaves key and group, which bill nothing, and no request."""
    line = hunting(aws).types(DOWN + DOWN + ENTER).ends()
    assert (requests(aws), instances(aws)) == ([], [])
    assert "spotbox --sandbox down dev" in line
    assert [name for name in left_anywhere(aws, REGION) if name.startswith("spotbox-dev")]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_no_terminal_in_the_hunt(aws, how):
    """Where nobody can be asked, what was made is taken away."""
    room(aws, "closed")
    child = spawn(aws, *UP, "-y")
    for line in child.stderr:
        if "next round" in line:
            break
    child.send_signal(how)
    assert ended(child) == NOTHING
    assert left_anywhere(aws, REGION) == []


@pytest.mark.slow  # the same with fakes: tests/commands/test_leave.py
def test_ctrl_c_while_it_boots_and_leave(aws):
    """Left as it is, the box and its request are those that the last line names; `up` goes on with them."""
    terminal = cut(aws, accepted(aws)).sees("What now")
    line = terminal.types(DOWN + ENTER).ends()
    (request,), (instance,) = requests(aws), instances(aws)
    assert line == (
        f"{request['SpotInstanceRequestId']} and {instance['InstanceId']} exist and bill; go on with "
        "`spotbox --sandbox up -r us-east-1 dev`, remove with `spotbox --sandbox down dev`"
    )
    was_there_before(aws, instance["InstanceId"])


def was_there_before(aws, instance_id):
    """A signal in an `up` of a box that was there touches nothing, with a terminal and without one."""
    for go in (ctrl_c, sigterm):
        ec2 = aws.client("ec2")
        until(lambda: instances(aws)[0]["State"]["Name"] == "running")
        ec2.stop_instances(InstanceIds=[instance_id])
        until(lambda: [r["State"] for r in requests(aws)] == ["disabled"])
        line = go(aws)
        assert instance_id in line
        assert line.endswith("go on with `spotbox --sandbox up dev`, remove with `spotbox --sandbox down dev`")
        assert [i["InstanceId"] for i in instances(aws)] == [instance_id]


def ctrl_c(aws):
    return Terminal(aws, "--sandbox", "up").sees("starting: |running at").types(CTRL_C).ends()


def sigterm(aws):
    child = spawn(aws, "--sandbox", "up", "-y")
    until(lambda: re.search("starting: |running at", child.stderr.readline()))
    child.send_signal(signal.SIGTERM)
    return ended(child)


def test_ctrl_c_while_it_boots_and_remove(aws):
    """-y answers the question with its default: the box is removed as by `down`."""
    terminal = cut(aws, accepted(aws, "-y"))
    assert terminal.ends() == NOTHING
    assert "interrupted; removed sir-" in terminal.screen
    assert left_anywhere(aws, REGION) == []


@pytest.mark.slow
def test_ctrl_c_twice_while_it_is_removed(aws):
    """The second Ctrl-C leaves at once; what may be left is named, and `down` removes it."""
    terminal = (
        accepted(aws, "-y").types(CTRL_C).sees("waiting for i-").types(CTRL_C)
    )  # it waits for ever: time is still
    began = time.monotonic()
    line = terminal.ends()
    assert time.monotonic() - began < 2
    control(aws, "still", on=False)
    assert "interrupted twice" in terminal.screen
    for item in requests(aws) + instances(aws):
        assert (item.get("InstanceId") or item["SpotInstanceRequestId"]) in line
    assert "remove with `spotbox --sandbox down dev`" in line
    aws.sandbox("down", "-y")
    assert left_anywhere(aws, REGION) == []


def test_ctrl_c_at_the_question(aws):
    """Ctrl-C instead of an answer leaves at once: the box is there, and named."""
    line = cut(aws, accepted(aws)).sees("What now").types(CTRL_C).ends()
    (instance,) = instances(aws)
    assert instance["InstanceId"] in line


def test_a_closed_terminal(aws):
    """SIGHUP: nobody reads any more, yet what this `up` made is removed."""
    terminal = accepted(aws)
    threading.Timer(1, control, [aws, "still"], {"on": False}).start()
    assert terminal.closed() == 130
    assert left_anywhere(aws, REGION) == []


def test_ctrl_c_during_the_launch(aws):
    """RunInstances is under way: whatever came of it is looked for and removed."""
    control(aws, "fault", code="slow", service="ec2", action="RunInstances", delay=2)
    aws.extra["SPOTBOX_SETTLE"] = "6s"
    child = spawn(aws, *UP, "-y")
    until(lambda: "asking for g4dn.xlarge" in child.stderr.readline())
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    assert ended(child) == NOTHING
    assert left_anywhere(aws, REGION) == []


@pytest.mark.slow
def test_ctrl_c_in_stop(aws):
    """`stop` says in what state the box is, and AWS stops it all the same."""
    aws.sandbox(*UP[1:], "-y")
    (instance,) = instances(aws)
    terminal = Terminal(aws, "--sandbox", "stop").sees("stopping: ").types(CTRL_C)
    line = terminal.ends()
    assert f"{instance['InstanceId']} exist and bill; go on with `spotbox --sandbox stop dev`" in line
    assert "interrupted; dev is stopping" in terminal.screen
    until(lambda: [r["State"] for r in requests(aws)] == ["disabled"])
