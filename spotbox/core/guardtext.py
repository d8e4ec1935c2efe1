"""The guard's settings as they stand in the user data of a box that was made earlier."""

import gzip
import io
import json
from zlib import error as zlib_error

from spotbox.core.userdata import SETTINGS, GuardSettings

_MOST = 1024 * 1024  # no user data that EC2 takes is larger than this unpacked


def settings_in(user_data: bytes) -> GuardSettings | None:
    """The settings in what `userdata.build` made; None where there are none, or none that can be read."""
    try:
        if user_data.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=io.BytesIO(user_data)) as file:
                user_data = file.read(_MOST)
        found = json.loads(_block(user_data.decode("ascii", "replace")))
        pairs = tuple((str(each["local"]), str(each["remote"])) for each in found.get("checkpoints", ()))
        return GuardSettings(str(found["user"]), pairs, bool(found.get("data")))
    except (OSError, EOFError, zlib_error, ValueError, KeyError, TypeError, AttributeError):
        return None


def _block(text: str) -> str:
    """The literal block that cloud-config writes to the settings file; ours is the last that names it."""
    rest = text.rpartition(f"- path: {SETTINGS}\n")[2].splitlines()
    lines = rest[rest.index("  content: |") + 1 :]
    indented = next((n for n, line in enumerate(lines) if line and not line.startswith("    ")), len(lines))
    return "\n".join(line[4:] for line in lines[:indented])
