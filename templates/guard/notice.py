"""What happens on the box between an interruption notice and the end: run once by the guard, which it outlives.

The terminals are told; every checkpoint is synced at once; beside that the hooks run in order, `hook_time` for all of
them together; then comes the last sync, with `last_sync` seconds to itself at least. Where less is left than all that
takes, the hooks give way first, down to half of what is left. Each hook is waited for as long as its share of the time
allows; then the next is started beside it, and what still runs when the time is over is ended. So every hook has its
chance. Killed and started again it goes on: run_dir/story.json holds what has begun.
"""

import fcntl
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from box import Settings, clean, in_words, read, say, write
from jobs import BEFORE, EMPTY, Job, sync_job, tell

MARGIN = 5.0  # seconds before AWS stops the box, by when all is over
FATES = {  # of a checkpoint with which nothing more is to be done, by the exit code of its sync
    0: "safe in S3",
    EMPTY: "nothing there to be synced",
    BEFORE: "not begun: the one before stands",
}


def shares(left, hook_time, last_sync):
    """(seconds for the hooks, seconds for the last sync, seconds kept free) of those that are left."""
    margin = min(MARGIN, left * 0.05)
    last = min(last_sync, left / 2)
    return max(0.0, min(hook_time, left - last - margin)), last, margin


def programs(folder):
    """The executables in a folder in the order of their names; says which are left out."""
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith(".") and not name.endswith("~"))
    except OSError:
        return []
    paths = [os.path.join(folder, name) for name in names]
    for path in paths:
        if os.path.isfile(path) and not os.access(path, os.X_OK):
            say("%s is not executable: not run" % path)
    return [path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]


