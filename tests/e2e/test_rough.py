"""Rough treatment: kills, two terminals at once, interruptions, relaunches, other people's things, a full disk."""

import http.server
import os
import resource
import signal
import subprocess
import threading
import time

import pytest

from tests.e2e.conftest import SPOTBOX, left_anywhere, needs_ssh

pytestmark = needs_ssh
UP = ("--sandbox", "up", "-y")


def spawn(here, *args):
    return subprocess.Popen(
        [SPOTBOX, *args],
        env=here.env,
        cwd=here.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores Ctrl-C, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(look, seconds=60):
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)
    return seen


def live_requests(here):
    found = here.client("ec2").describe_spot_instance_requests()["SpotInstanceRequests"]
    return [r for r in found if r["State"] in ("open", "active", "disabled")]


def test_two_terminals_make_one_box(fresh):
    """Two `up` at the same moment end with one Spot request and one instance, and both say that it is up."""
    fresh.run("sandbox", "start")
    both = [spawn(fresh, *UP) for _ in range(2)]
    said = [child.communicate(timeout=120) for child in both]
    assert [child.returncode for child in both] == [0, 0], said
    assert len(live_requests(fresh)) == 1
    downs = [spawn(fresh, "--sandbox", "down", "-y") for _ in range(2)]
    said = [child.communicate(timeout=120) for child in downs]
    assert [child.returncode for child in downs] == [0, 0], said
    assert left_anywhere(fresh) == []


@pytest.mark.slow  # the sample of the crash matrix kills it at many more places
def test_up_cut_off_half_way_goes_on(fresh):
    """kill -9 after the launch: the same box is found again and brought up; nothing is made twice."""
    fresh.run("sandbox", "start")
    child = spawn(fresh, *UP)
    wait_for(lambda: live_requests(fresh))
    child.kill()
    child.communicate(timeout=60)
    (request,) = live_requests(fresh)
    fresh.sandbox("up", "-y")
    (same,) = live_requests(fresh)
    assert same["SpotInstanceRequestId"] == request["SpotInstanceRequestId"]
    fresh.sandbox("down", "-y")
    assert left_anywhere(fresh) == []


@pytest.mark.slow  # with the guard: tests/e2e/test_guard.py
def test_an_interruption_and_the_way_back(fresh):
    """AWS takes the box and gives it back at a new address: status explains it, plain ssh finds it without help."""
    fresh.sandbox("up", "-y")
    before = fresh.json("status", "dev")
    fresh.sandbox("ssh", "--", "echo precious > work.txt")
    fresh.run("sandbox", "capacity", before["instance_type"], before["zone"], "closed")
    fresh.run("sandbox", "interrupt", "dev", "--notice", "0")
    gone = wait_for(lambda: (s := fresh.json("status", "dev"))["state"] == "interrupted" and s)
    assert "AWS" in gone["reason"]
    fresh.sandbox("ssh", code=3)
    fresh.sandbox("start", code=3)
    fresh.run("sandbox", "capacity", before["instance_type"], before["zone"], "open")
    back = wait_for(lambda: (s := fresh.json("status", "dev"))["state"] == "running" and s)
    assert back["public_ip"] != before["public_ip"]
    config = fresh.home / "spot box" / "ssh_config"
    plain = ["ssh", "-F", str(config), "spotbox-dev", "cat work.txt"]
    seen = wait_for(lambda: subprocess.run(plain, env=fresh.env, capture_output=True, text=True, timeout=60).stdout)
    assert seen == "precious\n"
    fresh.sandbox("down", "-y")
    assert left_anywhere(fresh) == []


@pytest.mark.slow  # the same with fakes, and in the laws: tests/core/test_laws.py
def test_a_relaunch_without_tags_is_found_tagged_and_removed(fresh):
    """Terminate without cancel: AWS launches an untagged instance; status shows it, ssh tags it, down takes it."""
    fresh.sandbox("up", "-y")
    old = fresh.json("status", "dev")["instance_id"]
    ec2 = fresh.client("ec2")
    ec2.terminate_instances(InstanceIds=[old])
    new = wait_for(
        lambda: (s := fresh.json("status", "dev"))["instance_id"] not in (None, old) and s["state"] == "running" and s
    )
    assert new["instance_id"] in new["untagged"]
    assert fresh.json("status", "dev")["untagged"], "status changes nothing"
    wait_for(lambda: fresh.sandbox("ssh", "--", "true", code=None).returncode == 0)
    assert fresh.json("status", "dev")["untagged"] == []
    fresh.sandbox("down", "-y")
    assert left_anywhere(fresh) == []


@pytest.mark.slow
def test_other_peoples_things_are_not_touched(fresh):
    """`down --all` of one owner leaves another's box, and a plain instance, group and key, as they were."""
    fresh.run("sandbox", "start")
    ec2 = fresh.client("ec2")
    image = fresh.client("ssm").get_parameter(
        Name="/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
    )["Parameter"]["Value"]
    plain = ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1)["Instances"][0]
    group = ec2.create_security_group(GroupName="spotbox-dev-alice-not", Description="x")["GroupId"]
    key = ec2.create_key_pair(KeyName="spotbox-alice-0123456789abcdef")["KeyPairId"]
    fresh.sandbox("up", "-y", "--owner", "alice")
    fresh.sandbox("up", "-y", "--owner", "bob")
    fresh.sandbox("down", "--all", "-y", "--owner", "alice")
    (record,) = fresh.json("status", "--owner", "all")
    assert (record["owner"], record["state"]) == ("bob", "running")
    left = left_anywhere(fresh)
    assert plain["InstanceId"] in left
    assert group in [g["GroupId"] for g in ec2.describe_security_groups()["SecurityGroups"]]
    assert key in [k["KeyPairId"] for k in ec2.describe_key_pairs()["KeyPairs"]]


