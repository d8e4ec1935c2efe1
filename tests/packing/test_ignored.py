"""What is not packed: what git ignores, what is never taken, secrets."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from spotbox.packing import look
from tests.packing.packed import entries, grown, names

GIT = shutil.which("git")
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
