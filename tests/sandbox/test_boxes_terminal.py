"""An interactive login on a box: a real pseudo-terminal, a login shell, job control."""

import re
import signal
import subprocess

import pexpect
import pytest

from tests.sandbox.boxkit import alive, nap, processes, until

pytestmark = pytest.mark.filterwarnings("error")
PROMPT = r"ubuntu@ip-172-31-5-9:~\$ "


@pytest.fixture
def login(lab):
    """A logged-in terminal of 100 x 30, past its first prompt."""
    child = open_terminal(lab)
    child.expect(PROMPT)
    yield child
    child.close(force=True)


def open_terminal(lab, *words, flags=()):
    command = lab.command(*words, flags=flags)
    return pexpect.spawn(command[0], command[1:], encoding="utf-8", timeout=60, dimensions=(30, 100))


def say(child, line, answer):
    child.sendline(line)
    child.expect(answer)
    found = child.match
    child.expect(PROMPT)
    return found


def leave(child):
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def test_the_greeting_tells_the_truth(lab):
    """The message of the day says what the box would be, that it is a sandbox on this machine and its GPU made up."""
    child = open_terminal(lab)
    child.expect(PROMPT)
    greeting = child.before
    for word in ("sandbox", "g5.xlarge", "us-east-1", lab.spec.instance_id, "1 x A10G (made up)", "your own machine"):
        assert word in greeting
    assert all(line.endswith("\r") for line in greeting.split("\n")[:-1])
    child.sendline("exit 4")
    assert leave(child) == 4


def test_a_hushed_login_is_not_greeted(lab):
    """~/.hushlogin silences the greeting, as with login(1)."""
    (lab.home / ".hushlogin").touch()
    child = open_terminal(lab)
    child.expect(PROMPT)
    assert "sandbox" not in child.before
    child.sendline("exit")
    leave(child)
    (lab.home / ".hushlogin").unlink()


def test_it_is_a_login_shell_that_is_not_in_posix_mode(login):
    """The shell is bash, a login shell, in its normal mode; `logout` leaves it with the last exit code."""
    say(login, "shopt -q login_shell && echo log''in $0", r"login -bash")
    say(login, "set -o | grep -c 'on$' ; shopt -po posix; echo [$POSIXLY_CORRECT$ENV]", r"set \+o posix\r\n\[\]")
    say(login, "shopt -p inherit_errexit; echo $HISTFILE", r"shopt -u inherit_errexit\r\n\S.*/home/\.bash_history")
    login.sendline("(exit 7); logout")
    assert leave(login) == 7


@pytest.mark.parametrize("name", [".bash_profile", ".bash_login", ".profile"])
def test_the_users_profile_is_read(lab, name):
    """A login reads the first of ~/.bash_profile, ~/.bash_login, ~/.profile; the box's programs stay first on PATH."""
    kept = (lab.home / ".profile").read_text()
    try:
        (lab.home / name).write_text("export FROM_PROFILE=seen\nPATH=/usr/bin:/bin\nPS1='ubuntu@ip-172-31-5-9:~$ '\n")
        child = open_terminal(lab)
        child.expect(PROMPT)
        say(child, "echo $FROM_PROFILE; type -p shutdown", r"seen\r\n\S.*/bin/shutdown")
        child.sendline("exit")
        leave(child)
    finally:
        (lab.home / name).unlink()
        (lab.home / ".profile").write_text(kept)


def test_history_is_kept_in_the_home_folder(lab):
    """What was typed is in ~/.bash_history after the logout."""
    child = open_terminal(lab)
    child.expect(PROMPT)
    say(child, "echo remember-me", r"remember-me\r\n")
    child.sendline("exit")
    leave(child)
    assert "echo remember-me" in (lab.home / ".bash_history").read_text()


def test_the_window_has_the_clients_size_and_follows_it(login):
    """The terminal starts in the client's size, and a resize reaches the programs as SIGWINCH."""
    say(login, "stty size", r"\b30 100\r")
    login.sendline('sh -c \'trap "stty size; exit" WINCH; echo rea""dy; while :; do sleep 0.05; done\'')
    login.expect("ready\r\n")
    login.setwinsize(44, 132)
    login.expect("44 132\r\n")
    login.expect(PROMPT)
    say(login, "stty size", r"\b44 132\r")


