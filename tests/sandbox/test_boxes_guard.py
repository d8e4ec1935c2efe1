"""What a box does with its user data: files, scripts once, a service that lives as long as the box does."""

import json
import os
import signal
import time
from dataclasses import replace

import pytest

from spotbox.commands._userdata import box_user_data
from spotbox.sandbox.boxfiles import BoxFiles
from spotbox.sandbox.boxguard import Outside
from spotbox.sandbox.boxinit import place
from spotbox.sandbox.boxload import used
from spotbox.sandbox.metadata import Facts
from tests.sandbox.boxkit import SPEC, Lab, alive, nap, processes, until

pytestmark = pytest.mark.filterwarnings("error")
FACTS = Facts(
    instance_id=SPEC.instance_id,
    instance_type=SPEC.instance_type,
    image_id="ami-0123456789abcdef0",
    region="us-east-1",
    zone="us-east-1b",
    account="123456789012",
    hostname=SPEC.hostname,
    private_ip="172.31.5.9",
    endpoint="http://127.0.0.1:9",
)
UNIT = "[Service]\nExecStart=/bin/sh /opt/spotbox/program /etc/spotbox/guard.json\nRestartSec=0.1\n"
PROGRAM = f'echo $$ >>"$HOME/starts"; cp "$2" "$HOME/settings"; echo shown; exec {nap(8001)}\n'


def user_data(**files: str) -> bytes:
    """A cloud-config with these files, by their paths."""
    rows = [{"path": path, "content": text, "permissions": "0755"} for path, text in files.items()]
    return b"#cloud-config\n" + json.dumps({"write_files": rows}).encode()


FILES = {"/etc/systemd/system/spotbox-guard.service": UNIT, "/opt/spotbox/program": PROGRAM}
FILES["/etc/spotbox/guard.json"] = "{}"
GUARDED = user_data(**FILES)


class Guarded(Lab):
    """A lab whose box has user data; it is booted anew with other user data by `boot`."""

    def __init__(self, folder):
        self.facts = FACTS
        super().__init__(folder)

    def servers(self):
        servers = super().servers()
        servers._outside = lambda: Outside(lambda instance_id: self.facts, 1 / 24)
        return servers

    @property
    def files(self) -> BoxFiles:
        return BoxFiles(self.folder / "sandbox home", self.spec.instance_id)

    def boot(self, data: bytes | None = None) -> None:
        """Off and on again."""
        self.boxes.close(self.spec.instance_id)
        if data is not None:
            self.facts = replace(FACTS, user_data=data)
        self.boxes.open(self.spec, self.address)


@pytest.fixture
def lab(tmp_path):
    lab = Guarded(tmp_path)
    yield lab
    lab.stop()


def lines(path) -> list[str]:
    """The lines of a file that may not be there yet."""
    return path.read_text().splitlines() if path.exists() else []


def test_a_box_without_a_guard_has_no_process(lab):
    """A box is a listener of the sandbox until somebody logs in, also when its user data has but a file."""
    root = str(lab.files.root)
    assert not [command for _, _, command in processes() if root in command]
    lab.boot(user_data(**{"/etc/motd.d/x": "hello"}))
    assert not [command for _, _, command in processes() if root in command]
    assert (lab.files.system / "etc/motd.d/x").read_text() == "hello"


def test_the_service_runs_while_the_box_does(lab):
    """Started at boot with the sandbox's settings as its last, started again when it dies, ended with the box."""
    lab.boot(GUARDED)
    starts = lab.home / "starts"
    assert until(lambda: alive(nap(8001)))
    os.kill(int(lines(starts)[0]), signal.SIGKILL)
    assert until(lambda: len(lines(starts)) == 2 and alive(nap(8001)))
    log = lab.files.system / "var/log/spotbox-guard.log"
    assert until(lambda: lines(log).count("shown") == 2)
    assert "spotbox-guard ended: signal 9" in lines(log)
    lab.boxes.close(lab.spec.instance_id)
    assert not alive(nap(8001))


