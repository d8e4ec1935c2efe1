"""A folder as it is packed: the same bytes for the same contents, what is ignored as git ignores it, no secrets."""

import inspect
import io
import os
import random
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from spotbox.core import packing as core
from spotbox.core.errors import Exit, SpotboxError
from spotbox.packing import _Walk, look, pack

GIT = shutil.which("git")


@pytest.fixture
def folder(tmp_path):
    """A folder to be packed."""
    return grown(tmp_path / "code", {"train.py": "print(1)\n"})


def grown(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def packed(source, into):
    into.mkdir(exist_ok=True)
    return pack(look(source), into)


def members(made):
    with tarfile.open(made.path, "r:gz") as tar:
        return {member.name: member for member in tar.getmembers()}


def names(source):
    return [path for path, _ in look(source).files]


def entries(root):
    """What is taken of a folder, whether or not a script is among it."""
    walk = _Walk(root)
    walk.folder(root, [])
    return walk.files


def refused(source, match):
    with pytest.raises(SpotboxError, match=match) as caught:
        look(source)
    assert caught.value.exit_code == Exit.USAGE
    return caught.value


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


NAMES = ["a", "b", "foo", "foo.log", "build", "x.py"]
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join)
PARTS = st.sampled_from([*NAMES, "*", "**", "*.log", "f*", "?", "[ab]", "[!a]", "fo[n-p]", r"\a", "*o*"])
LINES = st.builds(
    lambda no, start, parts, end, tail: no + start + "/".join(parts) + end + tail,
    st.sampled_from(["", "", "", "!"]),
    st.sampled_from(["", "", "/", "**/"]),
    st.lists(PARTS, min_size=1, max_size=3),
    st.sampled_from(["", "", "/", "/**", "/*"]),
    st.sampled_from(["", "", "", " ", "\r"]),
) | st.sampled_from(["# foo", "", "!", "/", "\\#", "\\!a", "*", "!*/", "!*.py", "/*", "!/foo"])
IGNORES = st.dictionaries(
    st.sampled_from(["", "foo", "a", "a/b", "build"]), st.lists(LINES, min_size=1, max_size=5), max_size=3
)


@pytest.mark.skipif(not GIT, reason="git is not there to be compared with")
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sets(PATHS, min_size=1, max_size=12), IGNORES)
@example({"foo/bar/a", "foo/b", "b"}, {"": ["*", "!*/", "!b"]})
@example({"foo/a", "foo/b"}, {"": ["*", "!foo/"]})
@example({"foo/a", "foo/b"}, {"": ["foo/"], "foo": ["!a"]})
@example({"a/b/foo", "a/foo"}, {"": ["foo"], "a/b": ["!foo"]})
@example({"a/foo/b", "foo"}, {"": ["foo/", "!foo"]})
def test_what_git_ignores_is_ignored(paths, ignores):
    """On trees and `.gitignore` files at random, nested ones too, what is packed is what git would add."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "tree"
        files = {path: "" for path in paths if not any(other.startswith(f"{path}/") for other in paths)}
        files |= {
            f"{base}/.gitignore".lstrip("/"): "\n".join(lines) for base, lines in ignores.items() if base not in files
        }
        keep = {path for path in files if not any(path.startswith(f"{other}/") for other in files)}
        grown(root, {path: text for path, text in files.items() if path in keep})
        environment = {"PATH": os.environ["PATH"], "HOME": place, "GIT_CONFIG_NOSYSTEM": "1"}
        git = [GIT, f"--git-dir={place}/git", f"--work-tree={root}"]
        subprocess.run([GIT, "init", "-q", "--bare", f"{place}/git"], check=True, env=environment)
        listed = subprocess.run(
            [*git, "ls-files", "--others", "--exclude-standard", "-z"],
            capture_output=True,
            check=True,
            env=environment,
            cwd=root,
        ).stdout.decode()
        wanted = {name for name in listed.split("\0") if name}
        assert {path for path, _ in entries(root)} == wanted


def test_spotboxignore_stands_in_for_gitignore(folder):
    """Where the folder has a .spotboxignore, that alone is read, in the folders below too."""
    grown(
        folder, {".gitignore": "kept\n", ".spotboxignore": "out\n", "kept": "", "out": "", "sub/out": "", "sub/b": ""}
    )
    grown(folder, {"sub/.spotboxignore": "b\n", "sub/.gitignore": "*\n"})
    assert names(folder) == [".gitignore", ".spotboxignore", "kept", "sub/.gitignore", "sub/.spotboxignore", "train.py"]


def test_the_repository_above_is_asked(tmp_path):
    """Of a folder within a repository, the .gitignore files above it count, up to its top and no further."""
    grown(tmp_path, {".gitignore": "*\n", "repo/.git/HEAD": "", "repo/.gitignore": "*.log\n/src/local\n"})
    grown(tmp_path / "repo/src", {"train.py": "", "a.log": "", "local/b": "", "sub/local": ""})
    assert names(tmp_path / "repo/src") == ["sub/local", "train.py"]


def test_what_is_never_taken(folder):
    """Version control, caches and virtual environments stay out, whatever they are called."""
    grown(folder, {".git/config": "", "lib/__pycache__/a.pyc": "", ".venv/b": "", "env3/pyvenv.cfg": "", "env3/c": ""})
    assert names(folder) == ["train.py"]


def test_secrets_stay_at_home_and_it_is_told(folder):
    """What looks secret is left out and named; a `!` line of its own name takes it along, `!*` does not."""
    grown(folder, {".env": "K=1", ".aws/credentials": "", "deep/server.pem": "", ".env.local": "", "id_rsa": ""})
    contents = look(folder)
    assert names(folder) == ["train.py"]
    assert contents.secrets == (".aws", ".env", ".env.local", "deep/server.pem", "id_rsa")
    assert contents.remarks() == (
        "left out, as it looks secret: .aws, .env, .env.local, deep/server.pem, id_rsa"
        " (a line !NAME in .spotboxignore takes it along)",
    )
    grown(folder, {".spotboxignore": "!*\n!.env\n!deep/*.pem\n"})
    assert names(folder) == [".env", ".spotboxignore", "deep/server.pem", "train.py"]


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
