"""The user data of a box: the guard and its settings, for cloud-init to write and start, and the user's own beside it.

It is one MIME multipart message. The user's file comes first, as a part of its own; then a shell script that starts
the guard, named so that it sorts (and so runs) before any script of the user's; last the cloud-config that writes the
guard's files. That one is last because each cloud-config is merged into the ones before it by its own merge type
(cloud-init, "Merging user data sections"): ours adds to the user's lists and replaces nothing.
"""

import base64
import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from zlib import error as zlib_error

from spotbox.core.bare import bare
from spotbox.core.errors import UsageError

LIMIT = 16 * 1024  # bytes, before base64 (EC2 User Guide, "Run commands when you launch an instance")
FOLDER = "/opt/spotbox"  # the guard's programs
SETTINGS = "/etc/spotbox/guard.json"
UNIT = "/etc/systemd/system/spotbox-guard.service"
_MOST = 1024 * 1024  # no user data that EC2 takes is larger than this unpacked
_MERGE = "list(append)+dict(no_replace,recurse_list)+str()"
_HINT = (
    "cloud-init takes a script (#!), #cloud-config, #cloud-boothook, #include, ## template: jinja or MIME multipart."
)
# How cloud-init tells parts apart: by how they begin, case and leading space aside, the longest first
# (cloud-init, "User data formats").
_TYPES = {
    "#cloud-config-archive": "text/cloud-config-archive",
    "#cloud-config-jsonp": "text/cloud-config-jsonp",
    "## template: jinja": "text/jinja2",
    "#cloud-boothook": "text/cloud-boothook",
    "#include-once": "text/x-include-once-url",
    "#cloud-config": "text/cloud-config",
    "#part-handler": "text/part-handler",
    "#include": "text/x-include-url",
    "#!": "text/x-shellscript",
}


@dataclass(frozen=True)
class GuardSettings:
    """What a box's guard is told when the box is made; what may change on a running box is in its tags."""

    user: str  # the login whose hooks and checkpoints these are
    checkpoints: tuple[tuple[str, str], ...] = ()  # (folder on the box, s3://bucket/prefix)
    data: bool = False  # a data volume is expected
    restore: bool = True  # bring the checkpoints down once

    def json(self) -> str:
        """The settings file of the guard."""
        pairs = [{"local": local, "remote": remote} for local, remote in self.checkpoints]
        settings = {"user": self.user, "checkpoints": pairs, "data": self.data, "restore": self.restore}
        return json.dumps(settings, indent=1) + "\n"


def build(
    files: Mapping[str, str], start: str, settings: GuardSettings, user_data: bytes | None, *, fresh: bool = True
) -> bytes:
    """The user data of a box, the same bytes for the same input; gzip of the whole where plain is more than 16 KB.

    `files` are the guard's programs and its unit by name, `start` the script that starts it. `fresh` False is a box
    that is launched from the image of another (`move`): it keeps its host keys (cloud-init makes new ones for a new
    instance id, unless `ssh_deletekeys` is false), gets no part of the user's and brings no checkpoint down.
    UsageError where EC2 would not take it for its size, or cloud-init would not know what the user's file is.
    """
    if not fresh:
        settings = GuardSettings(settings.user, settings.checkpoints, settings.data, restore=False)
    parts = [_users_part(user_data)] if user_data and user_data.strip() and fresh else []
    parts.append(_part("text/x-shellscript", bare(start), "00-spotbox.sh"))
    parts.append(_part("text/cloud-config", _cloud_config(files, settings, fresh), "spotbox.yaml", _MERGE))
    whole = _multipart(parts)
    if len(whole) > LIMIT:
        whole = gzip.compress(whole, 9, mtime=0)
    if len(whole) > LIMIT:
        own = len(gzip.compress(_multipart(parts[-2:]), 9, mtime=0))
        raise UsageError(
            f"the user data is {len(whole)} bytes compressed, with {own} of spotbox's own; EC2 takes {LIMIT}",
            "Make the file of --user-data smaller, or let it fetch the rest from the box.",
        )
    return whole


