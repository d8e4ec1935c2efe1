"""`spotbox prices` under rough treatment: dead regions, damaged caches, many at once, a broken pipe, Ctrl-C."""

import json
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.conftest import SPOTBOX
from tests.standin import asked, env_of, stand_in
from tests.timing import quickest

pytest.importorskip("moto", reason="the stand-in takes its types and zones from moto's data files")
ONE = ("prices", "-r", "all", "-t", "g5.xlarge", "-o", "json")


@pytest.fixture(scope="module")
def url():
    """One stand-in for the module."""
    with stand_in(delay=0.05) as address:
        yield address


@pytest.fixture(scope="module")
def filled(url, tmp_path_factory):
    """A home whose caches are full, and what was told when they were empty."""
    home = tmp_path_factory.mktemp("filled")
    prices(env_of(url, tmp_path_factory.mktemp("first")))  # has the stand-in make its answers, which takes it seconds
    return home, prices(env_of(url, home))[0]


@pytest.fixture(scope="module")
def hanging():
    """One in which two regions never answer."""
    with stand_in("--hang", "eu-west-1,sa-east-1") as address:
        yield address


@pytest.fixture(scope="module", autouse=True)
def left_hanging(hanging, tmp_path_factory):
    """A survey of all regions while two hang: begun before the other tests, which need not wait for it; and another."""
    children = []

    def survey():
        begun = time.monotonic()
        children.append(child := spawn(env_of(hanging, tmp_path_factory.mktemp("hanging")), *ONE))
        out, err = child.communicate(timeout=240)
        return out, err, child.returncode, time.monotonic() - begun

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(survey)
        yield lambda again: survey() if again else first.result()
        for child in children:
            child.kill()


def spawn(env, *args):
    """Begin a run."""
    return subprocess.Popen(
        [SPOTBOX, *args],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores Ctrl-C, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def prices(env, *args, code=0):
    """A whole run; (stdout, stderr)."""
    child = spawn(env, *(args or ONE))
    out, err = child.communicate(timeout=240)
    assert child.returncode == code, err
    assert "Traceback" not in err
    return out, err


def cached(home: Path) -> list[Path]:
    """The files of the cache, locks left out."""
    return [path for path in (home / "spot box" / "cache").rglob("*.json") if path.is_file()]


def told(out):
    """The rows without the interruption rates: eight at once on two cores may have none of them within five seconds."""
    return [{**row, "interruption": None} for row in json.loads(out)]


def test_eight_at_once_on_an_empty_cache(url, filled, tmp_path):
    """Eight first runs at one moment all tell the same, and leave a cache with which nothing is asked but prices."""
    env = env_of(url, tmp_path)
    children = [spawn(env, *ONE) for _ in range(8)]
    said = [child.communicate(timeout=240) for child in children]
    assert [child.returncode for child in children] == [0] * 8, said
    assert all("Traceback" not in err for _, err in said)
    assert all(told(out) == told(filled[1]) for out, _ in said)
    asked(url, "reset")
    assert told(prices(env)[0]) == told(filled[1])
    late = {"advisor": 1} if all("interruption rates are unknown" in err for _, err in said) else {}
    assert asked(url)["calls"] == {"DescribeSpotPriceHistory": 17, **late}


@pytest.mark.parametrize("junk", [b'{"' + b"x" * 9999, b"[]", b"\xff\xfe\x00"], ids=["cut", "list", "binary"])
def test_damaged_caches(url, filled, tmp_path, junk):
    """A cache file that holds anything else is no error and no word: it is asked for again."""
    home, good = filled
    shutil.copytree(home / "spot box", tmp_path / "spot box")
    files = cached(tmp_path)
    assert files
    for file in files:
        file.write_bytes(junk)
    assert prices(env_of(url, tmp_path)) == (good, "")
    assert all(json.loads(file.read_text()) for file in files)


def test_values_in_the_cache_that_cannot_be(url, filled, tmp_path):
    """Dates of a cache that somebody edited are not believed."""
    home, good = filled
    shutil.copytree(home / "spot box", tmp_path / "spot box")

    def spoiled(value):
        if isinstance(value, dict):
            return {key: spoiled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [spoiled(inner) for inner in value]
        return "9999-99-99T99:99:99Z" if isinstance(value, str) and value[:2] == "20" else value

    for file in cached(tmp_path):
        file.write_text(json.dumps(spoiled(json.loads(file.read_text()))))
    assert prices(env_of(url, tmp_path)) == (good, "")


def test_folders_in_the_place_of_cache_files(url, filled, tmp_path):
    """A folder where a cache file should be costs the cache, not the answer."""
    home, good = filled
    for file in cached(home):
        (tmp_path / file.relative_to(home)).mkdir(parents=True)
    assert prices(env_of(url, tmp_path)) == (good, "")


def test_a_home_that_cannot_be_written(url, filled):
    """Where nothing can be kept the prices are told all the same, and no word is lost about it."""
    assert prices(env_of(url, Path("/proc")) | {"SPOTBOX_HOME": "/proc/nowhere"}) == (filled[1], "")


def test_a_broken_pipe(url, tmp_path):
    """`| head -1` ends the run without a word."""
    env = env_of(url, tmp_path)
    script = f"'{SPOTBOX}' prices -r us-east-1 --history 90 -t 'g5.*' -o csv | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout == "instance_type,zone,timestamp,spot\n"
    assert "Broken" not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1, 141)


@pytest.mark.parametrize("args", [ONE, ("prices", "-r", "all", "--history", "30", "-t", "g5.xlarge")])
def test_ctrl_c_in_the_middle(hanging, tmp_path, args):
    """Ctrl-C while regions are waited for ends at once with 130 and no traceback."""

    def cut():
        asked(hanging, "reset")
        child = spawn(env_of(hanging, tmp_path), *args)
        end = time.monotonic() + 60
        while asked(hanging)["calls"].get("DescribeSpotPriceHistory", 0) < 15:
            assert time.monotonic() < end, "it did not begin"
            time.sleep(0.05)
        time.sleep(0.3)
        begun = time.monotonic()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
        took = time.monotonic() - begun
        assert (child.returncode, out) == (130, ""), err
        assert "Traceback" not in err
        assert "Exception" not in err
        return took

    assert quickest(cut, 2) < 2


def test_no_network(tmp_path):
    """An endpoint that nobody answers at is one error of two lines, and exit 1."""
    out, err = prices(env_of("http://127.0.0.1:9", tmp_path), code=1)
    assert out == ""
    first, second = err.splitlines()[-2:]
    assert first.startswith("spotbox: ")
    assert second.startswith("  ")


def test_two_regions_hang(left_hanging):
    """Regions that do not answer cost their own rows and a remark each, and less than half a minute."""
    seen = []

    def took():
        seen.append(left_hanging(again=bool(seen)))
        return seen[-1][3]

    assert quickest(took, 30, tries=2) < 30
    out, err, code, _ = seen[-1]
    assert code == 0, err
    assert {row["region"] for row in json.loads(out)}.isdisjoint({"eu-west-1", "sa-east-1"})
    assert len({row["region"] for row in json.loads(out)}) > 10
    for region in ("eu-west-1", "sa-east-1"):
        assert sum(region in line for line in err.splitlines()) == 1, err
