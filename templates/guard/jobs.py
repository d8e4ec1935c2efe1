"""Other programs, run so that none of them can stall the guard, fill the disk or outlive its time."""

import os
import select
import signal
import subprocess
import sys
import threading
import time

from box import clean, say, write_terminals

LINES, BYTES = 100, 16384  # of one program's output that reach the journal; the rest is read and dropped
EMPTY, BEFORE = 5, 6  # exit codes of a sync: nothing is in its folder; what is in S3 has not come down yet
GRACE = 2.0  # seconds between SIGTERM and SIGKILL


class Job(threading.Thread):
    """One program in a session of its own: `run()` here and now, `start()` beside the caller.

    `seconds` is its time, after which its whole process group is ended (None: as long as it likes). `user` runs it as
    the box's user in his home. `keep` bytes of its output are left in `output` instead of the journal. Afterwards
    `code` is its exit code (negative: the signal), None where it was never run or cannot be ended.
    """

    def __init__(self, settings, name, argv, seconds=None, user=False, env=None, keep=0, text=""):
        super().__init__(daemon=True)
        self.settings, self.label, self.argv, self.as_user = settings, name, argv, user
        self.seconds, self.env, self.keep, self.text = seconds, dict(env or {}), keep, text
        self.code, self.error, self.output, self.timed_out = None, "", b"", False
        self.pid, self.lines, self.bytes, self.rest = 0, 0, 0, b""
        self.ended, self.begun = threading.Event(), threading.Event()

    def run(self):
        try:
            process = self._begin()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self.error = clean(getattr(error, "strerror", None) or str(error))
            self.begun.set()
            return
        self.pid = process.pid
        self.begun.set()
        try:
            self._follow(process)
        finally:
            process.stdout.close()
            self.code = process.poll()

    def stop(self):
        """End it as if its time were up; returns at once."""
        self.ended.set()

    def _begin(self):
        options = account_options(self.settings) if self.as_user else {}
        env = dict(os.environ)
        env.update(self.env)
        env.update(options.pop("env", {}))
        process = subprocess.Popen(
            self.argv,
            stdin=subprocess.PIPE if self.text else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=env,
            **options,
        )
        if self.text:
            try:
                os.write(process.stdin.fileno(), self.text.encode("utf-8")[:4096])  # fits in a pipe: cannot block
            except OSError:
                pass
            process.stdin.close()
        return process

    def _follow(self, process):
        os.set_blocking(process.stdout.fileno(), False)
        until = time.monotonic() + self.seconds if self.seconds is not None else None
        killed, pipe = 0, process.stdout.fileno()
        while process.poll() is None:
            now = time.monotonic()
            if self.ended.is_set() and (until is None or until > now):
                until = now
            if until is not None and now >= until:
                if killed == 2:
                    return  # not even SIGKILL ends what hangs in a driver
                self.timed_out = True
                _signal(process.pid, signal.SIGKILL if killed else signal.SIGTERM)
                killed, until = killed + 1, now + GRACE
            wait = 0.2 if until is None else min(0.2, max(0.01, until - now))
            pipe = self._read(pipe, wait)
        self._read(pipe, 0)
        if killed:
            _signal(process.pid, signal.SIGKILL)  # what is left of its group
        self._print(b"", last=True)

    def _read(self, pipe, wait):
        """Take what it has printed; None once there is no more to come."""
        if pipe is None:
            time.sleep(min(wait, 0.05))
            return None
        if not select.select([pipe], [], [], wait)[0]:
            return pipe
        try:
            data = os.read(pipe, 65536)
        except OSError:
            return pipe
        self._print(data)
        return pipe if data else None

    def _print(self, data, last=False):
        if self.keep:
            self.output += data[: self.keep - len(self.output)]
            return
        if self.lines > LINES or self.bytes > BYTES:
            time.sleep(0.01)  # still read, so that it is not blocked, but not at the cost of a whole CPU
            return
        *lines, self.rest = (self.rest + data).split(b"\n")
        if last or len(self.rest) > 1000:
            lines, self.rest = [*lines, self.rest[:1000]], b""
        for line in lines:
            if not line.strip() or self.lines > LINES or self.bytes > BYTES:
                continue
            self.lines, self.bytes = self.lines + 1, self.bytes + len(line)
            more = self.lines > LINES or self.bytes > BYTES
            say(
                "%s: %s"
                % (self.label, "(says more than the journal takes)" if more else line.decode("utf-8", "replace"))
            )


def _signal(group, number):
    try:
        os.killpg(group, number)
    except OSError:
        pass


def account_options(settings):
    """What Popen needs to run something as the user: ids (for root alone), his home, and his environment."""
    account, env = settings.account(), {"HOME": settings.home}
    options = {"cwd": settings.home if os.path.isdir(settings.home) else "/", "env": env}
    if account:
        env.update(USER=account.pw_name, LOGNAME=account.pw_name, SHELL=account.pw_shell or "/bin/sh")
        if os.geteuid() == 0 and account.pw_uid != 0:
            groups = os.getgrouplist(account.pw_name, account.pw_gid)
            options.update(user=account.pw_uid, group=account.pw_gid, extra_groups=groups)
    env.update(settings.env)
    return options


def tell(settings, text):
    """Tell every terminal, without waiting for any, and the journal."""
    say(text)
    if not settings.wall:
        write_terminals(settings.terminals, text)
        return None
    job = Job(settings, "wall", settings.wall, seconds=5, text="*** spotbox: %s ***\n" % clean(text), keep=1)
    job.start()
    return job


def own(program, *words):
    """The command line of another program of the guard."""
    folder = os.path.dirname(os.path.abspath(__file__))
    return [sys.executable, "-I", "-S", os.path.join(folder, program), *words]


def sync_job(settings, number, seconds, mode):
    """The sync of a checkpoint; mode `every` gives way to one that runs, `first` waits for it, `last` ends it."""
    name = "checkpoint %s" % settings.checkpoints[number]["local"]
    argv = own("checkpoint.py", mode, str(number), "%.1f" % max(1.0, seconds), *settings.paths)
    return Job(settings, name, argv, seconds=seconds + 1, user=True)