def content_type(user_data: bytes) -> str:
    """What cloud-init takes this for by how it begins, `multipart` for a MIME message. UsageError if for nothing."""
    head = user_data[:4096].decode("utf-8", "replace").lstrip().lower()
    for prefix, kind in _TYPES.items():
        if head.startswith(prefix):
            return kind
    if head.startswith(("mime-version:", "content-type:")) and b"mime-version:" in user_data[:4096].lower():
        return "multipart"  # cloud-init looks for that header in the first 4096 bytes
    raise UsageError("the file of --user-data begins with nothing that cloud-init knows", _HINT)


def _users_part(user_data: bytes) -> str:
    if user_data.startswith(b"\x1f\x8b"):
        user_data = _unpacked(user_data)
    kind = content_type(user_data)
    if kind != "multipart":
        return _part(kind, user_data, "")
    try:
        return user_data.decode("ascii").lstrip()  # its own headers are those of the part
    except UnicodeDecodeError:
        raise UsageError(
            "the MIME message of --user-data is not ASCII", "Encode its parts in base64, as `cloud-init devel` does."
        ) from None


def _unpacked(user_data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(user_data)) as file:
            plain = file.read(_MOST + 1)
    except (OSError, EOFError, zlib_error):
        raise UsageError("the file of --user-data is not whole gzip", "Give it unpacked.") from None
    if len(plain) > _MOST:
        raise UsageError("the file of --user-data is more than 1 MiB unpacked", "Let it fetch the rest from the box.")
    return plain


def _part(kind: str, content: str | bytes, name: str, merge: str = "") -> str:
    """One part with its headers. What is not plain ASCII text goes as base64: cloud-init would garble it."""
    raw = content.encode() if isinstance(content, str) else content
    lines = [f'Content-Type: {kind}; charset="utf-8"', "MIME-Version: 1.0"]
    lines += [f'Content-Disposition: attachment; filename="{name}"'] if name else []
    lines += [f"X-Merge-Type: {merge}"] if merge else []
    if raw.isascii() and b"\0" not in raw and b"\r" not in raw:
        return "\n".join([*lines, "Content-Transfer-Encoding: 7bit", "", raw.decode("ascii")])
    return "\n".join([*lines, "Content-Transfer-Encoding: base64", "", base64.encodebytes(raw).decode("ascii")])


def _multipart(parts: list[str]) -> bytes:
    number, boundary = 0, "==spotbox=="
    while any(boundary in part for part in parts):
        number += 1
        boundary = f"==spotbox-{number}=="
    head = f'Content-Type: multipart/mixed; boundary="{boundary}"\nMIME-Version: 1.0\n'
    return "".join([head, *(f"\n--{boundary}\n{part}" for part in parts), f"\n--{boundary}--\n"]).encode("ascii")


def _cloud_config(files: Mapping[str, str], settings: GuardSettings, fresh: bool) -> str:
    lines = ["#cloud-config", *([] if fresh else ["ssh_deletekeys: false"]), "write_files:"]
    texts = {_place(name): bare(text) for name, text in files.items()} | {SETTINGS: settings.json()}
    for path, text in texts.items():
        mode = "0755" if text.startswith("#!") else "0644"
        lines += [f"- path: {path}", f"  permissions: '{mode}'", "  content: |", *_literal(text)]
    return "\n".join(lines) + "\n"


def _place(name: str) -> str:
    return UNIT if name.endswith(".service") else f"{FOLDER}/{name}"


def _literal(text: str) -> list[str]:
    """The lines of a YAML literal block that reads back as exactly this text. ValueError where none would."""
    lines = text.split("\n")
    body = lines[:-1]
    plain = all(map(str.isprintable, body))
    if not text.isascii() or not plain or lines[-1] or not body or not body[-1] or body[0][:1] in ("", " "):
        raise ValueError("a template must be printable ASCII, begin at once and end with one newline")
    return ["    " + line if line else "" for line in body]
