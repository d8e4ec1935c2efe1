"""A box is an SSH server that OpenSSH's own client is content with: programs, keys, environment."""

import os
import socket
import subprocess
import time

import pytest

from tests.sandbox.boxkit import alive, nap, until

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def as_it_was(lab):
    yield
    lab.admit, lab.pushed = True, []


@pytest.mark.parametrize("code", [0, 1, 3, 42, 255])
def test_the_exit_code_is_that_of_the_program(lab, code):
    """ssh ends with the exit code of what it ran on the box."""
    assert lab.ssh(f"exit {code}").returncode == code


def test_stdout_and_stderr_stay_apart(lab):
    """What a program writes to stderr comes out of ssh's stderr."""
    done = lab.ssh("echo out; echo err >&2")
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")


@pytest.mark.parametrize("name", ["TERM", "KILL", "SEGV"])
def test_a_program_killed_by_a_signal_is_told_as_such(lab, name):
    """OpenSSH says which signal ended the program, and exits 255."""
    done = lab.ssh(f"kill -{name} $$", flags=("-v",))
    assert done.returncode == 255
    assert b"rtype exit-signal" in done.stderr


def test_twenty_megabytes_go_there_and_back(lab):
    """A large pipe arrives complete and in order."""
    data = os.urandom(20_000_000)
    done = lab.ssh("cat", input=data)
    assert done.returncode == 0
    assert done.stdout == data


def test_output_that_nobody_reads_waits(lab):
    """A program faster than its reader is slowed down, not buffered without end; a closed reader ends it."""
    client = subprocess.Popen(lab.command("yes waiting-for-a-reader"), stdout=subprocess.PIPE)
    client.stdout.read(10)
    time.sleep(0.3)
    client.kill()
    client.communicate()
    assert until(lambda: not alive("yes waiting-for-a-reader"))


def test_a_program_that_ignores_its_input_ends(lab):
    """Input that nobody takes does not hold the session."""
    assert lab.ssh("exec true", input=b"x" * 5_000_000).returncode == 0


def test_output_is_delivered_before_the_exit_status(lab):
    """All that was written before the end arrives."""
    assert len(lab.ssh("head -c 3000000 /dev/zero; exit 7").stdout) == 3_000_000


def test_a_pipe_that_breaks_ends_the_writer(lab):
    """SIGPIPE has its usual effect: `yes | head` ends, quietly."""
    done = lab.ssh("yes | head -1; echo ${PIPESTATUS[0]}")
    assert done.stdout == b"y\n141\n"
    assert done.stderr == b""


def test_a_background_job_outlives_the_connection(lab):
    """As on a real machine, `nohup job &` goes on after the logout."""
    lab.ssh(f"nohup {nap(7401)} >/dev/null 2>&1 </dev/null &")
    assert until(lambda: alive(nap(7401)))
    assert not until(lambda: not alive(nap(7401)), timeout=0.5)
    subprocess.run(["pkill", "-fx", nap(7401)], check=True)
    assert until(lambda: not alive(nap(7401)))


def test_nothing_of_the_host_is_in_the_environment(lab, monkeypatch):
    """A program on the box sees the box's environment: the user, no credentials, no variables of the sandbox."""
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "SPOTBOX_HOME", "SSH_AUTH_SOCK", "PYTHONPATH", "HTTP_PROXY"):
        monkeypatch.setenv(name, "host secret")
    lines = lab.ssh("env").stdout.decode().splitlines()
    env = dict(line.split("=", 1) for line in lines)
    assert "host secret" not in str(env)
    assert {name: env[name] for name in ("USER", "LOGNAME", "HOME")} == {
        "USER": "ubuntu",
        "LOGNAME": "ubuntu",
        "HOME": str(lab.home),
    }
    assert set(env) <= {
        *("HOME", "USER", "LOGNAME", "SHELL", "PATH", "PWD", "SHLVL", "_", "HOSTNAME", "LANG", "TMUX_TMPDIR"),
        *("SSH_CLIENT", "SSH_CONNECTION"),
    }
    assert env["PATH"].startswith(str(lab.home.parent / "bin") + ":/usr/local/sbin:")


def test_the_locale_of_the_client_is_taken_and_nothing_else(lab):
    """SendEnv of LANG and LC_* has its effect; other variables of the client are dropped, as sshd's AcceptEnv does."""
    flags = ("-o", "SetEnv=LC_TIME=C LANG=C.UTF-8 LD_PRELOAD=/nowhere PATH=/nowhere")
    env = lab.ssh("env", flags=flags).stdout.decode()
    assert "LC_TIME=C\n" in env
    assert "nowhere" not in env


def test_commands_of_any_text_reach_the_shell(lab):
    """Quotes, unicode and newlines of a command are the shell's own."""
    assert lab.ssh("printf '%s|' \"a b\" 'ü' $'x\\ny'; echo \"$#\"").stdout == "a b|ü|x\ny|0\n".encode()


