"""The limits that the user set by tag: until when the box may run (`--ttl`), how long without work (`--idle-stop`).

Idle is, all of the time: no GPU at 5 % or more, load per CPU under 0.1, no connection to port 22 with more traffic than
keep-alives make, and no file `spotbox-hold` in the home or in /run/spotbox. What cannot be told counts as work, and
only looks that are over count as idle. A hold file does not stop --ttl. A guard that is started anew counts idle time
from there.
"""

import os
import re
import threading
import time

from box import in_words, say
from jobs import Job, tell
from metadata import instant

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MARKS = (0.5, 0.1)  # of the time of the announcement: when it is repeated


def duration(text):
    """Seconds in `90s`, `1h30m`, `2d`; None for anything else and for nothing."""
    if not re.fullmatch(r"(?:\d{1,9}[smhd])+", text or ""):
        return None
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))


class Probe(threading.Thread):
    """One look at whether the box works, in a thread of its own: a program that hangs holds up nothing but this."""

    def __init__(self, settings, before):
        super().__init__(daemon=True)
        self.settings, self.before = settings, before  # {connection: bytes} and when, of the look before
        self.work, self.unknown = [], []
        self.traffic, self.at = {}, 0.0

    def run(self):
        gpus = self.gpus()
        if gpus and max(gpus) >= self.settings.idle_gpu:
            self.work.append("GPU at %d %%" % max(gpus))
        with open(self.settings.loadavg, encoding="ascii") as file:
            load = float(file.read().split()[0]) / (os.cpu_count() or 1)
        if load >= self.settings.idle_load:
            self.work.append("load per CPU %.2f" % load)
        self.connections()

    def ask(self, argv):
        """Output of a program, None where there is none of that name; what hangs or fails is unknown (False)."""
        job = Job(self.settings, argv[0], argv, seconds=self.settings.probe_time, keep=262144)
        job.run()
        if job.error:
            return None
        return False if job.code != 0 else job.output.decode("utf-8", "replace")

    def gpus(self):
        """Per cent of use of each GPU, NVIDIA's or AMD's; none on a machine without."""
        found = []
        said = self.ask(self.settings.nvidia_smi)
        if said:
            found += [float(line) for line in said.split() if line.replace(".", "", 1).isdigit()]
            if "N/A" in said or "rror" in said:
                self.unknown.append("nvidia-smi does not know how busy a GPU is")
        elif said is False and os.path.isdir(self.settings.nvidia_gpus) and os.listdir(self.settings.nvidia_gpus):
            self.unknown.append("nvidia-smi hangs or fails")
        said = self.ask(self.settings.rocm_smi)
        if said:
            found += [float(number) for number in re.findall(r'GPU use \(%\)"\s*:\s*"?([0-9.]+)', said)]
        elif said is False and os.path.exists("/dev/kfd"):
            self.unknown.append("rocm-smi hangs or fails")
        return found

    def connections(self):
        """Compare the bytes of every connection to port 22 with those of the look before."""
        said = self.ask(self.settings.ss)
        self.at = time.monotonic()
        if said is None or said is False:
            self.unknown.append("ss hangs, fails or is missing")
            return
        self.traffic = traffic(said)
        seen, at = self.before
        least = self.settings.idle_traffic * max(1.0, self.at - at)
        grown = {peer: total - seen.get(peer, 0) for peer, total in self.traffic.items()}
        if at and any(count > least for count in grown.values()):
            self.work.append("SSH traffic")


def traffic(said):
    """Bytes sent and received of each connection in the output of `ss -tinH`: its peer, then a line with counters."""
    found, peer = {}, ""
    for line in said.splitlines():
        words = line.split()
        if len(words) >= 4 and words[0].isdigit() and words[1].isdigit():
            peer = words[2] + " " + words[3]
            found[peer] = 0
        if peer:
            found[peer] += sum(int(n) for n in re.findall(r"\bbytes_(?:acked|received):(\d+)", line))
    return found


