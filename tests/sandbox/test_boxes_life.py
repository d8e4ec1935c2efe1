"""The life of a box: on, off, wiped; what clients and crashes may not break."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from spotbox.sandbox import boxserver
from spotbox.sandbox.boxfiles import BoxFiles
from tests.sandbox.boxkit import SPEC, Lab, alive, keepers, nap, processes, until
from tests.timing import quickest, seconds_of

pytestmark = pytest.mark.filterwarnings("error")
OTHER = "i-0fedcba9876543210"


@pytest.fixture
def lab(tmp_path):
    lab = Lab(tmp_path)
    yield lab
    lab.stop()


def test_off_means_off(lab):
    """close() ends the connections and every process of the box, daemons too, before it returns; nobody answers."""
    with subprocess.Popen(lab.command(nap(7501)), stdin=subprocess.PIPE, stderr=subprocess.PIPE) as client:
        lab.ssh(f"setsid nohup {nap(7502)} >/dev/null 2>&1 </dev/null &")
        lab.ssh(f"(setsid sh -c 'trap \"\" TERM HUP; {nap(7503)} & wait' >/dev/null 2>&1 </dev/null &)")
        assert until(lambda: all(alive(nap(n)) for n in (7501, 7502, 7503)))
        lab.boxes.close(lab.spec.instance_id)
        assert not any(alive(nap(n)) for n in (7501, 7502, 7503))
        assert client.wait(timeout=60) == 255
    with socket.socket() as sock:
        assert sock.connect_ex(lab.target) != 0
    assert lab.boxes.connections() == 0
    lab.boxes.close(lab.spec.instance_id)


def test_a_program_is_asked_before_it_is_killed(lab):
    """A program has a moment for its SIGTERM when the box goes off, as at a real shutdown."""
    program = "trap 'echo saved >checkpoint; exit' TERM; touch ready; while :; do sleep 0.05; done"
    lab.ssh(f'nohup sh -c "{program}" >log 2>&1 &')
    assert until((lab.home / "ready").exists)
    lab.boxes.close(lab.spec.instance_id)
    assert (lab.home / "checkpoint").read_text() == "saved\n"


def test_only_that_boxs_processes_end(lab):
    """Another box's programs and connections are left alone."""
    other = replace(lab.spec, instance_id=OTHER)
    address = lab.boxes.reserve()
    lab.boxes.open(other, address)
    lab.ssh(f"nohup {nap(7504)} >/dev/null 2>&1 </dev/null &")
    assert until(lambda: alive(nap(7504)))
    lab.boxes.wipe(OTHER)
    assert alive(nap(7504))
    assert lab.ssh("true").returncode == 0


def test_files_and_identity_outlive_a_stop(lab):
    """After off and on at another address the box has the same files and host keys."""
    lab.ssh("echo kept >note; echo 'export MINE=1' >>.profile")
    keys = lab.boxes.host_keys(lab.spec.instance_id)
    lab.boxes.close(lab.spec.instance_id)
    before, lab.address = lab.address, lab.boxes.reserve()
    assert lab.address != before
    lab.boxes.open(lab.spec, lab.address)
    assert lab.ssh("cat note; tail -1 .profile").stdout == b"kept\nexport MINE=1\n"
    assert lab.boxes.host_keys(lab.spec.instance_id) == keys


