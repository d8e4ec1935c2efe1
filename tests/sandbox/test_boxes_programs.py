"""The programs that a box has instead of the machine's own: nvidia-smi, sudo, shutdown, hostname."""

import json
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from spotbox.sandbox import nvidia_smi
from spotbox.sandbox.boxfiles import has_nvidia, motd
from tests.sandbox.boxkit import SPEC, processes, until

pytestmark = pytest.mark.filterwarnings("error")


def out(lab, command):
    done = lab.ssh(command)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def smi(tmp_path, *words, **change):
    """nvidia-smi of a box of this kind: (exit code, stdout)."""
    facts = tmp_path / "box.json"
    facts.write_text(json.dumps(asdict(replace(SPEC, **change))))
    command = [sys.executable, "-I", "-S", nvidia_smi.__file__, str(facts), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_nvidia_smi_on_the_box(lab):
    """nvidia-smi is on the box's PATH, and its exit code comes through ssh."""
    assert out(lab, "nvidia-smi --query-gpu=name,memory.total --format=csv,noheader") == "NVIDIA A10G, 24576 MiB\n"
    done = lab.ssh("nvidia-smi --query-gpu=colour --format=csv")
    assert (done.returncode, done.stdout) == (2, b'Field "colour" is not a valid field to query.\n\n')


def test_the_table_has_a_row_for_each_gpu(tmp_path):
    """Without arguments: driver, CUDA, each GPU with its share of the memory, no processes; all lines as wide."""
    code, text = smi(tmp_path, instance_type="g5.12xlarge", gpu_count=4, gpu_memory_mib=98304)
    lines = text.splitlines()
    assert code == 0
    assert f"Driver Version: {nvidia_smi.DRIVER}" in text
    assert f"CUDA Version: {nvidia_smi.CUDA}" in text
    assert "No running processes found" in text
    assert [line.split()[1:4] for line in lines if "A10G" in line] == [[str(n), "NVIDIA", "A10G"] for n in range(4)]
    assert text.count("0MiB /  24576MiB") == 4
    assert {len(line) for line in lines if line.startswith(("|", "+"))} == {91}


@pytest.mark.parametrize(
    ("gpu", "memory", "name"),
    [
        ("T4", 16384, "Tesla T4"),
        ("NVIDIA T4", 16384, "Tesla T4"),
        ("V100", 16384, "Tesla V100-SXM2-16GB"),
        ("NVIDIA V100", 32768, "Tesla V100-SXM2-32GB"),
        ("NVIDIA A10G", 24576, "NVIDIA A10G"),
        ("NVIDIA X1", 24576, "NVIDIA X1"),
    ],
)
def test_a_gpu_has_the_drivers_name(tmp_path, gpu, memory, name):
    """The driver's names are not those of EC2, whether its maker stands before them or not."""
    code, text = smi(tmp_path, "-L", gpu=gpu, gpu_memory_mib=memory)
    assert code == 0
    assert text.startswith(f"GPU 0: {name} (UUID: GPU-")


def test_a_gpu_keeps_its_uuid(tmp_path):
    """UUIDs differ between GPUs and boxes, and stay the same from call to call."""
    first = smi(tmp_path, "-L", gpu_count=2)[1]
    assert first == smi(tmp_path, "-L", gpu_count=2)[1]
    uuids = {line.split("UUID")[1] for line in first.splitlines()}
    uuids |= {line.split("UUID")[1] for line in smi(tmp_path, "-L", instance_id="i-1")[1].splitlines()}
    assert len(uuids) == 3


@pytest.mark.parametrize(
    ("style", "answer"),
    [
        ("csv", "name, memory.total [MiB], utilization.gpu [%]\nNVIDIA A10G, 24576 MiB, 0 %\n"),
        ("csv,noheader", "NVIDIA A10G, 24576 MiB, 0 %\n"),
        ("csv,nounits", "name, memory.total, utilization.gpu\nNVIDIA A10G, 24576, 0\n"),
        ("csv,noheader,nounits", "NVIDIA A10G, 24576, 0\n"),
    ],
)
def test_a_query_in_each_format(tmp_path, style, answer):
    """--query-gpu prints CSV with or without header and units."""
    assert smi(tmp_path, "--query-gpu=name, memory.total,utilization.gpu", f"--format={style}") == (0, answer)


@pytest.mark.parametrize("field", [*nvidia_smi.FIELDS, *nvidia_smi.ALIASES])
def test_every_field_has_a_value(field):
    """Each field that is offered answers for each GPU."""
    text = nvidia_smi.query(nvidia_smi.gpus(asdict(replace(SPEC, gpu_count=2))), field, "csv,noheader")
    assert [bool(line.strip()) for line in text.splitlines()] == [True, True]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--query-gpu=name,foo", "--format=csv"], 2),
        (["--query-gpu=name"], 1),
        (["--query-gpu=name", "--format=json"], 1),
        (["--frobnicate"], 1),
        (["-i", "7"], 6),
        (["-l", "often"], 1),
        (["-h"], 0),
        (["-i", "0", "--query-compute-apps=pid,used_memory", "--format=csv,noheader"], 0),
    ],
)
def test_exit_codes(tmp_path, words, code):
    """What nvidia-smi cannot do it refuses with a code other than 0, and a word on stdout, as the real one."""
    found, text = smi(tmp_path, *words)
    assert found == code
    assert bool(text) == (words[-1] != "--format=csv,noheader")