def test_job_control(login):
    """Ctrl-Z stops a job, bg and fg move it, Ctrl-C ends it with 130."""
    login.sendline(nap(7402))
    assert until(lambda: alive(nap(7402)))
    login.sendcontrol("z")
    login.expect(rf"\[1\]\+\s+Stopped\s+{nap(7402)}")
    login.expect(PROMPT)
    say(login, "bg", rf"\[1\]\+ {nap(7402)} &")
    say(login, "jobs", rf"\[1\]\+\s+Running\s+{nap(7402)}")
    login.sendline("fg")
    login.expect(f"{nap(7402)}\r\n")
    login.sendcontrol("c")
    login.expect(PROMPT)
    say(login, "echo code $?", r"code 130\r")
    assert not alive(nap(7402))


def test_end_of_input_logs_out(login):
    """Ctrl-D at the prompt ends the login."""
    login.sendcontrol("d")
    assert leave(login) == 0


def test_an_interactive_program_runs_in_its_terminal(lab):
    """`ssh -t box COMMAND` has a terminal, no greeting, and the command's exit code."""
    child = open_terminal(lab, "tty && echo $TERM && test -t 2 && exit 6", flags=("-t", "-o", "SetEnv=TERM=vt220"))
    child.expect(r"^/dev/(pts/|tty)\S+\r\n(vt220|xterm\S*|dumb|ansi|\S+)\r\n")
    assert leave(child) == 6


def test_characters_that_erase_are_the_clients(lab):
    """The client's terminal modes are taken over: its erase character works on the box."""
    child = open_terminal(lab, "read -r line; echo got $line", flags=("-t",))
    assert until(lambda: any("bash -c read -r line; echo got" in row[2] for row in processes()))
    child.send("abX\x7fc\r")
    child.expect(r"got abc\r\n")
    leave(child)


def test_much_output_before_the_end_is_complete(lab):
    """What a terminal program wrote last is delivered before the connection closes."""
    child = open_terminal(lab, "seq 1 20000", flags=("-t",))
    child.expect("\r\n20000\r\n")
    assert leave(child) == 0


def test_a_job_left_behind_does_not_hold_the_login(login):
    """A background job that holds the terminal open does not keep ssh from ending."""
    say(login, f"nohup {nap(7403)} 2>/dev/null &", r"\[1\] \d+")
    login.sendline("exit")
    assert leave(login) == 0
    assert alive(nap(7403))
    subprocess.run(["pkill", "-fx", nap(7403)], check=True)


def test_a_lost_connection_hangs_the_shell_up(lab):
    """When the client dies, the shell and its foreground job get SIGHUP."""
    child = open_terminal(lab)
    child.expect(PROMPT)
    child.sendline(nap(7404))
    assert until(lambda: alive(nap(7404)))
    child.kill(signal.SIGKILL)
    assert until(lambda: not alive(nap(7404)))
    child.close()


def test_tmux_is_the_boxs_own(lab):
    """A tmux session on the box outlives the connection and ends with the box, whatever tmux this machine runs."""
    if lab.ssh("command -v tmux").returncode:
        pytest.skip("this machine has no tmux")
    assert lab.ssh(f"tmux new-session -d -s work '{nap(7405)}'").returncode == 0
    assert until(lambda: alive(nap(7405)))
    assert lab.ssh("tmux ls").stdout.startswith(b"work:")
    sockets = lab.ssh("echo $TMUX_TMPDIR").stdout.decode().strip()
    lab.boxes.close(lab.spec.instance_id)
    assert not alive(nap(7405))
    assert not re.search(re.escape(sockets), subprocess.run(["ls", "/tmp"], capture_output=True, text=True).stdout)
    lab.boxes.open(lab.spec, lab.address)
    assert b"no server running" in lab.ssh("tmux ls").stderr or lab.ssh("tmux ls").returncode == 1
