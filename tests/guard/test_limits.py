"""`--idle-stop` and `--ttl` on the box: announced, called off aloud, obeyed; what is unknown counts as work."""

import json
import shutil
import socket
import subprocess
import time

import pytest

IDLE = {"announce": 1.2, "probe_every": 0.2, "grace": 1.5}
SS = """\
0 0 10.0.0.5:22 198.51.100.7:50000
\t cubic wscale:7,7 rto:204 bytes_sent:{0} bytes_acked:{0} bytes_received:{0} segs_out:9
"""


def calm(box, limit="2s", load="0.00", **settings):
    """A box at rest (or with this load), with an idle limit that counts in seconds."""
    (box.folder / "loadavg").write_text(f"{load} 0.00 0.00 1/1 1\n")
    box.metadata.values["tags/instance/spotbox:idle-stop"] = limit
    return box.start(**{**IDLE, **settings})


def off(box):
    return (box.folder / "power").exists()


def at(box, seconds):
    """A time so many seconds from now, for the tag of --ttl."""
    moment = box.metadata.now() + seconds
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def test_an_idle_box_is_announced_and_powered_off(box):
    """Idle for the whole time: terminals are told ahead, then the OS is told to power off; not more than once."""
    (box.folder / "terminals/0").touch()
    begun = time.monotonic()
    calm(box, "6s", announce=3)
    told = box.wait("this box stops in")
    assert "this box stops in" in (box.folder / "terminals/0").read_text()
    assert not off(box)
    box.wait_for(lambda: off(box))
    assert time.monotonic() - told > 0.4
    assert time.monotonic() - begun > 5.9
    time.sleep(0.5)
    assert (box.folder / "power").read_text() == "off\n"


def busy(box, work):
    """A box that does this one thing."""
    settings = {}
    if work == "hold in home":
        (box.folder / "home/spotbox-hold").touch()
    if work == "hold in run":
        (box.folder / "run/spotbox-hold").touch()
    if work == "nvidia":
        settings["nvidia_smi"] = [str(box.program("smi", "printf '0\\n7\\n'"))]
    if work == "nvidia hangs":
        (box.folder / "gpus/0000:00:1e.0").mkdir(parents=True)
        settings["nvidia_smi"] = [str(box.program("smi", "trap '' TERM; sleep 100"))]
        settings.update(nvidia_gpus=str(box.folder / "gpus"))
    if work == "amd":
        settings["rocm_smi"] = [str(box.program("smi", """echo '{"card0": {"GPU use (%)": "99"}}'"""))]
    if work == "traffic":
        settings["ss"] = [str(growing(box, 5000))]
    if work == "ss fails":
        settings["ss"] = ["false"]
    load = "64.00" if work == "load" else "0.00"
    calm(box, "1s", load, probe_time=4 if work == "nvidia hangs" else 0.4, **settings)


def growing(box, by):
    """A stand-in for `ss` that shows one connection with so many bytes more at each look."""
    count = f"n=$(cat {box.folder}/n 2>/dev/null || echo 90000); n=$((n + {by})); echo $n >{box.folder}/n; "
    line = "0 0 10.0.0.5:22 1.2.3.4:50000\\n cubic bytes_acked:$n bytes_received:$n\\n"
    return box.program("ss", count + f'printf "{line}"')


def test_work_keeps_the_box_up(boxes):
    """A hold file, load, a busy GPU of NVIDIA's or AMD's, SSH traffic, or what cannot be told: each alone is work."""
    kinds = ("hold in home", "hold in run", "load", "nvidia", "nvidia hangs", "amd", "traffic", "ss fails")
    made = {work: boxes() for work in kinds}
    for work, box in made.items():
        busy(box, work)
    free = boxes()  # no tag, or metadata tags that are off (404): nothing is looked at
    (free.folder / "loadavg").write_text("0.00 0.00 0.00 1/1 1\n")
    free.start(**IDLE, nvidia_smi=[str(free.program("smi", f"echo asked >>{free.folder}/asked; echo 0"))])
    for box in made.values():
        box.wait_for(lambda box=box: len(box.metadata.asked) > 20)
    assert "nvidia-smi hangs" not in made["nvidia hangs"].journal()  # it hangs still, and nothing was held up
    time.sleep(3)
    assert not off(free)
    assert not (free.folder / "asked").exists()
    assert not [work for work, box in made.items() if off(box)]
    for work, text in (("nvidia hangs", "nvidia-smi hangs or fails"), ("ss fails", "ss hangs, fails or is missing")):
        made[work].wait(f"{text}: counts as work")
        time.sleep(0.5)
        assert made[work].journal().count(f"{text}: counts as work") == 1
    box = made["nvidia hangs"]
    box.metadata.notice(60)
    box.wait("ready for the interruption")