class Story:
    """One notice, from now to its deadline (seconds of this boot's monotonic clock)."""

    def __init__(self, settings, notice):
        self.settings, self.notice = settings, notice
        self.journal = settings.run("story.json")
        self.done = read(self.journal)
        if self.done.get("time") != notice["time"] or self.done.get("boot") != notice["boot"]:
            self.done = {"time": notice["time"], "boot": notice["boot"], "hooks": {}}
        self.deadline, self.fates = notice["deadline"], []
        left = max(0.0, self.deadline - self.done.setdefault("begun", time.monotonic()))
        hooks, self.last, self.margin = shares(left, settings.hook_time, settings.last_sync)
        self.hooks_until = self.done["begun"] + hooks

    def tell(self):
        """Each terminal once."""
        if self.done.get("told"):
            return
        left = in_words(self.deadline - time.monotonic())
        action = {"stop": "stops", "terminate": "terminates", "hibernate": "hibernates"}.get(self.notice["action"])
        will = "%s this box in %s (%s)" % (action or "interrupts", left, clean(self.notice["time"], 40))
        after = "your disk stays, and the box comes back by itself when there is capacity"
        tell(self.settings, "AWS %s%s" % (will, "; " + after if self.notice["action"] == "stop" else ""))
        self.keep(told=True)

    def keep(self, **facts):
        """Remember what has happened."""
        self.done.update(facts)
        write(self.journal, self.done)

    def run_hooks(self):
        """Start every hook that has not been, in order; end what still runs when the time of all is over."""
        settings = self.settings
        hooks = [(path, False) for path in programs(os.path.join(settings.hooks, "on-interrupt.d"))]
        hooks += [(path, True) for path in programs(os.path.join(settings.path(settings.user_hooks), "on-interrupt.d"))]
        hooks = [(path, user) for path, user in hooks if path not in self.done["hooks"]]
        jobs = []
        for number, (path, user) in enumerate(hooks):
            left = max(0.0, self.hooks_until - time.monotonic())
            env = {
                "SPOTBOX_ACTION": self.notice["action"],
                "SPOTBOX_TIME": self.notice["time"],
                "SPOTBOX_SECONDS": "%d" % left,
            }
            job = Job(settings, os.path.basename(path), [path], left, user=user, env=env)
            self.keep(hooks=dict(self.done["hooks"], **{path: 0}))
            job.start()
            job.begun.wait(5)
            self.keep(hooks=dict(self.done["hooks"], **{path: job.pid}))
            jobs.append(job)
            job.join(left / (len(hooks) - number))
            if job.is_alive() and number + 1 < len(hooks):
                say("%s takes its time: the next hook runs beside it" % job.label)
        for job in jobs:
            job.join(max(0.0, self.hooks_until - time.monotonic()))
            self.report(job)

    def report(self, job):
        """What became of a hook."""
        if job.is_alive() or job.timed_out:
            fate = "%s was ended: its time was over" % job.label
        elif job.error or job.code:
            fate = "%s failed: %s" % (job.label, job.error or "exit code %s" % job.code)
        else:
            fate = "%s done" % job.label
        say(fate)
        self.fates.append(clean(fate, 60))

    def first_syncs(self):
        """Every checkpoint, beside the hooks."""
        seconds = self.deadline - self.margin - self.last - time.monotonic()
        jobs = [sync_job(self.settings, n, seconds, "first") for n in range(len(self.settings.checkpoints))]
        for job in jobs:
            if seconds > 0:
                job.start()
        return jobs if seconds > 0 else []

    def last_syncs(self, first):
        """Every checkpoint once more, and again while it is not complete and there is time; what became of each."""
        until = self.deadline - self.margin
        for job in first:
            job.join(max(0.0, until - self.last - time.monotonic()))
        pairs = self.settings.checkpoints
        open_ones, fates = list(range(len(pairs))), {}
        while open_ones and until - time.monotonic() > 1:
            left = until - time.monotonic()
            jobs = [sync_job(self.settings, number, left - 0.5, "last") for number in open_ones]
            for job in jobs:
                job.start()
            for job in jobs:
                job.join(max(0.0, until - time.monotonic()))
            fates.update((number, FATES[job.code]) for number, job in zip(open_ones, jobs) if job.code in FATES)
            open_ones = [number for number, job in zip(open_ones, jobs) if job.code not in FATES]
            if open_ones:
                time.sleep(0.5)
        late = "not complete: the one before stands"
        return ["checkpoint %s: %s" % (pair["local"], fates.get(n, late)) for n, pair in enumerate(pairs)]

    def end_leftovers(self):
        """Hooks that an earlier run of this program started and that still run."""
        for path, pid in self.done["hooks"].items():
            if pid and runs(pid, path):
                try:
                    os.killpg(pid, signal.SIGKILL)
                except OSError:
                    pass

    def play(self):
        """All of it."""
        first = self.first_syncs()
        self.tell()
        before = [pid for path, pid in self.done["hooks"].items() if pid and runs(pid, path)]
        self.run_hooks()
        while before and time.monotonic() < self.hooks_until:
            before = [pid for path, pid in self.done["hooks"].items() if pid and runs(pid, path)]
            time.sleep(0.1)
        self.end_leftovers()
        became = [*self.last_syncs(first), *self.fates]
        self.keep(ended=True)
        left = in_words(self.deadline - time.monotonic())
        told = tell(self.settings, "; ".join(["ready for the interruption, %s before it" % left, *became]))
        if told:
            told.join(min(5.0, max(0.0, self.deadline - time.monotonic())))


def runs(pid, path):
    """Whether this process is the leader of its group and still the hook that was started."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            words = file.read().split(b"\0")
        return os.getpgid(pid) == pid and os.fsencode(path) in words
    except OSError:
        return False


def main(paths):
    """Play the notice, unless another of us does, or did."""
    settings = Settings(paths)
    notice = read(settings.run("notice.json"))
    lock = open(settings.run("notice.lock"), "a")  # noqa: SIM115
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    story = Story(settings, notice)
    if not story.done.get("ended"):
        story.play()


if __name__ == "__main__":
    main(sys.argv[1:])