def test_a_wrong_key_is_refused(lab):
    """A key that the box was not launched with does not get in, and no password is asked."""
    key, _ = lab.make_key("other")
    done = lab.ssh("true", key=key, flags=("-o", "BatchMode=no", "-o", "NumberOfPasswordPrompts=1"))
    assert done.returncode == 255
    assert b"Permission denied (publickey)." in done.stderr


def test_the_sixth_wrong_key_is_the_last(lab):
    """As sshd by its default: a sixth key that is refused ends the connection, whatever else the client would offer."""
    keys = [lab.make_key(f"many{number}")[0] for number in range(6)]
    more = [word for key in keys for word in ("-o", f'IdentityFile="{key}"')]
    done = lab.ssh("true", key=keys[0], flags=(*more, "-o", f'IdentityFile="{lab.key}"'))
    assert done.returncode == 255
    assert b"Too many authentication failures" in done.stderr
    done = lab.ssh("true", key=keys[0], flags=(*more[:8], "-o", f'IdentityFile="{lab.key}"'))
    assert done.returncode == 0, done.stderr


def test_a_wrong_user_is_refused(lab):
    """Only the image's own user gets in."""
    done = lab.ssh("true", user="root")
    assert done.returncode == 255
    assert b"Permission denied (publickey)." in done.stderr


@pytest.mark.parametrize("kind", ["rsa", "ed25519", "ecdsa"])
def test_a_pushed_key_gets_in_as_long_as_it_is_valid(lab, kind):
    """A key of EC2 Instance Connect counts at the moment of the login, not before and not after."""
    key, public = lab.make_key(f"pushed-{kind}", kind)
    assert lab.ssh("true", key=key).returncode == 255
    lab.pushed = ["", "ssh-ed25519 garbage", public]
    assert lab.ssh("true", key=key).returncode == 0
    lab.pushed = []
    assert lab.ssh("true", key=key).returncode == 255


def test_a_wrong_host_key_is_noticed(lab):
    """The client's check of the host key is a real one."""
    wrong = lab.folder / "wrong_hosts"
    wrong.write_text(f"box {lab.public}\n")
    done = lab.ssh("true", known=wrong)
    assert b"REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_every_host_key_that_is_told_is_the_servers(lab, algorithm):
    """Each public line of host_keys() is a key the server proves to hold."""
    assert [line.split()[0] for line in lab.boxes.host_keys(lab.spec.instance_id)] == [
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
    ]
    assert lab.ssh("true", flags=("-o", f"HostKeyAlgorithms={algorithm}")).returncode == 0


def test_a_peer_that_the_group_keeps_out_sees_no_banner(lab):
    """A refused address is dropped without a byte; the question names the peer."""
    lab.admit = False
    with socket.create_connection(lab.target, timeout=60) as sock:
        assert sock.recv(100) == b""
    assert lab.ssh("true").returncode == 255
    lab.admit = True
    assert lab.ssh("true").returncode == 0
    assert set(lab.peers) == {"127.0.0.1"}


def test_keepalives_are_answered(lab):
    """A client that asks whether the server lives (ServerAliveInterval) stays connected."""
    flags = ("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1")
    stays = lambda: lab.ssh("sleep 2.5; echo still here", flags=flags).stdout == b"still here\n"  # noqa: E731
    assert any(stays() for _ in range(4))  # a machine that stands still for two seconds answers nobody


def test_a_subsystem_that_there_is_not_is_refused(lab):
    """Only sftp is a subsystem of a box."""
    assert lab.ssh("netconf", flags=("-s",)).returncode != 0


def test_many_at_once(lab):
    """Ten clients at the same time get their own answers."""
    clients = [
        subprocess.Popen(lab.command(f"echo {n}; exit {n}"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        for n in range(10)
    ]
    answers = [(client.communicate(timeout=120)[0], client.returncode) for client in clients]
    assert answers == [(f"{n}\n".encode(), n) for n in range(10)]


def test_activity_is_told(lab):
    """Each connection counts as use of the sandbox."""
    before = lab.activity
    lab.ssh("true")
    assert lab.activity > before


def test_a_signal_from_the_client_reaches_the_program(lab):
    """What a client sends with the SSH "signal" request arrives at the program's process group."""
    import asyncio

    import asyncssh

    async def run():
        host, port = lab.target
        async with asyncssh.connect(
            host, port, username="ubuntu", client_keys=[str(lab.key)], known_hosts=None, config=None, agent_path=None
        ) as conn:
            process = await conn.create_process(
                "trap 'echo got it; exit 9' USR1; echo ready; while :; do sleep 0.05; done"
            )
            assert await process.stdout.readline() == "ready\n"
            process.send_signal("USR1")
            done = await process.wait()
            return done.exit_status, done.stdout

    assert asyncio.run(run()) == (9, "got it\n")
