"""A folder as it is packed: the same bytes for the same contents, links within it, and what is refused."""

import inspect
import io
import os
import random
import socket
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotbox.core import packing as core
from spotbox.core.errors import SpotboxError
from spotbox.packing import look, pack
from tests.packing.packed import grown, members, names, packed, refused


def test_a_script_goes_alone(folder, tmp_path):
    """A script is packed without what lies beside it, and is the program."""
    grown(folder, {"other.py": "", "data.bin": "x"})
    contents = look(folder / "train.py")
    assert (contents.program, contents.files) == ("train.py", (("train.py", 9),))
    assert list(members(pack(contents, tmp_path))) == ["train.py"]


def test_an_archive_tells_nothing_of_its_maker(folder, tmp_path):
    """No time, no owner, no absolute name; executable or not is all of the mode; folders are made by their files."""
    grown(folder, {"run/go.sh": "#!/bin/sh\n", "lib/a.py": "x = 1\n"})
    (folder / "run/go.sh").chmod(0o700)
    (folder / "empty").mkdir()
    made = packed(folder, tmp_path / "out")
    assert made.path.read_bytes()[3:8] == bytes(5)  # gzip's flags (no name follows) and time: RFC 1952, 2.3
    found = members(made)
    assert list(found) == ["lib/a.py", "run/go.sh", "train.py"]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in found.values()} == {(0, 0, 0, "", "")}
    assert [oct(m.mode) for m in found.values()] == ["0o644", "0o755", "0o644"]


TREES = st.dictionaries(
    st.lists(st.sampled_from(["a", "b", "ü", "c d", "x.txt"]), min_size=1, max_size=3).map("/".join),
    st.binary(max_size=40),
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(TREES, st.randoms(use_true_random=False))
def test_the_same_folder_has_the_same_hash(tree, chance):
    """Whatever the order, the place and the times in which files are made, the archive is the same byte by byte."""
    wanted = {name: data for name, data in tree.items() if not any(other.startswith(f"{name}/") for other in tree)}
    wanted["train.py"] = b"1"
    made = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as place:
            root, order = Path(place) / str(chance.random()), list(wanted)
            chance.shuffle(order)
            for name in order:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(wanted[name])
                os.utime(root / name, (chance.randrange(10**9), chance.randrange(10**9)))
            archive = packed(root, Path(place) / "out")
            made.append((archive.sha256, archive.path.read_bytes()))
    assert made[0] == made[1]
    with tarfile.open(fileobj=io.BytesIO(made[0][1])) as tar:
        assert {m.name: tar.extractfile(m).read() for m in tar.getmembers()} == wanted


def test_another_content_has_another_hash(folder, tmp_path):
    """One byte, a name, or the executable bit: each makes another archive."""
    seen = {packed(folder, tmp_path / "a").sha256}
    (folder / "train.py").write_text("print(2)\n")
    seen.add(packed(folder, tmp_path / "b").sha256)
    (folder / "train.py").chmod(0o755)
    seen.add(packed(folder, tmp_path / "c").sha256)
    grown(folder, {"z": ""})
    seen.add(packed(folder, tmp_path / "d").sha256)
    assert len(seen) == 4


def test_links_within_go_along_and_none_leaves(folder, tmp_path):
    """A link within stays one, relative; one to what is left out is left out and told; one out of it refuses."""
    grown(folder, {"lib/a.py": "", ".env": ""})
    (folder / "b.py").symlink_to("lib/a.py")
    (folder / "lib/up").symlink_to(folder / "train.py")
    (folder / "sub").symlink_to("lib")
    (folder / "secret").symlink_to(".env")
    (folder / "loop").symlink_to("loop")
    contents = look(folder)
    assert contents.links == (("b.py", "lib/a.py"), ("lib/up", "../train.py"), ("sub", "lib"))
    assert contents.skipped == (
        ("loop", "a link to what is not taken along"),
        ("secret", "a link to what is not taken along"),
    )
    found = members(pack(contents, tmp_path))
    assert {name: m.linkname for name, m in found.items() if m.issym()} == dict(contents.links)
    (folder / "out").symlink_to("../elsewhere")
    assert "elsewhere" in refused(folder, "out is a link out of the folder").message
    grown(folder, {".gitignore": "out\n"})
    assert look(folder).links == contents.links


def test_a_link_to_the_folder_or_script_is_followed(folder, tmp_path):
    """What the user names may be a link: its target is packed, by its own name."""
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "job.py").symlink_to(folder / "train.py")
    assert look(tmp_path / "link") == look(folder)
    assert look(tmp_path / "job.py").program == "train.py"