@pytest.mark.slow
def test_another_laptop(fresh, tmp_path):
    """Without any local file the box is found, reached by a key pushed for the moment, and removed."""
    fresh.sandbox("up", "-y")
    for name in ("keys", "ssh_config", "known_hosts"):
        (fresh.home / "spot box" / name).rename(tmp_path / name)
    done = fresh.sandbox("ssh", "--", "echo reached")
    assert done.stdout == "reached\n"
    assert "Instance Connect" in done.stderr
    fresh.sandbox("down", "-y")
    assert left_anywhere(fresh) == []


@pytest.mark.slow
def test_a_new_address_takes_the_place_of_the_old(fresh):
    """When the caller's address changes, `ssh` admits the new one and shuts the old one out, and says so."""
    address = ["198.51.100.7"]

    class Echo(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(address[0].encode() + b"\n")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        fresh.sandbox("up", "-y")
        fresh.extra = {"SPOTBOX_CHECKIP_URL": f"http://127.0.0.1:{server.server_port}/"}
        # The box is out of reach then, for the packets still come from loopback; what counts is the rule.
        assert "198.51.100.7" in fresh.sandbox("ssh", "--", "true", code=None).stderr
    finally:
        server.shutdown()
    rules = [
        r["CidrIp"]
        for g in fresh.client("ec2").describe_security_groups(GroupNames=["spotbox-dev-sandbox"])["SecurityGroups"]
        for p in g["IpPermissions"]
        for r in p["IpRanges"]
    ]
    assert rules == ["198.51.100.7/32"]


@pytest.mark.slow
def test_a_poisoned_environment_changes_nothing(fresh, tmp_path):
    """AWS_*, proxies and ~/.aws play no part in the sandbox."""
    aws = fresh.home / ".aws"
    aws.mkdir()
    (aws / "config").write_text("[default]\nregion = mars-1\nendpoint_url = http://127.0.0.1:9\n[broken")
    (aws / "credentials").write_text("[default]\naws_access_key_id = REAL\naws_secret_access_key = REALSECRET\n")
    fresh.extra = {
        "AWS_PROFILE": "no-such-profile",
        "AWS_REGION": "mars-1",
        "AWS_DEFAULT_REGION": "mars-2",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_EC2": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "REAL",
        "AWS_SECRET_ACCESS_KEY": "REALSECRET",
        "AWS_CA_BUNDLE": "/no/such/file",
        "AWS_MAX_ATTEMPTS": "x",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    fresh.sandbox("up", "-y")
    record = fresh.json("status", "dev")
    assert (record["region"], record["owner"]) == ("us-east-1", "sandbox")
    assert fresh.sandbox("ssh", "--", "env").stdout.count("REAL") == 0
    fresh.sandbox("down", "-y")
    fresh.extra = {}
    assert left_anywhere(fresh) == []


def test_a_full_disk(fresh):
    """Where nothing can be written, `up` says so in two lines and leaves nothing at AWS."""
    fresh.run("sandbox", "start")
    done = subprocess.run(
        [SPOTBOX, *UP],
        env=fresh.env,
        cwd=fresh.home,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY)),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-2].startswith("spotbox: ")
    assert left_anywhere(fresh) == []


def test_many_at_once_start_one_sandbox(fresh):
    """Six commands race for a sandbox that is not there: one starts, all are served."""
    racers = [spawn(fresh, "--sandbox", "status", "-o", "json") for _ in range(6)]
    said = [child.communicate(timeout=90) for child in racers]
    assert [child.returncode for child in racers] == [0] * 6, said
    assert [out for out, _ in said] == ["[]\n"] * 6
    pids = {line for line in fresh.run("sandbox", "status").stdout.splitlines() if line.startswith("pid")}
    assert len(pids) == 1


@pytest.mark.slow  # its parts: tests/sandbox/test_process.py
def test_the_sandbox_comes_back_with_its_box(fresh):
    """Stopped and started, and killed with -9, the sandbox still has the box and its files."""
    fresh.sandbox("up", "-y")
    fresh.sandbox("ssh", "--", "echo precious > work.txt")
    before = fresh.json("status", "dev")
    fresh.run("sandbox", "stop")
    assert fresh.json("status", "dev")["request_id"] == before["request_id"]
    wait_for(lambda: fresh.sandbox("ssh", "--", "cat work.txt", code=None).stdout == "precious\n")
    time.sleep(3)  # what changed is saved within seconds
    pid = next(int(x.split()[1]) for x in fresh.run("sandbox", "status").stdout.splitlines() if x.startswith("pid"))
    os.kill(pid, signal.SIGKILL)
    assert fresh.json("status", "dev")["request_id"] == before["request_id"]
    fresh.sandbox("down", "-y")
    assert left_anywhere(fresh) == []
