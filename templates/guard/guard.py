"""The guard of a spotbox: guard.py SETTINGS.json [MORE.json ...], run by systemd on every boot.

Every `poll` seconds it asks the metadata service whether AWS is about to take the box back, and then starts notice.py;
a rebalance recommendation only warns and syncs. It mounts the data volume, syncs the checkpoints every `sync_every`
seconds, runs the user's on-resume.d after AWS has brought the box back, and obeys the limits in the box's tags.
It never stops the box on a notice: the first hour is free only if AWS does that. Settings: box.py, DEFAULTS.
"""

import fcntl
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from box import Once, Settings, clean, read, say, utc, watchdog, write
from jobs import EMPTY, Job, account_options, own, sync_job, tell
from limits import Limits
from metadata import Metadata, instant
from notice import programs

MOST_LEFT = 120.0  # a notice comes two minutes before (EC2 User Guide, "Spot Instance interruption notices")
TAGS = ("spotbox:expires", "spotbox:idle-stop", "spotbox:data-volume")
AFTER = 600.0  # seconds after a notice's time at which AWS seems to have thought better of it


class Guard:
    """What the guard knows between two looks; all that must outlive it is in run_dir and state_dir."""

    def __init__(self, settings):
        self.settings, self.once = settings, Once()
        self.metadata = Metadata(settings.metadata, settings.timeout)
        self.limits = Limits(settings, self.metadata.now, self.once)
        self.boot = settings.this_boot()
        self.tags, self.tags_at, self.instance = dict.fromkeys(TAGS), None, None
        self.noticed_until, self.mounting, self.resumed = 0.0, None, False
        self.syncs = [None] * len(settings.checkpoints)
        self.synced, self.failing = [None] * len(settings.checkpoints), {}
        self.prepare()

    def prepare(self):
        """Make the folders; note when this boot began, for a guard that is started again in it."""
        settings = self.settings
        os.makedirs(settings.run_dir, exist_ok=True)
        own_folder, account = settings.state("checkpoints"), settings.account()
        os.makedirs(own_folder, exist_ok=True)
        if account and os.geteuid() == 0:
            os.chown(own_folder, account.pw_uid, account.pw_gid)
        began = read(settings.run("began.json"))
        if began.get("boot") != self.boot:
            began = {"boot": self.boot, "at": time.monotonic()}
            write(settings.run("began.json"), began)
        self.began = began["at"]

    def run(self):
        """Look, for ever."""
        say("watching %s every %g s" % (self.settings.metadata, self.settings.poll))
        while True:
            begun = time.monotonic()
            self.guarded(self.look)
            self.guarded(self.act)
            watchdog()
            time.sleep(max(0.05, self.settings.poll - (time.monotonic() - begun)))

    def guarded(self, step):
        """A fault in one look must not be the end of the guard."""
        try:
            step()
            self.once.say(step.__name__, "")
        except Exception as error:
            self.once.say(step.__name__, "%s failed: %s: %s" % (step.__name__, type(error).__name__, clean(str(error))))

    def look(self):
        """Ask the metadata service; the first failure ends this look, so that a hung service costs one time-out."""
        body = self.metadata.get("spot/instance-action")
        if body:
            self.notice(body)
        body = self.metadata.get("events/recommendations/rebalance")
        if body:
            self.rebalance(body)
        if self.instance is None:
            self.instance = self.metadata.get("instance-id")
        if self.tags_at is None or time.monotonic() - self.tags_at >= self.settings.tags_every:
            self.tags = {tag: self.metadata.get("tags/instance/" + tag) for tag in TAGS}
            self.tags_at = time.monotonic()

    def act(self):
        """All that hangs on no answer of this very look."""
        self.mount()
        self.resume()
        if time.monotonic() < self.noticed_until:
            return
        if self.tags_at is not None:
            self.limits.look(self.tags["spotbox:expires"], self.tags["spotbox:idle-stop"], self.began)
        self.sync(self.settings.sync_every)

    def notice(self, body):
        """Write the notice down, once, and see to it that notice.py runs until it is through."""
        settings = self.settings
        at, action = noticed(body)
        known = read(settings.run("notice.json"))
        if known.get("time") != at or known.get("boot") != self.boot:
            until = instant(at)
            left = MOST_LEFT if until is None else until - self.metadata.now()
            left = min(max(left, settings.least_left), MOST_LEFT)
            known = {
                "action": action,
                "time": at,
                "seen": utc(self.metadata.now()),
                "deadline": time.monotonic() + left,
                "boot": self.boot,
            }
            write(settings.run("notice.json"), known)
            say("interruption notice: %s at %s" % (action, at))
            if self.instance is None:
                self.guarded(self.ask_instance)
            write(settings.state("notice.json"), dict(known, instance=self.instance))
        self.noticed_until = known["deadline"] + AFTER
        story = read(settings.run("story.json"))
        if not (story.get("ended") and story.get("time") == at and story.get("boot") == self.boot):
            self.tell_story()

    def ask_instance(self):
        """Which instance this is."""
        self.instance = self.metadata.get("instance-id")

    def tell_story(self):
        """Start notice.py unless it runs, started by us or by a guard before us."""
        with open(self.settings.run("notice.lock"), "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return
            fcntl.flock(lock, fcntl.LOCK_UN)
        subprocess.Popen(own("notice.py", *self.settings.paths), stdin=subprocess.DEVNULL, start_new_session=True)

    def rebalance(self, body):
        """Warn once and sync: most recommendations are followed by no interruption."""
        path = self.settings.run("rebalance.json")
        if read(path).get("body") == body[:500]:
            return
        write(path, {"body": body[:500]})
        if time.monotonic() >= self.noticed_until:
            tell(
                self.settings,
                "AWS says that this box is more likely than others to be interrupted soon; nothing is lost",
            )
            self.sync(0)

    def sync(self, every):
        """Start the sync of each checkpoint that is due and not under way."""
        for number, pair in enumerate(self.settings.checkpoints):
            running, last = self.syncs[number], self.synced[number]
            if running and running.is_alive():
                if not every:
                    self.synced[number] = None  # what has changed since that one looked has its turn after it
                continue
            if not self.usable(pair["local"]):
                continue
            self.worry(pair["local"], running)
            if last is None or time.monotonic() - last >= every:
                self.synced[number] = time.monotonic()
                self.syncs[number] = sync_job(self.settings, number, self.settings.sync_limit, "every")
                self.syncs[number].start()

    def worry(self, local, job):
        """Tell the terminals of a checkpoint whose sync begins to fail: nobody reads the journal unasked."""
        fails = bool(job) and job.code not in (0, 4, EMPTY)
        if fails and job.code is not None and job.code < 0:
            say("checkpoint %s: its sync took too long" % local)
        if fails and not self.failing.get(local):
            tell(self.settings, "the checkpoint of %s is not safe in S3: journalctl -u spotbox-guard says why" % local)
        self.failing[local] = fails

    def usable(self, local):
        """Whether a folder is there to be synced: not while the data volume that it lies on is not mounted."""
        mount = self.settings.data_mount.rstrip("/") + "/"
        return not (self.expects_data() and local.startswith(mount)) or os.path.ismount(mount)

    def expects_data(self):
        """Whether this box has a data volume that is ours to mount."""
        return bool(self.settings.data or self.tags["spotbox:data-volume"])  # the tag alone: one that came later

    def mount(self):
        """Mount the data volume, tried at every look until it is there."""
        settings, job = self.settings, self.mounting
        if job and job.is_alive():
            return
        if job:
            self.once.say("data", clean(job.output.decode("utf-8", "replace").replace("\n", "; ") or job.error))
            self.mounting = None
        if not self.expects_data() or os.path.ismount(settings.data_mount):
            return
        volume = self.tags["spotbox:data-volume"] or ""
        if self.tags_at is None or not re.fullmatch("(vol-[0-9a-f]{8,17})?", volume):
            return
        account = settings.account()
        words = (settings.data_devices, volume, settings.data_mount, settings.data_label)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mount-data")
        self.mounting = Job(settings, "data", ["/bin/sh", script, *words, account.pw_name], seconds=600, keep=2000)
        self.mounting.start()

    def resume(self):
        """After a restart by AWS, run the user's on-resume.d once, when the data volume is there (or late)."""
        if self.resumed:
            return
        path = self.settings.state("notice.json")
        last = read(path)
        if not last or last.get("boot") == self.boot:
            self.resumed = not last
            return
        if self.instance is None or (
            not self.usable(self.settings.data_mount + "/") and time.monotonic() < self.began + 120
        ):
            return
        self.resumed = True
        os.replace(path, self.settings.state("resumed.json"))  # before they run: never twice
        if last.get("instance") not in (None, self.instance):
            return  # another box, launched from an image of the one that was interrupted
        folder = os.path.join(self.settings.path(self.settings.user_hooks), "on-resume.d")
        for hook in programs(folder):
            self.start_for_good(hook, last)

    def start_for_good(self, hook, last):
        """Start a hook that may run for days, and so writes to the journal itself and is not waited for."""
        options = account_options(self.settings)
        env = dict(os.environ, SPOTBOX_ACTION="resume", SPOTBOX_TIME=str(last.get("time")))
        env.update(options.pop("env"))
        try:
            subprocess.Popen([hook], stdin=subprocess.DEVNULL, start_new_session=True, env=env, **options)
            say("resumed: started %s" % hook)
        except (OSError, subprocess.SubprocessError) as error:
            say("%s failed: %s" % (hook, error))


def noticed(body):
    """Time and action of a notice. What cannot be read is taken for one all the same."""
    found = re.search(r'"time"\s*:\s*"([^"]{1,40})"', body), re.search(r'"action"\s*:\s*"([a-z]{1,20})"', body)
    return (found[0].group(1) if found[0] else "unknown"), (found[1].group(1) if found[1] else "interrupt")


def main(paths):
    """Run until the box goes off."""
    for name in ("WATCHDOG_PID", "WATCHDOG_USEC"):
        os.environ.pop(name, None)
    Guard(Settings(paths)).run()


if __name__ == "__main__":
    main(sys.argv[1:])
