"""A newcomer's whole way: questions on a terminal, a box, a shell, files, a forward, status, and no trace."""

import json
import shlex
import socket
import subprocess
import threading
import time

import pexpect
import pytest

from tests.e2e.conftest import SPOTBOX, left_anywhere, needs_ssh
from tests.ports import free_port

DOWN, ENTER = "\x1b[B", "\r"
pytestmark = needs_ssh


@pytest.fixture(scope="module")
def box(here):
    """A box made through the prompts, with arrow keys."""
    child = pexpect.spawn(
        str(SPOTBOX),
        ["--sandbox", "up"],
        env=here.env,
        cwd=str(here.home),
        dimensions=(40, 140),
        encoding="utf-8",
        timeout=60,
    )
    screen = []
    child.logfile_read = type(
        "Log", (), {"write": lambda self, text: screen.append(text), "flush": lambda self: None}
    )()
    child.expect("Region")
    child.send(ENTER)
    child.expect("Instance type")
    child.expect("savings")
    child.send(DOWN + ENTER)
    child.expect("Availability Zone")
    child.send(DOWN + DOWN + ENTER)
    child.expect("Maximum price")
    child.send(ENTER)
    child.expect("Disk in GiB")
    child.send(ENTER)
    child.expect("Stop when idle")
    child.send(ENTER)
    child.expect("Go ahead")
    summary = "".join(screen)
    child.send("y")
    child.expect("Add spotbox's boxes to ~/.ssh/config")
    child.send("y")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0, "".join(screen)
    (record,) = here.json("status")
    return record | {"summary": summary, "screen": "".join(screen)}


def test_the_summary_told_the_price_before_it_asked(box):
    """On-demand and Spot price, savings, the most it can cost, per day and per month stand above the question."""
    for words in (
        "Spot",
        "on-demand",
        "savings",
        "at most",
        "per day",
        "/month",
        "This will:",
        "persistent Spot request",
    ):
        assert words in box["summary"]


def test_the_arrow_keys_chose(box):
    """One step down in the list of zones is not the cheapest-first default."""
    assert box["state"] == "running"
    assert f"-z {box['zone']}" in box["screen"]
    assert "spotbox --sandbox up dev -r us-east-1" in box["screen"]


@pytest.mark.parametrize(("command", "code"), [("true", 0), ("exit 7", 7), ("no-such-program-here", 127)])
def test_exit_codes_are_the_commands(here, box, command, code):
    """`spotbox ssh -- COMMAND` ends with the command's own exit code."""
    here.sandbox("ssh", "--", command, code=code)