def test_a_box_moves_to_the_address_it_is_opened_at(lab):
    """open() at a new address leaves the old one; at the same one it changes nothing."""
    with subprocess.Popen(lab.command("cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert until(lambda: lab.boxes.connections() == 1)
        lab.boxes.open(lab.spec, lab.address)
        assert client.communicate(b"still here", timeout=60)[0] == b"still here"
    old, lab.address = lab.target, lab.boxes.reserve()
    lab.boxes.open(lab.spec, lab.address)
    assert lab.ssh("true").returncode == 0
    with socket.socket() as sock:
        assert sock.connect_ex(old) != 0


def test_wipe_leaves_nothing(lab):
    """The disk is gone: files, read-only folders and host keys; what links point to stays."""
    elsewhere = lab.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").touch()
    lab.ssh(f"mkdir -p a/b && touch a/b/c && chmod 500 a/b a && ln -s '{elsewhere}' link")
    keys = lab.boxes.host_keys(lab.spec.instance_id)
    lab.boxes.wipe(lab.spec.instance_id)
    assert not lab.home.parent.exists()
    assert (elsewhere / "mine").exists()
    assert lab.boxes.host_keys(lab.spec.instance_id) != keys
    lab.boxes.wipe(lab.spec.instance_id)


def test_private_things_are_private(lab):
    """Host keys are 0600, the box's folder 0700; nothing half-written lies beside them."""
    root = lab.home.parent
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    keys = sorted(root.glob("ssh_host_*"))
    assert [key.name for key in keys] == ["ssh_host_ecdsa_key", "ssh_host_ed25519_key"]
    assert all(stat.S_IMODE(key.stat().st_mode) == 0o600 for key in keys)


def test_a_taken_port_is_an_error(lab):
    """Where somebody took the port meanwhile, open() says so, and the box can be opened elsewhere."""
    address = lab.boxes.reserve()
    _, _, high, low = address.split(".")
    with socket.create_server((address, int(high) * 256 + int(low))), pytest.raises(OSError, match="in use"):
        lab.boxes.open(lab.spec, address)
    lab.address = lab.boxes.reserve()
    lab.boxes.open(lab.spec, lab.address)
    assert lab.ssh("true").returncode == 0


def test_what_is_not_started_says_so(tmp_path):
    """Before start() host keys can be had, and open() is refused."""
    boxes = Lab.servers(FakeLab(tmp_path))
    assert len(boxes.host_keys(SPEC.instance_id)) == 2
    with pytest.raises(RuntimeError, match="not started"):
        boxes.open(SPEC, boxes.reserve())
    boxes.stop()


class FakeLab:
    """Enough of a Lab to make servers."""

    _admitted = _active = pushed = None
    shutdowns: list[str] = []  # noqa: RUF012

    def __init__(self, folder):
        self.folder = folder


@pytest.mark.parametrize("words", ["shutdown now", "sudo shutdown -h now", "sudo /sbin/poweroff", "systemctl poweroff"])
def test_a_box_turns_itself_off(lab, words):
    """`shutdown` and its kin tell the sandbox, once, with the box's id."""
    assert lab.ssh(words).returncode == 0
    assert until(lambda: lab.shutdowns)
    time.sleep(0.1)
    assert lab.shutdowns == [lab.spec.instance_id]


def test_a_callback_may_close_the_box(tmp_path):
    """on_shutdown may take a lock that another thread holds while it calls the boxes: nothing hangs."""
    lab = Lab(tmp_path)
    lock = threading.Lock()

    def admitted(instance_id, peer):
        with lock:
            return True

    lab._admitted = admitted
    lab.boxes.stop()
    lab.boxes = lab.servers()
    lab.boxes.start()

    def closed():
        lab.boxes.open(lab.spec, lab.address)
        with lock, socket.create_connection(lab.target):
            time.sleep(0.1)
            return seconds_of(lambda: lab.boxes.close(lab.spec.instance_id))

    try:
        assert quickest(closed, 2) < 2
    finally:
        lab.stop()


def test_a_callback_that_fails_keeps_the_door_shut(lab):
    """An exception in the security group's answer is a no, and the next connection is asked anew."""
    lab.peers = None
    with socket.create_connection(lab.target, timeout=60) as sock:
        assert sock.recv(10) == b""
    lab.peers = []
    assert lab.ssh("true").returncode == 0


def test_odd_clients_do_no_harm(lab):
    """Port scans, garbage, half-open connections and a banner without a sequel leave the server as it was."""
    with contextlib.ExitStack() as stack:
        for data in (
            b"",
            b"GET / HTTP/1.0\r\n\r\n",
            os.urandom(5000),
            b"SSH-2.0-x\r\n",
            b"SSH-2.0-x\r\n" + os.urandom(5000),
        ):
            for hold in (False, True):
                sock = socket.create_connection(lab.target, timeout=60)
                with contextlib.suppress(OSError):
                    sock.sendall(data)
                if hold:
                    stack.enter_context(sock)
                else:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # a reset
                    sock.close()
        assert lab.ssh("echo fine").stdout == b"fine\n"
    assert until(lambda: lab.boxes.connections() == 0)


def test_there_is_an_end_to_connections(lab):
    """More than a hundred connections to a box are dropped, and when they go it answers again."""
    socks = [socket.create_connection(lab.target, timeout=60) for _ in range(boxserver.MAX_CONNECTIONS)]
    assert until(lambda: lab.boxes.connections() == boxserver.MAX_CONNECTIONS)
    assert lab.ssh("true").returncode == 255
    for sock in socks:
        sock.close()
    assert until(lambda: lab.boxes.connections() == 0)
    assert lab.ssh("true").returncode == 0


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts file descriptors in /proc")
def test_nothing_leaks(lab):
    """After many sessions of every kind there are as many file descriptors, and no zombies."""

    def everything():
        lab.ssh("echo x")
        lab.ssh("cat", input=b"x" * 100000)
        lab.ssh("exec >&- 2>&- <&-", input=b"x" * 100000)
        lab.ssh("echo x", flags=("-tt",))
        subprocess.run(["scp", *lab.options(), lab.key, f"ubuntu@{lab.address}:copy"], capture_output=True, check=True)
        with subprocess.Popen(lab.command("sleep 0.5"), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
            assert until(lambda: lab.boxes.connections() == 1)
            client.kill()
        lab.ssh("true", user="root")

    def descriptors():
        assert until(lambda: lab.boxes.connections() == 0 and not keepers(os.getpid()))
        return sorted(os.readlink(link).split(":")[0] for link in Path("/proc/self/fd").iterdir() if link.exists())

    everything()
    before = descriptors()
    for _ in range(3):
        everything()
    assert until(lambda: len(descriptors()) <= len(before)), (before, descriptors())
    table = subprocess.run(["ps", "-axo", "ppid=,stat="], capture_output=True, text=True).stdout
    assert not [line for line in table.splitlines() if line.split() == [str(os.getpid()), "Z"]]


CRASHER = """
import sys, time
from pathlib import Path
from tests.sandbox.boxkit import Lab
lab = Lab(Path(sys.argv[1]))
print(lab.address, flush=True)
time.sleep(60)
"""


def test_a_killed_sandbox_leaves_no_programs(tmp_path):
    """When the sandbox dies of SIGKILL, the programs of its boxes end within seconds, daemons too."""
    sandbox = subprocess.Popen([sys.executable, "-c", CRASHER, tmp_path], stdout=subprocess.PIPE, text=True)
    lab = Lab.__new__(Lab)
    lab.folder, lab.key, lab.known, lab.spec = tmp_path, tmp_path / "id", tmp_path / f"known-{SPEC.instance_id}", SPEC
    lab.address = sandbox.stdout.readline().strip()
    terminal = subprocess.Popen(
        lab.command(nap(7601), flags=("-tt",)), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    lab.ssh(f"setsid nohup {nap(7602)} >/dev/null 2>&1 </dev/null &")
    assert until(lambda: alive(nap(7601)) and alive(nap(7602)))
    kept = keepers(sandbox.pid)
    assert len(kept) == 2
    sandbox.send_signal(signal.SIGKILL)
    sandbox.communicate()
    assert until(lambda: not alive(nap(7601)) and not alive(nap(7602)))
    assert until(lambda: not kept & {pid for pid, _, _ in processes()})
    terminal.communicate(timeout=60)
    BoxFiles(tmp_path / "sandbox home", SPEC.instance_id).clear_run()