def test_sockets_and_pipes_are_told(folder, tmp_path):
    """Neither is opened, which would wait for ever."""
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / ".gitignore")
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.getcwd()
        os.chdir(folder)  # a socket's path is short
        try:
            bound.bind("sock")
        finally:
            os.chdir(here)
        contents = look(folder)
    assert contents.remarks() == ("left out, neither file nor folder: .gitignore, pipe, sock",)
    assert names(folder) == ["train.py"]
    refused(folder / "pipe", "no script or folder")


@pytest.mark.parametrize(
    ("files", "program"),
    [
        (["train.py", "main.py", "a.py"], "train.py"),
        (["fit.py", "notes.txt"], "fit.py"),
        (["fit.py", "setup.py"], "fit.py"),
        (["main.py", "a.py"], "main.py"),
    ],
)
def test_which_script_of_a_folder_is_started(files, program):
    """train.py, else its only one (setup.py is none), else main.py."""
    assert core.entry_script(files, "code") == program


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ([], "has no Python script"),
        (["a.py", "b.py"], r"It has a\.py, b\.py"),
        (["my fit.py"], "start no script named"),
    ],
)
def test_a_folder_without_a_clear_script_is_refused(files, match):
    """The refusal names the scripts there are."""
    with pytest.raises(SpotboxError, match=match):
        core.entry_script(files, "code")


def test_what_cannot_be_packed_is_a_usage_error(folder, tmp_path):
    """No such path, a null byte, no script, a file that vanished between looking and packing."""
    refused(tmp_path / "nothing", "no script or folder")
    refused(Path("a\0b"), "no script|cannot be packed")
    grown(tmp_path, {"notes.txt": "", "-x.py": ""})
    refused(tmp_path / "notes.txt", "is no script")
    refused(tmp_path / "-x.py", "start no script")
    contents = look(folder)
    (folder / "train.py").unlink()
    with pytest.raises(SpotboxError, match=r"train\.py cannot be packed"):
        pack(contents, tmp_path)
    (folder / "train.py").symlink_to("/etc/hostname")
    with pytest.raises(SpotboxError, match="cannot be packed"):
        pack(contents, tmp_path)


def test_a_full_disk_is_told_as_one(folder, tmp_path):
    """No file of the user's is blamed where the archive has no room, and the variable that helps is named."""
    import resource
    import signal

    (folder / "much.bin").write_bytes(random.Random(1).randbytes(100_000))
    contents = look(folder)
    before, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # EFBIG, as a full disk gives ENOSPC
    try:
        with pytest.raises(SpotboxError, match="does not fit into") as told:
            pack(contents, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert (told.value.exit_code, "TMPDIR" in told.value.hint) == (1, True)


def test_a_folder_without_end_is_a_usage_error(folder):
    """More folders in each other than can be walked are told, not a traceback."""
    grown(folder, {"d/" * 150 + "a": ""})
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)  # a thousand on the disk would be in pytest's own way
    try:
        refused(folder, "cannot be packed")
    finally:
        sys.setrecursionlimit(before)


def test_too_much_is_refused_with_the_largest_named(folder):
    """The limit counts unpacked bytes; what to do about it is said."""
    with open(folder / "data.bin", "wb") as file:
        file.truncate(300 * 1024 * 1024)  # of holes
    error = refused(folder, "too much code")
    assert "data.bin (300.0 MiB), train.py (9 B)" in error.message
    assert ".spotboxignore" in error.hint
    assert "--input" in error.hint
    grown(folder, {".gitignore": "*.bin\n"})
    assert names(folder) == [".gitignore", "train.py"]


def test_names_from_the_disk_are_escaped(folder, tmp_path):
    """A file's name moves no cursor; one that is no UTF-8 is packed as it is."""
    (folder / os.fsdecode(b"bad\xff")).write_text("")
    (folder / "a\x1b[2J.pem").write_text("")
    contents = look(folder)
    assert "\x1b" not in contents.remarks()[0]
    assert os.fsdecode(b"bad\xff") in members(pack(contents, tmp_path))


@pytest.mark.parametrize(("size", "shown"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 1024**2, "5.0 MiB")])
def test_sizes_are_shown_in_binary_units(size, shown):
    assert core.show_size(size) == shown


def test_the_code_lies_under_the_output_by_its_hash():
    """The same code has the same place, so it is uploaded once."""
    assert core.code_uri("s3://b/out/", "ab12") == "s3://b/out/spotbox-code/ab12/sourcedir.tar.gz"


def test_the_order_of_a_folder_is_not_the_disks(folder, tmp_path):
    """Members are sorted by name whatever order the system lists them in."""
    order = [f"f{number}" for number in range(30)]
    random.Random(1).shuffle(order)
    grown(folder, dict.fromkeys(order, ""))
    found = list(members(packed(folder, tmp_path / "out")))
    assert found == sorted(found)
