"""The init of one SSH session of a box: starts its program and ends whatever is left of it when the box ends.

Run as a script, never imported by the sandbox: `python -I -S boxkeeper.py CONTROL TTY ARGV0 PROGRAM ARGS...`
CONTROL is an inherited socket: to the sandbox go the lines `exit N` or `signal N` once, from it come signal numbers,
one byte each, for the program's process group. Its end (the sandbox closed it, or died even of SIGKILL) ends every
process that came from the session. Until then background jobs live on after a logout, as on a real machine.

On Linux the keeper is a "child subreaper" (prctl(2)): daemons and tmux servers stay its descendants. Elsewhere only
the descendants that `ps` still connects to it and the program's process group are found; a double-forked daemon is not.
"""

import ctypes
import fcntl
import os
import select
import signal
import sys
import termios
import time

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
GRACE = 0.5  # seconds between SIGTERM and SIGKILL when the box ends
GIVE_UP = 5.0  # seconds of SIGKILL before processes that cannot die are left to the kernel
LOOK = 1.0  # seconds between looks for a process group left behind, where the kernel does not tell


def prctl(option: int, value: int) -> None:
    """prctl(2), which Python does not wrap; nothing on other systems."""
    if LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def start(tty: bool, argv0: str, program: str, args: list[str]) -> int:
    """Fork the program into a session of its own, with the keeper's stdio; with `tty` stdin is its terminal."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if tty:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would pass that on
            signal.signal(number, signal.SIG_DFL)
        os.umask(0o022)
        os.execvp(program, [argv0, *args])  # no shell is meant
    except OSError as error:
        os.write(2, f"{program}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def leave_stdio() -> None:
    """Let go of the session's pipes or terminal: only its programs hold them open."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)


def parents() -> dict[int, int]:
    """pid -> parent pid of every process that can be seen."""
    found = {}
    if LINUX:
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat", "rb") as stat:
                        found[int(entry)] = int(stat.read().rpartition(b")")[2].split()[1])
                except (OSError, IndexError):
                    continue  # gone in between
        return found
    import subprocess  # costs a third of the start-up, and Linux never needs it

    table = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=False).stdout
    return {int(pid): int(parent) for pid, parent in (line.split() for line in table.splitlines())}


def descendants() -> set[int]:
    """Every process that came from this one and is still connected to it."""
    table = parents()
    found: set[int] = set()
    front = {os.getpid()}
    while front:
        front = {pid for pid, parent in table.items() if parent in front} - found
        found |= front
    return found


def strike(number: int, group: int) -> None:
    """Send a signal to all that is left of the session."""
    for pid in descendants():
        try:
            os.kill(pid, number)
        except OSError:
            continue
    try:
        os.killpg(group, number)
    except OSError:
        return


def group_alive(group: int) -> bool:
    """Whether the program's process group has a member left."""
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


def reap(pid: int, control: int) -> bool:
    """Collect the dead; tell of the program's own end. Returns whether a child is left."""
    while True:
        try:
            dead, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if not dead:
            return True
        if dead == pid:
            code = os.waitstatus_to_exitcode(status)
            word = f"exit {code}\n" if code >= 0 else f"signal {-code}\n"
            try:
                os.write(control, word.encode())
            except OSError:
                continue  # the sandbox is gone; the next read sees that


def end(pid: int, control: int) -> None:
    """End all processes of the session: ask, then kill, until none is left."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCONT):  # an interactive bash heeds only SIGHUP
        strike(number, pid)
    began = time.monotonic()
    while reap(pid, control) and time.monotonic() - began < GRACE:
        time.sleep(0.02)
    while (reap(pid, control) or (not LINUX and group_alive(pid))) and time.monotonic() - began < GIVE_UP:
        strike(signal.SIGKILL, pid)
        time.sleep(0.02)


def keep(pid: int, control: int) -> None:
    """Stay until the session's last process is gone, or the sandbox asks for the end."""
    bell, ringer = os.pipe()
    os.set_blocking(ringer, False)
    signal.set_wakeup_fd(ringer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while reap(pid, control) or (not LINUX and group_alive(pid)):
        ready, _, _ = select.select([control, bell], [], [], None if LINUX else LOOK)
        if bell in ready:
            os.read(bell, 4096)
        if control in ready:
            try:
                wanted = os.read(control, 64)
            except OSError:
                wanted = b""
            if not wanted:
                return end(pid, control)
            for number in wanted:
                try:
                    os.killpg(pid, number)
                except OSError:
                    continue
    return None


def main(argv: list[str]) -> None:
    """See the module."""
    control, tty, argv0, program, *args = argv
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # only the control socket ends a keeper; exec resets handlers
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    os.set_inheritable(int(control), False)
    pid = start(tty == "tty", argv0, program, args)
    leave_stdio()
    keep(pid, int(control))


if __name__ == "__main__":
    main(sys.argv[1:])
