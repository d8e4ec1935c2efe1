"""What cloud-init would make of an instance's user data: the files, commands and scripts for a box to act on.

Formats, the parts' types and how several cloud-configs are merged: cloud-init documentation, "User data formats" and
"Merging user data sections". What a box of the sandbox cannot act on (jinja templates, #include, part handlers) is
named in `ignored`.
"""

import base64
import binascii
import email
import gzip
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

CLOUD_CONFIG, SCRIPT, BOOTHOOK = "text/cloud-config", "text/x-shellscript", "text/cloud-boothook"
# The first characters of a part that carries no type, as cloud-init reads them.
STARTS = (
    ("#cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config-jsonp", "text/cloud-config-jsonp"),
    ("#cloud-config", CLOUD_CONFIG),
    ("#cloud-boothook", BOOTHOOK),
    ("#include", "text/x-include-url"),
    ("#part-handler", "text/part-handler"),
    ("## template: jinja", "text/jinja2"),
    ("#!", SCRIPT),
)
UNTYPED = ("text/plain", "text/x-not-multipart", SCRIPT)  # a script is believed only with its #!
GZIPPED = ("application/gzip", "application/x-gzip", "application/x-gunzip", "application/gzipped")
_MERGER = re.compile(r"(dict|list|str)\(([^)]*)\)")
DEFAULT_MERGE = {"dict": {"replace"}, "list": set(), "str": set()}
Mergers = Mapping[str, set[str]]


@dataclass(frozen=True)
class File:
    """One entry of write_files. `mode` are the permission bits."""

    path: str
    content: bytes
    mode: int = 0o644
    append: bool = False


@dataclass(frozen=True)
class Script:
    """One shell script of the user data, run once per instance."""

    name: str
    content: bytes


@dataclass(frozen=True)
class CloudConfig:
    """What a box does: `boots` at every boot, all else once per instance. A command is a shell line or an argv."""

    files: tuple[File, ...] = ()
    scripts: tuple[Script, ...] = ()
    runs: tuple[str | tuple[str, ...], ...] = ()
    boots: tuple[str | tuple[str, ...], ...] = ()
    deletes_host_keys: bool = True
    ignored: tuple[str, ...] = ()


def read(user_data: bytes) -> CloudConfig:
    """What cloud-init does with this user data. What it cannot read it passes over, and so does this; never raises."""
    config: dict[str, Any] = {}
    scripts: list[Script] = []
    boots: list[str | tuple[str, ...]] = []
    ignored: list[str] = []
    for number, (kind, name, payload, headers) in enumerate(_parts(unpacked(user_data)), 1):
        if kind == CLOUD_CONFIG:
            part = _yaml(payload)
            if isinstance(part, dict):
                config = _merge(config, part, _mergers(part, headers))
            else:
                ignored.append(f"part {number}: a cloud-config that is no YAML mapping")
        elif kind == SCRIPT:
            scripts.append(Script(name or f"part-{number:03d}", payload))
        elif kind == BOOTHOOK:
            boots.append(payload.decode(errors="replace").partition("\n")[2])
        else:
            ignored.append(f"part {number}: {kind}")
    return CloudConfig(
        files=tuple(_files(config.get("write_files"))),
        scripts=tuple(sorted(scripts, key=lambda script: script.name)),  # run-parts order
        runs=tuple(_commands(config.get("runcmd"))),
        boots=(*boots, *_commands(config.get("bootcmd"))),
        deletes_host_keys=_truth(config.get("ssh_deletekeys"), True),
        ignored=tuple(ignored),
    )


def unpacked(data: bytes) -> bytes:
    """The data without gzip; as it is where it is not packed, empty where it is broken."""
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return b""


def _parts(data: bytes) -> list[tuple[str, str, bytes, Message | None]]:
    """(type, file name, content, headers) of each part that is not empty."""
    if b"mime-version:" not in data[:4096].lower():
        return [(_kind(data), "", data, None)] if data.strip() else []
    found: list[tuple[str, str, bytes, Message | None]] = []
    for part in email.message_from_bytes(data).walk():
        payload = part.get_payload(decode=True)
        if part.get_content_maintype() == "multipart" or not isinstance(payload, bytes):
            continue
        kind = part.get_content_type()
        if kind in GZIPPED:
            kind, payload = UNTYPED[0], unpacked(payload)
        if kind in UNTYPED:
            kind = _kind(payload)
        if payload.strip():
            found.append((kind, part.get_filename() or "", payload, part))
    return found


