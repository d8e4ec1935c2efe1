"""Calls side by side: their order, what a refusal and a bug become, and Ctrl-C."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from spotbox.aws.parallel import parallel
from spotbox.core.errors import SpotboxError
from tests.aws.endpoint import ec2_error, endpoint

ROOT = Path(__file__).parents[2]


def test_parallel_keeps_order_and_refusals():
    """Results stand in the order of the calls, a refusal in its place, and no more run at once than allowed."""
    running, most, lock, three = 0, 0, threading.Lock(), threading.Barrier(3)

    def call(number):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        if number < 3:
            three.wait(60)
        time.sleep(0.02 * (5 - number))
        with lock:
            running -= 1
        if number == 2:
            raise SpotboxError("refused")
        return number

    results = parallel([lambda n=n: call(n) for n in range(5)], limit=3)
    assert [r if isinstance(r, int) else r.message for r in results] == [0, 1, "refused", 3, 4]
    assert most == 3
    assert parallel([]) == []


def test_parallel_translates_and_raises_bugs():
    """botocore's exceptions come back translated; a bug is raised."""
    with endpoint(lambda asked: ec2_error("UnauthorizedOperation", "no")) as world:
        aws = world.aws()
        (refusal,) = aws.parallel([lambda: aws.client("ec2").describe_regions()])
    assert isinstance(refusal, SpotboxError)
    assert refusal.message == "no permission for ec2:DescribeRegions"
    with pytest.raises(ZeroDivisionError):
        parallel([lambda: 1 / 0])


def test_ctrl_c_ends_parallel_at_once():
    """An interrupt ends the process promptly although calls are still waiting for an answer."""
    code = (
        "import time\nfrom spotbox.aws.parallel import parallel\nprint('go', flush=True)\n"
        "parallel([lambda: time.sleep(30)] * 40)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores Ctrl-C, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert child.stdout.readline() == "go\n"
        time.sleep(0.3)
        begun = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert time.monotonic() - begun < 5
    assert "KeyboardInterrupt" in errors
