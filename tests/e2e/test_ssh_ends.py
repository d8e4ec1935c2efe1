"""Ways into a box and out of it: a key that only the agent holds, a shell that AWS closes, job control, signals."""

import os
import shlex
import signal
import subprocess
import time

import pexpect
import pytest

from tests.e2e.conftest import SPOTBOX, make_here, needs_ssh

# What each part does alone is tested without a box: test_attended.py, commands/test_ssh.py, sandbox/test_boxes.py.
pytestmark = [needs_ssh, pytest.mark.slow]


def made_key(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    """An agent that holds eight keys, the box's last; no private half is left in a file."""
    folder = tmp_path_factory.mktemp("agent")
    child = subprocess.Popen(["ssh-agent", "-D", "-a", str(folder / "socket")], stdout=subprocess.DEVNULL)
    while not (folder / "socket").exists():
        time.sleep(0.02)
    for number in range(8):
        key = made_key(folder / f"key{number}")
        subprocess.run(["ssh-add", "-q", str(key)], env={**os.environ, "SSH_AUTH_SOCK": f"{folder}/socket"}, check=True)
        key.unlink()
    yield folder
    child.terminate()
    child.wait()


@pytest.fixture(scope="module")
def here(tmp_path_factory, agent):
    """A running box whose key only the agent holds."""
    place = make_here(tmp_path_factory.mktemp("e2e"), SSH_AUTH_SOCK=str(agent / "socket"))
    place.sandbox("up", "-y", "--key", str(agent / "key7.pub"))
    yield place
    place.run("sandbox", "stop", code=None)


def ran(here, *words):
    return subprocess.run(words, env=here.env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def test_of_many_keys_in_the_agent_the_boxs_is_offered(here):
    """An agent of eight keys: the entry and the printed command offer the box's key alone; offering all of them, as ssh
    does by itself, ends at the server's sixth."""
    config = here.home / "spot box" / "ssh_config"
    assert ran(here, "ssh", "-F", str(config), "spotbox-dev", "echo in").stdout == "in\n"
    words = shlex.split(here.sandbox("ssh", "--print", "--", "echo", "in").stdout)
    assert ran(here, *words).stdout == "in\n"
    bare = [at for at, word in enumerate(words) if word.startswith(("IdentityFile=", "IdentitiesOnly="))]
    assert len(bare) == 2
    told = ran(here, *(word for at, word in enumerate(words) if not {at, at + 1} & set(bare)))
    assert (told.returncode, told.stdout) == (255, "")
    assert "Too many authentication failures" in told.stderr


def test_an_exit_code_of_255_that_is_the_commands_own(here):
    """The box runs on: nothing is added to what ssh said."""
    done = here.sandbox("ssh", "--", "exit 255", code=255)
    assert done.stderr == ""


def test_a_signal_to_spotbox_is_one_to_its_ssh(here):
    """Who ends spotbox ends the ssh that it runs, and is told nothing of the box."""
    child = subprocess.Popen(
        [SPOTBOX, "--sandbox", "ssh", "--", "echo here; sleep 43"], env=here.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout.readline() == "here\n"
    pids = subprocess.run(["ps", "-o", "pid=", "--ppid", str(child.pid)], capture_output=True, text=True).stdout.split()
    assert len(pids) == 1
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=20)
    assert (child.returncode, "dev" in err) == (255, False), err
    assert not os.path.exists(f"/proc/{pids[0]}")


def test_a_shell_that_is_put_aside(here):
    """`~^Z` stops ssh, and with it spotbox: the user's shell has the terminal, and `fg` gives it back."""
    child = pexpect.spawn("bash", ["--norc", "-i"], env={**here.env, "PS1": "local> "}, encoding="utf-8", timeout=30)
    child.expect("local> ")
    child.sendline(shlex.join([str(SPOTBOX), "--sandbox", "ssh"]))
    child.expect(r"\$ ")
    child.send("\r~\x1a")
    child.expect("Stopped")
    child.expect("local> ")
    child.sendline("fg")
    child.expect("ssh")
    child.sendline("")
    child.expect(r"\$ ")
    child.sendline("exit 5")
    child.expect("local> ")
    child.sendline("echo code $?")
    child.expect("code 5")
    child.sendline("exit")
    child.expect(pexpect.EOF)
    child.close()


def test_a_shell_that_aws_closes(here):
    """AWS takes the box while a shell is open: ssh's 255, and one line that says who did it and what to do."""
    (box,) = here.json("status")
    here.run("sandbox", "capacity", box["instance_type"], box["zone"], "closed")
    child = subprocess.Popen(
        [SPOTBOX, "--sandbox", "ssh", "--", "echo here; sleep 44"], env=here.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout.readline() == "here\n"
    here.run("sandbox", "interrupt", "dev", "--notice", "0")
    _, err = child.communicate(timeout=60)
    assert child.returncode == 255
    told = err.splitlines()[-1]
    assert told.startswith(("dev is stopping: it is being stopped by AWS", "dev is interrupted: AWS took ")), err
    assert (
        "wait for AWS: spotbox --sandbox up dev; take it elsewhere, disk included: spotbox --sandbox move dev" in told
    )
