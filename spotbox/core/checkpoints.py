"""`--checkpoint LOCAL=s3://bucket/prefix`: a folder of the box and where in S3 it is kept."""

import re
from collections.abc import Sequence

from spotbox.core.errors import UsageError

_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
# S3's "safe characters" for keys (S3 User Guide, "Naming Amazon S3 objects") without `*`, and `=` of partitions.
_PREFIX = re.compile(r"[A-Za-z0-9!_.'()=-]+(?:/[A-Za-z0-9!_.'()=-]+)*")
_MINE = ("A", "B", "LATEST")  # what lies under a prefix
# Folders of the system (Filesystem Hierarchy Standard 3.0): nobody's to write below but root's, or shared as a whole.
_ROOTS = frozenset(
    "bin boot dev etc lib lib32 lib64 libx32 lost+found proc root run sbin snap sys usr".split()  # noqa: SIM905
)
_SHARED = frozenset(
    ("home", "media", "mnt", "opt", "srv", "tmp", "var", "opt/dlami", "opt/dlami/nvme", "var/lib", "var/log", "var/tmp")
)


def parse_checkpoint(text: str) -> tuple[str, str]:
    """The folder (absolute, or in the home: `~/ckpt`) and `s3://bucket/prefix` of `LOCAL=s3://bucket/prefix`.

    UsageError for anything that is not both, for a whole home or disk, and for what S3 takes as no bucket's name.
    """
    local, equals, remote = text.partition("=s3://")
    if not equals:
        raise UsageError(
            f"{text!r} is not a checkpoint", "Give it as FOLDER=s3://BUCKET/PREFIX, such as ~/ckpt=s3://mine/dev."
        )
    return _local(local), _remote(remote)


def check_checkpoints(pairs: Sequence[tuple[str, str]]) -> None:
    """UsageError where two checkpoints share a folder, or one's place in S3 lies within another's; and for a folder of
    the system, which is seen here alone: a shell on a root's machine writes /root for `~`."""
    for number, (local, remote) in enumerate(pairs):
        if local.startswith("/") and local.split("/")[1] in _ROOTS:
            raise UsageError(
                f"{local!r} is the system's: the login of the box cannot write there",
                "Give a folder in the home, such as ~/ckpt, or below /data.",
            )
        for other_local, other_remote in pairs[number + 1 :]:
            if local == other_local:
                raise UsageError(f"two checkpoints of {local}", "Give each folder once.")
            if f"{remote}/".startswith(f"{other_remote}/") or f"{other_remote}/".startswith(f"{remote}/"):
                raise UsageError(
                    f"{remote} and {other_remote} lie within each other", "Give each checkpoint a prefix of its own."
                )


def _local(text: str) -> str:
    path = text.rstrip("/")
    parts = path.split("/")
    if not path.isprintable() or len(path) > 1024 or parts[0] not in ("", "~") or {"", ".", ".."} & set(parts[1:]):
        raise UsageError(
            f"{text!r} is not a folder for a checkpoint", "Give an absolute path or one in the home, such as ~/ckpt."
        )
    shared = parts[0] == "" and "/".join(parts[1:]) in _SHARED
    if len(parts) < 2 or path == "/data" or shared or (parts[:2] == ["", "home"] and len(parts) < 4):
        raise UsageError(f"{text!r} is more than a checkpoint", "Give a folder of its own, such as ~/ckpt.")
    return path


def _remote(text: str) -> str:
    bucket, _, prefix = text.partition("/")
    prefix = prefix.rstrip("/")
    # S3 User Guide, "General purpose bucket naming rules"
    reserved = bucket.startswith(("xn--", "sthree-", "amzn-s3-demo-")) or bucket.endswith(("-s3alias", "--ol-s3"))
    if not _BUCKET.fullmatch(bucket) or _ADDRESS.fullmatch(bucket) or reserved:
        raise UsageError(
            f"{bucket!r} is not a bucket's name",
            "S3 takes 3 to 63 lower-case letters, digits, dots and hyphens, such as my-checkpoints.",
        )
    if not prefix:
        raise UsageError(
            f"s3://{bucket} is a whole bucket", f"Give a prefix for this checkpoint, such as s3://{bucket}/dev."
        )
    segments = prefix.split("/")
    if not _PREFIX.fullmatch(prefix) or len(prefix) > 512 or {".", ".."} & set(segments):
        raise UsageError(
            f"{prefix!r} cannot be the prefix of a checkpoint", "Use letters, digits and !-_.'()= between slashes."
        )
    if segments[-1] in _MINE and len(segments) > 1:
        raise UsageError(
            f"{prefix!r} looks like the inside of a checkpoint",
            "Give the prefix above it; A, B and LATEST are made there.",
        )
    return f"s3://{bucket}/{prefix}"
