"""What a box reads out of its user data, compared with what Debian's cloud-init makes of the same bytes."""

import base64
import gzip
import json
import subprocess
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from spotbox.sandbox.cloudinit import CloudConfig, File, Script, read

# What cloud-init itself stores of user data: its own reader and part handler, without a machine under them.
REAL = """
import json, sys, logging
sys.path.append("/usr/lib/python3/dist-packages")
from cloudinit.handlers.cloud_config import CloudConfigPartHandler
from cloudinit.user_data import UserDataProcessor
class Paths:
    def get_ipath(self, name): return None
    get_ipath_cur = get_ipath
class Processor(UserDataProcessor):
    def __init__(self): self.paths = Paths()
handler = CloudConfigPartHandler(Paths())
scripts = []
for part in Processor().process(sys.stdin.buffer.read()).get_payload():
    kind, payload = part.get_content_type(), part.get_payload(decode=True)
    if kind == "text/cloud-config":
        handler.handle_part("", kind, part.get_filename(), payload.decode(), "", dict(part))
    elif kind == "text/x-shellscript":
        scripts.append(payload.decode())
print(json.dumps([handler.cloud_buf or {}, scripts]))
"""


def real(user_data: bytes) -> tuple[dict, list[str]]:
    """The merged cloud-config and the scripts as Debian's cloud-init sees them."""
    done = subprocess.run(["/usr/bin/python3", "-c", REAL], input=user_data, capture_output=True)
    if b"No module named" in done.stderr:
        pytest.skip("Debian's package cloud-init is not installed")
    assert done.returncode == 0, done.stderr.decode()
    return tuple(json.loads(done.stdout))


def bundle(*parts: tuple[str, str, dict[str, str]]) -> bytes:
    """A MIME multipart of (type, text, further headers)."""
    whole = MIMEMultipart(boundary="==")
    for kind, text, headers in parts:
        part = MIMEText(text, kind)
        for name, value in headers.items():
            part[name] = value
        whole.attach(part)
    return whole.as_bytes()


OURS = "#cloud-config\nwrite_files:\n- {path: /a, content: x, permissions: '0755'}\nruncmd:\n- [echo, a]\n"
THEIRS = "#cloud-config\nruncmd:\n- echo b\n- echo c\nssh_deletekeys: false\n"
APPEND = "list(append)+dict(no_replace,recurse_list)+str()"


def test_a_plain_script_is_a_script():
    """User data that begins with #! is one shell script."""
    assert read(b"#!/bin/sh\necho hello\n") == CloudConfig(scripts=(Script("part-001", b"#!/bin/sh\necho hello\n"),))


def test_nothing_is_nothing():
    """No user data, and what cloud-init has no name for, give a box nothing to do."""
    assert read(b"") == CloudConfig()
    assert read(b"hello") == CloudConfig(ignored=("part 1: text/x-not-multipart",))
    assert read(b"\x1f\x8bbroken") == CloudConfig()


def test_files_carry_their_bytes_and_modes():
    """write_files is read with its encodings, modes and appends."""
    packed = base64.b64encode(gzip.compress(b"\x00bytes")).decode()
    rows = [
        {"path": "/a", "content": "text\n", "permissions": "0755"},
        {"path": "/b", "content": packed, "encoding": "gz+b64", "permissions": 0o600},
        {"path": "/c", "content": base64.b64encode(b"c").decode(), "encoding": "base64", "append": True},
        {"content": "nowhere"},
    ]
    assert read(b"#cloud-config\n" + json.dumps({"write_files": rows}).encode()).files == (
        File("/a", b"text\n", 0o755),
        File("/b", b"\x00bytes", 0o600),
        File("/c", b"c", 0o644, True),
    )


def test_commands_keep_their_form():
    """A runcmd is a shell line or an argv, and bootcmd is told apart from it."""
    found = read(b"#cloud-config\nruncmd: [ls -l, [echo, 1]]\nbootcmd: [date]\n")
    assert (found.runs, found.boots) == (("ls -l", ("echo", "1")), ("date",))


@pytest.mark.parametrize(
    ("text", "deletes"), [("", True), ("ssh_deletekeys: false", False), ("ssh_deletekeys: 1", True)]
)
def test_host_keys_go_unless_told(text, deletes):
    """cloud-init makes new host keys for a new instance unless ssh_deletekeys is false."""
    assert read(f"#cloud-config\nx: 1\n{text}\n".encode()).deletes_host_keys is deletes


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "parts",
    [
        [("cloud-config", OURS, {}), ("cloud-config", THEIRS, {})],
        [("cloud-config", OURS, {}), ("cloud-config", THEIRS, {"X-Merge-Type": APPEND})],
        [("cloud-config", OURS, {}), ("cloud-config", THEIRS, {"Merge-Type": "dict(recurse_list)+list(prepend)"})],
        [("cloud-config", OURS, {}), ("plain", THEIRS + "merge_how: " + APPEND + "\n", {})],
        [("cloud-config", OURS, {}), ("cloud-config", THEIRS, {"X-Merge-Type": "dict(recurse_list)+list()"})],
        [("cloud-config", THEIRS, {}), ("cloud-config", OURS, {"X-Merge-Type": "dict(recurse_list)+list(replace)"})],
        [("cloud-config", OURS, {"X-Merge-Type": APPEND}), ("plain", "#!/bin/sh\necho s\n", {})],
        [("x-shellscript", "#!/bin/sh\necho s\n", {}), ("x-shellscript", "#!/bin/bash\necho t\n", {})],
        [("cloud-config", OURS, {}), ("cloud-config", "#cloud-config\n: : :\n  bad", {})],
    ],
)
def test_it_reads_as_cloud_init_does(parts, packed):
    """Parts, merges and compression come out as cloud-init's own reader has them."""
    user_data = gzip.compress(bundle(*parts)) if packed else bundle(*parts)
    config, scripts = real(user_data)
    found = read(user_data)
    assert [tuple(row) if isinstance(row, list) else row for row in config.get("runcmd", [])] == list(found.runs)
    assert [row["path"] for row in config.get("write_files", [])] == [file.path for file in found.files]
    assert config.get("ssh_deletekeys", True) == found.deletes_host_keys
    assert scripts == [script.content.decode() for script in found.scripts]
