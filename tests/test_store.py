"""Cached files: whole, private, shared by processes, and never an error."""

import json
import os
import resource
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spotbox.store import MOST, NoStore, Store

ROOT = Path(__file__).parents[1]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cache" / "aws", lambda: NOW)


def test_what_is_kept_is_read_again(store):
    """An update changes what is there; another name is another file."""
    assert store.read("a") == {}
    store.update("a", lambda data: {**data, "x": 1})
    store.update("a", lambda data: {**data, "y": "\ud800é"})
    store.update("b", lambda data: {"z": 3})
    assert Store(store.folder).read("a") == {"x": 1, "y": "\ud800é"}
    assert store.read("b") == {"z": 3}


def test_files_are_the_users_alone(store):
    """The folder is 0700 and every file in it 0600, whatever the umask; no draft stays."""
    old = os.umask(0)
    try:
        store.update("a", lambda data: {"x": 1})
    finally:
        os.umask(old)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.folder.iterdir()} == {
        "a.json": 0o600,
        ".a.lock": 0o600,
    }


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b'{"x": 1',
        b"[1]",
        b"null",
        b"\x00" * 4096,
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"x":' * 100_000,
        b"9" * 5000,
        b" " * (MOST + 1),
    ],
    ids=["empty", "cut off", "a list", "null", "zeros", "utf-16", "deep list", "deep", "long number", "large"],
)
def test_a_damaged_file_is_rebuilt(store, text):
    """What is no JSON object is nothing, and the next update makes the file anew."""
    store.folder.mkdir(parents=True)
    (store.folder / "a.json").write_bytes(text)
    assert store.read("a") == {}
    store.update("a", lambda data: {**data, "y": 2})
    assert json.loads((store.folder / "a.json").read_text()) == {"y": 2}


def test_a_folder_in_the_place_of_the_file(store):
    """A folder where the file, its lock or the cache should be: nothing is read, nothing kept, nothing raised."""
    (store.folder / "a.json").mkdir(parents=True)
    (store.folder / ".b.lock").mkdir()
    for name in ("a", "b"):
        store.update(name, lambda data: {"x": 1})
        assert store.read(name) == {}
    assert sorted(path.name for path in store.folder.iterdir()) == [".a.lock", ".b.lock", "a.json"]
    below_a_file = Store(store.folder / ".a.lock" / "cache")
    below_a_file.update("a", lambda data: {"x": 1})
    assert below_a_file.read("a") == {}


def test_a_pipe_in_the_place_of_the_file(store):
    """Nobody waits for what will never be written to it, and the next update makes the file anew."""
    store.folder.mkdir(parents=True)
    os.mkfifo(store.folder / "a.json")
    assert store.read("a") == {}
    store.update("a", lambda data: {**data, "y": 2})
    assert store.read("a") == {"y": 2}


def test_a_link_in_the_place_of_the_lock_is_not_followed(store, tmp_path):
    """A symbolic link as the lock neither makes nor opens what it points to."""
    store.folder.mkdir(parents=True)
    (store.folder / ".a.lock").symlink_to(tmp_path / "elsewhere")
    store.update("a", lambda data: {"x": 1})
    assert not (tmp_path / "elsewhere").exists()


def run(code, folder):
    return subprocess.run(
        [sys.executable, "-c", f"from pathlib import Path\nfrom spotbox.store import Store\n{code}", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_FSIZE stands for a full disk")
def test_a_full_disk_is_silent(store):
    """Where the disk takes no more, the old file stays whole, no draft is left, and nothing is said."""
    store.update("a", lambda data: {"x": 1})
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "Store(Path(sys.argv[1])).update('a', lambda data: {**data, 'y': 'z' * 5000})\n"
    )
    done = run(code, store.folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert store.read("a") == {"x": 1}
    assert sorted(path.name for path in store.folder.iterdir()) == [".a.lock", "a.json"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_read(store):
    """In a folder that may not be written what is there is read, and an update is silent."""
    store.update("a", lambda data: {"x": 1})
    store.folder.chmod(0o500)
    try:
        store.update("a", lambda data: {"x": 2})
        store.update("b", lambda data: {"x": 2})
        assert (store.read("a"), store.read("b")) == ({"x": 1}, {})
    finally:
        store.folder.chmod(0o700)


def test_an_unwritable_place_is_silent():
    """Where not even the folder can be made, nothing is kept and nothing raised."""
    store = Store(Path("/proc/spotbox/cache"))
    store.update("a", lambda data: {"x": 1})
    assert store.read("a") == {}


def test_many_processes_lose_nothing(store):
    """Eight processes that each add ten entries at once leave all of them, and every reader sees whole files."""
    code = (
        "import sys, os\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for n in range(10):\n"
        "    store.update('a', lambda data: {**data, f'{os.getpid()}-{n}': 'x' * 500})\n"
        "    assert f'{os.getpid()}-{n}' in store.read('a')\n"
    )
    line = [sys.executable, "-c", f"from pathlib import Path\nfrom spotbox.store import Store\n{code}"]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    many = [subprocess.Popen([*line, str(store.folder)], cwd=ROOT, env=env) for _ in range(8)]
    assert [one.wait(timeout=60) for one in many] == [0] * 8
    assert len(store.read("a")) == 80


def test_a_lock_that_is_held_is_given_up(store):
    """A process that holds the lock and stands still costs seconds and an entry, not the command."""
    import fcntl

    store.update("a", lambda data: {"x": 1})
    with (store.folder / ".a.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        store.update("a", lambda data: {"x": 2})
    assert store.read("a") == {"x": 1}


@pytest.mark.parametrize(
    ("text", "known"),
    [
        (NOW.isoformat(), True),
        ((NOW - timedelta(days=1)).isoformat(), True),
        ("2026-11-22T11:00:00Z", True),
        ("2026-11-22T13:30:00+02:00", True),
        ((NOW - timedelta(days=1, seconds=1)).isoformat(), False),
        ((NOW + timedelta(seconds=1)).isoformat(), False),
        ("2026-11-22T11:00:00", False),
        ("0001-01-01T00:00:00+14:00", False),
        ("yesterday", False),
        ("", False),
        (None, False),
        (1700000000, False),
        ({"a": 1}, False),
    ],
)
def test_moment(store, text, known):
    """An entry counts from its time on and for as long as is asked; what is no time with a zone is none."""
    found = store.moment(text, timedelta(days=1))
    assert (found is not None) == known
    assert found is None or (found.utcoffset() == timedelta(0) and found <= NOW)


def test_a_stamp_is_read_back_as_the_present(store):
    """What is stamped now is known now."""
    assert store.moment(store.stamp(), timedelta(0)) == NOW


def test_no_store_keeps_nothing():
    """Without a cache everything is asked anew."""
    store = NoStore()
    store.update("a", lambda data: {"x": 1})
    assert store.read("a") == {}
