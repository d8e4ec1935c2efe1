"""Keeps one folder of the box in S3, so that what lies there is always one complete state of it.

    s3://bucket/prefix/A/...     one state, file by file
    s3://bucket/prefix/B/...     another
    s3://bucket/prefix/LATEST    {"slot": "A", "files": 3, "bytes": 4096, "time": "...", "id": "..."}: complete

A sync writes into the slot that LATEST does not name, and LATEST (one object, so it changes at once or not at all)
only after it, and only if no size or time of a file changed meanwhile. A sync that is cut off leaves LATEST and its
slot as they were. Two things `aws s3 sync` would not notice are seen to here: a file that changed while it was uploaded
(S3 dates it later than the change: it is uploaded again) and a slot that another box wrote (it is emptied first).

Run as the box's user by the guard: checkpoint.py every|first|last NUMBER SECONDS SETTINGS...
Exit code: 0 what is in the folder is in S3, 3 it changed all the time, 4 another runs, 5 nothing is in it,
6 what is in S3 has not come down yet, 1 else.
"""

import fcntl
import glob
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from box import Settings, read, say, utc, write

EMPTY, BEFORE = 5, 6
PASSES = 3  # how often a folder that changes meanwhile is synced in one go
CHUNK = 200  # names on one command line
AT_REST = ("--only-show-errors",)


class Failed(Exception):
    """A command of `aws` did not do what it should; its message is what is said."""


