"""spotbox's own key: made once, however many processes make it at once, and never seen half-written."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spotbox.app import App
from spotbox.commands._connect import own_key
from spotbox.core.names import key_fingerprint
from spotbox.options import Common

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen here")
ROOT = Path(__file__).parents[2]
MAKE = "from spotbox.app import App; from spotbox.options import Common; from spotbox.commands._connect import own_key"
# ssh-keygen as it is on a slow disk: the private half, then the beginning of the public one, then the rest.
SLOW = """#!/bin/sh
for path; do :; done
{real} -q -t ed25519 -N '' -C spotbox -f "$path.whole" || exit 1
mv "$path.whole" "$path"
head -c 20 "$path.whole.pub" > "$path.pub"
touch {begun}
sleep 1
mv "$path.whole.pub" "$path.pub"
"""


def env(home, path=""):
    return {"PATH": path + os.environ["PATH"], "HOME": str(home), "SPOTBOX_HOME": str(home), "PYTHONPATH": str(ROOT)}


def making(home, path=""):
    """A process that asks for the key and prints its public half."""
    code = f"{MAKE}; print(own_key(App(Common()))[1])"
    return subprocess.Popen(
        [sys.executable, "-c", code], env=env(home, path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_key_that_is_being_made_is_not_read(tmp_path):
    """Two processes: the second one asks while the first one's ssh-keygen writes. Both get the same whole key."""
    tools, begun = tmp_path / "tools", tmp_path / "begun"
    tools.mkdir()
    slow = tools / "ssh-keygen"
    slow.write_text(SLOW.format(real=shutil.which("ssh-keygen"), begun=begun))
    slow.chmod(0o755)
    first = making(tmp_path, f"{tools}:")
    while not begun.exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    second = making(tmp_path, f"{tools}:")
    said = [process.communicate(timeout=60) for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0], said
    keys = {out.strip() for out, _ in said}
    assert len(keys) == 1
    assert len(key_fingerprint(keys.pop())) == 16


def test_the_key_lies_as_ssh_wants_it(tmp_path):
    """The private half is for its owner alone, and nothing else is left beside the two."""
    private, public = own_key(App(Common(), env(tmp_path)))
    assert private.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in private.parent.iterdir()) == [".lock", private.name, f"{private.name}.pub"]
    own = subprocess.run(["ssh-keygen", "-y", "-f", private], capture_output=True, text=True, check=True).stdout
    assert own.split()[:2] == public.split()[:2]


def test_a_public_half_that_was_deleted_is_made_again(tmp_path):
    """Of the local files only the private key must not be lost."""
    private, public = own_key(App(Common(), env(tmp_path)))
    private.with_name(f"{private.name}.pub").unlink()
    assert own_key(App(Common(), env(tmp_path)))[1].split()[:2] == public.split()[:2]