def _kind(payload: bytes) -> str:
    text = payload.lstrip()[:64].decode(errors="replace")
    return next((kind for start, kind in STARTS if text.startswith(start)), "text/x-not-multipart")


def _yaml(payload: bytes) -> Any:
    import yaml

    try:
        return yaml.safe_load(payload)
    except (yaml.YAMLError, UnicodeDecodeError):
        return None


def _truth(value: object, default: bool) -> bool:
    """A boolean as cloud-init reads one: also the words that YAML leaves as text."""
    if value is None:
        return default
    return value if isinstance(value, bool) else str(value).strip().lower() in ("true", "1", "on", "yes")


# Merging


def _mergers(part: dict[str, Any], headers: Message | None) -> Mergers:
    """How this part joins those before it: by its own merge_how or merge_type, else its header, else by replacing."""
    told = part.pop("merge_how", None)
    told = told or part.pop("merge_type", None)
    if not told and headers is not None:
        told = headers.get("Merge-Type") or headers.get("X-Merge-Type")
    if isinstance(told, str):
        pairs = [(name, options.split(",")) for name, options in _MERGER.findall(told)]
    elif isinstance(told, list):
        pairs = [(str(row.get("name")), row.get("settings") or []) for row in told if isinstance(row, dict)]
    else:
        pairs = []
    found = {name: {str(option).strip() for option in options} for name, options in pairs}
    return found or DEFAULT_MERGE


def _merge(old: Any, new: Any, mergers: Mergers) -> Any:
    """`new` into `old`; a kind of value that no merger was named for stays as it was."""
    if isinstance(old, dict) and isinstance(new, dict) and "dict" in mergers:
        return old | {key: _same_key(old[key], value, mergers) if key in old else value for key, value in new.items()}
    if isinstance(old, list) and "list" in mergers:
        return _merge_list(old, new, mergers["list"])
    if isinstance(old, str) and "str" in mergers:
        return f"{old}{new}" if "append" in mergers["str"] else new
    return old


def _merge_list(old: list[Any], new: Any, options: set[str]) -> Any:
    if not isinstance(new, list):
        return old if options & {"append", "prepend", "no_replace"} else new
    if "append" in options:
        return [*old, *new]
    if "prepend" in options:
        return [*new, *old]
    # Index by index, and what the old one has no index for is lost: so it is in cloud-init.
    return old if "no_replace" in options else [*new[: len(old)], *old[len(new) :]]


def _same_key(old: Any, new: Any, mergers: Mergers) -> Any:
    options = mergers["dict"]
    if "replace" in options:
        return new
    into_list = isinstance(new, list) and options & {"recurse_array", "recurse_list"}
    into_text = isinstance(new, str) and "recurse_str" in options
    return _merge(old, new, mergers) if into_list or into_text or isinstance(new, dict) else old


# What is in the configuration


def _files(rows: object) -> list[File]:
    found = []
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict) or not row.get("path"):
            continue
        content = row.get("content") or ""
        raw = content if isinstance(content, bytes) else str(content).encode()
        plain = _decoded(raw, str(row.get("encoding") or ""))
        found.append(File(str(row["path"]), plain, _mode(row), _truth(row.get("append"), False)))
    return found


def _mode(row: Mapping[str, Any]) -> int:
    """Permissions: octal text, or a number that YAML has read already. Those that are no number become 0644."""
    mode = row.get("permissions")
    try:
        return 0o644 if mode is None else int(mode) if isinstance(mode, int) else int(str(mode), 8)
    except ValueError:
        return 0o644


def _decoded(raw: bytes, encoding: str) -> bytes:
    """Content in plain: gzip, base64, or gzip in base64, by any of the names that write_files takes."""
    words = set(encoding.lower().strip().replace("gzip", "gz").replace("base64", "b64").split("+"))
    try:
        raw = base64.b64decode(raw) if "b64" in words else raw
    except binascii.Error:
        return raw
    return unpacked(raw) if "gz" in words else raw


def _commands(rows: object) -> list[str | tuple[str, ...]]:
    if not isinstance(rows, list):
        return []
    return [tuple(str(word) for word in row) if isinstance(row, list) else str(row) for row in rows if row]