def test_it_feels_like_a_gpu_box(here, box):
    """nvidia-smi answers with the GPU that was paid for, and the user is the image's."""
    done = here.sandbox("ssh", "dev", "--", "nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    assert box["gpu"] in done.stdout
    assert here.sandbox("ssh", "--", "whoami; echo $HOME; echo err >&2").stdout.split()[0] == "ubuntu"


def test_a_shell_in_a_terminal(here, box):
    """Without a command there is a login shell with a terminal of the right size."""
    child = pexpect.spawn(
        str(SPOTBOX), ["--sandbox", "ssh"], env=here.env, dimensions=(33, 101), encoding="utf-8", timeout=30
    )
    child.expect(r"\$ ")
    child.sendline("stty size; exit 5")
    child.expect("33 101")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 5


def test_scp_and_plain_ssh_through_the_included_config(here, box, tmp_path):
    """`ssh spotbox-dev` and scp work through the Include that `up` added, and find the address themselves."""
    config = here.home / ".ssh" / "config"
    assert config.read_text().startswith("Include ")
    source = tmp_path / "some file.bin"
    source.write_bytes(bytes(range(256)) * 400)
    plain = ["-F", str(config)]
    subprocess.run(["scp", *plain, "-q", source, "spotbox-dev:copy.bin"], env=here.env, check=True, timeout=60)
    subprocess.run(
        ["scp", *plain, "-q", "spotbox-dev:copy.bin", tmp_path / "back"], env=here.env, check=True, timeout=60
    )
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    done = subprocess.run(
        ["ssh", *plain, "spotbox-dev", "wc -c < copy.bin"], env=here.env, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == str(source.stat().st_size)


def test_the_host_key_was_known_before_the_first_connection(here, box):
    """Strict checking is on: the key came from the console output, under the box's own alias."""
    printed = here.sandbox("ssh", "--print").stdout
    words = shlex.split(printed)
    assert "StrictHostKeyChecking=yes" in words
    assert f"HostKeyAlias={box['instance_id']}" in words
    assert shlex.split(box["ssh"]) == words
    done = subprocess.run([*words, "echo pasted"], env=here.env, capture_output=True, text=True, timeout=60)
    assert done.stdout == "pasted\n"


def test_a_local_port_is_forwarded(here, box):
    """-L PORT reaches a server on the box."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        mine = free_port()

        def answer():
            connection, _ = server.accept()
            connection.sendall(b"from the box")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        child = subprocess.Popen(
            [SPOTBOX, "--sandbox", "ssh", "-L", f"{mine}:127.0.0.1:{port}", "--", "sleep 120"], env=here.env
        )
        try:
            assert _read(mine) == b"from the box"
        finally:
            child.terminate()
            child.wait(timeout=60)


def _read(port: int) -> bytes:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                return connection.recv(100)
        except OSError:
            time.sleep(0.2)
    return b""


def test_status_tells_all(here, box):
    """The Box of the contract: every key, in order, and the figures agree with each other."""
    from spotbox.core.report import KEYS

    record = here.json("status", "dev")
    assert tuple(record) == KEYS
    assert record["state"] == "running"
    assert record["market"] == "spot"
    assert record["max_price"] is None
    assert 0 < record["spot"] < record["on_demand"]
    assert record["savings_pct"] == pytest.approx((1 - record["spot"] / record["on_demand"]) * 100, abs=0.01)
    assert record["volumes"][0]["size_gib"] >= 100
    table = here.sandbox("status").stdout
    assert "running" in table
    assert record["public_ip"] in table


def test_stop_and_start_keep_the_disk(here, box):
    """A stopped box reads `stopped`; started it has a new address, the same identity and its files."""
    here.sandbox("ssh", "--", "echo precious > work.txt")
    here.sandbox("stop")
    stopped = here.json("status", "dev")
    assert (stopped["state"], stopped["public_ip"]) == ("stopped", None)
    assert here.sandbox("ssh", code=1).stderr.count("\n") == 2
    here.sandbox("stop")
    here.sandbox("start")
    here.sandbox("start")
    back = here.json("status", "dev")
    assert back["state"] == "running"
    assert back["public_ip"] not in (None, box["public_ip"])
    assert here.sandbox("ssh", "--", "cat work.txt").stdout == "precious\n"


def test_up_again_is_fine(here, box):
    """`up` on a running box reports it and makes nothing."""
    before = here.json("status", "dev")["instance_id"]
    again = json.loads(here.sandbox("up", "-y", "-o", "json").stdout)
    assert again["instance_id"] == before


def test_down_leaves_no_trace(here, box):
    """Last of the module: an independent client finds nothing in any region afterwards, and a second down is fine."""
    removed = json.loads(here.sandbox("down", "-y", "-o", "json").stdout)
    assert {item["kind"] for item in removed["removed"]} == {
        "spot-request",
        "instance",
        "volume",
        "security-group",
        "key-pair",
    }
    assert removed["unresolved"] == []
    assert removed["cost"]["name"] == "dev"
    assert removed["cost"]["compute_usd"] > 0
    assert left_anywhere(here) == []
    assert "nothing of dev to remove" in here.sandbox("down", "-y").stderr
    assert here.json("status") == []
    here.sandbox("status", "dev", code=7)
    assert "Host spotbox-dev" not in (here.home / "spot box" / "ssh_config").read_text()