class Checkpoint:
    """One folder and its place in S3; what is known of the slots is in a file of the user's own."""

    def __init__(self, settings, number):
        pair = settings.checkpoints[number]
        self.settings, self.remote = settings, pair["remote"].rstrip("/")
        self.local = settings.path(pair["local"])
        digest = hashlib.sha256((pair["local"] + "\0" + pair["remote"]).encode()).hexdigest()[:16]
        self.memory = os.path.join(settings.state("checkpoints"), digest + ".json")
        self.known = read(self.memory)
        self.known.setdefault("slots", {})

    def restore(self):
        """Bring the complete state down, once for this box, into a folder that is not there or empty; else beside it.

        For a training that began before this did has a folder already, and its second sync would write over the state.
        """
        if not self.settings.restore or self.known.get("restored"):
            return
        marker = self.marker()
        if not marker:
            return self._settled("nothing", "")
        aside = os.path.join(os.path.dirname(self.local), ".%s.restoring" % os.path.basename(self.local))
        shutil.rmtree(aside, ignore_errors=True)
        os.makedirs(aside)
        self._aws("sync", "%s/%s" % (self.remote, marker["slot"]), aside, *AT_REST)
        tree = listing(aside)
        if [len(tree), size(tree)] != [marker["files"], marker["bytes"]]:
            raise Failed("what came from %s is not what LATEST says" % self.remote)
        try:
            os.rename(aside, self.local)  # takes the place of an empty folder, and of no other
        except OSError:
            beside = (self.local, marker["time"], aside)
            return self._settled("aside", "%s has files already: the checkpoint of %s is in %s" % beside)
        self._settled("done", "restored %d files of %s into %s" % (len(tree), marker["time"], self.local))

    def settled(self):
        """Whether the complete state has come down, or there is none: else a sync would put a beginner's folder in its
        place."""
        if self.settings.restore and not self.known.get("restored"):
            if self.marker():
                return False
            self._settled("nothing", "")
        return True

    def mounted(self):
        """Whether the data volume is there, for a folder on it: what lies below its mount point is not the folder."""
        mount = self.settings.data_mount.rstrip("/") + "/"
        return not (self.settings.data and self.local.startswith(mount)) or os.path.ismount(mount)

    def sync(self):
        """Make what is in the folder the complete state; True when it is, None for an empty one, which is no state."""
        tree = listing(self.local)
        if not tree:
            return None
        if self.known.get("complete") == tree:
            return True
        marker = self.marker()
        if marker not in self.known.get("markers", []):  # another box wrote here: what it left in a slot is not known
            self.known["slots"] = {}
        slot = "B" if marker and marker["slot"] == "A" else "A"
        for _ in range(PASSES):
            self._upload(slot, tree)
            before, tree = tree, listing(self.local)
            if tree == before:
                break
        else:
            return False
        value = {"slot": slot, "files": len(tree), "bytes": size(tree), "time": utc(time.time())}
        value["id"] = os.urandom(8).hex()  # two boxes may write the rest alike in one second
        self.known["markers"] = [marker, value]  # either may stand there, should this be cut off
        write(self.memory, self.known)
        self._aws("cp", "-", self.remote + "/LATEST", *AT_REST, text=json.dumps(value))
        self.known["complete"] = tree
        write(self.memory, self.known)
        return True

    def marker(self):
        """What LATEST says, None where there is none. Failed where that cannot be told: then no slot may be touched."""
        code, listed = self._try("ls", self.remote + "/LATEST")
        lines = listed.decode("utf-8", "replace").splitlines()
        if not any(line.split()[-1:] == ["LATEST"] for line in lines):
            if (code == 1 and not listed.strip()) or code == 0:
                return None  # `aws s3 ls` ends with 1 and says nothing where nothing is
            raise Failed(listed.decode("utf-8", "replace"))
        try:
            value = json.loads(self._aws("cp", self.remote + "/LATEST", "-", *AT_REST))
            if value["slot"] in ("A", "B") and int(value["files"]) >= 0 and int(value["bytes"]) >= 0 and value["time"]:
                return value
        except (ValueError, KeyError, TypeError):
            pass
        raise Failed("%s/LATEST is none of spotbox's" % self.remote)

    def _upload(self, slot, tree):
        place = "%s/%s" % (self.remote, slot)
        self.known["complete"] = None
        if slot not in self.known["slots"]:
            self._aws("rm", place + "/", "--recursive", *AT_REST)
        last = self.known["slots"].get(slot) or {"tree": {}, "again": []}
        again = {name for name, was in last["tree"].items() if name in tree and was != tree[name]}
        again |= {name for name in last["again"] if name in tree}
        self.known["slots"][slot] = {"tree": tree, "again": sorted(again)}
        write(self.memory, self.known)
        names = sorted(again)
        for start in range(0, len(names), CHUNK):
            only = [word for name in names[start : start + CHUNK] for word in ("--include", glob.escape(name))]
            self._up("cp", self.local, place, "--recursive", "--exclude", "*", *only)
        self._up("sync", self.local, place, "--delete")
        self.known["slots"][slot]["again"] = []
        write(self.memory, self.known)

    def _settled(self, how, text):
        self.known["restored"] = how
        write(self.memory, self.known)
        if text:
            say(text)

    def _up(self, *words):
        code, said = self._try(*words, *AT_REST)
        if code and not (code == 2 and only_no_files(said)):
            raise Failed(last_line(code, said))

    def _aws(self, *words, text=""):
        code, output = self._try(*words, text=text)
        if code:
            raise Failed(last_line(code, output))
        return output

    def _try(self, *words, text=""):
        """Exit code and output of `aws s3`, with the credentials of the instance profile and no others."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        env.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_PAGER="")
        place = self.settings.metadata.rstrip("/") + "/"  # AWS CLI 2.9 puts none before `latest`
        # A busy box may not answer within the one second and the one attempt that `aws` has by itself.
        env.update(AWS_EC2_METADATA_SERVICE_ENDPOINT=place, AWS_METADATA_SERVICE_NUM_ATTEMPTS="5", **self.settings.env)
        command = [*self.settings.aws, "s3", *words]
        done = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)
        return done.returncode, done.stdout


def listing(folder):
    """Size and time of every file below a folder, by its path there; links are followed, as `aws s3 sync` does: a file
    that two links lead to is there twice. Failed where a link leads back to a folder that it lies in."""
    found, chains = {}, {folder: ()}
    for at, folders, names in os.walk(folder, followlinks=True):
        above, here = chains.pop(at), os.path.realpath(at)
        if here in above:
            raise Failed("the link %s leads back to a folder that it lies in" % at)
        chains.update((os.path.join(at, name), (*above, here)) for name in folders)
        for name in names:
            path = os.path.join(at, name)
            try:
                status = os.stat(path)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                found[os.path.relpath(path, folder)] = [status.st_size, status.st_mtime_ns]
    return found


def last_line(code, output):
    """What `aws` says that is wrong."""
    return (output.decode("utf-8", "replace").strip().splitlines() or ["aws ended with %d" % code])[-1]


def only_no_files(output):
    """Whether all that `aws s3 sync` skipped is no file: links to nothing, pipes, sockets, devices (AWS CLI User Guide,
    "Return codes": 2; the words are those of its source, customizations/s3/filegenerator.py)."""
    lines = output.decode("utf-8", "replace").splitlines()
    ends = ("File does not exist.", "block special device, FIFO, or socket.")
    return bool(lines) and all(line.startswith("warning: Skipping file ") and line.endswith(ends) for line in lines)


def size(tree):
    """The bytes of all files."""
    return sum(status[0] for status in tree.values())


def locked(path, mode, until):
    """The open lock file of this checkpoint, None where another sync has it and is not to be waited for."""
    lock = open(path, "a+")  # noqa: SIM115
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if mode == "every" or time.monotonic() >= until:
                return None
            if mode == "last":
                lock.seek(0)
                end(lock.read())
            time.sleep(0.1)
    lock.seek(0)
    lock.truncate()
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def end(group):
    """End the sync that holds the lock, with the `aws` it runs."""
    if group.isdigit() and int(group) > 1:
        try:
            os.killpg(int(group), signal.SIGKILL)
        except OSError:
            pass


def main(words):
    """Restore where that is still to do, then sync; the exit code."""
    mode, number, seconds, *paths = words
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))  # also when the guard is gone
    signal.setitimer(signal.ITIMER_REAL, float(seconds))
    checkpoint = Checkpoint(Settings(paths), int(number))
    os.makedirs(os.path.dirname(checkpoint.memory), exist_ok=True)
    lock = locked(checkpoint.memory + ".lock", mode, time.monotonic() + float(seconds))
    if not lock:
        return 4
    checkpoint.known = dict({"slots": {}}, **read(checkpoint.memory))  # as the last one left it
    try:
        if not checkpoint.mounted():
            return EMPTY
        if mode == "every":
            checkpoint.restore()
        elif not checkpoint.settled():
            return BEFORE
        done = checkpoint.sync()
        if done is None:
            return EMPTY
        if done:
            return 0
    except (Failed, OSError) as error:
        say("%s is not safe in S3: %s" % (checkpoint.local, error))
        return 1
    say("%s changes all the time: it is in S3 when it has rested for the time of one sync" % checkpoint.local)
    return 3


if __name__ == "__main__":
    os.getpgrp() == os.getpid() or os.setsid()  # the alarm ends this group and no other
    sys.exit(main(sys.argv[1:]))
