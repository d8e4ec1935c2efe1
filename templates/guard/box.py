"""What the programs of the guard share: settings, words for the journal and the terminals, files, the user's account.

Python 3.9 and the standard library alone: that is what every Deep Learning AMI has.
"""

import json
import os
import pwd
import sys
import time

DEFAULTS = {
    "metadata": "http://169.254.169.254",  # instance metadata (EC2 User Guide, "Retrieve instance metadata")
    "timeout": 2.0,  # seconds for one whole answer of the metadata service
    "poll": 5.0,  # seconds between looks, as AWS advises (EC2 User Guide, "Spot Instance interruption notices")
    "run_dir": "/run/spotbox",  # gone at every boot
    "state_dir": "/var/lib/spotbox",
    "boot_id": "/proc/sys/kernel/random/boot_id",
    "user": "",  # the login whose box this is; empty: whoever runs the guard
    "home": "",  # empty: as the account says
    "env": {},  # more environment for hooks and `aws`
    "hooks": "/etc/spotbox",  # on-interrupt.d, run as root
    "user_hooks": "~/.spotbox",  # on-interrupt.d and on-resume.d, run as the user
    "hook_time": 60.0,  # seconds for all hooks of a notice together
    "last_sync": 40.0,  # seconds that the last sync has to itself at least
    "least_left": 10.0,  # seconds that are tried when a notice's time is over already
    "checkpoints": [],  # [{"local": "~/ckpt", "remote": "s3://bucket/prefix"}]
    "restore": True,  # bring the checkpoints down once, into folders that are empty
    "sync_every": 300.0,
    "sync_limit": 7200.0,  # seconds after which a sync that hangs is given up
    "aws": ["aws"],
    "wall": [],  # a command that gets a message for all terminals on its stdin; none: the guard writes to them itself
    "terminals": "/dev/pts",
    "shutdown": ["systemctl", "poweroff"],
    "tags_every": 30.0,
    "announce": 600.0,  # seconds before a stop at which the terminals are told
    "grace": 900.0,  # seconds that a box has after a start when its time was over before
    "probe_every": 30.0,
    "probe_time": 10.0,  # seconds that a program which is asked may take
    "idle_gpu": 5.0,  # per cent of a GPU that still is idle
    "idle_load": 0.1,  # load per CPU that still is idle
    "idle_traffic": 100.0,  # bytes a second and connection; ssh's keep-alive makes about 10, VS Code at rest perhaps 60
    "nvidia_smi": ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"],
    "nvidia_gpus": "/proc/driver/nvidia/gpus",  # there when NVIDIA's driver has found a GPU
    "rocm_smi": ["rocm-smi", "--showuse", "--json"],
    "ss": ["ss", "-tinH", "state", "established", "sport = :22"],
    "loadavg": "/proc/loadavg",
    "data": False,  # a data volume is expected
    "data_mount": "/data",
    "data_label": "spotbox-data",
    "data_devices": "/dev/disk/by-id",
}


class Settings:
    """DEFAULTS, overridden key by key by the files given, the last one winning; keys are attributes."""

    def __init__(self, paths):
        self.paths = list(paths)
        values = dict(DEFAULTS)
        for path in paths:
            with open(path, encoding="utf-8") as file:
                values.update(json.load(file))
        self.__dict__.update(values)
        account = self.account()
        self.home = self.home or (account.pw_dir if account else os.environ.get("HOME", "/"))

    def account(self):
        """The user's entry in passwd, None where there is none."""
        try:
            return pwd.getpwnam(self.user) if self.user else pwd.getpwuid(os.getuid())
        except KeyError:
            return None

    def path(self, text):
        """A path of the settings with `~` as the user's home."""
        return os.path.join(self.home, text[2:]) if text.startswith("~/") else text

    def run(self, name):
        """A file that is gone at the next boot."""
        return os.path.join(self.run_dir, name)

    def state(self, name):
        """A file that outlives a boot."""
        return os.path.join(self.state_dir, name)

    def this_boot(self):
        """What tells this boot from another."""
        with open(self.boot_id, encoding="ascii") as file:
            return file.read().strip()


def clean(text, most=300):
    """One line that a terminal may show: everything else than printable ASCII is made visible."""
    text = text.strip()[:most]
    return "".join(c if " " <= c <= "~" else "\\x%02x" % ord(c) for c in text)


def say(text):
    """A line for the journal, which is where systemd takes our stdout. One that nobody takes is lost, not the guard."""
    try:
        sys.stdout.write(clean(text, 1000) + "\n")
        sys.stdout.flush()
    except OSError:
        pass


def write(path, value):
    """Write JSON to a file so that a reader sees the old or the new, and a crash leaves one of them."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = "%s.%d" % (path, os.getpid())
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read(path):
    """The JSON object in a file; empty where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_terminals(folder, text):
    """Write a line to every terminal there is, VS Code's and tmux's too, which `wall` does not know; never waits."""
    line = ("\r\n\a*** spotbox: %s ***\r\n" % clean(text)).encode("ascii")
    try:
        names = [name for name in os.listdir(folder) if name.isdigit()]
    except OSError:
        names = []
    for name in names:
        try:
            terminal = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_APPEND | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            os.write(terminal, line)
        except OSError:
            pass
        finally:
            os.close(terminal)


def watchdog():
    """Tell systemd that the guard is alive (sd_notify(3), WATCHDOG=1); nothing without systemd."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        import socket

        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
                to.sendto(b"WATCHDOG=1", "\0" + address[1:] if address.startswith("@") else address)
        except OSError:
            pass


class Once:
    """Says a thing when it changes, and not again until it does."""

    def __init__(self):
        self.said = {}

    def say(self, about, text):
        """Say `text` about a matter unless that was the last thing said about it; empty: it is over, silently."""
        if text and self.said.get(about) != text:
            say(text)
        self.said[about] = text


def in_words(seconds):
    """`2 h 5 min`, `9 min`, `40 s`."""
    seconds = max(0, round(seconds))
    if seconds < 90:
        return "%d s" % seconds
    minutes = round(seconds / 60)
    return "%d min" % minutes if minutes < 120 else "%d h %d min" % (minutes // 60, minutes % 60)


def utc(epoch):
    """An instant as UTC in ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