@pytest.mark.parametrize(("gpu", "count"), [(None, 0), ("Radeon Pro V520", 1), ("Gaudi HL-205", 8), ("Inferentia2", 1)])
def test_a_box_without_nvidia_has_no_nvidia_smi(lab, gpu, count):
    """On a box without an NVIDIA GPU the command is not found, whatever the machine under it has."""
    spec = replace(lab.spec, instance_id="i-0cpu", gpu=gpu, gpu_count=count, instance_type="m5.large")
    assert not has_nvidia(spec)
    address = lab.boxes.reserve()
    lab.boxes.open(spec, address)
    kept, lab.address = lab.address, address
    try:
        done = lab.ssh("nvidia-smi", known=lab.know("i-0cpu"))
        assert done.returncode == 127
        assert b"nvidia-smi: command not found" in done.stderr
    finally:
        lab.address = kept
        lab.boxes.wipe("i-0cpu")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("sudo whoami", "root\n"),
        ("sudo -n -u postgres whoami", "postgres\n"),
        ("sudo -nu postgres whoami", "postgres\n"),
        ("sudo --user=postgres -E -- whoami", "postgres\n"),
        ("sudo -H -S -p '' sh -c 'echo $0 $# \"$1\"' name 'a  b'", "name 1 a  b\n"),
        ("sudo A=1 B='two words' sh -c 'echo $A $B'", "1 two words\n"),
        ("sudo -v && echo ok", "ok\n"),
        ("sudo -k -n true && echo ok", "ok\n"),
        ("cd / && sudo pwd", "/\n"),
        ("cd / && sudo -i sh -c 'basename \"$PWD\"'", "home\n"),
        ("echo 'echo $SUDO_USER' | sudo -s", "ubuntu\n"),
        ("sudo -i nvidia-smi -L | cut -c1-18", "GPU 0: NVIDIA A10G\n"),
        ("sudo sh -c 'exit 7'; echo $?", "7\n"),
        ("echo through | sudo tee /dev/null", "through\n"),
        ("whoami", "ubuntu\n"),
        ("hostname; hostname -s; hostname -f; hostname -I", "ip-172-31-5-9\n" * 3 + "172.31.5.9\n"),
    ],
)
def test_programs(lab, command, answer):
    """sudo, whoami and hostname answer as on an instance of EC2."""
    assert out(lab, command) == answer


@pytest.mark.parametrize(
    ("command", "code", "word"),
    [
        ("sudo no-such-command", 1, b"sudo: no-such-command: command not found"),
        ("sudo", 1, b"usage: sudo"),
        ("sudo -u", 1, b"usage: sudo"),
        ("hostname new", 1, b"cannot be changed"),
        ("reboot", 1, b"cannot reboot"),
        ("sudo shutdown -r now", 1, b"cannot reboot"),
        ("shutdown sometime", 1, b"failed to parse"),
        ("shutdown +x", 1, b"failed to parse"),
        ("shutdown 25:00", 1, b"failed to parse"),
        ("systemctl status ssh", 1, b"System has not been booted with systemd"),
        ("systemctl --no-block reboot", 1, b"cannot reboot"),
    ],
)
def test_refusals(lab, command, code, word):
    """What a sandbox box cannot do it says, and nothing is turned off."""
    done = lab.ssh(command)
    assert done.returncode == code
    assert word in done.stderr
    assert lab.shutdowns == []


@pytest.mark.parametrize("when", ["+10", "08:09", "", "+08"])
def test_a_later_shutdown_can_be_cancelled(lab, when):
    """`shutdown +10` returns at once and waits; `shutdown -c` takes it back."""
    if when == "08:09" and time.strftime("%H:%M") in ("08:07", "08:08"):
        when = "09:08"  # later than in a moment
    done = lab.ssh(f"sudo shutdown -h {when}")
    assert done.returncode == 0, done.stderr
    assert b"Shutdown scheduled in" in done.stderr
    pid = (lab.home.parent / "scheduled").read_text().strip()
    assert until(lambda: any(f"{lab.home.parent}/bin/shutdown" in row[2] for row in processes()))
    assert lab.ssh("sudo shutdown -c").returncode == 0
    assert until(lambda: not Path(f"/proc/{pid}").exists())
    assert lab.shutdowns == []


def test_the_greeting_fits_a_terminal():
    """No line of the greeting is cut in two by a terminal of 80 columns, but the one with a long home folder."""
    assert max(map(len, motd(SPEC, Path("/home/x")).splitlines())) < 80


def test_text_from_outside_cannot_act():
    """Control characters in what the greeting shows are made harmless."""
    text = motd(replace(SPEC, instance_type="g5\x1b[2J.xlarge", gpu="A10G\r\nroot#"), Path("/home/x\x07"))
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "A10G??root#" in text


def test_a_hostile_host_name_stays_text(lab):
    """A host name with shell text in it is only printed."""
    spec = replace(lab.spec, instance_id="i-0odd", hostname="ip'; touch pwned; '$(touch pwned)")
    lab.boxes.open(spec, lab.boxes.reserve())
    root = lab.home.parent.parent / "i-0odd"
    done = subprocess.run([root / "bin" / "hostname"], capture_output=True, text=True, cwd=root)
    assert done.stdout == spec.hostname + "\n"
    assert not (root / "pwned").exists()
    lab.boxes.wipe("i-0odd")
