"""What happens to a box is watched and explained, in the program's own words, against a sandbox over HTTP."""

import json
import re
import signal
import subprocess
import time

import pexpect
import pytest

from tests.e2e.conftest import SPOTBOX, needs_ssh

LEAVE = "\x1b[?25h\x1b[?1049l"


def values(text):
    """The rows of `status NAME`."""
    return dict(re.split("  +", line, maxsplit=1) for line in text.splitlines())


def until(here, done):
    """The box dev once it is as `done` wants it."""
    deadline = time.monotonic() + 60
    while not done(now := here.json("status", "dev")):
        assert time.monotonic() < deadline, now
    return now


@needs_ssh
@pytest.mark.slow
def test_a_box_is_watched_through_what_happens_to_it(fresh):
    """Limits, an interruption, a terminate from outside: each is seen, explained, and the terminal given back."""
    fresh.sandbox("up", "-y", "--ttl", "8h", "--idle-stop", "2h")
    box = fresh.json("status", "dev")
    assert box["expires_at"].endswith("Z")
    assert values(fresh.sandbox("status", "dev").stdout)["idle stop"] == "2h"

    log = subprocess.Popen(
        [SPOTBOX, "--sandbox", "status", "--watch", "-o", "json"], env=fresh.env, stdout=subprocess.PIPE, text=True
    )
    screen = pexpect.spawn(
        str(SPOTBOX), ["--sandbox", "status", "dev", "--watch"], env=fresh.env, dimensions=(40, 160), timeout=60,
        encoding="utf-8",
    )  # fmt: skip
    try:
        assert json.loads(log.stdout.readline())[0]["state"] == "running"
        screen.expect("state +running")
        fresh.run("sandbox", "interrupt", "dev", "--notice", "4s")
        screen.expect("AWS is about to stop it: save your work now")
        screen.expect("AWS took the capacity back; only AWS can restart it")
        screen.expect("state +running since")
        screen.send("q")
        assert screen.read().rstrip().endswith(LEAVE)
        screen.wait()
        assert screen.exitstatus == 0
        seen = [json.loads(log.stdout.readline())[0]]
        while seen[-1]["state"] != "running" or seen[-1]["status_code"] != "fulfilled":
            seen.append(json.loads(log.stdout.readline())[0])
        log.send_signal(signal.SIGINT)
        assert log.wait(30) == 130
    finally:
        screen.close(force=True)
        log.kill()
    assert seen[0]["status_code"] == "marked-for-stop"
    assert "interrupted" in [line["state"] for line in seen]

    fresh.run(
        "sandbox", "capacity", box["instance_type"], box["zone"], "closed"
    )  # else it is relaunched within a second
    fresh.client("ec2").terminate_instances(InstanceIds=[box["instance_id"]])
    gone = until(fresh, lambda now: now["instance_id"] is None)
    assert (gone["state"], gone["request_state"]) == ("waiting", "open")
    assert gone["reason"] == "terminated, but its request was not cancelled: AWS launches another"
    fresh.run("sandbox", "capacity", box["instance_type"], box["zone"], "open")
    now = until(fresh, lambda now: now["state"] == "running")
    assert now["untagged"]
    fresh.sandbox("up", "-y")
    relaunched = fresh.json("status", "dev")
    assert (relaunched["expires_at"], relaunched["untagged"]) == (box["expires_at"], [])
    tags = fresh.client("ec2").describe_tags(
        Filters=[{"Name": "resource-id", "Values": [relaunched["instance_id"]]}]
    )["Tags"]  # fmt: skip
    assert {"spotbox:expires", "spotbox:idle-stop"} <= {tag["Key"] for tag in tags}
    fresh.sandbox("up", "-y", "--ttl", "0", "--idle-stop", "0")
    assert fresh.json("status", "dev")["expires_at"] is None
    fresh.sandbox("down", "-y")