def test_the_settings_say_where_the_box_is(lab):
    """Every place is the box's own, times are shorter as the notice is, and each boot is told from the last."""
    lab.boot(GUARDED)
    settings = json.loads(lab.files.root.joinpath("guard.json").read_text())
    root = str(lab.files.root)
    for name in ("run_dir", "state_dir", "hooks", "home", "boot_id", "loadavg", "nvidia_gpus"):
        assert settings[name].startswith(root), name
    for name in ("aws", "wall", "shutdown", "nvidia_smi"):
        assert settings[name][0].startswith(root), name
    assert settings["hook_time"] == 2.5
    assert settings["data"] is False
    first = (lab.files.root / "volatile/boot_id").read_text()
    lab.boot()
    assert (lab.files.root / "volatile/boot_id").read_text() != first


def test_a_data_volume_is_neither_looked_for_nor_waited_for(lab):
    """No disk of this machine is looked at, let alone formatted, and on-resume.d runs at once: `../data` is there."""
    lab.boot(box_user_data("ubuntu", "", (), True))
    lab.facts = replace(lab.facts, tags={"spotbox:data-volume": "vol-0123456789abcdef0"})
    hook = lab.home / ".spotbox/on-resume.d/10-train"
    hook.parent.mkdir(parents=True)
    hook.write_text("#!/bin/sh\necho ran >>resumed\n")
    hook.chmod(0o755)
    notice = lab.files.system / "var/lib/spotbox/notice.json"
    notice.parent.mkdir(parents=True, exist_ok=True)
    notice.write_text(json.dumps({"time": "2026-11-22T08:22:00Z", "boot": "another", "instance": SPEC.instance_id}))
    lab.boot()
    assert until(lambda: lines(lab.home / "resumed") == ["ran"])
    assert "data volume" not in (lab.files.system / "var/log/spotbox-guard.log").read_text()


def test_a_script_runs_once(lab):
    """A script of the user's runs at the first boot of an instance and never again; what it prints is in a log."""
    lab.boot(b"#!/bin/sh\necho ran >>ran; whoami; pwd\n")
    log = lab.files.system / "var/log/cloud-init-output.log"
    assert until(lambda: lines(log) == ["ubuntu", str(lab.home)])
    lab.boot()
    time.sleep(0.5)
    assert lines(lab.home / "ran") == ["ran"]


def test_commands_of_a_cloud_config_are_told_and_not_run(lab):
    """runcmd would run on the user's own machine: the log names it."""
    lab.boot(b"#cloud-config\nruncmd: [touch ~/no]\n")
    assert lines(lab.files.system / "var/log/cloud-init-output.log") == ["not run in the sandbox: touch ~/no"]
    assert not (lab.home / "no").exists()


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/etc/a", "system/etc/a"),
        ("/home/ubuntu/a", "home/a"),
        ("/home/other/a", "system/home/other/a"),
        ("/data/a", "data/a"),
        ("/../../a", "system/a"),
        ("../../a", "system/a"),
    ],
)
def test_no_path_leads_out_of_the_box(tmp_path, path, where):
    """Files of the user data lie below the box's folder whatever their path is."""
    files = BoxFiles(tmp_path, SPEC.instance_id)
    assert place(files, "ubuntu", path) == files.root / where


def test_wall_reaches_the_boxs_terminals(lab):
    """`wall` writes to every open session with a terminal, and ends at once where one's user has stopped it."""
    import pexpect

    command, *args = lab.command(flags=("-tt",))
    shells = [pexpect.spawn(command, args, encoding="utf-8", timeout=60) for _ in range(2)]
    for shell in shells:
        shell.expect(r"\$ ")
    assert len(list(lab.files.terminals.iterdir())) == 2
    done = lab.ssh("wall 'the end is near'; echo it is | wall")
    assert (done.returncode, done.stderr) == (0, b"")
    for shell in shells:
        shell.expect("Broadcast message from ubuntu")
        shell.expect("the end is near")
        shell.expect("it is")
        shell.close()
    assert until(lambda: not list(lab.files.terminals.iterdir()))


def test_aws_refuses_without_a_profile(lab):
    """Without an instance profile there are no credentials, whatever this machine's user has."""
    done = lab.ssh("aws s3 ls; echo $?; echo x >f; aws s3 cp f s3://bucket/f; echo $?")
    assert done.stdout.split() == [b"253", b"1"]
    assert done.stderr.count(b"Unable to locate credentials") == 2


def test_the_load_is_the_boxs_own(lab):
    """CPU time is counted of what the box runs, and of nothing else of the machine."""
    found = used([os.getpid()])
    assert os.getpid() not in found
    assert used([1 << 30]) == {}