class Countdown:
    """Announces a stop ahead of it, again as it comes near, and aloud when it is off."""

    def __init__(self, settings):
        self.settings, self.since, self.marks = settings, None, []

    def off(self, why):
        """No stop for now; tells where one was announced."""
        if self.since is not None:
            tell(self.settings, "the stop is off: " + why)
            self.since = None

    def due(self, left, lead, text):
        """Whether to stop now. `left` seconds remain, told from `lead` seconds before on as `text` with the time."""
        now = time.monotonic()
        if left > lead:
            self.off("there is more time again")
            return False
        if self.since is None:
            self.since, self.marks = now, [lead * part for part in MARKS if lead * part < left]
            left = max(left, min(60.0, lead / 10))
            tell(self.settings, text % in_words(left))
        elif self.marks and left <= self.marks[0]:
            self.marks = [mark for mark in self.marks if mark < left]
            tell(self.settings, text % in_words(left))
        return left <= 0 and now - self.since >= min(60.0, lead / 10)  # nobody is stopped unannounced


class Limits:
    """Both limits of one box; `tags` are the values that its tags hold now, None for no tag."""

    def __init__(self, settings, now, once):
        self.settings, self.now, self.once = settings, now, once
        self.time_over, self.idle_over = Countdown(settings), Countdown(settings)
        self.busy_at = self.rested_at = time.monotonic()
        self.probe, self.looked, self.traffic, self.tried = None, 0.0, ({}, 0.0), None

    def look(self, expires, idle_stop, started):
        """Announce, call off or stop, as it is time. `started` is when the box did, by the monotonic clock."""
        stop = self.expired(expires, started)
        if self.idle(idle_stop) or stop:
            self.power_off()

    def expired(self, tag, started):
        """Whether the time of --ttl is over, and was announced."""
        until = instant(tag) if tag else None
        self.once.say("expires", "the tag spotbox:expires holds no time: %s" % tag if tag and until is None else "")
        if until is None:
            self.time_over.off("the box has no time limit any more")
            return False
        left, up = until - self.now(), time.monotonic() - started
        if left + up <= 0:  # it was over before this start: whoever started it needs time to say for how long
            left = max(left, self.settings.grace - up)
        text = "the time of this box (--ttl) is over: it stops in %s; `spotbox up NAME --ttl 2h` gives it more"
        return self.time_over.due(left, self.settings.announce, text)

    def idle(self, tag):
        """Whether the box has been idle for as long as --idle-stop says, and that was announced."""
        limit = duration(tag)
        self.once.say("idle", "the tag spotbox:idle-stop holds no duration: %s" % tag if tag and limit is None else "")
        if not limit:
            self.idle_over.off("the box has no idle limit any more")
            self.busy_at = self.rested_at = time.monotonic()
            self.traffic = ({}, 0.0)
            return False
        work = self.work()
        if work:
            self.busy_at = self.rested_at = time.monotonic()
            self.idle_over.off(", ".join(work))
        idle = self.rested_at - self.busy_at
        text = "idle for %s (--idle-stop %s)" % (in_words(idle), tag)
        text += ": this box stops in %s; use it, or `touch ~/spotbox-hold`, to keep it up"
        return self.idle_over.due(limit - idle, min(self.settings.announce, limit / 2), text) and not work

    def work(self):
        """What shows that the box is in use, as far as the last look tells; starts the next look when it is time."""
        settings, now, work = self.settings, time.monotonic(), []
        held = [
            path for path in (settings.path("~/spotbox-hold"), settings.run("spotbox-hold")) if os.path.exists(path)
        ]
        work += ["there is %s" % path for path in held]
        probe = self.probe
        if probe and not probe.is_alive():
            self.probe, self.traffic, self.rested_at = None, (probe.traffic, probe.at), probe.at or self.rested_at
            self.once.say("probe", "; ".join(probe.unknown) + ": counts as work" if probe.unknown else "")
            work += probe.work + probe.unknown + ([] if probe.at else ["unknown"])
        if not self.probe and now - self.looked >= settings.probe_every:
            self.looked, self.probe = now, Probe(settings, self.traffic)
            self.probe.start()
        return work

    def power_off(self):
        """Stop through the OS; once more a minute later where that did nothing."""
        if self.tried is None or time.monotonic() - self.tried > 60:
            self.tried = time.monotonic()
            say("powering off")
            Job(self.settings, "shutdown", self.settings.shutdown, seconds=30).start()