def test_rest_is_no_work(boxes):
    """GPUs under 5 %, keep-alives on open connections and no load are idle; so is a machine that has no GPU at all.

    NVIDIA's program is on every Deep Learning AMI: without a GPU it fails, which is no work.
    """
    resting, without = boxes(), boxes()
    smi = resting.program("smi", "printf '0\\n4\\n'")
    rocm = resting.program("rocm", """echo '{"card0": {"GPU use (%)": "0"}}'""")
    calm(resting, nvidia_smi=[str(smi)], rocm_smi=[str(rocm)], ss=[str(growing(resting, 5))])
    fails = without.program("smi", "echo 'NVIDIA-SMI has failed'; exit 9")
    calm(without, nvidia_smi=[str(fails)], nvidia_gpus=str(without.folder / "gpus"))
    for box in (resting, without):
        box.wait_for(lambda box=box: off(box))


def test_work_that_returns_calls_it_off_aloud(box):
    """After the announcement activity is told as the reason why the stop is off; then the time starts anew."""
    calm(box, "6s", announce=3)
    box.wait("this box stops in")
    (box.folder / "loadavg").write_text("64.00 0.00 0.00 1/1 1\n")
    box.wait("the stop is off: load per CPU")
    time.sleep(1)
    assert not off(box)


def test_the_limits_are_the_tags_of_now(box):
    """Taking the tag away calls the stop off; one that appears on a running box counts; nonsense is told."""
    calm(box, "6s", announce=3)
    box.wait("this box stops in")
    del box.metadata.values["tags/instance/spotbox:idle-stop"]
    box.wait("the stop is off: the box has no idle limit any more")
    box.metadata.values["tags/instance/spotbox:idle-stop"] = "soon\x1b[31m"
    box.wait("holds no duration: soon\\x1b[31m")
    box.metadata.values["tags/instance/spotbox:idle-stop"] = "1s"
    box.wait_for(lambda: off(box))


def test_ttl_stops_a_busy_box_when_it_is_over(box):
    """--ttl is announced and obeyed whatever the box does, hold file or not; a later time calls it off first."""
    (box.folder / "home/spotbox-hold").touch()
    box.metadata.values["tags/instance/spotbox:expires"] = at(box, 18)
    box.start(**{**IDLE, "announce": 20})
    box.wait("(--ttl) is over: it stops in")
    box.metadata.values["tags/instance/spotbox:expires"] = at(box, 600)
    box.wait("the stop is off: there is more time again")
    box.metadata.values["tags/instance/spotbox:expires"] = at(box, 2)
    box.wait("(--ttl) is over: it stops in", times=2)
    box.wait_for(lambda: off(box))


def test_a_box_started_after_its_time_has_time(box):
    """Started again after its time was over, a box stays long enough for a new limit to be set, and says so."""
    box.metadata.values["tags/instance/spotbox:expires"] = at(box, -5000)
    begun = time.monotonic()
    box.start(**{**IDLE, "grace": 3})
    box.wait("(--ttl) is over: it stops in")
    box.wait_for(lambda: off(box))
    assert time.monotonic() - begun > 2.8


def test_a_guard_that_is_started_again_gives_no_time_anew(box):
    """The time that a box has after its start is counted from the start of the box, not of the guard."""
    box.metadata.values["tags/instance/spotbox:expires"] = at(box, -5000)
    box.start(**{**IDLE, "grace": 900})
    box.wait_for(lambda: box.run_file("began.json"))
    box.kill()
    assert not off(box)
    began = box.run_file("began.json")
    (box.folder / "run/began.json").write_text(json.dumps(began | {"at": began["at"] - 1000}))
    box.start()
    box.wait_for(lambda: off(box))


def test_a_notice_forbids_to_stop(box):
    """With a notice out neither limit stops the box: the first hour is free only if AWS does it."""
    box.metadata.values["tags/instance/spotbox:expires"] = at(box, 1)
    box.metadata.notice(60)
    calm(box, "1s", hook_time=0.5, last_sync=0.5)
    box.wait("ready for the interruption")
    time.sleep(1.5)
    assert not off(box)


@pytest.mark.skipif(not shutil.which("ss"), reason="no `ss` here")
def test_real_ss_tells_the_traffic_of_a_connection(programs, monkeypatch):
    """The guard's reading of `ss -tinH` counts the bytes that really went over a connection."""
    monkeypatch.syspath_prepend(str(programs))
    from limits import traffic

    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as here, door.accept()[0] as there:
            here.sendall(b"x" * 5000)
            there.recv(8192)
            words = ["ss", "-tinH", "state", "established", f"sport = :{port}"]
            said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            me = here.getsockname()
            if not said.strip():
                pytest.skip("ss shows no connections here")
            assert traffic(said) == {f"127.0.0.1:{port} {me[0]}:{me[1]}": 5000}


def test_durations_are_those_of_the_tag(programs, monkeypatch):
    """The guard reads the durations that spotbox writes, and takes nothing else for one."""
    monkeypatch.syspath_prepend(str(programs))
    from limits import duration, traffic

    assert [duration(text) for text in ("90s", "45m", "1h30m", "2d")] == [90, 2700, 5400, 172800]
    assert [duration(text) for text in ("", None, "1", "soon", "-1h", "1h ")] == [None] * 6
    assert traffic(SS.format(7)) == {"10.0.0.5:22 198.51.100.7:50000": 14}
