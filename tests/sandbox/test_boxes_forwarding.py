"""A connection to a box carries ports, other connections and an agent."""

import contextlib
import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.sandbox.boxkit import until

pytestmark = pytest.mark.filterwarnings("error")
TABLE = Path("/proc/net/tcp")


def _listens(port: int) -> bool:
    """Looked up, where that can be: a connection made to find out may be cut off on its way through the box, and what
    asyncssh leaves of it is complained of in whichever test the garbage is collected."""
    if TABLE.exists():
        rows = [line.split() for line in TABLE.read_text().splitlines()[1:]]
        return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)  # TCP_LISTEN
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def echo_server():
    """A server on loopback that answers each line in capitals."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return  # closed: the test is over
                with client, contextlib.suppress(OSError):
                    client.sendall(client.recv(100).upper())

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@contextlib.contextmanager
def background(lab, *flags):
    """An ssh client that stays, for its forwardings."""
    client = subprocess.Popen(lab.command(flags=flags), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield client
    finally:
        client.terminate()
        client.communicate(timeout=60)


def ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        sock.sendall(b"hello")
        return sock.recv(100)


def test_local_forwarding(lab):
    """ssh -L reaches a server on the box."""
    port = free_port()
    with echo_server() as there, background(lab, "-N", "-L", f"{port}:localhost:{there}"):
        assert until(lambda: _listens(port))
        assert ask(port) == b"HELLO"


def test_remote_forwarding(lab):
    """ssh -R gives the box a port that reaches the client's side, on loopback only."""
    port = free_port()
    with echo_server() as here, background(lab, "-N", "-R", f"*:{port}:127.0.0.1:{here}"):
        assert until(lambda: _listens(port))
        assert ask(port) == b"HELLO"
        if TABLE.exists():
            assert f" 00000000:{port:04X} " not in TABLE.read_text()
    assert until(lambda: not _listens(port))


def test_remote_forwarding_to_a_port_of_the_boxs_choice(lab):
    """ssh -R 0:... is told which port it got, and it works."""
    with echo_server() as here:
        command = lab.command("sleep 20", flags=("-R", f"0:127.0.0.1:{here}"))
        client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            line = client.stderr.readline().decode()  # Allocated port 12345 for remote forward to 127.0.0.1:...
            assert ask(int(line.split()[2])) == b"HELLO"
        finally:
            client.kill()
            client.communicate()


def test_dynamic_forwarding(lab):
    """ssh -D is a SOCKS proxy into the box."""
    port = free_port()
    with echo_server() as there, background(lab, "-N", "-D", f"127.0.0.1:{port}"):
        assert until(lambda: _listens(port))
        with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
            sock.sendall(b"\x05\x01\x00")
            assert sock.recv(2) == b"\x05\x00"
            sock.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + there.to_bytes(2, "big"))
            assert sock.recv(10)[:2] == b"\x05\x00"
            sock.sendall(b"hello")
            assert sock.recv(100) == b"HELLO"


def test_connections_can_be_shared(lab):
    """ControlMaster: later commands go through the first connection, and get their own exit codes."""
    assert until(lambda: lab.boxes.connections() == 0)  # those of the test before are closing
    control = ("-o", f"ControlPath={lab.folder}/cm", "-o", "ControlMaster=auto", "-o", "ControlPersist=10")
    master = subprocess.run(lab.command("true", flags=control), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert master.returncode == 0
    before = len(lab.peers)
    codes = [lab.ssh(f"exit {code}", flags=control).returncode for code in (0, 5, 6)]
    assert codes == [0, 5, 6]
    assert len(lab.peers) == before
    assert lab.boxes.connections() == 1
    assert lab.ssh(flags=(*control, "-O", "exit")).returncode == 0
    assert until(lambda: lab.boxes.connections() == 0)


def test_an_agent_is_forwarded_when_asked(lab):
    """ssh -A gives the box a socket to the client's agent; without -A there is none."""
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(lab.folder / "agent")], stdout=subprocess.DEVNULL)
    try:
        assert until((lab.folder / "agent").exists)
        env = {**os.environ, "SSH_AUTH_SOCK": str(lab.folder / "agent")}
        subprocess.run(["ssh-add", "-q", lab.key], env=env, check=True)
        flags = ("-o", f"IdentityAgent={lab.folder}/agent", "-A")
        command = lab.command("ssh-add -L", flags=flags)
        command = [word for word in command if word != 'IdentityAgent="none"']
        command.pop(command.index("-o", command.index('IdentitiesOnly="yes"')))
        done = subprocess.run(command, capture_output=True, env=env, text=True)
        assert lab.public.split()[1] in done.stdout, done.stderr
        assert lab.ssh("echo [$SSH_AUTH_SOCK]").stdout == b"[]\n"
    finally:
        agent.terminate()
        agent.wait()
