"""The user data that a box gets, checked by what a box would do with it: cloud-init, sh, systemd, Python 3.9."""

import ast
import base64
import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spotbox.commands._userdata import PROGRAMS, box_user_data
from spotbox.core.bare import bare
from spotbox.core.userdata import LIMIT
from spotbox.resources import template_path

PYTHON = "/usr/bin/python3"  # the system's, whose packages Debian's cloud-init is one of
READS = Path(__file__).with_name("cloudinit_reads.py")
CLOUD_CONFIG = """#cloud-config
runcmd: [echo runs]
ssh_pwauth: false
packages: [htop]
write_files:
- path: /etc/mine
  content: mine
"""
MIME = """Content-Type: multipart/mixed; boundary="b"
MIME-Version: 1.0

--b
Content-Type: text/cloud-config

#cloud-config
runcmd: [echo runs]
write_files:
- {path: /etc/mine, content: mine}
--b
Content-Type: text/x-shellscript; charset="utf-8"

#!/bin/sh
echo in mime
--b--
"""


def needs(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed here: {', '.join(missing)}")


def box(own="", fresh=True):
    return box_user_data("ubuntu", own, [("~/ckpt", "s3://mine/dev")], True, fresh)


OWN = {
    "none": "",
    "cloud-config": CLOUD_CONFIG,
    "merging": CLOUD_CONFIG + "merge_how: 'dict(replace)+list()+str()'\n",
    "mime": MIME,
    "script": "#!/bin/bash\necho 'é --==spotbox=='\nprintf '\\0'\nsleep 3600\n",
    "moved": "#!/bin/sh\necho mine\n",
}


@pytest.fixture(scope="module")
def read():
    """What cloud-init makes of a box's user data, by what the user gave."""
    sent = {name: base64.b64encode(box(own, fresh=name != "moved")).decode() for name, own in OWN.items()}
    done = subprocess.run([PYTHON, READS], input=json.dumps(sent).encode(), capture_output=True, check=True)
    return json.loads(done.stdout)


def test_it_leaves_room_for_the_users_own():
    """With all its parts the guard takes 14.8 of the 16 KB, without checkpoints and data volume less than 12."""
    plain = box_user_data("ubuntu", "", [], False)
    assert len(plain) < 12 * 1024
    assert b"/opt/spotbox/checkpoint.py" not in gzip.decompress(plain)
    assert len(box()) < 14.8 * 1024
    script = "#!/bin/sh\n" + "".join(f"apt-get install -y package-{n} && echo installed {n}\n" for n in range(150))
    assert len(box(script)) <= LIMIT


@needs("cloud-init")
def test_cloud_init_writes_every_file_as_it_is(read):
    """cloud-init finds every program, unit and setting at its place, to the character, with its mode."""
    files = {entry["path"]: entry for entry in read["none"]["config"]["write_files"]}
    folder = template_path("guard")
    for name in PROGRAMS:
        place = "/etc/systemd/system/" + name if name.endswith(".service") else "/opt/spotbox/" + name
        assert files[place]["content"] == bare((folder / name).read_text())
        assert files[place]["permissions"] == ("0755" if name == "mount-data" else "0644")
    assert json.loads(files["/etc/spotbox/guard.json"]["content"])["user"] == "ubuntu"
    assert len(files) == len(PROGRAMS) + 1


@needs("cloud-init")
@pytest.mark.parametrize("own", ["cloud-config", "merging", "mime"])
def test_both_cloud_configs_take_effect(read, own):
    """The user's cloud-config keeps its lists and settings, and spotbox's files are written beside his."""
    config = read[own]["config"]
    assert config["runcmd"] == ["echo runs"]
    assert {"/etc/mine", "/opt/spotbox/guard.py"} <= {entry["path"] for entry in config["write_files"]}
    if own != "mime":
        assert config["ssh_pwauth"] is False
        assert config["packages"] == ["htop"]


@needs("cloud-init")
@pytest.mark.parametrize("own", OWN)
def test_the_guard_starts_before_anything_of_the_users(read, own):
    """A script of the user's that runs for an hour does not keep the guard from starting."""
    scripts = read[own]["scripts"]
    assert "systemctl" in scripts[0][1]
    assert not any("systemctl" in text for _, text in scripts[1:])
    assert len(scripts) == (2 if own in ("mime", "script") else 1)  # runcmd's is written later, as `runcmd`
    assert scripts[0][0] < "part-001" < "runcmd"


@needs("cloud-init")
def test_the_users_script_comes_whole(read):
    """A script of the user's with any bytes in it is written as it is."""
    assert read["script"]["scripts"][1][1].encode("latin-1").decode() == OWN["script"]


@needs("cloud-init")
def test_a_moved_box_keeps_its_host_keys_and_updates_its_guard(read):
    """From its own image: host keys stay, files are written anew, nothing of the user's runs."""
    assert read["moved"]["config"]["ssh_deletekeys"] is False
    assert "ssh_deletekeys" not in read["script"]["config"]
    assert "/opt/spotbox/guard.py" in {entry["path"] for entry in read["moved"]["config"]["write_files"]}


@needs("cloud-init")
def test_cloud_init_schema_has_nothing_to_say(read, tmp_path):
    """`cloud-init schema` takes spotbox's cloud-config as valid, without a warning."""
    path = tmp_path / "config.yaml"
    path.write_text("#cloud-config\n" + json.dumps(read["moved"]["config"]))  # the one with all there is
    done = subprocess.run(["cloud-init", "schema", "--config-file", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Valid cloud-config" in done.stdout
    assert "deprecat" not in (done.stdout + done.stderr).lower()


@needs("shellcheck")
@pytest.mark.parametrize("form", [str, bare], ids=["source", "as sent"])
def test_shellcheck_has_nothing_to_say(tmp_path, form):
    """The shell scripts pass shellcheck, with their comments and without."""
    for name in ("mount-data", "start.sh"):
        path = tmp_path / name
        path.write_text(form((template_path("guard") / name).read_text()))
        done = subprocess.run(["shellcheck", path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@needs("systemd-analyze")
def test_systemd_takes_the_unit(tmp_path):
    """`systemd-analyze verify` finds no fault in the unit."""
    unit = tmp_path / "spotbox-guard.service"
    unit.write_text((template_path("guard") / unit.name).read_text())
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    told = [line for line in (done.stdout + done.stderr).splitlines() if unit.name in line]
    assert done.returncode == 0, done.stderr
    assert not told


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name.endswith(".py")])
def test_programs_need_no_newer_python_than_a_box_has(name):
    """Amazon Linux 2023 has Python 3.9: its grammar, no names that came later, and nothing outside the library."""
    text = (template_path("guard") / name).read_text()
    tree = ast.parse(bare(text), feature_version=(3, 9))
    later = {"UTC", "process_group", "file_digest", "pairwise", "removeprefix_", "tomllib", "ExceptionGroup", "strict"}
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    used |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}
    assert not used & later
    assert not any(
        isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and _of_types(node) for node in ast.walk(tree)
    )
    own = {other.removesuffix(".py") for other in PROGRAMS}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert set(names) <= own | set(sys.stdlib_module_names), names


def _of_types(node):
    return any(isinstance(side, ast.Name) and side.id in ("str", "int", "dict") for side in (node.left, node.right))
